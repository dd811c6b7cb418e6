"""Average effects by segment: does an effect differ between groups of people, told among many?

A feature divides the rows into segments s of shares p_s, with effects m_s (`average_effects`) and
standard errors v_s^(1/2) on d_s degrees of freedom.  Of each feature, candidate and metric:

    differs_s = m_s - sum_{t != s} p_t m_t / (1 - p_s)                  a segment and all others
    w_s = 1 / v_s,  m = sum_s w_s m_s / sum_s w_s,  A = sum_s (1 - w_s / sum w)^2 / d_s
    F = sum_s w_s (m_s - m)^2 / (S - 1) / (1 + 2 (S - 2) A / (S^2 - 1))
                        on S - 1 and (S^2 - 1) / (3 A) degrees of freedom          Welch (1951)

which for many rows is Cochran's chi-square of homogeneity.  P-values of all segments, candidates
and metrics are adjusted for being so many (Holm 1979), and those of all features likewise; a
segment is never surer than its feature.  Where clusters have rows in several segments, their
covariance enters both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from scipy.special import fdtrc

from equipoise.core.arrays import Floats, Ints
from equipoise.core.display import shown
from equipoise.core.errors import InputError
from equipoise.core.estimates import Estimates, around, sum_df
from equipoise.evaluation.average import LEAST_ARMS, candidate_effect
from equipoise.evaluation.data import EvaluationData
from equipoise.evaluation.multiplicity import holm
from equipoise.evaluation.off_policy import Method, dr
from equipoise.learners.empirical_bayes import pooled

LEAST_ROWS = 10  # of a segment under control and the candidate; below, it is not told
MOST_SEGMENTS = 50  # of a feature


@shown
@dataclass(frozen=True)
class SegmentEffects:
    """Average effects of k candidates on m metrics in the S segments of f features.

    Attributes
    ----------
    features : tuple of str, (f,)
        What divides the rows.
    feature : array of int, (S,)
        The feature of each segment.
    labels : tuple of str, (S,)
        The segments' names.
    rows : array of int, (S,)
        The rows in each.
    effect : Estimates, (S, k, m)
        The effects; NaN where the candidate or control has fewer than `LEAST_ROWS` rows in the
        segment.
    difference : Estimates, (S, k, m)
        The effect in the segment less that in the feature's others.
    heterogeneity : array, (f, k, m)
        P-values of the effect being the same in all segments of a feature.

    Examples
    --------
    >>> from equipoise.evaluation import evaluation_data
    >>> rng = np.random.default_rng(0)
    >>> arm, web = rng.integers(0, 2, 2000), rng.integers(0, 2, 2000)
    >>> rows = evaluation_data(arm * web + rng.normal(size=2000), cell=arm, propensity=[0.5, 0.5])
    >>> found = segment_effects(rows, {"channel": np.where(web, "web", "phone")})
    >>> found.labels, found.effect.value[:, 0, 0].round(1).tolist()
    (('phone', 'web'), [0.1, 1.1])
    >>> bool(found.adjusted_heterogeneity[0, 0, 0] < 0.001)
    True
    """

    features: tuple[str, ...]
    feature: Ints
    labels: tuple[str, ...]
    rows: Ints
    effect: Estimates
    difference: Estimates
    heterogeneity: Floats

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def questions(self) -> int:
        """Of how many features, candidates and metrics it is asked whether an effect differs."""
        return int(np.isfinite(self.heterogeneity).sum())

    @property
    def adjusted_heterogeneity(self) -> Floats:
        """P-values of `heterogeneity`, (f, k, m), adjusted for being so many (Holm): the chance
        that any feature is said to matter of which none does is at most the level.
        """
        return _holm(self.heterogeneity)

    @property
    def adjusted(self) -> Floats:
        """P-values of `difference`, (S, k, m), adjusted for being so many (Holm), and none below
        that of its feature.
        """
        own, whole = _holm(self.difference.p_value), self.adjusted_heterogeneity[self.feature]
        return np.maximum(own, whole)

    def of(self, candidates: Sequence[int]) -> SegmentEffects:
        """Those of some candidates alone, the others not asked about.

        Parameters
        ----------
        candidates : sequence of int
            Chosen by no outcome of the rows.

        Returns
        -------
        SegmentEffects
            Of these candidates, in this order.
        """
        some = np.asarray(candidates, np.int64)
        effect, difference = (
            Estimates(*(_full(one, f.name)[:, some] for f in fields(Estimates)))
            for one in (self.effect, self.difference)
        )
        p_values = self.heterogeneity[:, some]
        return replace(self, effect=effect, difference=difference, heterogeneity=p_values)

    def shrunk(self, level: float = 0.95) -> Estimates:
        """The effects drawn towards what all segments of the feature show, by empirical Bayes: of
        many segments the largest effect is the luckiest, and the largest of these is not.

        Parameters
        ----------
        level : float, default 0.95
            Of the intervals.

        Returns
        -------
        Estimates, (S, k, m)
            The effects as they are where a feature has fewer than 3 segments that are told.

        Examples
        --------
        >>> effect = around(np.array([[[0.0]], [[1.0]], [[2.0]]]), np.ones((3, 1, 1)), level=0.95)
        >>> one = np.zeros(3, int)
        >>> found = SegmentEffects(("x",), one, ("a", "b", "c"), one, effect, effect, np.ones(1))
        >>> found.shrunk().value.ravel().round(2).tolist()
        [1.0, 1.0, 1.0]
        """
        value, error = self.effect.value.copy(), self.effect.std_error.copy()
        known = np.isfinite(value) & np.isfinite(error)
        for f in range(len(self.features)):
            for a, j in np.ndindex(value.shape[1:]):
                rows = np.flatnonzero((self.feature == f) & known[:, a, j])
                if len(rows) >= LEAST_ARMS and (error[rows, a, j] > 0).all():
                    value[rows, a, j], error[rows, a, j] = _drawn(
                        value[rows, a, j], error[rows, a, j] ** 2
                    )
        return around(value, error, self.effect.df, level=level)


def segment_effects(
    rows: EvaluationData,
    segments: Mapping[str, Any],
    *,
    method: Method = dr,
    level: float = 0.95,
) -> SegmentEffects:
    """The average effect of each candidate in the segments of some features, and whether it
    differs between them.

    Parameters
    ----------
    rows : EvaluationData
        The rows of the experiment.  Features must not have been chosen by their outcomes.
    segments : mapping of str to array-like, (n,)
        The label of each row's segment, by feature; cut a number first.
    method : callable, default dr
        `dr`, `snips` or `ips`.
    level : float, default 0.95
        Of the intervals.

    Returns
    -------
    SegmentEffects
        Of every segment, candidate and metric.

    Raises
    ------
    InputError
        Where there is no label for every row, or a feature has more than 50 segments.

    References
    ----------
    Welch (1951), On the comparison of several mean values, Biometrika 38.
    Holm (1979), A simple sequentially rejective multiple test procedure, Scand. J. Statist. 6.

    Examples
    --------
    >>> from equipoise.evaluation import evaluation_data
    >>> rows = evaluation_data([1, 2, 5, 6] * 20, cell=[0, 0, 1, 1] * 20, propensity=[0.5, 0.5])
    >>> found = segment_effects(rows, {"shop": ["north"] * 40 + ["south"] * 40})
    >>> found.effect.value.ravel().tolist(), found.adjusted.ravel().tolist()
    ([4.0, 4.0], [1.0, 1.0])
    """
    parts = [_by_feature(rows, name, given, method, level) for name, given in segments.items()]
    shape = rows.candidates, rows.y.shape[1]
    none = around(np.zeros((0, *shape)), np.zeros((0, *shape)), np.zeros((0, *shape)), level=level)
    counts = [len(part.labels) for part in parts]
    return SegmentEffects(
        tuple(segments),
        np.repeat(np.arange(len(parts)), counts),
        tuple(label for part in parts for label in part.labels),
        np.concatenate([np.zeros(0, np.int64), *(part.rows for part in parts)]),
        _joined([none, *(part.effect for part in parts)]),
        _joined([none, *(part.difference for part in parts)]),
        np.concatenate([np.zeros((0, *shape)), *(part.p_value[None] for part in parts)]),
    )


@dataclass(frozen=True)
class _Feature:
    """What one feature shows: its segments' names, rows, effects and differences (S, k, m), and
    the p-values of these being the same, (k, m).
    """

    labels: tuple[str, ...]
    rows: Ints
    effect: Estimates
    difference: Estimates
    p_value: Floats


def _by_feature(
    rows: EvaluationData, name: str, given: Any, method: Method, level: float
) -> _Feature:
    values, code = np.unique(np.asarray(given), return_inverse=True)
    labels = values.astype(np.str_)
    if code.shape != (len(rows),):
        raise InputError(f"segments {name!r}", f"be one label per row, ({len(rows)},)", code.shape)
    if len(labels) > MOST_SEGMENTS:
        fix = "cut a number into quarters, or put levels together"
        must = f"have at most {MOST_SEGMENTS} labels"
        raise InputError(f"segments {name!r}", must, len(labels), fix=fix)
    K = 1 + rows.candidates
    cells = np.bincount(code * K + rows.cell, minlength=len(labels) * K).reshape(-1, K)
    control = [  # that could have got each candidate
        np.bincount(code[rows.open_to(a) & (rows.cell == 0)], minlength=len(labels))
        for a in range(K - 1)
    ]
    told = (cells[:, 1:] >= LEAST_ROWS) & (np.transpose(control) >= LEAST_ROWS)  # (S, k)
    unknown = Estimates(*[np.full(rows.y.shape[1], np.nan)] * 5)
    each: list[Estimates] = []
    for s in range(len(labels)):
        part = rows.take(code == s) if told[s].any() else rows
        for a in range(K - 1):
            each.append(candidate_effect(part, a, method, level) if told[s, a] else unknown)
    shape = len(labels), K - 1, rows.y.shape[1]
    effect = Estimates(
        *(np.stack([_full(one, f.name) for one in each]).reshape(shape) for f in fields(Estimates))
    )
    covariance = _covariance(rows, code, effect)
    mass = np.asarray(np.bincount(code, rows.weight, len(labels)), np.float64)
    difference = _differences(effect, mass, covariance, level)
    counts = np.asarray(cells.sum(axis=1), np.int64)
    return _Feature(tuple(labels.tolist()), counts, effect, difference, _welch(effect, covariance))


def _full(estimates: Estimates, name: str) -> Floats:
    """One field in the shape of the values."""
    return np.broadcast_to(getattr(estimates, name), estimates.value.shape)


def _covariance(rows: EvaluationData, code: Ints, effect: Estimates) -> Floats:
    """The covariance of the segments' effects, (S, S, k, m): of clusters that lie in several, by
    what each adds to each; else none but their variances.
    """
    S, k, m = effect.value.shape
    error = effect.std_error
    covariance = np.zeros((S, S, k, m))
    covariance[np.arange(S), np.arange(S)] = error**2
    if rows.groups is None or not _crossed(rows.groups, code):
        return covariance
    for a in range(k):
        part, open_to = rows.judged(a)
        own, groups = code[open_to], _codes(part.groups)
        for j in range(m):
            gain = part.gain(a, j)
            at = np.nan_to_num(effect.value[:, a, j])[own]
            mass = np.bincount(own, part.weight, S)
            influence = part.weight * (gain - at) / mass[own]
            pairs = int(groups.max()) + 1
            sums = np.bincount(groups * S + own, influence, pairs * S).reshape(pairs, S)
            among = sums.T @ sums
            own_error = np.sqrt(among.diagonal())
            scale = np.divide(error[:, a, j], own_error, out=np.zeros(S), where=own_error > 0)
            covariance[:, :, a, j] = among * np.outer(scale, scale)
    return covariance


def _codes(groups: Ints | None) -> Ints:
    return np.zeros(0, np.int64) if groups is None else groups


def _crossed(groups: Ints, code: Ints) -> bool:
    """Whether a cluster has rows in several segments."""
    first = np.zeros(int(groups.max()) + 1, np.int64)
    first[groups] = code
    return bool((first[groups] != code).any())


def _differences(effect: Estimates, mass: Floats, covariance: Floats, level: float) -> Estimates:
    """Each segment's effect less that of the others, weighted by their rows."""
    value, error, df = np.full((3, *effect.value.shape), np.nan)
    for a in range(effect.value.shape[1]):
        told = np.isfinite(effect.value[:, a]) & np.isfinite(effect.std_error[:, a])
        known = np.flatnonzero(told.all(axis=1))
        if len(known) < 2:
            continue
        w = np.tile(mass[known], (len(known), 1))
        np.fill_diagonal(w, 0.0)
        C = np.eye(len(known)) - w / w.sum(axis=1, keepdims=True)  # a row a segment
        among = covariance[np.ix_(known, known)][:, :, a]
        value[known, a] = C @ effect.value[known, a]
        variance = np.einsum("us,ut,stm->um", C, C, among)
        error[known, a] = np.sqrt(np.maximum(variance, 0.0))
        own = (C**2).T[:, :, None] * effect.std_error[known, a][:, None] ** 2  # (t, u, m)
        df[known, a] = sum_df(own, effect.df[known, a][:, None])
    return around(value, error, df, level=level)


