"""The run folder: report.html, effects.parquet, assignments.parquet (or mixes.parquet), metrics.json, policy/; whole or absent.

It is written beside its place and renamed.  A folder that is there already is replaced only when it is a run's folder.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from equipoise.core.errors import DataError, InputError
from equipoise.pipeline.findings import Findings, plain
from equipoise.pipeline.supply.findings import KIND as SUPPLY
from equipoise.pipeline.supply.findings import SupplyFindings

REPORT, EFFECTS, ASSIGNMENTS, METRICS, POLICY = "report.html", "effects.parquet", "assignments.parquet", "metrics.json", "policy"
MIXES = "mixes.parquet"
OURS = {REPORT, EFFECTS, ASSIGNMENTS, MIXES, METRICS, POLICY}


def check_out(out: Path) -> None:
    """Refuse a place that cannot be written to, or that is neither free, nor empty, nor a run's folder."""
    _check_writable(out)
    if not out.exists():
        return
    if not out.is_dir():
        raise InputError("the run folder", "be a folder", "a file", str(out), "choose another place with --out")
    found = {entry.name for entry in out.iterdir()}
    if found and not (METRICS in found and found <= OURS):
        strange = sorted(found - OURS)[:3] or sorted(found)[:3]
        fix = "choose another place with --out, or move these files away"
        raise InputError(
            "the run folder", "be new, empty or of an earlier run", f"other files: {', '.join(strange)}", str(out), fix
        )


def _check_writable(out: Path) -> None:
    """Try the nearest folder that is there already, so that a long run does not end without a place."""
    parent = next(folder for folder in out.absolute().parents if folder.exists())
    try:
        with tempfile.TemporaryDirectory(prefix=".equipoise.", dir=parent):
            pass
    except OSError as error:
        fix = "choose another place with --out"
        raise InputError("the run folder's place", "be writable", error.strerror or repr(error), str(parent), fix) from error


def write_table(path: Path, table: pa.Table) -> None:
    """One Parquet file."""
    pq.write_table(table, path, compression="zstd")


def write_findings(path: Path, findings: Findings) -> None:
    """Findings as JSON; a number that is not finite is null."""
    path.write_text(json.dumps(plain(findings), indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def read_findings(folder: Path | str) -> Findings:
    """The findings of a run folder."""
    return cast(Findings, _read(folder, Findings.__required_keys__))


def read_mix_findings(folder: Path | str) -> SupplyFindings | None:
    """The findings of a run with [supply]; None where the folder is that of another run."""
    if _read(folder, frozenset()).get("kind") != SUPPLY:
        return None
    return cast(SupplyFindings, _read(folder, SupplyFindings.__required_keys__))


def _read(folder: Path | str, needed: Collection[str]) -> dict[str, Any]:
    """The JSON of a run folder, with all the keys that are needed."""
    file = Path(folder) / METRICS if Path(folder).is_dir() else Path(folder)
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            "a run folder", f"have a readable {METRICS}", str(error), str(file), "give the folder of a run"
        ) from error
    missing = sorted(set(needed) - set(found)) if isinstance(found, dict) else ["everything"]
    if missing:
        raise DataError(f"{METRICS}", "hold all findings", f"none of {', '.join(missing[:4])}", str(file), "run the plan again")
    return cast(dict[str, Any], found)
