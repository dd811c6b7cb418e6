from __future__ import annotations

import numpy as np
import pytest

from equipoise.pipeline.supply.exposures import Exposures
from equipoise.pipeline.supply.summarise import explained


def exposures_of(X, T):
    n = len(X)
    return Exposures(X, ("u",), T, np.zeros((n, 1)), np.ones(n), None)


def test_what_features_explain_of_mixes_is_the_formula():
    """A line through the even rows, judged on the odd ones against the even rows' mean."""
    rng = np.random.default_rng(0)
    X, noise = rng.normal(size=(9, 1)), rng.normal(size=9)
    T = np.column_stack([X[:, 0] + noise, 1 - X[:, 0] - noise])
    T[1::2] += 3.0  # the odd rows lie elsewhere
    slope, level = np.polyfit(X[::2, 0], T[::2, 0], 1)
    rest = T[1::2, 0] - level - slope * X[1::2, 0]
    other_slope, other = np.polyfit(X[::2, 0], T[::2, 1], 1)
    other_rest = T[1::2, 1] - other - other_slope * X[1::2, 0]
    whole = ((T[1::2] - T[::2].mean(axis=0)) ** 2).sum()
    want = max(1 - ((rest**2).sum() + (other_rest**2).sum()) / whole, 0)
    assert explained(exposures_of(X, T)) == pytest.approx(want)
    assert want != pytest.approx(1)


def test_mixes_that_features_tell_are_explained_whole_and_noise_hardly():
    X = np.arange(40.0)[:, None]
    told = np.column_stack([X[:, 0], 40 - X[:, 0]])
    assert explained(exposures_of(X, told)) == pytest.approx(1)
    assert explained(exposures_of(X, np.random.default_rng(0).normal(size=(40, 2)))) < 0.1
