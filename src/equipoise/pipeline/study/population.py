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

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from equipoise.core.arrays import Floats, Ints
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


def population_of(plan: Plan, log: Log) -> Population:
    """The population that a plan's [log] overlap asks for, among the rows of its log."""
    if plan.log.overlap == "all":
        return Population(log, np.arange(len(log)), None, learns=False)
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
    return _population(log, (overlap, trim_below), learns, cv, random_state)


def _population(
    log: Log, rule: tuple[str, float | None], learns: bool, folds: int, seed: int
) -> Population:
    check_logged(log)
    p = unclipped(log, folds, seed) if learns else propensity_of(log)
    overlap, below = rule
    some, rows, named = trimmed(log, p, below) if overlap == "trim" else weighted(log, p)
    return Population(some, rows, named, learns)


def unclipped(log: Log, folds: int, seed: int) -> Floats:
    """The probability of each cell, learnt on other folds and as small as it comes, (n, K)."""
    model = LearntPropensity(random_state=seed, clip=FEWEST)
    p: Floats = model.cross_fit(
        features_of(log),
        log.cells,
        len(log.cell_names),
        fold=log_folds(log, folds, seed),
        weight=log.weight,
        eligible=log.eligible,
    )
    return p


def trimmed(log: Log, propensity: Floats, below: float | None) -> tuple[Log, Ints, Check]:
    """The rows whose open arms all had at least a propensity of ``below``.   propensity: (n, K)."""
    K = len(log.cell_names)
    below = SHARE / K if below is None else below
    least = np.where(propensity > 0, propensity, 1.0).min(axis=1)
    keep = least >= below
    counts = np.bincount(log.cells[keep], minlength=K)
    if counts.min() < 2:
        a = int(counts.argmin())
        must = f"have rows where every arm had a propensity of {below:g} or more"
        fix = 'lower trim_below, or say overlap = "weights"'
        raise LogError(f"arm {log.cell_names[a]!r}", must, f"{counts[a]} rows", fix=fix)
    rows = np.flatnonzero(keep)
    lead = (
        f"The answer is for {len(rows):,} of {len(log):,} rows, where every arm had a propensity of"
        f" {below:g} or more"
    )
    return log.take(rows), rows, _named(log, lead, keep.astype(np.float64))


def weighted(log: Log, propensity: Floats) -> tuple[Log, Ints, Check]:
    """All rows with overlap weights.   propensity: (n, K)."""
    inverse = np.divide(1.0, propensity, out=np.zeros_like(propensity), where=propensity > 0)
    h = (propensity > 0).sum(axis=1) ** 2 / inverse.sum(axis=1)  # 1 where open arms are alike
    weight = h if log.weight is None else h * log.weight
    name = free_name(COLUMN, log.table.column_names)
    table = log.table.append_column(name, pa.array(weight / weight.mean()))
    roles = replace(log.roles, weight=name)
    equal = float(weight.sum() ** 2 / (weight @ weight))
    lead = (
        f"The answer is for people whom any arm could have reached: rows count by their overlap, as"
        f" {equal:,.0f} equal ones of {len(log):,}"
    )
    return (
        Log(table, roles, log.space, left_out=log.left_out),
        np.arange(len(log)),
        _named(log, lead, h),
    )


def _named(log: Log, lead: str, weight: Floats) -> Check:
    """A check that tells the population by the features in which it differs most from the log."""
    base = np.ones(len(log)) if log.weight is None else log.weight
    rows: list[dict[str, Any]] = []
    for name, x in numeric_features(log).items():
        known = ~np.isnan(x)
        if not known.any() or not (base * weight)[known].sum() > 0:
            continue
        before = float(np.average(x[known], weights=base[known]))
        after = float(np.average(x[known], weights=(base * weight)[known]))
        spread = float(np.sqrt(np.average((x[known] - before) ** 2, weights=base[known])))
        if spread > 0:
            gap = (after - before) / spread
            rows.append({"feature": name, "here": after, "in all rows": before, "smd": gap})
    rows.sort(key=lambda row: -abs(row["smd"]))
    apart = [
        f"{row['feature']} {row['here']:,.4g} (in all rows {row['in all rows']:,.4g})"
        for row in rows[:NAMED]
    ]
    told = f". Means there: {', '.join(apart)}" if apart else ""
    return check(POPULATION, "note", f"{lead}{told}. Of others it says nothing.", rows)
