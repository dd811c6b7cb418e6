"""The loss and the levels of each net are those of its formula, term by term, in numpy on a few
rows.
"""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from equipoise.estimators import ESTIMATORS  # noqa: E402
from equipoise.estimators.deep.cfrnet import apart  # noqa: E402
from equipoise.neural.balance import mmd_linear  # noqa: E402
from equipoise.neural.nets import Net, Shape, build, factual  # noqa: E402

SHAPE = Shape(features=3, slots=4, candidates=2, metrics=2, width=4)
ARM, WEIGHT = np.array([0, 1, 2, 1, 0]), np.array([0.5, 2.0, 1.0, 3.0, 1.5])
RNG = np.random.default_rng(5)
U, Y = RNG.uniform(0, 4, (5, 3)).astype(np.float32), RNG.normal(size=(5, 2)).astype(np.float32)
BATCH = tuple(torch.from_numpy(part) for part in (U, ARM, Y, WEIGHT.astype(np.float32)))
ROWS, ARMS, CANDIDATES = range(5), range(3), (1, 2)


def net_of(name: str, **settings) -> Net:
    return build(ESTIMATORS.load(name)(width=4, **settings)._net, SHAPE, 3)


def loss_of(net: Net) -> float:
    torch.manual_seed(11)
    return float(net.loss(*BATCH).detach())


def plain(*tensors: torch.Tensor) -> list[np.ndarray]:
    return [tensor.detach().numpy().astype(np.float64) for tensor in tensors]


def softmax(score: np.ndarray) -> np.ndarray:
    return np.exp(score) / np.exp(score).sum(axis=-1, keepdims=True)


def elu(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, np.expm1(x))


def squares(levels: np.ndarray) -> float:
    """The weighted mean squared error of the own arm's levels."""
    return np.mean([WEIGHT[i] * (levels[i, ARM[i]] - Y[i]) ** 2 for i in ROWS])


def surprise(logits: np.ndarray) -> float:
    """The mean cross-entropy of the arms."""
    return -np.mean([np.log(softmax(logits)[i, ARM[i]]) for i in ROWS])


def test_factual_is_the_weighted_error_of_the_own_arm():
    levels = torch.tensor([[[1.0], [5.0]], [[7.0], [2.0]]])
    arm, y, weight = torch.tensor([1, 0]), torch.tensor([[3.0], [6.0]]), torch.tensor([2.0, 0.5])
    assert float(factual(levels, arm, y, weight)) == (2 * (5 - 3) ** 2 + 0.5 * (7 - 6) ** 2) / 2


@pytest.mark.parametrize("rare", [0.0, 8.0])
def test_dragonnet(rare):
    """h_k = 1{t = k}/g_k - 1{t = 0}/g_0 fluctuates the level; the effect gains what h gains."""
    net = net_of("dragonnet", propensity=0.7, targeted=1.3)
    with torch.no_grad():
        net.eps.copy_(torch.tensor([[0.3, -0.2], [0.1, 0.4]]))
        net.assign.bias[0] += rare  # candidates' propensities below the least one
    levels, logits, eps = plain(*net.parts(BATCH[0]), net.eps)
    g = np.maximum(softmax(logits), 0.01)
    assert (g[:, 1:] == 0.01).all() == (rare > 0)
    targeted, shifted = 0.0, levels.copy()
    for i in ROWS:
        h = [(ARM[i] == k) / g[i, k] - (ARM[i] == 0) / g[i, 0] for k in CANDIDATES]
        fluctuated = levels[i, ARM[i]] + h[0] * eps[0] + h[1] * eps[1]
        targeted += ((Y[i] - fluctuated) ** 2).mean() / len(Y)
        for k in CANDIDATES:
            shifted[i, k] += (1 / g[i, k] - -1 / g[i, 0]) * eps[k - 1]
    want = squares(levels) + 0.7 * surprise(logits) + 1.3 * targeted
    assert loss_of(net) == pytest.approx(want, rel=1e-5)
    np.testing.assert_allclose(plain(net.levels(BATCH[0]))[0], shifted, rtol=1e-5, atol=1e-6)


def test_dragonnets_fluctuation_solves_the_efficient_score():
    """Where eps is best, the scores h_k (y - mu - eps h) have a mean of zero: the estimating
    equation of the doubly robust effect.
    """
    net = net_of("dragonnet", propensity=0.0, targeted=1.0)
    levels, logits = plain(*net.parts(BATCH[0]))
    g = softmax(logits)
    h = np.array(
        [[(ARM[i] == k) / g[i, k] - (ARM[i] == 0) / g[i, 0] for k in CANDIDATES] for i in ROWS]
    )
    missed = Y - np.array([levels[i, ARM[i]] for i in ROWS])
    eps = np.linalg.lstsq(h, missed, rcond=None)[0]
    with torch.no_grad():
        net.eps.copy_(torch.from_numpy(eps))
    net.loss(*BATCH).backward()
    assert float(net.eps.grad.abs().max()) < 1e-4
    np.testing.assert_allclose(h.T @ (missed - h @ eps), 0, atol=1e-9)


