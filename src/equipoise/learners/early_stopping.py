"""Early stopping: trees are added while the loss of rows that were left out falls.

Boosting grows in all folds at once, a tree in each at a time.  The number of trees is the T that
minimises the loss of the rows left out, over all folds,

    L(T) = sum_f sum_{i in f} w_i (y_i - F_{-f,T}(x_i))^2,

one number for all folds: that a fold's rows had their say in it is one choice shared by all of
them.  It ends when L has not fallen for ``patience`` trees.

    Prechelt (1998), Early stopping - but when?, Neural Networks: Tricks of the Trade.
    Friedman (2001), Greedy function approximation: a gradient boosting machine, Annals of
    Statistics 29.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import lightgbm

FOLDS = 2  # where the caller has none: each row is learnt from once
# a fall of the loss by less is none: sums of several threads differ by about 1e-16 of it
LEAST_FALL = 1e-9


def grow_together(
    boosters: Sequence[lightgbm.Booster], mass: Sequence[float], most: int, patience: int
) -> int:
    """Add trees to all boosters at once while the loss of what each left out falls.

    Parameters
    ----------
    boosters : sequence of Booster
        One a fold, without trees, each with the rows left out as its one validation set; without
        one where there are none.
    mass : sequence of float
        The weight of the rows that each left out, 0 where there are none.
    most : int
        Trees that are never exceeded.
    patience : int
        How many trees it goes on without a fall.

    Returns
    -------
    int
        The number of trees at which the loss was least, at least 1.
    """
    share = np.asarray(mass) / max(np.sum(mass), np.finfo(np.float64).tiny)
    best, least = 1, np.inf
    for trees in range(1, most + 1):
        finished = [booster.update() for booster in boosters]
        loss = sum(
            part * booster.eval_valid()[0][2]
            for part, booster in zip(share, boosters, strict=True)
            if part
        )
        if loss < least * (1 - LEAST_FALL):
            best, least = trees, loss
        if all(finished) or trees - best >= patience:
            break
    return best
