"""Which method ships: all are learnt on the train rows, and the validation rows choose.

No method sees a validation row before that: formulas are searched on the train rows, and nets stop
by a fifth of the train requests that is held out. The criterion is the weighted mean over
objectives of the AUC among a request's rows (GAUC), or, where the plan names no request, among all
rows. Without floors the best method at the plan's weights ships; a floor that it breaks lets every
swept choice of weights compete, and the formula, which keeps every floor against itself, is always
among those that are left. No test row is seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.folds import fold_ids
from equipoise.core.progress import Progress, silent
from equipoise.pipeline.plan.estimators import make_ranker
from equipoise.pipeline.plan.ranking import AUTO, FALLBACK, RankingPlan
from equipoise.pipeline.ranking.log import RankingLog
from equipoise.pipeline.ranking.parts import TRAIN, VALIDATION, only
from equipoise.ranking.criterion import objective_auc
from equipoise.ranking.rows import check_objective_weight, check_scores, ranking_rows

TILTS = (5.0, 25.0, 0.2)  # what one objective's weight is multiplied by, along a front
HELD = 5  # one train request, or user, in so many stops the nets
SLACK = 1e-12


@dataclass(frozen=True, eq=False)
class Candidate:
    """A fitted method under one choice of weights.

    Attributes
    ----------
    method : str
        The name of its ranker.
    weights : array, (M,)
        Of the objectives, of sum 1.
    ranker : Ranker
        Fitted on the train rows.
    auc : array, (M,)
        The criterion of each objective on the validation rows; NaN where there is none.
    """

    method: str
    weights: Floats
    ranker: Any = field(repr=False)
    auc: Floats


@dataclass(frozen=True)
class Selection:
    """What was learnt, and what ships.

    Attributes
    ----------
    weights : array, (M,)
        The plan's, of sum 1.
    methods : list of Candidate
        Every method at the plan's weights; the first ones of the plan first.
    front : list of Candidate
        The swept ones; empty where the plan sweeps none.
    shipped : Candidate
        The choice.
    reason : str
        Why, in a sentence.
    """

    weights: Floats
    methods: list[Candidate]
    front: list[Candidate]
    shipped: Candidate
    reason: str

    @cached_property
    def fallback(self) -> Candidate:
        """The formula at the plan's weights."""
        return next(one for one in self.methods if one.method == FALLBACK)


@dataclass(frozen=True)
class Learner:
    """Learns any method on the train rows, and measures it on the validation rows.

    Attributes
    ----------
    plan : RankingPlan
        The settings.
    train, held : RankingLog
        The rows of the two parts.
    seed : int
        Of every method.
    """

    plan: RankingPlan
    train: RankingLog
    held: RankingLog
    seed: int

    def learn(self, method: str, weights: Floats) -> Candidate:
        """One method under one choice of weights."""
        ranker = make_ranker(self.plan, method, self.seed)
        ranker.set_params(objective_weight=weights.tolist())
        if ranker.kind == "net":
            rows, decide = self._stopped
            within = self.plan.pairs == "request"
            stop = {"X": decide.X, "groups": decide.requests, **decide.given()}
            groups = rows.requests if within else None
            ranker.fit(rows.X, groups=groups, eval_set=stop, **rows.given())
        else:
            ranker.fit(self.train.X, groups=self.train.requests, **self.train.given())
        return Candidate(method, weights, ranker, self.measure(ranker))

    def measure(self, ranker: Any) -> Floats:
        """The criterion of each objective on the validation rows, (M,)."""
        score = ranker.predict(self.held.X, profile=self.held.profile)
        return objective_auc(score, self._rows)

    @cached_property
    def _stopped(self) -> tuple[RankingLog, RankingLog]:
        """The train rows that nets learn from, and those that stop them."""
        apart = fold_ids(len(self.train), HELD, self.seed, groups=self.train.groups) == 0
        return self.train.take(~apart), self.train.take(apart)

    @cached_property
    def _rows(self) -> Any:
        scores = check_scores(self.held.X, self.plan.score_kind)[0]
        nobody = np.empty((len(scores), 0))
        given = self.held.given()
        return ranking_rows(
            scores,
            nobody,
            given["y"],
            self.held.requests,
            given["label_mask"],
            given["sample_weight"],
        )


