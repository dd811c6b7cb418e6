"""Score units never seen: a policy's snapshot walks over record batches, so that size is bounded by
disk, not memory.

    raw columns -> feature map -> estimator -> effects, expected costs -> the one decision rule with
    the shipped prices -> choice

Fixed prices carry the budget on average; `Scorer.rebudget` meets the demands on the given units as
a whole instead, in memory. The snapshot holds the estimator's parts, the feature map, the rule and
the costs as JSON, and the plan; nothing in it is code.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from equipoise.allocation import decide, scores
from equipoise.allocation.cadence import NONE
from equipoise.allocation.parts import UnitPart
from equipoise.allocation.rule import unit_weights
from equipoise.allocation.solver.problem import Choice
from equipoise.artifacts.assignment_summary import AssignmentSummary
from equipoise.artifacts.assignments import assignments
from equipoise.artifacts.costs import Costs
from equipoise.artifacts.held import fixed_of, keep_units, tabulated
from equipoise.artifacts.meta import PolicyMeta, check_meta, try_on_one_unit
from equipoise.artifacts.model import Model, labels_of, model_of, saved_model
from equipoise.artifacts.named_labels import as_named
from equipoise.artifacts.rebudget import held_units, rebudget_part
from equipoise.artifacts.staying import (
    REASON,
    UNTIL,
    Memory,
    Past,
    Staying,
    gapped,
    past_of,
    with_means,
)
from equipoise.artifacts.unit_columns import UnitColumns, UnitReader, columns_of
from equipoise.artifacts.unit_counts import UnitCounts
from equipoise.artifacts.unit_facts import FactsBatch
from equipoise.artifacts.unit_ids import assign_batches, refuse_repeated
from equipoise.core import columns
from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.display import shown
from equipoise.core.effects import Effects
from equipoise.core.eligibility import Eligibility
from equipoise.core.errors import SnapshotError
from equipoise.core.frames import to_arrow
from equipoise.core.limits import Limit, within_limits
from equipoise.core.policy import Policy
from equipoise.core.snapshot import Snapshot, as_written, read_snapshot, write_snapshot
from equipoise.core.space import cell_names, former_cell_names
from equipoise.core.start import Start
from equipoise.core.version import __version__

KIND = "policy"
PLAN_PART, POLICY_PART = "plan.toml", "policy.json"
LOSS = 1e200  # of what is closed


class Decided(NamedTuple):
    """What was decided for n units, and by what.

    effects : of the units.   expected : (n, k) expected costs.   groups : labels (n,) of each
    column that the rule names.   open_to : (n, k) what is open; None: all.   choice : (n,), -1
    control.   score : (n,) of the best candidate.   ids : (n,) by which draws are made.   weights :
    (n, m) of units that count more or less than once; None: all once.
    """

    effects: Effects
    expected: Floats
    groups: dict[str, Any]
    open_to: Bools | None
    choice: Ints
    score: Floats
    ids: Any
    weights: Floats | None


@shown
@dataclass(frozen=True)
class Scorer:
    """A model, the costs and the rule: everything that assigns a unit.

    Attributes
    ----------
    model : Model
        The fitted estimator with its feature map.
    costs : Costs
        What each offer costs.
    policy : Policy
        The rule with its prices.
    id : str or None, default None
        The column of unit ids; None: the row numbers, in a column ``row``.
    columns : UnitColumns, optional
        What the log's columns were; by default nothing is known but their names.
    eligibility : Eligibility or None, default None
        The columns that say which candidates are open to a unit; None: all are.
    limits : tuple of Limit, default ()
        What is never given to a group.
    staying : Staying, optional
        When a unit keeps what it has; by default all are decided every time.
    memory : Memory or None, default None
        What is known of units from days before; it is no part of a snapshot.
    start : Start or None, default None
        How much more new units count; None: all count once.

    Examples
    --------
    >>> from equipoise.core.features import FeatureMap
    >>> from equipoise.estimators import BoostedTrees, TLearner
    >>> units = pa.table({"city": ["Oslo", "Rome"] * 20})
    >>> features, treatment = FeatureMap().fit(units), np.repeat([0, 1], 20)
    >>> y = treatment * np.tile([1.0, -1.0], 20)
    >>> learner = TLearner(BoostedTrees(5, min_child_samples=5))
    >>> learner = learner.fit(features.transform(units), y, treatment=treatment)
    >>> policy = Policy(("1",), "0", ("y",), (1.0,))
    >>> scorer = Scorer(Model(features, learner), Costs((2.0,)), policy)
    >>> scorer.assign({"city": ["Rome", "Oslo"]})["chosen"].to_pylist()
    ['0', '1']
    """

    model: Model
    costs: Costs
    policy: Policy
    id: str | None = None
    columns: UnitColumns = field(default_factory=UnitColumns)
    eligibility: Eligibility | None = None
    limits: tuple[Limit, ...] = ()
    staying: Staying = Staying()
    memory: Memory | None = None
    start: Start | None = None

    @property
    def units(self) -> UnitReader:
        """How units are read."""
        groups = [demand.column for demand in self.policy.demands]
        groups += [limit.column for limit in self.limits]
        groups += [own.column for own in self.model.own]
        groups += [self.staying.column] if self.staying.days else []
        groups += [self.policy.segment]
        named = tuple(dict.fromkeys(name for name in groups if name is not None))
        opens = () if self.eligibility is None else self.eligibility.columns
        start = None if self.start is None else self.start.column
        return UnitReader(
            self.model.features, self.columns, named, self.costs.column, self.id, opens, start
        )

    @property
    def label_columns(self) -> frozenset[str]:
        """The columns whose labels decide once the effects are known: those of demands, of weights
        of segments, and of the classes of a cadence.
        """
        rule = self.policy
        named = {rule.segment, *(demand.column for demand in rule.demands)}
        named |= {self.staying.column} if self.staying.days else set()
        return frozenset(name for name in named if name is not None)

    def labels(self, table: pa.Table, names: Iterable[str]) -> dict[str, Any]:
        """The labels of units in columns that the rule names.

        Parameters
        ----------
        table : pyarrow.Table, (n rows)
            As `UnitReader.read` gives it.
        names : iterable of str
            Of the columns.

        Returns
        -------
        dict of str to array of str, (n,)
            Numbers as the policy writes them: 2.50, where it says so, also of 2.5.
        """
        groups = labels_of(table, names)
        for name in groups:
            own = self.columns.types.get(name)
            if own is not None and own.kind == "number" and not own.integer:
                groups[name] = as_named(groups[name], self._named(name))
        return groups

    def _named(self, column: str) -> list[str]:
        """The labels of a column that the policy names."""
        rule = self.policy
        every: list[Any] = [
            label for one in rule.demands if one.column == column for label, _ in one.factors
        ]
        every += [limit.group for limit in self.limits if limit.column == column]
        every += [own.group for own in self.model.own if own.column == column]
        every += [label for label, _ in rule.segment_weights] * (rule.segment == column)
        every += list(self.staying.days) * (self.staying.column == column)
        return [str(label) for label in every]

    def numbered(self) -> Scorer:
        """The same policy for units without ids, which are given by their row numbers.

        Returns
        -------
        Scorer
            Its assignments have a column ``row``.
        """
        return replace(self, id=None)

    def assign(self, frame: Any) -> pa.Table:
        """Assign every unit of a frame by the rule with its fixed prices.

        Parameters
        ----------
        frame : frame, (n rows)
            Raw columns, as in the log.

        Returns
        -------
        pyarrow.Table
            One row per unit; columns as in `assignments`.
        """
        counts = UnitCounts(self.units)
        assignment = self._assign(counts.read(to_arrow(frame)), 0)
        if self.id is not None:
            refuse_repeated(assignment.column(0), self.id)
        counts.warn()
        return assignment

    def batches(
        self, batches: Iterable[pa.RecordBatch], counts: UnitCounts | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Assign the units of record batches, one batch of assignments for each.

        Parameters
        ----------
        batches : iterable of pyarrow.RecordBatch
            Raw columns, as in the log; empty batches are left out.
        counts : UnitCounts, optional
            What counts what units lack; without it warnings say what is most of a column.

        Yields
        ------
        pyarrow.RecordBatch
            As in `assign`; rows of a policy without an id are numbered through.

        Raises
        ------
        InputError
            Where a column is missing or of another type, or an id is missing or occurs twice.
        """
        yield from assign_batches(batches, self._assign, self.units, counts)

    def facts(
        self, batches: Iterable[pa.RecordBatch], counts: UnitCounts | None = None
    ) -> Iterator[FactsBatch]:
        """Give what the rule is applied to for the units of record batches, as `batches` does.

        Parameters
        ----------
        batches : iterable of pyarrow.RecordBatch
            Raw columns, as in the log; empty batches are left out.
        counts : UnitCounts, optional
            What counts what units lack; without it warnings say what is most of a column.

        Yields
        ------
        FactsBatch
            One for each batch; units of a policy without an id are named by their numbers.  To a
            unit that misses more features than the policy allows nothing is open.

        Raises
        ------
        InputError
            Where a column is missing or of another type.
        """
        every = counts or UnitCounts(self.units)
        named = self.label_columns
        for batch in batches:
            if batch.num_rows == 0:
                continue
            start = every.units
            table = every.read(pa.Table.from_batches([batch]))
            unit = self._unit(table, start)
            text = pa.array(unit).cast(pa.string()) if self.id is None else columns.text(unit)
            effects, expected, groups, past, open_to = self._facts(table, start, _ids(unit))
            if past is not None:
                free = np.repeat((past.fixed == NONE)[:, None], expected.shape[1], axis=1)
                open_to = free if open_to is None else open_to & free
            if counts is None:
                every.warn()
            yield FactsBatch(
                text.combine_chunks() if isinstance(text, pa.ChunkedArray) else text,
                effects.values,
                effects.std_error,
                expected,
                {name: labels for name, labels in groups.items() if name in named},
                open_to,
                self._importance(table, start),
            )

    def rebudget(self, frame: Any, counts: UnitCounts | None = None) -> pa.Table:
        """Assign the units of a frame so that the policy's demands hold on them as a whole.

        Parameters
        ----------
        frame : frame, (n rows)
            Raw columns, as in the log.
        counts : UnitCounts, optional
            What counts what units lack; without it warnings say what is most of a column.

        Returns
        -------
        pyarrow.Table
            As in `assign`; no more is expected to be spent than the demands allow.
        """
        every = counts or UnitCounts(self.units)
        rows = list(self._hold([to_arrow(frame)], every))
        if counts is None:
            every.warn()
        return pa.Table.from_batches(rows) if rows else self.assign(frame)

    def hold(
        self, batches: Iterable[pa.RecordBatch], counts: UnitCounts
    ) -> Iterator[pa.RecordBatch]:
        """Assign the units of record batches so that the demands hold on them as a whole.

        Parameters
        ----------
        batches : iterable of pyarrow.RecordBatch
            Raw columns, as in the log; of each unit only what is needed stays in memory.
        counts : UnitCounts
            What counts what units lack.

        Yields
        ------
        pyarrow.RecordBatch
            As in `assign`.
        """
        yield from self._hold((pa.Table.from_batches([batch]) for batch in batches), counts)

    def _hold(self, tables: Iterable[pa.Table], counts: UnitCounts) -> Iterator[pa.RecordBatch]:
        part = self.kept(tables, counts)
        if len(part):
            yield from self.chosen(part, *rebudget_part(self.policy, part, fixed_of(part)))

    def kept(self, tables: Iterable[pa.Table], counts: UnitCounts) -> UnitPart:
        """Keep of units what a choice on the whole needs.

        Parameters
        ----------
        tables : iterable of pyarrow.Table
            Raw columns, as in the log.
        counts : UnitCounts
            What counts what units lack.

        Returns
        -------
        UnitPart
            All of them; no id may occur twice.
        """
        return keep_units(tables, counts, self.id, self._keep)

    def _keep(self, table: pa.Table, start: int) -> tuple[UnitPart, Any, Past | None]:
        unit = self._unit(table, start)
        effects, expected, groups, past, open_to = self._facts(table, start, _ids(unit))
        importance = self._importance(table, start)
        part = held_units(self.policy, effects, expected, groups, open_to, past, importance)
        return part, unit, past

    def chosen(self, part: UnitPart, choice: Choice, score: Floats) -> Iterator[pa.RecordBatch]:
        """Tabulate the choices of units that are kept.

        Parameters
        ----------
        part : UnitPart
            Of `kept`.
        choice : array of int, (n,)
            -1 control, a candidate a.
        score : array, (n,)
            Of the best candidate, in worth.

        Returns
        -------
        iterator of pyarrow.RecordBatch
            As in `assign`.
        """
        return tabulated(part, choice, score, self._table)

    def worth(self, frame: Any) -> tuple[Any, Floats, Floats]:
        """Tell what each candidate is worth to each unit before the price of the budget.

        Parameters
        ----------
        frame : frame, (n rows)
            Raw columns, as in the log.

        Returns
        -------
        unit : array-like, (n,)
            Ids or row numbers, which may repeat.
        value : array, (n, k)
            Less the prices of all demands but the budget; a large loss where one is closed.
        expected : array, (n, k)
            Expected costs, in money.
        """
        counts = UnitCounts(self.units)
        table = counts.read(to_arrow(frame))
        unit = self._unit(table, 0)
        effects, expected, groups, _, open_to = self._facts(table, 0, _ids(unit))
        named = zip(self.policy.demands, self.policy.prices, strict=True)
        prices = tuple(0.0 if demand.kind == "budget" else price for demand, price in named)
        value = scores(
            replace(self.policy, prices=prices),
            effects,
            cost=expected,
            groups=groups,
            eligible=open_to,
        )
        counts.warn()
        return unit, np.where(np.isfinite(value), value, -LOSS), expected

    def budget(self) -> float | None:
        """Give what may be spent per head.

        Returns
        -------
        float or None
            In money; None without a budget.
        """
        return next(
            (demand.bound for demand in self.policy.demands if demand.kind == "budget"), None
        )

    def summary(self) -> AssignmentSummary:
        """Start the sums over a file of assignments.

        Returns
        -------
        AssignmentSummary
            The budget, and a count of 0 for every cell.
        """
        cells = dict.fromkeys((self.policy.control, *self.policy.candidates), 0)
        return AssignmentSummary(self.budget(), cells)

    def decided(self, frame: Any, start: int = 0, effects: Effects | None = None) -> Decided:
        """Decide on the units of a frame, and tell by what.

        Parameters
        ----------
        frame : frame, (n rows)
            Raw columns, as in the log.
        start : int, default 0
            The number of the first row, which draws are made by where units have no id.
        effects : Effects, default None
            Of the units, where the model said them already.

        Returns
        -------
        Decided
            Effects, expected costs, labels and choices.
        """
        return self._decided(self.units.read(to_arrow(frame), start), start, effects)[0]

    def _assign(self, table: pa.Table, start: int) -> pa.Table:
        given, past = self._decided(table, start)
        unit = self._unit(table, start)
        return self._table(unit, given.choice, given.score, given.expected, past)

    def _decided(
        self, table: pa.Table, start: int, known: Effects | None = None
    ) -> tuple[Decided, Past | None]:
        unit = self._unit(table, start)
        ids = _ids(unit)
        effects, expected, groups, past, open_to = self._facts(table, start, ids, known)
        weights = unit_weights(self.policy, self._importance(table, start))
        decisions = decide(
            self.policy,
            effects,
            cost=expected,
            groups=groups,
            previous=None if past is None else past.previous,
            weights=weights,
            units=ids,
            eligible=open_to,
        )
        choice = decisions.choice
        if past is not None:
            choice = np.where(past.fixed == NONE, choice, past.fixed)
        score = decisions.score
        return Decided(effects, expected, groups, open_to, choice, score, ids, weights), past

    def _facts(
        self, table: pa.Table, start: int, ids: Any, known: Effects | None = None
    ) -> tuple[Effects, Floats, dict[str, Any], Past | None, Bools | None]:
        """What the rule is applied to: the effects, the expected costs (n, k), the labels of the
        columns it names, what of the past stays, and what is open, (n, k).
        """
        means = table
        names = ids.astype(np.str_) if self.staying.reasons else ids  # by which units are known
        if self.memory is not None:
            means = with_means(self.staying, self.memory, names, table)
        groups = self.labels(table, self.units.groups)
        effects = self.model.effects(means, groups) if known is None else known
        if effects.candidates != self.policy.candidates == _former_names(self.model):
            effects = replace(effects, candidates=self.policy.candidates)
        open_to, past = self.open_to(table, groups, start), None
        if self.staying.reasons:
            lacking = gapped(self.staying, means, self.model.features.columns_)
            activity = groups[str(self.staying.column)] if self.staying.days else None
            rule = self.policy
            past = past_of(
                self.staying, self.memory, names, activity, rule.candidates, open_to, lacking,
                rule.control,
            )  # fmt: skip
        return effects, self.costs.expected(effects, table, start), groups, past, open_to

    def open_to(self, table: pa.Table, groups: Mapping[str, Any], start: int = 0) -> Bools | None:
        """Tell which candidates are open to units, whatever their features.

        Parameters
        ----------
        table : pyarrow.Table, (n rows)
            With the columns that say so.
        groups : mapping of str to array of str, (n,)
            The labels of the columns of limits.
        start : int, default 0
            The number of the first row.

        Returns
        -------
        array of bool, (n, k), or None
            None where all are.
        """
        open_to, candidates = None, self.policy.candidates
        if self.eligibility is not None:
            cells = (self.policy.control, *candidates)
            open_to = self.eligibility.open_cells(table, cells, start)[:, 1:]
        return within_limits(self.limits, groups, candidates, open_to)

    def _importance(self, table: pa.Table, first: int) -> Floats | None:
        """How often each unit counts, (n,); None: once."""
        return (
            None if self.start is None else self.start.importance(table[self.start.column], first)
        )

    def _unit(self, table: pa.Table, start: int) -> Any:
        return np.arange(start, start + table.num_rows) if self.id is None else table[self.id]

    def _table(
        self, unit: Any, choice: Ints, score: Floats, expected: Floats, past: Past | None
    ) -> pa.Table:
        cells = (self.policy.control, *self.policy.candidates)
        table = assignments(unit, self.id or "row", choice, score, expected, cells)
        if past is None:
            return table
        table = table.append_column(REASON, pa.array(past.reasons(choice).tolist(), pa.string()))
        return table.append_column(UNTIL, pa.array(past.until, pa.date32()))


