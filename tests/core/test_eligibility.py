"""Arms that are closed to some rows: said by columns, by lists, or by propensities of 0."""

import warnings

import numpy as np
import pyarrow as pa
import pytest
from fixtures.closed_arms import ARMS, OPEN, closed_columns, closed_log
from hypothesis import example, given, settings
from hypothesis import strategies as st

from equipoise.core.checks import check_log
from equipoise.core.eligibility import Eligibility, open_shares
from equipoise.core.errors import InputError, LogError
from equipoise.core.weights import RoundedPropensityWarning
from equipoise.data import read_log
from equipoise.pipeline.plan.read import make_plan
from equipoise.treatments import Dose

WAYS = {
    "propensities": {"propensity": ["p0", "pa", "pb"]},
    "column": {"eligible": {"b": "b_open"}},
    "list": {"eligible": "arms"},
    "both": {"eligible": "arms", "propensity": ["p0", "pa", "pb"]},
}
COLUMNS = closed_columns(0, n=300)
B = COLUMNS["arm"].tolist().index("b")
SHUT = COLUMNS["b_open"].tolist().index(False)


def named(name, log):
    return next(check for check in check_log(log) if check["name"] == name)


@pytest.mark.parametrize("way", WAYS)
def test_every_way_says_the_same(way):
    log = closed_log(COLUMNS, **WAYS[way])
    assert log.eligible[:, :2].all()
    np.testing.assert_array_equal(log.eligible[:, 2], COLUMNS["b_open"])
    part = log.take(COLUMNS["b_open"])
    assert part.eligible is None
    few = np.arange(20)
    np.testing.assert_array_equal(log.take(few).eligible, log.eligible[few])


@pytest.mark.parametrize("way", ["column", "list"])
def test_a_design_is_that_among_the_open_arms(way):
    log = closed_log(COLUMNS, design=OPEN, **WAYS[way])
    stated = np.where(COLUMNS["b_open"][:, None], OPEN, [4 / 7, 3 / 7, 0])
    np.testing.assert_allclose(log.propensity, stated, rtol=1e-12)
    observed = closed_log(COLUMNS, design="shares", **WAYS[way])
    for opened in (True, False):
        rows = COLUMNS["b_open"] == opened
        share = np.bincount(observed.cells[rows], minlength=3) / rows.sum()
        np.testing.assert_allclose(observed.propensity[rows], share[None].repeat(rows.sum(), 0))
    part = observed.take(np.arange(30))
    np.testing.assert_array_equal(part.propensity, observed.propensity[:30])


def test_a_small_open_set_takes_the_odds_of_all_rows_that_the_arm_is_open_to():
    cells = np.array([0, 1, 0, 2, 0, 1])
    open_to = np.array([[True, True, True]] * 5 + [[True, True, False]])
    shares, pooled = open_shares(cells, open_to, np.full(6, 2.0))  # odds of arm 1: 2 to 3
    np.testing.assert_allclose(shares[[0, 5]], [[0.6, 0.2, 0.2], [0.6, 0.4, 0.0]])
    assert pooled.tolist() == [False] * 5 + [True]


@settings(max_examples=50, deadline=None)
@example(4231, 6, False)  # a cell is open to no row of control
@given(st.integers(0, 2**32 - 1), st.integers(2, 6), st.booleans())
def test_shares_are_0_where_closed_and_sum_to_1(seed, K, by_period):
    rng = np.random.default_rng(seed)
    open_to = rng.random((30, K)) < 0.6
    open_to[:, 0] = True
    cells = np.array([rng.choice(np.flatnonzero(row)) for row in open_to])
    cells[:2] = 0
    periods = rng.integers(3, size=30) if by_period else None
    shares, _ = open_shares(cells, open_to, rng.uniform(0.5, 2, 30), periods)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert not shares[~open_to].any()
    assert (shares[np.arange(30), cells] > 0).all()


def with_value(name, row, value):
    return COLUMNS | {name: [value if i == row else v for i, v in enumerate(COLUMNS[name])]}


