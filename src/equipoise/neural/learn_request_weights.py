"""How the weights of a request are learnt.

    shares         w_i near the realised shares of the request's outcomes: s_ir = q_ir / sum_r q_ir,
    q the outcome over its mean;
                   loss = - sum_r s_ir log w_ir, least at E[s | x]: the metric that this request is
                   about weighs more
    policy value   the worst metric gains most: - softmin_r of mean_i sum_k sigmoid((phi_ik - sigma)
    / t) gain_ikr,
                   gain an unbiased relative effect (a doubly robust score over the metric's mean),
                   phi the rule's own

The text leaves the target of its weights open; the first is our default.   n requests, k
strategies, m metrics.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from equipoise.core.arrays import Floats
from equipoise.core.errors import InputError
from equipoise.neural.layers import Embed, Grouped
from equipoise.neural.piecewise_linear import Inputs
from equipoise.neural.request_weights import NAMES, Weigher
from equipoise.neural.train import NoGain, Progress, Training, seeded, train

WIDTH, EXPERTS = 8, 3
SOFT = 0.02  # t: phi within so much of sigma is half on
SHARP = 200.0  # of the soft minimum over metrics, per unit of relative gain


class _Weights(nn.Module):
    def __init__(self, features: int, slots: int, metrics: int) -> None:
        super().__init__()
        self.embed = Embed(features, slots, WIDTH)
        self.bodies = Grouped(EXPERTS, features * WIDTH, WIDTH)
        self.gates = Grouped(metrics, features * WIDTH, EXPERTS)
        self.heads = Grouped(metrics, WIDTH, 1)

    def forward(self, u: Tensor) -> Tensor:
        """The logarithms of the weights, (B, m)."""
        e = self.embed(u).flatten(1)
        bodies, gates = functional.elu(self.bodies(e)), torch.softmax(self.gates(e), dim=-1)
        mixture = torch.einsum("rbe,ebw->rbw", gates, bodies)
        return torch.log_softmax(self.heads(mixture)[:, :, 0].T, dim=-1)


def learn_shares(
    X: Floats,
    y: Floats,
    metrics: Sequence[str],
    *,
    seed: int = 0,
    epochs: int = 60,
    progress: Progress | None = None,
) -> Weigher:
    """Weights that foretell the shares of outcomes.   X: (n, d) features of requests; y: (n, m)
    outcomes >= 0 under control.
    """
    if (y < 0).any():
        row, j = (int(i) for i in np.argwhere(y < 0)[0])
        fix = "shift the metric, or learn by policy value"
        raise InputError(
            f"outcome {metrics[j]!r}", "be >= 0 to have a share", y[row, j], f"row {row}", fix
        )
    relative = y / y.mean(axis=0)
    total = relative.sum(axis=1, keepdims=True)
    share = np.where(total > 0, relative / np.where(total > 0, total, 1.0), 1 / y.shape[1])

    def loss(net: _Weights, u: Tensor, s: Tensor) -> Tensor:
        error: Tensor = -(s * net(u)).sum(dim=1).mean()
        return error

    return _learn(X, [share], metrics, loss, seed, epochs, progress)


def learn_policy_value(
    X: Floats,
    delta: Floats,
    gain: Floats,
    metrics: Sequence[str],
    *,
    sigma: float = 0.0,
    seed: int = 0,
    epochs: int = 60,
    progress: Progress | None = None,
) -> Weigher:
    """Weights whose rule gains most in its worst metric.   delta, gain: (n, k, m), predicted and
    unbiased relative effects.
    """

    def loss(net: _Weights, u: Tensor, d: Tensor, g: Tensor) -> Tensor:
        phi = torch.einsum("bkm,bm->bk", d, net(u).exp())
        worth = (torch.sigmoid((phi - sigma) / SOFT)[:, :, None] * g).sum(dim=1).mean(dim=0)
        return torch.logsumexp(-SHARP * worth, dim=0) / SHARP

    return _learn(X, [delta, gain], metrics, loss, seed, epochs, progress)


def _learn(
    X: Floats,
    parts: list[Floats],
    metrics: Sequence[str],
    loss: Callable[..., Tensor],
    seed: int,
    epochs: int,
    progress: Progress | None,
) -> Weigher:
    """Train on four fifths of the requests; the rest decide when to stop."""
    inputs = Inputs.learn(X)
    order = np.random.default_rng(seed).permutation(len(X))
    cut = max(1, len(X) // 5)
    u = inputs.positions(X)
    columns = [torch.from_numpy(np.ascontiguousarray(part, np.float32)) for part in (u, *parts)]
    holdout, rest = (
        [column[torch.from_numpy(rows)] for column in columns]
        for rows in (order[:cut], order[cut:])
    )
    with seeded(seed):
        net = _Weights(X.shape[1], inputs.slots, len(metrics))

    def of(*batch: Tensor) -> Tensor:
        return loss(net, *batch)

    how = Training(rate=0.005, decay=1e-4, batch=1024, epochs=epochs, stop=NoGain(6), seed=seed)
    train(net, of, rest, how, judge=lambda: of(*holdout), progress=progress)
    state = net.state_dict()
    return Weigher(inputs, {name: state[name].numpy().copy() for name in NAMES}, tuple(metrics))
