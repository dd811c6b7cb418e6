"""Line search: prices moved along one row after another, as long as the rule gains value.

At the prices of the dual some units are split; prices that keep every row leave them out, which
among few units shows.  Along a line each unit changes its choice at a point that follows from its
scores, so one walk over those points in order finds the best place on the line.  Prices fall along
single rows, and along pairs of which one falls while the other rises.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from equipoise.allocation.solver.prefix import MEASURED, best_prefix, holds
from equipoise.allocation.solver.problem import Choice, Problem
from equipoise.allocation.solver.promise import RuleResult, choice_by, measure_rule
from equipoise.core.arrays import Floats

SWEEPS = 4  # over all lines, while any gains
WORK = 5e7  # numbers that are looked at: large populations have little to gain


def gain_along_lines(problem: Problem, result: RuleResult) -> RuleResult:
    """The rule, or one with prices near it that keeps every row and is worth more.

    Parameters
    ----------
    problem : Problem
        The units and their rows.
    result : RuleResult
        A rule that keeps every row.

    Returns
    -------
    RuleResult
        Never of less value.
    """
    n, rows = len(problem.value), problem.rows
    along = problem.value.size * (2 + len(problem.columns)) + n * len(rows)
    lines = WORK / (along + MEASURED * rows.coefficient.size)
    for _ in range(SWEEPS):
        before = result.value
        score = problem.scores(result.rule.prices)
        for line in _lines(problem, result.rule.prices):
            lines -= 1
            if lines < 0:
                return result
            better = _along(problem, result, score, line)
            if better is not result:
                result, score = better, problem.scores(better.rule.prices)
        if result.value <= before:
            break
    return result


def _lines(problem: Problem, prices: Floats) -> Iterator[Floats]:
    """Directions in which the prices fall, (m,): each row's, then pairs of rows that count the same
    units; of others each is a matter of its own.
    """
    unit = np.diag(1 / problem.potential())
    rows = np.flatnonzero(prices > 0)
    yield from -unit[rows]
    support = problem.rows.support.astype(np.float32)
    together = support @ support.T > 0
    for falling in rows:
        partners = np.flatnonzero(together[falling])
        yield from (unit[rising] - unit[falling] for rising in partners if rising != falling)


def _along(problem: Problem, result: RuleResult, score: Floats, line: Floats) -> RuleResult:
    """The best rule on a line, or the one from which it starts.   score: (n, k), by that one."""
    rule = result.rule
    choice = choice_by(problem, score, rule.threshold)
    when, other = _first_changes(score, problem.slopes(line), choice, rule.threshold)
    falls = line < 0
    most = float((rule.prices[falls] / -line[falls]).min())
    prefix = best_prefix(problem, choice, other, when, most)
    if prefix is None or prefix[1] <= result.value:
        return result
    earlier = when[when < prefix[0]]
    middle = (prefix[0] + (earlier.max() if len(earlier) else 0.0)) / 2
    prices = np.maximum(rule.prices + middle * line, 0.0)
    new = measure_rule(problem, replace(rule, prices=prices))
    return new if new.value > result.value and holds(problem, new.usage) else result


def _first_changes(
    score: Floats, slope: Floats, choice: Choice, threshold: float
) -> tuple[Floats, Choice]:
    """Where on the line each unit first changes its choice, (n,), inf where never, and to what."""
    n, k = score.shape
    level = np.column_stack([score, np.full(n, threshold)])  # control is last
    speed = np.column_stack([slope, np.zeros(n)])
    own = np.where(choice < 0, k, choice)
    units = np.arange(n)
    lead, faster = level[units, own][:, None] - level, speed - speed[units, own][:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        when = np.where(faster > 0, lead / faster, np.inf)
    first = when.argmin(axis=1)
    return when[units, first], np.where(first == k, -1, first).astype(np.int16)
