import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from equipoise.core.errors import DataError
from equipoise.data.public.published import Facts
from equipoise.data.ratings import movielens
from equipoise.data.ratings.movielens import KNOWN, fetch_movielens_1m

LINES = "1::1193::5::978300760\n1::661::3::978302109\n3::914::4::978301968\n"


@pytest.fixture
def three_rows(monkeypatch):
    """The loader expects three rows in place of the published million."""
    monkeypatch.setattr(
        movielens,
        "FACTS",
        Facts(rows=3, needs=movielens.NAMES[:2], counts={"rating": {"3": 1, "4": 1, "5": 1}}),
    )


def test_the_publishers_format(tmp_path, three_rows):
    file = tmp_path / "ratings.dat"
    file.write_text(LINES)
    ratings = fetch_movielens_1m(path=file)
    assert ratings.pairs.tolist() == [[0, 1192], [0, 660], [2, 913]]
    assert ratings.liked.tolist() == [1, 0, 1]
    assert ratings.sizes == (3, 1193)


def test_parquet_is_the_same(tmp_path, three_rows):
    columns = {"user_id": [1, 1, 3], "movie_id": [1193, 661, 914], "rating": [5, 3, 4]}
    pq.write_table(pa.table(columns), tmp_path / "ratings.parquet")
    (tmp_path / "ratings.dat").write_text(LINES)
    one, other = (
        fetch_movielens_1m(path=tmp_path / name) for name in ("ratings.parquet", "ratings.dat")
    )
    np.testing.assert_array_equal(one.pairs, other.pairs)
    np.testing.assert_array_equal(one.liked, other.liked)


def test_another_file_is_refused(tmp_path):
    file = tmp_path / "ratings.dat"
    file.write_text(LINES)
    with pytest.raises(DataError, match="have 1,000,209 rows; got 3"):
        fetch_movielens_1m(path=file)


def test_an_id_that_is_no_number_names_its_row(tmp_path, monkeypatch):
    monkeypatch.setattr(movielens, "FACTS", Facts(rows=2))
    file = tmp_path / "ratings.dat"
    file.write_text("1::2::3::4\n1.5::2::3::4\n")
    with pytest.raises(
        DataError, match=r"column 'user_id' must hold whole numbers >= 0; got 1.5 at .*row 1"
    ):
        fetch_movielens_1m(path=file)


def test_published_facts(published):
    ratings = fetch_movielens_1m(path=published(KNOWN[0]))
    assert (len(ratings), ratings.sizes, int(ratings.liked.sum())) == (
        1_000_209,
        (6_040, 3_952),
        575_281,
    )
