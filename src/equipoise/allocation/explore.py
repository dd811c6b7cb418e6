"""Explore: what another budget, other weights, floors or caps would do, in the time of a key press.

    prices   argmin g on a nested sample, and from there on all units     (no repair, no polish)
    choice   by the rule at these prices, so a row may be missed by the few units that are split
    gap      sum_r price_r |bound_r - usage_r| / |g|: how far the choice's worth is from g at most,
             which no choice within the demands exceeds
    values   means of doubly robust scores under the choice, with standard errors over clusters

Everything that does not depend on what is asked is made once: the rows, the costs, the labels.
An answer depends on the question alone, never on what was asked before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equipoise.allocation.constraints import Constraint, Groups
from equipoise.allocation.explore_kernels import add_usage, count_choices, mean_scores
from equipoise.allocation.rule import (
    add_keep,
    check_effects,
    check_eligible,
    net_value,
    unit_weights,
)
from equipoise.allocation.solve import IDLE, closed_worth, compile_problem, draft_policy, expand
from equipoise.allocation.solver.compile import FIRST_METRIC, Rows
from equipoise.allocation.solver.dual import solve_dual
from equipoise.allocation.solver.infeasible import infeasible
from equipoise.allocation.solver.problem import Problem
from equipoise.allocation.switching import Keep
from equipoise.core.arrays import Floats, Ints
from equipoise.core.columns import free_name
from equipoise.core.display import shown
from equipoise.core.effects import Effects
from equipoise.core.errors import InputError
from equipoise.core.policy import Demand, Policy

SAMPLE = 5_000  # units that an answer while a slider moves is of
ROUGH = 1e-5  # relative tolerance of the dual on the sample


@shown
@dataclass(frozen=True)
class UnitScores:
    """Doubly robust scores of n units: what each candidate does to each of them, by outcomes.

    Attributes
    ----------
    names : tuple of str, (j,)
        What is scored: metrics, and maybe the cost.
    gains : array, (n, k, j)
        The score of every candidate less that of control, in the unit of what is scored.
    weight : array, (n,), or None, default None
        How much each unit counts in a mean; None: once.
    cluster : array of int, (n,), or None, default None
        The cluster of each unit, whose members are not independent; None: all are.

    Examples
    --------
    >>> UnitScores(("visit",), np.zeros((3, 1, 1))).names
    ('visit',)
    """

    names: tuple[str, ...]
    gains: Floats
    weight: Floats | None = None
    cluster: Ints | None = None

    def take(self, units: Any) -> UnitScores:
        """The scores of some of the units.

        Parameters
        ----------
        units : array of int or slice
            Which.

        Returns
        -------
        UnitScores
            Of these alone.
        """
        weight = None if self.weight is None else self.weight[units]
        cluster = None if self.cluster is None else self.cluster[units]
        return UnitScores(self.names, np.ascontiguousarray(self.gains[units]), weight, cluster)


class DemandUse(TypedDict):
    """A demand in the words it was asked in, and what the choice makes of it."""

    name: str
    kind: str
    unit: str
    rule: str  # "at most" or "at least"
    bound: float
    used: float
    used_error: float  # of a sample, as an estimate of all units; 0 where these are all
    price: float
    binding: bool


@shown
@dataclass(frozen=True)
class Point:
    """What one set of weights and bounds gives.

    Attributes
    ----------
    weights : dict of str to float
        The worth of one unit of each metric.
    demands : tuple of dict
        Each demand that counts: its bound, its use, its price.
    counts : array of int, (1 + k,)
        How many units get control and each candidate.
    groups : dict of str to array of int, (labels, 1 + k)
        The same for each label of the columns that are counted by, in the order of
        `Explorer.labels`.
    values : dict of str to (mean, standard error)
        What is gained over control per unit in everything that is scored.
    value : float
        The worth of the choice per unit, by the effects.
    bound : float
        No choice within the demands is worth more per unit of those that were looked at.
    gap : float
        How far the value is from the bound at most, as a share of it: what the few units make that
        are split between candidates.
    units, of : int
        How many units were looked at, and of how many.

    Examples
    --------
    >>> from equipoise.allocation import budget
    >>> gain = np.array([3.0, 1.0, 2.0])[:, None, None]
    >>> effects = Effects(gain, np.zeros((3, 1)), ("a",), ("y",))
    >>> explorer = Explorer(effects, [budget(2.0)], cost=[1.0])
    >>> point = explorer.point({"y": 1.0}, {"budget": 1.0})
    >>> point.counts.tolist(), point.demands[0]["binding"]
    ([2, 1], True)
    """

    weights: dict[str, float]
    demands: tuple[DemandUse, ...]
    counts: Ints
    groups: dict[str, Ints]
    values: dict[str, tuple[float, float]]
    value: float
    bound: float
    gap: float
    units: int
    of: int

    @property
    def exact(self) -> bool:
        """Whether all units were looked at.

        Returns
        -------
        bool
            False for a sample.
        """
        return self.units == self.of


@shown
class Explorer:
    """Units that are allocated again and again under other weights and bounds.

    Parameters
    ----------
    effects : Effects
        Of n units under k candidates; cross-fitted.
    constraints : sequence of Constraint
        Every demand that may be asked.
    cost : array-like, (n, k) or (k,), optional
        Where a demand counts it.
    groups : mapping, optional
        Column -> labels (n,), where a demand names it.
    scores : UnitScores, optional
        By which a choice is valued.
    by : mapping, optional
        Column -> labels (n,): who gets what is counted by them, too.
    eligible : array-like of bool, (n, k), optional
        Whether a candidate is open to a unit; by default all are.
    keep : Keep, optional
        The choices in force and the bonus for staying with them.
    importance : array, (n,), optional
        How often each unit's worth counts, as in `budgeted_policy`.
    lower : float, default 0.0
        The confidence penalty z >= 0: effects count less z standard errors.
    cost_weight : float, default 0.0
        What a unit of cost takes from the worth.
    sample : int, default 5000
        Of how many units an answer is that may not take long; a larger sample holds all units of
        a smaller one.
    seed : int, default 0
        Of the sample.

    Examples
    --------
    >>> from equipoise.allocation import budget
    >>> gain = np.array([3.0, 1.0, 2.0])[:, None, None]
    >>> effects = Effects(gain, np.zeros((3, 1)), ("a",), ("y",))
    >>> explorer = Explorer(effects, [budget(2.0)], cost=[1.0])
    >>> [int(explorer.point({"y": 1.0}, {"budget": b}).counts[1]) for b in (0.0, 1.0, None)]
    [0, 1, 3]
    """

    _shown_names = ("candidates", "names", "labels", "sample")

    def __init__(
        self,
        effects: Effects,
        constraints: Sequence[Constraint],
        *,
        cost: ArrayLike | None = None,
        groups: Groups | None = None,
        scores: UnitScores | None = None,
        by: Mapping[str, ArrayLike] | None = None,
        eligible: ArrayLike | None = None,
        keep: Keep | None = None,
        importance: Floats | None = None,
        lower: float = 0.0,
        cost_weight: float = 0.0,
        sample: int = SAMPLE,
        seed: int = 0,
    ) -> None:
        check_effects(effects)
        n, k = effects.values.shape[:2]
        self.effects, self.keep, self.importance = effects, keep, importance
        self.cost, self.own_groups = cost, groups or {}
        self.scores = _check_scores(scores, n, k)
        demands = expand(constraints, self.own_groups)
        self.candidates, self.names = effects.candidates, tuple(d.name for d in demands)
        bonus = 0.0 if keep is None else keep.bonus
        control = free_name("", effects.candidates)
        self.draft = draft_policy(effects, {}, demands, control, lower, bonus, cost_weight)
        open_to = check_eligible(eligible, (n, k))
        self.problem = compile_problem(
            np.zeros((n, k)),
            demands,
            effects.candidates,
            cost,
            effects,
            self.own_groups,
            lower,
            open_to,
        )
        self.labels: dict[str, tuple[str, ...]] = {}
        codes = []
        for column, labels in (by or {}).items():
            known, code = np.unique(np.asarray(labels), return_inverse=True)
            self.labels[column] = tuple(map(str, known))
            codes.append(code.reshape(-1))
        self.codes = np.array(codes, np.int64).reshape(len(codes), n)
        order = np.random.default_rng(seed).permutation(n)
        self.sample = np.sort(order[: min(sample, n)])
        self._worth: tuple[tuple[dict[str, float], float], Floats, float] | None = None

    def __len__(self) -> int:
        return len(self.problem)

    @property
    def demands(self) -> tuple[Demand, ...]:
        """Every demand that may be asked, with its own bound.

        Returns
        -------
        tuple of Demand
            In the order of the constraints.
        """
        return self.problem.rows.demands

    def point(
        self,
        weights: Mapping[str, float],
        bounds: Mapping[str, float | None] | None = None,
        *,
        exact: bool = True,
        cost_weight: float | None = None,
        tol: float = 1e-8,
    ) -> Point:
        """Prices, who gets what, and what that is worth.

        Parameters
        ----------
        weights : mapping
            Metric -> the worth of one unit of it; others count nothing.
        bounds : mapping, optional
            Name of a demand -> its bound as it was asked (of a floor what is at least kept; per
            head where the demand is), None to leave it out.  Other demands keep their own bounds.
        exact : bool, default True
            Whether all units are looked at, or the sample alone.
        cost_weight : float, optional
            What a unit of cost takes from the worth, in place of the explorer's own.
        tol : float, default 1e-8
            Relative tolerance of the dual on all units.

        Returns
        -------
        Point
            The answer.

        Raises
        ------
        InfeasibleError
            Where no choice meets the demands; it names those in conflict.
        """
        own = self.draft.cost_weight if cost_weight is None else float(cost_weight)
        worth, least = self._worth_of(weights, own)
        rows = _rows_of(self.problem.rows, bounds or {})
        problem = _narrowed(replace(self.problem, value=worth, rows=rows))
        share = len(self.sample) / len(self)
        few = problem if share == 1 else problem.take(self.sample, share)
        dual = solve_dual(few, tol if share == 1 else ROUGH, least=least * share)
        if exact and share < 1:
            # prices that prove a sample infeasible start a search badly where all units are not
            proof = dual.bound < least * share
            start = dual.prices
            dual = solve_dual(problem, tol, warm=start, least=least)
            if proof and dual.bound >= least:
                dual = solve_dual(problem, tol, least=least)
        looked_at = problem if exact else few
        if dual.bound < least * len(looked_at) / len(self):
            raise infeasible(few)
        return self._answer(dict(weights), looked_at, dual.prices, None if exact else self.sample)

    def _worth_of(self, weights: Mapping[str, float], cost_weight: float) -> tuple[Floats, float]:
        """The worth of every candidate, (n, k), and what no feasible choice is worth less than;
        kept for the next question with the same weights.
        """
        own = {name: float(weight) for name, weight in weights.items()}
        asked = own, cost_weight
        if self._worth is None or self._worth[0] != asked:
            draft = replace(self._with_weights(own), cost_weight=cost_weight)
            each = unit_weights(draft, self.importance)
            worth = net_value(draft, self.effects, self.own_groups, each, self.cost)
            add_keep(worth, draft.keep, None if self.keep is None else self.keep.previous)
            worth = closed_worth(worth, self.problem.eligible)
            least = float(np.minimum(worth.min(axis=1), 0.0).sum())
            self._worth = asked, worth, least - 1e-9 * abs(least) - 1e-300
        return self._worth[1:]

    def _with_weights(self, weights: Mapping[str, float]) -> Policy:
        """The draft with these weights."""
        one = draft_policy(self.effects, weights, (), self.draft.control)
        worth = {
            **dict.fromkeys(self.draft.metrics, 0.0),
            **dict(zip(one.metrics, one.weights, strict=True)),
        }
        metrics = tuple(name for name in self.effects.metrics if name in worth)
        return replace(self.draft, metrics=metrics, weights=tuple(worth[name] for name in metrics))

    def _answer(
        self, weights: dict[str, float], problem: Problem, prices: Floats, units: Ints | None
    ) -> Point:
        """The point at some prices; ``units`` are those looked at, None: all."""
        priced = problem.choose(prices)
        rows, n = problem.rows, len(problem)
        paid = float((prices * priced.usage).sum())
        value = priced.height - float((prices * rows.bounds).sum()) + paid
        missed = float((prices * np.abs(rows.bounds - priced.usage)).sum())
        errors = np.zeros(len(rows)) if units is None else _usage_errors(problem, priced.choice)
        errors = errors * np.sqrt(1 - n / len(self))
        worthless = IDLE * abs(priced.height)
        codes = self.codes if units is None else self.codes[:, units]
        most = max((len(labels) for labels in self.labels.values()), default=0)
        counts = np.zeros((1 + len(codes), max(most, 1), 1 + problem.value.shape[1]), np.int64)
        count_choices(priced.choice, codes, counts)
        groups = {
            column: counts[1 + place, : len(labels)]
            for place, (column, labels) in enumerate(self.labels.items())
        }
        return Point(
            weights=weights,
            demands=tuple(
                _use(rows, r, (prices[r], priced.usage[r], errors[r]), n / len(self), worthless)
                for r in range(len(rows))
            ),
            counts=counts[0, 0],
            groups=groups,
            values=_values(self.scores, priced.choice, units),
            value=value / n,
            bound=priced.height / n,
            gap=missed / max(abs(priced.height), 1e-300),
            units=n,
            of=len(self),
        )


def _check_scores(scores: UnitScores | None, n: int, k: int) -> UnitScores:
    """Scores of the effects' units and candidates; none where none are given."""
    if scores is None:
        return UnitScores((), np.zeros((n, k, 0)))
    shape = (n, k, len(scores.names))
    if scores.gains.shape != shape:
        raise InputError("scores", f"have gains of shape {shape}", scores.gains.shape)
    if scores.cluster is None:
        return scores
    return replace(scores, cluster=np.unique(scores.cluster, return_inverse=True)[1].reshape(-1))


