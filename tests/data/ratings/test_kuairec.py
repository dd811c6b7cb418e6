import pytest

from equipoise.core.errors import DataError
from equipoise.data.public.published import Facts
from equipoise.data.ratings import kuairec
from equipoise.data.ratings.kuairec import fetch_kuairec

HEAD = "user_id,video_id,play_duration,video_duration,time,date,timestamp,watch_ratio\n"


def test_the_publishers_format(tmp_path, monkeypatch):
    monkeypatch.setattr(kuairec, "FACTS", Facts(rows=3, needs=kuairec.NAMES))
    file = tmp_path / "small_matrix.csv"
    rows = [
        "14,148,4381,6067,2020-07-05 05:27:48.378,20200705,1593898068.378,0.722",
        "14,183,1,2,,,,0.6",
        "19,148,1,2,,,,0.61",
    ]
    file.write_text(HEAD + "\n".join(rows) + "\n")
    ratings = fetch_kuairec(path=file)
    assert ratings.pairs.tolist() == [[0, 0], [0, 1], [1, 0]]
    assert ratings.liked.tolist() == [1, 0, 1]
    assert ratings.sizes == (2, 2)


def test_another_file_is_refused(tmp_path):
    file = tmp_path / "small_matrix.csv"
    file.write_text(HEAD + "14,148,4381,6067,,,,0.7\n")
    with pytest.raises(DataError, match="have 4,676,570 rows; got 1"):
        fetch_kuairec(path=file)
