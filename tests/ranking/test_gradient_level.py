"""Gradients of several objectives, combined so that none is worked against."""

import numpy as np
import pytest
import torch

from equipoise.core.errors import MissingExtra
from equipoise.ranking.nets import gradient_level
from equipoise.ranking.nets.gradient_level import combined_loss
from equipoise.ranking.nets.harmonrank import rank_losses
from equipoise.ranking.nets.training import Batch

NAMES = ("MGDAWeighting", "UPGradWeighting")


def a_batch(seed: int, objectives: int = 3, weight: tuple[float, ...] = ()) -> Batch:
    rng = np.random.default_rng(seed)
    score = torch.tensor(rng.normal(size=60), requires_grad=True)
    labels = torch.tensor((rng.uniform(size=(60, objectives)) < 0.3).astype(float))
    labels[6:, 0] = 1.0 - labels[6:, 1]  # two objectives that pull apart
    weights = torch.tensor(weight or (1 / objectives,) * objectives, dtype=torch.float64)
    return Batch(score, labels, None, None, None, weights, labels.mean(dim=0))


def gradients_of(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """The combined gradient by MGDA and UPGrad, (2, n), and that of each objective, (M, n)."""
    each = rank_losses(batch, "soft_rank").loss
    own = torch.stack([torch.autograd.grad(one, batch.score, retain_graph=True)[0] for one in each])
    both = [torch.autograd.grad(combined_loss(batch, name), batch.score)[0] for name in NAMES]
    return torch.stack(both), own


def test_a_step_works_against_no_objective():
    opposed = 0
    for seed in range(40):
        combined, own = gradients_of(a_batch(seed))
        agreement = combined @ own.T / own.norm(dim=1)
        assert (agreement > -2e-2 * combined.norm(dim=1, keepdim=True)).all()
        mean = own.mean(dim=0)
        opposed += int((own @ mean < 0).any())
    assert opposed > 0  # the plain mean does


def test_mgda_is_the_shortest_mean_of_two_gradients():
    for seed in range(20):
        batch = a_batch(seed, 2)
        combined, own = gradients_of(batch)
        a, b = own.numpy()
        share = float(np.clip((b - a) @ b / ((a - b) @ (a - b)), 0, 1))  # closed form of two
        assert combined[0].numpy() == pytest.approx(share * a + (1 - share) * b, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_an_objective_of_one_class_or_no_weight_is_left_out(name):
    batch = a_batch(0, 3, (0.5, 0.5, 0.0))
    batch.labels[:, 1] = 0.0  # one objective is left
    own = rank_losses(batch, "soft_rank").loss[0]
    gradient = torch.autograd.grad(combined_loss(batch, name), batch.score, retain_graph=True)[0]
    alone = torch.autograd.grad(own * 1.5, batch.score, retain_graph=True)[0]
    assert gradient.numpy() == pytest.approx(alone.numpy())
    batch.labels[:, 0] = 1.0  # none is left
    assert combined_loss(batch, name).item() == 0.0


def test_without_torchjd_an_error_says_what_to_install(monkeypatch):
    def absent(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(gradient_level, "import_module", absent)
    with pytest.raises(MissingExtra, match=r"torchjd .*equipoise\[gradients\]"):
        combined_loss(a_batch(0), NAMES[0])
