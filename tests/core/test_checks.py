import numpy as np
import pyarrow as pa
import pytest
from fixtures.small_logs import check, confounded, log_of
from scipy.stats import chi2_contingency, chisquare

from equipoise.core.checks import check_log, missing_values, sample_ratio
from equipoise.core.log import Log, Outcome, Roles
from equipoise.core.weights import RoundedPropensityWarning
from equipoise.treatments import Arms


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
    assert "age is numbers but for 1 of its values, as in row 31" in found["summary"]
    half = [str(i) if i % 2 else "x" for i in range(50)]
    log = log_of(cells, {"age": half}, features=("age",), nearly_unique=("age",))
    assert check(log, "kinds of features")["status"] == "ok"


def test_texts_that_some_programs_write_for_a_missing_value_are_noted():
    land = ["NA", "FR", "DE", None, "NA"] * 10
    found = check(log_of([0, 1] * 25, {"land": land}, features=("land",)), "kinds of features")
    assert found["status"] == "note"
    assert "land has 20 texts such as NA, which are a level" in found["summary"]
    assert [(row["looks_like"], row["strange"], row["row"]) for row in found["rows"]] == [
        ("missing", 20, 0)
    ]


def test_a_text_of_its_own_in_nearly_every_row_looks_like_an_id():
    user = [f"u{i}" for i in range(50)]
    log = log_of([0, 1] * 25, {"user": user}, features=("user",), nearly_unique=("user",))
    found = check(log, "kinds of features")
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


