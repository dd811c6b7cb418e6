"""Bad input at the command line: one clear line by the grammar, exit code 2, no traceback, nothing
left behind.
"""

from __future__ import annotations

import re
import shlex

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest

from equipoise.allocation.solver import refine

N = 60
GOOD = {
    "arm": (["none", "mail", "call"] * N)[:N],
    "sales": (np.arange(N) % 7).astype(float),
    "bought": (np.arange(N) % 3 == 1).astype(int),
    "age": np.arange(N) * 1.0,
    "paid": (np.arange(N) % 2).astype(float),
    "p0": np.full(N, 1 / 3),
    "p1": np.full(N, 1 / 3),
    "p2": np.full(N, 1 / 3),
    "id": np.arange(N),
}
PLAN = """
[log]
path = "log.parquet"
treatment = "arm"
outcomes = {{ sales = "amount", bought = "binary" }}
features = ["age"]
cost = "paid"
propensity = ["p0", "p1", "p2"]
id = "id"
[space]
kind = "arms"
labels = ["none", "mail", "call"]
[estimator]
name = "t-learner"
params = {{ outcome_model = {{ n_estimators = 3, min_child_samples = 3 }} }}
[policy]
cost = {{ mail = 1.0, call = 2.0 }}
{policy}
"""


@pytest.fixture(autouse=True)
def one_node(monkeypatch):
    """On folds of twenty units branch and bound is nine tenths of a run, and no matter here."""
    monkeypatch.setattr(refine, "NODES", 1)


def with_value(column: str, row: int, value: object) -> dict:
    """The good columns with one value changed."""
    changed = list(GOOD[column])
    changed[row] = value
    return {**GOOD, column: changed}


def write(folder, table=None, policy="budget = { per_head = 0.5 }", plan=PLAN):
    columns = {name: list(values) for name, values in (GOOD if table is None else table).items()}
    pq.write_table(pa.table(columns), folder / "log.parquet")
    (folder / "plan.toml").write_text(plan.format(policy=policy))
    return folder / "plan.toml"


def refused(equipoise, plan, *texts: str) -> None:
    """The run is refused in one line that holds the texts, and leaves nothing."""
    before = {entry.name for entry in plan.parent.iterdir()}
    result = equipoise("run", plan, "--out", plan.parent / "out")
    assert result.code == 2, result.out
    assert result.line.startswith("equipoise: ")
    for text in texts:
        assert text in result.line
    assert {entry.name for entry in plan.parent.iterdir()} == before


def test_the_good_log_runs(equipoise, tmp_path):
    result = equipoise("run", write(tmp_path), "--out", tmp_path / "out")
    assert result.code == 0
    assert result.err == ""
    assert (tmp_path / "out" / "report.html").exists()


