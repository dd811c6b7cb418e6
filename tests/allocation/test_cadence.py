"""Cadence: who is up when, and means by hand."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.allocation.cadence import Cadence
from equipoise.core.errors import InputError

WEEKLY = Cadence({"light": 1, "heavy": 7}, average_days=3, keep=0.5)


def test_each_unit_is_up_once_in_its_days_and_classes_are_spread():
    unit = np.arange(700)
    activity = np.where(unit < 350, "light", "heavy")
    due = np.stack([WEEKLY.due(activity, unit, day) for day in range(14)])
    assert due[:, :350].all()
    assert (due[:, 350:].reshape(2, 7, 350).sum(axis=1) == 1).all()
    assert (due[:, 350:].sum(axis=1) == 50).all()


def test_running_means_by_hand():
    mean = np.full((1, 1), np.nan)
    path = []
    for age, today in enumerate([3.0, 6.0, np.nan, 0.0, 9.0]):
        mean = WEEKLY.averaged(mean, [age], [[today]])
        path.append(float(mean[0, 0]))
    assert path == pytest.approx([3.0, 4.5, 4.5, 3.0, 5.0])
    assert Cadence({"a": 1}).averaged([[1.0]], [9], [[2.0]]).tolist() == [[2.0]]


def test_who_is_not_up_keeps_and_the_bonus_holds():
    value, cost = np.array([[1.0, 1.4], [1.0, 1.6], [1.0, 9.0], [0.1, 0.2]]), np.array([0.0, 0.0])
    previous = np.array([0, 0, 0, -2])
    choice = WEEKLY.assign(previous, value, cost, 0.0, np.array([True, True, False, False]))
    assert choice.tolist() == [0, 1, 0, 1]  # kept by the bonus, beyond it, not up, new
    dear = WEEKLY.assign(previous, value, np.array([1.0, 9.0]), 2.0, np.ones(4, bool))
    assert dear.tolist() == [-1, -1, -1, -1]


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: Cadence({}), "name the classes"),
        (lambda: Cadence({"a": 0}), "days of 'a' must be a whole number >= 1"),
        (lambda: Cadence({"a": 1}, average_days=0), "average_days must be"),
        (lambda: Cadence({"a": 1}, keep=-1.0), "keep must be"),
        (
            lambda: WEEKLY.due(["hevy"], [1], 0),
            "have days; got .hevy. at row 0; did you mean .heavy.",
        ),
        (lambda: WEEKLY.averaged([[1.0]], [1, 2], [[1.0]]), "one shape"),
        (
            lambda: WEEKLY.assign(np.array([0]), [[1.0], [2.0]], [1.0], 0.0, np.ones(2, bool)),
            "one per",
        ),
    ],
)
def test_bad_input(call, match):
    with pytest.raises(InputError, match=match):
        call()
