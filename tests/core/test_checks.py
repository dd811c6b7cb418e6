import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import chi2_contingency, chisquare

from equipoise.core.checks import balance_table, check_log, sample_ratio
from equipoise.core.log import Log, Outcome, Roles
from equipoise.treatments import Arms

Y = Outcome("y", "continuous")


def log_of(cells, columns=None, arms=2, outcomes=(Y,), **roles):
    n = len(cells)
    table = {"arm": np.asarray(cells), "y": np.arange(n, dtype=float)} | (columns or {})
    return Log(
        pa.table(table), Roles("arm", outcomes, **({"features": ()} | roles)), Arms(range(arms))
    )


def check(log, name):
    return next(each for each in check_log(log) if each["name"] == name)


def test_sample_ratio_by_hand():
    found = sample_ratio(log_of([0] * 60 + [1] * 40, design=(0.5, 0.5)))
    assert found["status"] == "ok"
    assert "chi-square 4.00, p = 0.0455" in found["summary"]
    assert [row["rows"] for row in found["rows"]] == [60, 40]
    assert [row["expected"] for row in found["rows"]] == [50, 50]


@pytest.mark.parametrize("counts", [(300, 310, 290), (500, 250, 260), (400, 200, 300)])
def test_sample_ratio_is_pearsons_where_all_rows_have_one_design(counts):
    design = (0.5, 0.25, 0.25)
    found = sample_ratio(log_of(np.repeat([0, 1, 2], counts), arms=3, design=design))
    p = chisquare(counts, np.multiply(design, sum(counts))).pvalue
    assert f"p = {p:.3g}" in found["summary"]
    assert found["status"] == ("fail" if p < 0.001 else "warn" if p < 0.01 else "ok")


def test_sample_ratio_with_propensities_row_by_row():
    """Under the logged propensities 5 % of logs fall below p = 0.05: six seeds gave 16 to 29 of
    400, at most 1 below 0.001.
    """
    rng = np.random.default_rng(0)
    low = fails = 0
    for _ in range(400):
        e = rng.uniform(0.05, 0.6, 300)
        found = sample_ratio(log_of((rng.random(300) < e).astype(int), {"e": e}, propensity=("e",)))
        low += float(found["summary"].split("p = ")[1].rstrip(").")) < 0.05
        fails += found["status"] == "fail"
    assert 8 <= low <= 34
    assert fails <= 3


def test_lost_rows_are_noticed():
    rng = np.random.default_rng(1)
    arm = rng.integers(0, 2, 20_000)
    kept = (arm == 0) | (rng.random(20_000) > 0.06)  # 6 % of the treated were never logged
    assert sample_ratio(log_of(arm[kept], design=(0.5, 0.5)))["status"] == "fail"


def test_sample_ratio_says_when_there_is_no_design():
    assert "not known" in sample_ratio(log_of([0, 1, 0, 1]))["summary"]
    assert "from the log itself" in sample_ratio(log_of([0, 1, 0, 1], design="shares"))["summary"]


def test_groups_that_were_assigned_whole_count_once():
    team = np.repeat(np.arange(100), 50)
    arm = (np.arange(100) % 2)[team]
    log = log_of(
        np.r_[arm, np.ones(400, int)],
        {"team": np.r_[team, np.full(400, 1)]},
        group="team",
        design=(0.5, 0.5),
    )
    # 50 against 50 teams, though 2,500 against 2,900 rows
    assert sample_ratio(log)["status"] == "ok"
    found = check(log, "groups")
    assert found["rows"][0]["treated_whole"]
    assert found["rows"][0]["groups"] == 100


def test_smd_by_hand():
    log = log_of(
        [0, 0, 1, 1], {"x": [0.0, 2.0, 1.0, 3.0], "same": [1.0] * 4}, features=("x", "same")
    )
    rows = {row["feature"]: row for row in balance_table(log)}
    assert rows["x"]["smd"] == pytest.approx(1.0)  # means 1 and 2, both variances 1
    assert rows["x"]["z"] == pytest.approx(1.0)  # 1 / sqrt(1/2 + 1/2)
    assert rows["same"]["smd"] == 0
    assert rows["x"]["candidate"] == "1"


