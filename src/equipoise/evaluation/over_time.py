"""Average effects by period, and whether they change: novelty that fades, or an effect that builds
up.

The effect of a period is `average_effects` of its rows.  Of one candidate and metric, theta_p with
covariance S (diagonal unless clusters have rows in several periods), c_p the weight of a period's
rows, C their sum and M = diag(c) - c c' / C,

    F   = theta' M theta / tr(M S)                    Brown & Forsythe (1974), of any change
    df  = tr(M S)^2 / tr(M S M S),  (sum a_p)^2 / sum a_p^2 / d_p,  a_p = c_p (1 - c_p / C) S_pp
                                                       Box (1954), Satterthwaite (1946)
    b   = l' theta,  l_p = c_p (p - mean) / sum c (p - mean)^2,  var b = l' S l       of a line

The weights are those of rows and not 1 / S_pp, which where events are few goes with theta_p.  The
p-value of no change is twice the smaller of the two: the first sees any change, the second sees a
slow one sooner.  Those of all candidates and metrics are adjusted together (Holm).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import fdtrc

from equipoise.core.arrays import Floats, Ints
from equipoise.core.display import shown
from equipoise.core.effective_size import FEW
from equipoise.core.errors import InputError
from equipoise.core.estimates import Estimates, around
from equipoise.evaluation.average import candidate_effect, stacked
from equipoise.evaluation.data import EvaluationData
from equipoise.evaluation.multiplicity import holm
from equipoise.evaluation.off_policy import Decisions, Method, dr

LEAST_PERIODS = 3  # that tell a change from noise


@shown
@dataclass(frozen=True)
class EffectsOverTime:
    """Average effects by period.

    Attributes
    ----------
    effect : Estimates, (P, k, m)
        Of each candidate on each metric in each period; NaN where the candidate or control has
        fewer than 20 rows there.
    rows : array of int, (P, k)
        Rows of the candidate and of control in the period.
    line : Estimates, (k, m)
        What a straight line changes from the first period to the last.
    p_value : array, (k, m)
        Of no change; NaN where fewer than three periods have an effect.

    Examples
    --------
    >>> from equipoise.evaluation import evaluation_data
    >>> rng = np.random.default_rng(0)
    >>> week, cell = np.repeat(np.arange(6), 200), np.arange(1200) % 2
    >>> y = rng.normal(size=1200) + cell * np.exp(-week)
    >>> rows = evaluation_data(y, cell=cell, propensity=[0.5, 0.5])
    >>> effects = effects_over_time(rows, week)
    >>> effects.effect.value[:, 0, 0].round(1).tolist(), bool(effects.adjusted[0, 0] < 0.05)
    ([1.2, 0.4, 0.3, 0.0, 0.1, 0.1], True)
    """

    effect: Estimates
    rows: Ints
    line: Estimates
    p_value: Floats

    @property
    def adjusted(self) -> Floats:
        """P-values of no change among those of all candidates and metrics, (k, m) (Holm)."""
        return holm(self.p_value.ravel()).reshape(self.p_value.shape)


def effects_over_time(
    rows: EvaluationData, period: Ints, *, method: Method = dr, level: float = 0.95
) -> EffectsOverTime:
    """The average effect of each candidate on every metric by period, and whether it changes.

    Parameters
    ----------
    rows : EvaluationData
        The rows of the experiment.
    period : array of int, (n,)
        The period of each row, from 0 in the order of time; -1 leaves a row out.
    method : callable, default dr
        `dr`, `snips` or `ips`.
    level : float, default 0.95
        Of the intervals.

    Returns
    -------
    EffectsOverTime
        In the metrics' units.

    Raises
    ------
    InputError
        Where the periods are not one whole number per row.

    References
    ----------
    Brown & Forsythe (1974), "The small sample behavior of some statistics which test the equality
    of several means", Technometrics 16;  Box (1954), "Some theorems on quadratic forms applied in
    the study of analysis of variance problems, I", Ann. Math. Statist. 25.

    Examples
    --------
    >>> from equipoise.evaluation import evaluation_data
    >>> rng = np.random.default_rng(0)
    >>> week, cell = np.repeat(np.arange(6), 200), np.arange(1200) % 2
    >>> rows = evaluation_data(cell + rng.normal(size=1200), cell=cell, propensity=[0.5, 0.5])
    >>> effects_over_time(rows, week).line.value.shape
    (1, 1)
    """
    code = np.asarray(period)
    if code.shape != (len(rows),) or code.dtype.kind not in "iu":
        must = f"be one whole number per row, ({len(rows)},)"
        raise InputError("period", must, f"{code.dtype} {code.shape}")
    periods = max(int(code.max(initial=-1)) + 1, 0)
    parts = [np.flatnonzero(code == p) for p in range(periods)]
    effects, counts = [], np.zeros((periods, rows.candidates), np.int64)
    for p, inside in enumerate(parts):
        part = rows.take(inside) if len(inside) else rows
        each = []
        for a in range(rows.candidates):
            open_to = part.open_to(a)
            arms = np.bincount(part.cell[open_to], minlength=rows.candidates + 1)[[0, 1 + a]]
            known = bool(len(inside)) and arms.min() >= FEW
            counts[p, a] = arms.sum() if len(inside) else 0
            each.append(candidate_effect(part, a, method, level) if known else _unknown(rows))
        effects.append(stacked(each))
    effect = stacked(effects)
    size = np.array([rows.weight[inside].sum() for inside in parts])
    change = [
        [_change(rows, parts, size, effect, (a, j), method) for j in range(rows.y.shape[1])]
        for a in range(rows.candidates)
    ]
    table = np.array(change, np.float64).reshape(rows.candidates, rows.y.shape[1], 3)
    return EffectsOverTime(
        effect, counts, around(table[..., 0], table[..., 1], level=level), table[..., 2]
    )


def _unknown(rows: EvaluationData) -> Estimates:
    nothing = np.full(rows.y.shape[1], np.nan)
    return Estimates(nothing, nothing, nothing, nothing, nothing)


def _change(
    rows: EvaluationData,
    parts: list[Ints],
    size: Floats,
    effect: Estimates,
    which: tuple[int, int],
    method: Method,
) -> tuple[float, float, float]:
    """(what a line changes, its standard error, the p-value of no change) of one candidate and
    metric.
    """
    value, error, df = (part[:, *which] for part in (effect.value, effect.std_error, effect.df))
    known = np.flatnonzero(np.isfinite(error))
    if len(known) < LEAST_PERIODS or not (error[known] > 0).any():
        return np.nan, np.nan, np.nan
    theta, c = value[known], size[known]
    S = np.diag(error[known] ** 2)
    if rows.groups is not None:
        S += _shared(rows, [parts[p] for p in known], theta, which, method, error[known])
    return change_of(theta, S, df[known], c, known.astype(np.float64))


def change_of(
    theta: Floats, S: Floats, df: Floats, c: Floats, when: Floats
) -> tuple[float, float, float]:
    """(what a line changes from first to last, its standard error, p-value of no change).
    theta, df, c, when: (P,); S: (P, P).

    >>> theta, c, when = np.array([3.0, 1.0, 1.0, 1.0]), np.ones(4), np.arange(4.0)
    >>> [round(x, 3) for x in change_of(theta, 0.25 * np.eye(4), np.full(4, 99.0), c, when)]
    [-1.8, 0.671, 0.015]
    """
    C = c.sum()
    centred = theta - c @ theta / C
    M = np.diag(c) - np.outer(c, c) / C
    MS = M @ S
    expected = float(np.trace(MS))
    h = expected**2 / float((MS * MS.T).sum())
    a = c * (1 - c / C) * np.diag(S)
    rest = float(a.sum()) ** 2 / float((a**2 / df).sum())
    any_change = float(fdtrc(h, rest, float(c @ centred**2) / expected))
    distance = when - c @ when / C
    line = c * distance / (c @ distance**2)
    span = float(when[-1] - when[0])
    slope, error = span * float(line @ theta), span * float(np.sqrt(line @ S @ line))
    straight = float(around(np.array([slope]), np.array([error]), rest, level=0.95).p_value[0])
    return slope, error, min(1.0, 2 * min(any_change, straight))


def _shared(
    rows: EvaluationData,
    parts: list[Ints],
    theta: Floats,
    which: tuple[int, int],
    method: Method,
    error: Floats,
) -> Floats:
    """Covariances of periods that clusters are in together, (P, P), 0 on the diagonal."""
    a, j = which
    groups = rows.groups if rows.groups is not None else np.arange(len(rows))
    sums = np.zeros((int(groups.max()) + 1, len(parts)))
    for p, inside in enumerate(parts):
        part, open_to = rows.take(inside).judged(a)
        gain = _values(part, 1 + a, j, method) - _values(part, 0, j, method) - theta[p]
        own = inside[open_to]
        sums[:, p] = np.bincount(groups[own], rows.weight[own] * gain, len(sums))
    norm = np.sqrt((sums**2).sum(axis=0))
    together = sums.T @ sums / np.where(norm > 0, np.outer(norm, norm), np.inf)
    np.fill_diagonal(together, 0.0)
    return together * np.outer(error, error)


def _values(rows: EvaluationData, cell: int, metric: int, method: Method) -> Floats:
    return np.asarray(method(Decisions(np.full(len(rows), cell)), rows)[:, metric])
