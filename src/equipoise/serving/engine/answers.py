"""An answer from a decision's record, as the JSON of a `DecideAnswer`: the same function when it is
made and when it is given again, so both have the same bytes.

What an answer says of the policy (weights, prices, snapshot) is the same for very many, so it is
written once and kept with the part that decided.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from equipoise.serving.engine.part import Part
from equipoise.serving.reasons import BY_CODE
from equipoise.serving.records import CANDIDATE, LOW_PRICES, Context, DecisionRecord

CLOSED = float("-inf")
NAMES = tuple((reason.name, reason.text) for reason in BY_CODE)
OF_POLICY = CANDIDATE | LOW_PRICES  # flags of which the rest of an answer depends
MOST = 4096  # rests that a part keeps


class Start(msgspec.Struct, gc=False):
    """What an answer says of the unit: the first fields of `DecideAnswer`."""

    decision: str
    unit: str
    candidate: str
    probability: float
    reason: str
    text: str
    scores: dict[str, float]


class Rest(msgspec.Struct, omit_defaults=True):
    """What it says of the policy: the other fields of `DecideAnswer`."""

    weights: dict[str, float]
    prices: dict[str, float]
    snapshot: str
    policy: str
    logged: bool
    amount: float | None = None
    dry_run: bool = False


_encode = msgspec.json.Encoder().encode


def answer_json(
    record: DecisionRecord,
    context: Context,
    part: Part | None,
    scores: Sequence[float] | None = None,
    logged: bool = True,
    dry_run: bool = False,
) -> bytes:
    """The answer of a decision.

    Parameters
    ----------
    record : DecisionRecord
        What was decided.
    context : Context
        That it names.
    part : Part or None
        The snapshot that decided; None where it is not here any more: the answer then has no
        weights and no prices.
    scores : sequence of float, optional
        Of each candidate, where they are at hand already.
    logged, dry_run : bool
        As in the answer.

    Returns
    -------
    bytes
        What was sent: the JSON of a `DecideAnswer`.
    """
    if scores is None:
        scores = np.frombuffer(record.scores, "<f8").tolist()
    cells = context.cells
    named = dict(zip(cells[1:], scores, strict=False))
    if CLOSED in scores:
        named = {cell: score for cell, score in named.items() if score != CLOSED}
    name, text = NAMES[record.reason]
    served = record.served
    start = Start(
        record.id.hex(), record.unit, cells[served + 1], record.probability, name, text, named
    )
    if part is None or record.weights:
        rest = _rest(record, context, part, logged, dry_run)
    else:
        if part.answers_of is not context:
            part.answers_of, part.answers = context, {}
        label = record.labels.get(part.segment) if part.segment else None
        key = (served, record.flags & OF_POLICY, label, logged, dry_run)
        kept = part.answers.get(key)
        if kept is None:
            kept = _rest(record, context, part, logged, dry_run)
            if len(part.answers) < MOST:
                part.answers[key] = kept
        rest = kept
    return _encode(start)[:-1] + rest


def snapshot_of(record: DecisionRecord, context: Context) -> str:
    """The id of the snapshot that decided."""
    return context.candidate_snapshot if record.flags & CANDIDATE else context.snapshot


def _rest(
    record: DecisionRecord, context: Context, part: Part | None, logged: bool, dry_run: bool
) -> bytes:
    """The end of an answer, from the comma on."""
    weights: dict[str, float] = {}
    prices: dict[str, float] = {}
    amount: Any = None
    if part is not None:
        flags = record.flags
        own = np.frombuffer(record.weights, "<f8") if record.weights else None
        weights = part.weights_used(record.labels, own)
        prices = part.low_prices if flags & LOW_PRICES else part.prices
        if context.prices != part.price_bytes and not flags & OF_POLICY:
            then = np.frombuffer(context.prices, "<f8").tolist()  # they have changed since
            prices = dict(zip(part.prices, then, strict=False))
        amount = part.amounts[record.served + 1]
    snapshot = snapshot_of(record, context)
    rest = Rest(weights, prices, snapshot, context.policy, logged, amount, dry_run)
    return b"," + _encode(rest)[1:]
