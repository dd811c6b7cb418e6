"""The decision rule for one unit at a time: what depends on the policy alone is worked out once, so
that a decision takes a microsecond.

The kernels are those of `rule.decide`, so a unit gets the same bits alone, in a batch and offline.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from equipoise.allocation.constraints import Groups
from equipoise.allocation.hashing import draw, uniform_one
from equipoise.allocation.row_kernels import (
    GOOD,
    decide_one,
    intervals_one,
    rule_numbers,
    share_one,
)
from equipoise.allocation.rule import LOW_STREAM, NEW, Decisions, check_effects, decide, scores
from equipoise.allocation.solver.compile import MANY_CODES, Rows, compile_rows
from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.display import shown
from equipoise.core.effects import Effects
from equipoise.core.errors import InputError
from equipoise.core.kernels import only_for
from equipoise.core.policy import Policy

ALL_OPEN: Bools = np.ones(0, np.bool_)
OTHER = object()  # a label that no demand names


# effects and their standard errors (k, M), costs (k,), labels, what is open (k,) and how often the
# unit counts: `artifacts.unit_facts.UnitFacts`
RowFacts = tuple[Floats, Floats | None, Floats, Mapping[str, Any], Bools | None, float]
empty, new = np.empty, tuple.__new__


class RowDecision(NamedTuple):
    """What was decided for one unit.

    Attributes
    ----------
    choice : int
        -1 control, else the place of a candidate.
    score : float
        Of the best candidate, in worth.
    probability : float
        Of the choice, over the policy's own draws.
    low : bool
        Whether the policy's lower prices made it.
    scores : array, (k,)
        Of each candidate, -inf where it is closed; 0 under a policy that draws at random.

    Examples
    --------
    >>> RowDecision(-1, 0.0, 1.0, False, np.zeros(1)).choice
    -1
    """

    choice: int
    score: float
    probability: float
    low: bool
    scores: Floats


def compile_rule(
    policy: Policy, metrics: Sequence[str], *, cost_known: bool = True
) -> CompiledRule:
    """Work out what decisions on single units need of a policy.

    Parameters
    ----------
    policy : Policy
        The rule, of mode "argmax" or "random".
    metrics : sequence of str, (M,)
        The metrics of the effects, in their order; the policy's are among them.
    cost_known : bool, default True
        Whether the units' costs are known.

    Returns
    -------
    CompiledRule
        It decides as `decide` does, bit for bit.

    Raises
    ------
    InputError
        Where the policy decides each candidate on its own, or needs a metric or a cost that is not
        there.

    Examples
    --------
    >>> rule = compile_rule(Policy(("a", "b"), "none", ("y",), (1.0,)), ("y",))
    >>> rule.decide_rows(np.array([[[1.0], [2.0]]])).choice.tolist()
    [1]
    """
    if policy.mode == "each":
        fix = "call decide_each"
        must = "need a policy with mode 'argmax' or 'random'"
        raise InputError("compile_rule", must, "mode 'each'", fix=fix)
    if policy.cost_weight and not cost_known:
        fix = "this policy's worth is net of it"
        raise InputError("cost", "be known", "none", fix=fix)
    for name in policy.metrics:
        if name not in metrics:
            must = f"be one of the effects' {', '.join(metrics)}"
            raise InputError("the policy's metric", must, repr(name))
    others = {demand.column: np.array([OTHER]) for demand in policy.demands if demand.column}
    rows = compile_rows(policy.demands, policy.candidates, metrics, others, 1, cost_known)
    _compile_kernels()
    return CompiledRule(policy, tuple(metrics), rows)


@shown
class CompiledRule:
    """A policy ready to decide; `compile_rule` makes it.

    Parameters
    ----------
    policy : Policy
        The rule.
    metrics : tuple of str, (M,)
        Of the effects, in their order.
    rows : Rows
        The policy's demands, compiled against one unit whose labels no demand names.

    Attributes
    ----------
    draws : bool
        Whether what it decides depends on the unit's id.

    Examples
    --------
    >>> rule = compile_rule(Policy(("a", "b"), "none", ("y",), (1.0,)), ("y",))
    >>> facts = (np.array([[1.0], [2.0]]), None, np.zeros(2), {}, None, 1.0)
    >>> rule.decide_row(facts).choice, rule.chances(facts).tolist()
    (1, [0.0, 0.0, 1.0])
    """

    _shown_names = ("policy", "metrics")

    def __init__(self, policy: Policy, metrics: tuple[str, ...], rows: Rows) -> None:
        self.policy, self.metrics, self._rows = policy, metrics, rows
        self._k = len(policy.candidates)
        self._places: Ints = np.array([metrics.index(name) for name in policy.metrics], np.int64)
        self._columns = [
            (column, labels, len(labels) + 1) for column, labels in _label_places(policy).items()
        ]
        codes = int(np.prod([size for _, _, size in self._columns], dtype=object))
        self._of_label: dict[int, Floats] | None = {} if codes > MANY_CODES else None
        self._rules = rule_numbers(policy, self._places, rows, len(metrics))
        self._weights: Floats = np.array(policy.weights, np.float64)
        self._segments = {
            label: np.array(weights, np.float64) for label, weights in policy.segment_weights
        }
        self._random = policy.mode == "random"
        self._ties = bool(policy.low_share or policy.tie_penalty)
        self.draws = self._random or self._ties
        self._lower = policy.lower > 0

    def decide_row(
        self,
        facts: RowFacts,
        unit: str | int | None = None,
        previous: int = NEW,
        weights: Floats | None = None,
    ) -> RowDecision:
        """Choose one candidate or control for a unit.

        Parameters
        ----------
        facts : UnitFacts
            What is known of the unit.
        unit : str, int or None, default None
            Its id, by which the policy draws, where it does.
        previous : int, default -2
            The choice in force: -2 none, -1 control, a candidate's place.
        weights : array, (m,), default None
            Of this request; None for the policy's own, times the unit's importance.

        Returns
        -------
        RowDecision
            The choice, with the score of each candidate.

        Raises
        ------
        InputError
            As `decide` does.
        """
        if self._random:
            return self._at_random(facts, unit)
        number = self._draw(unit) if self._ties else 0.0
        out = empty(self._k)
        rules, code, used, values, errors, cost, open_to = self._row(facts, weights)
        try:
            wrong, choice, score, chance, low = decide_one(
                rules, code, used, values, errors, cost, open_to, number, previous, out
            )
        except TypeError:  # other arrays, or none
            wrong = -1
        if wrong != GOOD:
            return self._slowly(facts, unit, previous, weights)
        return new(RowDecision, (choice, score, chance, low, out))

    def chances(
        self,
        facts: RowFacts,
        unit: str | int | None = None,
        previous: int = NEW,
        weights: Floats | None = None,
    ) -> Floats:
        """The chance that a unit has of each cell over the policy's own draws.

        Parameters
        ----------
        facts : UnitFacts
            What is known of the unit.
        unit : str, int or None, default None
            Its id.
        previous : int, default -2
            The choice in force.
        weights : array, (m,), default None
            Of this request.

        Returns
        -------
        array, (k + 1,)
            Control first.
        """
        chance = np.zeros(self._k + 1)
        if self._random:
            shares, open_to = np.asarray(self.policy.shares, np.float64), facts[4]
            chance[1:] = shares if open_to is None else np.where(open_to, shares, 0.0)
            chance[0] = self._at_random(facts, unit, choice=-1).probability
            return chance
        decision = self.decide_row(facts, unit, previous, weights)
        if self.policy.low_share:
            for draw, share in ((0.0, self.policy.low_share), (1.0, 1 - self.policy.low_share)):
                one = decide_one(*self._row(facts, weights), draw, previous, np.empty(self._k))
                chance[1 + one[1]] += share
        elif self.policy.tie_penalty:
            rules, code = self._row(facts, weights)[:2]
            intervals_one(rules, code, decision.scores, self._draw(unit), chance)
        chance[1 + decision.choice] = decision.probability
        return chance

    def with_prices(self, prices: Sequence[float]) -> CompiledRule:
        """The rule with other prices of the demands, as pacing sets them.

        Parameters
        ----------
        prices : sequence of float
            >= 0, one a demand, in worth per unit of usage.

        Returns
        -------
        CompiledRule
            A new one.
        """
        policy = replace(self.policy, prices=tuple(float(price) for price in prices))
        return CompiledRule(policy, self.metrics, self._rows)

    def decide_rows(
        self,
        values: Floats,
        errors: Floats | None = None,
        cost: ArrayLike | None = None,
        *,
        groups: Groups | None = None,
        units: ArrayLike | None = None,
        previous: Ints | None = None,
        weights: Floats | None = None,
        eligible: ArrayLike | None = None,
    ) -> Decisions:
        """Choose for n units by their arrays.

        Parameters
        ----------
        values : array, (n, k, M)
            Effects.
        errors : array, (n, k, M), optional
            Their standard errors.
        cost : array-like, (n, k) or (k,), optional
            In money.
        groups : mapping, optional
            Column -> labels (n,), where the policy names it.
        units : array-like, (n,), optional
            Ids by which the policy draws, where it does: as text, as the service and files draw;
            whole numbers draw as those of rows do.
        previous : array of int, (n,), optional
            The choices in force: -2 none, -1 control, a candidate's place.
        weights : array, (n, m), optional
            Of each request; by default the policy's own.
        eligible : array-like of bool, (n, k), optional
            Whether a candidate is open to a unit; by default all are.

        Returns
        -------
        Decisions
            As `decide` gives them.
        """
        return decide(
            self.policy,
            self._effects(values, errors),
            cost=cost,
            groups=groups,
            previous=previous,
            weights=weights,
            units=units,
            eligible=eligible,
        )

    def _effects(self, values: Floats, errors: Floats | None) -> Effects:
        baseline = np.zeros((len(values), len(self.metrics)))
        return Effects(values, baseline, self.policy.candidates, self.metrics, errors)

    def _row(self, facts: RowFacts, weights: Floats | None) -> tuple[Any, ...]:
        """What the kernels of one unit take first."""
        values, errors, cost, labels, open_to, importance = facts
        rules, code = self._rules, 0
        for column, places, size in self._columns:
            code = code * size + places.get(_label(labels, column), size - 1)
        if self._of_label is not None:
            rules, code = self._rules_of(code, labels), 0
        if weights is None:
            weights = self._weights
            if importance != 1.0:
                weights = importance * weights
            elif self._segments:
                label = _label(labels, str(self.policy.segment))
                weights = self._segments.get(label, weights)
        if not self._lower:
            errors = values  # which are not read
        return rules, code, weights, values, errors, cost, ALL_OPEN if open_to is None else open_to

    def _rules_of(self, code: int, labels: Mapping[str, Any]) -> Floats:
        """The numbers for one of very many combinations of labels, (1, size)."""
        kept: dict[int, Floats] = self._of_label or {}
        if code not in kept:
            groups = {}
            for column, _, _ in self._columns:
                groups[column] = np.empty(1, object)
                groups[column][0] = labels[column]
            rows = compile_rows(
                self.policy.demands, self.policy.candidates, self.metrics, groups, 1, True
            )
            if len(kept) >= MANY_CODES:
                kept.clear()
            kept[code] = rule_numbers(self.policy, self._places, rows, len(self.metrics))
            self._of_label = kept
        return kept[code]

    def _draw(self, unit: str | int | None) -> float:
        """The unit's number in [0, 1), by which ties are split."""
        if unit is None:
            must = "be one id per unit, 1: this policy splits ties at random"
            raise InputError("units", must, None)
        return uniform_one(unit, self.policy.seed, LOW_STREAM)

    def _at_random(
        self, facts: RowFacts, unit: str | int | None, choice: int | None = None
    ) -> RowDecision:
        """A choice that is drawn, or the chance of one that is said."""
        values, _, _, _, eligible, _ = facts
        check_effects(self._effects(values[None], None))
        shares = np.asarray(self.policy.shares, np.float64)
        choice = self._lot(shares, unit) if choice is None else choice
        open_to = ALL_OPEN if eligible is None else np.ascontiguousarray(eligible)
        choice, chance = share_one(shares, open_to, choice)
        return RowDecision(choice, 0.0, chance, False, np.zeros(self._k))

    def _lot(self, shares: Floats, unit: str | int | None) -> int:
        """`hashing.draw` of one unit."""
        total = float(shares.sum())
        if unit is None or total == 0 or (total == 1 and (shares == 1).any()):
            return int(draw(self.policy, 1, None)[0])
        cumulative, seed = (np.cumsum(shares) / total).tolist(), self.policy.seed
        which = min(bisect_right(cumulative, uniform_one(unit, seed, 1)), self._k - 1)
        return which if uniform_one(unit, seed) < total else -1

    def _slowly(
        self, facts: RowFacts, unit: str | int | None, previous: int, weights: Floats | None
    ) -> RowDecision:
        """The decision by the rule for many units: for arrays of other types, and for errors."""
        values, errors, cost, labels, open_to, importance = facts
        if weights is None and importance != 1.0:
            weights = importance * self._weights
        of_all: dict[str, Any] = {
            "cost": np.asarray(cost)[None],
            "groups": {name: np.array([label]) for name, label in labels.items()},
            "previous": np.array([previous]),
            "weights": None if weights is None else np.asarray(weights)[None],
            "eligible": None if open_to is None else np.asarray(open_to)[None],
        }
        errors = None if errors is None else np.asarray(errors)[None]
        effects = self._effects(np.asarray(values)[None], errors)
        units = None if unit is None else [unit]
        one = decide(self.policy, effects, units=units, **of_all)
        prices = self.policy.low_prices if one.low[0] else self.policy.prices
        draws = np.array([self._draw(unit)]) if self._ties else None
        score = scores(replace(self.policy, prices=prices), effects, draws=draws, **of_all)[0]
        choice, best, chance = (part[0].item() for part in (one.choice, one.score, one.probability))
        return RowDecision(choice, best, chance, bool(one.low[0]), score)


