"""What travels over HTTP: the same structs decode requests, encode answers and make the OpenAPI."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

MOST = 3.4e38  # of a number in a request: products and sums of such ones are finite
Number = Annotated[float, msgspec.Meta(ge=-MOST, le=MOST)]
Value = str | float | bool | None


class DecideRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Ask what one unit gets.

    Attributes
    ----------
    unit : str
        Its id.
    features : dict, optional
        Raw columns of the unit: those of the model, of groups, of costs and of eligibility.
        Without them the unit must be known to the store.
    effects, errors : list of list of float, optional
        Effects (k, M) and their standard errors, in the policy's order, in place of the model's.
    cost : list of float, optional
        What each candidate is expected to cost for this unit, in money; needed with effects, where
        the policy or the budget counts it.
    previous : str, optional
        What the unit has now: control's name or a candidate's.
    weights : dict of str to float, optional
        The worth of one unit of each metric for this request.
    request : dict of str to float, optional
        The context that the weight net reads, in place of ``weights``.
    key : str, optional
        Of this request: the same key with the same body gets the same answer.
    dry_run : bool, default False
        Decide without any effect: nothing is counted, spent or served.
    """

    unit: str
    features: dict[str, Value] | None = None
    effects: list[list[Number]] | None = None
    errors: list[list[Number]] | None = None
    cost: list[Number] | None = None
    previous: str | None = None
    weights: dict[str, Number] | None = None
    request: dict[str, float] | None = None
    key: str | None = None
    dry_run: bool = False


class DecideAnswer(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """What one unit gets, and why.

    Attributes
    ----------
    decision : str
        The id, 32 hex digits; rewards name it.
    unit : str
        Whom.
    candidate : str
        Control's name or a candidate's.
    probability : float
        Of that candidate for this unit, over the whole mechanism.
    reason, text : str
        A code of `REASONS`, and the same in words.
    scores : dict of str to float
        Of each candidate, in worth; a closed one has none.
    weights : dict of str to float
        That were used.
    prices : dict of str to float
        Of each demand.
    snapshot, policy : str
        What decided.
    logged : bool
        Whether the decision is in the log.
    amount : float, optional
        Of money, where the candidate is an amount.
    dry_run : bool, default False
        As asked.
    """

    decision: str
    unit: str
    candidate: str
    probability: float
    reason: str
    text: str
    scores: dict[str, float]
    weights: dict[str, float]
    prices: dict[str, float]
    snapshot: str
    policy: str
    logged: bool
    amount: float | None = None
    dry_run: bool = False


class Problem(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An error, by RFC 9457 and our grammar: what must be what; got what, where; what to do."""

    type: str = "about:blank"
    title: str = ""
    status: int = 400
    detail: str = ""
    what: str = ""
    must: str = ""
    got: str = ""
    where: str = ""
    fix: str = ""


class BatchRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Ask for many units at once."""

    units: list[DecideRequest]


class BatchAnswer(msgspec.Struct):
    """One answer or problem a unit, in order."""

    answers: list[DecideAnswer | Problem]


class ExposureRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Say that a decision was shown."""

    decision: str


class RewardRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What came of a decision.

    Attributes
    ----------
    decision : str
        Its id.
    name : str
        The metric.
    value : float
        In the metric's unit.
    at : float, optional
        When it happened, in seconds since 1970; by default now.
    op : {"add", "set"}, default "add"
        Whether it adds to what came before, or takes its place.
    key : str, optional
        Of this reward: a repeated one changes nothing.
    """

    decision: str
    name: str
    value: Number
    at: float | None = None
    op: Literal["add", "set"] = "add"
    key: str | None = None


class RewardAnswer(msgspec.Struct):
    """What became of a reward: "joined", "duplicate", "late" or "waiting" for its decision."""

    decision: str
    name: str
    status: str


class ExposureAnswer(msgspec.Struct):
    """What became of an exposure: "joined", "duplicate" or "waiting" for its decision."""

    decision: str
    status: str


class RewardSum(msgspec.Struct, kw_only=True):
    """What a decision had of one metric: its ``value`` so far, from how many rewards (``count``),
    and when the last happened (``at``, in seconds since 1970).
    """

    value: float
    count: int
    at: float


class DecisionStatus(msgspec.Struct, kw_only=True):
    """A decision and what came of it.

    Attributes
    ----------
    answer : DecideAnswer
        As it was sent.
    at : float
        When it was decided, in seconds since 1970.
    chosen : str
        What the policy chose, whatever was served.
    flags : list of str
        Such as "holdout".
    shown : bool
        Whether an exposure came.
    rewards : dict of str to RewardSum
        By metric.
    """

    answer: DecideAnswer
    at: float
    chosen: str
    flags: list[str]
    shown: bool
    rewards: dict[str, RewardSum]


class UnitHistory(msgspec.Struct, kw_only=True):
    """A unit's decisions of the last hours, the last first; asking decides nothing.

    Attributes
    ----------
    unit : str
        Whom.
    known : bool or None
        Whether the live snapshot's store has facts of it; None where it is over a network.
    override : str or None
        What an operator set.
    decisions : list of DecisionStatus
        At most 1,000.
    """

    unit: str
    known: bool | None
    override: str | None
    decisions: list[DecisionStatus]
