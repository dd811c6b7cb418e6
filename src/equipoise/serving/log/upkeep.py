"""What a log needs from time to time: erased units taken out, old segments removed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from equipoise.serving.config import LogConfig
from equipoise.serving.log.erasure import Erasure, rewrite_erased
from equipoise.serving.log.retention import remove_old


@dataclass(frozen=True)
class Upkeep:
    """What was done.

    Attributes
    ----------
    erasure : Erasure
        Units taken out.
    removed : int
        Segments that were old enough.

    Examples
    --------
    >>> Upkeep(Erasure(0, 0, 0, 0, 0), 2).removed
    2
    """

    erasure: Erasure
    removed: int


def keep_up(folder: Path | str, config: LogConfig, now: int | None = None) -> Upkeep:
    """Do what is due in a log, beside its writers: to be called each hour or so, in a thread.

    Parameters
    ----------
    folder : path
        Of the log.
    config : LogConfig
        How long it is kept.
    now : int, optional
        Nanoseconds since 1970; by default of this moment.

    Returns
    -------
    Upkeep
        What was done; the same call again does nothing.

    Raises
    ------
    DataError
        Where the log is damaged.
    """
    removed = remove_old(folder, config.keep, now)
    return Upkeep(rewrite_erased(folder), removed)
