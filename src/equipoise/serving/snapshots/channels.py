"""Channels: which snapshot is live, and which is tried beside it.

A channel is a small file that is replaced in one step, so that a reader sees the old one or the new
one whole.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from equipoise.core.errors import SnapshotError
from equipoise.core.snapshot import replacing
from equipoise.serving.snapshots.state import CANDIDATE, CHANNELS, LIVE, State


class Channel(NamedTuple):
    """What a channel says.

    Attributes
    ----------
    snapshot : str
        The id of what is published on it.
    sequence : int
        How often the channel was changed; it never falls.
    previous : str
        The id that a rollback goes to, "" where there is none.
    by : str
        Who changed it.
    at : float
        When, in seconds since 1970.
    action : str, default "publish"
        What was done: publish, promote or rollback.
    replace_candidates : bool, default False
        Whether other candidates than those before were asked for.

    Examples
    --------
    >>> channel = Channel("ab12", 3, "", "ann", 1.8e9)
    >>> Channel.from_json(channel.to_json()) == channel
    True
    """

    snapshot: str
    sequence: int
    previous: str
    by: str
    at: float
    action: str = "publish"
    replace_candidates: bool = False

    def to_json(self) -> dict[str, Any]:
        """Give the channel as plain JSON.

        Returns
        -------
        dict
            Its fields.
        """
        return self._asdict()

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Channel:
        """Read a channel of `to_json`.

        Parameters
        ----------
        plain : mapping
            What `to_json` gave.

        Returns
        -------
        Channel
            The same.
        """
        kinds = {"sequence": int, "at": float, "replace_candidates": bool}
        return cls(**{name: kinds.get(name, str)(plain[name]) for name in cls._fields})


class Channels:
    """The channels of a state folder, and whether they changed.

    Parameters
    ----------
    state : path
        The state folder.

    Examples
    --------
    >>> Channels("nowhere").live() is None
    True
    """

    def __init__(self, state: Path | str) -> None:
        self._state = State(Path(state))
        self._paths = [str(self._state.channel(name)) for name in CHANNELS]
        self._seen = self._stamps()

    def read(self, name: str) -> Channel | None:
        """Read a channel.

        Parameters
        ----------
        name : {"live", "candidate"}
            Of the channel.

        Returns
        -------
        Channel or None
            None where nothing is published on it.

        Raises
        ------
        SnapshotError
            Where its file is not as it was written.
        """
        path = self._state.channel(name)
        try:
            return Channel.from_json(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            got, fix = f"{type(error).__name__}: {error}", "remove it, and publish again"
            raise SnapshotError("a channel", "be as it was written", got, str(path), fix) from error

    def live(self) -> Channel | None:
        """Read what is live.

        Returns
        -------
        Channel or None
            As of `read`.
        """
        return self.read(LIVE)

    def candidate(self) -> Channel | None:
        """Read what is tried beside.

        Returns
        -------
        Channel or None
            As of `read`.
        """
        return self.read(CANDIDATE)

    def changed(self) -> bool:
        """Tell whether a channel was changed since this was last asked, without reading any.

        Returns
        -------
        bool
            Whether to read them.
        """
        stamps = self._stamps()
        changed, self._seen = stamps != self._seen, stamps
        return changed

    def write(self, name: str, channel: Channel | None) -> None:
        """Replace a channel, on disk when this returns; None: take it away."""
        path = self._state.channel(name)
        if channel is None:
            path.unlink(missing_ok=True)
            return
        with replacing(path) as beside:
            beside.write_text(json.dumps(channel.to_json(), indent=1) + "\n", encoding="utf-8")

    def _stamps(self) -> list[tuple[int, int] | None]:
        """Which file each channel is."""
        stamps: list[tuple[int, int] | None] = []
        for path in self._paths:
            try:
                stat = os.stat(path)
                stamps.append((stat.st_ino, stat.st_mtime_ns))
            except OSError:
                stamps.append(None)
        return stamps
