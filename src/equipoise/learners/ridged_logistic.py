"""Multinomial logistic regressions with a ridge, of all rows and without each fold in turn, for
several ridges, from one Hessian.

    loss    sum_i w_i (log sum_a exp(eta_ia) - eta_i,cell) + sum_j b_j' R b_j / (2 spread_j^2)
            eta_ia = z_i' b_a,  eta_i0 = 0;  z = (1, columns);  the intercept has hardly a ridge
    R       I - 1 1' / K, the ridge of K rows of which none is special;  1 for two cells
    step    b - (H + ridge)^-1 gradient,  H of all rows less that of the fold, at a b near by

H hardly moves between ridges and folds, and is their only dear part: a step with an old H costs
two products of a matrix and a vector.  Where steps do not converge, or the loss rises, H is taken
anew at b, and steps are halved, which is Newton's method.

    Hastie, Tibshirani & Friedman (2009), The elements of statistical learning, section 4.4.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from equipoise.core.arrays import Floats, Ints

STEPS, PATIENCE = 100, 6  # in all, and with one Hessian
CLOSE = 1e-5  # the gradient's largest entry, over the rows' weight
LEAST = 1e-6  # the ridge of intercepts: of a cell that no row has, too, there is one


class RidgedLogistic:
    """Regressions of the cell of rows that are alike but for ridge and fold.

    columns: (n, D);  cell: (n,) in 0..K-1;  fold: (n,);  weight: (n,) or None;  near: (K, 1 + D), a
    solution of some ridge, control's row 0.
    """

    def __init__(
        self, columns: Floats, cell: Ints, fold: Ints, weight: Floats | None, near: Floats
    ) -> None:
        order = np.argsort(fold, kind="stable")  # a fold is a slice
        self.Z = np.empty((len(columns), 1 + columns.shape[1]))
        self.Z[:, 0], self.Z[:, 1:] = 1.0, columns[order]
        self.w = np.ones(len(order)) if weight is None else weight[order]
        self.own = cell[order, None] == np.arange(1, len(near))
        self.bounds = np.searchsorted(fold[order], np.arange(int(fold.max()) + 2))
        self.near = near[1:] - near[0]
        k = len(self.near)
        self.R = np.ones((1, 1)) if k == 1 else np.eye(k) - 1 / (k + 1)
        self.hessians = [self._hessian(self.near, [part]) for part in self._slices()]

    def _slices(self) -> list[slice]:
        return [slice(*pair) for pair in zip(self.bounds[:-1], self.bounds[1:], strict=True)]

    def fit_each(self, spread: Floats, starts: Sequence[Floats]) -> list[Floats]:
        """The coefficients (K, 1 + D), control's row 0, without each fold in turn and, last, of all
        rows.   spread: (D,), the prior standard deviation of a column's; starts: as what comes.
        """
        every = self.fit(spread, None, starts[-1])
        moves = [every + start - starts[-1] for start in starts[:-1]]
        return [*(self.fit(spread, f, move) for f, move in enumerate(moves)), every]

    def fit(self, spread: Floats, without: int | None, start: Floats) -> Floats:
        """The coefficients (K, 1 + D), control's row 0.   without: a fold that is left out, None
        for none; start: (K, 1 + D).
        """
        parts = [part for f, part in enumerate(self._slices()) if f != without]
        ridge = np.kron(self.R, np.diag(np.r_[LEAST, 1 / spread**2]))
        whole = sum(float(self.w[part].sum()) for part in parts)
        old = sum(h for f, h in enumerate(self.hessians) if f != without)
        beta, factor = start[1:] - start[0], cho_factor(old + ridge)
        loss, slope = self._loss(beta, parts, ridge)
        for step in range(1, STEPS):
            if np.abs(slope).max() <= CLOSE * whole:
                break
            if step % PATIENCE == 0:
                factor = cho_factor(self._hessian(beta, parts) + ridge)
            move = cho_solve(factor, slope.ravel()).reshape(beta.shape)
            trial = self._loss(beta - move, parts, ridge)
            if trial[0] > loss:
                factor = cho_factor(self._hessian(beta, parts) + ridge)
                move = cho_solve(factor, slope.ravel()).reshape(beta.shape)
                trial = self._loss(beta - move, parts, ridge)
                while trial[0] > loss and np.abs(move).max() > 1e-12:
                    move /= 2
                    trial = self._loss(beta - move, parts, ridge)
            beta, (loss, slope) = beta - move, trial
        return np.vstack([np.zeros(beta.shape[1]), beta])

    def _chances(self, beta: Floats, part: slice) -> tuple[Floats, Floats, Floats]:
        """eta (n, k), p (n, k) and log sum exp (n,) of rows."""
        eta = self.Z[part] @ beta.T
        top = np.maximum(eta.max(axis=1), 0.0)
        power = np.exp(eta - top[:, None])
        total = power.sum(axis=1) + np.exp(-top)
        return eta, power / total[:, None], np.log(total) + top

    def _loss(self, beta: Floats, parts: Sequence[slice], ridge: Floats) -> tuple[float, Floats]:
        """The loss and its gradient, (k, 1 + D)."""
        pull = (ridge @ beta.ravel()).reshape(beta.shape)
        loss, slope = 0.5 * float((beta * pull).sum()), pull
        for part in parts:
            eta, p, log_sum = self._chances(beta, part)
            own, w = self.own[part], self.w[part]
            loss += float(w @ (log_sum - (eta * own).sum(axis=1)))
            slope = slope + (w[:, None] * (p - own)).T @ self.Z[part]
        return loss, slope

    def _hessian(self, beta: Floats, parts: Sequence[slice]) -> Floats:
        """The loss's second derivative without its ridge, (k (1 + D), k (1 + D))."""
        k, D = beta.shape
        blocks = np.zeros((k, D, k, D))
        for part in parts:
            _, p, _ = self._chances(beta, part)
            Z, w = self.Z[part], self.w[part]
            for a in range(k):
                for b in range(a + 1):
                    v = w * p[:, a] * ((a == b) - p[:, b])
                    blocks[a, :, b] += Z.T @ (v[:, None] * Z)
                    blocks[b, :, a] = blocks[a, :, b].T
        return blocks.reshape(k * D, k * D)
