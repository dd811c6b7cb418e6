"""Incentive worlds as arrays."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest

from equipoise.data import make_incentive_world


@cache
def make_world(n=3000, seed=0, **knobs):
    """X (n, 6), y, treatment, claimed, propensity, each (n,), and the truth."""
    log, truth = make_incentive_world(n, seed=seed, **knobs)
    X = np.column_stack([log.numbers(name) for name in log.roles.features])
    columns = {
        "treatment": log.cells,
        "claimed": log.numbers("claimed"),
        "propensity": log.propensity[:, 1],
    }
    return SimpleNamespace(X=X, y=log.y[:, 0], truth=truth, strata=truth.strata(), **columns)


@pytest.fixture(scope="session")
def incentive():
    """A function that makes a world; the same arguments give the same object, so leave it as it
    is.
    """
    return make_world


@pytest.fixture(scope="session")
def fit():
    """A function that fits an estimator to a world; further arguments go to fit and replace the
    world's.
    """

    def fitted(estimator, world, **changed):
        given = {
            name: getattr(world, name) for name in ("X", "y", "treatment", "claimed", "propensity")
        } | changed
        return estimator.fit(given.pop("X"), given.pop("y"), **given)

    return fitted
