"""For whom is the answer?  All rows of the log, or those where every arm was possible.

    trim      rows in which an open arm had a propensity below a threshold are left out: .2 / K, the
              .1 of Crump, Hotz, Imbens & Mitnik (2009, doi 10.1093/biomet/asn055) for two arms
    weights   all rows stay, with h(x) = K^2 / sum_a 1 / e_a(x) times their weights, over the K arms
              open to the row: the overlap population of Li & Li (2019, arXiv:1808.05339), which
              needs no threshold

Both look at features alone, so they choose by no outcome.  Propensities are the log's own, or
learnt, and then not clipped: what is clipped looks possible.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.balance import Check, check, numeric_features
from equipoise.core.columns import free_name
from equipoise.core.errors import InputError, LogError
from equipoise.core.log import Log
from equipoise.learners.propensity import LearntPropensity
from equipoise.learners.two_sample import two_sample_test
from equipoise.pipeline.plan.schema import Plan
from equipoise.pipeline.study.cross_fit import log_folds
from equipoise.pipeline.study.design_checks import follows
from equipoise.pipeline.study.propensity import (
    check_logged,
    features_of,
    propensity_of,
    stated_design,
)

OVERLAPS = ("all", "trim", "weights")
POPULATION = "population"  # name of the check
FEWEST = 1e-6  # a learnt propensity is not taken for less
SHARE = 0.2  # the threshold is this part of 1 / K
COLUMN = "overlap weight"
NAMED = 3  # features that tell the population


@dataclass(frozen=True)
class Population:
    """The rows that an answer is for.

    Attributes
    ----------
    log : Log
        The rows, with their weights.
    rows : array of int
        Their numbers in the log given.
    check : dict or None
        Who they are, as a check with its table; None where they are all.
    learns : bool
        Whether propensities are learnt.

    Examples
    --------
    >>> import equipoise as eq
    >>> log, truth = eq.datasets.make_coupon_world(300)
    >>> overlap_population(log, "all").check is None
    True
    """

    log: Log
    rows: Ints
    check: Check | None
    learns: bool


@dataclass(frozen=True)
class OverlapRule:
    """How much a row counts by its overlap.

    Attributes
    ----------
    below : float or None
        A row counts once where every open arm had this propensity, else not; None: by its overlap
        weight.
    model : LearntPropensity or None
        What says the propensities of rows that none has seen, unclipped; None where the log does.
    """

    below: float | None
    model: LearntPropensity | None

    def weight(self, propensity: Floats) -> Floats:
        """Of rows with these propensities, (n,).   propensity: (n, K)."""
        if self.below is None:
            return overlap_weight(propensity)
        return possible(propensity, self.below).astype(np.float64)

    def lead(self, rows: int, weight: tuple[int, float, float]) -> str:
        """Whom an answer is for.   rows: of the log; weight: how many count, and the sums of their
        weights and of the squares.
        """
        count, total, squares = weight
        if self.below is None:
            return (
                "The answer is for people whom any arm could have reached: rows count by their"
                f" overlap, as {total**2 / squares:,.0f} equal ones of {rows:,}"
            )
        return (
            f"The answer is for {count:,} of {rows:,} rows, where every arm had a propensity of"
            f" {self.below:g} or more"
        )


def population_of(plan: Plan, log: Log) -> Population:
    """The population that a plan's [log] overlap asks for, among the rows of its log."""
    return narrowed(plan, log)[0]


def narrowed(plan: Plan, log: Log) -> tuple[Population, OverlapRule | None, Floats]:
    """The population that a plan asks for, the rule by which rows that none has seen are of it, and
    how much each row of the log counts by it, (n,); all alike, and None, where it asks for none.
    """
    if plan.log.overlap == "all":
        return Population(log, np.arange(len(log)), None, learns=False), None, np.ones(len(log))
    learns = stated_design(plan, log, plan.log.undesigned)[0]
    run, rule = plan.run, (plan.log.overlap, plan.log.trim_below)
    return _population(log, rule, learns, run.folds, run.seed)


def overlap_population(
    log: Log,
    overlap: str = "trim",
    *,
    trim_below: float | None = None,
    undesigned: str = "learn",
    cv: int = 3,
    random_state: int = 0,
) -> Population:
    """The part of a log for which it can tell: where every arm was possible.

    Parameters
    ----------
    log : Log
        The experiment.
    overlap : {"trim", "weights", "all"}, default "trim"
        "trim" leaves out the rows in which an open arm had a propensity below ``trim_below``;
        "weights" keeps all, and each counts by K^2 / sum_a 1 / e_a(x), over the K
        arms open to it.
    trim_below : float, optional
        In (0, 0.5); by default .2 / K, with K arms, control among them.
    undesigned : {"learn", "stop", "shares"}, default "learn"
        As in `honest_policy`: where the log does not say how treatment was given.
    cv : int, default 3
        Folds across which a propensity is learnt.
    random_state : int, default 0
        Of these folds, and of the learner.

    Returns
    -------
    Population
        Its ``log`` goes wherever a log does; ``check`` says who is in it.

    Raises
    ------
    LogError
        Where an arm keeps fewer than two rows.

    References
    ----------
    Crump, Hotz, Imbens & Mitnik (2009), "Dealing with limited overlap in estimation of average
    treatment effects"; Li & Li (2019), "Propensity score weighting for causal inference with
    multiple treatments", arXiv:1808.05339.

    Examples
    --------
    >>> import equipoise as eq
    >>> log, truth = eq.datasets.make_coupon_world(300)
    >>> some = overlap_population(log, "trim")
    >>> len(some.log), some.check["summary"][:37]
    (300, 'The answer is for 300 of 300 rows, wh')
    """
    if overlap not in OVERLAPS:
        raise InputError("overlap", f"be one of {', '.join(OVERLAPS)}", repr(overlap))
    if trim_below is not None and not 0 < trim_below < 0.5:
        raise InputError("trim_below", "lie in (0, 0.5)", trim_below)
    if overlap == "all":
        return Population(log, np.arange(len(log)), None, learns=False)
    learns = follows(log, two_sample_test(log, random_state), undesigned)
    return _population(log, (overlap, trim_below), learns, cv, random_state)[0]


