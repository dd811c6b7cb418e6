"""What a service has served and could serve: its snapshots, the channels that name them, and who
changed these.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from equipoise.core.errors import SnapshotError
from equipoise.core.snapshot import read_manifest
from equipoise.serving.snapshots.audit import read_audit
from equipoise.serving.snapshots.channels import Channels
from equipoise.serving.snapshots.state import CHANNELS, State


def versions(state: Path | str) -> list[dict[str, Any]]:
    """List the snapshots of a state folder, the newest first.

    Parameters
    ----------
    state : path
        The state folder.

    Returns
    -------
    list of dict
        Of each its ``snapshot`` id, the channels that name it (``on``), when it was ``built``
        (seconds since 1970), the id of its ``policy``, its ``candidates``, how many ``units`` it
        knows, and ``published``: the changes of channels that named it, the newest first.  One
        whose manifest cannot be read has ``damaged`` instead, its error.
    """
    place, channels, audit = State(Path(state)), Channels(state), history(state)
    named = {name: channel.snapshot for name in CHANNELS if (channel := channels.read(name))}
    rows = []
    for id in place.ids():
        folder = place.snapshot(id)
        row: dict[str, Any] = {
            "snapshot": id,
            "on": [name for name, snapshot in named.items() if snapshot == id],
            "built": folder.stat().st_mtime,
        }
        try:
            meta = read_manifest(folder).meta
            row |= {name: meta[name] for name in ("policy", "candidates", "units")}
        except (SnapshotError, KeyError) as error:
            row["damaged"] = str(error)
        row["published"] = [change for change in audit if change["snapshot"] == id]
        rows.append(row)
    return rows


def history(state: Path | str) -> list[dict[str, Any]]:
    """List the changes of channels, the newest first.

    Parameters
    ----------
    state : path
        The state folder.

    Returns
    -------
    list of dict
        ``channel`` and the fields of a `Channel`.
    """
    return read_audit(State(Path(state)).audit)
