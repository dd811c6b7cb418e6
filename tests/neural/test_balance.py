"""The distances of two samples against scalar loops by their formulas."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from equipoise.neural.balance import (  # noqa: E402
    DISTANCES,
    ROUNDS,
    SHARP,
    mmd_linear,
    mmd_rbf,
    wasserstein,
)

RNG = np.random.default_rng(2)
A, B = RNG.normal(size=(4, 2)), RNG.normal(1, 2, size=(3, 2))
every = pytest.mark.parametrize("distance", DISTANCES.values(), ids=DISTANCES)


def squared(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.array([[((one - other) ** 2).sum() for other in b] for one in a])


def of(distance, a: np.ndarray, b: np.ndarray) -> float:
    return float(distance(torch.from_numpy(a), torch.from_numpy(b)))


def test_linear_is_the_squared_distance_of_the_means():
    assert of(mmd_linear, A, B) == pytest.approx(((A.mean(axis=0) - B.mean(axis=0)) ** 2).sum())


def test_rbf_is_the_means_of_the_kernels():
    wide = sorted(squared(A, B).ravel())[(A.shape[0] * B.shape[0] - 1) // 2]
    aa, bb, ab = (np.exp(-squared(*both) / wide).mean() for both in ((A, A), (B, B), (A, B)))
    assert of(mmd_rbf, A, B) == pytest.approx(aa + bb - 2 * ab)


def transport(a: np.ndarray, b: np.ndarray, scale: float) -> float:
    """Sinkhorn's rounds on the kernel itself: columns are scaled last."""
    cost = squared(a, b)
    kernel = np.exp(-SHARP * cost / scale)
    right = np.ones(len(b))
    for _ in range(ROUNDS):
        left = 1 / len(a) / (kernel @ right)
        right = 1 / len(b) / (kernel.T @ left)
    return float((left[:, None] * kernel * right * cost).sum())


def test_wasserstein_is_the_transport_between_less_that_within():
    scale = squared(A, B).mean()
    between, within = transport(A, B, scale), transport(A, A, scale) + transport(B, B, scale)
    assert of(wasserstein, A, B) == pytest.approx(between - within / 2, rel=1e-9)


def test_wasserstein_of_two_points_is_their_squared_distance():
    assert of(wasserstein, A[:1], B[:1]) == pytest.approx(squared(A[:1], B[:1])[0, 0])


@every
def test_equal_samples_are_not_apart_and_no_sample_is_nothing(distance):
    assert of(distance, A, A) == pytest.approx(0, abs=1e-12)
    assert of(distance, A, np.repeat(A, 3, axis=0)) == pytest.approx(0, abs=1e-3)
    assert of(distance, A[:0], B) == of(distance, A, B[:0]) == 0


@every
def test_farther_samples_are_farther_apart_and_descent_brings_them_nearer(distance):
    near, far = (of(distance, A, A + shift) for shift in (0.5, 1.0))
    assert 0 < near < far
    a, b = torch.from_numpy(A).requires_grad_(), torch.from_numpy(B).requires_grad_()
    before = distance(a, b)
    before.backward()
    step = 1e-3
    with torch.no_grad():
        after = distance(a - step * a.grad, b - step * b.grad)
    assert float(after) < float(before.detach())