def _label(labels: Mapping[str, Any], column: str) -> Any:
    """A unit's label in a column that the rule names."""
    try:
        return labels[column]
    except KeyError:
        names = ", ".join(labels) or "none were given"
        fix = "give the unit's label in it"
        raise InputError("the unit's labels", f"have column {column!r}", names, fix=fix) from None


def _label_places(policy: Policy) -> dict[str, dict[Any, int]]:
    """For each group column of demands the place of each label that they name; in the order of the
    codes of `solver.compile`.
    """
    places: dict[str, dict[Any, int]] = {}
    for demand in policy.demands:
        if demand.column is not None:
            own = places.setdefault(demand.column, {})
            for label, _ in demand.factors:
                own.setdefault(label, len(own))
    return places


@cache
def _compile_kernels() -> None:
    """Compile the kernels of one unit for arrays that can be written to and for others, so that no
    request waits for it.
    """
    one, two, out, shut = np.zeros(1), np.zeros((1, 1)), np.zeros(1), np.ones(1, np.bool_)
    for array in (one, two, shut):
        array.flags.writeable = False
    only_for(decide_one, two, 0, one, two, two, one, shut, 0.0, NEW, out)
    only_for(intervals_one, two, 0, one, 0.0, out)
    only_for(share_one, one, shut, 0)
