"""The strata of a study: two arms of its log, the strata of every row out of fold, and their doubly
robust signals.

    for each fold f:   the estimator of strata is fitted on the rows outside f, and says the strata
    p of the rows in f
    signals            psi = dr_signals(q, m0) with q, m0 = cells_of(p)

The profit's uplift and the outcome's are learnt beside them, across the same folds, by the plan's
own estimator, without strata.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from sklearn.base import clone

from equipoise.core.arrays import Floats, Ints
from equipoise.core.effects import Effects
from equipoise.core.errors import InputError, PlanError
from equipoise.core.features import FeatureMap, matrix
from equipoise.core.log import Log, Outcome
from equipoise.core.periods import period_weights
from equipoise.core.progress import Progress, silent
from equipoise.core.space import current_names
from equipoise.core.strata import (
    SCHEMES,
    AssumptionWarning,
    Scheme,
    cells_of,
    check_reward,
    dr_signals,
    project_simplex,
)
from equipoise.estimators.dml.curvature import CurvatureWarning
from equipoise.estimators.strata.sample import StrataSample, strata_sample
from equipoise.pipeline.plan.constraints import known_name
from equipoise.pipeline.plan.estimators import make_estimator, make_strata_estimator
from equipoise.pipeline.plan.schema import Plan, StrataPlan
from equipoise.pipeline.study.cross_fit import cross_fit
from equipoise.pipeline.study.swaps import swap_rows
from equipoise.treatments import Arms

PROFIT = "profit of an offer"  # the metric whose uplift is the reward
WHERE = "[strata]"


@dataclass(frozen=True)
class Case:
    """One incentive against none.

    Attributes
    ----------
    plan : what is asked.   log : the rows of the two arms; metrics: the profit (where the reward is
        a scheme), the outcome.
    rows : (n,), their places in the whole log.   candidate : the offer's place among the whole
        log's candidates.
    sample : the rows as an estimator of strata sees them.   unoffered : claims without an offer
        that were not counted.
    """

    plan: StrataPlan
    log: Log
    rows: Ints
    candidate: int
    sample: StrataSample
    unoffered: int

    @property
    def scheme(self) -> Scheme | None:
        """When the incentive is paid; None where the reward is five numbers."""
        return SCHEMES.get(self.plan.reward) if isinstance(self.plan.reward, str) else None

    @property
    def reward(self) -> Floats:
        """The worth of an offer to each stratum, (5,)."""
        if self.scheme is None:
            return check_reward(self.plan.reward)
        return self.scheme.reward(self.gain, self.cost)

    @property
    def gain(self) -> float:
        """The worth of a coupon buyer, net of the incentive; 0 where the reward is five numbers."""
        return self.plan.value or 0.0

    @property
    def cost(self) -> float:
        """The cost of an incentive that is paid; 0 where the reward is five numbers."""
        return self.plan.cost or 0.0


@dataclass(frozen=True)
class SwappedStrata:
    """Strata and effects of some rows by the models of another fold, which saw them.

    Attributes
    ----------
    rows : (r,).   fold : (r,), of the models.   strata : (r, 5).   uplift : of these rows.
    """

    rows: Ints
    fold: Ints
    strata: Floats
    uplift: Effects


@dataclass(frozen=True)
class StrataStudy:
    """The strata of every row of a case, out of fold.

    Attributes
    ----------
    fold : (n,).   scores, strata : (n, 5), as learnt, and projected on the simplex.   propensity :
        (n,), P(offered | x).
    uplift : effects on the case's metrics, out of fold, by the plan's estimator.
    swapped : strata and effects where one fold of the training rows is swapped for another.
    """

    case: Case
    fold: Ints
    scores: Floats
    strata: Floats
    propensity: Floats
    uplift: Effects
    swapped: tuple[SwappedStrata, ...] = ()

    @cached_property
    def signals(self) -> Floats:
        """Doubly robust signals of the strata, (n, 5)."""
        return dr_signals(self.case.sample.claims(self.propensity), *cells_of(self.strata))

    @cached_property
    def level_scores(self) -> Floats:
        """The scores with the mean of every fold alike, (n, 5), for bins over all folds.

        A fold with few purchases is predicted from the others, which have more: bins of bare scores
        would tell folds apart, and the highest of them would look the worst.
        """
        means = np.stack(
            [self.scores[self.fold == f].mean(axis=0) for f in range(int(self.fold.max()) + 1)]
        )
        level: Floats = self.scores - means[self.fold] + self.scores.mean(axis=0)
        return level


def check_strata(plan: Plan, log: Log) -> None:
    """Refuse what [strata] asks of a log that has not got it, before anything is fitted."""
    if plan.strata is not None:
        case = make_case(plan.strata, log)
        _check_ids(
            plan.strata, make_strata_estimator(plan.strata, case.log.space, plan.run.seed), log
        )


def make_case(plan: StrataPlan, log: Log) -> Case:
    """The incentive of a plan, found in a log and checked."""
    if log.eligible is not None:
        raise PlanError(
            "[strata]",
            "be asked of units that every offer is open to",
            f"{np.count_nonzero(~log.eligible.all(axis=1)):,} rows with a closed one",
            "[log] eligible, or propensities of 0",
            "drop these rows, or ask without [strata]",
        )
    if log.roles.claimed is None:
        raise PlanError(
            "the log",
            "say who claimed the incentive",
            "no role 'claimed'",
            "[log]",
            'add claimed = "column"',
        )
    outcome = _outcome(plan, log)
    candidate = _candidate(plan, log)
    rows = np.flatnonzero((log.cells == 0) | (log.cells == candidate + 1))
    offered = (log.cells[rows] > 0).astype(np.int64)
    claimed = log.numbers(log.roles.claimed)[rows]
    unoffered = int(claimed[offered == 0].sum())
    if plan.claims == "offered":
        claimed = claimed * offered
    elif unoffered:
        raise PlanError(
            f"column {log.roles.claimed!r}",
            "be 0 in every row without an offer",
            f"1 in {unoffered:,} of them",
            f"row {int(rows[np.argmax((offered == 0) & (claimed == 1))])}",
            'write claims = "offered" in [strata] to count only claims of those who got an offer;'
            " strata then say who would claim when offered, and not who would claim because of it",
        )
    y = log.numbers(outcome.name)[rows]
    pair = _two_arms(plan, log, rows, outcome, claimed.astype(np.int64), y.astype(np.int64))
    return Case(plan, pair, rows, candidate, _sample(pair, outcome.name, claimed), unoffered)


def learn_strata(
    plan: Plan, case: Case, fold: Ints, propensity: Floats, progress: Progress = silent
) -> StrataStudy:
    """Strata and uplifts of every row from models that did not see it.   fold: (n,); propensity:
    (n, 2).  Where the log has periods, an estimator whose scores do not rest on propensities takes
    weights that make both arms' shares alike in all periods.
    """
    estimator = make_strata_estimator(case.plan, case.log.space, plan.run.seed)
    scores = np.empty((len(case.log), 5))
    count = int(fold.max()) + 1
    steps = range(1, min(count, 3))
    others = [np.full((len(case.log), 5), np.nan) for _ in steps]
    for f in range(count):
        progress("strata", f, count)
        inside, outside = np.flatnonzero(fold == f), np.flatnonzero(fold != f)
        part, sample = case.log.take(outside), case.sample
        model, tables = clone(estimator), _features(case, outside)
        weight = part.weight
        if part.periods is not None and not model.uses_propensity:
            weight = period_weights(part.periods, part.cells, len(part.cell_names), weight)
        with warnings.catch_warnings():
            # the findings carry the tests of all rows
            warnings.simplefilter("ignore", AssumptionWarning)
            model.fit(
                tables(outside),
                sample.y[outside],
                treatment=part.treatment,
                claimed=sample.claimed[outside],
                propensity=propensity[outside],
                sample_weight=weight,
                groups=part.groups,
            )
        scores[inside] = model.scores(tables(inside))
        for step, other in zip(steps, others, strict=True):
            after = np.flatnonzero(fold == (f + step) % count)
            after = swap_rows(after, case.log.order, count, case.log.groups)
            other[after] = model.scores(tables(after))
    progress("strata", count, count)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CurvatureWarning)
        rival = make_estimator(plan.estimator, case.log.space, plan.run.seed)
        fit = cross_fit(case.log, rival, fold, propensity)
    chance = np.ascontiguousarray(propensity[:, 1])
    swapped = tuple(
        SwappedStrata(part.rows, part.fold, project_simplex(other[part.rows]), part.effects)
        for part, other in zip(fit.swapped, others, strict=True)
    )
    return StrataStudy(case, fold, scores, project_simplex(scores), chance, fit.effects, swapped)


def _features(case: Case, outside: Ints) -> Callable[[Ints], pa.Table]:
    """What a model learns from and what it predicts, of some rows: the features as numbers; or, for
    a net of ids, each id column as codes.   outside: the rows that it learns from.

    A code only names an id: the net knows those it learnt from, and meets any other as unseen.
    """
    if case.plan.ids is None:
        features = FeatureMap().fit(case.log.features.take(pa.array(outside)))
        return lambda rows: features.table(case.log.features.take(pa.array(rows)))
    codes = pa.table({name: case.log.codes(name)[0].astype(np.float64) for name in case.plan.ids})
    return lambda rows: codes.take(pa.array(rows))


def _check_ids(plan: StrataPlan, estimator: Any, log: Log) -> None:
    """A net of ids needs their columns, and only it can use them."""
    if estimator.of_ids and not plan.ids:
        fix = (
            'ids = ["user", "item"], the columns that say who and what; or a tabular method: cf-dr,'
            " cf-mle"
        )
        raise PlanError(
            "key 'ids'",
            f"be given for method {plan.method!r}, which learns an embedding an id",
            "nothing",
            WHERE,
            fix,
        )
    if plan.ids and not estimator.of_ids:
        nets = "cf-mtl, cf-mtl-v1 or cf-mle-net"
        raise PlanError(
            "key 'ids'",
            f"be left out for method {plan.method!r}",
            list(plan.ids),
            WHERE,
            f"or use {nets}",
        )
    for name in plan.ids or ():
        known_name("id column", name, log.roles.features, WHERE)
        if log.table[name].null_count:
            row = int(np.argmax(log.table[name].is_null().to_numpy()))
            raise PlanError(
                f"id column {name!r}",
                "have no missing value",
                "none",
                f"row {row}",
                "drop the row, or name the unknown",
            )


def _outcome(plan: StrataPlan, log: Log) -> Outcome:
    """The outcome that the incentive is for: the one named, or the first that is binary."""
    candidates = [o for o in log.roles.outcomes if o.kind == "binary" and o.better == "higher"]
    if not candidates:
        fix = "strata need a purchase: bought or not"
        raise PlanError(
            "an outcome",
            "be binary, and better when higher",
            ", ".join(log.metrics),
            "[log.outcomes]",
            fix,
        )
    if plan.outcome is None:
        return candidates[0]
    known_name("outcome", plan.outcome, tuple(o.name for o in candidates), WHERE)
    return next(o for o in candidates if o.name == plan.outcome)


def _candidate(plan: StrataPlan, log: Log) -> int:
    """The offer's place among the candidates; of several it must be named."""
    names = log.cell_names[1:]
    if plan.candidate is None:
        if len(names) > 1:
            fix = "the rows of the other arms are then left out"
            raise PlanError(
                "key 'candidate'", f"be one of {', '.join(names)}", "nothing", WHERE, fix
            )
        return 0
    candidate = current_names(log.space).get(plan.candidate, plan.candidate)
    known_name("candidate", candidate, names, WHERE)
    if len(names) > 1 and not isinstance(log.space, Arms):
        raise PlanError(
            "the space",
            "be arms",
            log.space.describe(),
            "[space]",
            "strata compare one offer with none",
        )
    return names.index(candidate)


