"""An answer about one row has the bits of the answer about a table."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from equipoise.estimators import BoostedTrees, DRLearner, LinearDML, TLearner, XLearner
from equipoise.estimators.tree_sums import row_answers
from equipoise.treatments import Arms

RNG = np.random.default_rng(0)
NAMES = np.array([f"arm {a}" for a in range(30)])
MANY = Arms(NAMES.tolist())
X = RNG.normal(size=(1500, 3)).round(1)
CELL = RNG.integers(0, 30, 1500)
Y = np.column_stack([X[:, 0] * (CELL % 3) + RNG.normal(size=1500), RNG.random(1500) < 0.4])


@pytest.mark.parametrize("learner", [XLearner(space=MANY), DRLearner(space=MANY)])
def test_many_arms_share_what_they_have_in_common(learner):
    learner.fit(X, Y, treatment=NAMES[CELL])
    kept = [getattr(learner, name, None) for name in ("split_", "control_offset_")]
    assert any(shared is not None for shared in kept)
    of_table, answers = learner.effects(X[:20]), row_answers(learner)
    for row in range(20):
        effects, baseline = answers.of_row(X[row])
        np.testing.assert_array_equal(effects, of_table.values[row])
        np.testing.assert_array_equal(baseline, of_table.baseline[row])


def test_others_are_no_sums_of_trees():
    two, trees = (CELL % 2, Y), BoostedTrees(3)
    for learner in (
        TLearner(LinearRegression()),
        LinearDML(),
        TLearner(trees, transform=_Twice()),
        XLearner(trees, trees),
    ):
        varying = {"propensity": _shares()} if isinstance(learner, XLearner) else {}
        learner.fit(X, two[1], treatment=two[0], **varying)
        assert row_answers(learner) is None
    closed = _shares()
    closed[:700] = [0.5, 0.5]
    closed[700:] = [1.0, 0.0]
    treatment = np.where(np.arange(1500) < 700, two[0], 0)
    learner = DRLearner(trees, trees, space=Arms(("0", "1"))).fit(
        X, two[1], treatment=treatment.astype(str), propensity=closed
    )
    assert row_answers(learner) is None


def _shares():
    """Propensities that vary from row to row."""
    e = np.clip(0.5 + 0.2 * X[:, :1], 0.1, 0.9)
    return np.hstack([1 - e, e])


class _Twice:
    """A transformer."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return 2 * X

    def get_params(self, deep=True):
        return {}
