"""A first plan: what is guessed, what is asked, and that it runs as it stands."""

from __future__ import annotations

import tomllib

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

from equipoise.core.errors import InputError, LogError
from equipoise.pipeline.plan.log import open_log
from equipoise.pipeline.plan.read import make_plan
from equipoise.pipeline.plan_from_log import first_plan


def columns(n=600, **more):
    """A promotion as someone's export has it."""
    rng = np.random.default_rng(0)
    sent = rng.integers(0, 3, n)
    return {
        "customer_id": rng.permutation(n) + 10_000,
        "segment": rng.integers(0, 4, n).astype(str),
        "Campaign": np.array(["mail", "No offer", "sms"])[sent],
        "age": rng.integers(18, 80, n),
        "visits_before": rng.poisson(2.0, n),
        "sale": (rng.random(n) < 0.1 + 0.1 * (sent == 0)).astype(int),
        "revenue": rng.gamma(2.0, 3.0, n),
        "e-mail": [f"user{i}@example.org" for i in range(n)],
    } | more


def written(tmp_path, kind="csv", **more):
    table, file = pa.table(columns(**more)), tmp_path / f"log.{kind}"
    (pc.write_csv if kind == "csv" else pq.write_table)(table, file)
    return file


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_plan_is_guessed_and_opens(tmp_path, kind):
    text = first_plan(written(tmp_path, kind))
    tables = tomllib.loads(text)
    assert tables["log"]["treatment"] == "Campaign"
    assert tables["space"]["labels"] == ["No offer", "mail", "sms"]
    assert tables["log"]["outcomes"] == {"sale": "binary", "revenue": "amount"}
    assert tables["log"]["id"] == "customer_id"
    assert tables["log"]["features"] == ["segment", "age", "visits_before"]
    assert "#   left out: e-mail, it looks like an id" in text
    assert tables["policy"]["weights"] == {"sale": 1.0}
    log = open_log(make_plan(tables))
    assert len(log) == 600
    assert log.cell_names[0] == "No offer"
    # the lines that are comments are right too, once they are not
    whole = "\n".join(
        line.removeprefix("# ") if line.startswith(("# design", "# cost", "# budget")) else line
        for line in text.splitlines()
    )
    plan = make_plan(tomllib.loads(whole))
    assert plan.policy.cost == {"mail": 0.1, "sms": 0.1}
    assert (
        open_log(make_plan(tomllib.loads(whole.replace("0.3333]", "0.3334]")))).propensity
        is not None
    )


def test_what_is_said_is_taken(tmp_path):
    text = first_plan(written(tmp_path), "segment", ["revenue"])
    tables = tomllib.loads(text)
    assert tables["log"]["treatment"] == "segment"
    assert tables["log"]["outcomes"] == {"revenue": "amount"}
    assert "guessed" not in "".join(line for line in text.splitlines()[4:])
    assert tables["space"]["labels"] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("drop", "said"),
    [
        (("Campaign", "segment"), "the treatment must be named; got no column that looks like one"),
        (("sale", "revenue"), "the outcome must be named; got no column that looks like one"),
    ],
)
def test_what_cannot_be_guessed_is_asked(tmp_path, drop, said):
    table = pa.table(columns()).drop_columns(list(drop))
    pq.write_table(table, tmp_path / "log.parquet")
    with pytest.raises(InputError, match=said) as error:
        first_plan(tmp_path / "log.parquet")
    assert "the columns are customer_id" in str(error.value)


def test_odd_names_and_labels_are_quoted(tmp_path):
    odd = 'treat "x"\t= 1'
    file = written(
        tmp_path, "parquet", **{odd: np.array([0.0, 1.0] * 300), "sale #1": [0, 1] * 300}
    )
    tables = tomllib.loads(first_plan(file, odd, ["sale #1"]))
    assert tables["log"]["treatment"] == odd
    assert tables["space"]["labels"] == [0, 1]
    assert open_log(make_plan(tables)).metrics == ("sale #1",)


def test_amounts_are_no_arms(tmp_path):
    file = written(tmp_path, dose=np.random.default_rng(1).random(600))
    with pytest.raises(InputError, match='have 2 to 40 labels.*kind = "dose"'):
        first_plan(file, "dose")
    with pytest.raises(InputError, match="a column must be one of customer_id"):
        first_plan(file, "nothing")
    with pytest.raises(LogError):
        first_plan(written(tmp_path, e=["x"] * 600), "segment", ["e"])
