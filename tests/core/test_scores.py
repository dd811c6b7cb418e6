import numpy as np
import pytest

from equipoise.core.scores import corrected, dr_scores, ips_scores


def test_scores_of_one_row_by_hand():
    got = dr_scores(
        np.array([[3.0]]), np.array([1]), np.array([[0.75, 0.25]]), np.array([[[1.0], [2.0]]])
    )
    assert got.ravel().tolist() == [1.0, 2 + (3 - 2) / 0.25]
    assert ips_scores(
        np.array([[3.0]]), np.array([1]), np.array([[0.75, 0.25]])
    ).ravel().tolist() == [0.0, 3 / 0.25]


def test_inputs_stay_as_they_were():
    levels = np.ones((1, 2, 1))
    dr_scores(np.array([[3.0]]), np.array([1]), np.array([[0.5, 0.5]]), levels)
    assert (levels == 1).all()


@pytest.mark.parametrize("wrong", ["levels", "propensity"])
def test_doubly_robust_with_either_nuisance_wrong(wrong):
    rng = np.random.default_rng(0)
    n = 200_000
    x = rng.random(n)
    treated = 0.2 + 0.6 * x
    cell = (rng.random(n) < treated).astype(np.int64)
    mean = np.stack([x, 2 * x + 1], axis=1)  # so the means of the cells are 0.5 and 2
    y = mean[np.arange(n), cell] + rng.normal(size=n)
    levels = mean[:, :, None] if wrong == "propensity" else np.zeros((n, 2, 1))
    propensity = (
        np.column_stack([1 - treated, treated]) if wrong == "levels" else np.full((n, 2), 0.5)
    )
    got = dr_scores(y[:, None], cell, propensity, levels)[:, :, 0].mean(axis=0)
    np.testing.assert_allclose(got, [0.5, 2.0], atol=0.03)  # four standard errors, measured 0.007


def test_a_correction_is_added_to_the_own_cell_only():
    levels = np.array([[[1.0], [2.0]], [[3.0], [4.0]]])
    scores = corrected(levels, np.array([1, 0]), np.array([[0.5], [-1.0]]))
    assert scores[:, :, 0].tolist() == [[1.0, 2.5], [2.0, 4.0]]
