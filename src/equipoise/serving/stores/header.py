"""The header of a store: which kind it is, how many units it knows, and what their bytes mean."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from equipoise.core.errors import SnapshotError
from equipoise.core.snapshot import as_written
from equipoise.serving.stores.codec import Layout

FORMAT, FILE = 1, "store.json"


@dataclass(frozen=True)
class Header:
    """What stands at the head of a store.

    Attributes
    ----------
    kind : {"lmdb", "arrays"}
        How the units are kept.
    units : int
        How many are known.
    layout : Layout
        What their bytes mean.
    """

    kind: str
    units: int
    layout: Layout

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        plain = {"kind": self.kind, "units": self.units, "layout": self.layout.to_json()}
        return {"format": FORMAT, **plain}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Header:
        """The inverse of `to_json`."""
        if plain["format"] != FORMAT:
            fix = "use the version that wrote it"
            raise SnapshotError("a store's format", f"be {FORMAT}", plain["format"], fix=fix)
        return cls(str(plain["kind"]), int(plain["units"]), Layout.from_json(plain["layout"]))

    def write(self, folder: Path) -> None:
        """Write it into the folder of a store."""
        text = json.dumps(self.to_json(), indent=1) + "\n"
        (folder / FILE).write_text(text, encoding="utf-8")


def read_header(folder: Path | str) -> Header:
    """The header of a store's folder.

    Parameters
    ----------
    folder : path
        The store.

    Returns
    -------
    Header
        Of it.

    Raises
    ------
    SnapshotError
        Where there is none, or it is of another version.
    """
    with as_written():
        return Header.from_json(json.loads(Path(folder, FILE).read_text(encoding="utf-8")))