TABLES = {
    "unknown column": (
        {k: v for k, v in GOOD.items() if k != "age"},
        "column 'age'",
        "no such column",
    ),
    "outside the space": (with_value("arm", 4, "letter"), "'letter'", "row 4"),
    "control missing": (
        {**GOOD, "arm": ["mail", "call"] * (N // 2)},
        "'none'",
        "at least two rows",
    ),
    "an arm with no rows": (
        {**GOOD, "arm": ["none", "mail"] * (N // 2)},
        "'call'",
        "at least two rows",
    ),
    "an arm with one row": (
        {**GOOD, "arm": ["none", "mail"] * (N // 2 - 1) + ["none", "call"]},
        "'call'",
        "got 1",
    ),
    "outcomes all equal": (
        {**GOOD, "sales": [2.0] * N},
        "outcome 'sales' must vary",
        "2 in every row",
    ),
    "one class only": ({**GOOD, "bought": [1] * N}, "outcome 'bought' must vary"),
    "inf in a feature": (with_value("age", 9, np.inf), "'age'", "finite", "row 9"),
    "NaN in an outcome": (with_value("sales", 5, np.nan), "'sales'", "row 5"),
    "inf in an outcome": (with_value("sales", 5, np.inf), "'sales'", "row 5"),
    "NaN in the cost": (with_value("paid", 6, np.nan), "'paid'", "row 6"),
    "negative cost": (with_value("paid", 6, -1.0), "'paid'", ">= 0", "got -1", "row 6"),
    "inf in the cost": (with_value("paid", 6, np.inf), "'paid'", ">= 0", "got inf", "row 6"),
    "a negative amount": (with_value("sales", 5, -3.0), "'sales'", ">= 0", "got -3", "row 5"),
    "a missing treatment": (with_value("arm", 4, None), "'arm'", "missing", "row 4"),
    "a missing id": (with_value("id", 3, None), "id 'id'", "missing", "row 3"),
    "propensity NaN": (with_value("p1", 7, np.nan), "'p1'", "strictly between 0 and 1", "row 7"),
    "propensities that do not sum to 1": (with_value("p1", 7, 0.5), "sum to 1", "row 7"),
    "propensity 0": (with_value("p1", 7, 0.0), "'p1'", "strictly between 0 and 1", "row 7"),
    "propensity 1": (with_value("p1", 7, 1.0), "'p1'", "strictly between 0 and 1", "row 7"),
    "duplicate ids": (with_value("id", 3, 2), "id 'id' must be unique", "rows [2, 3]"),
    "a kind that is not so": (with_value("bought", 8, 3), "'bought'", "0 or 1", "row 8"),
}


@pytest.mark.parametrize("what", TABLES)
def test_bad_logs(equipoise, tmp_path, what):
    table, *texts = TABLES[what]
    refused(equipoise, write(tmp_path, table), *texts)


def test_zero_rows(equipoise, tmp_path):
    plan = write(tmp_path)
    pq.write_table(pq.read_table(tmp_path / "log.parquet").slice(0, 0), tmp_path / "log.parquet")
    refused(equipoise, plan, "have rows")


def test_one_row(equipoise, tmp_path):
    refused(
        equipoise,
        write(tmp_path, {name: list(values)[:1] for name, values in GOOD.items()}),
        "at least 6 rows; got 1",
    )


def test_a_missing_feature_is_fine(equipoise, tmp_path):
    result = equipoise(
        "run", write(tmp_path, with_value("age", 9, np.nan)), "--out", tmp_path / "out"
    )
    assert (result.code, result.err) == (0, "")


@pytest.mark.parametrize(
    ("weight", "got"), [(0.0, "got 0"), (-2.0, "got -2"), (np.nan, "got nan"), (np.inf, "got inf")]
)
def test_a_weight_that_is_none(equipoise, tmp_path, weight, got):
    plan = PLAN.replace('id = "id"', 'id = "id"\nweight = "w"')
    refused(
        equipoise,
        write(tmp_path, {**GOOD, "w": [1.0] * (N - 1) + [weight]}, plan=plan),
        "'w'",
        "> 0",
        got,
        f"row {N - 1}",
    )


COSTS = {"negative": "-1.0", "no number": "nan", "endless": "inf"}


@pytest.mark.parametrize("what", COSTS)
def test_a_cost_in_the_plan_that_is_none(equipoise, tmp_path, what):
    refused(
        equipoise,
        write(tmp_path, plan=PLAN.replace("mail = 1.0", f"mail = {COSTS[what]}")),
        "'cost'",
        "amount >= 0",
    )


@pytest.mark.parametrize("data", ["a,b\n1,2\n".encode("utf-16"), bytes(range(256)) * 9])
def test_a_csv_that_is_no_text(equipoise, tmp_path, data):
    plan = csv_plan(tmp_path, "")
    (tmp_path / "log.csv").write_bytes(data)
    refused(equipoise, plan, "UTF-8 text", "log.csv")


def test_a_full_disk_under_fit(equipoise, tmp_path, monkeypatch):
    plan = write(tmp_path)
    before = {entry.name for entry in tmp_path.iterdir()}

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    result = equipoise("fit", plan, "--out", tmp_path / "model")
    assert result.code == 2
    assert "No space left on device" in result.line
    assert {entry.name for entry in tmp_path.iterdir()} == before


POLICIES = {
    "a negative total": (
        "budget = { total = -5 }",
        "'total'",
        "greater than or equal to 0",
        "[policy.budget]",
    ),
    "an endless budget": ("budget = { per_head = inf }", "'per_head'", "finite"),
    "a negative budget": (
        "budget = { per_head = -1 }",
        "'per_head'",
        "greater than or equal to 0",
        "[policy.budget]",
    ),
    "a budget that is no number": ("budget = { per_head = nan }", "'per_head'", "finite"),
    "a floor that cannot hold": (
        'floors = [{ metric = "sales", per_head = 99.0 }]',
        "floor of sales",
    ),
    "demands in conflict": (
        'budget = { per_head = 0 }\nfloors = [{ metric = "sales", per_head = 0.01 }]',
        "floor of sales",
    ),
    "a metric nobody knows": ("weights = { sails = 1.0 }", "did you mean 'sales'"),
    "a typo": ("bugdet = { per_head = 1 }", "'bugdet'", "did you mean 'budget'", "[policy]"),
}


@pytest.mark.parametrize("what", POLICIES)
def test_bad_demands(equipoise, tmp_path, what):
    policy, *texts = POLICIES[what]
    refused(equipoise, write(tmp_path, policy=policy), *texts)


@pytest.mark.parametrize("budget", [0, 1e9])
def test_budgets_at_the_ends_are_fine(equipoise, tmp_path, budget):
    result = equipoise(
        "run",
        write(tmp_path, policy=f"budget = {{ per_head = {budget} }}"),
        "--out",
        tmp_path / "out",
    )
    assert result.code == 0
    assert ("offer to 0% of people" in result.out) == (budget == 0)


def csv_plan(folder, text: str):
    (folder / "log.csv").write_text(text)
    return write(folder, plan=PLAN.replace("log.parquet", "log.csv"))


def good_csv(folder) -> str:
    pcsv.write_csv(
        pa.table({name: list(values) for name, values in GOOD.items()}), folder / "good.csv"
    )
    return (folder / "good.csv").read_text().replace('"', "")


def test_a_csv_with_another_delimiter(equipoise, tmp_path):
    refused(
        equipoise, csv_plan(tmp_path, good_csv(tmp_path).replace(",", ";")), "commas", "semicolons"
    )


def test_a_csv_with_a_broken_line(equipoise, tmp_path):
    lines = good_csv(tmp_path).splitlines()
    lines[20] = "none,1"
    refused(equipoise, csv_plan(tmp_path, "\n".join(lines)), "9 columns", "row 21")


def test_a_truncated_parquet(equipoise, tmp_path):
    plan = write(tmp_path)
    file = tmp_path / "log.parquet"
    file.write_bytes(file.read_bytes()[:-100])
    refused(equipoise, plan, "log.parquet", "truncated")


def test_no_such_files(equipoise, tmp_path):
    assert "No such file" in equipoise("run", tmp_path / "plan.toml").line
    plan = write(tmp_path)
    (tmp_path / "log.parquet").rename(tmp_path / "logs.parquet")
    refused(equipoise, plan, "did you mean 'logs.parquet'")


def test_a_snapshot_with_a_changed_byte(equipoise, tmp_path):
    plan = write(tmp_path)
    assert equipoise("run", plan, "--out", tmp_path / "out").code == 0
    part = tmp_path / "out" / "policy" / "policy.json"
    part.write_bytes(part.read_bytes().replace(b"mail", b"nail", 1))
    result = equipoise(
        "score",
        tmp_path / "out" / "policy",
        tmp_path / "log.parquet",
        "--out",
        tmp_path / "made.parquet",
    )
    assert result.code == 2
    assert "'policy.json'" in result.line
    assert "sha256" in result.line
    assert not (tmp_path / "made.parquet").exists()


def test_a_place_that_cannot_be_written(equipoise, tmp_path, monkeypatch):
    plan = write(tmp_path)

    def no(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", no)
    refused(equipoise, plan, "must be writable", "Permission denied", "--out")


def test_a_place_under_a_file(equipoise, tmp_path):
    plan = write(tmp_path)
    result = equipoise("run", plan, "--out", tmp_path / "log.parquet" / "out")
    assert result.code == 2
    assert "log.parquet" in result.line


@pytest.mark.parametrize(
    ("labels", "arms"),
    [
        ([-1, 1] * 30, "--arms=-1,1"),
        (["0", "1"] * 30, "--arms 0,1"),
        ([0.0, 2.0] * 30, "--arms 0,2"),
        (["a, b", "-x"] * 30, "--arms '-x,\"a, b\"'"),
        (["no  mail", "a|b", "baseline"] * 20, "--arms"),
    ],
)
def test_the_arms_that_an_error_suggests_are_read(equipoise, tmp_path, labels, arms):
    rows = {"t": labels, "x": np.arange(60) % 7, "y": np.arange(60) % 2}
    pq.write_table(pa.table(rows), tmp_path / "log.parquet")
    call = ["check", tmp_path / "log.parquet", "-t", "t", "-y", "y"]
    result = equipoise(*call)
    assert result.code == 2
    option = re.search(r"(--arms[ =].*) on the command line", result.line)[1]
    assert option.startswith(arms) or option.startswith("--arms='-x")
    assert equipoise(*call, *shlex.split(option)).code in (0, 1)


def test_arms_of_another_type_than_the_column_are_refused(equipoise, tmp_path):
    rows = {"t": [0, 1] * 30, "x": np.arange(60) % 7, "y": np.arange(60) % 2}
    pq.write_table(pa.table(rows), tmp_path / "log.parquet")
    call = ["check", tmp_path / "log.parquet", "-t", "t", "-y", "y"]
    result = equipoise(*call, "--arms", "none,mail")
    assert result.code == 2
    assert "the arms must be numbers, as the column is (int64); got 'none'" in result.line
    assert equipoise(*call, "--arms", "0.0,1.0").code in (0, 1)
