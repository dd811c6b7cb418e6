"""Every public door: arguments of a wrong kind end in our grammar, and faults of ours stay as they
are.
"""

from __future__ import annotations

import inspect
import pickle
import warnings
from importlib import import_module

import numpy as np
import pytest

import equipoise as eq
from equipoise.core.doors import door
from equipoise.core.errors import EquipoiseError, InputError

ROOMS = (
    *("allocation", "constraints", "data", "datasets", "estimators", "evaluation", "metrics"),
    *("operations", "pipeline", "ranking", "report", "treatments"),
)
WRONG = {
    "nothing": None,
    "a number": 3,
    "a text": "x",
    "a list of texts": ["a", "b"],
    "an object": object(),
    "a dict": {"a": 1},
    "NaN": float("nan"),
    "an array of texts": np.array(["q", "r"]),
    "an array of three dimensions": np.zeros((2, 2, 2)),
}


def doors():
    """Every public callable that needs an argument, by its full name."""
    found = {}
    for room in ("", *ROOMS):
        module = import_module(f"equipoise.{room}".rstrip("."))
        for name in module.__all__:
            try:
                thing = getattr(module, name)
            except ImportError:  # an extra is not installed
                continue
            if callable(thing) and not (inspect.isclass(thing) and issubclass(thing, Exception)):
                found.setdefault(id(thing), (f"{module.__name__}.{name}", thing))
    return dict(found.values())


DOORS = doors()


def needed(thing):
    """The arguments without a default, by place and by name."""
    try:
        parameters = inspect.signature(thing).parameters.values()
    except ValueError:
        return 0, []
    needed = [p for p in parameters if p.default is p.empty]
    by_place = [p for p in needed if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return len(by_place), [p.name for p in needed if p.kind == p.KEYWORD_ONLY]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_kind_ends_in_our_grammar(wrong):
    value, bad = WRONG[wrong], []
    for name, thing in DOORS.items():
        places, names = needed(thing)
        if not places:
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                thing(*[value] * places, **dict.fromkeys(names, value))
        except EquipoiseError:
            continue
        except Exception as error:
            bad.append(f"{name}: {type(error).__name__}: {error}")
    assert not bad, "\n".join(bad)


def test_there_are_many_doors():
    assert sum(needed(thing)[0] > 0 for thing in DOORS.values()) > 150


def test_what_is_wrong_is_named_as_documented():
    with pytest.raises(InputError) as error:
        eq.honest_policy("log.csv", eq.DRLearner())
    assert str(error.value) == "log of honest_policy must be Log; got 'log.csv'"
    with pytest.raises(InputError, match="path of read_plan must be Path or str; got 3"):
        eq.read_plan(3)
    with pytest.raises(InputError, match="total of budget must be float; got 'much'"):
        eq.constraints.budget("much")
    assert isinstance(error.value.__cause__, AttributeError)


def _add(x: int, y: int) -> int:
    """Add.

    Parameters
    ----------
    x, y : int
        Two numbers.
    """
    if y == 7:
        raise KeyError("a fault of ours")
    return x + y


def test_a_fault_of_ours_stays_one():
    """What could be right is not blamed; nor is an argument too many."""
    _add.__module__ = "equipoise.nowhere"
    add = door(_add, "equipoise", "add")
    assert add(2, 3) == 5
    with pytest.raises(KeyError, match="a fault of ours"):
        add(1, 7)
    with pytest.raises(InputError, match="y of add must be int; got '2'"):
        add(1, "2")
    with pytest.raises(TypeError, match="positional argument"):
        add(1)
    assert inspect.signature(add) == inspect.signature(_add)
    assert door(add, "equipoise", "add") is add is door(_add, "equipoise.other", "add")


def test_a_door_is_the_same_from_every_room_and_is_found_by_pickle():
    assert eq.constraints.budget is eq.allocation.budget
    assert eq.metrics.dr is eq.evaluation.dr
    assert eq.run is eq.pipeline.run
    for thing in (eq.run, eq.evaluation.dr, eq.operations.experiment_size):
        assert pickle.loads(pickle.dumps(thing)) is thing
