"""The promise: a last pass that lets no rule out that exceeds a row on the units it was made on.

A rule is prices, lower prices for a share of the units drawn at random, and a threshold on the
score.  What it makes of the units, draws included, is measured exactly.  Where a row is exceeded:

    fewer draws    a share below the rule's own whose draws keep every row, if it loses little
    else           of all rules near it, the one of most value that keeps every row:
                   prices raised or lowered by growing steps, or of a dual with tighter rows;
                   two of them at random; one of them with a threshold, best scores first

Where treating nobody exceeds no row, the highest threshold is such a rule, so one is always there.
Else (a floor above 0) there may be none, though single choices exist: a rule by prices reaches only
choices on the convex hull.  It is then refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from equipoise.allocation.solver.dual import Scale
from equipoise.allocation.solver.kernels import price_all, walk_switches
from equipoise.allocation.solver.problem import Choice, Problem
from equipoise.allocation.solver.tighten import tightened_prices
from equipoise.core.arrays import Bools, Floats

FIRST = 1e-9  # scaled change of the prices in the first step
GROWTH, UP, DOWN = 4.0, 32, 14  # each step is so many times the last; steps up and down
PAIRS = 24  # of price vectors that are drawn between: those of most expected value
NEARLY = 1e-12  # of a row's potential usage: so near to its bound a running sum is measured again
ENOUGH = 0.95  # of the rule's value: fewer draws that leave less are compared with other rules
MEASURED = 50  # running sums that are measured again


@dataclass(frozen=True)
class Rule:
    """What a policy decides by.

    Attributes
    ----------
    prices : array (m,)
        Prices of the demands.
    low_prices : array (m,)
        Prices for the units that are drawn.
    share : float, default 0
        The units whose draw is below it get the lower prices.
    threshold : float, default 0
        A candidate must score more.
    """

    prices: Floats
    low_prices: Floats
    share: float = 0.0
    threshold: float = 0.0


@dataclass(frozen=True)
class RuleResult:
    """A rule and what it makes of the units: value, usage (m,), draws included."""

    rule: Rule
    value: float
    usage: Floats


@dataclass(frozen=True)
class _Trial:
    """A price vector: best candidate (n,) and its score (n,), choice (n,), value and usage (m,)."""

    prices: Floats
    arm: Choice
    best: Floats
    choice: Choice
    value: float
    usage: Floats


def measure_rule(problem: Problem, rule: Rule, draws: Floats) -> RuleResult:
    """What a rule makes of the units.

    Parameters
    ----------
    problem : Problem
        The units and their rows.
    rule : Rule
        What decides.
    draws : array (n,)
        A number in [0, 1) for each unit.

    Returns
    -------
    RuleResult
        The rule with its value and usage.
    """
    choice = _choices(problem, rule.prices, rule.threshold)
    if rule.share > 0:
        low = _choices(problem, rule.low_prices, rule.threshold)
        choice = np.where(draws < rule.share, low, choice)
    return RuleResult(rule, *problem.measure(choice))


def keep_promise(problem: Problem, rule: Rule, start: Floats, draws: Floats) -> RuleResult | None:
    """The rule if it exceeds no row, else the one of most value near it that does not.

    Parameters
    ----------
    problem : Problem
        The units and their rows.
    rule : Rule
        The rule to start from.
    start : array (m,)
        The prices of the dual.
    draws : array (n,)
        A number in [0, 1) for each unit.

    Returns
    -------
    RuleResult or None
        None where no rule was found that keeps every row.
    """
    result = measure_rule(problem, rule, draws)
    if _holds(problem, result.usage):
        return result
    fewer = _fewer_draws(problem, rule, draws) if rule.share > 0 else None
    if fewer is not None and fewer.value >= ENOUGH * result.value:
        return fewer
    trials = [_trial(problem, prices) for prices in _nearby(problem, rule, start)]
    rules = [
        *([] if fewer is None else [fewer]),
        *(RuleResult(Rule(t.prices, t.prices), t.value, t.usage) for t in trials),
        *_by_threshold(problem, trials),
        *_by_draws(problem, trials, draws),
    ]
    return max(
        (result for result in rules if _holds(problem, result.usage)),
        key=lambda result: result.value,
        default=None,
    )


def in_expectation(problem: Problem, rule: Rule, start: Floats, draws: Floats) -> RuleResult:
    """No last pass: the rule as it is, whose random part keeps rows in expectation only.  For
    prices that only explain a choice, and are not let out.
    """
    return measure_rule(problem, rule, draws)


def _holds(problem: Problem, usage: Floats) -> bool:
    return bool((usage <= problem.rows.bounds).all())


def _choices(problem: Problem, prices: Floats, threshold: float) -> Choice:
    """The choice of every unit, (n,)."""
    trial = _best_scores(problem, prices)
    return np.where(trial[1] > threshold, trial[0], -1).astype(np.int16)


def _best_scores(problem: Problem, prices: Floats) -> tuple[Choice, Floats]:
    """The best candidate of every unit, (n,), and its score, (n,)."""
    score = np.empty_like(problem.value)
    price_all(*problem.arrays(), problem.rows.table(prices), problem.rows.codes, score)
    arm = score.argmax(axis=1)
    return arm.astype(np.int16), score[np.arange(len(score)), arm]


def _trial(problem: Problem, prices: Floats) -> _Trial:
    """A price vector and what it makes of the units."""
    arm, best = _best_scores(problem, prices)
    choice = np.where(best > 0, arm, -1).astype(np.int16)
    return _Trial(prices, arm, best, choice, *problem.measure(choice))


def _nearby(problem: Problem, rule: Rule, start: Floats) -> Iterator[Floats]:
    """Price vectors near a rule's: raised where rows are exceeded, lowered, or of tighter rows."""
    yield from (start, rule.prices, rule.low_prices)
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


