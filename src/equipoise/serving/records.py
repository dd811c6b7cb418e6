"""What the decision log holds, record by record: msgpack arrays, of which the first item says the
type.

Floats of a decision travel as the bytes of little-endian float64, so that every bit returns.  A
change of any record is a new version of the segment's format.
"""

from __future__ import annotations

from typing import Any

import msgspec

STORE, MODEL, REQUEST = 0, 1, 2  # where the effects of a decision came from
DRY_RUN, OVERRIDE, HOLDOUT, KILLED, LOW_PRICES, STALE, NO_BUDGET, EXPLORED, CANDIDATE = (
    1 << bit for bit in range(9)
)  # flags of a decision
NOT_ESTIMATED = DRY_RUN | OVERRIDE | KILLED | NO_BUDGET  # these are in no estimate


class Context(msgspec.Struct, array_like=True, tag=1, frozen=True):
    """What all decisions share until something changes: the first record of a segment.

    Attributes
    ----------
    number : int
        Decisions name it; each number is used once by a writer.
    ns : int
        When it began, in nanoseconds since 1970.
    policy : str
        The name of the policy.
    snapshot : str
        The id of the live snapshot.
    candidate_snapshot : str
        The id of the snapshot that shares the traffic, "" without one.
    shadows : tuple of str
        The ids of the snapshots that decide beside.
    prices, low_prices : bytes
        float64, one a demand.
    weights : bytes
        float64, one a metric.
    seed : int
        Of the service's own draws.
    share, holdout, explore : float
        The shares of the candidate snapshot, of the holdout and of exploration, in [0, 1].
    explore_shares : bytes
        float64, (1 + k,): with what chance exploration gives each cell, control first.
    versions : dict of str to str
        Of equipoise, numpy and numba, and the processor's name.
    boot : str
        Of this machine's present start.
    cells : tuple of str
        The name of control and of each candidate, in the policy's order: with them the log can be
        read without the snapshot.
    beside_prices : tuple of bytes
        As ``prices``, of the candidate snapshot, if there is one, and of each shadow.
    """

    number: int
    ns: int
    policy: str
    snapshot: str
    candidate_snapshot: str = ""
    shadows: tuple[str, ...] = ()
    prices: bytes = b""
    low_prices: bytes = b""
    weights: bytes = b""
    seed: int = 0
    share: float = 0.0
    holdout: float = 0.0
    explore: float = 0.0
    explore_shares: bytes = b""
    versions: dict[str, str] = {}
    boot: str = ""
    cells: tuple[str, ...] = ()
    beside_prices: tuple[bytes, ...] = ()


class DecisionRecord(msgspec.Struct, array_like=True, tag=2, frozen=True, gc=False):
    """One decision: all that is needed to decide it again, and what came out.

    Attributes
    ----------
    id : bytes
        16 bytes.
    ns : int
        When, in nanoseconds since 1970.
    context : int
        The number of its context in this segment.
    unit : str
        Whom.
    source : int
        `STORE`, `MODEL` or `REQUEST`.
    features : dict or None
        As received, where the model took them.
    effects, errors : bytes
        float64, (k, M), where they came with the request.
    labels : dict of str to str
        The labels of the columns that the rule names.
    cost : bytes
        float64, (k,); empty where none is known.
    eligible : bytes
        One byte a candidate; empty: all are open.
    previous : int
        What the unit had: -2 nothing, -1 control, a candidate's place.
    weights : bytes
        float64, (m,), where the request brought its own.
    request : dict of str to float, or None
        The context that the weight net read.
    scores : bytes
        float64, (k,), by the policy that decided.
    choice : int
        What that policy chose: -1 control, a candidate's place.
    served : int
        What the unit got.
    probability : float
        Of what it got, over the whole mechanism.
    reason : int
        The code of a `Reason`.
    flags : int
        Bits such as `HOLDOUT`.
    lease, amount : int
        The lease that money was reserved on and how much, in millionths; 0 and 0 without.
    key : bytes
        The hash of the idempotency key, 16 bytes; empty without.
    latency_us : int
        From the request's arrival to this record.
    shadows : tuple of int
        What each shadow would have chosen.
    """

    id: bytes
    ns: int
    context: int
    unit: str
    source: int
    features: dict[str, Any] | None
    effects: bytes
    errors: bytes
    labels: dict[str, str]
    cost: bytes
    eligible: bytes
    previous: int
    weights: bytes
    request: dict[str, float] | None
    scores: bytes
    choice: int
    served: int
    probability: float
    reason: int
    flags: int
    lease: int = 0
    amount: int = 0
    key: bytes = b""
    latency_us: int = 0
    shadows: tuple[int, ...] = ()


class ExposureRecord(msgspec.Struct, array_like=True, tag=3, frozen=True):
    """That a decision was shown: its ``decision``, and when, ``ns``."""

    decision: bytes
    ns: int


class RewardRecord(msgspec.Struct, array_like=True, tag=4, frozen=True):
    """A reward of a decision.

    Attributes
    ----------
    decision : bytes
        16 bytes.
    ns : int
        When it was received.
    at : int
        When it happened, in nanoseconds since 1970.
    name : str
        The metric.
    value : float
        In the metric's unit.
    set : bool
        Whether it takes the place of what came before, instead of adding to it.
    key : str
        Of this reward: a repeated one changes nothing.
    late : bool
        Whether it came after the metric's window; it is kept, and not joined.
    """

    decision: bytes
    ns: int
    at: int
    name: str
    value: float
    set: bool = False
    key: str = ""
    late: bool = False


class SpendRecord(msgspec.Struct, array_like=True, tag=5, frozen=True):
    """What a reserved amount came to: its ``decision``, when (``ns``), the ``lease``, what was
    ``reserved`` and what was ``spent`` of it, in millionths of the currency.
    """

    decision: bytes
    ns: int
    lease: int
    reserved: int
    spent: int


class ErasedRecord(msgspec.Struct, array_like=True, tag=6, frozen=True):
    """That a unit asked to be forgotten: the ``unit``, and when, ``ns``."""

    unit: str
    ns: int


class EndRecord(msgspec.Struct, array_like=True, tag=9, frozen=True):
    """The end of a segment: how many records came before, ``count``, and the sha256 of all bytes
    before, ``digest``.  A segment that was rewritten (an erased unit) keeps the digest that it had
    before in ``first``, which the next segment's header goes on naming.
    """

    count: int
    digest: bytes
    first: bytes = b""


Record = (
    Context
    | DecisionRecord
    | ExposureRecord
    | RewardRecord
    | SpendRecord
    | ErasedRecord
    | EndRecord
)
