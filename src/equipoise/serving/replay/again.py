"""One decision again, by the functions that served it.

What hung on the moment (a kill switch, an operator's choice, a budget that was used up, a store
that was late) is in the record's flags; all else follows from the record, its context and the
snapshots that the context names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec
import numpy as np

from equipoise.artifacts.unit_facts import UnitFacts
from equipoise.core.errors import DataError
from equipoise.serving.config import ServeConfig
from equipoise.serving.engine import chance
from equipoise.serving.engine.asked import LoggedLabels
from equipoise.serving.engine.chance import NEW, UNKNOWN_UNIT, Side
from equipoise.serving.engine.controls import Control
from equipoise.serving.engine.deciding import Money, RequestInHand, record_of, settle
from equipoise.serving.engine.facts import (
    STORE_TIMEOUT,
    KnownUnit,
    StoredFacts,
    beside,
    by_model,
    known,
)
from equipoise.serving.engine.in_force import InForce
from equipoise.serving.engine.part import ServedSnapshot
from equipoise.serving.engine.reading import read_all
from equipoise.serving.log.erasure import EMPTIED, mark_of
from equipoise.serving.log.joining import Chances
from equipoise.serving.messages import DecideRequest
from equipoise.serving.protocols import NoCounters
from equipoise.serving.records import (
    KILLED,
    MODEL,
    NO_BUDGET,
    OVERRIDE,
    REQUEST,
    STALE,
    STORE,
    Context,
    DecisionRecord,
)

new = tuple.__new__  # a third of the time of a named tuple's own
Load = Callable[[str], ServedSnapshot | None]  # a snapshot by its id; None: it is not there
BY_HAND, ERASED, GONE = "set by an operator", "erased", "of a snapshot that is not there"
NO_MONEY, NOT_COUNTED = Money(None, False), NoCounters()
OF_THE_MOMENT = ("lease", "amount", "key", "latency_us")


class Sides(NamedTuple):
    """The policies that share the traffic, with what each knew of a unit.

    Attributes
    ----------
    live : Side
        The live one.
    candidate : Side or None
        The other one.
    """

    live: Side
    candidate: Side | None


class Again:
    """Decides again what the records of one context say.

    Parameters
    ----------
    context : Context
        Of the records.
    load : callable
        Gives snapshots.
    erased : mapping of str to int
        When units asked to be forgotten, by mark: the store was not asked for them afterwards.

    Attributes
    ----------
    missing : str
        The id of a snapshot that is not there; "" where all are.
    now : InForce
        What was in force; none where a snapshot is missing.
    plain : bool
        Whether one policy decided alone.

    Raises
    ------
    DataError
        Where the context has another number of prices than the policy has demands.
    """

    now: InForce

    def __init__(self, context: Context, load: Load, erased: Mapping[str, int]) -> None:
        self.context, self.erased, self.missing, self.plain = context, erased, "", False
        live = self._loaded(load, context.snapshot)
        candidate = self._loaded(load, context.candidate_snapshot)
        shadows = [self._loaded(load, id) for id in context.shadows]
        if live is None or self.missing:
            return
        beside = [one for one in (candidate, *shadows) if one is not None]
        logged = zip(beside, context.beside_prices, strict=bool(context.beside_prices))
        prices = {one.id: prices_of(one, own) for one, own in logged}
        control = Control(
            prices=prices | {live.id: prices_of(live, context.prices)},
            shares={
                "share": context.share,
                "holdout": context.holdout,
                "explore": context.explore,
            },
        )
        there = [one for one in shadows if one is not None]
        config = ServeConfig(policy=context.policy)
        self.now = InForce(live, candidate, there, config, control, context.seed)
        self.computed = self.now.context
        self.now.context = context
        self.plain = candidate is None and not shadows and not erased

    def _loaded(self, load: Load, id: str) -> ServedSnapshot | None:
        loaded = load(id) if id else None
        if id and loaded is None:
            self.missing = id
        return loaded

    def why_not(self, record: DecisionRecord) -> str:
        """Why a record cannot be decided again; "" where it can."""
        if self.missing:
            return GONE
        if record.unit == EMPTIED:
            return ERASED
        return BY_HAND if record.flags & (KILLED | OVERRIDE) else ""

    def is_same(self, record: DecisionRecord) -> bool:
        """Whether every bit comes out as it was, by the shortest way; False too where the record
        cannot be decided again.
        """
        if not self.plain or record.flags or not record.unit or _is_asked(record):
            return not self.why_not(record) and self.decide(record) == record
        live, source = self.now.live, record.source
        facts = live.get(record.unit) if source == STORE else by_model(live, record.features or {})
        side = new(Side, (live.rule, facts, None, UNKNOWN_UNIT))
        outcome = chance.serve(self.now.shares, record.unit, NEW, side)
        choice, served, probability, reason, flags, scores = outcome
        if facts is not None and (facts.labels != record.labels or _open(facts) != record.eligible):
            return False
        return (
            scores.tobytes() == record.scores
            and probability == record.probability
            and choice == record.choice
            and served == record.served
            and reason == record.reason
            and flags == 0
        )

    def decide(self, record: DecisionRecord) -> DecisionRecord:
        """The record as it would be written now."""
        asked = RequestInHand(self.request(record), record.ns, self._stored(record), record.key)
        settled = settle(self.now, asked, False, NO_MONEY, NOT_COUNTED)
        if record.flags & NO_BUDGET:
            outcome = chance.refused(settled.outcome)
            settled = msgspec.structs.replace(settled, outcome=outcome)
        made = record_of(self.now, asked, settled, record.id, 0)
        changes = {name: getattr(record, name) for name in OF_THE_MOMENT}
        return msgspec.structs.replace(made, **changes)

    def request(self, record: DecisionRecord) -> DecideRequest:
        """The request, as far as the record has it."""
        live = self.now.live
        k, features = len(live.cells) - 1, record.features
        effects = errors = named = None
        if record.source == REQUEST:
            if features is None and self.now.alone:
                features = LoggedLabels(record.labels)
                features.open = record.eligible
            effects = np.frombuffer(record.effects, "<f8").reshape(k, -1).tolist()
            if record.errors:
                errors = np.frombuffer(record.errors, "<f8").reshape(k, -1).tolist()
        if record.weights and record.request is None:
            named = dict(zip(live.weights, np.frombuffer(record.weights).tolist(), strict=True))
        return DecideRequest(
            unit=record.unit,
            features=features,
            effects=effects,
            errors=errors,
            cost=np.frombuffer(record.cost, "<f8").tolist() if record.cost else None,
            previous=live.cells[record.previous + 1] if record.previous >= -1 else None,
            weights=named,
            request=record.request,
        )

    def known(self, record: DecisionRecord) -> KnownUnit:
        """What the live policy knows of the unit."""
        stored = self._stored(record)
        reason = UNKNOWN_UNIT if stored is not None else STORE_TIMEOUT
        live = self.now.live
        return known(live, self.request(record), (stored or {}).get(live.id), reason)

    def sides(self, record: DecisionRecord) -> Sides:
        """What each policy knows of the unit."""
        now, request, own = self.now, self.request(record), self.known(record)
        live = Side(now.live.rule, own.facts, now.live.weights_of(request), own.reason)
        if now.candidate is None:
            return Sides(live, None)
        stored = (self._stored(record) or {}).get(now.candidate.id)
        other = beside(now.candidate, request, stored)
        its_weights = now.candidate.weights_of(request)
        return Sides(live, Side(now.candidate.rule, other.facts, its_weights, other.reason))

    def _stored(self, record: DecisionRecord) -> StoredFacts:
        """What the stores of the snapshots know of the unit; None where they were too late."""
        if record.flags & STALE:
            return None
        if record.source == REQUEST or self._was_erased(record):
            return {}
        return read_all(self.now, [record.unit])[0]

    def _was_erased(self, record: DecisionRecord) -> bool:
        return bool(self.erased) and self.erased.get(mark_of(record.unit), 2**63) <= record.ns


def chances_by(load: Load) -> Callable[[Mapping[str, int]], Chances]:
    """What tells the probability of each cell of logged decisions, by the snapshots that made them.

    Parameters
    ----------
    load : callable
        Gives the snapshots by their ids.

    Returns
    -------
    callable
        For `compact_log`: by when units asked to be forgotten, a function of a context and a
        record; None comes where a decision cannot be made again.
    """

    def of(erased: Mapping[str, int]) -> Chances:
        every: dict[int, tuple[Context, Again]] = {}

        def chances(context: Context, record: DecisionRecord) -> dict[str, float] | None:
            if id(context) not in every:
                every[id(context)] = context, Again(context, load, erased)
            again = every[id(context)][1]
            if again.why_not(record):
                return None
            sides, unit = again.sides(record), record.unit
            p = chance.cell_chances(again.now.shares, unit, record.previous, *sides)
            return dict(zip(again.now.live.cells, p.tolist(), strict=True))

        return chances

    return of


def _is_asked(record: DecisionRecord) -> bool:
    """Whether a decision hung on more than the unit, or its features."""
    return bool(
        record.source == REQUEST
        or record.previous != NEW
        or record.cost
        or record.weights
        or record.request is not None
        or (record.source == MODEL and not record.scores)
    )


def _open(facts: UnitFacts) -> bytes:
    """What is open, as a record has it."""
    return b"" if facts.eligible is None else facts.eligible.tobytes()


def prices_of(loaded: ServedSnapshot, logged: bytes) -> dict[str, float]:
    """The prices that a context has of a snapshot, by demand."""
    policy = loaded.scorer.rule.policy
    prices = np.frombuffer(logged, "<f8").tolist()
    if len(prices) != len(policy.demands):
        must, got = f"have {len(policy.demands)} prices", len(prices)
        fix = "give the snapshots that this log's service had"
        raise DataError("a context of the log", must, got, f"snapshot {loaded.id}", fix)
    return {demand.name: price for demand, price in zip(policy.demands, prices, strict=True)}
