"""How strong an unmeasured cause would have to be to undo an effect, or the gain of a policy.

With g the levels and alpha the weights of the estimate, of which alpha_i = (pi_ic - b_ic) / e_ic
for a policy pi against control b, and g and alpha those if the cause U were known too,

    |bias|^2 <= S^2 C_Y^2 C_D^2,      S^2 = sigma^2 nu^2 = E (y - g_s)^2  E alpha_s^2
    C_Y^2 = E (g - g_s)^2 / sigma^2            the share that U explains of what y has left
    C_D^2 = r / (1 - r),  r = 1 - E alpha_s^2 / E alpha^2      r: what U adds to the weights

where sigma^2 counts the rows whose cell the two policies treat differently, alpha being 0 for all
others.  nu^2 = E [2 sum_a (pi_a - b_a)^2 / e_a - alpha^2] bears an error of e.  The intervals of
the bounds theta -+ S C_Y C_D count the errors of theta and of S together, so that they are wider
than the bounds by as much as chance makes them.

A feature that is known says what "strong" is: left out, it would have had the shares

    C_Y^2 = E (g - g_-j)^2 / sigma^2,     r = 1 - E alpha_-j^2 / E alpha^2

and E [y | a, x_-j] and E [alpha | a, x_-j] are regressions of the levels and weights on the other
features, within arms: on the features here, and on squares and products of the strongest.

    Chernozhukov, Cinelli, Newey, Sharma & Syrgkanis (2022), Long story short: omitted variable bias
    in causal machine learning, arXiv:2112.13398.   Robustness: Cinelli & Hazlett (2020), JRSS B 82.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.display import shown
from equipoise.core.errors import InputError
from equipoise.core.estimates import Estimates, around
from equipoise.evaluation.base import weighted_means
from equipoise.evaluation.data import EvaluationData
from equipoise.evaluation.off_policy import Decisions, decisions, dr, refuse_closed
from equipoise.learners.quadratic import learn_basis, quadratic

MOST_COLUMNS = 120  # of a regression: nine features with squares and products, others as lines
ROWS_EACH = 10  # rows of the smallest arm that each of them takes
FAR = 0.5  # nu^2 below so much of E sum_a (pi_a - b_a)^2 / e_a, to which it should be equal
RIDGE = 1e-8  # of a mean diagonal, for columns that are alike


@shown
@dataclass(frozen=True)
class HiddenBias:
    """What an unmeasured cause could do to an estimate; `hidden_bias` makes it.

    Attributes
    ----------
    effect : Estimates, (m,)
        The gain over control per head, as if there were no such cause.
    scale : array, (m,)
        S, the bias of a cause with C_Y C_D = 1.
    scale_error : array, (m,)
        Its standard error.
    covariance : array, (m,)
        Of the errors of effect and scale.

    Examples
    --------
    >>> from equipoise.core.estimates import around
    >>> effect = around(np.array([2.0]), np.array([0.5]), level=0.95)
    >>> hidden = HiddenBias(effect, np.array([4.0]), np.zeros(1), np.zeros(1))
    >>> [end.round(2).item() for end in hidden.bounds(outcome=0.1, treatment=0.2)]
    [0.39, 3.61]
    >>> hidden.robustness.round(2).item()
    0.22
    """

    effect: Estimates
    scale: Floats
    scale_error: Floats
    covariance: Floats

    def bounds(self, outcome: float | Floats, treatment: float | Floats) -> tuple[Floats, Floats]:
        """The interval of the effect if there may be a cause of a given strength.

        Parameters
        ----------
        outcome : float or array (m,)
            C_Y^2 in 0..1, the share it explains of what the features leave of the outcome.
        treatment : float
            r in 0..1, below 1: the share of the weights' variance that is due to it.

        Returns
        -------
        low, high : array, (m,)
            In the metrics' units; the effect's own interval where either strength is 0.
        """
        for name, share in (("outcome", outcome), ("treatment", treatment)):
            if not ((np.asarray(share) >= 0) & (np.asarray(share) <= 1)).all():
                raise InputError(name, "be a share in 0..1", share)
        if not (np.asarray(treatment) < 1).all():
            raise InputError("treatment", "be below 1", treatment)
        factor = np.sqrt(np.asarray(outcome) * treatment / (1 - np.asarray(treatment)))
        bias = factor * self.scale
        low, high = (
            self._reach * np.sqrt(np.maximum(self._variance(sign * factor), 0.0))
            for sign in (-1, 1)
        )
        return self.effect.value - bias - low, self.effect.value + bias + high

    @property
    def undoing(self) -> Floats:
        """C_Y C_D of the weakest cause that would take the effect's interval to 0, (m,); 0 where it
        holds 0 by itself.
        """
        theta, t2 = np.abs(self.effect.value), self._reach**2
        with_sign = np.sign(self.effect.value) * self.covariance
        a = self.scale**2 - t2 * self.scale_error**2
        b = theta * self.scale - t2 * with_sign
        c = theta**2 - t2 * self.effect.std_error**2
        root = np.sqrt(np.maximum(b**2 - a * c, 0.0))
        known = (a > 0) & (c > 0)
        return np.where(known, c / np.where(known, b + root, 1.0), 0.0)

    @property
    def robustness(self) -> Floats:
        """The robustness value, (m,): the strength in 0..1 that a cause must have on both sides,
        outcome and treatment, to take the effect's interval to 0.
        """
        square = self.undoing**2
        return np.asarray((np.sqrt(square**2 + 4 * square) - square) / 2)

    def times(self, outcome: Floats, treatment: float) -> Floats:
        """How many times as strong as a cause of these strengths one must be to take the effect's
        interval to 0, in C_Y^2 and C_D^2.

        Parameters
        ----------
        outcome : array, (m,)
            C_Y^2 of the cause that counts as 1.
        treatment : float
            Its r.

        Returns
        -------
        array, (m,)
            Infinite where it moves only one side.
        """
        square = treatment / (1 - treatment)
        with np.errstate(divide="ignore", invalid="ignore"):
            plain = self.undoing / np.sqrt(np.asarray(outcome) * square)
            full = self.undoing**2 / square  # it explains all that is left of the outcome
            times = np.where(plain * outcome > 1, full, plain)
        return np.where(np.isnan(times), np.inf, times)

    @property
    def _reach(self) -> Floats:
        """Student's quantile of the effect's interval, (m,)."""
        error = self.effect.std_error
        reach = np.zeros_like(error)
        return np.divide(self.effect.high - self.effect.value, error, out=reach, where=error > 0)

    def _variance(self, factor: Floats) -> Floats:
        """Of effect + factor times scale, (m,)."""
        own, other = self.effect.std_error**2, self.scale_error**2
        return np.asarray(own + 2 * factor * self.covariance + factor**2 * other)


def hidden_bias(policy: Any, rows: EvaluationData, *, level: float = 0.95) -> HiddenBias:
    """What an unmeasured cause of treatment and outcome could do to the gain of a policy over
    control; the policy that gives everybody candidate a has the average effect of a.

    Parameters
    ----------
    policy : array-like, (n,) or (n, K)
        Whole numbers, -1 control and a candidate a; or probabilities of the cells.
    rows : EvaluationData
        Rows of a log that was not randomised, with learnt propensities and cross-fitted levels.
    level : float, default 0.95
        Of the intervals.

    Returns
    -------
    HiddenBias
        With `bounds` by strength, and the `robustness` value.

    Raises
    ------
    InputError
        Where the policy has another shape, or gives a row a cell that is closed to it.

    Notes
    -----
    Where treatment was given by lot there is no such cause, and nothing to be asked.

    References
    ----------
    Chernozhukov, Cinelli, Newey, Sharma & Syrgkanis (2022), "Long story short: omitted variable
    bias in causal machine learning", arXiv:2112.13398.

    Examples
    --------
    >>> from equipoise.evaluation import evaluation_data
    >>> rng = np.random.default_rng(0)
    >>> cell = np.arange(400) % 2
    >>> rows = evaluation_data(cell + rng.normal(size=400), cell=cell, propensity=[0.5, 0.5])
    >>> hidden = hidden_bias(np.zeros(400, int), rows)
    >>> hidden.scale.round(1).tolist(), hidden.robustness.round(1).tolist()
    ([2.0], [0.4])
    """
    parts = _parts(policy, rows)
    decided = decisions(policy, len(rows), rows.candidates)
    nobody = Decisions(np.zeros(len(rows), np.int64))
    gain = dr(decided, rows) - dr(nobody, rows)
    theta = weighted_means(gain, rows.weight)
    scale = np.sqrt(parts.nu * parts.sigma)
    safe = np.where(scale > 0, scale, 1.0)
    influence = parts.sigma * (parts.nu_rows - parts.nu)[:, None]
    influence = (influence + parts.nu * (parts.squares - parts.sigma)) / (2 * safe)
    errors, df = rows.units.errors(gain - theta)
    of_scale, _ = rows.units.errors(influence)
    together, _ = rows.units.errors(gain - theta + influence)
    covariance = (together**2 - errors**2 - of_scale**2) / 2
    return HiddenBias(around(theta, errors, df, level=level), scale, of_scale, covariance)


@shown
@dataclass(frozen=True)
class FeatureStrength:
    """How strong a cause one feature would be, were it not known.

    Attributes
    ----------
    feature : str
        Its name.
    outcome : array, (m,)
        C_Y^2 of each metric.
    treatment : float
        r, which all metrics share.

    Examples
    --------
    >>> FeatureStrength("age", np.array([0.04]), 0.09).both.round(4).tolist()
    [0.0629]
    """

    feature: str
    outcome: Floats
    treatment: float

    @property
    def both(self) -> Floats:
        """C_Y C_D, (m,): the bias it would leave, over `HiddenBias.scale`."""
        return np.asarray(np.sqrt(self.outcome * self.treatment / (1 - self.treatment)))


def feature_strengths(
    policy: Any, rows: EvaluationData, X: Floats, names: Sequence[str]
) -> list[FeatureStrength]:
    """How strong a cause each known feature would be, were it left out: what the strength of an
    unmeasured one is held against.

    Parameters
    ----------
    policy : array-like, (n,) or (n, K)
        As `hidden_bias` takes it.
    rows : EvaluationData
        The same rows.
    X : array, (n, d)
        The features as numbers; of many columns those that go with levels and weights most.
    names : sequence of str
        The feature of each column; columns of one name, as the levels of a text, go together.

    Returns
    -------
    list of FeatureStrength
        In the order of the names, those of columns that were taken.

    Raises
    ------
    InputError
        Where X has another shape.

    References
    ----------
    Chernozhukov et al. (2022), arXiv:2112.13398, section 4.

    Examples
    --------
    >>> from equipoise.evaluation import evaluation_data
    >>> rng = np.random.default_rng(0)
    >>> x, z = rng.normal(size=(2, 4000))
    >>> e = 1 / (1 + np.exp(-x))
    >>> cell = (rng.random(4000) < e).astype(int)
    >>> y, levels = x + z + cell + rng.normal(size=4000), np.column_stack([x + z, x + z + 1])
    >>> p = np.column_stack([1 - e, e])
    >>> rows = evaluation_data(y, cell=cell, propensity=p, levels=levels)
    >>> X, everybody = np.column_stack([x, z]), np.zeros(4000, int)
    >>> strengths = feature_strengths(everybody, rows, X, ["x", "z"])
    >>> [(s.feature, s.outcome.round(1).tolist(), round(s.treatment, 1)) for s in strengths]
    [('x', [0.8], 0.2), ('z', [1.0], 0.0)]
    """
    if X.shape[:1] != (len(rows),) or X.ndim != 2 or X.shape[1] != len(names):
        raise InputError("X", f"have shape ({len(rows)}, {len(names)})", X.shape)
    parts = _parts(policy, rows)
    targets = np.column_stack([Decisions(rows.cell).mean_level(rows.near_levels), parts.alpha])
    arms = [np.flatnonzero(parts.counts & (rows.cell == a)) for a in range(rows.candidates + 1)]
    arms = [own for own in arms if len(own)]
    q, columns = _squares(X, targets, arms)
    sources = [{names[j] for j in pair} for pair in columns]
    moments = _moments(q, targets, rows.weight, arms)
    whole = _left(moments, np.ones(len(sources), np.bool_))
    total = rows.weight.sum()
    square = float(np.average(parts.alpha**2, weights=rows.weight))
    strengths = []
    for name in dict.fromkeys(names):
        keep = np.array([name not in each for each in sources], np.bool_)
        if keep.all():
            continue
        more = np.maximum(_left(moments, keep) - whole, 0.0) / total
        outcome = more[:-1] / np.where(parts.sigma > 0, parts.sigma, np.inf)
        treatment = float(min(more[-1] / square, 1 - 1e-9)) if square > 0 else 0.0
        strengths.append(FeatureStrength(name, np.minimum(outcome, 1.0), treatment))
    return strengths


@dataclass(frozen=True)
class _Parts:
    """alpha, counts (alpha is not 0 by its cell), nu_rows (n,); squares (n, m); nu; sigma (m,)."""

    alpha: Floats
    counts: Bools
    nu_rows: Floats
    squares: Floats
    nu: float
    sigma: Floats


def _parts(policy: Any, rows: EvaluationData) -> _Parts:
    decided = decisions(policy, len(rows), rows.candidates)
    refuse_closed(decided, rows)
    each, K = np.arange(len(rows)), rows.candidates + 1
    change = decided.probability
    change = np.eye(K)[decided.cell] if change is None else change.copy()
    change[:, 0] -= 1.0
    e = np.broadcast_to(rows.propensity, (len(rows), K))
    inverse = np.divide(1.0, e, out=np.zeros((len(rows), K)), where=e > 0)
    own = change[each, rows.cell]
    alpha = own * inverse[each, rows.cell]
    needed = (change**2 * inverse).sum(axis=1)
    nu_rows = 2 * needed - alpha**2
    nu, plain = (float(np.average(part, weights=rows.weight)) for part in (nu_rows, needed))
    if nu < FAR * plain:  # few large weights, by propensities that are far too small
        nu, nu_rows = plain, needed
    miss = rows.near_y - Decisions(rows.cell).mean_level(rows.near_levels)
    squares = np.where(own[:, None] != 0, miss**2, 0.0)
    return _Parts(alpha, own != 0, nu_rows, squares, nu, weighted_means(squares, rows.weight))


def _squares(X: Floats, targets: Floats, arms: list[Ints]) -> tuple[Floats, list[tuple[int, ...]]]:
    """The columns that go with the targets most, (n, P), those that do so most with their squares
    and products; and the columns of X that each is made of.
    """
    values = np.where(np.isfinite(X), X, np.nan)
    go = np.zeros(X.shape[1])
    for own in arms:
        x, t = values[own], targets[own]
        x = np.nan_to_num(x - np.nanmean(np.where(np.isnan(x).all(axis=0), 0.0, x), axis=0))
        t = t - t.mean(axis=0)
        size = np.sqrt(np.outer((x**2).sum(axis=0), (t**2).sum(axis=0)))
        go = np.maximum(go, np.divide(np.abs(x.T @ t), size, out=0 * size, where=size > 0).max(1))
    rank = np.argsort(np.argsort(go, kind="stable"), kind="stable") + 1  # the strongest last
    most = min(MOST_COLUMNS, max(4, min(map(len, arms)) // ROWS_EACH))
    basis = learn_basis(X, np.where(go > 0, rank, 0), most // 2)
    columns = basis["columns"].astype(np.int64).tolist()
    pairs: list[tuple[int, ...]] = [(j,) for j in columns]
    pairs += [(j, other) for i, j in enumerate(columns) for other in columns[i:]]
    others = [int(j) for j in np.argsort(-rank) if go[j] > 0 and j not in columns]
    others = others[: most - len(pairs)]
    q = np.column_stack([quadratic(basis, X), _standard(X[:, others])])
    return q, [*pairs, *((j,) for j in others)]


def _standard(X: Floats) -> Floats:
    """Columns in standard units, 0 where they are missing."""
    known = np.isfinite(X)
    count = np.maximum(known.sum(axis=0), 1)
    centred = np.where(known, X - np.where(known, X, 0.0).sum(axis=0) / count, 0.0)
    sd = np.sqrt((centred**2).sum(axis=0) / count)
    return np.asarray(centred / np.where(sd > 0, sd, 1.0))


def _moments(
    q: Floats, targets: Floats, weight: Floats, arms: list[Ints]
) -> list[tuple[Floats, Floats, Floats]]:
    """Of each arm the moments of [1, q] with itself, with the targets, and of these, centred."""
    moments = []
    for own in arms:
        w = weight[own][:, None]
        design = np.column_stack([np.ones(len(own)), q[own]])
        t = targets[own] - weighted_means(targets[own], weight[own])
        moments.append(((design * w).T @ design, (design * w).T @ t, (w * t**2).sum(axis=0)))
    return moments


def _left(moments: list[tuple[Floats, Floats, Floats]], keep: Bools) -> Floats:
    """What least squares of targets on some columns of q leave within arms, summed, (m + 1,)."""
    some = np.r_[0, 1 + np.flatnonzero(keep)]
    left = np.zeros(len(moments[0][2]))
    for gram, moment, square in moments:
        G, M = gram[np.ix_(some, some)], moment[some]
        beta = np.linalg.solve(G + RIDGE * np.trace(G) / len(G) * np.eye(len(G)), M)
        left += square - (2 * beta * M - beta * (G @ beta)).sum(axis=0)
    return left
