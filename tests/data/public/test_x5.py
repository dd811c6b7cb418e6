from dataclasses import replace

import pyarrow as pa
import pytest

from equipoise.core.errors import DataError
from equipoise.data.public import x5

TRAIN = "client_id,treatment_flg,target\nc3,0,1\nc1,1,1\nc2,0,0\nc4,1,0\n"
CLIENTS = """client_id,first_issue_date,first_redeem_date,age,gender
c1,2017-08-05 15:40:48,2018-01-04 19:30:07,45,U
c2,2017-04-10 13:54:23,2017-04-23 12:37:56,72,F
c3,2018-12-15 13:33:11,,68,F
c4,2017-05-23 12:56:14,2017-11-24 11:18:01,60,M
c5,2017-05-22 16:17:08,2018-12-31 17:17:33,67,U
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "uplift_train.csv").write_text(TRAIN)
    (tmp_path / "clients.csv").write_text(CLIENTS)
    return tmp_path


def test_the_two_files_become_a_log(folder, monkeypatch):
    monkeypatch.setattr(x5, "FACTS", replace(x5.FACTS, rows=4, means={}))
    monkeypatch.setattr(x5, "CLIENT_FACTS", replace(x5.CLIENT_FACTS, rows=5))
    log = x5.fetch_x5(path=folder)
    assert log.table["client_id"].to_pylist() == ["c3", "c1", "c2", "c4"]
    assert log.numbers("age").tolist() == [68, 45, 72, 60]
    assert log.cells.tolist() == [0, 1, 0, 1]
    assert "first_redeem_date" not in log.table.column_names
    assert log.numbers("first_issue_date")[0] > log.numbers("first_issue_date")[1]


def test_small_files_are_refused(folder):
    with pytest.raises(DataError, match="have 200,039 rows; got 4"):
        x5.fetch_x5(path=folder)


def test_one_file_alone_is_not_enough(folder):
    (folder / "clients.csv").unlink()
    with pytest.raises(DataError, match="none of clients.parquet"):
        x5.fetch_x5(path=folder)


def test_a_client_that_is_not_there():
    train = pa.table({"client_id": ["a", "z"]})
    clients = pa.table({"client_id": ["a"], "age": [1], "gender": ["F"], "first_issue_date": ["d"]})
    with pytest.raises(DataError, match="'z' at row 1"):
        x5.joined(train, clients)
