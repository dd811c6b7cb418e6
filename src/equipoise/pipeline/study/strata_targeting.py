"""Who gets an offer: the best by predicted reward, within a budget of offers and, where a plan
asks, caps on strata.

    max sum pi_i r_i    sum pi_i <= share n    sum pi_i (a_i - cap) <= 0    sum pi_i h_i <= rate n

a: the probability of an always-buyer.  A rule that picks by prediction picks the underrated, so a
is what the signals of other folds show at such a prediction: E[psi | p, r], linear in the predicted
probability p and the predicted reward r. h: the largest probability of harm that A4 and A5 leave
(Kallus, 2022, arXiv:2205.10327). Each fold is solved alone: one threshold over all folds would
compare models that were learnt from each other's rows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from equipoise.allocation import budgeted_policy, ceiling, offer_effects, offers
from equipoise.allocation.constraints import Constraint
from equipoise.core.arrays import Floats, Ints
from equipoise.core.effective_size import effective_units, student
from equipoise.core.estimates import Estimate
from equipoise.core.strata import ALWAYS_BUYER, cells_of, offer_chance, offer_threshold
from equipoise.evaluation import mean_estimates
from equipoise.evaluation.bounds import strata_bounds
from equipoise.evaluation.strata import OfferValue, offer_value
from equipoise.pipeline.plan.schema import StrataPlan
from equipoise.pipeline.study.strata import StrataStudy
from equipoise.pipeline.study.swaps import Swaps, widened
from equipoise.report.findings import CapUse

TINY = 1e-300  # so that no offers are no always-buyers
ALWAYS, HARM = "always_buyers", "harm"
NEARLY = 0.99  # of a cap: from here on it binds, since whole units leave a remainder


def within_folds(score: Floats, share: float, fold: Ints) -> Floats:
    """The best offers to at most a share of each fold, as probabilities (n,).   score: (n,), the
    expected reward.
    """
    chance = np.empty(len(score))
    for f in range(int(fold.max()) + 1):
        part = score[fold == f]
        chance[fold == f] = offer_chance(part, *offer_threshold(part, share))
    return chance


def best_offers(study: StrataStudy, share: float) -> Floats:
    """The best offers by strata to at most a share of each fold, within the plan's caps, as
    probabilities (n,).
    """
    plan, score = study.case.plan, study.strata @ study.case.reward
    if not capped(plan):
        return within_folds(score, share, study.fold)
    chance = np.zeros(len(score))
    for f in range(int(study.fold.max()) + 1):
        order = study.case.log.order
        rows = order[study.fold[order] == f]
        counted = _counted(study, rows)
        demands: list[Constraint] = [offers(share, per_head=True), *_demands(plan)]
        allocation = budgeted_policy(
            offer_effects(score[rows], counted), weights={"reward": 1.0}, constraints=demands
        )[1]
        chance[rows] = allocation.choice == 0
    return chance


@dataclass(frozen=True)
class Moves:
    """What a rule gains otherwise where one fold of the training rows is swapped for another.

    Attributes
    ----------
    rows : (r,).   gains : the change of each row's part of the worth, (r,), for one or two swaps.
    """

    rows: Ints
    gains: tuple[Floats, ...]


def moves_by_score(study: StrataStudy, scores: list[Floats], share: float) -> Moves | None:
    """Those of a rule by a score within folds.   scores: of all rows (n,), and of those of each
    `SwappedStrata`; None where there are none.
    """
    if not study.swapped:
        return None
    own, rows = scores[0], study.swapped[0].rows
    rules = [offer_threshold(own[study.fold == f], share) for f in range(study.fold.max() + 1)]
    chances = [within_folds(own, share, study.fold)[rows]]
    for part, score in zip(study.swapped, scores[1:], strict=True):
        chance = np.empty(len(score))
        for f, rule in enumerate(rules):
            chance[part.fold == f] = offer_chance(score[part.fold == f], *rule)
        chances.append(chance)
    return _moves(study, rows, chances)


def moves_of_plan(study: StrataStudy, swaps: Swaps | None) -> Moves | None:
    """Those of the plan's own policy, whose swaps are among the rows of the whole log."""
    if swaps is None or swaps.rows is None:
        return None
    inside = np.flatnonzero(np.isin(swaps.rows, study.case.rows))
    rows = np.searchsorted(study.case.rows, swaps.rows[inside])
    offered = [(choice[inside] == study.case.candidate) * 1.0 for choice in swaps.choices]
    return _moves(study, rows, offered)


