import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from equipoise.core.errors import DataError, InputError
from equipoise.data import fetch_kuairand
from equipoise.data.public import kuairand
from equipoise.data.public.published import Facts


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A folder with three exposures of two users and two videos, out of order."""
    for name, rows in (("LOG_FACTS", 3), ("USER_FACTS", 2), ("VIDEO_FACTS", 2)):
        monkeypatch.setattr(kuairand, name, Facts(rows=rows))
    log = {
        "user_id": [7, 3, 7],
        "video_id": [10, 11, 11],
        "date": [20220501, 20220430, 20220425],
        "hourmin": [1300, 0, 900],
        "time_ms": [1651381200000, 1651248000000, 1650848400000],
        "duration_ms": [9500, 1000, 1000],
        "tab": [1, 1, 4],
    }
    log |= {column: [j % 2, 0, 1] for j, (column, _) in enumerate(kuairand.LABELS.values())}
    user = {"user_id": [3, 7], "user_active_degree": ["low_active", "full_active"]}
    user |= {name: [1, 2] for name in kuairand.AMOUNTS}
    user |= {"is_live_streamer": [-124, 1], "onehot_feat4": [None, 2]}
    video = {"video_id": [11, 10], "author_id": [5, 6], "upload_dt": ["2022-04-24", "2022-04-11"]}
    video |= {name: [720, 1280] for name in kuairand.SHAPES}
    video |= {"video_type": ["NORMAL", "AD"], "upload_type": ["Web", "Kmovie"]}
    video |= {"music_type": [9.0, None], "tag": ["1", "20,43"]}
    for file, columns in zip(kuairand.FILES, (log, user, video), strict=True):
        pq.write_table(pa.table(columns), tmp_path / file)
    return tmp_path


def test_rows_are_joined_and_stand_in_the_order_of_their_time(small):
    log = fetch_kuairand(path=small)
    assert log.users.tolist() == [7, 3, 7]
    assert [str(day) for day in log.table["date"].to_pylist()] == [
        "2022-04-25",
        "2022-04-30",
        "2022-05-01",
    ]
    assert log.table["age_days"].to_pylist() == [1.0, 6.0, 20.0]
    assert log.table["hour"].to_pylist() == [9.0, 0.0, 13.0]
    assert log.table["author_id"].to_pylist() == [5, 5, 6]
    assert log.table["is_live_streamer"].to_pylist() == ["1", "-124", "1"]
    assert log.table["onehot_feat4"].to_pylist() == ["2", None, "2"]
    assert log.table["music_type"].to_pylist() == ["9", "9", None]
    assert log.y.tolist() == [[1.0] * 8, [0.0] * 8, [0.0, 1.0] * 4]
    assert not set(log.profile) & set(log.features)
    for name in ("play_time_ms", "profile_stay_time", "comment_stay_time"):
        assert name not in log.table.column_names


def test_days(small):
    log = fetch_kuairand(path=small)
    assert log.between("2022-04-25", "2022-04-30").users.tolist() == [7, 3]
    with pytest.raises(InputError, match="days must hold some of 2022-04-25 to 2022-05-01"):
        log.between("2021-01-01", "2021-01-02")
    with pytest.raises(InputError, match="a date must be written as 2022-04-25"):
        log.between("May", "June")


def test_a_user_without_features_is_refused(small):
    table = pq.read_table(small / kuairand.FILES[1])
    pq.write_table(table.set_column(0, "user_id", pa.array([3, 8])), small / kuairand.FILES[1])
    with pytest.raises(DataError, match="have features of every user_id in the log; got 7"):
        fetch_kuairand(path=small)


def test_another_file_is_refused(small, monkeypatch):
    monkeypatch.undo()
    with pytest.raises(DataError, match="the file of kuairand must have"):
        fetch_kuairand(path=small)


def test_the_part_is_what_was_published(published):
    log = fetch_kuairand(path=published(kuairand.FOLDER))
    assert len(log) == 228_329
    assert len(np.unique(log.users)) == 25_156
    assert len(log.between("2022-04-25", "2022-04-30")) == 94_784
    test = log.between("2022-05-01", "2022-05-08")
    assert len(test) == 133_545
    totals = dict(zip(log.labels, log.y.sum(axis=0).astype(int), strict=True))
    assert totals == {name: total for name, (_, total) in kuairand.LABELS.items()}
    assert (np.diff(log.table["time"].to_numpy().astype("i8")) >= 0).all()
    assert log.table["age_days"].to_numpy().min() >= -1


def test_a_folder_without_the_files(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "file", tmp_path / "nowhere"):
        with pytest.raises(DataError):
            fetch_kuairand(path=path)
    with pytest.raises(DataError, match="the file of kuairand must be in a data folder"):
        fetch_kuairand(data_home=tmp_path)
