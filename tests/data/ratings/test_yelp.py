import pytest

from equipoise.core.errors import DataError
from equipoise.data.public.published import Facts
from equipoise.data.ratings import yelp
from equipoise.data.ratings.yelp import fetch_yelp


def test_the_publishers_format(tmp_path, monkeypatch):
    monkeypatch.setattr(yelp, "FACTS", Facts(rows=3, needs=yelp.NAMES[:3]))
    file = tmp_path / "yelp.rating"
    file.write_text("0\t0\t4\t1327848000\n0\t2\t3\t1332374400\n1\t1\t5.0\t1338854400\n")
    ratings = fetch_yelp(path=file)
    assert ratings.pairs.tolist() == [[0, 0], [0, 2], [1, 1]]
    assert ratings.liked.tolist() == [1, 0, 1]
    assert ratings.sizes == (2, 3)


def test_another_file_is_refused(tmp_path):
    file = tmp_path / "yelp.rating"
    file.write_text("0\t0\t4\t1327848000\n")
    with pytest.raises(DataError, match="have 731,671 rows; got 1"):
        fetch_yelp(path=file)
