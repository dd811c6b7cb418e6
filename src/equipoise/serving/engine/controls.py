"""What an operator sets while a service runs: one small file that every worker looks at.

    kill        everybody gets control
    overrides   what single units get
    prices      of a snapshot's demands, in place of those it was published with
    shares      of the holdout, of the candidate snapshot and of exploration

A change is written beside and renamed, under a lock, so a worker reads all of it or none.  Units
that were erased are in a file of hashes that only grows.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from equipoise.core.errors import DataError, InputError
from equipoise.core.snapshot import replacing
from equipoise.serving.engine.recent import ID, unit_hash
from equipoise.serving.engine.tables import locked

FILE, ERASED = "control.json", "erased"
SHARES = ("holdout", "share", "explore")


class Control(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is set.

    Attributes
    ----------
    sequence : int
        Of the change; it grows by one.
    kill : bool
        Whether everybody gets control.
    overrides : dict of str to str
        Unit -> the name of the cell that it gets.
    prices : dict of str to (dict of str to float)
        Snapshot -> demand -> price >= 0, in worth per unit of usage.
    shares : dict of str to float
        Of `SHARES`, those that were set; the others are the settings'.
    """

    sequence: int = 0
    kill: bool = False
    overrides: dict[str, str] = {}
    prices: dict[str, dict[str, float]] = {}
    shares: dict[str, float] = {}


class Controls:
    """The file of one service.

    Parameters
    ----------
    folder : Path
        Where it is kept.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.file, self.gone = folder, folder / FILE, folder / ERASED
        self._seen: tuple[object, ...] = ()
        self.erased: set[bytes] = set()  # hashes of units
        self.newly_erased: set[bytes] = set()  # of them, those nobody has looked at yet
        self.now = Control()
        self.look()
        self.newly_erased.clear()

    def look(self) -> bool:
        """Read the files where they changed, and tell whether they did."""
        stamp = (_stamp(self.file), _stamp(self.gone))
        if stamp == self._seen:
            return False
        self.now, before = self._read(), self.erased
        self.erased = self._read_erased()
        self.newly_erased |= self.erased - before
        self._seen = stamp
        return True

    def change(self, do: Callable[[Control], Control]) -> Control:
        """Change what is set, alone among all workers.

        Parameters
        ----------
        do : callable
            From what is set to what shall be; an error leaves all as it was.

        Returns
        -------
        Control
            What is set now.
        """
        with locked(self.folder):
            before = self._read()
            after = msgspec.structs.replace(do(before), sequence=before.sequence + 1)
            with replacing(self.file) as beside:
                beside.write_bytes(msgspec.json.encode(after))
        self.look()
        return after

    def erase(self, unit: str) -> None:
        """Note that a unit asked to be forgotten, and take its override away."""
        self.change(lambda old: msgspec.structs.replace(old, overrides=_without(old, unit)))
        file = os.open(self.gone, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(file, unit_hash(unit))
            os.fsync(file)
        finally:
            os.close(file)
        self.look()

    def _read(self) -> Control:
        try:
            return msgspec.json.decode(self.file.read_bytes(), type=Control)
        except FileNotFoundError:
            return Control()
        except msgspec.DecodeError as error:
            fix = "mend or remove it: without it nothing is set"
            what = "what an operator set"
            raise DataError(what, "be JSON of this version", str(error), FILE, fix) from error

    def _read_erased(self) -> set[bytes]:
        try:
            data = self.gone.read_bytes()
        except FileNotFoundError:
            return set()
        return {data[at : at + ID] for at in range(0, len(data) - ID + 1, ID)}


def set_shares(control: Control, shares: dict[str, float]) -> Control:
    """The same with other shares.

    Examples
    --------
    >>> set_shares(Control(), {"holdout": 0.1}).shares
    {'holdout': 0.1}
    """
    for name, share in shares.items():
        if name not in SHARES:
            raise InputError("a share", f"be one of {', '.join(SHARES)}", repr(name))
        if not 0 <= share <= 1:
            raise InputError(f"the share {name!r}", "be in [0, 1]", share)
    return msgspec.structs.replace(control, shares={**control.shares, **shares})


def set_override(control: Control, unit: str, cell: str | None) -> Control:
    """The same, where a unit gets this cell, or, by None, what the policy says.

    Examples
    --------
    >>> set_override(Control(), "ann", "voucher").overrides
    {'ann': 'voucher'}
    """
    others = _without(control, unit)
    if cell is not None:
        others[unit] = cell
    return msgspec.structs.replace(control, overrides=others)


def _without(control: Control, unit: str) -> dict[str, str]:
    return {name: cell for name, cell in control.overrides.items() if name != unit}


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = os.stat(path)
    except FileNotFoundError:
        return None
    return stat.st_mtime_ns, stat.st_ino, stat.st_size
