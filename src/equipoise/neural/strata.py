"""Nets of the five strata of rows of ids: CF-MTL, its variant with pre-trained parts, and
structural likelihood.

    cf-mtl      f and g from scratch, loss = composite(f, g) + eta sum (g - t)^2         Li et al.
    (2023)
    cf-mtl-v1   g pre-trained on t, the embeddings of f as a matrix factorisation of y; then both go
    on under the composite alone
    cf-mle      f under the exact likelihood; a propensity takes part only as a weight, if at all

g is clipped to [thr, 1] before both losses.  Rows of ids are codes (n, p); t, c, y are (n,) of 0
and 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from equipoise.core.arrays import Floats, Ints
from equipoise.neural.additive import LIKELIHOOD, Composite, train_joint, train_one
from equipoise.neural.id_nets import Additive, Crossed, Product, generator
from equipoise.neural.id_probability import WIDTH, pretrain
from equipoise.neural.id_scores import IdScores
from equipoise.neural.losses import composite, cross_entropy, likelihood, squared
from equipoise.neural.train import (
    History,
    Progress,
    SlowGains,
    Training,
    device_of,
    ids,
    numbers,
    train,
)

OFFICIAL = (5.0, 1.0, 1.0, 5.0, 5.0, 5.0)  # alpha1, alpha, beta, theta, gamma, rho
LISTED = (1.0, 1.0, 1.0, 5.0, 10.0, 10.0)  # those of the variant's listing
ETA, THR = 0.5, 0.1
PRETRAIN_TOLERANCE = 1e-4


@dataclass(frozen=True)
class ClaimRows:
    """Rows to learn from.   codes: (n, p) of ids; sizes: how many of each; t, c, y: (n,); weight:
    (n,), or None for 1.
    """

    codes: Ints
    sizes: tuple[int, ...]
    t: Ints
    c: Ints
    y: Ints
    weight: Floats | None = None

    def cell(self) -> Ints:
        """The cell of each row, (n,): 0-3 are 2 c + y when offered, 4 bought without an offer, 5
        did not.
        """
        cell: Ints = np.where(self.t == 1, 2 * self.c + self.y, np.where(self.y == 1, 4, 5))
        return cell

    def take(self, rows: Any) -> ClaimRows:
        """Some of the rows."""
        weight = None if self.weight is None else self.weight[rows]
        return ClaimRows(
            self.codes[rows], self.sizes, self.t[rows], self.c[rows], self.y[rows], weight
        )

    def split(self, one_in: int, seed: int) -> tuple[ClaimRows, ClaimRows]:
        """The rows without a random part of them, and that part: one row in so many, at least
        one.
        """
        order = np.random.default_rng(seed).permutation(len(self.t))
        size = max(1, len(order) // one_in)
        return self.take(order[size:]), self.take(order[:size])

    def columns(self) -> list[Tensor]:
        """The id columns, then the cell, as tensors."""
        tensors = [ids(self.codes, j) for j in range(self.codes.shape[1])]
        return [*tensors, torch.from_numpy(self.cell().astype(np.int32))]

    def weights(self) -> Tensor:
        """The weights as a tensor."""
        return numbers(np.ones(len(self.t)) if self.weight is None else self.weight)


@dataclass(frozen=True)
class StrataModel:
    """Fitted strata.   scores: (n, 5) of rows of codes; propensity: one score, or None where none
    was learnt.
    """

    scores: IdScores
    propensity: IdScores | None
    history: History


class _Joint(nn.Module):
    """The net of the strata and the net of the propensity, trained together."""

    def __init__(self, strata: Additive, propensity: Additive) -> None:
        super().__init__()
        self.strata, self.propensity = strata, propensity

    def forward(self, codes: Sequence[Tensor], thr: float) -> tuple[Tensor, Tensor]:
        """Scores of the strata (5, batch), and the clipped propensity (batch,)."""
        return self.strata(codes), torch.sigmoid(self.propensity(codes)[0]).clamp(thr, 1.0)


def fit_cf_mtl(
    rows: ClaimRows,
    how: Training,
    *,
    weights: Sequence[float] = OFFICIAL,
    eta: float = ETA,
    thr: float = THR,
    progress: Progress | None = None,
) -> StrataModel:
    """CF-MTL: strata and propensity from scratch.   weights: of the six cells; eta: of the
    propensity's squared error.
    """
    rng = generator(how.seed)
    net = _Joint(Additive(rows.sizes, WIDTH, 5, rng), Additive(rows.sizes, WIDTH, 1, rng))
    return _fit_joint(net, rows, how, weights, eta, thr, progress)


def fit_cf_mtl_v1(
    rows: ClaimRows,
    how: Training,
    *,
    weights: Sequence[float] = LISTED,
    thr: float = THR,
    progress: Progress | None = None,
) -> StrataModel:
    """The variant: propensity pre-trained by cross-entropy, embeddings by matrix factorisation of y
    with squared error.
    """
    rng = generator(how.seed)
    before = replace(how, stop=SlowGains(PRETRAIN_TOLERANCE))
    propensity = Additive(rows.sizes, WIDTH, 1, rng)
    pretrain(propensity, cross_entropy, rows.codes, rows.t.astype(np.float64), before)
    embedded = Product(rows.sizes, WIDTH, rng)
    pretrain(embedded, squared, rows.codes, rows.y.astype(np.float64), before)
    strata = Additive(rows.sizes, WIDTH, 5, rng)
    strata.tables = embedded.tables
    return _fit_joint(_Joint(strata, propensity), rows, how, weights, 0.0, thr, progress)


def fit_cf_mle(
    rows: ClaimRows,
    how: Training,
    *,
    rank: int = 0,
    holdout: ClaimRows | None = None,
    progress: Progress | None = None,
) -> StrataModel:
    """Structural maximum likelihood, weighted where the rows are.

    Weights of 1 / P(own arm) make it the likelihood of a trial: what the assignment depended on
    need not be in the net.

    rank : of an interaction between the ids; 0 is additive.   holdout : rows whose likelihood
        decides when to stop.
    """
    rng = generator(how.seed)
    net = Crossed(rows.sizes, WIDTH, rank, 5, rng) if rank else Additive(rows.sizes, WIDTH, 5, rng)

    def loss(*batch: Tensor) -> Tensor:
        return likelihood(net(batch[:-2]), batch[-2], batch[-1])

    judge = None if holdout is None else _held_out(net, holdout, how.device)
    if isinstance(net, Additive) and how.device == "cpu":
        cell, weight = rows.cell(), rows.weight
        history = train_one(
            net, LIKELIHOOD, rows.codes, cell, how, weight=weight, judge=judge, progress=progress
        )
        return StrataModel(net.scores(), None, history)
    history = train(
        net,
        loss,
        [*rows.columns(), rows.weights()],
        how,
        judge=judge,
        progress=progress,
        mixed=False,
    )
    return StrataModel(net.scores(), None, history)


def _held_out(net: nn.Module, holdout: ClaimRows, device: str) -> Callable[[], Tensor]:
    """The likelihood of held-out rows."""
    columns = [column.to(device_of(device)) for column in (*holdout.columns(), holdout.weights())]
    return lambda: likelihood(net(columns[:-2]), columns[-2], columns[-1])


def _fit_joint(
    net: _Joint,
    rows: ClaimRows,
    how: Training,
    weights: Sequence[float],
    eta: float,
    thr: float,
    progress: Progress | None,
) -> StrataModel:
    if how.device == "cpu":
        parts = (rows.codes, rows.cell(), Composite(weights, eta, thr))
        history = train_joint(net.strata, net.propensity, *parts, how, progress)
        return StrataModel(net.strata.scores(), net.propensity.scores(), history)
    weight = torch.tensor(list(weights), device=device_of(how.device))[:, None]

    def loss(*batch: Tensor) -> Tensor:
        score, g = net(batch[:-2], thr)
        total = composite(score, g, batch[-2], weight)
        return total + eta * ((g - batch[-1]) ** 2).sum() if eta else total

    history = train(
        net, loss, [*rows.columns(), numbers(rows.t)], how, progress=progress, mixed=False
    )
    return StrataModel(net.strata.scores(), net.propensity.scores(), history)
