"""p-values: two samples of counts, shares, and logged probabilities.

PSI = sum_b (q_b - p_b) ln(q_b / p_b) ~ (1/n + 1/m) chi2_(B-1) where nothing changed, and holds to
p of 1e-4 while every bin expects 20; rarer bins are joined, and two bins are told by the exact
(hypergeometric) chance.

    Yurdakul (2018), Statistical properties of the population stability index;
    Benjamini & Hochberg (1995), JRSS B 57.
"""

from __future__ import annotations

import numpy as np
from scipy.special import bdtr, bdtrc, gammaln, ndtr

from equipoise.core.arrays import Floats
from equipoise.operations.drift import mix_drift

RARE = 20.0  # that a bin must expect in each sample


def psi_test(before: Floats, now: Floats) -> tuple[float, float]:
    """The PSI of two samples of counts, and the chance of one so large where nothing changed.

    Parameters
    ----------
    before, now : array, (B,)
        Counts of the same bins.

    Returns
    -------
    tuple of float
        PSI and p; 0 and 1 where there is nothing to compare.

    Examples
    --------
    >>> [round(x, 4) for x in psi_test(np.array([500, 500]), np.array([270, 230]))]
    [0.0064, 0.1595]
    """
    a, b = _joined(np.asarray(before, np.float64), np.asarray(now, np.float64))
    if len(a) < 2 or not a.sum() or not b.sum():
        return 0.0, 1.0
    drift = mix_drift(a, b)
    if len(a) == 2:
        return drift.psi, _exact(a.astype(np.int64), b.astype(np.int64))
    return drift.psi, drift.p


def _joined(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Both samples with bins joined that are rare by the first: the second must not choose what it
    is compared by.  Two bins stay as they are.
    """
    kept = a + b > 0
    a, b = a[kept], b[kept]
    if len(a) <= 2 or not a.sum():
        return a, b
    expected = a * min(1.0, b.sum() / a.sum())
    order = np.argsort(expected, kind="stable")
    rare = int((expected < RARE * (1 - 1e-9)).sum())
    while 0 < rare < len(a) and expected[order[:rare]].sum() < RARE:
        rare += 1
    if rare < 2:
        return a, b
    few, rest = order[:rare], order[rare:]
    return np.append(a[rest], a[few].sum()), np.append(b[rest], b[few].sum())


def _exact(a: np.ndarray, b: np.ndarray) -> float:
    """The two-sided hypergeometric chance of two shares, (2,) each."""
    rare = int(np.argmin(a + b))
    hits, n, m = int(a[rare] + b[rare]), int(a.sum()), int(b.sum())
    k = np.arange(max(0, hits - n), min(hits, m) + 1)
    log = _choose(m, k) + _choose(n, hits - k) - _choose(n + m, np.array(hits))
    mass = np.exp(log)
    return _two_sided(float(mass[k <= b[rare]].sum()), float(mass[k >= b[rare]].sum()))


def _choose(n: int, k: np.ndarray) -> Floats:
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))


def share_test(count: int, n: int, share: float) -> float:
    """The two-sided binomial chance of a count so far from a share.

    Parameters
    ----------
    count, n : int
        How many of how many.
    share : float
        What was set, in [0, 1].

    Returns
    -------
    float
        p.

    Examples
    --------
    >>> round(share_test(60, 100, 0.5), 4), share_test(0, 10, 0.0), share_test(1, 10, 0.0)
    (0.0569, 1.0, 0.0)
    """
    if not n or share in (0.0, 1.0):
        return float(count == n * share)
    below = float(bdtr(count, n, share))
    above = float(bdtrc(count - 1, n, share)) if count else 1.0
    return _two_sided(below, above)


def probability_test(
    probability: Floats, other: np.ndarray, chosen: int, others: int
) -> tuple[float, float, float, float]:
    """Whether the logged probabilities of one cell are those it was given with: the mean of
    1[cell] / p is 1.

    Where the policy chose the cell and where it did not are told apart, since within each the
    probability hardly varies, and the count is binomial; where it does vary, the normal chance is
    taken where that is larger.

    Parameters
    ----------
    probability : array, (h,)
        Logged, of the units that got the cell.
    other : array of bool, (h,)
        Of those, where the policy had chosen another cell.
    chosen, others : int
        Units to whom the cell was open, where the policy had chosen it, or another.

    Returns
    -------
    tuple of float
        The mean, its 95 % interval, and p.
    """
    n = chosen + others
    mean = float((1 / probability).sum()) / n
    error = float(np.sqrt(((1 - probability) / probability**2).sum())) / n
    ps = []
    for here, size in ((~other, chosen), (other, others)):
        own = probability[here]
        if not len(own):  # how probable it was is in no record; `share_test` of explorers tells
            continue
        total, count = float((1 / own).sum()), len(own)
        if size * count / total < RARE:
            continue
        exact = share_test(count, size, min(count / total, 1.0))
        spread = float(np.sqrt(((1 - own) / own**2).sum()))
        normal = 2 * float(ndtr(-abs(total - size) / spread)) if spread > 0 else 0.0
        ps.append(max(exact, normal if abs(total - size) > 0.5 else 1.0))
    p = min(min(ps) * len(ps), 1.0) if ps else 1.0
    return mean, mean - 1.96 * error, mean + 1.96 * error, p


def _two_sided(below: float, above: float) -> float:
    return min(1.0, 2 * min(below, above))


def adjusted(p: Floats) -> Floats:
    """p-values of many questions, so that of those at or below q a share q is false
    (Benjamini-Hochberg).

    Parameters
    ----------
    p : array, (n,)
        One a question.

    Returns
    -------
    array, (n,)
        At least p.

    Examples
    --------
    >>> adjusted(np.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.04, 0.04]
    """
    order = np.argsort(p)[::-1]
    ranks = np.arange(len(p), 0, -1)
    out = np.empty(len(p))
    out[order] = np.minimum(np.minimum.accumulate(p[order] * len(p) / ranks), 1.0)
    return out