def _welch(effect: Estimates, covariance: Floats) -> Floats:
    """P-values of all segments having one effect, (k, m); NaN where fewer than two are told."""
    p = np.full(effect.value.shape[1:], np.nan)
    for a, j in np.ndindex(p.shape):
        value, error, df = (part[:, a, j] for part in (effect.value, effect.std_error, effect.df))
        known = np.flatnonzero(np.isfinite(value) & np.isfinite(error))
        if len(known) < 2:
            continue
        value, error, df = value[known], error[known], df[known]
        if not (error > 0).all():
            p[a, j] = 1.0 if np.ptp(value) == 0 else np.nan
            continue
        S, w = len(known), error**-2
        inverse = np.linalg.pinv(covariance[np.ix_(known, known)][:, :, a, j])
        whole = inverse.sum()
        off = value - (inverse.sum(axis=0) @ value) / whole
        A = float(((1 - w / w.sum()) ** 2 / df).sum())
        F = float(off @ inverse @ off) / (S - 1) / (1 + 2 * (S - 2) * A / (S**2 - 1))
        p[a, j] = fdtrc(S - 1, (S**2 - 1) / (3 * A) if A > 0 else 1e12, F)
    return p


def _drawn(value: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """Effects drawn towards their mean and their errors, that of the mean among them (Morris
    1983).   value, variance: (S,).
    """
    mean, left = pooled(value[:, None], variance[:, None, None], [np.array([0])])
    kept = left[:, 0, 0] / variance  # tau^2 / (variance + tau^2)
    of_mean = 1 / ((1 - kept) / variance).sum()
    return mean[:, 0], np.sqrt(left[:, 0, 0] + (1 - kept) ** 2 * of_mean)


def _holm(p_values: Floats) -> Floats:
    """Adjusted among those that are known; NaN where one is not."""
    adjusted = np.full(p_values.shape, np.nan)
    known = np.isfinite(p_values)
    adjusted[known] = holm(p_values[known])
    return adjusted


def _joined(parts: list[Estimates]) -> Estimates:
    """Estimates of several features below each other."""
    return Estimates(
        *(np.concatenate([_full(one, f.name) for one in parts]) for f in fields(Estimates))
    )