def _ids(unit: Any) -> Any:
    """Ids for random draws, (n,): row numbers as they are, an id column of any type as text."""
    return (
        unit
        if isinstance(unit, np.ndarray)
        else np.asarray(columns.labels(unit).to_pylist(), dtype=np.str_)
    )


def write_scorer(path: Path | str, scorer: Scorer, plan: str) -> str:
    """Write the snapshot of a policy.

    Parameters
    ----------
    path : path
        The folder to write.
    scorer : Scorer
        The policy with its model and costs.
    plan : str
        The text of the plan it was made by.

    Returns
    -------
    str
        The snapshot's id.
    """
    parts, meta = saved_model(scorer.model)
    policy = scorer.policy.to_json()
    parts = {
        **parts,
        PLAN_PART: plan.encode(),
        POLICY_PART: (json.dumps(policy, indent=1) + "\n").encode(),
    }
    about = {
        "kind": KIND,
        "version": __version__,
        **meta,
        "policy": policy,
        "costs": scorer.costs.to_json(),
        "id": scorer.id,
        "columns": scorer.columns.to_json(),
        "eligible": None if scorer.eligibility is None else scorer.eligibility.to_json(),
        "limits": [limit.to_json() for limit in scorer.limits],
        "staying": scorer.staying.to_json(),
        "start": None if scorer.start is None else scorer.start.to_json(),
    }
    return write_snapshot(path, parts, about)


