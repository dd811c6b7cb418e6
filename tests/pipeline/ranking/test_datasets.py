"""Logs that plans can name: their columns are there, and a plan's own keys come first."""

from pathlib import Path

import numpy as np
import pytest

from equipoise.core.errors import DataError, InputError
from equipoise.pipeline import make_plan, read_plan
from equipoise.pipeline.plan.log import open_log
from equipoise.pipeline.ranking.check import check_plan
from equipoise.pipeline.ranking.datasets import RANKING_LOGS
from equipoise.pipeline.ranking.log import open_ranking_log
from equipoise.pipeline.ranking.parts import parts_of

EXAMPLE = Path(__file__).parents[3] / "examples" / "ranking.toml"


def test_the_example_can_be_read_and_its_log_opened():
    plan = read_plan(EXAMPLE)
    log = open_ranking_log(plan)
    assert list(log.objectives) == ["watch", "comment", "follow", "gift", "purchase"]
    assert log.plan.sweep == 9
    part = parts_of(log.plan, log.table, 0)
    assert (np.bincount(part) / len(part)).round(1).tolist() == [0.3, 0.4, 0.1, 0.1]
    assert [row["name"] for row in check_plan(plan)] == ["parts", "labels", "profile", "requests"]
    with pytest.raises(InputError, match=r"must have a table \[log\]; got \[ranking\]"):
        open_log(plan)


def test_a_plan_s_own_keys_replace_those_of_the_data_set():
    keys = {"dataset": "live-shop", "objectives": ["gift"], "profile": ["age"], "weights": None}
    log = open_ranking_log(make_plan({"ranking": keys}))
    assert list(log.objectives) == ["gift"]
    assert log.profile.column_names == ["age"]
    with pytest.raises(InputError, match="log to rank must be a registered name"):
        open_ranking_log(make_plan({"ranking": {"dataset": "live-shops"}}))


def test_kuairand_is_cut_by_its_dates():
    try:
        log = open_ranking_log(make_plan({"ranking": {"dataset": "kuairand"}}))
    except DataError:
        pytest.skip("the files of KuaiRand are not here")
    part = parts_of(log.plan, log.table, 0)
    assert np.bincount(part).tolist() == [43_769, 29_811, 21_204, 133_545]
    assert RANKING_LOGS.load("kuairand")()[1]["user"] == "user_id"
