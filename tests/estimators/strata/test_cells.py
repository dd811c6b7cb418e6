from __future__ import annotations

import lightgbm
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from equipoise.core.errors import InputError
from equipoise.estimators.strata.cells import BoostedClasses, learn_classes, learn_nuisances
from equipoise.estimators.strata.sample import strata_sample
from equipoise.learners.tables import Rows, Table
from equipoise.treatments import Arms


def classes(n=1500, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    return X, (X[:, 0] + rng.normal(size=n) > 0).astype(np.int64) + 2 * (X[:, 1] > 0.5)


def sample_of(world):
    return strata_sample(
        world.X, world.y, Arms([0, 1]), world.treatment, world.claimed, world.propensity
    )


def test_the_split_text_is_lightgbms_model():
    X, code = classes()
    table = Table(X, ["a", "b", "c"])
    model = BoostedClasses(n_estimators=20, num_leaves=8)
    ours = learn_classes(model, Rows(table, None), code)
    settings = model.settings(1) | {"objective": "multiclass", "num_class": 4}
    data = table.binned(model.max_bin, 1)
    data.params = settings
    data.set_label(code)
    booster = lightgbm.Booster(settings, data)
    for _ in range(20):
        booster.update()
    np.testing.assert_allclose(ours.predict(X), booster.predict(X), atol=1e-12)
    np.testing.assert_array_equal(ours.predict(X, np.array([5, 2])), ours.predict(X[[5, 2]]))


def test_a_class_never_seen_has_no_probability():
    X, code = classes()
    code = np.minimum(code, 2)
    for model, most in (
        (LogisticRegression(), 0.0),
        (BoostedClasses(n_estimators=20, num_leaves=4), 1e-6),
    ):
        p = learn_classes(model, Rows(Table(X, ["a", "b", "c"]), None), code).predict(X)
        assert p.shape == (len(X), 4)
        assert p[:, 3].max() <= most
        np.testing.assert_allclose(p.sum(axis=1), 1)


def test_weights_are_copies():
    X, code = classes(400)
    weight = np.random.default_rng(1).integers(1, 4, len(X))
    many = np.repeat(np.arange(len(X)), weight)
    model = LogisticRegression(C=1e6)
    names = ["a", "b", "c"]
    weighted = learn_classes(model, Rows(Table(X, names), None), code, weight.astype(float))
    copied = learn_classes(model, Rows(Table(X[many], names), None), code[many])
    np.testing.assert_allclose(weighted.predict(X), copied.predict(X), atol=1e-3)


def test_no_row_is_predicted_by_a_model_that_saw_it(incentive):
    """Labels of a fold may be anything: its predictions stay."""
    world = incentive(600)
    before = learn_nuisances(None, None, sample_of(world), folds=3, seed=0)
    rows = before.fold == 1
    y = world.y.copy()
    y[rows] = 1 - y[rows]
    changed = strata_sample(
        world.X, y, Arms([0, 1]), world.treatment, world.claimed, world.propensity
    )
    offered = world.treatment == 1
    table = Table(world.X, before.table.names)
    for f in range(3):
        inside = Rows(table, np.flatnonzero(offered & (before.fold != f)))
        again = learn_classes(
            BoostedClasses(num_leaves=4), inside, inside.of(changed.cell)
        ).predict(world.X, np.flatnonzero(rows))
        assert np.array_equal(again, before.q[rows]) == (f == 1)


def test_a_regressor_cannot_tell_cells_apart(incentive):
    with pytest.raises(InputError, match="cells must be a classifier"):
        learn_nuisances(Ridge(), None, sample_of(incentive(600)), folds=3, seed=0)
