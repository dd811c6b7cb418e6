"""Plans of wrong types and sizes end in our errors before anything is fitted."""

from __future__ import annotations

import copy
import warnings

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fixtures.nonsense import deep, places
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.core.errors import EquipoiseError, InputError, PlanError
from equipoise.pipeline import run
from equipoise.pipeline.plan.read import make_plan, read_plan
from equipoise.pipeline.study import study

N = 120


class FitError(Exception):
    """The plan got as far as a fit."""


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """A plan that uses most keys, on a small log."""
    rng = np.random.default_rng(0)
    log = {
        "user": [f"u{i}" for i in range(N)],
        "arm": ["none", "a", "b"] * (N // 3),
        "x0": rng.normal(size=N),
        "zip": ["east", "west"] * (N // 2),
        "y": (np.arange(N) % 5 == 0).astype(int),
        "spend": np.arange(N) % 7 * 1.0,
    }
    path = tmp_path_factory.mktemp("nonsense") / "log.parquet"
    pq.write_table(pa.table(log), path)
    return {
        "log": {
            "path": str(path),
            "treatment": "arm",
            "outcomes": {"y": "binary", "spend": {"kind": "amount", "unit": "USD"}},
            "features": ["x0", "zip"],
            "id": "user",
            "design": [0.3, 0.3, 0.4],
        },
        "space": {"kind": "arms", "labels": ["none", "a", "b"], "control": "none"},
        "estimator": {
            "name": "dr-learner",
            "params": {
                "cv": 2,
                "random_state": 1,
                "outcome_model": {"n_estimators": 2, "num_leaves": 3},
            },
        },
        "policy": {
            "weights": {"y": 1.0},
            "cost": {"a": 1.0, "b": 2.0},
            "budget": {"per_head": 0.3},
            "caps": [{"candidate": "a", "share": 0.5}],
            "group_budgets": [{"column": "zip", "group": "east", "total": 20}],
        },
        "report": {"title": "t", "currency": "USD", "level": 0.9, "budgets": [0.1, 0.2]},
        "run": {"folds": 2, "seed": 1, "replicates": 5, "out": "out"},
    }


VALUES = (
    st.sampled_from(
        [None, 3, -1, 0, 1.0, float("nan"), float("inf"), 1e308, 2**32, 2**64, 10**400, -(2**63)]
        + ["", "a\0b", "\ud800", "~nobody-of-that-name/x", "/", "x" * 5000, True, [], {}, [[]]]
        + [{"a": 1}, {1: 2}, [1, "a"], deep(15), deep(3000), b"x", ("a",), {"": ""}, object()]
    )
    | st.text(max_size=5)
    | st.floats()
    | st.integers()
)


def changed(tables, path, value):
    new = copy.deepcopy(tables)
    at = new
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return new


@settings(max_examples=400)
@given(st.data())
def test_any_value_ends_in_our_error_or_reaches_the_fit(tables, tmp_path_factory, data):
    path = data.draw(st.sampled_from(list(places(tables))))
    value = data.draw(VALUES)

    def reached(*_):
        raise FitError

    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setattr(study, "cross_fit", reached)
        with pytest.raises((EquipoiseError, FitError)):
            run(make_plan(changed(tables, path, value)), tmp_path_factory.getbasetemp() / "no-run")


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("run", "seed"), 2**32, "seed"),
        (("space", "kind"), 3, "space must be a registered name"),
        (("space",), {"kind": "dose", "low": "a", "high": "b"}, "bounds must be finite numbers"),
        (("estimator", "params", "outcome_model", "n_estimators"), 1.0, "valid integer"),
        (("estimator", "params", "outcome_model", "num_leaves"), 10**6, "at most 131,072"),
        (("estimator", "params", "outcome_model", "learning_rate"), float("nan"), "be"),
        (("estimator", "params", "outcome_model"), 3, "be a table of settings of trees"),
        (("estimator", "params", "random_state"), 2**32, "be from 0 to 4,294,967,295"),
        (("estimator", "params", "cv"), "3", "valid integer"),
        (("report", "title"), "a\0b", "be text without NUL"),
        (("report", "title"), "\ud800", "be text without NUL"),
        (("policy", "cost"), 10**400, "be a whole number of 64 bits"),
        (("policy", "cost"), deep(3000), "more than 16 levels"),
    ],
)
def test_a_wrong_value_is_named(tables, tmp_path, monkeypatch, path, value, said):
    monkeypatch.setattr(study, "cross_fit", lambda *_: pytest.fail("a fit"))
    with pytest.raises(InputError, match=said):
        run(make_plan(changed(tables, path, value)), tmp_path / "run")


@pytest.mark.parametrize(
    "text", ["a=" + "[" * 20_000 + "]" * 20_000, "a=" + "9" * 5000, "a." * 5000 + "b=1", "a=\0"]
)
def test_a_file_that_no_reader_takes_is_a_plan_error(tmp_path, text):
    (tmp_path / "plan.toml").write_text(text)
    with pytest.raises(PlanError):
        read_plan(tmp_path / "plan.toml")


@pytest.mark.parametrize("out", ["/", "a\0b", "x" * 300, "/proc/none/run", "/dev/null/run"])
def test_a_place_that_cannot_be_is_refused_before_any_fit(tables, monkeypatch, out):
    monkeypatch.setattr(study, "cross_fit", lambda *_: pytest.fail("a fit"))
    with pytest.raises(InputError, match="the run folder"):
        run(make_plan(tables), out)


@pytest.mark.parametrize("plan", [None, 3, "log", [], {1: {}}, {"log": deep(100_000)}])
def test_what_is_no_plan(plan):
    with pytest.raises(PlanError):
        make_plan(plan)
