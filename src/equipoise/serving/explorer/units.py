"""The units of an explorer in a state folder: explorer/SNAPSHOT.parquet, a copy of what the run
left.  They are no part of the snapshot, which decides without them and may travel without them.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from equipoise.artifacts.explorer import EXPLORER
from equipoise.core.snapshot import replacing

FOLDER = "explorer"


def units_file(state: Path | str, snapshot: str) -> Path:
    """Where the units of a snapshot are, whether or not there are any.

    Parameters
    ----------
    state : path
        The state folder.
    snapshot : str
        The id.

    Returns
    -------
    Path
        A Parquet file's.

    Examples
    --------
    >>> units_file("shop", "ab12").as_posix()
    'shop/explorer/ab12.parquet'
    """
    return Path(state) / FOLDER / f"{snapshot}.parquet"


def keep_units(state: Path | str, snapshot: str, source: Path | str) -> bool:
    """Keep the units that a run left for its explorer.

    Parameters
    ----------
    state : path
        The state folder.
    snapshot : str
        The id of the snapshot that was built of the run.
    source : path
        The run, or its policy/ folder.

    Returns
    -------
    bool
        False where the run left none.
    """
    places = [Path(source) / EXPLORER, Path(source).parent / EXPLORER]
    there = [place for place in places if place.is_file()]
    if not there:
        return False
    with replacing(units_file(state, snapshot)) as beside:
        shutil.copyfile(there[0], beside)
    return True


def drop_units(state: Path | str, snapshot: str) -> None:
    """Remove the units of a snapshot that is removed.

    Parameters
    ----------
    state : path
        The state folder.
    snapshot : str
        The id.
    """
    units_file(state, snapshot).unlink(missing_ok=True)
