import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pytest

from equipoise.core import columns
from equipoise.data import fetch_charitable_match, read_table
from equipoise.data.public.charitable import KNOWN

LEAKS = {
    "stateresponse",
    "stateresponset",
    "stateresponsec",
    "stateresponsetminc",
    "match_size",
    "ask",
    "out_changeamtgive",
}


@pytest.fixture
def parquet(published):
    return published(KNOWN[0])


def test_published_rates(parquet, caplog):
    log = fetch_charitable_match(path=parquet)
    assert len(log) == 50_081
    assert "2 rows whose amount is not known" in caplog.text
    rates = [log.y[log.cells == cell, 0].mean() for cell in range(4)]
    # 0.0227 with the two rows left out
    np.testing.assert_allclose(rates, [0.0179, 0.0207, 0.0226, 0.0226], atol=5e-5)
    np.testing.assert_allclose(log.y[log.cells == 0, 1].mean(), 0.813, atol=5e-4)
    np.testing.assert_allclose(log.y[log.cells > 0, 1].mean(), 0.965, atol=5e-4)


def test_what_follows_from_the_treatment_is_no_feature(parquet):
    assert not LEAKS & set(fetch_charitable_match(path=parquet).roles.features)


def test_cost_is_the_match_that_was_paid(parquet):
    log = fetch_charitable_match(path=parquet)
    paid = log.numbers("match_paid")
    np.testing.assert_array_equal(paid, log.treatment * log.y[:, 1])
    assert (paid[log.y[:, 0] == 0] == 0).all()


def test_the_public_csv_is_the_same_log(parquet, tmp_path):
    table = read_table(parquet)
    ratio = columns.numbers(table["match_ratio"])
    plain = {
        name: columns.numbers(table[name])
        for name in table.column_names
        if columns.is_numeric(table[name])
    }
    coded = {
        name: np.where(np.isnan(values), -999, values)
        for name, values in plain.items()
        if name != "match_ratio"
    }
    dummies = {"treatment": ratio > 0, "treat_ratio2": ratio == 2, "treat_ratio3": ratio == 3}
    public = pa.table({**coded, **{name: values.astype(int) for name, values in dummies.items()}})
    pcsv.write_csv(public, tmp_path / "charitable_withdummyvariables.csv")
    one = fetch_charitable_match(path=parquet)
    other = fetch_charitable_match(path=tmp_path / "charitable_withdummyvariables.csv")
    np.testing.assert_array_equal(one.cells, other.cells)
    np.testing.assert_allclose(one.y, other.y)
    np.testing.assert_allclose(one.numbers("years"), other.numbers("years"))
