import csv

import numpy as np
import pyarrow.parquet as pq
import pytest

from equipoise.core.checks import check_log
from equipoise.core.errors import DataError
from equipoise.data import fetch_hillstrom, read_table
from equipoise.data.public.hillstrom import KNOWN


@pytest.fixture(scope="module")
def as_csv(tmp_path_factory):
    """The publisher's format, made of the Parquet."""

    def write(table, name="Kevin_Hillstrom.csv"):
        file = tmp_path_factory.mktemp("hillstrom") / name
        with file.open("w", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(table.column_names)
            writer.writerows(zip(*table.to_pydict().values(), strict=True))
        return file

    return write


def test_published_rates(published):
    log = fetch_hillstrom(path=published(KNOWN[0]))
    assert log.cell_names == ("No E-Mail", "Mens E-Mail", "Womens E-Mail")
    rates = np.array([log.y[log.cells == cell].mean(axis=0) for cell in range(3)])
    np.testing.assert_allclose(rates[:, 0], [0.10617, 0.18276, 0.15140], atol=5e-6)
    np.testing.assert_allclose(rates[:, 1], [0.00573, 0.01253, 0.00884], atol=5e-6)
    np.testing.assert_allclose(rates[:, 2], [0.65279, 1.42262, 1.07720], atol=5e-6)
    assert [outcome.kind for outcome in log.roles.outcomes] == ["binary", "binary", "amount"]
    assert log.propensity[0].tolist() == [1 / 3] * 3


def test_repeated_rows_stay_and_are_counted(published):
    log = fetch_hillstrom(path=published(KNOWN[0]))
    repeats = next(check for check in check_log(log) if check["name"] == "duplicates")
    assert len(log) == 64_000
    assert repeats["rows"][0]["repeated_rows"] == 6_562


def test_the_publishers_csv_is_the_same_log(published, as_csv):
    parquet = published(KNOWN[0])
    one, other = fetch_hillstrom(path=parquet), fetch_hillstrom(path=as_csv(read_table(parquet)))
    np.testing.assert_array_equal(one.y, other.y)
    np.testing.assert_array_equal(one.cells, other.cells)
    assert one.features.column_names == other.features.column_names
    assert one.codes("zip_code")[1] == other.codes("zip_code")[1]


def test_a_copy_without_its_repeated_rows_is_refused(published, tmp_path):
    pq.write_table(read_table(published(KNOWN[0])).slice(0, 57_438), tmp_path / "hillstrom.parquet")
    with pytest.raises(DataError, match="have 64,000 rows; got 57,438"):
        fetch_hillstrom(path=tmp_path / "hillstrom.parquet")
