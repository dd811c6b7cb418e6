"""Controls apart from modifiers: names, what effects hang on, and the truth where controls
confound.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from sklearn.linear_model import LinearRegression

from equipoise.core.errors import InputError
from equipoise.estimators import CausalForest, DRLearner, LinearDML, RLearner, XLearner
from equipoise.estimators.modifiers import effect_features, feature_places
from equipoise.estimators.serialisation import load_estimator, save_estimator
from equipoise.learners.propensity import LearntPropensity

LINE = LinearRegression()
LEARNERS = {
    "dr": lambda **more: DRLearner(LINE, LINE, **more),
    "r": lambda **more: RLearner(LINE, LINE, **more),
    "x": lambda **more: XLearner(LINE, LINE, **more),
    "dml": lambda **more: LinearDML(**more),
    "forest": lambda **more: CausalForest(20, 20, outcome_model=LINE, **more),
}


def confounded(seed, n=2000):
    """Effect 1 + x; the control w decides who is treated, and the outcome."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 2))
    e = 1 / (1 + np.exp(-1.5 * X[:, 1]))
    t = (rng.random(n) < e).astype(int)
    y = 2 * X[:, 1] + t * (1 + X[:, 0]) + rng.normal(size=n)
    return X, y, t, np.column_stack([1 - e, e])


def test_names_places_and_the_levels_of_a_text():
    features = ("age", "zip=a", "zip=b", "zipper")
    assert feature_places(["zip", 0], features).tolist() == [0, 1, 2]
    assert feature_places(["zip=b"], features).tolist() == [2]
    assert effect_features(None, features) is effect_features([3, 2, 1, 0], features) is None
    for wrong, said in ((["town"], "by name or position; got 'town'"), ([4], "got 4"), ([], "one")):
        with pytest.raises(InputError, match=said):
            effect_features(wrong, features)


@pytest.mark.parametrize("name", LEARNERS)
def test_effects_hang_on_modifiers_and_are_right_where_controls_confound(name):
    """Over seeds 0 to 9 the mean effect misses by .08 at most, and by 1.9 or more without w."""
    X, y, t, e = confounded(0)
    model = LEARNERS[name](modifiers=["x0"]).fit(X, y, treatment=t, propensity=e)
    effects, moved = model.effects(X), model.effects(X + [0, 3])
    np.testing.assert_array_equal(moved.values, effects.values)
    assert (moved.baseline != effects.baseline).all()
    assert abs((effects.values[:, 0, 0] - 1 - X[:, 0]).mean()) < 0.2
    without = LEARNERS[name]().fit(X[:, :1], y, treatment=t).effects(X[:, :1])
    assert (without.values[:, 0, 0] - 1 - X[:, 0]).mean() > 1.5


def test_a_learnt_propensity_that_controls_move_mixes_by_modifiers():
    X, y, t, _ = confounded(0)
    model = LEARNERS["x"](modifiers=[0]).fit(X, y, treatment=t, propensity=LearntPropensity())
    effects, moved = model.effects(X), model.effects(X + [0, 3])
    np.testing.assert_array_equal(moved.values, effects.values)
    assert abs((effects.values[:, 0, 0] - 1 - X[:, 0]).mean()) < 0.2


@pytest.mark.parametrize("name", LEARNERS)
def test_a_text_is_a_modifier_and_what_is_saved_answers_alike(name, tmp_path):
    X, y, t, e = confounded(1, 400)
    frame = pa.table({"w": X[:, 1], "town": np.where(X[:, 0] > 0, "north", "south")})
    model = LEARNERS[name](modifiers=["town"]).fit(frame, y, treatment=t, propensity=e)
    effects = model.effects(frame)
    assert len(np.unique(effects.values.round(9))) == 2
    save_estimator(model, tmp_path / "model")
    again = load_estimator(tmp_path / "model").effects(frame)
    np.testing.assert_array_equal(again.values, effects.values)
