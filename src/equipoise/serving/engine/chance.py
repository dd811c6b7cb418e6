"""The mechanism of a decision: who gets what, with which probability, and why.

    p(served = a) = h [a = control] + (1 - h) sum_j s_j ((1 - e) p_j(a) + e q_j(a))

h the holdout's share; j the policies that share the traffic, s_j their shares; e the share of
exploration; p_j(a) the chance that rule j gives cell a over its own draws; q_j(a) exploration's,
over the cells that are open to the unit.  So the rule of each policy that shares the traffic is
applied to every unit, whichever it falls to.

Every draw is a number in [0, 1) that the unit's id, a seed and a stream give: the service keeps no
state, and a unit is in a share as long as its number is less than it.  What is here is pure: the
service decides by it, and a replay decides again by the same code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import msgspec
import numpy as np

from equipoise.allocation.compiled_rule import RowDecision
from equipoise.allocation.hashing import uniform_one
from equipoise.artifacts.staying import SPREAD, STREAM
from equipoise.artifacts.unit_facts import UnitFacts
from equipoise.core.arrays import Floats
from equipoise.core.columns import text_label
from equipoise.core.policy import Policy
from equipoise.serving.reasons import REASONS
from equipoise.serving.records import CANDIDATE, EXPLORED, HOLDOUT, LOW_PRICES, NO_BUDGET, Context

CONTROL, NEW = -1, -2  # a cell, and what a unit had that had nothing
HOLDOUT_STREAM, SPLIT_STREAM, EXPLORE_STREAM, CELL_STREAM = 3, 4, 5, 6  # of the service's seed
NO_SCORES = np.empty(0)
new = tuple.__new__  # a third of the time of a named tuple's own
(
    BEST_SCORE,
    BELOW_THRESHOLD,
    LOT,
    IN_HOLDOUT,
    EXPLORES,
    NOT_ELIGIBLE,
    KEEPS,
    BUDGET_GONE,
    UNKNOWN_UNIT,
) = (
    REASONS[name].code
    for name in (
        "best_score",
        "below_threshold",
        "lot",
        "holdout",
        "explored",
        "not_eligible",
        "cadence",
        "budget",
        "unknown_unit",
    )
)


class Rule(Protocol):
    """A compiled rule, as far as the mechanism needs it."""

    @property
    def policy(self) -> Policy:
        """What it was compiled from."""

    @property
    def draws(self) -> bool:
        """Whether what it decides depends on the unit's id."""

    def decide_row(
        self,
        facts: UnitFacts,
        unit: str | int | None = None,
        previous: int = NEW,
        weights: Floats | None = None,
    ) -> RowDecision:
        """Decide for one unit."""

    def chances(
        self,
        facts: UnitFacts,
        unit: str | int | None = None,
        previous: int = NEW,
        weights: Floats | None = None,
    ) -> Floats:
        """The chance of each cell over the rule's own draws, (k + 1,), control first."""


class Shares(NamedTuple):
    """Who falls where.

    Attributes
    ----------
    seed : int
        Of the service's own draws.
    holdout, share, explore : float
        The shares of the holdout, of the candidate policy and of exploration, in [0, 1].
    cells : array, (1 + k,)
        With what chance exploration gives each cell, control first.
    """

    seed: int
    holdout: float
    share: float
    explore: float
    cells: Floats


class Side(NamedTuple):
    """A policy that shares the traffic, and what it knows of the unit.

    Attributes
    ----------
    rule : Rule
        With its prices.
    facts : UnitFacts or None
        None: nothing is known, and this policy gives control.
    weights : array, (m,), or None
        Of the request; None: the policy's own.
    reason : int
        Why there are no facts: the code of a reason.
    """

    rule: Rule
    facts: UnitFacts | None
    weights: Floats | None = None
    reason: int = UNKNOWN_UNIT