def test_balance_by_level_and_without_missing_values():
    columns = {"city": ["n", "s", "s", "s"], "x": [0.0, None, 0.0, 2.0]}
    rows = {
        row["feature"]: row["smd"]
        for row in balance_table(log_of([0, 0, 1, 1], columns, features=("city", "x")))
    }
    assert set(rows) == {"city=n", "city=s", "x"}
    assert rows["city=s"] == pytest.approx(0.5 / np.sqrt(0.125))
    assert rows["x"] == pytest.approx(1 / np.sqrt(0.5))


def confounded(n=20_000, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(n)
    e = 1 / (1 + np.exp(-0.8 * x))
    return (rng.random(n) < e).astype(int), {"x": x, "e": e}


def test_imbalance_warns_and_logged_propensities_explain_it():
    arm, columns = confounded()
    assert check(log_of(arm, columns, features=("x",)), "balance")["status"] == "warn"
    explained = check(log_of(arm, columns, features=("x",), propensity=("e",)), "balance")
    assert explained["status"] == "ok"
    assert "after weighting" in explained["summary"]


def test_chance_in_a_small_arm_is_a_note():
    rng = np.random.default_rng(3)
    arm = np.r_[np.zeros(2000, int), np.ones(30, int)]
    found = check(
        log_of(
            arm,
            {f"x{j}": rng.standard_normal(2030) for j in range(20)},
            features=[f"x{j}" for j in range(20)],
        ),
        "balance",
    )
    assert found["status"] == "note"
    assert len(found["rows"]) == 10


def test_missing_values_that_depend_on_the_arm():
    arm = np.repeat([0, 1], 200)
    hole = np.where((arm == 1) & (np.arange(400) % 4 == 0), np.nan, 1.0 + np.arange(400))
    found = check(log_of(arm, {"age": hole}, features=("age",)), "missing values")
    assert found["status"] == "warn"
    [row] = found["rows"]
    assert (row["0"], row["1"], row["missing"]) == (0, 0.25, 0.125)
    want = chi2_contingency([[200, 0], [150, 50]], correction=False).pvalue
    assert row["p_value"] == pytest.approx(want)
    even = np.where(np.arange(400) % 4 == 0, np.nan, 1.0 + np.arange(400))
    assert (
        check(log_of(arm, {"age": even}, features=("age",)), "missing values")["status"] == "note"
    )


def test_constant_features():
    log = log_of([0, 0, 1, 1], {"one": ["a"] * 4, "x": [1, 2, 3, 4]}, features=("one", "x"))
    found = check(log, "constant features")
    assert found["status"] == "warn"
    assert [row["feature"] for row in found["rows"]] == ["one"]


def test_text_that_is_numbers_but_for_a_value():
    age = [str(i % 7) for i in range(50)]
    cells = [0, 1] * 25
    assert (
        check(log_of(cells, {"age": age}, features=("age",)), "kinds of features")["status"] == "ok"
    )  # codes, as text
    age[31] = "n.n."
    found = check(log_of(cells, {"age": age}, features=("age",)), "kinds of features")
    assert found["status"] == "warn"
    assert "age is numbers but for 1 of its values, as 'n.n.' at row 31" in found["summary"]
    half = [str(i) if i % 2 else "x" for i in range(50)]
    assert (
        check(log_of(cells, {"age": half}, features=("age",)), "kinds of features")["status"]
        == "ok"
    )


def test_a_text_of_its_own_in_nearly_every_row_looks_like_an_id():
    user = [f"u{i}" for i in range(50)]
    found = check(log_of([0, 1] * 25, {"user": user}, features=("user",)), "kinds of features")
    assert found["status"] == "warn"
    assert "user has a value of its own" in found["summary"]
    assert (
        check(log_of([0, 1] * 25, {"user": user}, id="user"), "kinds of features")["status"] == "ok"
    )
    town = [f"t{i % 10}" for i in range(50)]
    assert (
        check(log_of([0, 1] * 25, {"town": town}, features=("town",)), "kinds of features")[
            "status"
        ]
        == "ok"
    )


def test_overlap():
    rng = np.random.default_rng(0)
    e = np.r_[0.002, rng.uniform(0.2, 0.8, 99)]
    arm = np.r_[0, (rng.random(99) < e[1:]).astype(int)]
    thin = check(log_of(arm, {"e": e}, propensity=("e",)), "overlap")
    assert thin["status"] == "warn"
    assert "1 rows" in thin["summary"]
    assert check(log_of(arm, {"e": e.clip(0.2)}, propensity=("e",)), "overlap")["status"] == "ok"
    assert check(log_of(arm, design=(0.5, 0.5)), "overlap")["status"] == "ok"
    assert check(log_of(arm), "overlap")["status"] == "note"


def test_effective_rows_of_equal_weights_are_the_rows():
    log = log_of([0, 0, 1, 1], {"e": [0.5] * 4}, propensity=("e",))
    assert [row["effective_rows"] for row in check(log, "overlap")["rows"]] == [2, 2]


def test_duplicates_are_those_that_pandas_counts():
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    columns = {
        "y": rng.integers(0, 3, 500).astype(float),
        "city": rng.choice(["a", "b", None], 500),
        "age": rng.integers(0, 9, 500),
    }
    log = log_of(rng.integers(0, 2, 500), columns, features=("city", "age"), time=None)
    found = check(log, "duplicates")
    assert found["rows"][0]["repeated_rows"] == log.table.to_pandas().duplicated().sum()
    assert found["status"] == "note"
    assert isinstance(pandas.__version__, str)
    assert check(log_of([0, 0, 1, 1], {"u": [1, 2, 3, 4]}, id="u"), "duplicates")["status"] == "ok"
    assert check(log_of([0, 0, 1, 1]), "duplicates")["status"] == "ok"


def test_few_cases_and_one_large_row():
    arm = np.arange(4000) % 2
    rare = np.zeros(4000)
    rare[[1, 3]] = 1
    money = np.ones(4000)
    money[7] = 1000
    outcomes = (Outcome("rare", "binary"), Outcome("money", "amount"))
    found = check(log_of(arm, {"rare": rare, "money": money}, outcomes=outcomes), "outcomes")
    assert found["status"] == "warn"
    assert "rare has only 0 cases" in found["summary"]
    assert "one row holds 20.0% of all money" in found["summary"]
    assert found["rows"][1]["zeros"] == 0


def test_a_protected_column_that_the_features_give_away():
    rng = np.random.default_rng(0)
    x = rng.standard_normal(500)
    columns = {
        "x": x,
        "sex": np.where(x > 0, "f", "m"),
        "age": x * 10 + 40,
        "luck": rng.choice(["a", "b"], 500),
    }
    log = log_of(
        rng.integers(0, 2, 500), columns, features=("x",), protected=("sex", "age", "luck")
    )
    found = check(log, "protected columns")
    assert found["status"] == "warn"
    assert "age, sex" in found["summary"]
    assert "luck" not in found["summary"]
    assert check(log_of([0, 0, 1, 1]), "protected columns")["status"] == "note"


def test_every_check_has_the_shape_of_the_report():
    arm, columns = confounded(200)
    found = check_log(log_of(arm, columns, features=("x",), propensity=("e",)))
    assert [each["name"] for each in found] == [
        "sample ratio",
        "missing values",
        "constant features",
        "kinds of features",
        "balance",
        "overlap",
        "duplicates",
        "outcomes",
        "protected columns",
        "groups",
    ]
    for each in found:
        assert set(each) == {"name", "status", "summary", "rows"}
        assert each["status"] in {"ok", "note", "warn", "fail"}
        assert each["summary"].endswith(".")


def test_a_log_without_features():
    assert check(log_of([0, 0, 1, 1]), "balance")["status"] == "ok"
