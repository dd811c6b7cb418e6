"""One snapshot in force: its rule with the prices of the moment, its store, and the parts of
answers that do not change between decisions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from equipoise.artifacts.costs import Costs
from equipoise.artifacts.unit_facts import UnitFacts
from equipoise.core.arrays import Bools, Floats
from equipoise.core.errors import EquipoiseError, InputError
from equipoise.core.suggest import among
from equipoise.serving.engine.chance import Rule
from equipoise.serving.engine.weight_net import WeightNet
from equipoise.serving.messages import MOST, DecideRequest
from equipoise.serving.protocols import EffectStore
from equipoise.serving.records import Context


class PricedRule(Rule, Protocol):
    """A rule that can have other prices."""

    def with_prices(self, prices: Any) -> PricedRule:
        """The same with other prices, one a demand."""


class Scoring(Protocol):
    """What makes facts of features, and the rule that was published."""

    @property
    def candidates(self) -> tuple[str, ...]:
        """Their names."""

    @property
    def control(self) -> str:
        """Its name."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """Of the effects, in order."""

    @property
    def rule(self) -> PricedRule:
        """With the prices of the snapshot."""

    def facts(self, features: Mapping[str, Any]) -> UnitFacts:
        """What the model says of a unit."""

    def label(self, name: str, value: Any) -> str:
        """Its label in a column that the rule names."""

    def open_to(self, features: Mapping[str, Any]) -> Bools | None:
        """What is open to it, (k,); None: all."""


class ServedSnapshot(Protocol):
    """A snapshot that was read and checked."""

    @property
    def id(self) -> str:
        """Of the snapshot."""

    @property
    def scorer(self) -> Any:
        """A `Scoring`."""

    @property
    def store(self) -> EffectStore | None:
        """Facts of known units; None where it knows none."""


class Part:
    """One snapshot in force.

    Parameters
    ----------
    loaded : ServedSnapshot
        The snapshot.
    prices : mapping of str to float, optional
        Of demands, in place of the snapshot's own.

    Raises
    ------
    InputError
        Where its policy decides each candidate on its own, or a price names no demand.
    """

    def __init__(self, loaded: ServedSnapshot, prices: Mapping[str, float] | None = None) -> None:
        scorer = loaded.scorer
        self.id, self.scorer, store = loaded.id, scorer, loaded.store
        self.quick = store is None or store.quick
        self.get: Callable[[str], UnitFacts | None] = _nobody if store is None else store.get
        self._fetch = None if store is None else store.fetch
        policy = scorer.rule.policy
        if policy.mode == "each":
            must = "choose one candidate: mode 'argmax' or 'random'"
            fix = "serve each strategy as a policy of its own, with one candidate"
            raise InputError("a policy that is served", must, "mode 'each'", loaded.id, fix)
        self.rule: PricedRule = scorer.rule
        if prices:
            self.rule = self.rule.with_prices(priced(policy, prices))
        self.policy = policy = self.rule.policy
        self.cells = (policy.control, *policy.candidates)
        self.places = {name: place for place, name in enumerate(self.cells, -1)}
        self.metrics = tuple(scorer.metrics)
        self.columns = tuple(
            dict.fromkeys(
                column
                for column in (policy.segment, *(demand.column for demand in policy.demands))
                if column is not None
            )
        )
        costly = any(demand.quantity == "cost" for demand in policy.demands)
        self.counts_cost = costly or policy.cost_weight > 0  # whether scores hang on it
        names = [demand.name for demand in policy.demands]
        self.prices = dict(zip(names, policy.prices, strict=True))
        # the demand on all money, whose price can follow the spend
        money = (
            demand.name
            for demand in policy.demands
            if (demand.kind, demand.column, demand.candidate) == ("budget", None, None)
        )
        self.budget = next(money, None)
        self.price_bytes = np.array(policy.prices, "<f8").tobytes()
        low = policy.low_prices if policy.low_share else policy.prices
        self.low_prices = dict(zip(names, low, strict=True))
        self.weights = dict(zip(policy.metrics, policy.weights, strict=True))
        self._take_costs(getattr(scorer, "scorer", None))
        self.net: WeightNet | None = getattr(loaded, "net", None)
        self.segment = policy.segment
        self.answers: dict[tuple[Any, ...], bytes] = {}  # the ends of answers, of one context
        self.answers_of: Context | None = None
        self.segments = {
            str(label): dict(zip(policy.metrics, weights, strict=True))
            for label, weights in policy.segment_weights
        }

    def _take_costs(self, artifact: Any) -> None:
        """What the published model says of costs, amounts and cadence; nothing without one."""
        self.costs: Costs | None = getattr(artifact, "costs", None)
        self.sending = (0.0,) * (len(self.cells) - 1)
        if self.costs is not None and self.costs.sending:
            self.sending = self.costs.sending
        staying = getattr(artifact, "staying", None)
        self.staying: Mapping[str, int] = {} if staying is None else staying.days
        self.staying_column = "" if staying is None else str(staying.column)
        self.amounts = amounts_of(artifact, len(self.cells))

    async def fetch(self, unit: str) -> UnitFacts | None:
        """What the store knows of a unit, where it is over a network."""
        return None if self._fetch is None else await self._fetch(unit)

    def place(self, cell: str, what: str) -> int:
        """The place of a cell: -1 control, else a candidate's."""
        place = self.places.get(cell)
        if place is None:
            fix = among(cell, self.cells, "cells")
            raise InputError(what, "be control or a candidate of the policy", repr(cell), fix=fix)
        return place

    def weights_of(self, request: DecideRequest) -> Floats | None:
        """The weights of a request in the policy's order, (m,): those it names, the others the
        policy's own; else those that the weight net gives for its context; None: the policy's or
        the segment's.
        """
        if request.weights is not None:
            named: Mapping[str, float] = request.weights
        elif request.request is not None:
            if self.net is None:
                fix = "send weights instead"
                must = "go with a snapshot that has a net of weights"
                raise InputError("request", must, "one without", self.id, fix)
            named = self.net.weights(request.request)
        else:
            return None
        own = self.weights
        return np.array([float(named.get(metric, own[metric])) for metric in own])

    def most(
        self, place: int, facts: UnitFacts | None, request: DecideRequest, claimed: bool
    ) -> float | None:
        """What a candidate may cost a unit at most, in money; None where nobody can tell.

        Parameters
        ----------
        place : int
            Of the candidate.
        facts : UnitFacts or None
            Of the unit.
        request : DecideRequest
            Its costs come first; its features may have the column that multiplies amounts.
        claimed : bool
            Whether the offer is paid only when it is taken; else its expected cost is what it
            costs.

        Raises
        ------
        InputError
            Where what multiplies the amounts was not sent, or is no amount.
        """
        costs = self.costs
        paid_whole = costs is not None and costs.metric is not None and costs.probability
        if not claimed or costs is None or not paid_whole:
            return None if facts is None else float(facts.cost[place])
        times = 1.0
        if costs.column is not None:
            value = (request.features or {}).get(costs.column)
            if value is None or isinstance(value, bool | str) or not 0 <= value <= MOST:
                must = "be a number >= 0: it multiplies the amounts, which the budget reserves"
                got = "nothing" if value is None else value
                fix = "send it, for units that are known ahead, too"
                raise InputError(f"features[{costs.column!r}]", must, got, fix=fix)
            times = float(value)
        return costs.amount[place] * times + self.sending[place]

    def weights_used(self, facts_labels: Mapping[str, str], own: Floats | None) -> dict[str, float]:
        """The weights that a decision used, by metric."""
        if own is not None:
            return dict(zip(self.weights, own.tolist(), strict=True))
        if self.policy.segment is not None:
            label = facts_labels.get(self.policy.segment, "")
            return self.segments.get(label, self.weights)
        return self.weights