BAD = {
    "treated, closed": (with_value("b_open", B, False), "column", "arm 'b' must be open.*'b_open'"),
    "treated, not listed": (with_value("arms", B, ["none", "a"]), "list", "arm 'b' must be open"),
    "missing": (with_value("b_open", B, None), "column", "be true or false; got None"),
    "no open arm": (with_value("arms", B, []), "list", "list an open arm"),
    "control closed": (with_value("arms", B, ["a", "b"]), "list", "control 'none' must be open"),
    "unknown arm": (with_value("arms", B, ["none", "z"]), "list", "arms of the space; got 'z'"),
    "propensity of the treated": (
        with_value("pb", B, 0.0) | {"pa": with_value("pa", B, 0.6)["pa"]},
        "propensities",
        "arm 'b' must be open.*'pb'",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_values_name_the_row(case):
    columns, way, message = BAD[case]
    with pytest.raises(LogError, match=f"{message}.* at row {B}"):
        closed_log(columns, **WAYS[way])


def test_propensities_and_columns_must_agree():
    with pytest.raises(LogError, match=f"be above 0 where the arm is open.*row {SHUT}"):
        closed_log(with_value("arms", SHUT, ["none", "a", "b"]), **WAYS["both"])
    with pytest.raises(LogError, match="must be lists of arms; got bool"):
        closed_log(COLUMNS, eligible="b_open")
    with pytest.raises(LogError, match="eligible must name arms of the space; got 'c'"):
        closed_log(COLUMNS, eligible={"c": "b_open"})
    with pytest.raises(LogError, match="be no treatment, outcome"):
        closed_log(COLUMNS, eligible="arm")


def test_only_arms_can_be_closed():
    rows = {"dose": [0.0, 1.0, 0.0, 1.0], "y": [1.0, 2, 3, 4], "x": [1.0, 2, 3, 4], "o": [True] * 4}
    space = Dose(0, 1, levels=[1.0])
    with pytest.raises(LogError, match="eligible must be of arms"):
        read_log(rows, treatment="dose", outcomes="y", eligible={"1": "o"}, space=space)


def test_rounded_propensities_with_zeros_are_accepted_and_told():
    columns = dict(COLUMNS)
    columns["pa"] = np.where(COLUMNS["b_open"], 0.3001, 0.5999)  # sums of 1.0001 and .9999
    with pytest.warns(RoundedPropensityWarning):
        log = closed_log(columns)
    np.testing.assert_allclose(log.propensity.sum(axis=1), 1)
    np.testing.assert_array_equal(log.propensity[:, 2] == 0, ~COLUMNS["b_open"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert "300 rows do not sum to 1" in named("overlap", log)["summary"]


def test_the_check_tells_the_share_and_holds_each_open_set_to_its_propensities():
    log = closed_log(COLUMNS)
    line = named("eligibility", log)
    assert line["status"] == "note"
    assert f"b to {COLUMNS['b_open'].mean():.1%}" in line["summary"]
    wrong = closed_log(closed_columns(0, n=2000), design=(0.2, 0.5, 0.3), eligible="arms")
    assert named("eligibility", wrong)["status"] == "fail"
    every = closed_log(COLUMNS | {"b_open": [True] * 300}, eligible={"b": "b_open"})
    assert named("eligibility", every)["status"] == "ok"
    assert not [c for c in check_log(every.take(np.arange(300))) if c["status"] == "fail"]


def test_plans_say_it_by_a_column_or_by_arm():
    def roles(value):
        log = {"path": "log.csv", "treatment": "arm", "outcomes": ["y"], "eligible": value}
        return make_plan({"log": log}).log.roles()["eligible"]

    assert roles("arms") == "arms"
    assert roles({"b": "b_open"}) == {"b": "b_open"}
    for wrong in (3, {}, {"b": 1}, [], ""):
        with pytest.raises(InputError, match="column that lists the open arms"):
            roles(wrong)


def test_as_json_and_back():
    eligibility = Eligibility((("b", "b_open"),), propensity=True)
    assert Eligibility.from_json(eligibility.to_json()) == eligibility
    rows = pa.table({"b_open": [0.0, 0.2]})
    assert eligibility.open_cells(rows, ARMS.labels)[:, 2].tolist() == [False, True]
    with pytest.raises(InputError, match=r"0\.\.1.*row 8"):
        eligibility.open_cells(pa.table({"b_open": [0.5, 1.5]}), ARMS.labels, start=7)