def read_scorer(path: Path | str) -> Scorer:
    """Read the policy of a snapshot folder.

    Parameters
    ----------
    path : path
        The folder, e.g. ``policy/`` of a run.

    Returns
    -------
    Scorer
        The policy with its model and costs.

    Raises
    ------
    SnapshotError
        Where a byte was changed, or the snapshot is of another kind.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from equipoise.core.features import FeatureMap
    >>> from equipoise.estimators import BoostedTrees, TLearner
    >>> X, y, treatment = np.ones((40, 1)), np.arange(40.0), [0, 1] * 20
    >>> model = Model(
    ...     FeatureMap().fit(X), TLearner(BoostedTrees(2)).fit(X, y, treatment=treatment)
    ... )
    >>> scorer = Scorer(model, Costs((2.0,)), Policy(("1",), "0", ("y",), (1.0,)))
    >>> with TemporaryDirectory() as folder:
    ...     snapshot_id = write_scorer(f"{folder}/policy", scorer, plan="")
    ...     read_scorer(f"{folder}/policy").policy == scorer.policy
    True
    """
    snapshot = read_snapshot(path)
    kind = snapshot.meta.get("kind")
    if kind != KIND:
        raise SnapshotError(
            "a snapshot",
            "be that of a policy",
            repr(kind),
            str(path),
            "give the policy/ folder of a run",
        )
    return scorer_of(snapshot)


