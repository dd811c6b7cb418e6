"""Average dose-response curves with bands, for any estimator of a dose: over all rows, and over
groups of them.

    xi_i = r_i (y_i - mu(x_i, t_i)) + m(t_i)       r_i = p(t_i) / pi(t_i | x_i),   p, m: means over
    x of pi(t | x) and of mu(x, t)
    curve(t) = b(t)' beta,   beta the least squares of xi on splines b of the dose

It is right where the estimator's levels mu are, or where the density pi of the dose is.  Both are
learnt on the rows of the other folds; p and m are means over a fold's own rows, and those of a
group over the group's.  With D = sum w b b', row i moves beta by

    D^-1 w_i [ b_i (xi_i - b_i' beta) + sum_j w_j b_j a_ij / sum_j w_j ],
    a_ij = mu(x_i, t_j) - m(t_j) + (y_j - mu_j) (pi(t_j | x_i) - p(t_j)) / pi_j       what a row
    does to the averages p and m

which gives its standard error.

    Kennedy, Ma, McHugh & Small (2017), JRSS-B 79, "Non-parametric methods for doubly robust
    estimation of continuous treatment effects".
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import BSpline
from scipy.ndimage import gaussian_filter1d
from scipy.special import ndtr
from sklearn.base import clone

from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.effective_size import critical, effective_units, student
from equipoise.core.errors import InputError
from equipoise.core.folds import fold_ids
from equipoise.estimators.training_data import Sample, sample
from equipoise.learners.base_learners import check_model, default_outcome
from equipoise.learners.crossfit import Nuisance, cross_fit
from equipoise.learners.tables import Table

# of the grid on which a row's levels and density are kept; between them they are joined linearly
POINTS = 41
LARGEST = 20.0  # the most that r counts a row
LEAST_ROWS = 50  # of a group
LEAST_EFFECTIVE = 10.0  # as many rows must speak of a dose
MIDDLE = 0.99  # of the doses: beyond it is an extrapolation
DEGREE, MOST_KNOTS = 3, 16  # of the curve
DRAWS, CELLS = 2000, 512  # of the largest deviation; of a kernel density
Density = Callable[[Floats, Floats], Floats]


@dataclass(frozen=True)
class DoseCurves:
    """Average levels by dose.

    Shapes: g curves, k doses, m metrics.

    Attributes
    ----------
    doses : array, (k,)
        The amounts.
    groups : tuple
        The g labels, "all" first.
    metrics : tuple of str
        The m names.
    mean : array, (g, k, m)
        The curves, in the metrics' units.
    std_error : array, (g, k, m)
        Their standard errors.
    low, high : array, (g, k, m)
        An interval at each dose.
    band_low, band_high : array, (g, k, m)
        A band that holds the whole curve.
    effective : array, (g, k)
        How many rows of equal weight would say as much (Kish).
    supported : array of bool, (g, k)
        False where a dose lies beyond the middle 99 % of those logged, or fewer than ten such rows
        speak of it: the answer is then an extrapolation.
    """

    doses: Floats
    groups: tuple[Any, ...]
    metrics: tuple[str, ...]
    mean: Floats
    std_error: Floats
    low: Floats
    high: Floats
    band_low: Floats
    band_high: Floats
    effective: Floats
    supported: Bools


def dose_curves(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    treatment: Any,
    doses: Any = None,
    groups: Any = None,
    sample_weight: Any = None,
    units: Any = None,
    density: Any = None,
    folds: int = 5,
    level: float = 0.95,
    seed: int = 0,
) -> DoseCurves:
    """Average dose-response curves with bands, of all rows and of each group.

    Parameters
    ----------
    estimator : estimator
        Any estimator of a Dose, with its ``space``; it is cloned, never fitted itself.
    X : array-like, (n, d)
        Features, as for its ``fit``.
    y : array-like, (n,) or (n, m)
        Outcomes, one column per metric.
    treatment : array-like, (n,)
        The dose of each row.
    doses : array-like, (k,), optional
        Amounts at which the curves are wanted; by default the candidates of the space.
    groups : array-like, (n,), optional
        Labels, each of which gets a curve.
    sample_weight : array-like, (n,), optional
        Weights > 0.
    units : array-like, (n,), optional
        Labels of rows that hang together: never torn apart by folds, one observation for the
        standard errors.
    density : callable or regressor, optional
        How likely a dose was: a function of (X (n, d), doses (n,)) -> (n,) where the design is
        known; or a base model that learns the dose's mean and spread, with a kernel density of the
        residuals; None for boosted trees.
    folds : int, default 5
        Of cross-fitting.
    level : float, default 0.95
        The probability of intervals and bands, in (0, 1).
    seed : int, default 0
        Of folds, models and the simulated band.

    Returns
    -------
    DoseCurves
        The curves, their intervals and bands, and where the data support them.

    Raises
    ------
    InputError
        ``level`` lies outside (0, 1), the space is missing, the dose does not vary, or a group is
        too small.

    Notes
    -----
    xi_i = r_i (y_i - mu(x_i, t_i)) + m(t_i), with r_i = p(t_i) / pi(t_i | x_i); a curve is
    the least squares of xi on splines of the dose.  It is right where the levels mu are, or where
    the density pi is.

    References
    ----------
    Kennedy, Ma, McHugh & Small (2017), "Non-parametric methods for doubly robust estimation of
    continuous treatment effects", JRSS-B 79.

    Examples
    --------
    >>> from equipoise.estimators import GPS
    >>> from equipoise.treatments import Dose
    >>> rng = np.random.default_rng(0)
    >>> X, dose = rng.normal(size=(500, 1)), rng.uniform(0, 3, 500)
    >>> curves = dose_curves(
    ...     GPS(space=Dose(0, 3)),
    ...     X,
    ...     2 * dose,
    ...     treatment=dose,
    ...     doses=[1.0, 2.0],
    ...     density=lambda X, t: np.full(len(t), 1 / 3),
    ... )
    >>> curves.mean[0, :, 0].round(1).tolist()
    [2.0, 4.0]
    """
    if not 0 < level < 1:
        raise InputError(
            "level", "lie strictly between 0 and 1", level, fix="0.95 asks for 95 % intervals"
        )
    space = estimator.space
    if space is None:
        raise InputError(
            "the estimator's space", "be said", None, fix="give it space=Dose(low, high)"
        )
    data = sample(X, y, space, treatment, None, sample_weight, units)
    order = data.order(space)
    data, labels = data.take(order), None if groups is None else _labels(groups, len(data))[order]
    dose, amounts = (
        space.dose(data.treatment),
        space.dose(space.check(space.candidates() if doses is None else doses)),
    )
    if dose.min() == dose.max():
        raise InputError(
            "the dose", "vary", f"{dose[0]:g} in every row", fix="log at least two amounts"
        )
    names, members = _members(labels, len(data))
    fold = fold_ids(len(data), folds, seed, groups=data.groups)
    grid = np.linspace(dose.min(), dose.max(), POINTS)
    likely = _density(density, data, dose, fold, seed)
    wide = np.stack([likely(np.full(len(dose), t)) for t in grid], axis=1)
    pieces = Pieces(
        data,
        dose,
        fold,
        _levels(estimator, data, fold, grid),
        wide,
        likely(dose),
        _hats(dose, grid),
    )
    curves = [_curve(pieces, rows, amounts, level, seed) for rows in members]
    parts = (np.stack(part) for part in zip(*curves, strict=True))
    return DoseCurves(amounts, names, data.metrics, *parts)


@dataclass(frozen=True)
class Pieces:
    """What the curves are made of, row by row.   mu (n, G, m) and pi (n, G) on the grid; own (n,):
    pi at the row's own dose.

    hats : (n, G), the weights that join the grid linearly at the row's own dose.
    """

    data: Sample
    dose: Floats
    fold: Ints
    mu: Floats
    pi: Floats
    own: Floats
    hats: Floats


def _labels(groups: Any, n: int) -> NDArray[Any]:
    """The group of each row, (n,)."""
    values = np.asarray(groups)
    if values.shape != (n,):
        raise InputError("groups", f"have one label per row of X ({n})", values.shape)
    return values


def _members(groups: NDArray[Any] | None, n: int) -> tuple[tuple[Any, ...], list[Ints]]:
    """The labels and the rows of each curve."""
    if groups is None:
        return ("all",), [np.arange(n)]
    labels, code, count = np.unique(groups, return_inverse=True, return_counts=True)
    if count.min() < LEAST_ROWS:
        few = int(np.argmin(count))
        what, fix = (
            f"the rows of group {labels[few].item()!r}",
            "merge it with another, or leave it out",
        )
        raise InputError(what, f"be at least {LEAST_ROWS}", int(count[few]), fix=fix)
    return ("all", *labels.tolist()), [
        np.arange(n),
        *(np.flatnonzero(code == g) for g in range(len(labels))),
    ]


def _levels(estimator: Any, data: Sample, fold: Ints, grid: Floats) -> Floats:
    """The levels of every row at the grid's doses by estimators that did not see it, (n, G, m)."""
    levels = np.empty((len(data), len(grid), data.y.shape[1]))
    for f in range(int(fold.max()) + 1):
        inside, outside = fold != f, fold == f
        columns = {"sample_weight": data.weight, "groups": data.groups}
        arguments = {name: part[inside] for name, part in columns.items() if part is not None}
        learner = clone(estimator).fit(
            data.X[inside], data.y[inside], treatment=data.treatment[inside], **arguments
        )
        with warnings.catch_warnings():  # of rare doses, which the curves flag themselves
            warnings.simplefilter("ignore", UserWarning)
            levels[outside] = learner.outcomes(data.X[outside], grid)
    return levels


