"""Prices hang on units, not on how they lie in files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fixtures.tied_units import cut, tied_units

from equipoise.allocation.hashing import words
from equipoise.core.progress import silent
from equipoise.pipeline.bounded.kept import Answer, Kept, write_answer
from equipoise.pipeline.bounded.pricing import UNITS, ordered, read_units, units_table
from equipoise.scale import dual, solve_partitions
from equipoise.scale.local import LocalExecutor

N, MOST = 2_000, 700
KEYS = words(np.arange(N), 0)


def laid(folder: Path, units, rows, files: int) -> tuple[Kept, list[Path]]:
    """The units in the order of ``rows`` in some files."""
    kept = Kept(folder, LocalExecutor(), silent)
    parts = zip(cut(units, rows, files), np.array_split(rows, files), strict=True)
    for i, (part, own) in enumerate(parts):
        write_answer(kept.place("scored", i), Answer({}, {UNITS: units_table(part, KEYS[own])}))
    return kept, [kept.table_file("scored", i, UNITS) for i in range(files)]


@pytest.mark.parametrize("seed", range(8))
def test_no_order_of_rows_nor_of_files_changes_a_bit(tmp_path, monkeypatch, seed):
    """Without it all of these have other prices, by up to 2e-7, in which many units are tied."""
    monkeypatch.setattr(dual, "MOST", 300)
    units, demands, candidates = tied_units(seed, N)
    rng, prices = np.random.default_rng(seed), []
    for files in (1, 2, 5):
        folder = tmp_path / str(files)
        folder.mkdir()
        kept, said = laid(folder, units, rng.permutation(N), files)
        places = [str(file) for file in ordered(kept, said, "ordered", MOST)]
        found = solve_partitions(places, demands, candidates=candidates, load=read_units, hold=True)
        prices.append([*found.held_prices.tolist(), found.value, found.bound])
        parts = [read_units(file) for file in places]
        assert len(parts) == 3
        together = np.concatenate([part.worth for part in parts])
        assert (together == units.worth[np.argsort(KEYS)]).all()
    assert prices[0] == prices[1] == prices[2]


@pytest.mark.parametrize("files", [1, 3])
def test_few_units_are_one_file(tmp_path, files):
    units, _, _ = tied_units(0, N)
    kept, said = laid(tmp_path, units, np.arange(N), files)
    (one,) = ordered(kept, said, "ordered", N)
    assert (one == said[0]) == (files == 1)
    assert (read_units(str(one)).worth == units.worth[np.argsort(KEYS)]).all()