def test_cfrnet():
    net = net_of("cfrnet", balance=0.7, distance="mmd")
    (phi,) = plain(net.phi(net.flat(BATCH[0])))
    means = [phi[a == ARM].mean(axis=0) for a in ARMS]
    distance = np.mean([((means[k] - means[0]) ** 2).sum() for k in CANDIDATES])
    want = squares(plain(net.levels(BATCH[0]))[0]) + 0.7 * distance
    assert loss_of(net) == pytest.approx(want, rel=1e-5)


def test_the_distance_is_that_of_each_candidate_from_control_and_not_of_candidates():
    phi, arm = torch.tensor([[0.0], [3.0], [5.0]]), torch.tensor([0, 1, 2])
    assert float(apart(phi, arm, 3, mmd_linear)) == (9 + 25) / 2


def test_descn():
    net = net_of("descn", propensity=0.7, space_weight=1.3, cross=0.4)
    phi = net.unit(BATCH[0])
    np.testing.assert_allclose((plain(phi)[0] ** 2).sum(axis=1), 2 * 4, rtol=1e-5)
    levels, tau = plain(net.by_arm(net.heads(phi)), net.by_arm(net.tau(phi)))
    (logits,) = plain(net.assign(phi))
    g, space, cross = softmax(logits), 0.0, 0.0
    for i in ROWS:
        for a in ARMS:
            space += ((g[i, a] * levels[i, a] - (ARM[i] == a) * Y[i]) ** 2).mean() / len(Y)
        if ARM[i]:
            tied = (levels[i, 0] + tau[i, ARM[i] - 1] - Y[i]) ** 2
        else:
            tied = np.mean([(levels[i, k] - tau[i, k - 1] - Y[i]) ** 2 for k in CANDIDATES], axis=0)
        cross += WEIGHT[i] * tied.mean() / len(Y)
    want = squares(levels) + 0.7 * surprise(logits) + 1.3 * space + 0.4 * cross
    assert loss_of(net) == pytest.approx(want, rel=1e-5)
    np.testing.assert_allclose(plain(net.levels(BATCH[0]))[0], levels, rtol=1e-5)


def test_descns_entire_space_does_not_train_the_propensity():
    net = net_of("descn", propensity=0.0, space_weight=1.0, cross=0.0)
    net.loss(*BATCH).backward()
    grad = net.assign.weight.grad
    assert grad is None or float(grad.abs().max()) == 0


def test_efin():
    net = net_of("efin", constraint=0.7)
    e = net.embed(BATCH[0])
    control, views = net.control((e + net.mix(e)).flatten(1)), net.look(e)
    c, effect, told = plain(control, net.effect(views), net.told(views))
    levels = np.stack([c, c + effect[0], c + effect[1]], axis=1)
    reversed_ = [
        np.mean([-np.log(softmax(told[k, i])[a]) for a in ARMS if a != ARM[i]])
        for k in (0, 1)
        for i in ROWS
    ]
    np.testing.assert_allclose(plain(net.levels(BATCH[0]))[0], levels, rtol=1e-5, atol=1e-6)
    assert loss_of(net) == pytest.approx(squares(levels) + 0.7 * np.mean(reversed_), rel=1e-5)


def test_euen():
    net = net_of("euen")
    c, effect = plain(net.control(net.flat(BATCH[0])), net.uplift(net.other(BATCH[0]).flatten(1)))
    levels = np.stack([c, c + effect[0], c + effect[1]], axis=1)
    np.testing.assert_allclose(plain(net.levels(BATCH[0]))[0], levels, rtol=1e-5, atol=1e-6)
    assert loss_of(net) == pytest.approx(squares(levels), rel=1e-5)


def test_m3tn():
    net = net_of("m3tn")
    x = net.flat(BATCH[0])
    (towers,) = plain(net.heads(net.experts(x, x)))
    levels = np.stack([towers[0], towers[0] + towers[1], towers[0] + towers[2]], axis=1)
    np.testing.assert_allclose(plain(net.levels(BATCH[0]))[0], levels, rtol=1e-5, atol=1e-6)
    assert loss_of(net) == pytest.approx(squares(levels), rel=1e-5)


