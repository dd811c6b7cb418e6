"""One decision, term by term: what each effect was worth, what each demand cost, and what the
probability is made of.

    score_a = sum_j w_j (effect_aj - z std_error_aj) - c cost_a + keep - tie
              - sum_r price_r usage_ra
    p(a)    = h [a = control] + (1 - h) sum_j s_j ((1 - e) p_j(a) + e q_j(a))
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from equipoise.allocation.hashing import uniform_one
from equipoise.allocation.rule import LOW_STREAM
from equipoise.allocation.solver.ties import rates_of
from equipoise.artifacts.unit_facts import UnitFacts
from equipoise.core.arrays import Floats
from equipoise.core.columns import free_name, text_label
from equipoise.core.errors import InputError
from equipoise.core.policy import Demand, Policy
from equipoise.serving.engine import chance
from equipoise.serving.engine.chance import Side
from equipoise.serving.engine.part import Part
from equipoise.serving.log.erasure import tombstones
from equipoise.serving.log.reader import log_folder, read_segment
from equipoise.serving.log.segments import segments_of
from equipoise.serving.reasons import BY_CODE
from equipoise.serving.records import (
    CANDIDATE,
    NOT_ESTIMATED,
    Context,
    DecisionRecord,
)
from equipoise.serving.replay.again import Again, Load


@dataclass(frozen=True)
class Explanation:
    """Why a unit got what it got.

    Attributes
    ----------
    decision, unit, snapshot : str
        Which decision, on whom, by what.
    ns : int
        When, in nanoseconds since 1970.
    served, choice : str
        What the unit got, and what the policy that decided would choose.
    reason, text : str
        The code, and the same in words.
    probability : float
        Of what the unit got.
    parts : list of dict
        What the probability is made of: ``part``, its ``chance``, and the chance with which it
        ``gives`` what was served; empty where nothing was drawn.
    scores : list of dict
        Of each candidate: ``candidate``, ``score`` and ``terms``, which add up to it.
    demands : list of dict
        Of each demand: its ``price``, what the served candidate ``uses`` of it, and what that
        ``costs`` in worth.
    again : bool
        Whether the decision comes out the same, bit for bit, now.

    Examples
    --------
    >>> Explanation("ab", "ann", "cd", 0, "none", "none", "holdout", "", 0.1).again
    False
    """

    decision: str
    unit: str
    snapshot: str
    ns: int
    served: str
    choice: str
    reason: str
    text: str
    probability: float
    parts: list[dict[str, Any]] = field(default_factory=list)
    scores: list[dict[str, Any]] = field(default_factory=list)
    demands: list[dict[str, Any]] = field(default_factory=list)
    again: bool = False


def explain_decision(folder: Path | str, decision: str, load: Load) -> Explanation:
    """Explain one decision of a log.

    Parameters
    ----------
    folder : path
        Of the log.
    decision : str
        Its id, 32 hex digits.
    load : callable
        Gives the snapshots that made it.

    Returns
    -------
    Explanation
        What the record says, and where its snapshots are there, the score term by term.

    Raises
    ------
    InputError
        Where the id is none, or not in the log.
    DataError
        Where the log is damaged.
    """
    context, record = find_decision(folder, decision)
    again = Again(context, load, {})
    cells = context.cells or (() if again.missing else again.now.live.cells)
    served, choice = (cells[c + 1] if cells else str(c) for c in (record.served, record.choice))
    reason = BY_CODE[record.reason]
    told = Explanation(
        decision,
        record.unit,
        context.candidate_snapshot if record.flags & CANDIDATE else context.snapshot,
        record.ns,
        served,
        choice,
        reason.name,
        reason.text,
        record.probability,
    )
    if again.why_not(record):
        return told
    if again.decide(record) != record:  # perhaps since the unit had asked to be forgotten
        again = Again(context, load, tombstones(folder))
    scores, demands = _score_terms(*_decider(again, record), record)
    parts = [] if record.flags & NOT_ESTIMATED else _parts(again, record)
    same = again.decide(record) == record
    return replace(told, parts=parts, scores=scores, demands=demands, again=same)


def find_decision(folder: Path | str, decision: str) -> tuple[Context, DecisionRecord]:
    """A decision of a log, with its context; only the segments of its writer are read."""
    try:
        id = bytes.fromhex(decision)
    except ValueError:
        id = b""
    if len(id) != 16:
        raise InputError("a decision's id", "be 32 hex digits", repr(decision))
    slot, epoch = int.from_bytes(id[6:8], "big"), int.from_bytes(id[8:12], "big")
    segments = segments_of(log_folder(folder), slot)
    for segment, follower in zip_longest(segments, segments[1:]):
        if segment.epoch != epoch:
            continue
        for _, context, record, _ in read_segment(segment, follower):
            if isinstance(record, DecisionRecord) and record.id == id and context is not None:
                return context, record
    fix = "look in the log of the service that answered; old segments are removed in time"
    raise InputError("a decision", "be in the log", decision, str(folder), fix)


def _decider(again: Again, record: DecisionRecord) -> tuple[Part, Side]:
    """The policy that decided, and what it knew."""
    sides, other = again.sides(record), again.now.candidate
    if record.flags & CANDIDATE and sides.candidate is not None and other is not None:
        return other, sides.candidate
    return again.now.live, sides.live


def _score_terms(
    part: Part, side: Side, record: DecisionRecord
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The terms of each score, and what the served candidate used of each demand."""
    facts, policy = side.facts, part.policy
    if facts is None or not record.scores or policy.mode == "random":
        return [], []
    # of what was drawn or held out, too, which no flag says
    low = policy.low_share and _tie_draw(record, policy) < policy.low_share
    prices = policy.low_prices if low else policy.prices
    weights = weights_of(side, facts)
    scores = np.frombuffer(record.scores, "<f8")
    rows = []
    for place, name in enumerate(policy.candidates):
        terms = _worth(part, facts, weights, record, place)
        for demand, price in zip(policy.demands, prices, strict=True):
            terms[f"price of {demand.name}"] = 0.0 - price * _usage(part, facts, demand, place)
        if facts.eligible is not None and not facts.eligible[place]:
            terms["closed to the unit"] = -np.inf
        rows.append({"candidate": name, "score": float(scores[place]), "terms": terms})
    demands = [
        {"demand": demand.name, "price": price, "uses": used, "costs": price * used + 0.0}
        for demand, price in zip(policy.demands, prices, strict=True)
        for used in [_usage(part, facts, demand, record.served) if record.served >= 0 else 0.0]
    ]
    return rows, demands


