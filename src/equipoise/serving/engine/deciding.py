"""One decision, from a request to the record of it: everything but the log and the answer.

override -> known? -> eligible, cadence -> holdout -> which policy -> rule -> exploration ->
budget
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import msgspec

from equipoise.artifacts.unit_facts import UnitFacts
from equipoise.core.arrays import Floats
from equipoise.core.errors import EquipoiseError
from equipoise.serving.engine import chance
from equipoise.serving.engine.asked import check, check_sent
from equipoise.serving.engine.chance import (
    CONTROL,
    NEW,
    NO_SCORES,
    UNKNOWN_UNIT,
    Outcome,
    Side,
)
from equipoise.serving.engine.facts import (
    MODEL_ERROR,
    STORE_TIMEOUT,
    KnownUnit,
    StoredFacts,
    beside,
    known,
)
from equipoise.serving.engine.in_force import InForce
from equipoise.serving.engine.part import Part
from equipoise.serving.engine.rewards import MILLION
from equipoise.serving.engine.shared import HeldMoney
from equipoise.serving.messages import DecideRequest
from equipoise.serving.protocols import Budget, Counters, Hold
from equipoise.serving.reasons import REASONS
from equipoise.serving.records import (
    CANDIDATE,
    KILLED,
    MODEL,
    OVERRIDE,
    REQUEST,
    STALE,
    STORE,
    DecisionRecord,
    SpendRecord,
)

DAY = 86_400_000_000_000  # ns
EPOCH = date(1970, 1, 1).toordinal()
FAILED = NEW  # the choice of a shadow that failed
KILL, SET = REASONS["killed"].code, REASONS["override"].code


class Money(msgspec.Struct, frozen=True):
    """Where money is reserved, ``budget``, and whether offers are paid only where they are taken,
    ``claimed``.
    """

    budget: Budget | None
    claimed: bool


class RequestInHand(msgspec.Struct, frozen=True, gc=False):
    """A request in hand."""

    request: DecideRequest
    now_ns: int
    stored: StoredFacts  # of units that were read already
    key: bytes  # of idempotency, b"" without
    at: int = 0  # its place among those that are decided together


class UnitDecision(msgspec.Struct, frozen=True, gc=False):
    """What a request comes to, before it is logged."""

    outcome: Outcome
    part: Part  # that decided
    known: KnownUnit  # of the live snapshot
    previous: int
    weights: Floats | None
    shadows: tuple[int, ...]
    hold: Hold | None


class PendingDecision(msgspec.Struct, frozen=True, gc=False):
    """A decision that is to be logged, and what of its money waits or is spent at once."""

    asked: RequestInHand
    settled: UnitDecision
    record: DecisionRecord
    held: HeldMoney | None
    spend: SpendRecord | None


NOTHING = KnownUnit(None, STORE)
new = tuple.__new__  # a third of the time of a named tuple's own


def settle(
    now: InForce, asked: RequestInHand, killed: bool, money: Money, counters: Counters
) -> UnitDecision:
    """What a unit gets, with the money for it reserved.

    Parameters
    ----------
    now : InForce
        Snapshots, shares and overrides.
    asked : RequestInHand
        The request.
    killed : bool
        Whether everybody gets control.
    money : Money
        Where it is reserved.
    counters : Counters
        Of shadows that fail.

    Returns
    -------
    UnitDecision
        Control with a reason, where anything fails.

    Raises
    ------
    InputError
        Where the request is wrong.
    """
    request, live = asked.request, now.live
    previous = check(request, live)
    if killed:
        outcome = Outcome(CONTROL, CONTROL, 1.0, KILL, KILLED, NO_SCORES)
        return UnitDecision(outcome, live, NOTHING, previous, None, (), None)
    part, flags = live, 0
    stored = asked.stored
    if stored is None:
        stored, flags = {}, STALE
    reason = STORE_TIMEOUT if flags else UNKNOWN_UNIT
    own = known(live, request, stored.get(live.id), reason)
    weights, facts = live.weights_of(request), own.facts
    shadows: tuple[int, ...] = ()
    if (fixed := now.overrides.get(request.unit)) is not None:
        outcome = Outcome(fixed, fixed, 1.0, SET, OVERRIDE, NO_SCORES)
    else:
        outcome, other = _outcome(now, asked, own, stored, weights, previous)
        if other is not None and now.candidate is not None:
            part, facts = now.candidate, other.facts
        if now.shadows:
            shadows = tuple(
                _shadow(counters, shadow, request, stored, previous) for shadow in now.shadows
            )
    if flags:
        outcome = outcome._replace(flags=outcome.flags | flags)
    hold = None
    if outcome.served >= 0 and money.budget is not None and not request.dry_run:
        most = part.most(outcome.served, facts, request, money.claimed)
        hold = None if most is None else money.budget.reserve(most)
        if hold is None:
            outcome = chance.refused(outcome)
    return UnitDecision(outcome, part, own, previous, weights, shadows, hold)


def _outcome(
    now: InForce,
    asked: RequestInHand,
    own: KnownUnit,
    stored: Mapping[str, UnitFacts | None],
    weights: Floats | None,
    previous: int,
) -> tuple[Outcome, KnownUnit | None]:
    """The mechanism, or what goes before it; and what the candidate snapshot knows, where the
    unit fell to it.
    """
    request, live, candidate = asked.request, now.live, now.candidate
    facts, unit = own.facts, request.unit
    if previous != NEW and live.staying and facts is not None:
        is_open = previous < 0 or facts.eligible is None or bool(facts.eligible[previous])
        day = EPOCH + asked.now_ns // DAY
        label = facts.labels.get(live.staying_column)
        if is_open and chance.stays(live.staying, label, unit, day):
            return chance.kept(previous), None
    first = new(Side, (live.rule, facts, weights, own.reason))
    second, other = None, None
    if candidate is not None:
        other = beside(candidate, request, stored.get(candidate.id))
        its_weights = candidate.weights_of(request)
        second = Side(candidate.rule, other.facts, its_weights, other.reason)
    try:
        outcome = chance.serve(now.shares, unit, previous, first, second)
    except EquipoiseError:
        return Outcome(CONTROL, CONTROL, 1.0, MODEL_ERROR, 0, NO_SCORES), None
    return outcome, other if outcome.flags & CANDIDATE else None


def _shadow(
    counters: Counters,
    shadow: Part,
    request: DecideRequest,
    stored: Mapping[str, UnitFacts | None],
    previous: int,
) -> int:
    """What a shadow would choose; it never stands in the way."""
    try:
        own = known(shadow, request, stored.get(shadow.id))
        side = Side(shadow.rule, own.facts, shadow.weights_of(request), own.reason)
        return chance.verdict(side, request.unit, previous).choice
    except Exception:  # noqa: BLE001 - whatever fails in a shadow, the unit is answered
        counters.failed("shadow")
        return FAILED


def pending(
    now: InForce,
    asked: RequestInHand,
    killed: bool,
    money: Money,
    counters: Counters,
    id: bytes,
    latency: int,
) -> PendingDecision:
    """A decision that is to be logged, its money reserved.

    Parameters
    ----------
    now, asked, killed, money, counters
        As of `settle`.
    id : bytes
        Of the decision; a dry run has none.
    latency : int
        Nanoseconds since the request came.

    Returns
    -------
    PendingDecision
        To be logged.

    Raises
    ------
    InputError
        Where the request is wrong.
    """
    if not killed:
        check_sent(asked.request, now.live, money.budget is not None)
    settled = settle(now, asked, killed, money, counters)
    if asked.request.dry_run:
        id = b""
    record = record_of(now, asked, settled, id, latency)
    if not record.lease:
        return PendingDecision(asked, settled, record, None, None)
    lease, amount = record.lease, record.amount
    if not money.claimed:
        spend = SpendRecord(id, record.ns, lease, amount, amount)
        return PendingDecision(asked, settled, record, None, spend)
    sent = min(amount, round(settled.part.sending[record.served] * MILLION))
    return PendingDecision(asked, settled, record, HeldMoney(lease, amount, sent), None)


def record_of(
    now: InForce, asked: RequestInHand, settled: UnitDecision, id: bytes, latency: int
) -> DecisionRecord:
    """All that is needed to decide it again, and what came out.

    Parameters
    ----------
    now : InForce
        Whose context it names.
    asked : RequestInHand
        The request.
    settled : UnitDecision
        What it came to.
    id : bytes
        Of the decision.
    latency : int
        Nanoseconds since the request came.

    Returns
    -------
    DecisionRecord
        To be logged.
    """
    request, outcome = asked.request, settled.outcome
    facts, source = settled.known.facts, settled.known.source
    effects = errors = labels = cost = eligible = None
    if facts is not None:
        labels = facts.labels
        eligible = None if facts.eligible is None else facts.eligible.tobytes()
        if source == REQUEST:
            effects = facts.values.tobytes()
            errors = None if facts.errors is None else facts.errors.tobytes()
        if request.cost is not None:
            cost = facts.cost.tobytes()
    lease, amount = settled.hold or (0, 0)
    return DecisionRecord(
        id,
        asked.now_ns,
        now.context.number,
        request.unit,
        source,
        request.features if source == MODEL or not now.alone else None,
        effects or b"",
        errors or b"",
        labels or {},
        cost or b"",
        eligible or b"",
        settled.previous,
        b"" if settled.weights is None else settled.weights.tobytes(),
        request.request,
        outcome.scores.tobytes(),
        outcome.choice,
        outcome.served,
        outcome.probability,
        outcome.reason,
        outcome.flags,
        lease,
        amount,
        asked.key,
        max(0, latency) // 1000,
        settled.shadows,
    )