class Outcome(NamedTuple):
    """What one unit gets.

    Attributes
    ----------
    choice : int
        What the policy that decided would have: -1 control, a candidate's place.
    served : int
        What the unit gets.
    probability : float
        Of what it gets, over the whole mechanism.
    reason : int
        The code of a `Reason`.
    flags : int
        Bits such as `HOLDOUT`.
    scores : array, (k,)
        By the policy that decided; none where nothing is known.
    """

    choice: int
    served: int
    probability: float
    reason: int
    flags: int
    scores: Floats


def shares_of(context: Context, k: int) -> Shares:
    """The shares of a context of k candidates, as logged; without any for exploration its cells
    are drawn evenly.
    """
    cells = np.frombuffer(context.explore_shares, "<f8")
    cells = cells if len(cells) else np.full(k + 1, 1 / (k + 1))
    return Shares(context.seed, context.holdout, context.share, context.explore, cells)


def serve(
    shares: Shares, unit: str, previous: int, live: Side, candidate: Side | None = None
) -> Outcome:
    """Decide what a unit gets.

    Parameters
    ----------
    shares : Shares
        Who falls where.
    unit : str
        Its id.
    previous : int
        What it has: -2 nothing, -1 control, a candidate's place.
    live : Side
        The live policy.
    candidate : Side, optional
        The policy that shares the traffic.

    Returns
    -------
    Outcome
        Its probability is over every draw there is: holdout, share, exploration and lots.
    """
    name = text_label(unit) if live.rule.draws or candidate is not None else unit
    first = _verdict(live, name, previous)
    if candidate is None and not shares.holdout and not shares.explore:
        flags = LOW_PRICES if first.low else 0
        choice, p = first.choice, first.probability
        return new(Outcome, (choice, choice, p, first.reason, flags, first.scores))
    own, mine = live, first
    other: Verdict | None = None
    flags = 0
    if candidate is not None and shares.share > 0.0:
        other = _verdict(candidate, name, previous)
        if uniform_one(unit, shares.seed, SPLIT_STREAM) < shares.share:
            own, mine, flags = candidate, other, CANDIDATE
    choice, reason = mine.choice, mine.reason
    closed = reason == NOT_ELIGIBLE and (other is None or first.reason == other.reason)
    if not closed and _in(unit, shares.seed, HOLDOUT_STREAM, shares.holdout):
        served, reason, flags = CONTROL, IN_HOLDOUT, flags | HOLDOUT
    elif mine.is_open and _in(unit, shares.seed, EXPLORE_STREAM, shares.explore):
        served, reason, flags = _explored(shares, unit, own), EXPLORES, flags | EXPLORED
    else:
        served, flags = choice, flags | LOW_PRICES if mine.low else flags
    p = (1.0 - shares.share if other else 1.0) * _chance(
        shares, name, previous, live, first, served
    )
    if other is not None and candidate is not None:
        p += shares.share * _chance(shares, name, previous, candidate, other, served)
    p *= 1.0 - shares.holdout
    if served == CONTROL:
        p += shares.holdout
    return Outcome(choice, served, min(p, 1.0), reason, flags, mine.scores)


def cell_chances(
    shares: Shares, unit: str, previous: int, live: Side, candidate: Side | None = None
) -> Floats:
    """The probability of each cell over the whole mechanism, of which `serve` gives that of the
    cell that is served.

    Parameters
    ----------
    shares, unit, previous, live, candidate
        As for `serve`.

    Returns
    -------
    array, (k + 1,)
        Control first.
    """
    cells = range(CONTROL, len(shares.cells) - 1)

    def of(side: Side) -> Floats:
        name = text_label(unit)
        mine = _verdict(side, name, previous)
        return np.array([_chance(shares, name, previous, side, mine, cell) for cell in cells])

    p = of(live)
    if candidate is not None and shares.share > 0.0:
        p = (1.0 - shares.share) * p + shares.share * of(candidate)
    p *= 1.0 - shares.holdout
    p[0] += shares.holdout
    return p


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """What one policy would give, before the holdout and exploration."""

    choice: int
    probability: float
    reason: int
    scores: Floats
    low: bool
    is_open: bool  # whether any candidate may be given


