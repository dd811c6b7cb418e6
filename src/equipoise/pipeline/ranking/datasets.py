"""Logs that a plan with [ranking] can name, with what is known of their columns.  A new one is one
line here, and a function: () -> (table, keys of [ranking]).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from equipoise.core.registry import Registry

RANKING_LOGS = Registry(
    "log to rank",
    {
        "live-shop": "equipoise.pipeline.ranking.datasets:live_shop",
        "kuairand": "equipoise.pipeline.ranking.datasets:kuairand",
    },
)
REQUESTS = 6_000  # of the simulated shop


def live_shop(requests: int = REQUESTS, seed: int = 0) -> tuple[pa.Table, dict[str, Any]]:
    """A simulated live-streaming shop's log of ten rows a request, and its columns.

    Parameters
    ----------
    requests : int, default 6000
        How many, >= 1.
    seed : int, default 0
        Of the world.

    Returns
    -------
    table : pyarrow.Table
        Ten rows a request.
    keys : dict
        What [ranking] is by default.
    """
    from equipoise.data.simulators.live_shop import METRICS, make_live_shop_world

    world = make_live_shop_world(seed=seed)
    log = world.log(world.requests(requests, seed=seed), seed=seed)
    viewer, room = (np.asarray(log[name].to_numpy()) for name in ("viewer", "room"))
    features = world.features(viewer, room)
    table = log.drop_columns(["score", "shuffled"])
    for name in features.column_names:
        table = table.append_column(name, features[name])
    profile = world.profile.column_names
    return table, {
        "objectives": list(METRICS),
        "request": "request",
        "item": "room",
        "user": "viewer",
        "time": "day",
        "profile": profile,
        "base": {"features": [name for name in features.column_names if name not in profile]},
    }


def kuairand() -> tuple[pa.Table, dict[str, Any]]:
    """KuaiRand's short videos, 25 April to 8 May 2022, and their columns; the test begins in May.

    Returns
    -------
    table : pyarrow.Table
        228,329 rows.
    keys : dict
        What [ranking] is by default; `hate`, of which less is better, is no objective.
    """
    from equipoise.data import fetch_kuairand

    log = fetch_kuairand()
    return log.table, {
        "objectives": [name for name in log.labels if name != "hate"],
        "user": "user_id",
        "time": "date",
        "profile": list(log.profile),
        "base": {"features": list(log.features), "until": "2022-04-27"},
        "until": ["2022-04-29", "2022-04-30"],
    }
