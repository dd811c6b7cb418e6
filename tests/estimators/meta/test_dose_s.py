from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from equipoise.core.errors import InputError
from equipoise.estimators import BoostedTrees, DoseSLearner, SLearner
from equipoise.treatments import Dose

SPACE = Dose(0, 3, levels=[1, 2, 3], unit="USD")


def vouchers(n=4000, seed=0, noise=0.5):
    """X (n, 3), dose (n,), y (n, 2): the level rises and saturates with the dose, the second metric
    falls.
    """
    rng = np.random.default_rng(seed)
    X, dose = rng.uniform(-1, 1, (n, 3)), np.where(rng.random(n) < 0.2, 0, rng.uniform(0, 3, n))
    y = np.column_stack([X[:, 0] + response(X, dose), X[:, 1] - response(X, dose)])
    return X, dose, y + noise * rng.normal(size=(n, 2))


def response(X, dose):
    return (2 + X[:, 0]) * (1 - np.exp(-dose))


def test_it_is_the_s_learner_on_the_amount():
    X, dose, y = vouchers(500)
    trees = BoostedTrees(n_estimators=20)
    ours, plain = (
        learner.fit(X, y, treatment=dose).effects(X)
        for learner in (DoseSLearner(trees, space=SPACE), SLearner(trees, space=SPACE))
    )
    np.testing.assert_array_equal(ours.values, plain.values)
    np.testing.assert_array_equal(ours.baseline, plain.baseline)


def test_finds_the_truth_at_any_amount():
    X, dose, y = vouchers(6000)
    got = DoseSLearner(space=SPACE).fit(X, y, treatment=dose).effects(X, [0, 0.5, 2.5])
    assert got.candidates == ("0 USD", "0.5 USD", "2.5 USD")
    assert not got.values[:, 0].any()
    for a, amount in ((1, 0.5), (2, 2.5)):
        truth = response(X, amount)
        # at most 0.193 over 10 seeds
        assert np.sqrt(np.mean((got.values[:, a, 0] - truth) ** 2)) < 0.35
        assert np.sqrt(np.mean((got.values[:, a, 1] + truth) ** 2)) < 0.35


def test_the_response_may_be_held_to_a_direction_for_each_metric():
    X, dose, y = vouchers(400, noise=2.0)
    amounts = np.linspace(0, 3, 31)
    free = DoseSLearner(space=SPACE).fit(X, y, treatment=dose).effects(X, amounts).values
    held = (
        DoseSLearner(monotone=["increasing", "decreasing"], space=SPACE)
        .fit(X, y, treatment=dose)
        .effects(X, amounts)
        .values
    )
    assert (np.diff(free[:, :, 0], axis=1) < 0).any()
    assert (np.diff(held[:, :, 0], axis=1) >= 0).all()
    assert (np.diff(held[:, :, 1], axis=1) <= 0).all()
    assert (held[:, -1, 0] > 0.3).mean() > 0.9


@pytest.mark.parametrize(
    ("made", "dose", "message"),
    [
        (DoseSLearner(monotone="up", space=SPACE), None, "monotone must be 'increasing'"),
        (DoseSLearner(monotone=["increasing"], space=SPACE), None, "monotone must be"),
        (
            DoseSLearner(LinearRegression(), space=SPACE),
            None,
            "outcome_model must be BoostedTrees or None",
        ),
        (DoseSLearner(space=SPACE), 1.0, "the dose must vary; got 1 in every row"),
    ],
    ids=["no way", "too few ways", "no trees", "one dose"],
)
def test_bad_input(made, dose, message):
    X, given, y = vouchers(50)
    with pytest.raises(InputError, match=message):
        made.fit(X, y, treatment=given if dose is None else np.full(50, dose))
