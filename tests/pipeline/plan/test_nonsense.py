"""Plans of wrong types and sizes end in our errors before anything is fitted."""

from __future__ import annotations

import copy

import pytest
from fixtures.hardening.plans import put, world
from fixtures.nonsense import deep

from equipoise.core.errors import EquipoiseError, InputError, PlanError
from equipoise.pipeline import run
from equipoise.pipeline.plan.read import make_plan, read_plan
from equipoise.pipeline.study import study


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """A plan that uses most keys, on a small log."""
    return world(tmp_path_factory.mktemp("nonsense")).plans["targeting"]


def changed(tables, path, value):
    new = copy.deepcopy(tables)
    put(new, path, value)
    return new


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
        (("run", "out"), "", "key 'out' must have at least 1 character; got ''"),
        (("log", "path"), "~nobody-of-that-name/x", "~ in a path must be a home on this machine"),
        (("space", "contrl"), "none", "key 'contrl' of space 'arms' must be known.*'control'"),
        (("space", "labels"), "none", "arms in one text must have no other key"),
        (("policy", "cost"), 10**400, "be a whole number of 64 bits"),
        (("policy", "cost"), deep(3000), "more than 16 levels"),
    ],
)
def test_a_wrong_value_is_named(tables, tmp_path, monkeypatch, path, value, said):
    monkeypatch.setattr(study, "cross_fit", lambda *_: pytest.fail("a fit"))
    with pytest.raises(EquipoiseError, match=said):
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
