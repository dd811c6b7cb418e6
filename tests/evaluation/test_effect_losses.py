"""Losses of effects: by hand, least at the truth, and the better of two predictions found."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.evaluation import effect_loss, evaluation_data


def world(seed, n=4000):
    """Two candidates and metrics, confounded, with true levels."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    score = np.exp(np.stack([0 * x, 0.7 * x, -0.7 * x], axis=1))
    e = score / score.sum(axis=1, keepdims=True)
    cell = (rng.random((n, 1)) > e.cumsum(axis=1)).sum(axis=1)
    levels = np.stack([x, x + x**2, 2 * x + 1], axis=1)[:, :, None] * np.array([1.0, 10.0])
    y = levels[np.arange(n), cell] + rng.normal(size=(n, 2))
    tau = levels[:, 1:] - levels[:, :1]
    return evaluation_data(y, cell=cell, propensity=e, levels=levels), tau


def test_by_hand():
    rows = evaluation_data(
        [2.0, 7.0],
        cell=[0, 1],
        propensity=[[0.5, 0.5], [0.75, 0.25]],
        levels=np.array([[1.0, 3.0], [2.0, 4.0]])[:, :, None],
    )
    dr = effect_loss([1.0, 1.0], rows).rows[:, 0]
    assert dr.tolist() == [(2 - 1 / 0.5 - 1) ** 2, (2 + 3 / 0.25 - 1) ** 2]
    r = effect_loss([1.0, 1.0], rows, kind="r").rows[:, 0]
    assert r == pytest.approx([(2 - 2 + 0.5) ** 2, (7 - 2.5 - 0.75) ** 2])
    assert effect_loss([1.0, 1.0], rows, kind="plug_in").rows[:, 0].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("kind", ["dr", "r", "plug_in"])
def test_the_truth_loses_least_and_by_the_squared_error(kind):
    rows, tau = world(0)
    truth = effect_loss(tau, rows, kind=kind)
    for other in (tau + 0.5, 0 * tau, tau.mean(axis=0, keepdims=True) + 0 * tau):
        gap = truth.minus(effect_loss(other, rows, kind=kind))
        assert (gap.high < 0).all()
    if kind != "r":  # in whose loss effects are weighed by e (1 - e)
        gap = effect_loss(tau + 0.5, rows, kind=kind).minus(truth)
        assert (np.abs(gap.value - 0.25) < 4 * gap.std_error + 1e-9).all()


def test_intervals_of_differences_hold_the_truth():
    held = 0
    for seed in range(100):
        rows, tau = world(seed, 500)
        gap = effect_loss(tau + 0.3, rows).minus(effect_loss(tau, rows))
        held += int(gap.low[0] <= 0.09 <= gap.high[0])
    assert held >= 88


def test_bad_input():
    rows, tau = world(0, 50)
    with pytest.raises(InputError, match=r"effects must have shape \(50, 2, 2\)"):
        effect_loss(tau[:, :, 0], rows)
    with pytest.raises(InputError, match="be finite; got another value at row 3"):
        effect_loss(np.where(np.arange(50)[:, None, None] == 3, np.nan, tau), rows)
    with pytest.raises(InputError, match="kind must be one of dr, r, plug_in"):
        effect_loss(tau, rows, kind="rr")  # type: ignore[arg-type]
    one = evaluation_data([1.0, 2.0], cell=[0, 1], propensity=[0.5, 0.5])
    with pytest.raises(InputError, match="judged on the same rows"):
        effect_loss(tau, rows).minus(effect_loss([1.0, 1.0], one))
