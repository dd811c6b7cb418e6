"""ScoreRanking metrics of ours and grf's: qini, autoc, qini_rate.  Per head, in the outcome's unit,
never divided by |ATE|.

Rows stand from the largest score to the smallest; tied rows share what they bring, as on average
over the orders of the ties. gain_i is the doubly robust score of `equipoise.evaluation.data`, q
the share of weight treated, tau the mean gain.

    G(q)      = gain of treating the top q instead of nobody, per head of population
    TOC(q)    = G(q) / q - tau
    qini      = integral over q of G(q) - q tau = cov(gain, F(score))             area over the
    random line
    auuc      = integral over q of G(q) = qini + tau / 2
    autoc     = 1/n sum_i TOC(i/n)                                                Yadlowsky et al.,
    JASA 2025, arXiv:2111.07966
    qini_rate = 1/n sum_i (i/n) TOC(i/n)                                          the same

Influence values, with F the mid-distribution of the score and R its share from the top:

    qini   psi_i = gain_i (F_i - 1/2) + G_mid(R_i) - 2 qini - tau / 2
    auuc   psi_i = that of qini + (gain_i - tau) / 2
    autoc  psi_i = gain_i (L_i - 1) - K_i + tau - autoc,   L_i = int_{R_i}^1 dr / r,   K_i =
    int_{R_i}^1 E[gain | r] dr / r

and qini_rate tends to qini, so it shares its influence values.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from equipoise.core.arrays import Floats
from equipoise.core.kernels import njit
from equipoise.evaluation.score_ranking import Metric, ScoreRanking


@njit(cache=True)
def _tie_sums(gain, weight, last, start):  # type: ignore[no-untyped-def]
    """Of the ties that begin at ``start``: (end, weight, weighted gain)."""
    b, s, p = 0.0, 0.0, start
    while True:
        b += weight[p]
        s += weight[p] * gain[p]
        if last[p]:
            return p + 1, b, s
        p += 1


@njit(cache=True)
def _qini(gain, weight, last):  # type: ignore[no-untyped-def]
    """Each tie brings its gain times the share of weight not above it, less 1/2."""
    each, above, area, start = 1 / weight.sum(), 0.0, 0.0, 0
    while start < len(gain):
        start, b, s = _tie_sums(gain, weight, last, start)
        area += s * (0.5 - (above + b / 2) * each)
        above += b
    return area * each


@njit(cache=True)
def _qini_influence(gain, weight, last, psi):  # type: ignore[no-untyped-def]
    """Fill psi (n,) -> qini."""
    each, above, brought, area, start = 1 / weight.sum(), 0.0, 0.0, 0.0, 0
    while start < len(gain):
        end, b, s = _tie_sums(gain, weight, last, start)
        half = 0.5 - (above + b / 2) * each
        middle = (brought + s / 2) * each
        area += s * half
        for p in range(start, end):
            psi[p] = gain[p] * half + middle
        above += b
        brought += s
        start = end
    qini = area * each
    psi -= 2 * qini + brought * each / 2
    return qini


@njit(cache=True)
def _harmonic(above, b, rows):  # type: ignore[no-untyped-def]
    """Sum of b/rows over the weight reached by each of the ties: the discrete integral of dr / r
    over them.
    """
    each, h = b / rows, 0.0
    for step in range(1, rows + 1):
        h += each / (above + each * step)
    return h


@njit(cache=True)
def _rates(gain, weight, last):  # type: ignore[no-untyped-def]
    """grf's sums over ranks -> (autoc, qini_rate); the ties' gain is their mean on each of their
    ranks.
    """
    total, above, brought, plain, linear, start = weight.sum(), 0.0, 0.0, 0.0, 0.0, 0
    while start < len(gain):
        end, b, s = _tie_sums(gain, weight, last, start)
        if b > 0:
            h = _harmonic(above, b, end - start)
            plain += brought * h + s / b * (b - above * h)
            linear += b * brought + s * b * (1 + 1 / (end - start)) / 2
            above += b
            brought += s
        start = end
    tau = brought / total
    return plain / total - tau, linear / total**2 - tau * _mean_rank(weight, last, total)


@njit(cache=True)
def _mean_rank(weight, last, total):  # type: ignore[no-untyped-def]
    """Weighted mean of the share of weight reached at each rank; ties of unequal weight share
    theirs.
    """
    above, mean, start = 0.0, 0.0, 0
    while start < len(weight):
        end, b, _ = _tie_sums(weight, weight, last, start)
        mean += b * (above + b * (1 + 1 / (end - start)) / 2)
        above += b
        start = end
    return mean / total**2


@njit(cache=True)
def _autoc_influence(gain, weight, last, psi):  # type: ignore[no-untyped-def]
    """Fill psi (n,) -> autoc; backwards from the smallest score, so that both integrals grow as
    they go.
    """
    autoc = _rates(gain, weight, last)[0]
    total, tau = weight.sum(), np.dot(weight, gain) / weight.sum()
    below, later, cost, end = 0.0, 0.0, 0.0, len(gain)
    while end > 0:
        start, b, s = end - 1, weight[end - 1], weight[end - 1] * gain[end - 1]
        while start > 0 and not last[start - 1]:
            start -= 1
            b += weight[start]
            s += weight[start] * gain[start]
        below += b
        above = max(total - below, 0.0) if start > 0 else 0.0
        if b > 0:
            h = _harmonic(above, b, end - start)
            own = 1 - above * h / b
            for p in range(start, end):
                psi[p] = gain[p] * (own + later - 1) - (cost + s / b * own) + tau - autoc
            later += h
            cost += s / b * h
        end = start
    return autoc


def _with_influence(kernel: Callable[..., float], r: ScoreRanking) -> tuple[float, Floats]:
    psi = np.empty(len(r))
    return float(kernel(r.gain, r.weight, r.last, psi)), psi


def _mean_gain(r: ScoreRanking) -> float:
    """tau."""
    return float(r.weight @ r.gain / r.weight.sum())


def _auuc_influence(r: ScoreRanking) -> tuple[float, Floats]:
    """auuc and psi (n,)."""
    value, psi = _with_influence(_qini_influence, r)
    tau = _mean_gain(r)
    return value + tau / 2, psi + (r.gain - tau) / 2


qini = Metric(
    "qini",
    "integral of G(q) - q G(1) over the share treated q",
    "outcome",
    lambda r: float(_qini(r.gain, r.weight, r.last)),
    lambda r: _with_influence(_qini_influence, r),
)
auuc = Metric(
    "auuc",
    "integral of G(q) over the share treated q",
    "outcome",
    lambda r: float(_qini(r.gain, r.weight, r.last)) + _mean_gain(r) / 2,
    _auuc_influence,
)
autoc = Metric(
    "autoc",
    "1/n sum_i TOC(i/n)",
    "outcome",
    lambda r: float(_rates(r.gain, r.weight, r.last)[0]),
    lambda r: _with_influence(_autoc_influence, r),
)
qini_rate = Metric(
    "qini_rate",
    "1/n sum_i (i/n) TOC(i/n)",
    "outcome",
    lambda r: float(_rates(r.gain, r.weight, r.last)[1]),
    lambda r: (float(_rates(r.gain, r.weight, r.last)[1]), _with_influence(_qini_influence, r)[1]),
)
