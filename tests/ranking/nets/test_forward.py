"""The forward by numpy is the net of torch, whatever parts it has."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from equipoise.neural.harmonrank import HarmonRankNet, RankShape  # noqa: E402
from equipoise.ranking.nets.forward import RankForward  # noqa: E402

PARTS = [
    {},
    {"features": 0},
    {"self_attention": False},
    {"cross_attention": False},
    {"gate": False},
    {"scores": 1, "heads": 3, "width": 5},
]


@pytest.mark.parametrize("parts", PARTS, ids=str)
def test_it_is_the_net(parts):
    shape = RankShape(**{"scores": 4, "features": 3, "slots": 5, "width": 8} | parts)
    torch.manual_seed(0)
    net = HarmonRankNet(shape)
    with torch.no_grad():
        for part in net.parameters():
            part.add_(0.3 * torch.randn_like(part))
    z, u = torch.randn(50, shape.scores), 5 * torch.rand(50, shape.features)
    forward = RankForward({name: part.numpy() for name, part in net.state_dict().items()})
    score = forward(z.double().numpy(), u.double().numpy())
    with torch.no_grad():
        single = net(z, u).double().numpy()
        double = net.double()(z.double(), u.double()).numpy()
        one = net(z.double(), u[:1].double().expand(50, -1)).numpy()
    np.testing.assert_allclose(score, double, rtol=0, atol=1e-12)
    np.testing.assert_allclose(score, single, rtol=0, atol=1e-5 * score.std())
    np.testing.assert_allclose(forward(z.double().numpy(), u[:1].double().numpy()), one, atol=1e-12)


def test_gates_sum_to_one_and_follow_the_viewer():
    torch.manual_seed(0)
    net = HarmonRankNet(RankShape(3, 2, 4))
    torch.nn.init.normal_(net.gate.weight)
    forward = RankForward({name: part.numpy() for name, part in net.state_dict().items()})
    gates = forward.gates(forward.viewers(np.array([[0.0, 1.0], [3.0, 0.0]])))
    np.testing.assert_allclose(gates.sum(axis=1), 1)
    assert np.abs(gates[0] - gates[1]).max() > 0.01


def test_at_the_start_the_score_is_nearly_the_mean():
    torch.manual_seed(0)
    net = HarmonRankNet(RankShape(3, 2, 4))
    z, u = torch.randn(100, 3), torch.rand(100, 2)
    with torch.no_grad():
        assert np.corrcoef(net(z, u).numpy(), z.mean(dim=1).numpy())[0, 1] > 0.99
