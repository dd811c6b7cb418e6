"""The propensity that judgements stand on: known by the log, or the observed shares, or learnt
where the plan asks, or where the log states no design and its arms follow the features.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np

from equipoise.core.arrays import Floats, Ints
from equipoise.core.effects import Effects
from equipoise.core.errors import LogError
from equipoise.core.features import FeatureMap, matrix
from equipoise.core.log import Log
from equipoise.core.user_line import user_level
from equipoise.estimators import LearntPropensity
from equipoise.learners.stacked_levels import Stack, learn_stack, stacked_levels
from equipoise.learners.two_sample import two_sample_test
from equipoise.pipeline.plan.schema import Plan
from equipoise.pipeline.study.design_checks import (
    DESIGN,
    DesignWarning,
    arms_check,
    design_check,
    follows,
    is_stated,
    with_arms,
)
from equipoise.pipeline.study.overlap import MOST_CLIPPED, learnt_check
from equipoise.report.findings import Check

LEAST_REST = 1e-12  # what a row that was sure of its cell leaves to the others
LEARN = "learn"  # the design of a plan that asks for a learnt propensity


@dataclass(frozen=True)
class Learnt:
    """A learnt propensity.

    Attributes
    ----------
    propensity : (n, K), of each row by models that did not see its fold.
    fold : (n,).   squares : (n, P) of the features, or None.   check : how it went.   model : of
    the folds, for rows that none has seen.
    """

    propensity: Floats
    fold: Ints
    squares: Floats | None
    check: Check
    model: LearntPropensity

    def judged(self, log: Log, effects: Effects) -> Effects:
        """The effects with the levels that doubly robust scores are made of: stacked with squares
        and products of the features where these predict better, since the scores are biased by the
        product of the errors of levels and propensities.
        """
        if self.squares is None:
            return effects
        y = np.stack([log.numbers(name) for name in effects.metrics], axis=1)
        levels = stacked_levels(effects.levels(), y, log.cells, self.fold, self.squares, log.weight)
        values = levels[:, 1:] - levels[:, :1]
        return Effects(values, levels[:, 0], effects.candidates, effects.metrics)

    def stack(self, log: Log, effects: Effects) -> Stack | None:
        """How `judged` stacks levels, for rows that none has seen."""
        if self.squares is None:
            return None
        y = np.stack([log.numbers(name) for name in effects.metrics], axis=1)
        return learn_stack(effects.levels(), y, log.cells, self.fold, self.squares, log.weight)


@dataclass(frozen=True)
class Design:
    """How treatment was given.

    Attributes
    ----------
    propensity : (n, K), what judgements stand on.
    model : what estimators are fitted with where the log does not know it: None for the observed
        shares, or a model that learns.
    checks : what is to be said about it.
    arms : what stands beside the balance of features.
    learnt : the propensity as it was learnt, or None.
    """

    propensity: Floats
    model: LearntPropensity | None
    checks: list[Check]
    arms: list[Check]
    learnt: Learnt | None = None

    def told_of(self, population: Check | None) -> Design:
        """The same with what is to be said about the rows, if anything."""
        return self if population is None else replace(self, checks=[population, *self.checks])

    def judged(self, log: Log, effects: Effects) -> Effects:
        """The effects with the levels that judgements stand on."""
        return effects if self.learnt is None else self.learnt.judged(log, effects)


def design_of(plan: Plan, log: Log, fold: Ints, learns: bool = False) -> Design:
    """The design of a plan's log: known, or the observed shares, or learnt where the plan says
    ``design = "learn"``, or where no design is stated and the arms follow the features.

    learns: learn it whatever the arms of these rows do, since those of more rows did.
    """
    check_logged(log)
    found, arms = stated_design(plan, log, plan.log.undesigned)
    if not (found or learns):
        return Design(propensity_of(log), None, between(log), arms)
    said = plan.log
    learnt = learnt_propensity(log, fold, plan.run.seed, said.most_clipped, said.overlap)
    model = LearntPropensity(random_state=plan.run.seed)
    return Design(learnt.propensity, model, [learnt.check, *between(log)], arms, learnt)


def stated_design(plan: Plan, log: Log, undesigned: str) -> tuple[bool, list[Check]]:
    """Whether the propensity is learnt, and the checks of how the design is known and kept to."""
    asked, test = plan.log.design == LEARN, two_sample_test(log, plan.run.seed)
    asked = asked or log.roles.action_propensity is not None  # the other arms' are not logged
    learns = asked or follows(log, test, undesigned)
    said = design_check(log, test, plan.log.undesigned, asked)
    return learns, [arms_check(log, test, learns), *said]


def design_in_python(log: Log, undesigned: str, seed: int) -> tuple[LearntPropensity | None, str]:
    """The model of the propensity where the log states no design and its arms follow the features,
    with a warning; else None.  And how a design that is not stated is taken.
    """
    if is_stated(log):
        return None, ""
    test = two_sample_test(log, seed)
    learns = follows(log, test, undesigned)
    said = design_check(log, test, undesigned)[0]["summary"]
    if test.rejects:
        fix = 'Name the propensity, or say the design; undesigned="shares" takes the shares.'
        warnings.warn(f"{said} {fix}", DesignWarning, stacklevel=user_level())
    return (LearntPropensity(random_state=seed) if learns else None), said


def with_own(propensity: Floats, cell: Ints, own: Floats) -> Floats:
    """Probabilities (n, K) with that of each row's own cell as logged, (n,), or all but 1, the
    others in proportion.

    >>> with_own(np.array([[0.5, 0.25, 0.25]]), np.array([1]), np.array([0.4])).tolist()
    [[0.4, 0.4, 0.2]]
    >>> bool(with_own(np.array([[0.5, 0.5]]), np.array([0]), np.array([1.0])).max() < 1)
    True
    """
    rows = np.arange(len(cell))
    rest = np.maximum(1 - own, LEAST_REST) / (1 - propensity[rows, cell])
    out: Floats = propensity * rest[:, None]
    out[rows, cell] = np.minimum(own, 1 - LEAST_REST)
    return out


def fit_design(plan: Plan, log: Log) -> tuple[LearntPropensity | None, str]:
    """What an estimator of a whole log is fitted with where the log does not know it, and how a
    design that nobody stated is taken.
    """
    learns, checks = stated_design(plan, log, plan.log.undesigned)
    said = [check["summary"] for check in checks if check["name"] == DESIGN]
    return (LearntPropensity(random_state=plan.run.seed) if learns else None), "".join(said)


def check_design(plan: Plan, log: Log) -> list[Check]:
    """The checks of a plan's log, before anything is learnt and without a stop."""
    stops = plan.log.undesigned == "stop"
    return with_arms(log, stated_design(plan, log, "learn" if stops else plan.log.undesigned)[1])