def _density(
    density: Any, data: Sample, dose: Floats, fold: Ints, seed: int
) -> Callable[[Floats], Floats]:
    """A function of doses (n,), one per row, to their densities (n,): as known, or learnt without
    the row's fold.
    """
    if callable(density):
        return lambda t: np.asarray(density(data.X, t), np.float64)
    table = Table(data.X, data.features)
    model = default_outcome(len(data)) if density is None else density
    check_model(model, "density", table, classifier=False)

    def out_of_fold(target: Floats) -> Floats:
        return cross_fit(
            model, table, [Nuisance(None, target[:, None])], fold, data.weight, seed
        ).predictions[:, 0, 0]

    middle = out_of_fold(dose)
    square = (dose - middle) ** 2
    usual = np.average(square, weights=data.weight)
    spread = np.sqrt(np.clip(out_of_fold(square), usual / 10, usual * 10))
    residual = (dose - middle) / spread
    kernels = [
        _kernel(residual[fold != f], None if data.weight is None else data.weight[fold != f])
        for f in range(fold.max() + 1)
    ]

    def at(t: Floats) -> Floats:
        heights, far = np.empty(len(t)), (t - middle) / spread
        for f, (place, height) in enumerate(kernels):
            heights[fold == f] = np.interp(far[fold == f], place, height, left=0.0, right=0.0)
        densities: Floats = heights / spread
        return densities

    return at


