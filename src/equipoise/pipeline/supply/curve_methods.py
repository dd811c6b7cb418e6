"""The ways to curves: what each share does to each metric in a cluster, against the mix of today.

    binary    each category by itself, more or less than the cluster's median: the effect over the
    gap of both halves' shares
    vector    all categories at once, each more or less than its median: DML of the vector of
    switches
    doses     a curve per category, by an estimator of doses, averaged over the cluster's users
    shares    all shares at once: DML of powers of the moves from today, and of the products of
    categories that crowd

The first three take categories one at a time or as straight, as the talk of Tencent WeSee has them.
Coefficients of DML are drawn towards what all clusters show (`estimators.pooled`): a best mix of
bare estimates is the mix of their errors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from equipoise.core.arrays import Floats, Ints
from equipoise.core.progress import Progress, silent
from equipoise.estimators import ESTIMATORS
from equipoise.learners.empirical_bayes import pooled
from equipoise.pipeline.plan.estimators import make_estimator
from equipoise.pipeline.plan.schema import EstimatorPlan
from equipoise.pipeline.plan.supply import SupplyPlan
from equipoise.pipeline.supply.exposures import POINTS, Exposures, Reach, enough, with_control
from equipoise.treatments import Arms, Bits, Dose, Shares

LEAST = 2  # rows a coefficient


@dataclass(frozen=True)
class Curves:
    """Of one cluster.   effect: (K, G, m) at the reach's grid; cross: (P, m), of products of moves;
    reach: where it holds.

    model : what the curves are made of, where that is one linear model.
    """

    reach: Reach
    effect: Floats
    cross: Floats
    model: Linear | None = None


@dataclass(frozen=True)
class Linear:
    """An effect phi(t)' theta_j.   theta: (p, m); covariance: (m, p, p); df: of its intervals."""

    space: Shares
    theta: Floats
    covariance: Floats
    df: float


@dataclass(frozen=True)
class CurveSettings:
    """What a way is given beside the rows."""

    plan: SupplyPlan
    space: Shares
    seed: int
    progress: Progress = silent

    def estimator(self, default: str, space: Any) -> Any:
        """The plan's estimator, for a space."""
        return make_estimator(EstimatorPlan(name=self.plan.estimator or default), space, self.seed)

    def walk(self, way: str, parts: list[Exposures]) -> Iterator[tuple[int, Exposures]]:
        """The clusters one by one, with progress."""
        for c, part in enumerate(parts):
            self.progress(f"curves, {way}", c, len(parts))
            yield c, part
        self.progress(f"curves, {way}", len(parts), len(parts))


def binary(parts: list[Exposures], reach: list[Reach], settings: CurveSettings) -> list[Curves]:
    """Each category up or down by itself."""
    curves = []
    for c, rows in settings.walk("binary", parts):
        up, gap = _switches(rows)
        slopes = np.empty((len(gap), rows.y.shape[1]))
        for k in range(len(slopes)):
            model = settings.estimator("dml", Arms([0, 1]))
            _fit(model, rows, up[:, k])
            slopes[k] = (
                np.average(model.effects(rows.X).values[:, 0], axis=0, weights=rows.weight) / gap[k]
            )
        curves.append(_straight(reach[c], slopes, settings))
    return curves


def vector(parts: list[Exposures], reach: list[Reach], settings: CurveSettings) -> list[Curves]:
    """All switches at once."""
    space, theta, covariance, gaps = (
        Bits(list(settings.space.parts), candidates="singles"),
        [],
        [],
        [],
    )
    for _, rows in settings.walk("vector", parts):
        up, gap = _switches(rows)
        one = coefficients(space, rows, up, settings.seed)
        theta.append(one[0] / gap[:, None])
        covariance.append(one[1] / (gap[:, None] * gap))
        gaps.append(gap)
    slopes, _ = _pooled_over_clusters(theta, covariance, [np.arange(len(gaps[0]))])
    return [_straight(one, slope, settings) for one, slope in zip(reach, slopes, strict=True)]


def doses(parts: list[Exposures], reach: list[Reach], settings: CurveSettings) -> list[Curves]:
    """A curve a category."""
    curves = []
    for c, rows in settings.walk("doses", parts):
        effect = np.zeros((*reach[c].grid.shape, rows.y.shape[1]))
        for k, grid in enumerate(reach[c].grid):
            levels = np.unique(grid)
            if len(levels) < 2 or np.ptp(rows.T[:, k]) == 0:
                continue
            low, high = min(rows.T[:, k].min(), levels[0]), max(rows.T[:, k].max(), levels[-1])
            space = Dose(low, high, levels=levels.tolist(), control=float(grid[POINTS]), degree=2)
            model = settings.estimator("dml", space)
            _fit(model, rows, rows.T[:, k])
            # (levels but control, m)
            mean = np.average(model.effects(rows.X).values, axis=0, weights=rows.weight)
            at, whole = (
                np.r_[space.control, space.candidates()],
                np.vstack([np.zeros(mean.shape[1]), mean]),
            )
            order = np.argsort(at)
            effect[k] = np.column_stack(
                [np.interp(grid, at[order], column[order]) for column in whole.T]
            )
        curves.append(Curves(reach[c], effect, np.zeros((0, rows.y.shape[1]))))
    return curves


