"""A request, checked at the door: its weights, its own effects and costs, what it had before."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

import numpy as np

from equipoise.artifacts.unit_facts import UnitFacts
from equipoise.core.arrays import Floats
from equipoise.core.errors import InputError
from equipoise.core.suggest import among
from equipoise.serving.engine.chance import NEW
from equipoise.serving.engine.part import Part
from equipoise.serving.messages import DecideRequest

LONGEST = 1024  # letters of a unit's id, and of a key


def check(request: DecideRequest, live: Part) -> int:
    """Check what costs nothing to check, and give the place of what the unit has.

    Parameters
    ----------
    request : DecideRequest
        As it came.
    live : Part
        What it is asked of.

    Returns
    -------
    int
        -2 nothing, -1 control, a candidate's place.

    Raises
    ------
    InputError
        Naming the field.
    """
    check_text(request.unit, "unit")
    if request.key is not None:
        check_text(request.key, "key")
    if request.weights is not None:
        _check_weights(request, live)
    return NEW if request.previous is None else live.place(request.previous, "previous")


def check_sent(request: DecideRequest, live: Part, money: bool) -> None:
    """Refuse what a request lacks or has too much of, whatever is known of its unit.  Not of logged
    requests: earlier versions took them.

    Parameters
    ----------
    request : DecideRequest
        As it came.
    live : Part
        What it is asked of.
    money : bool
        Whether the service has a budget.

    Raises
    ------
    InputError
        Naming the field.
    """
    if request.cost is not None:
        cost_of(request, live)
    elif request.effects is not None and (live.counts_cost or money):
        _matrix("effects", request.effects, (len(live.cells) - 1, len(live.metrics)))
        who = "the policy counts it" if live.counts_cost else "the service keeps a budget"
        fix = "send what each candidate is expected to cost for this unit"
        raise InputError("cost", f"be sent with effects: {who}", "none", fix=fix)
    if request.errors is not None and request.effects is None:
        raise InputError("errors", "be those of effects", "no effects", fix="send effects, too")


class LoggedLabels(dict[str, Any]):
    """What a log has of the features of a request with effects: labels as they were read then, and
    what was ``open``, one byte a candidate.
    """

    open = b""


def check_text(text: str, what: str) -> None:
    """Refuse an id or a key that is empty, too long, or no text that can be written.

    >>> check_text("ann", "unit")
    """
    if not 0 < len(text) <= LONGEST:
        raise InputError(what, f"be text of 1 to {LONGEST:,} letters", f"one of {len(text):,}")
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise InputError(what, "be text", "half of a surrogate pair")


def _check_weights(request: DecideRequest, live: Part) -> None:
    named = request.weights or {}
    if request.request is not None:
        fix = "send one of the two"
        raise InputError("weights and request", "not both be sent", "both", fix=fix)
    for name, weight in named.items():
        if name not in live.weights:
            fix = among(name, tuple(live.weights), "metrics")
            raise InputError("weights", "name metrics of the policy", repr(name), fix=fix)
        if not isfinite(weight):
            raise InputError(f"the weight of {name!r}", "be finite", weight)


def request_facts(request: DecideRequest, part: Part, features: Mapping[str, Any]) -> UnitFacts:
    """The facts of a unit whose effects came with the request.

    Parameters
    ----------
    request : DecideRequest
        With effects.
    part : Part
        Whose candidates and metrics they are of.
    features : mapping
        Raw columns, for the labels that the rule names, and for what is open to the unit.

    Returns
    -------
    UnitFacts
        Its costs are the request's, else 0.

    Raises
    ------
    InputError
        Where they are of another shape, or no finite numbers.
    """
    shape = (len(part.cells) - 1, len(part.metrics))
    values = _matrix("effects", request.effects, shape)
    errors = None
    if request.errors is not None:
        errors = _matrix("errors", request.errors, shape)
        if (errors < 0).any():
            raise InputError("errors", "be >= 0", float(errors.min()))
    elif part.policy.lower > 0:
        fix = "send the standard errors of the effects"
        raise InputError("errors", "be sent: the policy takes some off", "none", fix=fix)
    labels, logged = dict[str, str](), isinstance(features, LoggedLabels)
    for name in part.columns:
        if name not in features:
            fix = "send it among the features: the policy names it"
            raise InputError(f"features[{name!r}]", "be there", "nothing", fix=fix)
        value = features[name]
        labels[name] = value if logged else part.scorer.label(name, value)
    if isinstance(features, LoggedLabels):
        open_to = np.frombuffer(features.open, np.bool_) if features.open else None
    else:
        open_to = part.scorer.open_to(features)
    return UnitFacts(values, errors, np.zeros(shape[0]), labels, open_to)


def cost_of(request: DecideRequest, part: Part) -> Floats | None:
    """The costs that came with the request, (k,)."""
    if request.cost is None:
        return None
    k = len(part.cells) - 1
    if len(request.cost) != k or not all(isfinite(c) and c >= 0 for c in request.cost):
        must = f"be {k} finite amounts >= 0, one a candidate"
        raise InputError("cost", must, request.cost)
    return np.array(request.cost, np.float64)


def _matrix(name: str, rows: list[list[float]] | None, shape: tuple[int, int]) -> Floats:
    """Numbers of a request as an array."""
    given = rows or []
    if len(given) != shape[0] or any(len(row) != shape[1] for row in given):
        got = f"({len(given)}, {len(given[0]) if given else 0})"
        must = f"have shape (candidates, metrics) = {shape}"
        raise InputError(name, must, got)
    matrix = np.array(given, np.float64)
    if not np.isfinite(matrix).all():
        raise InputError(name, "be finite", "a number that is not")
    return matrix
