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
    out = levels.copy()
    design = np.column_stack([np.ones(len(q)), q])
    w = np.ones(len(q)) if weight is None else weight
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
        out[:, a] += np.asarray(SHARES)[np.argmin(losses, axis=0)] * move
    return out


def _quadratics(design: Floats, y: Floats, weight: Floats, own: Ints, fold: Ints) -> Floats:
    """Ridge predictions of every row by the rows ``own`` of other folds, (penalties, n, m).
    design: (n, 1 + P).
    """
    folds, m = int(fold.max()) + 1, y.shape[1]
    parts = [own[fold[own] == f] for f in range(folds)]
    grams = np.stack([(design[rows] * weight[rows, None]).T @ design[rows] for rows in parts])
    moments = np.stack([(design[rows] * weight[rows, None]).T @ y[rows] for rows in parts])
    shrunk = np.ones(design.shape[1])
    shrunk[0] = 0.0
    answers = np.empty((len(PENALTIES), len(design), m))
    for f in range(folds):
        gram, moment = grams.sum(axis=0) - grams[f], moments.sum(axis=0) - moments[f]
        rows = np.flatnonzero(fold == f)
        for k, penalty in enumerate(PENALTIES):
            ridge = gram + np.diag(penalty * max(float(gram[0, 0]), 1.0) * shrunk + 1e-9)
            answers[k, rows] = design[rows] @ np.linalg.solve(ridge, moment)
    return answers
