"""The rule of three: an upper end that holds where no row of a policy had a success."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.evaluation import evaluation_data, ips, policy_value, snips


def rows_of(seed, rate, rows=400, groups=None, uneven=True):
    rng = np.random.default_rng(seed)
    e1 = rng.uniform(0.2, 0.8, rows) if uneven else np.full(rows, 0.5)
    cell = (rng.random(rows) < e1).astype(np.int64)
    if groups is None:
        y = (rng.random(rows) < rate).astype(float)
    else:  # whole clusters succeed
        y = (rng.random(groups.max() + 1) < rate)[groups].astype(float)
    return evaluation_data(y, cell=cell, propensity=np.column_stack([1 - e1, e1]), groups=groups)


def test_of_equal_weights_it_is_the_rule_of_three():
    cell = np.tile([0, 1], 150)
    data = evaluation_data(np.where(cell == 0, 1.0, 0.0), cell=cell, propensity=[0.5, 0.5])
    found = policy_value(np.zeros(300, np.int64), data, method=ips).estimates[0]
    assert (found.value, found.low) == (0.0, 0.0)
    assert found.high == pytest.approx(-np.log(0.025) / 150, rel=0.02)  # 3.7 / n of two sides
    one_sided = policy_value(np.zeros(300, np.int64), data, method=ips, level=0.9).estimates[0]
    assert one_sided.high == pytest.approx(3 / 150, rel=0.01)
    assert policy_value(np.zeros(300, np.int64), data, method=snips).estimates[0].high > 0


@pytest.mark.parametrize("method", [ips, snips])
@pytest.mark.parametrize("clustered", [False, True])
def test_it_holds_the_truth(method, clustered):
    groups = np.repeat(np.arange(80), 5) if clustered else None
    held = none = 0
    for seed in range(600):
        rate = 0.02 if clustered else 0.004
        data = rows_of(seed, rate, groups=groups)
        found = policy_value(np.zeros(400, np.int64), data, method=method).estimates[0]
        none += found.value == 0
        held += found.low <= rate <= found.high
    assert none > 60  # else nothing was tried
    assert held / 600 > 0.93  # by intervals of [0, 0] no more than 1 - none / 600


def test_amounts_keep_their_interval():
    cell = np.tile([0, 1], 20)
    y = np.where(cell == 0, 2.5, 0.0)
    data = evaluation_data(y, cell=cell, propensity=[0.5, 0.5])
    assert policy_value(np.zeros(40, np.int64), data, method=ips).estimates[0].high == 0


def test_the_probability_of_what_was_done_is_enough():
    rng = np.random.default_rng(0)
    e = rng.dirichlet(np.ones(4), 500)
    cell = np.array([rng.choice(4, p=p) for p in e])
    y = rng.normal(size=500) + cell
    full = evaluation_data(y, cell=cell, propensity=e)
    own = evaluation_data(y, cell=cell, action_propensity=e[np.arange(500), cell])
    target = rng.dirichlet(np.ones(4), 500)
    for method in (ips, snips):
        a, b = (policy_value(target, data, method=method).estimates.value for data in (full, own))
        np.testing.assert_allclose(a, b, rtol=1e-12)
    with pytest.raises(ValueError, match="be propensity or action_propensity, one of them"):
        evaluation_data(y, cell=cell)
    with pytest.raises(ValueError, match=r"action_propensity must be \(500,\) numbers in \(0, 1\]"):
        evaluation_data(y, cell=cell, action_propensity=np.zeros(500))
    with pytest.raises(ValueError, match=r"got \(3,\)"):
        evaluation_data(y, cell=cell, action_propensity=np.ones(3))
