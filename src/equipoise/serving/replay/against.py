"""What another policy would have done with a log's decisions: who would get something else, what
that would cost, and what it would be worth.

The value is judged off-policy by the probabilities of what was served (`evaluation.off_policy`),
on the rows where the log could have shown what the new policy gives; the others carry no weight.
The effective sample is (sum w)^2 / sum w^2 of the weights w = pi / p over all rows (Kish 1965);
where it is below a fifth of them no value is told: fresh traffic is needed.  Nor is one told
without rewards, or before the end of their windows; all else is, of every decision.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from equipoise.artifacts.unit_facts import UnitFacts
from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.columns import text_label
from equipoise.core.errors import InputError
from equipoise.evaluation import dr, evaluation_data, ips, policy_value, snips
from equipoise.evaluation.base import mean_estimates
from equipoise.serving.config import RewardWindow
from equipoise.serving.engine import chance
from equipoise.serving.engine.chance import NEW, Side, verdict
from equipoise.serving.engine.facts import beside
from equipoise.serving.engine.part import Part, ServedSnapshot
from equipoise.serving.log.compaction import joining_of, spilt
from equipoise.serving.log.joining import Counts, joined
from equipoise.serving.log.reader import log_folder
from equipoise.serving.log.segments import decode
from equipoise.serving.records import REQUEST, DecisionRecord
from equipoise.serving.replay.again import GONE, Again, Load

LEAST = 0.2  # of the rows, effective, below which no value is told
ALL_BUT_CERTAIN = np.nextafter(1.0, 0.0)  # a chance of 1 would close control to its row
METHODS = {"ips": ips, "snips": snips, "dr": dr}
ALWAYS = 2**63  # after every window
NO_REWARDS = "the log holds no rewards: send them to /reward, or name the metrics by --config"
ALL_OPEN = (
    "the windows of all decisions are still open, or those that are over were not shown: wait for"
    " their ends, or give shorter ones"
)
ONE_CELL = "all decisions that could be judged gave the same: nothing to hold it against"
TOO_LITTLE = (
    f"the log says too little of it ({LEAST:.0%} of the decisions are needed, effectively):"
    " give it a share of the traffic, or explore"
)


@dataclass(frozen=True)
class PolicyComparison:
    """A new policy on the decisions of a log.

    Attributes
    ----------
    decisions : int
        That can be compared.
    left_out : dict of str to int
        The others, by reason.
    changed : int
        Of which the new policy would choose another cell than was served.
    transitions : list of dict
        From, to, decisions; the commonest first.
    mix : dict of str to [float, float]
        Of each cell the share of the decisions that were served it, and that the new policy gives
        it to.
    spend : list of float
        Expected cost a decision of what was served, and of what the new policy gives, by the new
        policy's costs; empty where it knows none.
    unknown : int
        Decisions of whose unit the new policy knows nothing: it gives control.
    unsupported : int
        Decisions where the log could not have shown what the new policy gives.
    judged : int
        Decisions whose windows have ended, and that were shown, where rewards ask for that: those
        that a value is of.
    effective : float
        The effective sample, as a share of the judged decisions; of all, where none is judged.
    told : bool
        Whether a value is told.
    missing : str
        Why none is; "" where one is.
    values : dict of str to dict
        Of each metric: ``logged``, ``ips``, ``snips``, ``dr`` and ``gain`` (dr less logged), each
        [value, low, high] a decision; empty where not told.

    Examples
    --------
    >>> PolicyComparison(0).told
    False
    """

    decisions: int
    left_out: dict[str, int] = field(default_factory=dict)
    changed: int = 0
    transitions: list[dict[str, Any]] = field(default_factory=list)
    mix: dict[str, list[float]] = field(default_factory=dict)
    spend: list[float] = field(default_factory=list)
    unknown: int = 0
    unsupported: int = 0
    judged: int = 0
    effective: float = 0.0
    told: bool = False
    missing: str = NO_REWARDS
    values: dict[str, dict[str, list[float]]] = field(default_factory=dict)


class _Row(NamedTuple):
    """One decision under both."""

    served: int  # in all cells
    choice: int
    logged: Floats  # p(a), (K,)
    new: Floats  # pi(a), (K,)
    spend: tuple[float, float]  # expected, of what was served and of what is new
    known: bool


class _New:
    """The new policy on old decisions."""

    def __init__(self, loaded: ServedSnapshot, cells: tuple[str, ...]) -> None:
        self.part, self.cells = Part(loaded), cells
        self.own = [cells.index(name) for name in self.part.cells]

    def row(self, again: Again, record: DecisionRecord) -> _Row:
        """What the new policy does with a decision."""
        places = [self.cells.index(name) for name in again.now.live.cells]
        side, previous = self._side(again, record)
        new = np.zeros(len(self.cells))
        mine = verdict(side, record.unit, previous)
        if side.facts is None or not mine.is_open:
            new[self.own[0]] = 1.0
        else:
            name = text_label(record.unit)
            new[self.own] = side.rule.chances(side.facts, name, previous, side.weights)
        logged = np.zeros(len(self.cells))
        sides, shares = again.sides(record), again.now.shares
        logged[places] = chance.cell_chances(shares, record.unit, record.previous, *sides)
        served, choice = places[record.served + 1], self.own[mine.choice + 1]
        cost = np.full(len(self.cells), np.nan)
        cost[self.own[0]] = 0.0
        if side.facts is not None:
            cost[self.own[1:]] = side.facts.cost
        spend = float(cost[served]), float(np.nansum(np.where(new > 0, new * cost, 0.0)))
        return _Row(served, choice, logged, new, spend, side.facts is not None)

    def _side(self, again: Again, record: DecisionRecord) -> tuple[Side, int]:
        """What the new policy knows of the unit, and what it had."""
        part, request, live = self.part, again.request(record), again.now.live
        previous = NEW
        if record.previous != NEW:
            previous = part.places.get(live.cells[record.previous + 1], NEW)
            request.previous = part.cells[previous + 1] if previous != NEW else None
        stored = None if record.source == REQUEST else part.get(record.unit)
        own = beside(part, request, stored)
        facts: UnitFacts | None = own.facts
        if facts is None and part.cells == live.cells and part.metrics == live.metrics:
            facts = again.known(record).facts  # the same effects under another rule
        return Side(part.rule, facts, part.weights_of(request), own.reason), previous


def compare_policies(
    folder: Path | str,
    load: Load,
    new: ServedSnapshot,
    *,
    rewards: Mapping[str, RewardWindow] | None = None,
    window: str = "28d",
    now: int | None = None,
) -> PolicyComparison:
    """Let another policy decide the decisions of a log.

    Parameters
    ----------
    folder : path
        Of the log.
    load : callable
        Gives the snapshots that made it, by id; None where one is not there.
    new : ServedSnapshot
        The other policy.
    rewards : mapping of str to RewardWindow, optional
        As of `compact_log`.
    window : str, default "28d"
        Likewise.
    now : int, optional
        No value is of decisions whose windows end later.

    Returns
    -------
    PolicyComparison
        Its value is told only where there are rewards whose windows have ended, and enough of the
        log says something of it.

    Raises
    ------
    DataError
        Where the log is damaged.
    InputError
        Where no decision can be compared.
    """
    place, counts = log_folder(folder), Counts()
    until = time.time_ns() if now is None else now
    rows: list[_Row] = []
    units: list[str] = []
    ended: list[bool] = []
    outcomes: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as room:
        contents, spill = spilt([place], Path(room))
        how = joining_of(contents, rewards or {}, window, None, until)
        must_be_shown, how = how.shown, replace(how, until=ALWAYS, shown=False)
        named = [cell for context in contents.contexts for cell in context.cells]
        policy = new.scorer.rule.policy
        other = _New(new, tuple(dict.fromkeys([policy.control, *policy.candidates, *named])))
        agains = [Again(context, load, contents.erased) for context in contents.contexts]
        for day, part in ((day, part) for day in spill.days() for part in range(spill.parts)):
            entries = [(number, decode(raw)) for number, raw in spill.read(day, part)]
            records = {
                one.id: (agains[number], one)
                for number, one in entries
                if isinstance(one, DecisionRecord)
            }
            pairs = ((contents.contexts[number], one) for number, one in entries)
            columns = joined(pairs, how, counts, {})
            keep = list(_compared(columns.get("decision", []), records, other, rows, counts))
            units += [columns["unit"][at] for at in keep]
            ended += [
                columns["time"][at] * 1000 + how.window <= until
                and (columns["shown"][at] or not must_be_shown)
                for at in keep
            ]
            for metric in how.metrics:
                values = columns.get(f"y {metric.name}", [])
                outcomes.setdefault(metric.name, []).extend(values[at] for at in keep)
    if not rows:
        told = ", ".join(f"{n:,} {why}" for why, n in counts.left_out.items() if n)
        fix = "name the state folder whose snapshots made them by --policy"
        fix = fix if counts.left_out[GONE] else ""
        raise InputError("a decision log", "hold decisions to compare", told or "none", fix=fix)
    done = np.array(ended) & bool(outcomes)
    return _comparison(rows, units, outcomes, done, other.cells, +counts.left_out)


def _compared(
    ids: list[str],
    records: Mapping[bytes, tuple[Again, DecisionRecord]],
    other: _New,
    rows: list[_Row],
    counts: Counts,
) -> Iterator[int]:
    """Add a row for each decision that can be compared, and say which they are."""
    for at, id in enumerate(ids):
        again, record = records[bytes.fromhex(id)]
        reason = again.why_not(record)
        if reason:
            counts.left_out[reason] += 1
            continue
        rows.append(other.row(again, record))
        yield at


def _comparison(
    rows: list[_Row],
    units: list[str],
    outcomes: Mapping[str, list[float]],
    done: Bools,
    cells: tuple[str, ...],
    left_out: Mapping[str, int],
) -> PolicyComparison:
    """What the rows say.   done : (n,) whether all rewards of a row are known."""
    served = np.array([row.served for row in rows])
    choice = np.array([row.choice for row in rows])
    logged, new = np.array([row.logged for row in rows]), np.array([row.new for row in rows])
    moves = Counter(
        (cells[a], cells[b])
        for a, b in zip(served.tolist(), choice.tolist(), strict=True)
        if a != b
    )
    spend = np.array([row.spend for row in rows])
    of = done if done.any() else np.ones(len(rows), np.bool_)
    good = np.zeros(len(rows), np.bool_)
    good[of] = supported(served[of], logged[of], new[of])
    at = np.arange(len(rows))
    weight = np.where(good, new[at, served] / logged[at, served], 0.0)
    mass = float((weight**2).sum())
    effective = float(weight.sum()) ** 2 / mass / int(of.sum()) if mass else 0.0
    missing = "" if effective >= LEAST else TOO_LITTLE
    if not done.any():
        missing = ALL_OPEN if outcomes else NO_REWARDS
    y = np.array([outcomes[name] for name in outcomes]).T
    values = {} if missing else _values(list(outcomes), y, served, logged, new, good, units)
    missing = missing if values or missing else ONE_CELL
    shares = np.bincount(served, minlength=len(cells)) / len(rows), new.mean(0)
    return PolicyComparison(
        len(rows),
        dict(left_out),
        int((served != choice).sum()),
        [{"from": a, "to": b, "decisions": n} for (a, b), n in moves.most_common()],
        {cell: [float(share[j]) for share in shares] for j, cell in enumerate(cells)},
        [] if np.isnan(spend).any() else spend.mean(0).tolist(),
        sum(not row.known for row in rows),
        int((of & ~good).sum()),
        int(done.sum()),
        effective,
        not missing,
        missing,
        values,
    )


def supported(served: Ints, logged: Floats, new: Floats) -> Bools:
    """Whether the log could have shown all that the new policy gives a row, (n,).

    served : the cell of each row, (n,).   logged, new : the probability of each cell, (n, K).
    A cell that nobody got says nothing; leaving its rows out may empty another one.
    """
    good = np.ones(len(served), np.bool_)
    while True:
        seen = np.zeros(logged.shape[1], np.bool_)
        seen[served[good]] = True
        now = good & seen[served] & ~((new > 0) & ~((logged > 0) & seen)).any(axis=1)
        if (now == good).all():
            return now
        good = now


def _values(
    names: list[str],
    y: Floats,
    served: Ints,
    logged: Floats,
    new: Floats,
    good: Bools,
    units: list[str],
) -> dict[str, dict[str, list[float]]]:
    """The value of each metric by each method, and of what was served, a decision."""
    seen = np.flatnonzero(np.bincount(served[good], minlength=logged.shape[1]))
    if len(seen) < 2:
        return {}
    place = np.full(logged.shape[1], -1)
    place[seen] = np.arange(len(seen))
    e, pi = logged[good][:, seen], new[good][:, seen]
    own = np.minimum(logged[good, served[good]] / e.sum(axis=1), ALL_BUT_CERTAIN)
    _, group = np.unique(np.array(units, object)[good].astype(str), return_inverse=True)
    groups = group if group.max() + 1 < len(group) else None
    cell = place[served[good]]
    rows = evaluation_data(
        y[good], cell=cell, action_propensity=own, cells=len(seen), groups=groups
    )
    pi = pi / pi.sum(axis=1, keepdims=True)
    by = {name: policy_value(pi, rows, method=method) for name, method in METHODS.items()}
    found = {name: value.estimates for name, value in by.items()}
    found["logged"] = mean_estimates(y[good], groups=groups)
    found["gain"] = mean_estimates(by["dr"].rows - y[good], groups=groups)
    order = ("logged", *METHODS, "gain")
    return {
        metric: {
            name: [
                float(part[j]) for part in (found[name].value, found[name].low, found[name].high)
            ]
            for name in order
        }
        for j, metric in enumerate(names)
    }