def test_cpm():
    net = net_of("cpm")
    guide, scale, experts = plain(
        net.guide(net.treated), net.indicate(net.treated), net.experts(net.flat(BATCH[0]))
    )
    inputs = np.stack(
        [scale[a] * sum(softmax(guide[a])[e] * experts[e] for e in range(3)) for a in ARMS]
    )
    (towers,) = plain(net.heads(torch.from_numpy(inputs.astype(np.float32))))
    levels = towers.transpose(1, 0, 2)
    np.testing.assert_allclose(plain(net.levels(BATCH[0]))[0], levels, rtol=1e-4, atol=1e-6)


def test_cevae():
    """The divergence is torch's own of two Gaussians; the draw of z is repeated."""
    net = net_of("cevae", hidden=3, divergence=0.7)
    x = net.embed(BATCH[0]).flatten(1)
    every = net.encode(torch.cat([x, BATCH[2]], dim=1)).detach()
    own = torch.stack([every[ARM[i], i] for i in ROWS])
    q = torch.distributions.Normal(own[:, :3], torch.exp(own[:, 3:]).sqrt())
    divergence = float(
        torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0)).sum() / 5
    )
    torch.manual_seed(11)
    z = q.mean + q.stddev * torch.randn(5, 3)
    outcome, seen, treated, assigned = plain(
        net.outcome(z), net.see(z), net.treat(z), net.assign(x)
    )
    (predicted,) = plain(net.heads(net.phi(net.flat(BATCH[0]))))
    features = np.mean([((seen[i] - U[i]) ** 2).sum() / 2 for i in ROWS])  # four slots
    fitted = squares(outcome.transpose(1, 0, 2)) + squares(predicted.transpose(1, 0, 2))
    want = fitted + surprise(treated) + surprise(assigned) + (0.7 * divergence + features) / 3
    assert loss_of(net) == pytest.approx(want, rel=1e-5)


def test_cevaes_levels_are_those_at_the_mean_cause():
    net = net_of("cevae", hidden=3)
    x = net.embed(BATCH[0]).flatten(1)
    expected = net.heads(net.phi(net.flat(BATCH[0])))
    means = [
        net.encode(torch.cat([x, expected[a]], dim=1))[a, :, :3].detach().numpy() for a in ARMS
    ]
    share = softmax(plain(net.assign(x))[0])
    z = sum(share[:, a, None] * means[a] for a in ARMS)
    (want,) = plain(net.outcome(torch.from_numpy(z.astype(np.float32))))
    np.testing.assert_allclose(
        plain(net.levels(BATCH[0]))[0], want.transpose(1, 0, 2), rtol=1e-4, atol=1e-6
    )


def test_flextenet():
    """Layers by loops; the penalty over layers and arms of the products of shared and private
    weights of the shared inputs.
    """
    net = net_of("flextenet", orthogonal=0.7)
    x = plain(net.embed(BATCH[0]).flatten(1))[0]
    s, private, penalty = x, [x, x, x], 0.0
    for shared, each in zip(net.shared, net.private, strict=True):
        S, P = plain(shared.weight, each.weight)  # (w, in), (1 + k, in or more, w)
        penalty += sum(((S @ P[a, : S.shape[1]]) ** 2).sum() for a in ARMS)
        s = elu(s @ S.T + plain(shared.bias)[0])
        own = [elu(private[a] @ P[a] + plain(each.bias)[0][a]) for a in ARMS]
        private = [np.concatenate([s, own[a]], axis=1) for a in ARMS]
    end, bias, ends, biases = plain(net.end.weight, net.end.bias, net.ends.weight, net.ends.bias)
    levels = np.stack([s @ end.T + bias + private[a] @ ends[a] + biases[a] for a in ARMS], axis=1)
    np.testing.assert_allclose(plain(net.levels(BATCH[0]))[0], levels, rtol=1e-4, atol=1e-5)
    assert loss_of(net) == pytest.approx(squares(levels) + 0.7 * penalty, rel=1e-5)


def test_snet():
    net = net_of("snet", propensity=0.7, orthogonal=1.3)
    views, first = plain(net.views(net.flat(BATCH[0])), net.views.first.weight)
    r = elu(views)  # each arm alone, then outcomes, common, treatment
    inputs = np.stack([np.concatenate([r[a], r[3], r[4]], axis=1) for a in ARMS])
    (towers,) = plain(net.heads(torch.from_numpy(inputs.astype(np.float32))))
    assign, bias = plain(net.assign.weight, net.assign.bias)
    logits = np.concatenate([r[4], r[5]], axis=1) @ assign.T + bias
    size = np.abs(first).mean(axis=2)
    penalty = sum(
        size[a, j] * size[b, j] for a in range(6) for b in range(a) for j in range(size.shape[1])
    )
    want = squares(towers.transpose(1, 0, 2)) + 0.7 * surprise(logits) + 1.3 * penalty
    assert loss_of(net) == pytest.approx(want, rel=1e-5)