def weights_of(side: Side, facts: UnitFacts) -> Floats:
    """The weights that the rule used for a unit, (m,)."""
    policy = side.rule.policy
    if side.weights is not None:
        return side.weights
    own = np.asarray(policy.weights, np.float64)
    if facts.importance != 1.0:
        return facts.importance * own
    table = dict(policy.segment_weights)
    label = facts.labels.get(policy.segment or "", "")
    return np.asarray(table.get(label, own), np.float64)


def _worth(
    part: Part, facts: UnitFacts, weights: Floats, record: DecisionRecord, place: int
) -> dict[str, float]:
    """The terms of a score but for prices."""
    policy, metrics = part.policy, part.metrics
    terms: dict[str, float] = {}
    for metric, weight in zip(policy.metrics, weights.tolist(), strict=True):
        column = metrics.index(metric)
        terms[f"{metric}"] = weight * float(facts.values[place, column])
        if policy.lower and facts.errors is not None:
            error = float(facts.errors[place, column])
            terms[f"doubt of {metric}"] = -policy.lower * abs(weight) * error
    others: dict[str, float] = {}
    if policy.cost_weight:
        others["cost"] = -policy.cost_weight * float(facts.cost[place])
    if policy.keep:
        bonus = policy.keep if record.previous == place else 0.0
        others["keep"] = bonus - (policy.keep if record.previous == -1 else 0.0)
    if policy.tie_penalty:
        draw = _tie_draw(record, policy)
        rates = rates_of(len(policy.candidates), policy.tie_penalty)
        others["ties"] = -draw * float(rates[place])
    return terms | {free_name(name, terms): value for name, value in others.items()}


def _tie_draw(record: DecisionRecord, policy: Policy) -> float:
    """The unit's number in [0, 1), by which the policy tells equal units apart."""
    return uniform_one(text_label(record.unit), policy.seed, LOW_STREAM)


def _usage(part: Part, facts: UnitFacts, demand: Demand, place: int) -> float:
    """What a candidate uses of a demand."""
    policy: Policy = part.policy
    if demand.candidate not in (None, policy.candidates[place]):
        return 0.0
    factor = 1.0
    if demand.column is not None:
        labels: Mapping[Any, float] = dict(demand.factors)
        factor = labels.get(facts.labels.get(demand.column), demand.other)
    amount = 1.0
    if demand.quantity == "cost":
        amount = float(facts.cost[place])
    elif demand.metric is not None:
        column = part.metrics.index(demand.metric)
        amount = float(facts.values[place, column])
        if policy.lower and facts.errors is not None:
            amount -= policy.lower * float(facts.errors[place, column])
    return demand.sign * factor * amount


def _parts(again: Again, record: DecisionRecord) -> list[dict[str, Any]]:
    """What the probability of the served cell is made of."""
    shares, sides = again.now.shares, again.sides(record)
    plain = shares._replace(holdout=0.0, share=0.0, explore=0.0)
    drawn = plain._replace(explore=1.0)
    parts = []
    if shares.holdout:
        gives = float(record.served < 0)
        parts.append({"part": "holdout", "chance": shares.holdout, "gives": gives})
    rest = 1.0 - shares.holdout
    named: list[tuple[str, Side, float]] = [("the live policy", sides.live, 1.0)]
    if sides.candidate is not None and shares.share:
        named = [
            ("the live policy", sides.live, 1.0 - shares.share),
            ("the candidate policy", sides.candidate, shares.share),
        ]
    for name, side, share in named:
        ways = [(name, plain, rest * share * (1.0 - shares.explore))]
        if shares.explore:
            ways.append((f"exploration under {name}", drawn, rest * share * shares.explore))
        for part, under, weight in ways:
            p = chance.cell_chances(under, record.unit, record.previous, side)
            gives = float(p[record.served + 1])
            parts.append({"part": part, "chance": weight, "gives": gives})
    return parts
