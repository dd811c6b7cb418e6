"""The dose world on IHDP's covariates, held against its formulas, number by number."""

from __future__ import annotations

import csv
from math import exp, pi, sin, tanh

import numpy as np
import pyarrow.parquet as pq
import pytest

from equipoise.core.errors import DataError
from equipoise.data import make_ihdp_dose
from equipoise.data.files import read_table
from equipoise.data.simulators.ihdp_dose import COVARIATES, KNOWN


@pytest.fixture
def table(published):
    return read_table(published(KNOWN[0]))


def scalar(table):
    """Rows of scaled covariates as lists, and the average that both means are centred by."""
    columns = [[float(v) for v in table[name].to_pylist()] for name in COVARIATES]
    scaled_columns = [[(v - min(column)) / max(column) for v in column] for column in columns]
    rows = [list(row) for row in zip(*scaled_columns, strict=True)]
    own = [3, *range(6, 15)]
    return rows, sum(sum(row[j] for j in own) / 10 for row in rows) / len(rows)


def leaning(x, centre):
    ratio = max(x[2], x[4], x[5]) / (0.2 + min(x[2], x[4], x[5]))
    return x[0] / (1 + x[1]) + ratio + tanh(5 * (sum(x[15:25]) / 10 - centre)) - 2


def level(x, t, centre):
    own = sum(x[j] for j in (3, 6, 7, 8, 9, 10, 11, 12, 13, 14)) / 10
    height = 1.5 * tanh(5 * (own - centre)) + 0.5 * exp(0.2 * (x[0] - x[5])) / (
        0.1 + min(x[1], x[2], x[4])
    )
    return sin(3 * pi * t) / (1.2 - t) * height


def test_rows_follow_the_formulas(table, published):
    rows, centre = scalar(table)
    train, new = make_ihdp_dose(path=published(KNOWN[0]), seed=2)
    assert (train.X.shape, new.X.shape) == ((471, 25), (276, 25))
    X, t, y = (
        np.concatenate([getattr(part, name) for part in (train, new)]) for name in ("X", "t", "y")
    )
    np.testing.assert_allclose(np.sort(X.sum(axis=1)), np.sort(np.sum(rows, axis=1)))
    np.testing.assert_allclose(np.sort(X, axis=0), np.sort(rows, axis=0))
    noise = np.log(t / (1 - t)) / 2 - [leaning(x, centre) for x in X.tolist()]
    left = y - [level(x, dose, centre) for x, dose in zip(X.tolist(), t.tolist(), strict=True)]
    for part in (noise, left):
        assert abs(part.mean()) < 4 * 0.5 / 747**0.5
        assert part.std() == pytest.approx(0.5, rel=0.1)
    want = [np.mean([level(x, dose, centre) for x in new.X.tolist()]) for dose in (0.2, 0.9)]
    np.testing.assert_allclose(new.response(np.array([0.2, 0.9])), want)


def test_the_publishers_csv_gives_the_same_and_another_file_is_refused(table, published, tmp_path):
    file = tmp_path / "ihdp.csv"
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["", *table.column_names])  # the publisher's first column counts rows
        writer.writerows(
            [i, *row] for i, row in enumerate(zip(*table.to_pydict().values(), strict=True))
        )
    one, other = (make_ihdp_dose(path=path, seed=1)[0] for path in (published(KNOWN[0]), file))
    np.testing.assert_array_equal(one.X, other.X)
    np.testing.assert_array_equal(one.y, other.y)
    pq.write_table(table.slice(0, 700), tmp_path / "part.parquet")
    with pytest.raises(DataError, match="have 747 rows; got 700"):
        make_ihdp_dose(path=tmp_path / "part.parquet")
