from __future__ import annotations

import numpy as np
import pytest

from equipoise.learners import stacked_levels as kernel


def square(n=2_000, seed=0):
    """x, its square in standard units, an arm, and y = q + noise in both arms."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    q = np.column_stack([x, (x**2 - 1) / np.sqrt(2)])
    cell, fold = rng.integers(0, 2, n), rng.integers(0, 3, n)
    y = q[:, 1] + cell + 0.5 * rng.normal(size=n)
    return q, cell, fold, y


def test_a_ridge_by_hand():
    # the rows of fold 1 are told the mean of those of fold 0: 2; q does not vary
    answers = kernel._quadratics(
        np.column_stack([np.ones(4), np.zeros(4)]),
        np.array([[1.0], [3.0], [10.0], [20.0]]),
        np.ones(4),
        np.arange(4),
        np.array([0, 0, 1, 1]),
    )
    assert answers.shape == (len(kernel.PENALTIES), 4, 1)
    assert answers[0, :, 0] == pytest.approx([15, 15, 2, 2])


def test_a_level_that_bends_nowhere_is_left_for_the_quadratic():
    q, cell, fold, y = square()
    flat = np.zeros((len(y), 2, 1))
    mended = kernel.stacked_levels(flat, y[:, None], cell, fold, q)
    assert mended[:, 1, 0] == pytest.approx(q[:, 1] + 1, abs=0.3)  # 10 seeds: at most .16
    assert not flat.any()


def test_the_truth_is_left_as_it_is():
    q, cell, fold, y = square(seed=1)
    truth = np.stack([np.sign(q[:, 0]), np.sign(q[:, 0]) + 1], axis=1)[:, :, None]
    y = truth[np.arange(len(y)), cell, 0] + 0.1 * y
    mended = kernel.stacked_levels(truth, y[:, None], cell, fold, q)
    assert np.abs(mended - truth).max() < 0.05 * np.ptp(y)


def test_no_row_is_answered_by_its_own_outcome():
    q, cell, fold, y = square(300)
    flat, other = np.zeros((300, 2, 1)), y.copy()
    rows = fold == 0
    other[rows] += 0.01
    first, second = (
        kernel.stacked_levels(flat, each[:, None], cell, fold, q)[rows] for each in (y, other)
    )
    assert first == pytest.approx(second, abs=1e-12)


def test_weights_count_rows():
    q, cell, fold, y = square(200)
    twice = np.repeat(np.arange(200), 1 + (np.arange(200) % 2))
    flat = np.zeros((200, 2, 1))
    by_weight = kernel.stacked_levels(flat, y[:, None], cell, fold, q, 1.0 + (np.arange(200) % 2))
    by_rows = kernel.stacked_levels(flat[twice], y[twice, None], cell[twice], fold[twice], q[twice])
    assert by_weight[twice] == pytest.approx(by_rows, abs=1e-6)
