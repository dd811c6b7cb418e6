"""RankingRows: what a ranker learns from, checked once at the door.

n rows (a candidate shown to a viewer), S base scores, M objectives.  Whoever holds them may trust
them: scores are finite, labels are 0 or 1 and 0 where they were not observed, every objective has
rows of both kinds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.errors import InputError
from equipoise.core.features import matrix
from equipoise.core.labelled_rows import HIDDEN, POSITIVE, codes_of, labelled_rows
from equipoise.core.suggest import among

SCORES = {"probability": "probabilities in [0, 1]", "number": "finite numbers"}


@dataclass(frozen=True)
class RankingRows:
    """The rows of one log of what was shown.

    Attributes
    ----------
    scores : (n, S).   labels : (n, M), 0 or 1.   objectives : the M names.
    observed : (n, M), whether a label was, or None where all were.
    groups : (n,) codes of requests or users, or None.   weight : (n,) > 0 or None.
    profile : (n, P), NaN where missing; P may be 0.
    """

    scores: Floats
    labels: Floats
    objectives: tuple[str, ...]
    observed: Bools | None
    groups: Ints | None
    weight: Floats | None
    profile: Floats

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def counts(self) -> Floats:
        """Observed labels of each objective, (M,)."""
        if self.observed is None:
            return np.full(self.labels.shape[1], float(len(self)))
        return np.asarray(self.observed.sum(axis=0), np.float64)

    @property
    def positives(self) -> Floats:
        """Labels 1 of each objective, (M,)."""
        return np.asarray(self.labels.sum(axis=0), np.float64)

    @property
    def one_class(self) -> Bools:
        """Which objectives have labels of one class only, or none, (M,)."""
        either: Bools = (self.positives == 0) | (self.positives == self.counts)
        return either

    def take(self, rows: Ints | Bools) -> RankingRows:
        """Some of the rows.

        Parameters
        ----------
        rows : array of int or bool
            Which.

        Returns
        -------
        RankingRows
            Them, their groups numbered anew.
        """

        def part(values: Any) -> Any:
            return None if values is None else values[rows]

        groups = self.groups
        if groups is not None:
            groups = np.unique(groups[rows], return_inverse=True)[1].astype(np.int64)
        return replace(
            self,
            scores=self.scores[rows],
            labels=self.labels[rows],
            observed=part(self.observed),
            groups=groups,
            weight=part(self.weight),
            profile=self.profile[rows],
        )


def check_scores(X: Any, kind: str) -> tuple[Floats, tuple[str, ...]]:
    """Base scores as float64 (n, S) and their names.

    Parameters
    ----------
    X : frame or array, (n, S)
        One column a score; no cell may be missing.
    kind : str
        "probability" or "number": what they are promised to be.

    Returns
    -------
    values : array, (n, S)
        The scores.
    names : tuple of str, (S,)
        The columns of a frame; x0, x1, ... of an array.

    Raises
    ------
    InputError
        Naming the score and the row of a value that is not allowed.

    Examples
    --------
    >>> check_scores({"p_click": [0.2, 0.4]}, "probability")[1]
    ('p_click',)
    """
    if kind not in SCORES:
        raise InputError("scores", f"be one of {', '.join(map(repr, SCORES))}", repr(kind))
    values, names = matrix(X)
    if values.shape[1] == 0:
        raise InputError("X", "have a column for each base score", f"shape {values.shape}")
    refuse_scores(values, names, kind)
    return values, names


def refuse_scores(
    values: Floats, names: Sequence[str], kind: str, start: int = 0, fix: str = ""
) -> None:
    """Refuse base scores of which one is not what they were promised to be.

    Parameters
    ----------
    values : array, (n, S)
        The scores.
    names : sequence of str, (S,)
        Their names.
    kind : str
        "probability" or "number".
    start : int, default 0
        The number of the first row, for the error.
    fix : str, default ""
        What to do where they are no probabilities.

    Raises
    ------
    InputError
        Naming the score and the row.

    Examples
    --------
    >>> refuse_scores(np.array([[0.5], [2.0]]), ["p_buy"], "number")
    """
    good = np.isfinite(values)
    if kind == "probability":
        good &= (values >= 0) & (values <= 1)
    if good.all():
        return
    row, j = (int(i) for i in np.argwhere(~good)[0])
    fix = fix or 'say scores="number" if they are no probabilities'
    fix = "fill or drop the row" if np.isnan(values[row, j]) else fix
    what, got = f"score {names[j]!r}", values[row, j]
    raise InputError(what, f"be {SCORES[kind]}", got, f"row {start + row}", fix)


def ranking_rows(
    scores: Floats,
    profile: Floats,
    y: Any,
    groups: Any = None,
    label_mask: Any = None,
    sample_weight: Any = None,
) -> RankingRows:
    """Check what `fit` was given beside the scores, and name its parts.

    Parameters
    ----------
    scores : array, (n, S)
        Checked.
    profile : array, (n, P)
        Checked.
    y, groups, label_mask, sample_weight : optional
        As of `Ranker.fit`.

    Returns
    -------
    RankingRows
        The rows.

    Raises
    ------
    InputError
        Naming what is not allowed, and where.
    """
    n = len(scores)
    rows = labelled_rows(y, label_mask, sample_weight)
    if len(rows) != n:
        raise InputError("y", f"have one row for each of X's {n}", len(rows))
    observed = rows.state != HIDDEN
    return RankingRows(
        scores,
        (rows.state == POSITIVE).astype(np.float64),
        rows.objectives,
        None if observed.all() else observed,
        None if groups is None else codes_of(groups, n, "groups")[0],
        None if (rows.weight == rows.weight[0]).all() else rows.weight,
        profile,
    )


def check_objective_weight(weight: Any, objectives: tuple[str, ...]) -> Floats:
    """The weights of objectives, (M,), of sum 1.

    Parameters
    ----------
    weight : mapping, array or None
        Numbers >= 0 by objective, or in their order; an objective that a mapping leaves out has
        weight 0; None weighs all alike.
    objectives : tuple of str
        Their names.

    Returns
    -------
    array, (M,)
        The weights.

    Raises
    ------
    InputError
        Where there is not one number >= 0 for each, or none above 0.

    Examples
    --------
    >>> check_objective_weight({"buy": 3, "like": 1}, ("like", "share", "buy")).tolist()
    [0.25, 0.0, 0.75]
    """
    if weight is None:
        return np.full(len(objectives), 1.0 / len(objectives))
    if isinstance(weight, Mapping):
        strange = sorted(set(map(str, weight)) - set(objectives))
        if strange:
            fix = among(strange[0], objectives)
            raise InputError("objective_weight", "name objectives of y", strange, fix=fix)
        weight = [weight.get(name, 0.0) for name in objectives]
    try:
        values = np.asarray(weight, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError("objective_weight", "be numbers", str(error)) from error
    good = values.shape == (len(objectives),) and np.isfinite(values).all()
    if not (good and (values >= 0).all() and values.sum() > 0):
        must = f"be one number >= 0 for each of {', '.join(objectives)}, not all 0"
        raise InputError("objective_weight", must, weight)
    shares: Floats = values / values.sum()
    return shares


def check_two_classes(rows: RankingRows) -> None:
    """Refuse rows on which an objective cannot be learnt: all labels the same, or none observed.

    Parameters
    ----------
    rows : RankingRows
        The rows of fit.

    Raises
    ------
    InputError
        Naming the objective, and what there is of it.
    """
    if rows.one_class.any():
        j = int(np.argmax(rows.one_class))
        got = f"{int(rows.positives[j])} of 1 among {int(rows.counts[j])} observed labels"
        fix = "leave the objective out, or give more rows"
        raise InputError(
            f"objective {rows.objectives[j]!r}", "have labels 0 and labels 1", got, fix=fix
        )
