"""Policies to measure a policy against: a share treated by score, the same for
everybody, nobody,
the same spend at random.

All are probabilities of cells, (n, K), so `policy_value` judges them like any other.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.errors import InputError
from equipoise.evaluation.off_policy import decisions
from equipoise.evaluation.sorting import sort_scores


def top_share(score: ArrayLike, share: float) -> Floats:
    """Treat the top share of units, each with its best candidate.

    It is the policy that a ranking stands for at a budget of offers.

    Parameters
    ----------
    score : array-like, (n,) or (n, k)
        Predicted effects; (n,) for one candidate.
    share : float
        The share of units to treat, in 0..1.

    Returns
    -------
    array, (n, K)
        Probabilities of the cells, control first.  Units tied at the cut are treated with the
        probability that fills the share, so the order of rows is of no effect.

    Raises
    ------
    InputError
        Where the share or the shape of the scores is wrong, or the score of a unit is NaN.

    Examples
    --------
    >>> top_share([3.0, 1.0, 1.0], 2 / 3)[:, 1].tolist()
    [1.0, 0.5, 0.5]
    """
    if not 0 <= share <= 1:
        raise InputError("share", "lie in 0..1", share)
    effect = np.asarray(score, np.float64)
    effect = effect[:, None] if effect.ndim == 1 else effect
    if effect.ndim != 2 or effect.size == 0:
        raise InputError("score", "have shape (n,) or (n, k)", effect.shape)
    n = len(effect)
    best = effect.argmax(axis=1)
    ranked = sort_scores(np.where(np.isnan(effect).any(axis=1), np.nan, effect[np.arange(n), best]))
    ends = np.flatnonzero(ranked.last) + 1
    starts = np.r_[0, ends[:-1]]
    filled = np.clip((share * n - starts) / (ends - starts), 0, 1)
    treated = np.empty(n)
    treated[ranked.order] = np.repeat(filled, ends - starts)
    policy = np.zeros((n, 1 + effect.shape[1]))
    policy[np.arange(n), 1 + best] = treated
    policy[:, 0] += 1 - treated
    return policy


def constant_policy(cell: int, n: int, cells: int, eligible: Bools | None = None) -> Floats:
    """Give every unit the same cell, or control where that is closed.

    Parameters
    ----------
    cell : int
        0 treats nobody, 1 + a gives everybody candidate a.
    n : int
        The number of units.
    cells : int
        K, the number of cells.
    eligible : array of bool, (n, K), default None
        Whether a cell is open to a unit; None: all are.

    Returns
    -------
    array, (n, K)
        Probabilities of the cells, read-only where all are the same.

    Raises
    ------
    InputError
        Where there is no such cell.

    Examples
    --------
    >>> constant_policy(1, 2, 3).tolist()
    [[0.0, 1.0, 0.0], [0.0, 1.0, 0.0]]
    """
    if not 0 <= cell < cells or n < 0:
        raise InputError("a cell", f"be from 0 to {cells - 1}, of n >= 0 units", (cell, n))
    if eligible is None:
        return np.broadcast_to(np.eye(cells)[cell], (n, cells))
    policy: Floats = np.eye(cells)[np.where(eligible[:, cell], cell, 0)]
    return policy


def random_at_equal_spend(
    policy: Ints | Floats,
    cost: Floats | None = None,
    weight: Floats | None = None,
    eligible: Bools | None = None,
) -> Floats:
    """Give cells at random in a policy's shares, scaled to the policy's expected spend.

    Parameters
    ----------
    policy : array, (n,) or (n, K)
        Choices, -1 control and a candidate a; or probabilities of the cells.
    cost : array, (n, k), default None
        The expected cost of each candidate for each unit, in money; None: 1 for any offer.
    weight : array, (n,), default None
        Weights of the units; None: equal.
    eligible : array of bool, (n, K), default None
        Whether a cell is open to a unit, which gets control in place of one that is not; None: all
        are.

    Returns
    -------
    array, (n, K)
        Probabilities of the cells, the same for every unit that all are open to.  Where the same
        spend would take more than everybody, everybody is treated.

    Examples
    --------
    >>> random_at_equal_spend(np.array([0, -1, -1, -1]))[0].tolist()
    [0.75, 0.25]
    """
    n = len(policy)
    candidates = cost.shape[1] if cost is not None else _candidates(policy)
    choices = decisions(policy, n, candidates)
    probability = (
        choices.probability
        if choices.probability is not None
        else np.eye(1 + candidates)[choices.cell]
    )
    w = np.full(n, 1 / n) if weight is None else weight / weight.sum()
    share = w @ probability  # (K,)
    price = np.ones((n, candidates)) if cost is None else cost
    spent = float(w @ (probability[:, 1:] * price).sum(axis=1))
    if eligible is not None:
        chance = share[1:] / np.maximum(w @ eligible[:, 1:], np.finfo(np.float64).tiny)
        lots = eligible[:, 1:] * chance
        at_random = float(w @ (lots * price).sum(axis=1))
        lots = lots * (spent / at_random if at_random > 0 else 1.0)
        lots = lots / np.maximum(lots.sum(axis=1, keepdims=True), 1.0)
        return np.column_stack([1 - lots.sum(axis=1), lots])
    at_random = float(w @ price @ share[1:])
    treated = share[1:] * (spent / at_random if at_random > 0 else 1.0)
    treated = treated / max(treated.sum(), 1.0)
    return np.broadcast_to(np.r_[1 - treated.sum(), treated], (n, 1 + candidates))


def _candidates(policy: Ints | Floats) -> int:
    return policy.shape[1] - 1 if policy.ndim == 2 else int(policy.max(initial=0)) + 1