def shares(parts: list[Exposures], reach: list[Reach], settings: CurveSettings) -> list[Curves]:
    """All shares at once."""
    K, P = len(settings.space.parts), len(settings.plan.crowding)
    spaces = [
        with_control(
            settings.space, one.today, degree=settings.plan.degree, crosses=settings.plan.crowding
        )
        for one in reach
    ]
    fits = [
        coefficients(spaces[c], rows, rows.T, settings.seed)
        for c, rows in settings.walk("shares", parts)
    ]
    cuts = [
        0,
        *(K - 1 + K * d for d in range(settings.plan.degree)),
        K * settings.plan.degree - 1 + P,
    ]
    blocks = [np.arange(a, b) for a, b in pairwise(cuts) if b > a]
    means, covariances = _pooled_over_clusters(
        [theta for theta, _ in fits], [v for _, v in fits], blocks
    )
    curves = []
    for one, rows, space, theta, covariance in zip(
        reach, parts, spaces, means, covariances, strict=True
    ):
        effect = np.stack([space.alone(k, grid) @ theta for k, grid in enumerate(one.grid)])
        model = Linear(space, theta, covariance, rows.degrees(len(theta)))
        curves.append(Curves(one, effect, theta[len(theta) - P :], model))
    return curves


CurveMethod = Callable[[list[Exposures], list[Reach], CurveSettings], list[Curves]]
CURVE_METHODS: dict[str, CurveMethod] = {
    "binary": binary,
    "vector": vector,
    "doses": doses,
    "shares": shares,
}


def coefficients(
    space: Any, rows: Exposures, treatment: Any, seed: int, **models: Any
) -> tuple[Floats, Floats]:
    """Theta (p, m) of a space's encoding by DML, one for all the rows, and its covariance (m, p,
    p).
    """
    p = space.encode(np.asarray(space.control)[None]).shape[1]
    enough(rows, LEAST * p, "a cluster")
    model = ESTIMATORS.load("dml")(space=space, modifiers=(), random_state=seed, **models)
    _fit(model, rows, treatment)
    scale, slots = model.encoding_scale_, model.slots_[:, 0]
    unit = model.outcome_units.unit
    covariance = np.zeros((rows.y.shape[1], p, p))
    covariance[:, slots[:, None], slots] = model.covariance_ / (scale[slots, None] * scale[slots])
    return unit * model.theta_[:, 0] / scale[:, None], unit[:, None, None] ** 2 * covariance


def _pooled_over_clusters(
    theta: list[Floats], covariance: list[Floats], blocks: list[Ints]
) -> tuple[Floats, Floats]:
    """Means (C, p, m) and covariances (C, m, p, p) after pooling over clusters, metric by
    metric.
    """
    if len(theta) == 1:
        return np.stack(theta), np.stack(covariance)
    pooled_metrics = [
        pooled(np.stack([t[:, j] for t in theta]), np.stack([v[j] for v in covariance]), blocks)
        for j in range(theta[0].shape[1])
    ]
    return np.stack([mean for mean, _ in pooled_metrics], axis=2), np.stack(
        [v for _, v in pooled_metrics], axis=1
    )


def _fit(model: Any, rows: Exposures, treatment: Any) -> None:
    model.fit(rows.X, rows.y, treatment=treatment, sample_weight=rows.weight, groups=rows.groups)


def _switches(rows: Exposures) -> tuple[Any, Floats]:
    """Whether each share lies above its median, (n, K), and how far apart both halves' means lie,
    (K,).
    """
    up = np.median(rows.T, axis=0) < rows.T
    high, low = (
        np.where(side, rows.T, 0).sum(axis=0) / np.maximum(side.sum(axis=0), 1)
        for side in (up, ~up)
    )
    return up.astype(np.int64), np.maximum(high - low, 1e-9)


def _straight(reach: Reach, slopes: Floats, settings: CurveSettings) -> Curves:
    """Straight curves, as far as the plan's step goes from today's shares."""
    today = reach.grid[:, POINTS, None]
    step = settings.plan.step * today
    near = Reach(reach.today, np.clip(reach.grid, today - step, today + step))
    return Curves(
        near,
        (near.grid - reach.today[:, None])[:, :, None] * slopes[:, None],
        np.zeros((0, slopes.shape[1])),
    )
