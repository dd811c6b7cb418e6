"""Methods x objectives: how well each score ranks for each objective, with intervals over users and
paired differences.

One sort of a score serves all objectives, measures and bootstrap replicates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from equipoise.core.arrays import Floats, Ints
from equipoise.core.display import shown
from equipoise.core.effective_size import critical
from equipoise.core.errors import InputError
from equipoise.core.estimates import Estimate, Estimates
from equipoise.core.frames import to_arrow
from equipoise.core.labelled_rows import LabelledRows, codes_of, labelled_rows, score_column
from equipoise.evaluation.ranking.judge import Judge
from equipoise.evaluation.ranking.measures import GroupMean, check_group_weight, check_places
from equipoise.evaluation.ranking.replicates import users_of
from equipoise.evaluation.resampling import replicate_seeds

MEAN = "mean"  # the column after the objectives: the mean over those that have a value


@shown
@dataclass(frozen=True)
class Measure:
    """One measure of every method on every objective.

    Attributes
    ----------
    estimates : Estimates, (K, M + 1)
        Of K methods; the last column is the mean over the objectives that have a value.
    gains : Estimates, (K, M + 1)
        Less those of the method that all are held against, paired.
    draws : array, (K, B, M + 1)
        Replicates of the estimates, over users and seeds, alike for all methods.

    Examples
    --------
    >>> metrics = ranking_metrics({"a": [2, 1], "b": [1, 2]}, [1, 0], groups=[0, 0])
    >>> metrics.measures["gauc"].estimates.value.tolist()
    [[1.0, 1.0], [0.0, 0.0]]
    """

    estimates: Estimates
    gains: Estimates
    draws: Floats = field(repr=False)


@shown
@dataclass(frozen=True)
class RankingMetrics:
    """How well methods rank for objectives; `ranking_metrics` makes it.

    Attributes
    ----------
    methods : tuple of str, (K,)
        Names of the scores.
    objectives : tuple of str, (M,)
        Names of the labels.
    against : str
        The method that gains are over.
    measures : dict of str to Measure
        "auc", "gauc" and "ndcg@k".
    positives : array of int, (M,)
        Positives of each objective.
    observed : array of int, (M,)
        Rows where each objective was observed.
    coverage : GroupMean
        GAUC of the first method: how many groups hold both classes, and how many rows these hold,
        which is the same for all methods.
    notes : tuple of str
        What has no value or no interval, and why.
    level : float
        Of the intervals.

    Examples
    --------
    >>> metrics = ranking_metrics({"a": [2, 1], "b": [1, 2]}, [1, 0], groups=[0, 0])
    >>> metrics.methods, metrics.objectives, list(metrics.measures)
    (('a', 'b'), ('y0',), ['auc', 'gauc', 'ndcg@10'])
    """

    methods: tuple[str, ...]
    objectives: tuple[str, ...]
    against: str
    measures: dict[str, Measure]
    positives: Ints
    observed: Ints
    coverage: GroupMean
    notes: tuple[str, ...]
    level: float

    def estimate(self, measure: str, method: str, objective: str = MEAN) -> Estimate:
        """One cell of the table.

        Parameters
        ----------
        measure : str
            "auc", "gauc" or "ndcg@k".
        method : str
            Its name.
        objective : str, default MEAN
            Its name, or "mean" for the mean over objectives.

        Returns
        -------
        Estimate
            The value with its interval.

        Raises
        ------
        InputError
            Where the table has no such name.
        """
        return self.of(measure).estimates[self._cell(method, objective)]

    def gain(self, measure: str, method: str, objective: str = MEAN) -> Estimate:
        """One cell less that of the method that all are held against.

        Parameters
        ----------
        measure : str
            "auc", "gauc" or "ndcg@k".
        method : str
            Its name.
        objective : str, default MEAN
            Its name, or "mean" for the mean over objectives.

        Returns
        -------
        Estimate
            The paired difference with its interval and p-value.

        Raises
        ------
        InputError
            Where the table has no such name.
        """
        return self.of(measure).gains[self._cell(method, objective)]

    def of(self, measure: str) -> Measure:
        """One measure of all methods.

        Parameters
        ----------
        measure : str
            "auc", "gauc" or "ndcg@k".

        Returns
        -------
        Measure
            Its values, gains and replicates.

        Raises
        ------
        InputError
            Where the table has no such measure.
        """
        return self.measures[known(measure, "the measure", tuple(self.measures))]

    def rows(self) -> list[dict[str, Any]]:
        """The table as plain values, as findings keep it; what has no value is None.

        Returns
        -------
        list of dict
            One per measure, method and objective: value, low, high, and gain, gain_low, gain_high,
            gain_p over the method in `against`.
        """
        return [
            {"measure": name, "method": method, "objective": objective}
            | _figures(measure.estimates[k, m], measure.gains[k, m])
            for name, measure in self.measures.items()
            for k, method in enumerate(self.methods)
            for m, objective in enumerate((*self.objectives, MEAN))
        ]

    def _cell(self, method: str, objective: str) -> tuple[int, int]:
        columns = (*self.objectives, MEAN)
        known(method, "the method", self.methods)
        known(objective, "the objective", columns)
        return self.methods.index(method), columns.index(objective)


def known(name: str, what: str, names: tuple[str, ...]) -> str:
    """A name that stands among others.

    >>> known("b", "the method", ("a",))
    Traceback (most recent call last):
    equipoise.core.errors.InputError: the method must be one of a; got 'b'
    """
    if name not in names:
        raise InputError(what, f"be one of {', '.join(names)}", repr(name))
    return name


def _figures(estimate: Estimate, gain: Estimate) -> dict[str, float | None]:
    """The numbers of a cell; NaN is None."""
    numbers = dict(zip(("value", "low", "high"), estimate.interval, strict=True))
    numbers |= dict(zip(("gain", "gain_low", "gain_high"), gain.interval, strict=True))
    numbers["gain_p"] = gain.p_value
    return {name: float(x) if np.isfinite(x) else None for name, x in numbers.items()}


def ranking_metrics(
    scores: Any,
    labels: Any,
    *,
    groups: Any,
    users: Any = None,
    label_mask: Any = None,
    sample_weight: Any = None,
    objectives: Sequence[str] | None = None,
    against: str | None = None,
    objective_weight: ArrayLike | None = None,
    k: int = 10,
    weight: str = "size",
    draws: int = 200,
    seed: int = 0,
    level: float = 0.95,
) -> RankingMetrics:
    """AUC, GAUC and NDCG@k of several scores for several objectives, with intervals over users and
    paired differences.

    Parameters
    ----------
    scores : mapping of str to array-like, (n,) or (n, S); or a frame
        The score of each method, or a column of each; (n, S) for S seeds of it, whose measures are
        averaged, seed j of one method beside seed j of another.
    labels : array-like or frame, (n, M) or (n,)
        0 or 1.
    groups : array-like, (n,)
        Ids of requests, or of users where requests are not known, of any type.
    users : array-like, (n,), default None
        Ids of users, who are drawn whole by the bootstrap; None: groups are.
    label_mask : array-like of bool, (n, M) or (n,), default None
        Where a label was observed; None: everywhere.
    sample_weight : array-like, (n,), default None
        Weights > 0; None: ones.
    objectives : sequence of str, default None
        Names; None: those of the frame's columns, or y0, y1, ....
    against : str, default None
        The method that gains are over; None: the first.
    objective_weight : array-like, (M,), default None
        What each objective counts in "mean", >= 0; None: all alike.
    k : int, default 10
        Places of NDCG, >= 1.
    weight : {"size", "uniform", "pairs"}, default "size"
        What a group weighs in GAUC; in NDCG all groups weigh alike.
    draws : int, default 200
        Replicates, >= 2.
    seed : int, default 0
        Of the replicates.
    level : float, default 0.95
        Of the intervals.

    Returns
    -------
    RankingMetrics
        The table.  An objective with labels of one class has NaN, coverage 0 and a note; one whose
        rarer class fewer than two users hold has a value, a note and no interval.

    Raises
    ------
    InputError
        Where a label is not 0 or 1, a score is NaN, a group lies in two users, or lengths differ.

    Examples
    --------
    >>> labels = [[1, 0], [0, 0], [0, 1], [1, 0]] * 20
    >>> user = [i // 2 for i in range(80)]
    >>> scores = {"new": [2, 1, 2, 3] * 20, "old": [1, 2, 2, 1] * 20}
    >>> metrics = ranking_metrics(scores, labels, groups=user, objectives=["buy", "like"],
    ...     against="old")
    >>> metrics.estimate("gauc", "new", "buy").value, metrics.gain("gauc", "new", "buy").value
    (1.0, 1.0)
    >>> metrics.coverage.coverage.tolist()
    [1.0, 0.5]
    """
    check_group_weight(weight)
    critical(level)  # refuses a level outside (0, 1) before any work
    rows = labelled_rows(labels, label_mask, sample_weight, objectives)
    columns = _score_columns(scores, len(rows))
    methods = tuple(columns)
    base = methods.index(known(against or methods[0], "against", methods))
    group, count = codes_of(groups, len(rows), "groups")
    drawn = None if users is None else codes_of(users, len(rows), "users")
    judge = Judge(
        rows,
        group,
        users_of(group, count, drawn),
        check_places(k),
        weight,
        replicate_seeds(draws, seed),
        _objective_shares(objective_weight, len(rows.objectives)),
    )
    parts, coverage = judge.draws(columns)
    copies = parts["auc"].value.shape[1]
    picks = np.random.default_rng(seed).integers(0, copies, (draws, copies))
    measures = {
        name: Measure(
            part.estimates(picks, level),
            part.minus(base).estimates(picks, level),
            part.over_seeds(picks),
        )
        for name, part in parts.items()
    }
    return RankingMetrics(
        methods,
        rows.objectives,
        methods[base],
        measures,
        rows.positives,
        rows.observed,
        coverage,
        _notes(rows, measures),
        level,
    )


def _objective_shares(weight: ArrayLike | None, count: int) -> Floats:
    """What each of some objectives counts, of sum 1."""
    values = np.ones(count) if weight is None else np.asarray(weight, np.float64)
    if (
        values.shape != (count,)
        or not ((values >= 0) & (values < np.inf)).all()
        or not values.any()
    ):
        must = f"be {count} numbers >= 0, one per column of labels, not all 0"
        raise InputError("objective_weight", must, weight)
    shares: Floats = values / values.sum()
    return shares


def _score_columns(scores: Any, n: int) -> dict[str, Floats]:
    """The scores of every method, (n, S); all S that are not 1 are the same."""
    columns: dict[str, Floats] = {}
    for name, values in _named(scores).items():
        what = f"scores of {name}"
        if np.ndim(values) == 2 and np.shape(values)[1] > 0:
            each = [score_column(column, n, what) for column in np.asanyarray(values).T]
        else:
            each = [score_column(values, n, what)]
        seeds = max((column.shape[1] for column in columns.values()), default=1)
        if 1 < len(each) != seeds > 1:
            raise InputError(what, f"be of {seeds} seeds, as others are, or of one", len(each))
        columns[name] = np.stack(each, axis=1)
    return columns


def _named(scores: Any) -> dict[str, Any]:
    """Scores by the names of their methods, out of a mapping or a frame."""
    if not isinstance(scores, Mapping) and hasattr(scores, "columns"):
        table = to_arrow(scores)
        scores = {name: table[name].to_numpy() for name in table.column_names}
    if not isinstance(scores, Mapping) or not scores:
        fix = 'give {"name": scores, ...} or a frame with a column per method'
        raise InputError("scores", "be named, one method at least", type(scores).__name__, fix=fix)
    named = {str(name): values for name, values in scores.items()}
    if len(named) < len(scores):
        raise InputError("names of scores", "differ as texts", list(scores))
    return named


def _notes(rows: LabelledRows, measures: dict[str, Measure]) -> tuple[str, ...]:
    """What has no value, and what has no interval."""
    notes = [f"{sentence}: no score ranks them better or worse" for sentence in rows.one_class]
    for name, measure in measures.items():
        value, low = measure.estimates.value[0], measure.estimates.low[0]
        notes += [
            f"{name} of {objective} rests on fewer than two users' cases: no interval"
            for objective, x, end in zip(rows.objectives, value, low, strict=False)
            if np.isfinite(x) and np.isnan(end)
        ]
    return tuple(notes)