def _fewer_draws(problem: Problem, rule: Rule, draws: Floats) -> RuleResult | None:
    """The rule with a share up to its own whose draws keep every row and are worth most."""
    base = _choices(problem, rule.prices, rule.threshold)
    low = _choices(problem, rule.low_prices, rule.threshold)
    prefix = _best_prefix(problem, base, low, draws, rule.share)
    if prefix is None:
        return None
    share, value, usage = prefix
    return RuleResult(replace(rule, share=share), value, usage)


def _by_threshold(problem: Problem, trials: list[_Trial]) -> Iterator[RuleResult]:
    """Each price vector with a threshold: the units of the best scores, as many as keep rows."""
    nobody = np.full(len(problem), -1, np.int16)
    for trial in trials:
        most = float(np.nextafter(-trial.best.min(), np.inf))
        prefix = _best_prefix(problem, nobody, trial.arm, -trial.best, most)
        if prefix is not None:
            edge, value, usage = prefix
            yield RuleResult(Rule(trial.prices, trial.prices, threshold=0.0 - edge), value, usage)


def _by_draws(problem: Problem, trials: list[_Trial], draws: Floats) -> Iterator[RuleResult]:
    """Pairs of price vectors that keep every row in expectation, at the share that does in fact."""
    usage = np.array([trial.usage for trial in trials])  # (t, m)
    value = np.array([trial.value for trial in trials])
    low, high = np.zeros((len(trials),) * 2), np.ones((len(trials),) * 2)
    for use, bound in zip(usage.T, problem.rows.bounds.tolist(), strict=True):
        more, room = use[None] - use[:, None], bound - use[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            edge = room / more
        high = np.where(more > 0, np.minimum(high, edge), high)
        low = np.where(more < 0, np.maximum(low, edge), low)
        high = np.where((more == 0) & (room < 0), -1.0, high)
    gain = value[None] - value[:, None]
    worth = np.where(low <= high, value[:, None] + np.maximum(gain * low, gain * high), -np.inf)
    flat = np.argsort(-worth, axis=None, kind="stable")[:PAIRS]
    for a, b in zip(*np.unravel_index(flat, worth.shape), strict=True):
        if worth[a, b] == -np.inf or a == b:
            continue
        one, two = trials[a], trials[b]
        prefix = _best_prefix(problem, one.choice, two.choice, draws, float(high[a, b]))
        if prefix is None:
            prefix = _best_prefix(problem, one.choice, two.choice, draws, 1.0)
        if prefix is not None:
            share, total, use = prefix
            yield RuleResult(Rule(one.prices, two.prices, share), total, use)


def _best_prefix(
    problem: Problem, base: Choice, other: Choice, key: Floats, most: float
) -> tuple[float, float, Floats] | None:
    """The edge <= ``most`` of most value so that, with ``other`` where key < edge and ``base``
    elsewhere, every row is kept; with the value and the usage (m,).  All but most: (n,).
    """
    order = np.flatnonzero((base != other) & (key < most))
    order = order[np.argsort(key[order], kind="stable")]
    rows, limit = problem.rows, problem.rows.bounds + NEARLY * problem.potential()
    worth, kept = np.empty(len(order) + 1), np.empty(len(order) + 1, np.bool_)
    worth[0], usage = problem.measure(base)
    of_rows = (rows.codes, *rows.counted())
    walk_switches(*problem.arrays(), *of_rows, base, order, other[order], usage, limit, worth, kept)
    edges = np.append(key[order], most)
    counts = np.flatnonzero(kept & _ends(edges))
    for count in counts[np.argsort(-worth[counts], kind="stable")][:MEASURED].tolist():
        choice = base.copy()
        choice[order[:count]] = other[order[:count]]
        value, usage = problem.measure(choice)
        if _holds(problem, usage):
            return float(edges[count]), value, usage
    return None


def _ends(edges: Floats) -> Bools:
    """Where a prefix may end: not between equal keys.   edges: (s + 1,), in order."""
    ends: Bools = np.concatenate([[True], edges[1:] != edges[:-1]])
    return ends