def verdict(side: Side, unit: str, previous: int) -> Verdict:
    """What one policy would give: control where it knows nothing or all is closed."""
    return _verdict(side, text_label(unit), previous)


def _verdict(side: Side, name: str, previous: int) -> Verdict:
    """`verdict` by the name under which a policy draws for a unit, in files as here."""
    facts = side.facts
    if facts is None:
        return Verdict(CONTROL, 1.0, side.reason, NO_SCORES, False, False)
    rule = side.rule
    choice, _, probability, low, scores = rule.decide_row(facts, name, previous, side.weights)
    if facts.eligible is not None and not facts.eligible.any():
        return Verdict(CONTROL, 1.0, NOT_ELIGIBLE, scores, False, False)
    if probability < 1.0 or rule.policy.mode == "random":
        reason = LOT
    else:
        reason = BEST_SCORE if choice >= 0 else BELOW_THRESHOLD
    return Verdict(choice, probability, reason, scores, low, True)


def refused(outcome: Outcome) -> Outcome:
    """The same, where the money that the candidate may cost is not left: control, and nothing was
    drawn that an estimate could use.
    """
    return outcome._replace(
        served=CONTROL, probability=1.0, reason=BUDGET_GONE, flags=outcome.flags | NO_BUDGET
    )


def kept(previous: int, scores: Floats = NO_SCORES) -> Outcome:
    """A unit that is not up for change keeps what it has."""
    return Outcome(previous, previous, 1.0, KEEPS, 0, scores)


def stays(days: Mapping[str, int], label: str | None, unit: str, day: int) -> bool:
    """Whether a unit that has something is not up for change on a day.

    Parameters
    ----------
    days : mapping of str to int
        Of each class of activity, every how many days its units are.
    label : str or None
        The unit's class; without a class it is up for change every day.
    unit : str
        Its id, which spreads the class over its days.
    day : int
        The proleptic ordinal of the day.

    Examples
    --------
    >>> sum(stays({"heavy": 7}, "heavy", "ann", day) for day in range(7))
    6
    """
    every = days.get(label, 1) if label is not None else 1
    if every == 1:
        return False
    number = int(uniform_one(text_label(unit), 0, STREAM) * SPREAD)  # as in files
    return (number + day) % every != 0


def _in(unit: str, seed: int, stream: int, share: float) -> bool:
    """Whether a unit is in a share; what is sure is not drawn."""
    return share > 0.0 and (share >= 1.0 or uniform_one(unit, seed, stream) < share)


def _explored(shares: Shares, unit: str, side: Side) -> int:
    """The cell that exploration draws for a unit."""
    edges = np.cumsum(_open_cells(shares, side))
    u = uniform_one(unit, shares.seed, CELL_STREAM)
    # the last cell with a chance takes what rounding leaves
    last = int(np.flatnonzero(np.diff(edges, prepend=0.0))[-1])
    return min(int(np.searchsorted(edges, u, side="right")), last) - 1


def _open_cells(shares: Shares, side: Side) -> Floats:
    """q(a): what exploration gives each cell that is open, (k + 1,); control where none is."""
    facts = side.facts
    if facts is None or facts.eligible is None:
        return shares.cells
    cells = shares.cells.copy()
    cells[1:] *= facts.eligible
    total = cells.sum()
    if total > 0.0:
        return np.asarray(cells / total)
    cells[0] = 1.0
    return cells


def _chance(
    shares: Shares, name: str, previous: int, side: Side, mine: Verdict, cell: int
) -> float:
    """(1 - e) p(a) + e q(a) of one policy."""
    facts = side.facts
    if facts is None or not mine.is_open:
        return float(cell == CONTROL)
    if mine.choice == cell:
        p = mine.probability
    elif mine.probability >= 1.0:
        p = 0.0
    else:
        p = float(side.rule.chances(facts, name, previous, side.weights)[cell + 1])
    if shares.explore == 0.0:
        return p
    return (1.0 - shares.explore) * p + shares.explore * float(_open_cells(shares, side)[cell + 1])
