"""The arms' shares over time: Pearson's chi-square, or against what the log says of each row."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from fixtures.small_logs import check
from scipy.stats import chi2_contingency

from equipoise.core.checks import check_log
from equipoise.core.log import Log, Outcome, Roles
from equipoise.core.time_check import NAME, _table
from equipoise.treatments import Arms

DAYS = 10


def log_over_time(n=6000, last=0.5, seed=0, text=False, **roles):
    """Treated from 10 % on the first day to ``last`` on the last."""
    rng = np.random.default_rng(seed)
    day = rng.integers(0, DAYS, n)
    e = 0.1 + (last - 0.1) * day / (DAYS - 1)
    when = pd.Timestamp("2024-03-01") + pd.to_timedelta(day, "D")
    table = {
        "arm": (rng.random(n) < e).astype(int),
        "day": when.astype(str) if text else when,
        "e": e,
        "y": rng.normal(size=n),
    }
    frame = pa.Table.from_pandas(pd.DataFrame(table), preserve_index=False)
    return Log(frame, Roles("arm", (Outcome("y"),), **({"features": ()} | roles)), Arms())


@pytest.mark.parametrize(
    ("roles", "told"),
    [
        ({"design": "shares"}, "so arms are compared within periods"),
        ({}, "so arms are compared within periods"),
        ({"design": "shares", "periods": False}, "periods are switched off"),
        ({"design": (0.7, 0.3)}, "give those of each row"),
    ],
)
def test_a_drift_is_told_with_what_is_done_about_it(roles, told):
    got = check(log_over_time(time="day", **roles), NAME)
    assert got["status"] == "warn"
    assert told in got["summary"]
    treated = got["rows"][1]
    assert treated["least share"] < 0.15 < 0.45 < treated["most share"]


def test_known_probabilities_explain_a_drift():
    assert check(log_over_time(time="day", propensity=("e",)), NAME)["status"] == "ok"


def test_a_feature_that_is_a_time_should_be_the_time():
    got = check(log_over_time(features=("day",), design="shares"), NAME)
    assert got["status"] == "warn"
    assert "change with day: if that is when a row was decided on, say so (time)" in got["summary"]
    assert check(log_over_time(last=0.1, features=("day",)), NAME)["status"] == "ok"


def test_a_log_without_times_is_not_asked():
    assert NAME not in [each["name"] for each in check_log(log_over_time())]


def test_times_as_text_are_told():
    assert "day is text" in check(log_over_time(time="day", text=True), NAME)["summary"]


def test_it_is_pearsons_chi_square():
    log = log_over_time(time="day", design="shares", last=0.15)
    count, expected, p = _table(log, "day", np.arange(len(log)))
    want = chi2_contingency(count, correction=False)
    np.testing.assert_allclose(expected, want.expected_freq)
    assert p == pytest.approx(want.pvalue)


@pytest.mark.parametrize("roles", [{"design": "shares"}, {"design": (0.9, 0.1)}])
def test_a_steady_design_is_seldom_suspected(roles):
    """At p < 0.001, of 60 logs none in seeds 0 to 59."""
    logs = (log_over_time(2000, last=0.1, seed=s, time="day", **roles) for s in range(60))
    assert sum(check(log, NAME)["status"] == "warn" for log in logs) <= 1


def test_rare_arms_do_not_hide_a_drift():
    rng = np.random.default_rng(0)
    day = np.repeat(np.arange(20), 200)
    leading = (rng.random(4_000) < 0.2 + 0.03 * day).astype(np.int64)
    rare = rng.random(4_000) < 0.02  # five arms of 16 rows each
    arm = np.where(rare, rng.integers(2, 7, 4_000), leading)
    table = pa.table({"day": day, "arm": arm, "y": rng.normal(size=4_000)})
    space = Arms(list(range(7)))

    def over_time(rows, **design):
        roles = Roles("arm", (Outcome("y"),), (), time="day", **design)
        return check(Log(rows, roles, space), NAME)

    got = over_time(table, design="shares")
    assert got["status"] == "fail"  # by every arm's rows there is one period, and nothing to see
    assert "give the probabilities" in got["summary"]
    assert got["rows"][-1]["cell"] == "the rarer arms"
    assert over_time(table)["status"] == "warn"
    still = table.set_column(0, "day", pa.array(rng.permutation(day)))
    assert over_time(still, design="shares")["status"] == "ok"