def _kernel(z: Floats, weight: Floats | None) -> tuple[Floats, Floats]:
    """Places and heights of a normal kernel density of z, by Silverman's rule, with the spread of z
    itself.
    """
    centre, spread = z.mean(), z.std()
    reach = (
        0.9
        * min(spread, np.subtract(*np.quantile(z, [0.75, 0.25])) / 1.34 or spread)
        * len(z) ** -0.2
    )
    points = centre + (z - centre) * spread / np.hypot(spread, reach)  # the kernel widens it again
    count, edges = np.histogram(
        points,
        CELLS,
        (points.min() - 4 * reach, points.max() + 4 * reach),
        weights=weight,
        density=True,
    )
    return (edges[1:] + edges[:-1]) / 2, gaussian_filter1d(
        count, reach / (edges[1] - edges[0]), mode="constant"
    )


def _hats(t: Floats, grid: Floats) -> Floats:
    """(n, G): the weights of the grid's points that join them linearly at t."""
    place = (t - grid[0]) / (grid[1] - grid[0])
    weights: Floats = np.clip(1 - np.abs(place[:, None] - np.arange(len(grid))), 0, 1)
    return weights


def _splines(dose: Floats) -> Callable[[Floats], Floats]:
    """A basis of splines with knots at quantiles of doses: a function of t (n,) -> (n, p), which
    ends where the doses do.
    """
    low, high, values = dose.min(), dose.max(), len(np.unique(dose))
    degree = min(DEGREE, values - 1)
    inner = min(MOST_KNOTS, round(len(dose) ** 0.25), values - degree - 1)
    cuts = np.unique(np.quantile(dose, np.linspace(0, 1, inner + 2)[1:-1]))
    knots = np.r_[[low] * (degree + 1), cuts[(cuts > low) & (cuts < high)], [high] * (degree + 1)]
    return lambda t: BSpline.design_matrix(np.clip(t, low, high), knots, degree).toarray()


