"""Whose snapshot it is: an HMAC-SHA256 of the manifest, by a key that is in the environment.

The manifest holds the sum of every part, so its signature is that of all.  Where the key is set, a
snapshot without its signature is refused.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from pathlib import Path

from equipoise.core.errors import SnapshotError
from equipoise.core.snapshot import MANIFEST, SIGNATURE

KEY = "EQUIPOISE_SIGNING_KEY"


def sign(folder: Path) -> None:
    """Sign a sealed snapshot where there is a key."""
    key = os.environ.get(KEY, "")
    if key:
        (folder / SIGNATURE).write_text(_signature(folder, key) + "\n", encoding="ascii")


def check_signature(folder: Path) -> None:
    """Refuse a snapshot that was not signed with the key, where there is one.

    Parameters
    ----------
    folder : path
        Of the snapshot.

    Raises
    ------
    SnapshotError
        Where it has no signature, or another.
    """
    key = os.environ.get(KEY, "")
    if not key:
        return
    try:
        text = (folder / SIGNATURE).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        text = ""
    if not hmac.compare_digest(text, _signature(folder, key)):
        got, fix = ("another" if text else "none"), "build it again where the key is set"
        raise SnapshotError("a snapshot", f"be signed with {KEY}", got, str(folder), fix)


def _signature(folder: Path, key: str) -> str:
    """The signature that a snapshot must have, in hex."""
    return hmac.new(key.encode(), (folder / MANIFEST).read_bytes(), hashlib.sha256).hexdigest()
