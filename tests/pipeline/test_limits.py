"""[[policy.limits]]: no unit of the group gets more than the limit, in the run, in what ships, by
fixed prices and with the demands held.
"""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.artifacts.batch import score_file
from equipoise.artifacts.policy import read_scorer, write_scorer
from equipoise.core.errors import EquipoiseError, PlanError
from equipoise.core.limits import Limit, within_limits
from equipoise.data import read_log
from equipoise.estimators import BoostedTrees, TLearner
from equipoise.pipeline import honest_policy
from equipoise.treatments import Arms

N = 1200
COST = {"1": 1.0, "5": 5.0}


def a_log() -> pa.Table:
    """A dearer offer works better, for minors most."""
    rng = np.random.default_rng(0)
    arm, minor = rng.integers(0, 3, N), rng.random(N) < 0.3
    gain = np.array([0.0, 0.2, 0.5])[arm] * (1 + minor)
    return pa.table(
        {
            "user": [f"u{i}" for i in range(N)],
            "arm": np.array(["0", "1", "5"])[arm],
            "minor": np.where(minor, "yes", "no"),
            "age": np.where(minor, 16, 40) + rng.normal(size=N),
            "y": gain + rng.normal(size=N),
        }
    )


def learn(limits, **more):
    log = read_log(a_log(), treatment="arm", outcomes="y", features=["age"], id="user",
                   protected="minor", space=Arms(["0", "1", "5"], control="0"))  # fmt: skip
    learner = TLearner(BoostedTrees(8, min_child_samples=5))
    return honest_policy(log, learner, cv=2, limits=limits, **{"cost": COST, **more})


LIMIT = {"column": "minor", "group": "yes", "most": 2.0}


@pytest.fixture(scope="module")
def limited():
    return learn([LIMIT], budget=3.0)


def offers(chosen, table=None) -> set[str]:
    """What minors got."""
    minor = np.array((a_log() if table is None else table)["minor"].to_pylist()) == "yes"
    return set(np.asarray(chosen)[minor].tolist())


@pytest.mark.parametrize("hold", [False, True])
def test_no_minor_gets_more_than_the_limit_and_others_do(limited, tmp_path, hold):
    write_scorer(tmp_path / "policy", limited.scorer, plan="")
    pq.write_table(a_log(), tmp_path / "units.parquet")
    score_file(tmp_path / "policy", tmp_path / "units.parquet", tmp_path / "a.parquet", hold=hold)
    chosen = pq.read_table(tmp_path / "a.parquet")["chosen"].to_pylist()
    assert offers(chosen) <= {"0", "1"}
    assert "1" in offers(chosen)
    assert chosen.count("5") > N / 5


def test_without_the_limit_they_would():
    free = learn([], budget=3.0).scorer
    assert "5" in offers(free.assign(a_log())["chosen"].to_pylist())


def test_a_snapshot_keeps_the_limit(limited, tmp_path):
    write_scorer(tmp_path / "policy", limited.scorer, plan="")
    assert read_scorer(tmp_path / "policy").limits == (Limit("minor", "yes", ("5",)),)


def test_units_without_the_column_are_refused(limited):
    with pytest.raises(EquipoiseError, match="'minor'"):
        limited.scorer.assign(a_log().drop_columns(["minor"]))


def test_the_value_is_that_of_the_limited_policy(limited):
    minor = np.array(a_log()["minor"].to_pylist()) == "yes"
    assert (limited.choice[minor] <= 0).all()


@pytest.mark.parametrize(
    ("limit", "more", "match"),
    [
        ({**LIMIT, "column": "minr"}, {}, "did you mean 'minor'"),
        ({**LIMIT, "group": "yess"}, {}, "did you mean 'yes'"),
        ({**LIMIT, "most": -1.0}, {}, "most"),
        (LIMIT, {"cost": None}, "say the cost of an offer, since there is a limit"),
        (LIMIT, {"cost": "age"}, "be of offers of known amounts"),
        ({**LIMIT, "model": "mine"}, {}, "model"),
        ({"column": "minor", "group": "yes"}, {}, 'have most, or model = "own"'),
    ],
)
def test_a_wrong_limit_is_explained(limit, more, match):
    with pytest.raises(PlanError, match=match):
        learn([limit], **more)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_limits_close_exactly_what_they_name(data):
    n, names = data.draw(st.integers(1, 30)), ("a", "b", "c")
    groups = {c: np.array(data.draw(st.lists(st.sampled_from("xyz"), min_size=n, max_size=n)))
              for c in ("p", "q")}  # fmt: skip
    draw_limit = st.builds(
        Limit,
        st.sampled_from(["p", "q"]),
        st.sampled_from("xyz"),
        st.lists(st.sampled_from(names), unique=True).map(tuple),
    )
    limits = data.draw(st.lists(draw_limit, max_size=4))
    before = np.array(data.draw(st.lists(st.booleans(), min_size=3 * n, max_size=3 * n)))
    before = before.reshape(n, 3)
    after = within_limits(limits, groups, names, before)
    for i in range(n):
        for a, name in enumerate(names):
            shut = any(
                groups[limit.column][i] == limit.group and name in limit.closed for limit in limits
            )
            assert after[i, a] == (before[i, a] and not shut)