def _curve(pieces: Pieces, rows: Ints, doses: Floats, level: float, seed: int) -> tuple[Any, ...]:
    """One curve: the fields of `DoseCurves` from ``mean`` on, (k, m) and (k,)."""
    dose, weight = pieces.dose[rows], pieces.data.weight
    w = np.ones(len(rows)) if weight is None else weight[rows] / weight[rows].mean()
    basis = _splines(dose)
    B, A = basis(dose), basis(doses)
    xi, ratio, shift = (
        np.empty((len(rows), pieces.mu.shape[2])),
        np.empty(len(rows)),
        np.zeros((len(rows), B.shape[1], pieces.mu.shape[2])),
    )
    for f in np.unique(pieces.fold[rows]):
        part = np.flatnonzero(pieces.fold[rows] == f)
        xi[part], ratio[part], shift[part] = _fold(pieces, rows[part], w[part], B[part])
    root = np.linalg.pinv(B.T @ (w[:, None] * B), hermitian=True)
    beta = root @ (B.T @ (w[:, None] * xi))  # (p, m)
    influence = np.einsum(
        "pq,nqm->npm", root, (w[:, None] * B)[:, :, None] * (xi - B @ beta)[:, None] + shift
    )
    code = None
    if pieces.data.groups is not None:
        code = np.unique(pieces.data.groups[rows], return_inverse=True)[1]
        influence = np.stack(
            [np.bincount(code, column) for column in influence.reshape(len(rows), -1).T], axis=1
        )
        influence = influence.reshape(-1, *beta.shape)
    small = len(influence) / max(len(influence) - len(beta), 1)
    covariance = small * np.einsum("npm,nqm->mpq", influence, influence)
    error = np.sqrt(np.maximum(np.einsum("kp,mpq,kq->km", A, covariance, A), 0))
    share = (A @ root @ (w[:, None] * B).T) * ratio
    effective = np.abs(share).sum(axis=1) ** 2 / np.maximum((share**2).sum(axis=1), 1e-300)
    low, high = np.quantile(dose, [(1 - MIDDLE) / 2, (1 + MIDDLE) / 2])
    supported = (doses >= low) & (doses <= high) & (effective >= LEAST_EFFECTIVE)
    units = effective_units(w, groups=code)
    df = float(units.normal[0]) + 1 - len(beta)
    reach = critical(level, np.maximum(np.minimum(df, effective - 1), 1.0))[:, None]
    least = float(critical(level))
    normal = np.array([_largest(A, part, level, least, seed) for part in covariance])
    band = np.maximum(student(ndtr(normal), max(df, 1.0)), reach)
    mean = A @ beta
    bounds = (mean - reach * error, mean + reach * error, mean - band * error, mean + band * error)
    return mean, error, *bounds, effective, supported


def _fold(pieces: Pieces, rows: Ints, w: Floats, B: Floats) -> tuple[Floats, Floats, Floats]:
    """Of a fold's rows: xi (n, m), r (n,), and what each does to the averages, (n, p, m).   B: (n,
    p).
    """
    hats, mu, pi, own = pieces.hats[rows], pieces.mu[rows], pieces.pi[rows], pieces.own[rows]
    # (G,), (G, m)
    usual, average = np.average(pi, axis=0, weights=w), np.average(mu, axis=0, weights=w)
    expected = hats @ usual
    ratio = np.minimum(expected / np.maximum(own, 1e-300), LARGEST)
    miss = pieces.data.y[rows] - np.einsum("ng,ngm->nm", hats, mu)
    xi = ratio[:, None] * miss + hats @ average
    share = w / w.sum()
    through = (w[:, None] * B).T @ hats  # (p, G)
    shift = np.einsum("pg,ngm->npm", through, mu - average)
    slope = (w * np.divide(ratio, expected, out=np.zeros(len(w)), where=expected > 0))[
        :, None
    ] * miss  # of w xi by p(t)
    for j in range(xi.shape[1]):
        shift[:, :, j] += (pi - usual) @ ((slope[:, j, None] * B).T @ hats).T
    return xi, ratio, share[:, None, None] * shift


def _largest(A: Floats, covariance: Floats, level: float, least: float, seed: int) -> float:
    """How many standard errors the whole curve stays within, with probability ``level``; no fewer
    than at one dose.
    """
    values, vectors = np.linalg.eigh(covariance)
    path = A @ (vectors * np.sqrt(np.maximum(values, 0)))  # (k, p)
    size = np.linalg.norm(path, axis=1)
    path = path[size > 0] / size[size > 0, None]
    if not len(path):
        return least
    deviation = np.random.default_rng(seed).standard_normal((DRAWS, path.shape[1])) @ path.T
    return max(least, float(np.quantile(np.abs(deviation).max(axis=1), level)))
