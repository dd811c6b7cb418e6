"""What the mixes are learnt from: every row by its weight, and within its group."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from equipoise.pipeline.plan.supply import SupplyPlan
from equipoise.pipeline.supply import optimise
from equipoise.pipeline.supply.exposures import Exposures
from equipoise.pipeline.supply.optimise import FOREST, SupplyTask, learn, learn_clusters
from equipoise.treatments import Shares


@pytest.fixture
def rows() -> Exposures:
    """60 rows of two features, three categories and two metrics, with weights and groups."""
    rng = np.random.default_rng(0)
    T, weight = rng.dirichlet([6, 5, 4], 60), rng.uniform(1, 4, 60)
    X, y = rng.normal(size=(60, 2)), rng.normal(size=(60, 2))
    return Exposures(X, ("u", "v"), T, y, weight, np.repeat(np.arange(20), 3))


def task(**plan) -> SupplyTask:
    return SupplyTask(
        SupplyPlan(count=2, **plan), Shares(["a", "b", "c"]), (), np.array([1.0, -0.5]), (), 0
    )


def test_clusters_are_of_weighted_rows(rows, monkeypatch):
    calls = []

    class Told:
        def __init__(self, *asked, random_state):
            calls.append((*asked, random_state))

        def fit(self, X, *, sample_weight):
            assert X is rows.X
            assert sample_weight is rows.weight
            return self

    monkeypatch.setattr(optimise, "Clusters", Told)
    assert isinstance(learn_clusters(task(clusters="kmeans"), rows), Told)
    assert calls == [("kmeans", 2, 0)]
    assert learn_clusters(task(clusters="none"), rows) is None


class Forest:
    """It remembers what it was fitted with."""

    def __init__(self, space, random_state):
        self.space = space

    def fit(self, X, y, **known):
        self.y, self.known = y, known
        return self


def test_a_cluster_is_as_large_as_its_weight_and_the_forest_sees_weights_and_groups(
    rows, monkeypatch
):
    monkeypatch.setattr(optimise, "ESTIMATORS", SimpleNamespace(load=lambda name: Forest))
    two = SimpleNamespace(predict=lambda X: np.repeat([0, 1], [20, 40]))
    found = learn(task(), rows, FOREST, two)
    w = rows.weight
    np.testing.assert_allclose(found.size, [w[:20].sum() / w.sum(), w[20:].sum() / w.sum()])
    for reach, part in zip(found.reach, (slice(0, 20), slice(20, 60)), strict=True):
        np.testing.assert_allclose(reach.today, np.average(rows.T[part], axis=0, weights=w[part]))
    np.testing.assert_allclose(found.forest.y, rows.y[:, 0] - 0.5 * rows.y[:, 1])
    known = found.forest.known
    assert known["treatment"] is rows.T
    assert known["sample_weight"] is rows.weight
    assert known["groups"] is rows.groups
