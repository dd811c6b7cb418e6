from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import nnls

from equipoise.allocation.solver.nearest import nearest_point, nonnegative_weights


def weights_of(columns, target, limit=1000):
    """What the kernel gives: weights and rest; it must converge."""
    weight, rest = np.zeros(len(columns)), np.empty(len(target))
    assert nonnegative_weights(columns, target, limit, weight, rest)
    return weight, rest


@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(1, 15), st.booleans())
def test_as_scipy_finds_it(seed, r, d, whole):
    """Repeated, dependent and zero columns among them."""
    rng = np.random.default_rng(seed)
    columns, target = rng.normal(size=(r, d)), rng.normal(size=d)
    columns[rng.integers(0, r)] = columns[rng.integers(0, r)]
    if whole:
        columns = np.round(columns)
    weight, rest = weights_of(columns, target)
    assert (weight >= 0).all()
    np.testing.assert_allclose(rest, target - columns.T @ weight, atol=1e-12)
    assert np.linalg.norm(rest) - nnls(columns.T, target)[1] < 1e-10


@given(st.integers(0, 10**6), st.integers(1, 30), st.integers(1, 8))
def test_the_nearest_point_lies_under_all_half_spaces_and_none_is_nearer(seed, r, m):
    """By the conditions of Karush, Kuhn and Tucker: the step is a positive sum of tight normals."""
    rng = np.random.default_rng(seed)
    normals, inside, center = rng.normal(size=(r, m)), rng.normal(size=m), 3 * rng.normal(size=m)
    limits = normals @ inside + rng.exponential(size=r)  # some point is under all
    point = nearest_point(normals, limits, center)
    assert point is not None
    over = normals @ point - limits
    assert over.max() < 1e-9
    tight = over > -1e-8
    if not tight.any():
        assert point.tolist() == center.tolist()
        return
    _, miss = nnls(normals[tight].T, center - point)
    assert miss < 1e-7


def test_no_point_is_none():
    normals, limits = np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([-1.0, -1.0])
    assert nearest_point(normals, limits, np.zeros(2)) is None


def test_too_few_steps_are_no_answer():
    rng = np.random.default_rng(0)
    columns, target = rng.normal(size=(30, 10)), rng.normal(size=10)
    assert not nonnegative_weights(columns, target, 1, np.zeros(30), np.empty(10))
