"""What stands at the top of the package: few names, rooms, and the names of version 0.1 with a
warning.
"""

from __future__ import annotations

import enum
import inspect
import subprocess
import sys
import typing
import warnings

import pytest
from sklearn.base import BaseEstimator
from test_docstrings import listing_packages

import equipoise as eq
from equipoise.core.balance import Checks
from equipoise.core.policy import Decision, Policy

_LISTED = """
    __version__ allocate budgeted_policy budget cap floor group_budget offers parity
    decide Effects FeatureMap Log Outcome Roles Space check_log EquipoiseError
    fetch_charitable_match fetch_criteo fetch_hillstrom fetch_lazada fetch_x5
    load_thornton make_coupon_world make_placebo_world make_voucher_world read_log
    BoostedTrees DRLearner DoseSLearner HUM LearntPropensity LinearDML MDP2Forest RLearner
    SLearner TLearner XLearner load_estimator save_estimator autoc average_effects observe
    policy_value qini rank Plan cross_fit_effects honest_policy make_plan read_plan
    read_scorer render_report run run_supply Arms Bits Dose Shares
"""
OF_VERSION_0_1 = tuple(_LISTED.split())
STILL = [name for name in OF_VERSION_0_1 if name in eq.__all__]
GONE = [name for name in OF_VERSION_0_1 if name not in eq.__all__]


def at(path: str):
    """What stands at a dotted path of the package, as a user types it."""
    thing = eq
    for name in path.split(".")[1:]:
        thing = getattr(thing, name)
    return thing


def test_about_25_names_at_the_top():
    assert len(OF_VERSION_0_1) == 60
    assert 20 <= len(eq.__all__) <= 30
    assert len(set(eq.__all__)) == len(eq.__all__)


@pytest.mark.parametrize("name", eq.__all__)
def test_every_name_is_there_and_listed(name):
    if name == "HUM":
        pytest.importorskip("torch")
    assert getattr(eq, name) is not None
    assert name in dir(eq)


def test_every_room_opens_without_an_import():
    code = "import equipoise as eq; print([len(dir(getattr(eq, room))) > 0 for room in eq.ROOMS])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == str([True] * len(eq.ROOMS))
    assert set(eq.ROOMS) <= set(dir(eq))


@pytest.mark.parametrize("name", GONE)
def test_an_old_name_works_and_its_warning_names_the_new_place(name):
    with pytest.warns(FutureWarning, match=rf"^equipoise\.{name} is called equipoise\.") as caught:
        old = getattr(eq, name)
    assert caught[0].filename == __file__, "the warning points to the user's own line"
    new = str(caught[0].message).split(" is called ")[1].split(" since ")[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert at(new) is old


def test_an_old_name_works_in_a_from_import():
    with pytest.warns(FutureWarning, match=r"equipoise\.constraints\.budget") as caught:
        from equipoise import budget
    assert budget(3.0).kind == "budget"
    assert {warning.filename for warning in caught} == {__file__}


@pytest.mark.parametrize("name", STILL)
def test_what_stays_does_not_warn(name):
    if name == "HUM":
        pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        getattr(eq, name)


def test_a_name_that_never_was_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'equipoise' has no attribute 'bugdet'"):
        _ = eq.bugdet


# not results: spaces are arguments and say themselves in a line, as a scorer of batches does; a
# plan is its file; modules of torch and what they give are torch's
APART = {"BatchScorer", "Plan", "RankAUCLoss", "RankLossOutput"}


def results() -> list[type]:
    """The public classes that are neither estimators, errors, spaces, types nor protocols."""
    classes = {
        item
        for package in listing_packages()
        for item in (getattr(package, name) for name in package.__all__)
        if inspect.isclass(item) and item.__module__.startswith("equipoise")
    }
    kinds = (BaseException, BaseEstimator, enum.Enum)
    kept = [
        one
        for one in classes | {Policy, Decision, Checks}
        if not (issubclass(one, kinds) or typing.is_typeddict(one))
        and not getattr(one, "_is_protocol", False)
        and not one.__module__.startswith("equipoise.treatments")
        and one.__name__ not in APART
    ]
    return sorted(kept, key=lambda one: one.__name__)


def test_every_public_result_has_a_short_repr_and_an_html_view():
    """A dataclass has them by the decorator `core.display.shown`."""
    for one in results():
        assert "_repr_html_" in dir(one), one
        assert not hasattr(vars(one).get("__repr__"), "__wrapped__"), f"{one}: of any length"
        assert one.__repr__ is not object.__repr__, one