def _rows_of(rows: Rows, bounds: Mapping[str, float | None]) -> Rows:
    """The rows that count, with the bounds that are asked."""
    names = [demand.name for demand in rows.demands]
    for name, bound in bounds.items():
        if name not in names:
            raise InputError("bounds", f"name demands among {', '.join(names)}", repr(name))
        if bound is not None and not np.isfinite(bound):
            raise InputError(f"the bound of {name!r}", "be a finite number", bound)
    asked = {name: bound for name, bound in bounds.items() if bound is not None}
    kept = [r for r, name in enumerate(names) if name in asked or name not in bounds]
    part, demands, totals = rows.only(kept), [], []
    for r, demand in enumerate(part.demands):
        if demand.name in asked:
            turned = demand.sign if demand.metric is not None else 1.0
            demand = replace(demand, bound=turned * asked[demand.name])
        demands.append(demand)
        totals.append(demand.bound * part.heads[r])
    return replace(part, demands=tuple(demands), bounds=np.array(totals, np.float64))


def _narrowed(problem: Problem) -> Problem:
    """The problem without the metrics that no row counts: each would cost time in every pass."""
    rows = problem.rows
    metric = rows.quantity >= FIRST_METRIC
    used, place = np.unique(rows.quantity[metric] - FIRST_METRIC, return_inverse=True)
    quantity = rows.quantity.copy()
    quantity[metric] = FIRST_METRIC + place
    columns = problem.columns[used]
    return replace(problem, columns=columns, rows=replace(rows, quantity=quantity, columns=columns))


