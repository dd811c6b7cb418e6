import numpy as np
import pyarrow.parquet as pq
import pytest

from equipoise.core.errors import DataError
from equipoise.data import load_thornton, read_table
from equipoise.data.public import thornton


@pytest.fixture
def package(tmp_path):
    """A data folder without the file, so that the one that ships is read."""
    return load_thornton(data_home=tmp_path)


def test_published_rates(package):
    """Came for the result, by voucher: none, to 0.5, 1, 1.5, 2, 2.5 and 3 USD."""
    assert len(package) == 2_834
    bins = np.ceil(package.treatment * 2)
    rates = [package.y[bins == edge, 0].mean() for edge in range(7)]
    np.testing.assert_allclose(rates, [0.339, 0.673, 0.772, 0.842, 0.870, 0.861, 0.846], atol=5e-4)


def test_the_shipped_file_and_the_parquet_are_one_log(package, published):
    other = load_thornton(path=published(thornton.KNOWN[0]))
    np.testing.assert_array_equal(package.y, other.y)
    np.testing.assert_array_equal(package.treatment, other.treatment)
    np.testing.assert_array_equal(package.numbers("age"), other.numbers("age"))
    np.testing.assert_array_equal(package.numbers("distvct"), other.numbers("distvct"))
    assert package.table["villnum"].to_pylist() == other.table["villnum"].to_pylist()
    assert package.table["hiv2004"].to_pylist() == other.table["hiv2004"].to_pylist()


def test_roles(package):
    roles = package.roles
    assert roles.features == ("distvct", "age")
    assert roles.protected == ("hiv2004",)
    assert roles.group == "villnum"
    assert package.groups.max() == 119  # 119 villages and one for the four rows without
    np.testing.assert_allclose(package.numbers("paid"), package.treatment * package.y[:, 0])
    assert set(package.codes("hiv2004")[1]) == {"negative", "positive", "indeterminate"}


def test_every_level_was_really_offered(package):
    offered = np.unique(package.treatment)
    for level in package.space.candidates():
        assert np.abs(offered - level).min() < 0.005
    assert np.bincount(package.cells).min() >= 100


def test_a_changed_file_is_refused(published, tmp_path):
    pq.write_table(read_table(published(thornton.KNOWN[0])).slice(0, 4_000), tmp_path / "t.parquet")
    with pytest.raises(DataError, match="have 4,820 rows; got 4,000"):
        load_thornton(path=tmp_path / "t.parquet")
