"""A run made live in a service's folder before it starts, and a request that will work."""

from __future__ import annotations

import json
import math
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from equipoise.core.errors import DataError, SnapshotError
from equipoise.core.progress import Progress, silent
from equipoise.core.snapshot import verify_snapshot
from equipoise.serving.snapshots.channels import Channels
from equipoise.serving.snapshots.state import SHOWN, State, policy_folder


def must_have_policy(state: Path, run: Path | None) -> None:
    """Refuse a service without anything to decide by, before its folder is made.

    Parameters
    ----------
    state : Path
        The service's folder.
    run : Path or None
        What is to be served; None: what is live.

    Raises
    ------
    EquipoiseError
        Saying what is not there.
    """
    if run is not None:
        policy_folder(run)
    elif Channels(state).live() is None:
        fix = "publish a run: `equipoise serve RUN` does it where there is none"
        raise DataError("a service", "have a live snapshot", "none", str(state), fix)


def must_be_writable(state: Path) -> None:
    """Refuse a folder that a service cannot write to.

    Raises
    ------
    DataError
        Saying why.
    """
    try:
        state.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=state):
            return
    except OSError as error:
        fix = "give it to the user of the service, or name another one by --state"
        got = error.strerror or str(error)
        raise DataError("the folder of a service", "be writable", got, str(state), fix) from error


def make_live(
    state: Path,
    run: Path,
    units: Path | None = None,
    id: str = "",
    progress: Progress = silent,
) -> str:
    """Publish a run, unless it is live already.

    Parameters
    ----------
    state : Path
        The service's folder.
    run : Path
        A run, or its policy/ folder.
    units : Path, optional
        Of known units.
    id : str, default ""
        The column of their ids.
    progress : callable, default silent
        Is told of the units.

    Returns
    -------
    str
        The id of the live snapshot.

    Raises
    ------
    EquipoiseError
        Where it cannot be built or published.
    """
    from equipoise.serving.snapshots.build import build_snapshot
    from equipoise.serving.snapshots.publish import publish

    live = Channels(state).live()
    snapshot = build_snapshot(state, run, units, id=id or None, progress=progress)
    if live is None or live.snapshot != snapshot:
        publish(state, snapshot, by="serve")
    return snapshot


def example_request(state: Path) -> tuple[str, int, str]:
    """A request that the live snapshot answers.

    Parameters
    ----------
    state : Path
        The service's folder.

    Returns
    -------
    snapshot : str
        The first digits of its id.
    units : int
        How many it knows.
    body : str
        JSON of one line, without a single quote.
    """
    live = Channels(state).live()
    if live is None:
        raise SnapshotError("a service", "have a live snapshot", "none", str(state))
    folder = State(state).snapshot(live.snapshot)
    units = int(verify_snapshot(folder).meta["units"])
    request: dict[str, Any] = {"unit": "user-1"}
    if units:
        from equipoise.serving.stores.building import open_store

        store = open_store(folder / "store")
        request["unit"] = next(iter(store.items()))[0].decode()
        store.close()
    else:
        from equipoise.artifacts.policy import read_scorer
        from equipoise.serving.snapshots.self_test import drawn_units

        drawn = drawn_units(read_scorer(folder / "policy").numbered())  # an id is no feature
        if drawn is not None:
            request["features"] = {
                name: _plain(value) for name, value in drawn.slice(0, 1).to_pylist()[0].items()
            }
    return live.snapshot[:SHOWN], units, json.dumps(request).replace("'", "\\u0027")


def _plain(value: Any) -> Any:
    """A value of a table as JSON has it."""
    if isinstance(value, float):
        return float(f"{value:.4g}") if math.isfinite(value) else None
    if isinstance(value, timedelta):
        return f"PT{value.total_seconds():g}S"
    return value if value is None or isinstance(value, str | bool | int) else str(value)