def _use(
    rows: Rows, r: int, terms: tuple[float, float, float], share: float, worthless: float
) -> DemandUse:
    """A demand in the words it was asked in; per head where it was so.   terms: its price, its
    use and the error of it;  share: of the units that were looked at.
    """
    price, usage, error = map(float, terms)
    demand, heads = rows.demands[r], share * max(float(rows.heads[r]), 1.0)
    turned = demand.sign if demand.metric is not None else 1.0
    return {
        "name": demand.name,
        "kind": demand.kind,
        "unit": demand.unit,
        "rule": "at least" if turned < 0 else "at most",
        "bound": turned * demand.bound,
        "used": turned * usage / heads,
        "used_error": error / heads,
        "price": price,
        "binding": price * max(abs(float(rows.bounds[r])), abs(usage)) > worthless,
    }


def _usage_errors(problem: Problem, choice: NDArray[np.int16]) -> Floats:
    """The standard errors of the totals of a sample's usage, (m,)."""
    rows, n = problem.rows, len(problem)
    sums = np.zeros((2, len(rows)))
    _, cost, cube, columns = problem.arrays()
    add_usage(cost, cube, columns, rows.codes, rows.coefficient, rows.quantity, choice, sums)
    errors: Floats = np.sqrt(np.maximum(sums[1] - sums[0] ** 2 / n, 0.0) * n / max(n - 1, 1))
    return errors


def _values(
    scores: UnitScores, choice: NDArray[np.int16], units: Ints | None
) -> dict[str, tuple[float, float]]:
    """Means of what is scored under a choice, with their standard errors."""
    part = scores if units is None else scores.take(units)
    n, j = len(choice), len(scores.names)
    weight = np.ones(n) if part.weight is None else part.weight
    code = np.arange(n) if part.cluster is None else part.cluster
    mean, error = np.zeros(j), np.zeros(j)
    mean_scores(part.gains, choice, weight, code, int(code.max()) + 1, mean, error)
    return {name: (float(mean[i]), float(error[i])) for i, name in enumerate(scores.names)}
