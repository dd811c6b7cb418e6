"""The metrics of scikit-uplift and causalml, by their own definitions, for comparing with figures
published elsewhere.

Rows of control and the candidate stand from the largest score to the smallest.  Of the first k
rows: n_t, n_c their numbers, Y_t, Y_c their outcomes' sums; N, N_t at the end.

    sklift    uplift(k) = k (Y_t / n_t - Y_c / n_c), 0 where a count is 0
              qini(k) = Y_t - Y_c n_t / n_c, where n_t / n_c := 0 while there is no control
              score = (A - A_line) / (A_perfect - A_line), areas by trapezoid over one point a
              distinct score perfect order: qini by y t - y (1 - t); uplift by 2 1{y = t} + (y if
              control responders > treated others else t)
    causalml  gain(k) = k (Y_t / n_t - Y_c / n_c);   qini(k) = Y_t - Y_c n_t / n_c;   before both
    arms are met, lift (qini) is
              interpolated from 0.   auuc = mean_k gain(k), k = 0..N;   qini = mean_k qini(k) -
              qini(N) / 2 normalised: divided by |gain(N)|, |qini(N)|, so it grows without bound as
              the average effect nears 0

A weight counts as that many equal rows.  causalml leaves the order of ties to an unstable sort;
here its figures are the mean over those orders (`tie_orders`).  No interval is known for these;
`bootstrap` gives one.  For decisions use `qini` or `autoc`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from equipoise.core.arrays import Floats
from equipoise.core.errors import InputError
from equipoise.core.kernels import njit
from equipoise.evaluation.score_ranking import Metric, ScoreRanking
from equipoise.evaluation.tie_orders import curve_sums


@njit(cache=True)
def _tie_counts(outcome, arm, weight, last):  # type: ignore[no-untyped-def]
    """Cumulative (n_t, n_c, Y_t, Y_c) at the end of every tie that has rows of the two arms, (4,
    g).
    """
    ends = np.empty((4, len(last)))
    n_t, n_c, y_t, y_c, g, met = 0.0, 0.0, 0.0, 0.0, 0, False
    for p in range(len(last)):
        w = weight[p]
        if arm[p] == 1:
            n_t += w
            y_t += w * outcome[p]
        elif arm[p] == 0:
            n_c += w
            y_c += w * outcome[p]
        met = met or (arm[p] >= 0 and w > 0)
        if last[p] and met:
            ends[0, g], ends[1, g], ends[2, g], ends[3, g] = n_t, n_c, y_t, y_c
            g += 1
            met = False
    return ends[:, :g]


def _counts(r: ScoreRanking) -> Floats:
    return np.asarray(_tie_counts(r.outcome, r.arm, r.weight, r.last))


def _over(numerator: Floats, denominator: Floats) -> Floats:
    """The quotient, 0 where the denominator is."""
    return np.asarray(
        np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator != 0)
    )


def _sklift_uplift(ends: Floats) -> Floats:
    n_t, n_c, y_t, y_c = ends
    return np.asarray((_over(y_t, n_t) - _over(y_c, n_c)) * (n_t + n_c))


def _sklift_qini(ends: Floats) -> Floats:
    n_t, n_c, y_t, y_c = ends
    return np.asarray(y_t - y_c * _over(n_t, n_c))


def _area(k: Floats, curve: Floats) -> float:
    """Trapezoids from (0, 0)."""
    return float(np.trapezoid(np.r_[0, curve], np.r_[0, k]))


def _square(r: ScoreRanking) -> Floats:
    """Weight by arm and outcome, [arm, y], (2, 2); refuses what is not binary."""
    used = r.arm >= 0
    y = r.outcome[used]
    binary = (y == 0) | (y == 1)
    if not binary.all():
        got = y[np.argmin(binary)]
        row = int(r.ranked.order[np.flatnonzero(used)[np.argmin(binary)]])
        fix = (
            "its perfect curve counts responders, which an amount does not have; use qini or autoc"
        )
        raise InputError(
            "the outcome of a sklift metric", "be 0 or 1", f"{got:g}", f"row {row}", fix
        )
    return np.asarray(
        np.bincount(2 * r.arm[used] + y.astype(np.int64), r.weight[used], minlength=4).reshape(
            2, 2
        ),
        np.float64,
    )


UNIT = np.array(
    [[[arm, 1 - arm, arm * y, (1 - arm) * y] for y in (0.0, 1.0)] for arm in (0.0, 1.0)]
)  # (n_t, n_c, Y_t, Y_c) of a row


def _perfect(square: Floats, order: list[list[tuple[int, int]]]) -> Floats:
    """Cumulative (n_t, n_c, Y_t, Y_c), (4, g), when the cells (arm, y) of the square come in this
    order, some tied.
    """
    steps = np.array([np.sum([square[cell] * UNIT[cell] for cell in tie], axis=0) for tie in order])
    met = steps[:, 0] + steps[:, 1] > 0
    return np.ascontiguousarray(np.cumsum(steps[met], axis=0).T)


def _perfect_qini(square: Floats) -> Floats:
    return _perfect(square, [[(1, 1)], [(0, 0), (1, 0)], [(0, 1)]])


def _perfect_uplift(square: Floats) -> Floats:
    by_outcome = square[0, 1] > square[1, 0]
    if by_outcome:
        return _perfect(square, [[(1, 1)], [(0, 0)], [(0, 1)], [(1, 0)]])
    return _perfect(square, [[(1, 1)], [(0, 0)], [(1, 0)], [(0, 1)]])


def _ratio(actual: Floats, perfect: Floats, curve: Callable[[Floats], Floats]) -> float:
    """(A - A_line) / (A_perfect - A_line) of two sets of cumulative counts."""
    k, k_perfect = actual[0] + actual[1], perfect[0] + perfect[1]
    line = k[-1] * curve(actual)[-1] / 2
    best = _area(k_perfect, curve(perfect)) - line
    if best == 0:
        fix = "both arms need responders and others; use qini or autoc"
        raise InputError(
            "the perfect curve of a sklift metric",
            "lie above the random line",
            "no area between them",
            fix=fix,
        )
    return float((_area(k, curve(actual)) - line) / best)


def _qini_sklift(r: ScoreRanking) -> float:
    return _ratio(_counts(r), _perfect_qini(_square(r)), _sklift_qini)


def _auuc_sklift(r: ScoreRanking) -> float:
    return _ratio(_counts(r), _perfect_uplift(_square(r)), _sklift_uplift)


def _causalml(r: ScoreRanking, gains: bool) -> tuple[float, float]:
    """(mean over k = 0..N of gain(k), or of qini(k) less the straight line; the end)."""
    count = r.weight / r.weight.min(where=r.weight > 0, initial=np.inf)  # 0 in a replicate
    near = np.rint(count)
    whole = bool((np.abs(count - near) <= 1e-9 * near).all())
    count = near if whole else count
    total, n_t, n_c, y_t, y_c = curve_sums(r.outcome, r.arm, count, r.last, whole, gains)
    if n_t == 0 or n_c == 0:
        raise InputError(
            "candidate and control",
            "both have rows",
            "rows of one arm",
            fix="evaluate on rows of both arms",
        )
    k = n_t + n_c
    if gains:
        return total / (k + 1), k * (y_t / n_t - y_c / n_c)
    end = y_t - y_c * n_t / n_c
    return total / (k + 1) - end / 2, end


def _normalised(name: str, area: float, end: float) -> float:
    if end == 0:
        fix = f"use {name}_raw, qini or autoc"
        raise InputError(f"the divisor of {name}", "not be 0", "an average effect of 0", fix=fix)
    return area / abs(end)


SKLIFT = "(A - A_line) / (A_perfect - A_line)"
qini_sklift = Metric(
    "qini_sklift", f"{SKLIFT}, qini(k) = Y_t - Y_c n_t / n_c", "ratio", _qini_sklift
)
auuc_sklift = Metric(
    "auuc_sklift", f"{SKLIFT}, uplift(k) = k (Y_t / n_t - Y_c / n_c)", "ratio", _auuc_sklift
)
qini_causalml_raw = Metric(
    "qini_causalml_raw", "mean_k qini(k) - qini(N) / 2", "total", lambda r: _causalml(r, False)[0]
)
auuc_causalml_raw = Metric(
    "auuc_causalml_raw", "mean_k gain(k)", "total", lambda r: _causalml(r, True)[0]
)
qini_causalml = Metric(
    "qini_causalml",
    "qini_causalml_raw / |qini(N)|",
    "ratio",
    lambda r: _normalised("qini_causalml", *_causalml(r, False)),
)
auuc_causalml = Metric(
    "auuc_causalml",
    "auuc_causalml_raw / |gain(N)|",
    "ratio",
    lambda r: _normalised("auuc_causalml", *_causalml(r, True)),
)