def _population(
    log: Log, asked: tuple[str, float | None], learns: bool, folds: int, seed: int
) -> tuple[Population, OverlapRule, Floats]:
    check_logged(log)
    model, p = unclipped(log, folds, seed) if learns else (None, propensity_of(log))
    overlap, below = asked
    least = SHARE / len(log.cell_names) if below is None else below
    rule = OverlapRule(least if overlap == "trim" else None, model)
    h = rule.weight(p)
    some, rows = _trimmed(log, h, least) if overlap == "trim" else _weighted(log, h)
    base = np.ones(len(log)) if log.weight is None else log.weight
    w = base * h
    lead = rule.lead(len(log), (len(rows), float(w.sum()), float(w @ w)))
    features = numeric_features(log)
    centre = np.array([np.nanmean(x) if np.isfinite(x).any() else 0.0 for x in features.values()])
    X = np.array(list(features.values())).reshape(len(centre), -1).T - centre
    told = population_check(lead, list(features), population_sums(X, base, h), centre)
    return Population(some, rows, told, learns), rule, h


def unclipped(log: Log, folds: int, seed: int) -> tuple[LearntPropensity, Floats]:
    """A model of the propensity, and what it says of each cell, learnt on other folds and as small
    as it comes, (n, K).
    """
    model = LearntPropensity(random_state=seed, clip=FEWEST)
    p: Floats = model.cross_fit(
        features_of(log),
        log.cells,
        len(log.cell_names),
        fold=log_folds(log, folds, seed),
        weight=log.weight,
        eligible=log.eligible,
    )
    return model, p


def possible(propensity: Floats, below: float) -> Bools:
    """Whether every open arm had a propensity of ``below`` or more, (n,).   propensity: (n, K).

    >>> possible(np.array([[0.95, 0.05], [0.5, 0.5], [1.0, 0.0]]), 0.1).tolist()
    [False, True, True]
    """
    return np.asarray(np.where(propensity > 0, propensity, 1.0).min(axis=1) >= below)


def overlap_weight(propensity: Floats) -> Floats:
    """h(x), 1 where the open arms are alike, (n,).   propensity: (n, K).

    >>> overlap_weight(np.array([[0.5, 0.5], [0.9, 0.1], [1.0, 0.0]])).round(2).tolist()
    [1.0, 0.36, 1.0]
    """
    inverse = np.divide(1.0, propensity, out=np.zeros_like(propensity), where=propensity > 0)
    h: Floats = (propensity > 0).sum(axis=1) ** 2 / inverse.sum(axis=1)
    return h


def _trimmed(log: Log, keep: Floats, below: float) -> tuple[Log, Ints]:
    """The rows that count, and their numbers.   keep: (n,)."""
    rows = np.flatnonzero(keep)
    counts = np.bincount(log.cells[rows], minlength=len(log.cell_names))
    if counts.min() < 2:
        a = int(counts.argmin())
        must = f"have rows where every arm had a propensity of {below:g} or more"
        fix = 'lower trim_below, or say overlap = "weights"'
        raise LogError(f"arm {log.cell_names[a]!r}", must, f"{counts[a]} rows", fix=fix)
    return log.take(rows), rows


def _weighted(log: Log, h: Floats) -> tuple[Log, Ints]:
    """All rows with overlap weights, and their numbers.   h: (n,)."""
    weight = h if log.weight is None else h * log.weight
    name = free_name(COLUMN, log.table.column_names)
    table = log.table.append_column(name, pa.array(weight / weight.mean()))
    roles = replace(log.roles, weight=name)
    some = Log(table, roles, log.space, left_out=log.left_out)
    some.eligibility = log.eligibility  # what other rows close stays closed
    return some, np.arange(len(log))


def population_sums(X: Floats, base: Floats, weight: Floats) -> Floats:
    """Sums over rows of w, w x, w x^2 with their own weights, and of w, w x as they count, by
    feature where it is there, (5, d).   X: (n, d); base, weight: (n,) their own weights, and how
    much each counts.
    """
    there = np.isfinite(X)
    x, both = np.where(there, X, 0.0), base * weight
    return np.stack([base @ there, base @ x, base @ x**2, both @ there, both @ x])


def population_check(lead: str, names: Sequence[str], sums: Floats, centre: Floats) -> Check:
    """A check that tells the population by the features in which it differs most from the log.
    sums: of `population_sums`, of features from their centre, (d,).
    """
    rows: list[dict[str, Any]] = []
    for name, (n, x, xx, n_here, x_here), middle in zip(names, sums.T, centre, strict=True):
        if not (n > 0 and n_here > 0):
            continue
        before, after = x / n, x_here / n_here
        spread = max(float(xx / n - before**2), 0.0) ** 0.5
        if spread > 0:
            means = {"here": float(middle + after), "in all rows": float(middle + before)}
            rows.append({"feature": name, **means, "smd": float(after - before) / spread})
    rows.sort(key=lambda row: -abs(row["smd"]))
    apart = [
        f"{row['feature']} {row['here']:,.4g} (in all rows {row['in all rows']:,.4g})"
        for row in rows[:NAMED]
    ]
    told = f". Means there: {', '.join(apart)}" if apart else ""
    return check(POPULATION, "note", f"{lead}{told}. Of others it says nothing.", rows)