@pytest.mark.parametrize("kind", [int, float])
def test_a_number_of_its_own_in_every_row_looks_like_an_id(kind):
    number = np.random.default_rng(0).permutation(50).astype(kind)
    log = log_of([0, 1] * 25, {"customer": number}, features=("customer",))
    found = check(log, "kinds of features")
    assert found["status"] == "warn"
    assert "customer has a number of its own in every row: is it the id?" in found["summary"]
    for column in (number // 2, number + 0.5 * (number == 3)):
        log = log_of([0, 1] * 25, {"customer": column}, features=("customer",))
        assert check(log, "kinds of features")["status"] == "ok"


def test_every_check_has_the_shape_of_the_report():
    arm, columns = confounded(200)
    found = check_log(log_of(arm, columns, features=("x",), propensity=("e",)))
    assert [each["name"] for each in found] == [
        "sample ratio",
        "missing values",
        "constant features",
        "features that tell an outcome",
        "kinds of features",
        "balance",
        "overlap",
        "duplicates",
        "effective rows",
        "outcomes",
        "protected columns",
        "groups",
    ]
    for each in found:
        assert set(each) == {"name", "status", "summary", "rows"}
        assert each["status"] in {"ok", "note", "warn", "fail"}
        assert each["summary"].endswith(".")


def test_a_group_of_one_row_each_was_not_assigned_whole():
    """Then every row counts, in the sample ratio and in what is said of groups."""
    log = log_of([0] * 30 + [1] * 30, {"user": np.arange(60)}, group="user", design=(0.5, 0.5))
    assert [row["rows"] for row in sample_ratio(log)["rows"]] == [30, 30]
    found = check(log, "groups")
    assert not found["rows"][0]["treated_whole"]
    assert "treated alike" not in found["summary"]


def test_a_column_without_any_value_does_not_depend_on_the_arm():
    log = log_of([0, 0, 1, 1], {"empty": np.full(4, np.nan)}, features=("empty",))
    found = check(log, "missing values")
    assert found["status"] == "note"
    assert found["rows"] == [
        {"column": "empty", "missing": 1.0, "0": 1.0, "1": 1.0, "p_value": 1.0}
    ]


def test_enough_cases_of_a_binary_metric_are_no_worry():
    arm = np.arange(400) % 2
    bought = {"bought": (np.arange(400) // 2) % 2}
    found = check(log_of(arm, bought, outcomes=(Outcome("bought", "binary"),)), "outcomes")
    assert found["status"] == "ok"
    assert found["rows"][0]["mean"] == 0.5


def test_features_that_were_not_named_are_told():
    """Where features were chosen for want of names, each column is listed, and why it is none."""
    plain = log_of([0, 0, 1, 1], {"x": [1.0, 2.0, 3.0, 4.0]}, features=("x",))
    table, roles, space = plain.table, plain.roles, plain.space
    assert not any(each["name"] == "features" for each in check_log(plain))
    found = check(Log(table, roles, space, left_out={}), "features")
    assert found["status"] == "note"
    assert "so 1 columns became features: x." in found["summary"]
    found = check(Log(table, roles, space, left_out={"clicks": "differs by arm"}), "features")
    assert found["status"] == "warn"
    assert "Left out: clicks." in found["summary"]
    assert found["rows"] == [
        {"column": "x", "feature": True, "reason": ""},
        {"column": "clicks", "feature": False, "reason": "differs by arm"},
    ]


@pytest.mark.parametrize("kind", ["binary", "amount", "count", "continuous"])
@pytest.mark.parametrize(("buyers", "status"), [(5, "warn"), (19, "warn"), (40, "ok")])
def test_few_buyers_in_an_arm_are_warned_of_whatever_the_kind(kind, buyers, status):
    arm = (np.arange(20_000) < 400).astype(int)
    sales = np.zeros(20_000)
    sales[:buyers] = sales[400:1400] = 1.0  # plenty in the other arm
    found = check(log_of(arm, {"s": sales}, outcomes=(Outcome("s", kind),)), "outcomes")
    assert found["status"] == status
    if status == "warn":
        assert f"s has only {buyers} " in found["summary"]
        assert "under 1" in found["summary"]


def test_buyers_of_unequal_amounts_and_in_few_groups_are_worth_fewer():
    arm, groups = np.arange(4000) % 2, np.arange(4000) // 100
    sales = np.where(np.arange(4000) % 40 < 2, 1.0, 0.0)
    uneven = sales.copy()
    uneven[1::400] = 100.0  # ten of a hundred hold nearly all
    outcomes = (Outcome("s", "amount"),)
    found = check(log_of(arm, {"s": uneven}, outcomes=outcomes), "outcomes")
    assert "s has only 100 rows off its usual value under 1 (worth 12 equal" in found["summary"]
    assert check(log_of(arm, {"s": sales}, outcomes=outcomes), "outcomes")["status"] == "ok"
    few = {"s": np.where(groups < 10, sales, 0.0), "g": groups}
    held = check(log_of(arm, few, outcomes=outcomes, group="g"), "outcomes")
    assert "s has only 25 rows off its usual value under 0 (worth 10 equal" in held["summary"]


def test_weights_and_groups_that_leave_few_rows_are_warned_of():
    arm, rng = np.arange(400) % 2, np.random.default_rng(0)
    even = {"w": np.full(400, 7.0)}
    assert check(log_of(arm, even, weight="w"), "effective rows")["summary"] == (
        "Every cell is worth at least 200 equal rows."
    )
    uneven = np.exp(3 * rng.normal(size=400))
    found = check(log_of(arm, {"w": uneven}, weight="w"), "effective rows")
    size = [uneven[arm == a].sum() ** 2 / (uneven[arm == a] ** 2).sum() for a in (0, 1)]
    assert found["status"] == "warn"
    assert [row["effective"] for row in found["rows"]] == [round(each, 1) for each in size]
    whole = check(log_of(arm, {"g": np.arange(400) % 12}, group="g"), "effective rows")
    assert whole["status"] == "warn"
    assert "0 as 6, 1 as 6" in whole["summary"]


def test_rounded_propensities_are_told_and_mended():
    rng = np.random.default_rng(0)
    p = rng.dirichlet([4, 4, 4], 600)
    cell = (rng.random(600)[:, None] > p.cumsum(axis=1)).sum(axis=1)
    rounded = {f"p{a}": p[:, a].round(4) for a in range(3)}
    with pytest.warns(RoundedPropensityWarning):
        log = log_of(cell, rounded, arms=3, propensity=tuple(rounded))
    assert log.propensity.sum(axis=1) == pytest.approx(1, abs=1e-12)
    overlap = check(log, "overlap")
    off = np.abs(np.sum(list(rounded.values()), axis=0) - 1) > 1e-6
    assert overlap["status"] == "note"
    assert f"of {off.sum()} rows do not sum to 1" in overlap["summary"]
    assert log.take([0, 5]).propensity == pytest.approx(log.propensity[[0, 5]])


def test_holes_are_told_by_arm_whatever_the_arms_are_called():
    arms = ["missing", "missing_", "p_value"]
    rows = {
        "arm": arms * 20,
        "x": [1.0, None, 2.0] * 20,
        "y": [float(i) for i in range(60)],
    }
    log = Log(pa.table(rows), Roles("arm", (Outcome("y"),), ("x",)), Arms(arms))
    row = missing_values(log)["rows"][0]
    assert (row["column"], row["missing"]) == ("x", 0.33333)
    assert [row[key] for key in ("missing__", "missing_", "p_value_")] == [0.0, 1.0, 0.0]
