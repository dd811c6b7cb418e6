"""A live shop's log with frozen base scores: boosted trees learn from its first week, ensembles of
their scores from the second.

    days 0..6   the base models      7..11   ensembles      12, 13   validation

So no score was given to a row that its model saw.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from equipoise.core.arrays import Ints
from equipoise.core.errors import InputError
from equipoise.data.simulators.live_shop import (
    METRICS,
    PLACES,
    LiveShopWorld,
    examined,
    make_live_shop_world,
)
from equipoise.ranking import BoostedScores

SCORES = tuple(f"p_{metric}" for metric in METRICS)
FIRST, VALIDATION, LAST = 7, 12, 13  # the first days of the ensembles, and of their validation
RECORDED = ("request", "viewer", "room", "day", "position", "shuffled", *METRICS)


@dataclass(frozen=True)
class ShopLog:
    """The later days of a live shop's log, with what base models of the earlier ones say.

    Attributes
    ----------
    world : LiveShopWorld
        The shop.
    base : BoostedScores
        Fitted on the days before `FIRST`.
    table : pyarrow.Table
        Ten rows a request: `RECORDED`, the viewer's profile, and `SCORES`.

    Examples
    --------
    >>> log = shop_log(make_live_shop_world(viewers=200), 600)
    >>> log.table.num_rows, log.table.column_names[-2:]
    (3000, ['p_gift', 'p_purchase'])
    """

    world: LiveShopWorld
    base: BoostedScores
    table: pa.Table

    def scores(self, viewer: Ints, room: Ints) -> pa.Table:
        """Base scores of any pairs.

        Parameters
        ----------
        viewer : array of int, (N,)
            The viewers.
        room : array of int, (N,)
            The rooms.

        Returns
        -------
        pyarrow.Table
            `SCORES`, N rows.
        """
        return self.base.scores(self.world.features(viewer, room))

    def part(self, first: int, last: int) -> dict[str, Any]:
        """The rows of some days as a ranker's ``fit`` takes them.

        Parameters
        ----------
        first, last : int
            The days, both included.

        Returns
        -------
        dict
            X, y and profile.
        """
        day = self.table["day"].to_numpy()
        rows = self.table.filter(pa.array((day >= first) & (day <= last)))
        profile = rows.select(self.world.profile.column_names)
        return {"X": rows.select(SCORES), "y": rows.select(METRICS), "profile": profile}

    def truth(self) -> pa.Table:
        """What the simulator knows of every row.

        Returns
        -------
        pyarrow.Table
            looked_at: the probability that the place is looked at; and of every metric if it is.
        """
        viewer, room, place = (self.table[c].to_numpy() for c in ("viewer", "room", "position"))
        chance = self.world.chance[viewer, room]
        columns = {"looked_at": examined(PLACES)[place]}
        return pa.table(columns | dict(zip(METRICS, chance.T, strict=True)))


def shop_log(world: LiveShopWorld, requests: int, *, seed: int = 0) -> ShopLog:
    """Let a shop record requests, learn base models from its first week, and score the second.

    Parameters
    ----------
    world : LiveShopWorld
        The shop.
    requests : int
        Of both weeks.
    seed : int, default 0
        Of the requests and their outcomes.

    Returns
    -------
    ShopLog
        The second week.
    """
    log = world.log(world.requests(requests, seed=seed), seed=seed)
    early = log["day"].to_numpy() < FIRST
    viewer, room = log["viewer"].to_numpy(), log["room"].to_numpy()
    labels = log.select(METRICS).filter(pa.array(early))
    never = [name for name in METRICS if not labels[name].to_numpy().any()]
    if never:
        got = f"{len(labels)} rows without a {never[0]}"
        raise InputError("the shop's first week", "have every metric", got, fix="ask for more rows")
    base = BoostedScores().fit(
        world.features(viewer[early], room[early]), labels, groups=viewer[early]
    )
    later = log.filter(pa.array(~early)).select(RECORDED)
    out = ShopLog(world, base, later)
    scores = out.scores(viewer[~early], room[~early])
    for part in (world.profile.take(later["viewer"]), scores):
        for name in part.column_names:
            later = later.append_column(name, part[name])
    return ShopLog(world, base, later)


def simulated_shop(rows: int, *, seed: int = 0) -> ShopLog:
    """A shop whose second week has so many rows, or up to nine more to make whole requests.

    Parameters
    ----------
    rows : int
        Of the second week.
    seed : int, default 0
        Of the shop and its log.

    Returns
    -------
    ShopLog
        The second week.

    Examples
    --------
    >>> simulated_shop(1_995).table.num_rows
    2000
    """
    return shop_log(make_live_shop_world(seed=seed), 2 * int(np.ceil(rows / PLACES)), seed=seed)
