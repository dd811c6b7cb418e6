"""What is known of a unit under each snapshot in force: the request's effects, else the store's,
else the model's.

A store that does not answer in time leaves all of them without it: a request with features is then
decided by the models, with a flag; one without gets control.  Replay walks the same way, by the
source that the record names.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from equipoise.artifacts.unit_facts import UnitFacts
from equipoise.core.errors import EquipoiseError, InputError
from equipoise.serving.engine.asked import cost_of, request_facts
from equipoise.serving.engine.chance import UNKNOWN_UNIT
from equipoise.serving.engine.part import Part
from equipoise.serving.messages import DecideRequest, Value
from equipoise.serving.reasons import REASONS
from equipoise.serving.records import MODEL, REQUEST, STORE

STORE_TIMEOUT, MODEL_ERROR = REASONS["store_timeout"].code, REASONS["model_error"].code
StoredFacts = Mapping[str, UnitFacts | None] | None  # by snapshot; None: the store did not answer


class KnownUnit(msgspec.Struct, frozen=True, gc=False):
    """What one snapshot knows of a unit.

    Attributes
    ----------
    facts : UnitFacts or None
        None: nothing.
    source : int
        `STORE`, `MODEL` or `REQUEST`.
    reason : int
        Why nothing is known: the code of a reason.
    """

    facts: UnitFacts | None
    source: int
    reason: int = UNKNOWN_UNIT


def known(
    part: Part, request: DecideRequest, stored: UnitFacts | None, reason: int = UNKNOWN_UNIT
) -> KnownUnit:
    """What a snapshot knows of a unit.

    Parameters
    ----------
    part : Part
        The snapshot.
    request : DecideRequest
        With effects, features, both or neither.
    stored : UnitFacts or None
        What its store says.
    reason : int, default "unknown_unit"
        Why it says nothing.

    Returns
    -------
    KnownUnit
        The costs are the request's, where it has some.

    Raises
    ------
    InputError
        Where effects or features are not what they must be.
    """
    facts, source = stored, STORE
    if facts is not None and request.cost is None and request.effects is None:
        return KnownUnit(facts, STORE)
    if request.effects is not None:
        features = {} if request.features is None else request.features
        facts, source = request_facts(request, part, features), REQUEST
    elif stored is None:
        if request.features is None:
            return KnownUnit(None, STORE, reason)
        source = MODEL
        try:
            facts = by_model(part, request.features)
        except InputError:
            raise
        except Exception:  # noqa: BLE001 - a model may fail in any way; the unit gets control
            facts = None
        if facts is None:
            return KnownUnit(None, MODEL, MODEL_ERROR)
    cost = cost_of(request, part)
    if cost is not None and facts is not None:
        facts = facts._replace(cost=cost)
    return KnownUnit(facts, source)


def by_model(part: Part, features: Mapping[str, Value]) -> UnitFacts:
    """What a snapshot's model says of a unit.

    Parameters
    ----------
    part : Part
        The snapshot.
    features : mapping
        Raw columns.

    Returns
    -------
    UnitFacts
        As the batch gives them, bit for bit.
    """
    facts: UnitFacts = part.scorer.facts(features)
    return facts


def beside(part: Part, request: DecideRequest, stored: UnitFacts | None) -> KnownUnit:
    """`known` of another snapshot than the live one: what it cannot read it does not know."""
    try:
        return known(part, request, stored)
    except EquipoiseError:
        return KnownUnit(None, MODEL, MODEL_ERROR)