def _nobody(unit: str) -> UnitFacts | None:
    """A snapshot without a store knows no unit."""


def priced(policy: Any, prices: Mapping[str, float]) -> tuple[float, ...]:
    """The prices of a policy's demands, those that are named in place of its own.

    Parameters
    ----------
    policy : Policy
        With demands.
    prices : mapping of str to float
        By demand, finite and >= 0.

    Returns
    -------
    tuple of float
        One a demand.

    Raises
    ------
    InputError
        Where a name is no demand's, or a price is below 0.
    """
    names = [demand.name for demand in policy.demands]
    for name, price in prices.items():
        if name not in names:
            fix = among(name, tuple(names), "demands")
            raise InputError("a price", "name a demand of the policy", repr(name), fix=fix)
        if not 0 <= price < float("inf"):
            raise InputError(f"the price of {name!r}", "be a finite number >= 0", price)
    return tuple(
        float(prices.get(name, old)) for name, old in zip(names, policy.prices, strict=True)
    )


def amounts_of(artifact: Any, cells: int) -> tuple[float | None, ...]:
    """The amount of money of each cell, control first; None where a cell is no amount.

    Parameters
    ----------
    artifact : Scorer or None
        Whose space may be one of amounts.
    cells : int
        How many there are.

    Returns
    -------
    tuple of float or None
        One a cell.
    """
    model = getattr(artifact, "model", None)
    space = getattr(getattr(model, "estimator", None), "space_", None)
    if space is None:
        return (None,) * cells
    try:
        doses = space.dose(space.candidates()).tolist()
    except EquipoiseError:
        return (None,) * cells
    return (0.0, *doses) if len(doses) == cells - 1 else (None,) * cells
