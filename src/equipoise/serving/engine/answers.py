"""An answer from a decision's record: the same function when it is made and when it is given again,
so both have the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from equipoise.serving.engine.part import Part
from equipoise.serving.messages import DecideAnswer
from equipoise.serving.reasons import BY_CODE
from equipoise.serving.records import CANDIDATE, LOW_PRICES, Context, DecisionRecord

CLOSED = float("-inf")
NAMES = tuple((reason.name, reason.text) for reason in BY_CODE)


def answer_of(
    record: DecisionRecord,
    context: Context,
    part: Part | None,
    scores: Sequence[float] | None = None,
    logged: bool = True,
    dry_run: bool = False,
) -> DecideAnswer:
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
    DecideAnswer
        What was sent.
    """
    cells, flags = context.cells, record.flags
    if scores is None:
        scores = np.frombuffer(record.scores, "<f8").tolist()
    name, text = NAMES[record.reason]
    if part is None:
        weights: dict[str, float] = {}
        prices: dict[str, float] = {}
        amount = None
    else:
        own = np.frombuffer(record.weights, "<f8") if record.weights else None
        weights = part.weights_used(record.labels, own)
        prices = part.low_prices if flags & LOW_PRICES else part.prices
        if context.prices != part.price_bytes and not flags & (CANDIDATE | LOW_PRICES):
            then = np.frombuffer(context.prices, "<f8").tolist()  # they have changed since
            prices = dict(zip(part.prices, then, strict=False))
        amount = part.amounts[record.served + 1]
    return DecideAnswer(
        decision=record.id.hex(),
        unit=record.unit,
        candidate=cells[record.served + 1],
        probability=record.probability,
        reason=name,
        text=text,
        scores=_by_name(cells, scores),
        weights=weights,
        prices=prices,
        snapshot=snapshot_of(record, context),
        policy=context.policy,
        logged=logged,
        amount=amount,
        dry_run=dry_run,
    )


def snapshot_of(record: DecisionRecord, context: Context) -> str:
    """The id of the snapshot that decided."""
    return context.candidate_snapshot if record.flags & CANDIDATE else context.snapshot


def _by_name(cells: Sequence[str], scores: Sequence[float]) -> dict[str, float]:
    """The scores of what is open."""
    named = dict(zip(cells[1:], scores, strict=False))
    if CLOSED in scores:
        return {cell: score for cell, score in named.items() if score != CLOSED}
    return named