def _moves(study: StrataStudy, rows: Ints, chances: list[Floats]) -> Moves:
    worth = study.signals[rows] @ study.case.reward
    return Moves(rows, tuple((a - b) * worth for a, b in pairwise(chances)))


def judged(study: StrataStudy, chance: Floats, moves: Moves | None, level: float) -> OfferValue:
    """The worth of offers, with the covariance of the folds whose rules make them."""
    log, reward = study.case.log, study.case.reward
    value = offer_value(
        chance, study.signals, reward, weight=log.weight, groups=log.groups, level=level
    )
    estimate = widen(study, value.estimate, moves, level)
    reach = float(student(level, estimate.df)) * estimate.std_error
    return replace(value, estimate=estimate, lower=estimate.value - reach)


def widen(study: StrataStudy, one: Estimate, moves: Moves | None, level: float) -> Estimate:
    """An estimate with the covariance of folds."""
    log = study.case.log
    if moves is None or len(moves.rows) < 2:
        return one
    units = effective_units(
        np.ones(len(moves.rows)) if log.weight is None else log.weight[moves.rows],
        groups=None if log.groups is None else log.groups[moves.rows],
    )
    return widened(one, moves.gains, units, int(study.fold.max()) + 1, len(study.fold), level)


def capped(plan: StrataPlan) -> bool:
    """Whether the plan has a cap on strata."""
    return plan.always_buyers is not None or plan.harm is not None


def cap_uses(study: StrataStudy, chance: Floats, level: float) -> list[CapUse]:
    """How far the offers, (n,) probabilities, use the plan's caps: as the models say, and as the
    held-out rows show.
    """
    plan, log, uses = study.case.plan, study.case.log, list[CapUse]()
    offered = float(np.average(chance, weights=log.weight))
    if plan.always_buyers is not None:
        level_of = np.empty(len(chance))
        for f in range(int(study.fold.max()) + 1):
            rows = np.flatnonzero(study.fold == f)
            level_of[rows] = _levelled(study, rows)
        predicted = float(np.average(chance * level_of, weights=log.weight)) / max(offered, TINY)
        signal = chance * study.signals[:, ALWAYS_BUYER] / max(offered, TINY)
        interval = mean_estimates(
            signal[:, None], weight=log.weight, groups=log.groups, level=level
        )[0].interval
        uses.append(_use(ALWAYS, plan.always_buyers, predicted, interval))
    if plan.harm is not None:
        uses.append(
            _use(
                HARM,
                plan.harm,
                float(np.average(chance * _largest_harm(study), weights=log.weight)),
                [],
            )
        )
    return uses


def _use(name: str, bound: float, predicted: float, interval: list[float]) -> CapUse:
    return {
        "cap": name,
        "bound": bound,
        "used": predicted,
        "seen": interval,
        "binding": predicted >= NEARLY * bound,
    }


def _counted(study: StrataStudy, rows: Ints) -> dict[str, Floats]:
    """What an offer to each of a fold's rows counts towards each cap, (rows,)."""
    plan, counts = study.case.plan, dict[str, Floats]()
    if plan.always_buyers is not None:
        counts[ALWAYS] = _levelled(study, rows) - plan.always_buyers
    if plan.harm is not None:
        counts[HARM] = _largest_harm(study)[rows]
    return counts


def _levelled(study: StrataStudy, rows: Ints) -> Floats:
    """The probability of an always-buyer in a fold's rows, as the signals of the other folds show
    it, (rows,) in 0..1.
    """
    basis = np.column_stack(
        [
            np.ones(len(study.fold)),
            study.strata[:, ALWAYS_BUYER],
            study.strata @ study.case.reward,
        ]
    )
    others = study.fold != study.fold[rows[0]]
    root = (
        np.sqrt(study.case.log.weight[others])[:, None]
        if study.case.log.weight is not None
        else 1.0
    )
    signal = study.signals[others, ALWAYS_BUYER, None]
    slope = np.linalg.lstsq(basis[others] * root, signal * root)[0][:, 0]
    level: Floats = np.clip(basis[rows] @ slope, 0.0, 1.0)
    return level


def _demands(plan: StrataPlan) -> list[Constraint]:
    bounds = {ALWAYS: None if plan.always_buyers is None else 0.0, HARM: plan.harm}
    return [
        ceiling(name, bound, per_head=True) for name, bound in bounds.items() if bound is not None
    ]


def _largest_harm(study: StrataStudy) -> Floats:
    """The largest probability, (n,), that a claim makes a unit stop buying."""
    return strata_bounds(*cells_of(study.strata), assume=("A5",)).of("harm")[1]
