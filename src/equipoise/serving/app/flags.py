"""OpenFeature's remote protocol (OFREP): every language's OFREP provider can ask for a decision.

    POLICY             text: the candidate's name
    POLICY.amount      number: its amount of money
    POLICY.decision    object: candidate, amount, probability, reason

The targeting key is the unit; what else stands in the context are its features.  An evaluation is a
decision, logged as one; its id is in the metadata, for rewards.  A bulk evaluation makes one
decision for all three flags.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from equipoise.core.errors import EquipoiseError, InputError
from equipoise.serving.app.problems import problem_of
from equipoise.serving.app.strict_json import Body
from equipoise.serving.messages import DecideAnswer, DecideRequest

AMOUNT, DECISION = ".amount", ".decision"
REASONS = {
    "best_score": "TARGETING_MATCH",
    "below_threshold": "TARGETING_MATCH",
    "override": "TARGETING_MATCH",
    "cadence": "TARGETING_MATCH",
    "lot": "SPLIT",
    "holdout": "SPLIT",
    "explored": "SPLIT",
    "killed": "DISABLED",
    "not_eligible": "DEFAULT",
    "budget": "DEFAULT",
    "unknown_unit": "DEFAULT",
    "store_timeout": "STALE",
    "model_error": "ERROR",
    "log_unavailable": "ERROR",
}
Decide = Callable[[DecideRequest], Awaitable[DecideAnswer]]


class EvaluationRequest(msgspec.Struct):
    """What a provider sends; what else it sends is left alone, as the protocol asks."""

    context: dict[str, Any] = {}


class Evaluation(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The value of one flag.

    Attributes
    ----------
    key : str
        The flag's name.
    value : str, float or object
        As the flag's kind is.
    reason : str
        Of OpenFeature.
    variant : str
        The candidate.
    metadata : dict
        The decision's id, its probability, the snapshot.
    """

    key: str
    value: Any
    reason: str
    variant: str
    metadata: dict[str, str | float | bool]


class EvaluationFailure(msgspec.Struct, kw_only=True):
    """Why a flag has no value: a code of OpenFeature, and words.

    Attributes
    ----------
    key : str
        The flag's name.
    errorCode, errorDetails : str
        As the protocol names them.
    """

    key: str
    errorCode: str
    errorDetails: str


class BulkEvaluation(msgspec.Struct):
    """The values of all flags: ``flags``, each an `Evaluation`."""

    flags: list[Evaluation]


class Flags:
    """Evaluates flags.

    Parameters
    ----------
    decide : callable
        Decides for one unit.
    in_money : callable
        Whether the candidates are amounts of money.
    """

    def __init__(self, decide: Decide, in_money: Callable[[], bool]) -> None:
        self.decide, self.in_money = decide, in_money
        self._body = Body(EvaluationRequest)

    async def one(self, key: str, policy: str, body: bytes) -> tuple[Any, int]:
        """One flag: an `Evaluation`, or an `EvaluationFailure`, and the status."""
        if key not in names(policy):
            return failure(key, "FLAG_NOT_FOUND", f"the flags are {', '.join(names(policy))}"), 404
        if key == policy + AMOUNT and not self.in_money():  # nothing is decided for nobody
            return failure(key, "FLAG_NOT_FOUND", "the candidates are no amounts of money"), 404
        try:
            request = request_of(self._body(body))
        except EquipoiseError as error:
            return failure(key, code_of(error), str(error)), 400
        try:
            answer = await self.decide(request)
        except EquipoiseError as error:
            return failure(key, "INVALID_CONTEXT", str(error)), _status(error)
        return evaluation(key, policy, answer), 200

    async def all(self, policy: str, body: bytes) -> tuple[Any, int]:
        """All flags, by one decision."""
        try:
            request = request_of(self._body(body))
        except EquipoiseError as error:
            return failure("", code_of(error), str(error)), 400
        try:
            answer = await self.decide(request)
        except EquipoiseError as error:
            return failure("", "INVALID_CONTEXT", str(error)), _status(error)
        keys = [key for key in names(policy) if key != policy + AMOUNT or self.in_money()]
        return BulkEvaluation([evaluation(key, policy, answer) for key in keys]), 200


class NoTargetingKey(InputError):
    """The context names no unit."""


def names(policy: str) -> tuple[str, str, str]:
    """The flags of a policy."""
    return policy, policy + AMOUNT, policy + DECISION


def request_of(asked: EvaluationRequest) -> DecideRequest:
    """The request that a context makes.

    Parameters
    ----------
    asked : EvaluationRequest
        With a targeting key.

    Returns
    -------
    DecideRequest
        Its features are the values of the context; lists and objects are left out.

    Raises
    ------
    InputError
        Where the targeting key is missing or no text, or a number is none of float64.

    Examples
    --------
    >>> request_of(EvaluationRequest({"targetingKey": "user-1", "age": 34})).features
    {'age': 34.0}
    """
    context = dict(asked.context)
    unit = context.pop("targetingKey", None)
    if not isinstance(unit, str) or not unit:
        got = "none" if unit is None else type(unit).__name__
        got = "an empty one" if unit == "" else got
        fix = "set the targeting key to the unit's id"
        raise NoTargetingKey("targetingKey", "be text", got, "context", fix)
    features = {
        name: _number(name, value) if type(value) is int else value
        for name, value in context.items()
        if value is None or isinstance(value, str | float | bool | int)
    }
    return DecideRequest(unit=unit, features=features or None)


def _number(name: str, value: int) -> float:
    try:
        return float(value)
    except OverflowError as error:
        fix = "send a smaller number"
        got = f"one of {value.bit_length():,} bits"
        raise InputError(name, "be a number within float64", got, "context", fix) from error


def evaluation(key: str, policy: str, answer: DecideAnswer) -> Evaluation:
    """The value of a flag."""
    value: Any = answer.candidate
    if key == policy + AMOUNT:
        value = answer.amount
    elif key == policy + DECISION:
        value = {
            "candidate": answer.candidate,
            "probability": answer.probability,
            "reason": answer.reason,
        }
        if answer.amount is not None:
            value["amount"] = answer.amount
    return Evaluation(
        key=key,
        value=value,
        reason=REASONS[answer.reason],
        variant=answer.candidate,
        metadata={
            "decision": answer.decision,
            "probability": answer.probability,
            "reason": answer.reason,
            "snapshot": answer.snapshot,
        },
    )


def failure(key: str, code: str, details: str) -> EvaluationFailure:
    """Why a flag has no value."""
    return EvaluationFailure(key=key, errorCode=code, errorDetails=details)


def code_of(error: EquipoiseError) -> str:
    """OpenFeature's code of an error."""
    if isinstance(error, NoTargetingKey):
        return "TARGETING_KEY_MISSING"
    return "PARSE_ERROR"


def _status(error: EquipoiseError) -> int:
    """The protocol knows 400, and what a proxy would say."""
    status = problem_of(error).status
    return 400 if status < 500 else status


def configuration(policy: str) -> dict[str, Any]:
    """What a provider may know of the service: it must not keep values."""
    return {
        "name": f"equipoise: {policy}",
        "capabilities": {
            "cacheInvalidation": {"polling": {"enabled": False}},
            "flagEvaluation": {"supportedTypes": ["string", "float", "object"]},
        },
    }