def propensity_of(log: Log) -> Floats:
    """The probability of each cell in each row, (n, K): what the log knows, else the observed
    shares.
    """
    return log.observed_shares if log.propensity is None else log.propensity


def features_of(log: Log) -> Floats:
    """What a propensity is learnt from: the features as numbers, and the period, (n, d)."""
    X, _ = matrix(FeatureMap().fit(log.features).table(log.features))
    return X if log.periods is None else np.column_stack([X, log.periods.astype(np.float64)])


def check_logged(log: Log) -> None:
    """Refuse candidates that no row has: vectors need not be logged to have an effect, but what a
    policy brings is judged on rows.
    """
    rows = np.bincount(log.cells, minlength=len(log.cell_names))
    if rows.all():
        return
    name = log.cell_names[int(np.argmin(rows))]
    what = f"control {name!r}" if rows[0] == 0 else f"candidate {name!r}"
    fix = "log it, or take it out of the space: a policy is judged on rows that had its treatments"
    raise LogError(what, "be in the log", "no row", fix=fix)


def between(log: Log) -> list[Check]:
    """A note where treatments lie between the candidates of a continuum: each row is judged as its
    nearest candidate.
    """
    space = log.space
    every = np.concatenate([np.asarray([space.control]), space.candidates()])
    off = np.abs(space.encode(log.treatment) - space.encode(every)[log.cells]).max(axis=1) > 0
    if not off.any():
        return []
    summary = (
        f"{off.mean():.0%} of the rows got a treatment between the candidates; each is judged as"
        " the nearest one."
    )
    return [{"name": "nearest candidate", "status": "note", "summary": summary, "rows": []}]


def learnt_propensity(
    log: Log, fold: Ints, seed: int, most_clipped: float = MOST_CLIPPED, overlap: str = "all"
) -> Learnt:
    """The probability of each cell, learnt from the features on the other folds.

    most_clipped, overlap: as a plan has them.
    """
    X, model = features_of(log), LearntPropensity(random_state=seed)
    propensity: Floats = model.cross_fit(
        X, log.cells, len(log.cell_names), fold=fold, weight=log.weight, eligible=log.eligible
    )
    check = learnt_check(log, model, propensity, most_clipped, overlap)
    if log.roles.action_propensity is not None and log.own_propensity is not None:
        propensity = with_own(propensity, log.cells, log.own_propensity)
    return Learnt(
        propensity,
        fold,
        model.squares(X, log.eligible),
        check,
        model,
    )