def scorer_of(snapshot: Snapshot) -> Scorer:
    """The policy that a verified snapshot of its kind holds."""
    meta = snapshot.meta
    check_meta(PolicyMeta, meta)
    parts = {
        name: data for name, data in snapshot.parts.items() if name not in (PLAN_PART, POLICY_PART)
    }
    with as_written():
        model = model_of(parts, meta)
        costs, policy = Costs.from_json(meta["costs"]), Policy.from_json(meta["policy"])
        policy = _told_apart(policy, model)
        open_by = meta.get("eligible")  # version 0.1.0 knew of none
        eligibility = None if open_by is None else Eligibility.from_json(open_by)
        cells = dict(() if eligibility is None else eligibility.cells)
        if not cells.keys() <= {policy.control, *policy.candidates}:
            raise SnapshotError("eligible", "name arms of the policy", str(tuple(cells)))
        limits = tuple(map(Limit.from_json, meta.get("limits", ())))  # 0.1.0 knew of none
        strange = {name for limit in limits for name in limit.closed} - {*policy.candidates}
        if strange:
            raise SnapshotError("limits", "name candidates of the policy", str(sorted(strange)))
        staying = Staying.from_json(meta.get("staying", {}))  # nor of this
        begin = meta.get("start")  # nor of this
        scorer = Scorer(
            model,
            costs,
            policy,
            meta["id"],
            columns_of(meta),
            eligibility,
            limits,
            staying,
            start=None if begin is None else Start.from_json(begin),
        )
    try_on_one_unit(scorer.assign, scorer.units)
    return scorer


def _former_names(model: Model) -> tuple[str, ...]:
    """What version 0.1.0 called the candidates of a model, (k,)."""
    return former_cell_names(model.estimator.space_)[1:]


def _told_apart(policy: Policy, model: Model) -> Policy:
    """A rule of version 0.1.0, which named doses by six digits, with the names of today where those
    were the same for two doses; a demand on one of these was on the first.
    """
    names = policy.candidates
    if len(set(names)) == len(names) or names != _former_names(model):
        return policy
    now = cell_names(model.estimator.space_)[1:]
    demands = tuple(
        d if d.candidate is None else replace(d, candidate=now[names.index(d.candidate)])
        for d in policy.demands
    )
    return replace(policy, candidates=now, demands=demands)