def select(
    plan: RankingPlan, log: RankingLog, part: Ints, seed: int, progress: Progress = silent
) -> Selection:
    """Learn every method, sweep the weights of the best, and choose.

    Parameters
    ----------
    plan : RankingPlan
        Which compete, their weights, and the floors.
    log : RankingLog
        All rows but those of base models, with base scores.
    part : array of int, (n,)
        The part of each row.
    seed : int
        Of every method.
    progress : callable, optional
        Called before each fit.

    Returns
    -------
    Selection
        With the choice.
    """
    learner = Learner(plan, log.take(only(part, TRAIN)), log.take(only(part, VALIDATION)), seed)
    names = tuple(log.objectives)
    weights = check_objective_weight(plan.weights, names)
    methods: list[Candidate] = []
    steps = len(plan.methods)
    for k, name in enumerate(plan.methods):
        progress(f"learn {name}", k, steps)
        methods.append(learner.learn(name, weights))
    pair = _pair(plan, methods, weights)
    settings = tilted(weights, plan.sweep)
    front: list[Candidate] = []
    for method in dict.fromkeys(pair) if plan.sweep > 1 else ():
        own = next(one for one in methods if one.method == method)
        front.append(own)
        for setting in settings[1:]:
            progress(f"trade-off of {method}", len(front), len(pair) * len(settings))
            front.append(learner.learn(method, setting))
    shipped, reason = choose(plan, methods, front, weights, names)
    return Selection(weights, methods, front, shipped, reason)


def tilted(weights: Floats, count: int) -> list[Floats]:
    """Choices of weights along a front, of sum 1: the plan's, then each objective's in turn made
    more.   weights: (M,).

    >>> [w.round(2).tolist() for w in tilted(np.array([0.5, 0.5]), 3)]
    [[0.5, 0.5], [0.83, 0.17], [0.17, 0.83]]
    """
    start = np.where(weights > 0, weights, weights[weights > 0].min())
    choices = [weights]
    for tilt in TILTS:
        for j in range(len(weights)):
            one = start.copy()
            one[j] *= tilt
            choices.append(one / one.sum())
    return choices[: max(count, 1)]


def mean_of(auc: Floats, weights: Floats) -> float:
    """The weighted mean of what is known; NaN where nothing is."""
    known = ~np.isnan(auc) & (weights > 0)
    return float(np.average(auc[known], weights=weights[known])) if known.any() else np.nan


def keeps_floors(plan: RankingPlan, auc: Floats, fallback: Floats, names: Sequence[str]) -> bool:
    """Whether objectives lose no more than their floors allow; one without a value keeps its."""
    lost = {floor.objective: floor.lose for floor in plan.floors}
    most = np.array([lost.get(name, np.inf) for name in names])
    broken: Bools = fallback - auc > most + SLACK
    return not bool(broken.any())


def _best(candidates: Sequence[Candidate], weights: Floats) -> Candidate:
    """The best on validation rows; of equal ones the first."""
    values = [mean_of(one.auc, weights) for one in candidates]
    return candidates[int(np.argmax(np.nan_to_num(values, nan=-np.inf)))]


def _pair(plan: RankingPlan, methods: Sequence[Candidate], weights: Floats) -> tuple[str, str]:
    """The methods whose fronts are drawn: the one that leads, and the formula, or, where that
    leads, the best other that has weights.
    """
    named = [one for one in methods if one.method == plan.method]
    weighted = [one for one in methods if one.ranker.kind != "single"]
    lead = named[0] if named and named[0] in weighted else _best(weighted, weights)
    if lead.method != FALLBACK:
        return lead.method, FALLBACK
    others = [one for one in weighted if one.method != FALLBACK]
    return FALLBACK, _best(others, weights).method if others else FALLBACK


def choose(
    plan: RankingPlan,
    methods: list[Candidate],
    front: list[Candidate],
    weights: Floats,
    names: Sequence[str],
) -> tuple[Candidate, str]:
    """What ships, and why."""
    fallback = next(one.auc for one in methods if one.method == FALLBACK)
    named = [one for one in methods if one.method == plan.method]
    best = named[0] if named else _best(methods, weights)
    if named and plan.method != AUTO:
        reason = f"{best.method} is the method that the plan names"
    else:
        reason = f"{best.method} ranks the validation rows best of {len(methods)} methods"
    if keeps_floors(plan, best.auc, fallback, names):
        return best, reason + (" and keeps every floor there." if plan.floors else ".")
    kept = [one for one in [*methods, *front] if keeps_floors(plan, one.auc, fallback, names)]
    choice = _best(kept, weights)
    return choice, (
        f"{best.method} breaks a floor on the validation rows; {choice.method}"
        f"{' with other weights' if choice not in methods else ''} is the best of"
        f" {len(kept)} that keep all."
    )
