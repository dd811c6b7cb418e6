import numpy as np
import pytest

torch = pytest.importorskip("torch")

from equipoise.core.strata import cells_of  # noqa: E402
from equipoise.neural.losses import (  # noqa: E402
    composite,
    cross_entropy,
    likelihood,
    saturating_cross_entropy,
    squared,
)

SCORE = torch.tensor(
    [[0.2, -0.4], [0.0, 0.3], [1.0, 0.1], [-0.5, 0.9], [0.4, 0.0]], dtype=torch.float64
)  # (5, 2)


def law():
    """P(cell) of each row, (6, 2), for g = 0.3 and 0.6, by numpy."""
    f = torch.softmax(SCORE, dim=0).numpy().T
    q, m0 = cells_of(f)
    g = np.array([[0.3], [0.6]])
    return np.column_stack([g * q, (1 - g) * m0[:, None], (1 - g) * (1 - m0[:, None])]).T


def test_six_cells_sum_to_one():
    np.testing.assert_allclose(law().sum(axis=0), 1)


@pytest.mark.parametrize("cell", range(6))
def test_composite_is_the_sum_of_six_binary_cross_entropies(cell):
    weight = torch.tensor([[5.0], [1.0], [2.0], [3.0], [4.0], [6.0]], dtype=torch.float64)
    p = law() + 1e-6
    seen = np.arange(6)[:, None] == cell
    by_hand = -(weight.numpy() * np.where(seen, np.log(p), np.log(1 - p))).sum()
    got = composite(
        SCORE, torch.tensor([0.3, 0.6], dtype=torch.float64), torch.tensor([cell, cell]), weight
    )
    assert float(got) == pytest.approx(by_hand, rel=1e-9)


@pytest.mark.parametrize("cell", range(6))
def test_likelihood_is_that_of_claim_and_outcome_given_the_offer(cell):
    g = np.array([0.3, 0.6])
    given = law()[cell] / (g if cell < 4 else 1 - g)
    weight = np.array([1.0, 3.0])
    got = likelihood(SCORE, torch.tensor([cell, cell]), torch.from_numpy(weight))
    assert float(got) == pytest.approx(-(weight * np.log(given)).mean(), rel=1e-9)


def test_a_propensity_of_one_and_a_sure_stratum_stay_finite():
    sure = torch.tensor([[100.0], [0.0], [0.0], [0.0], [0.0]])
    for cell in range(6):
        assert torch.isfinite(
            composite(sure, torch.ones(1), torch.tensor([cell]), torch.ones(6, 1))
        )


def test_binary_losses_by_hand():
    score, y = torch.tensor([[0.0, 2.0]]), torch.tensor([1.0, 0.0])
    p = 1 / (1 + np.exp(-np.array([0.0, 2.0])))
    assert float(squared(score, y)) == pytest.approx(((p - [1, 0]) ** 2).mean())
    for loss in (cross_entropy, saturating_cross_entropy):
        assert float(loss(score, y)) == pytest.approx(-(np.log(p[0]) + np.log(1 - p[1])) / 2)


def test_only_the_published_cross_entropy_stops_learning_at_a_far_wrong_score():
    for loss, moves in ((cross_entropy, True), (saturating_cross_entropy, False)):
        score = torch.tensor([[40.0]], requires_grad=True)
        loss(score, torch.zeros(1)).backward()
        assert (float(score.grad) > 0.5) == moves
