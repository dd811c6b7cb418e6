"""Levels under each cell, stacked with a quadratic where that predicts held-out rows better.

Where the propensity is learnt, a doubly robust score is biased by the product of two errors: that
of the propensity and that of the levels.  Lines bend nowhere, and trees are flat in the tails,
where an arm is rarest.  For each cell a and metric j, from the rows of the cell outside fold f,

    r_j(x) = c' [1, q(x)],   c = argmin sum_i (y_ij - c' [1, q(x_i)])^2 + penalty |c|^2
    (1 - s) mu_aj(x) + s r_j(x)      for the rows of fold f

with the penalty, and then the share s, 0 among them, that lose least on held-out rows: one linear
stack (Wolpert 1992).  q: `learners.quadratic`.

    Wolpert (1992), Stacked generalization, Neural Networks 5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from equipoise.core.arrays import Floats, Ints

PENALTIES = (0.0001, 0.001, 0.01, 0.1, 1.0)  # per row
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


def stacked_levels(
    levels: Floats, y: Floats, cell: Ints, fold: Ints, q: Floats, weight: Floats | None = None
) -> Floats:
    """The levels (n, K, m) of rows by models that did not see them, stacked.   y: (n, m); cell,
    fold: (n,); q: (n, P); weight: (n,) or None.
    """
    return _stacked(levels, y, cell, fold, q, weight)[0]


@dataclass(frozen=True)
class Stack:
    """How levels of other rows are stacked.

    Attributes
    ----------
    share : array, (K, m)
        Of the quadratic.
    coefficients : array, (K, 1 + P, m)
        Of it, by all rows of the cell at the penalty that loses least.
    """

    share: Floats
    coefficients: Floats

    def levels(self, levels: Floats, q: Floats) -> Floats:
        """Levels (n, K, m) of other rows, stacked.   q: (n, P).

        >>> stack = Stack(np.ones((1, 1)), np.array([[[1.0], [2.0]]]))
        >>> stack.levels(np.zeros((2, 1, 1)), np.array([[0.0], [3.0]])).ravel().tolist()
        [1.0, 7.0]
        """
        design = np.column_stack([np.ones(len(q)), q])
        quadratic = np.einsum("ip,kpm->ikm", design, self.coefficients)
        out: Floats = levels + self.share * (quadratic - levels)
        return out


def learn_stack(
    levels: Floats, y: Floats, cell: Ints, fold: Ints, q: Floats, weight: Floats | None = None
) -> Stack:
    """How `stacked_levels` stacks, for rows that no model has seen."""
    _, share, penalty = _stacked(levels, y, cell, fold, q, weight)
    design = np.column_stack([np.ones(len(q)), q])
    w = np.ones(len(q)) if weight is None else weight
    coefficients = np.zeros((levels.shape[1], design.shape[1], levels.shape[2]))
    for a in range(levels.shape[1]):
        own = np.flatnonzero(cell == a)
        if not len(own):
            continue
        gram = (design[own] * w[own, None]).T @ design[own]
        moment = (design[own] * w[own, None]).T @ y[own]
        for j in range(levels.shape[2]):
            solved = np.linalg.solve(_ridged(gram, penalty[a, j]), moment[:, j])
            coefficients[a, :, j] = solved
    return Stack(share, coefficients)


def _stacked(
    levels: Floats, y: Floats, cell: Ints, fold: Ints, q: Floats, weight: Floats | None
) -> tuple[Floats, Floats, Floats]:
    """The stacked levels, and of each cell and metric the share and the penalty, (K, m) each."""
    out = levels.copy()
    design = np.column_stack([np.ones(len(q)), q])
    w = np.ones(len(q)) if weight is None else weight
    shares, penalties = np.zeros((2, levels.shape[1], levels.shape[2]))
    for a in range(levels.shape[1]):
        own = np.flatnonzero(cell == a)
        if not len(own):
            continue
        answers = _quadratics(design, y, w, own, fold)
        error = np.square(y[own] - answers[:, own]) * w[own, None]
        best = error.sum(axis=1).argmin(axis=0)  # (m,)
        quadratic = np.take_along_axis(answers, best[None, None, :], axis=0)[0]
        move = quadratic - levels[:, a]
        losses = [
            (np.square(y[own] - levels[own, a] - s * move[own]) * w[own, None]).sum(axis=0)
            for s in SHARES
        ]
        shares[a] = np.asarray(SHARES)[np.argmin(losses, axis=0)]
        penalties[a] = np.asarray(PENALTIES)[best]
        out[:, a] += shares[a] * move
    return out, shares, penalties


def _ridged(gram: Floats, penalty: float) -> Floats:
    """A Gram matrix with its ridge, none on the constant."""
    shrunk = np.ones(len(gram))
    shrunk[0] = 0.0
    ridge: Floats = gram + np.diag(penalty * max(float(gram[0, 0]), 1.0) * shrunk + 1e-9)
    return ridge


def _quadratics(design: Floats, y: Floats, weight: Floats, own: Ints, fold: Ints) -> Floats:
    """Ridge predictions of every row by the rows ``own`` of other folds, (penalties, n, m).
    design: (n, 1 + P).
    """
    folds, m = int(fold.max()) + 1, y.shape[1]
    parts = [own[fold[own] == f] for f in range(folds)]
    grams = np.stack([(design[rows] * weight[rows, None]).T @ design[rows] for rows in parts])
    moments = np.stack([(design[rows] * weight[rows, None]).T @ y[rows] for rows in parts])
    answers = np.empty((len(PENALTIES), len(design), m))
    for f in range(folds):
        gram, moment = grams.sum(axis=0) - grams[f], moments.sum(axis=0) - moments[f]
        rows = np.flatnonzero(fold == f)
        for k, penalty in enumerate(PENALTIES):
            answers[k, rows] = design[rows] @ np.linalg.solve(_ridged(gram, penalty), moment)
    return answers