def _two_arms(
    plan: StrataPlan, log: Log, rows: Ints, outcome: Outcome, claimed: Ints, y: Ints
) -> Log:
    """The rows of the two arms, with the profit and the outcome as metrics."""
    roles = log.roles
    arm_roles = replace(
        roles, outcomes=(outcome,), claimed=None, cost=None, propensity=(), design=None
    )
    table = log.table.take(pa.array(rows))
    scheme = SCHEMES.get(plan.reward) if isinstance(plan.reward, str) else None
    if scheme is not None:
        gain, cost = plan.value or 0.0, plan.cost or 0.0
        profit = scheme.profit(y, claimed, margin=gain + cost, cost=cost)
        table = table.append_column(PROFIT, pa.array(profit))
        arm_roles = replace(arm_roles, outcomes=(Outcome(PROFIT), outcome))
    space = log.space
    if len(log.cell_names) > 2:
        labels = log.treatment[rows]
        cells = log.cells[rows]
        space = Arms([labels[np.argmax(cells == 0)], labels[np.argmax(cells > 0)]])
    return Log(table, arm_roles, space)


def _sample(log: Log, outcome: str, claimed: Floats) -> StrataSample:
    X, _ = matrix(FeatureMap().fit(log.features).table(log.features))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AssumptionWarning)
        try:
            return strata_sample(
                X,
                log.numbers(outcome),
                log.space,
                log.treatment,
                claimed,
                sample_weight=log.weight,
                groups=log.groups,
            )
        except InputError as error:
            raise PlanError(
                "the rows of [strata]", "let strata be learnt", str(error), "[log]"
            ) from error
