"""The state folder of a service: what it serves, what it decided, what it spent.

snapshots/ID/     policy/, store/ and self_test/, with one manifest over all
channels/NAME.json
audit.sqlite      who published what
seed              of the service's own draws
explorer/ID.parquet   units to try other settings on, where the run left some
log/ and others   of the parts that write them
"""

from __future__ import annotations

import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from equipoise.core.errors import DataError, InputError
from equipoise.core.snapshot import MANIFEST, sync
from equipoise.data.stores import ENDS

LIVE, CANDIDATE = "live", "candidate"
CHANNELS = (LIVE, CANDIDATE)
NODE, POLICY = "node", "policy"
ID = re.compile("[0-9a-f]{64}")
SHOWN = 12  # digits of an id that people read
DIGITS = 19  # at most, of a number of 62 bits


def policy_folder(source: Path) -> Path:
    """The policy of a run, or the folder itself.

    Parameters
    ----------
    source : Path
        The folder of a run, or of a policy.

    Returns
    -------
    Path
        Where a policy lies; whether it is whole is seen when it is read.

    Raises
    ------
    InputError
        Where none does.
    """
    for folder in (source / POLICY, source):
        if (folder / MANIFEST).exists():
            return folder
    must = "have a policy" if source.is_dir() else "be a folder"
    fix = "give the folder of a run that decides who gets what, or its policy/"
    raise InputError("a run", must, "none", str(source), fix)


@dataclass(frozen=True)
class State:
    """The places in a state folder.

    Attributes
    ----------
    path : Path
        The folder; it need not be there yet.

    Examples
    --------
    >>> State(Path("shop")).channel("live").name
    'live.json'
    """

    path: Path

    @property
    def snapshots(self) -> Path:
        """Of all snapshots."""
        return self.path / "snapshots"

    @property
    def audit(self) -> Path:
        """Of who published what."""
        return self.path / "audit.sqlite"

    @property
    def log(self) -> Path:
        """Of the decision log."""
        return self.path / "log"

    def check(self) -> None:
        """Refuse a folder of data, which nobody could read as such with a service's files in it.

        Raises
        ------
        InputError
            Where files of rows lie in a folder that holds no snapshots yet.
        """
        if self.snapshots.is_dir() or not self.path.is_dir():
            return
        data = sorted(one.name for one in self.path.iterdir() if one.name.lower().endswith(ENDS))
        if data:
            must, got = "be the service's own", f"one that holds {data[0]!r}"
            raise InputError("a state folder", must, got, str(self.path), "name a new folder")

    def snapshot(self, id: str) -> Path:
        """Of one snapshot."""
        if not ID.fullmatch(id):
            fix = "see what there is with `equipoise versions`"
            raise InputError("the id of a snapshot", "be 64 hex digits", repr(id), fix=fix)
        return self.snapshots / id

    def channel(self, name: str) -> Path:
        """Of a channel."""
        if name not in CHANNELS:
            raise InputError("a channel", f"be {LIVE!r} or {CANDIDATE!r}", repr(name))
        return self.path / "channels" / f"{name}.json"

    def ids(self) -> list[str]:
        """The ids of the snapshots that are there, the newest first."""
        if not self.snapshots.is_dir():
            return []
        there = [entry for entry in self.snapshots.iterdir() if ID.fullmatch(entry.name)]
        return [entry.name for entry in sorted(there, key=_made, reverse=True)]

    def one(self, id: str) -> str:
        """The whole id of which the first digits were given.

        Raises
        ------
        InputError
            Where no snapshot, or several, begin so.
        """
        fits = [each for each in self.ids() if id and each.startswith(id)]
        if len(fits) != 1:
            got = f"{len(fits)} that begin with it"
            fix = f"there are: {', '.join(each[:SHOWN] for each in self.ids()) or 'none'}"
            raise InputError(f"snapshot {id!r}", "be one of the state folder", got, fix=fix)
        return fits[0]

    def seed(self) -> int:
        """The seed of the service's own draws: drawn once, from the system, and kept."""
        return self._drawn("seed")

    @property
    def numbered(self) -> bool:
        """Whether a service of this folder ever shared a budget."""
        return (self.path / NODE).exists()

    def node(self) -> int:
        """The number of this folder's service among those that share a budget, below 2^31."""
        return self._drawn(NODE) >> 31

    def _drawn(self, name: str) -> int:
        """A number that is drawn once, and kept."""
        file = self.path / name
        self.path.mkdir(parents=True, exist_ok=True)
        beside = self.path / f".{name}-{os.getpid()}-{secrets.token_hex(4)}"
        if not file.exists():
            handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as text:
                text.write(f"{secrets.randbits(62)}\n")
                text.flush()
                os.fsync(text.fileno())
            try:
                os.link(beside, file)  # the first one stays
            except FileExistsError:
                pass
            finally:
                beside.unlink()
            sync(self.path)
        return _kept(file)


def _kept(file: Path) -> int:
    """The number that a file holds."""
    text = file.read_bytes().strip()
    if not (text.isdigit() and len(text) <= DIGITS):
        fix = (
            "put it back from a copy; drawn anew, once it is removed, it moves units between shares"
        )
        raise DataError(f"the file {file.name!r}", "hold a number", "another", str(file), fix)
    return int(text)


def _made(folder: Path) -> float:
    """When a snapshot was made, in seconds since 1970."""
    return folder.stat().st_mtime
