"""The promise: a last pass that lets no rule out that exceeds a row on the units it was made on.

A rule is prices and a threshold on the score.  What it makes of the units is measured exactly.
Where a row is exceeded, of all rules near it the one of most value that keeps every row is taken:
prices raised or lowered by growing steps, or of a dual with tighter rows; each of them with a
threshold, best scores first.

Where treating nobody exceeds no row, the highest threshold is such a rule, so one is always there.
Else (a floor above 0) there may be none, though single choices exist: a rule by prices reaches only
choices on the convex hull.  It is then refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from equipoise.allocation.solver.minimum import Scale
from equipoise.allocation.solver.prefix import best_prefix, holds
from equipoise.allocation.solver.problem import Choice, Problem
from equipoise.allocation.solver.tighten import tightened_prices
from equipoise.core.arrays import Floats

FIRST = 1e-9  # scaled change of the prices in the first step
GROWTH, UP, DOWN = 4.0, 32, 14  # each step is so many times the last; steps up and down


@dataclass(frozen=True)
class Rule:
    """What a policy decides by.

    Attributes
    ----------
    prices : array (m,)
        Prices of the demands.
    threshold : float, default 0
        A candidate must score more.
    tie_penalty : float, default 0
        What a unit's draw takes at most from its scores; the problem's values are less it already.
    """

    prices: Floats
    threshold: float = 0.0
    tie_penalty: float = 0.0


@dataclass(frozen=True)
class RuleResult:
    """A rule and what it makes of the units: value and usage (m,)."""

    rule: Rule
    value: float
    usage: Floats


@dataclass(frozen=True)
class _Trial:
    """A price vector: best candidate (n,) and its score (n,), value and usage (m,)."""

    prices: Floats
    arm: Choice
    best: Floats
    value: float
    usage: Floats


def measure_rule(problem: Problem, rule: Rule) -> RuleResult:
    """What a rule makes of the units.

    Parameters
    ----------
    problem : Problem
        The units and their rows.
    rule : Rule
        What decides.

    Returns
    -------
    RuleResult
        The rule with its value and usage.
    """
    return RuleResult(rule, *problem.measure(rule_choice(problem, rule)))


def rule_choice(problem: Problem, rule: Rule) -> Choice:
    """The choice of every unit, (n,).

    Parameters
    ----------
    problem : Problem
        The units and their rows.
    rule : Rule
        What decides.

    Returns
    -------
    array of int (n,)
        -1 control, else the place of a candidate.
    """
    return choice_by(problem, problem.scores(rule.prices), rule.threshold)


def choice_by(problem: Problem, score: Floats, threshold: float) -> Choice:
    """The best candidate of each unit if it scores more than the threshold, else -1, (n,).
    score: (n, k).
    """
    arm, best = problem.best(score)
    return np.where(best > threshold, arm, -1).astype(np.int16)


def keep_promise(problem: Problem, rule: Rule, start: Floats) -> RuleResult | None:
    """The rule if it exceeds no row, else the one of most value near it that does not.

    Parameters
    ----------
    problem : Problem
        The units and their rows.
    rule : Rule
        The rule to start from.
    start : array (m,)
        The prices of the dual.

    Returns
    -------
    RuleResult or None
        None where no rule was found that keeps every row.
    """
    result = measure_rule(problem, rule)
    if holds(problem, result.usage):
        return result
    rules: list[RuleResult] = []
    for prices in _nearby(problem, rule, start):
        trial = _trial(problem, prices)
        own = Rule(prices, 0.0, rule.tie_penalty)
        rules.append(RuleResult(own, trial.value, trial.usage))
        rules += _by_threshold(problem, trial, own)
    return max(
        (result for result in rules if holds(problem, result.usage)),
        key=lambda result: result.value,
        default=None,
    )


def _trial(problem: Problem, prices: Floats) -> _Trial:
    """A price vector and what it makes of the units."""
    score = problem.scores(prices)
    arm, best = problem.best(score)
    choice = np.where(best > 0.0, arm, -1).astype(np.int16)
    return _Trial(prices, arm, best, *problem.measure(choice))


def _nearby(problem: Problem, rule: Rule, start: Floats) -> Iterator[Floats]:
    """Price vectors near a rule's: raised where rows are exceeded, lowered, or of tighter rows."""
    yield from (start, rule.prices)
    worth, _, _ = problem.evaluate(np.zeros(len(start)))
    first = Scale(max(worth, 1e-300), problem.potential()).prices(np.full(len(start), FIRST))
    prices, step = start, np.zeros(len(start))
    for _ in range(UP):
        _, usage = problem.measure(problem.choose(prices).choice)
        over = usage > problem.rows.bounds
        if not over.any():
            break
        step = np.where(over, np.maximum(GROWTH * step, first), step)
        prices = prices + np.where(over, step, 0.0)
        yield prices
    for i in range(DOWN):
        yield np.maximum(start - GROWTH**i * first, 0.0)
    yield from tightened_prices(problem, start)


def _by_threshold(problem: Problem, trial: _Trial, rule: Rule) -> Iterator[RuleResult]:
    """A price vector with a threshold: the units of the best scores, as many as keep rows."""
    nobody = np.full(len(problem), -1, np.int16)
    most = float(np.nextafter(-trial.best.min(), np.inf))
    prefix = best_prefix(problem, nobody, trial.arm, -trial.best, most)
    if prefix is not None:
        edge, value, usage = prefix
        yield RuleResult(replace(rule, threshold=0.0 - edge), value, usage)
