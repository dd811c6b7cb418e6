"""Hypervolumes of trade-off fronts with intervals: each method with several settings of its weights
is a set of points, one coordinate per objective.

In a replicate over users all points move together, and the volume is taken anew; differences
between methods are paired.  The best of noisy points looks better than it is, in every front alike
if all have as many settings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from equipoise.core.arrays import Floats
from equipoise.core.errors import InputError
from equipoise.core.estimates import Estimate
from equipoise.evaluation.ranking.front import hypervolume
from equipoise.evaluation.ranking.intervals import interval
from equipoise.evaluation.ranking.methods_by_objectives import RankingMetrics, known


def front_hypervolumes(
    metrics: RankingMetrics,
    fronts: Mapping[str, Sequence[str]],
    *,
    measure: str = "gauc",
    reference: ArrayLike = 0.5,
    objectives: Sequence[str] | None = None,
    against: str | None = None,
) -> dict[str, Estimate]:
    """The volume that each front dominates, or its gain over another's, with intervals over users.

    Parameters
    ----------
    metrics : RankingMetrics
        Of all settings.
    fronts : mapping of str to sequence of str
        The names in ``metrics`` of each front's settings.
    measure : str, default "gauc"
        The coordinate: "auc", "gauc" or "ndcg@k".
    reference : array-like, (m,) or a number, default 0.5
        The corner that volumes count from.
    objectives : sequence of str, default None
        The coordinates; None: all objectives that have a value.
    against : str, default None
        The front that volumes are less; None: volumes themselves.

    Returns
    -------
    dict of str to Estimate
        One of each front, in the units of the measure to the power m.

    Raises
    ------
    InputError
        Where a front has no settings, or a name is not in the table.

    Examples
    --------
    >>> from equipoise.evaluation import ranking_metrics
    >>> labels, users = [[1, 0], [0, 1]] * 30, [i // 2 for i in range(60)]
    >>> metrics = ranking_metrics({"a": [2, 1] * 30, "b": [1, 1] * 30}, labels, groups=users)
    >>> front_hypervolumes(metrics, {"one": ["b"], "two": ["a", "b"]}, reference=0.25)["two"].value
    0.0625
    """
    table = metrics.of(measure)
    names = metrics.objectives if objectives is None else tuple(objectives)
    columns = [
        metrics.objectives.index(known(o, "the objective", metrics.objectives)) for o in names
    ]
    if objectives is None:
        columns = [m for m in columns if np.isfinite(table.estimates.value[:, m]).all()]
    settings = {name: _places(name, front, metrics.methods) for name, front in fronts.items()}
    values = {
        name: hypervolume(table.estimates.value[rows][:, columns], reference)
        for name, rows in settings.items()
    }
    draws = {
        name: _replicates(table.draws[rows][..., columns], reference)
        for name, rows in settings.items()
    }
    less, shared = 0.0, np.zeros(table.draws.shape[1])
    if against is not None:
        base = known(against, "against", tuple(settings))
        less, shared = values[base], draws[base]
    return {
        name: interval(
            values[name] - less,
            draws[name] - shared,
            float(table.estimates.df[rows][:, columns].min()),
            metrics.level,
        )
        for name, rows in settings.items()
    }


def _places(name: str, front: Sequence[str], methods: tuple[str, ...]) -> list[int]:
    """Where a front's settings stand in the table."""
    if isinstance(front, str) or not len(front):
        what, must = f"the front {name}", "be a list of names of methods, one at least"
        raise InputError(what, must, repr(front))
    return [methods.index(known(setting, f"a setting of {name}", methods)) for setting in front]


def _replicates(draws: Floats, reference: ArrayLike) -> Floats:
    """The volume in every replicate, (B,); NaN where a point has no value.   draws: (P, B, m)."""
    return np.array(
        [
            hypervolume(points, reference) if np.isfinite(points).all() else np.nan
            for points in draws.transpose(1, 0, 2)
        ]
    )
