"""A decision as a record: what it rests on, so that it can be taken again bit for bit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from equipoise.allocation.constraints import Groups
from equipoise.allocation.rule import Decisions, decide
from equipoise.core.arrays import Ints
from equipoise.core.deprecation import renamed_arguments
from equipoise.core.effects import Effects
from equipoise.core.errors import InputError
from equipoise.core.policy import Decision, Policy


@renamed_arguments(made="decisions")
def decision_of(policy: Policy, decisions: Decisions, row: int, snapshot: str = "") -> Decision:
    """Give the decision on one unit as a record that can be replayed.

    Parameters
    ----------
    policy : Policy
        What decided.
    decisions : Decisions
        What `decide` gave.
    row : int
        The place of the unit.
    snapshot : str, default ""
        The id of the policy's snapshot.

    Returns
    -------
    Decision
        The record.

    Examples
    --------
    >>> effects = Effects(np.array([[[1.0], [2.0]]]), np.zeros((1, 1)), ("a", "b"), ("y",))
    >>> policy = Policy(("a", "b"), "none", ("y",), (1.0,))
    >>> record = decision_of(policy, decide(policy, effects), 0)
    >>> record.candidate, record.score
    ('b', 2.0)
    """
    a, low = int(decisions.choice[row]), bool(decisions.low[row])
    weights, cost = policy.weights, ()
    if decisions.weights is not None and decisions.weight_row is not None:
        weights = tuple(decisions.weights[decisions.weight_row[row]].tolist())
    if decisions.cost is not None:
        cost = tuple(decisions.cost[row if len(decisions.cost) > 1 else 0].tolist())
    open_to = None if decisions.eligible is None else decisions.eligible[row].tolist()
    return Decision(
        candidate=policy.control if a < 0 else policy.candidates[a],
        probability=float(decisions.probability[row]),
        score=float(decisions.score[row]),
        weights=weights,
        prices=policy.low_prices if low else policy.prices,
        snapshot=snapshot,
        price_set="low" if low else "usual",
        unit=None if decisions.units is None else _plain_id(decisions.units[row]),
        cost=cost,
        closed=tuple(c for c, o in zip(policy.candidates, open_to or (), strict=False) if not o),
    )


def replay(
    decision: Decision,
    policy: Policy,
    effects: Effects,
    *,
    groups: Groups | None = None,
    previous: Ints | None = None,
) -> Decision:
    """Decide one unit again by what its record says: weights, prices, cost and id.

    Parameters
    ----------
    decision : Decision
        The record.
    policy : Policy
        The demands, threshold, seed and other prices of the snapshot that decided; its weights and
        the prices that the record has are not used.
    effects : Effects
        Of the one unit, (1, k, m).
    groups : mapping, optional
        Column -> its label (1,), where a demand names it.
    previous : array of int, (1,), optional
        Its choice before, where the policy has a bonus for staying.

    Returns
    -------
    Decision
        Equal to the record, bit for bit, if the record is right.

    Examples
    --------
    >>> effects = Effects(np.array([[[1.0, 2.0]]]), np.zeros((1, 2)), ("a",), ("y", "z"))
    >>> policy = Policy(("a",), "none", ("y", "z"), (1.0, 0.0))
    >>> decisions = decide(policy, effects, weights=np.array([[0.5, 2.0]]))
    >>> record = decision_of(policy, decisions, 0)
    >>> record.score, record.weights, replay(record, policy, effects) == record
    (4.5, (0.5, 2.0), True)
    """
    if len(effects) != 1:
        raise InputError("effects", "be of the one unit of the record", f"{len(effects)} units")
    old = decision.price_set == ""
    low = decision.prices == policy.low_prices if old else decision.price_set == "low"
    by_record = (
        replace(policy, low_prices=decision.prices)
        if low
        else replace(policy, prices=decision.prices)
    )
    decisions = decide(
        by_record,
        effects,
        cost=np.array(decision.cost) if decision.cost else None,
        groups=groups,
        previous=previous,
        weights=np.array([decision.weights]).reshape(1, -1),
        units=None if decision.unit is None else np.array([decision.unit]),
        eligible=~np.isin([policy.candidates], decision.closed) if decision.closed else None,
    )
    again = decision_of(by_record, decisions, 0, decision.snapshot)
    return replace(again, price_set="") if old else again


def _plain_id(unit: Any) -> int | str:
    """An id as JSON keeps it, drawn by as it was."""
    return int(unit) if isinstance(unit, int | np.integer | np.bool_) else str(unit)
