"""Score units by the rule that people signed, ``rules.json`` of a run, in place of the policy's
model: what a unit gets, where in the rule it comes to, and the sentence that says so.

The columns are read as the log had them, by the policy's snapshot beside the rule; no model is
loaded.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from equipoise.allocation import RULES
from equipoise.allocation.rules.base import CHOSEN, SENTENCE, BaseRule
from equipoise.artifacts.meta import PolicyMeta, check_meta, try_on_one_unit
from equipoise.artifacts.unit_columns import UnitReader, columns_of
from equipoise.artifacts.unit_counts import UnitCounts
from equipoise.artifacts.unit_ids import assign_batches, refuse_repeated
from equipoise.core import columns
from equipoise.core.display import shown
from equipoise.core.eligibility import Eligibility
from equipoise.core.errors import DataError, InputError, SnapshotError
from equipoise.core.features import FeatureMap
from equipoise.core.frames import to_arrow
from equipoise.core.limits import Limit, within_limits
from equipoise.core.snapshot import as_written, read_snapshot

FILE, POLICY = "rules.json", "policy"  # of a run's folder
FIX = "give the folder of a run whose plan has [policy.rules]"


@shown
@dataclass(frozen=True)
class RuleScorer:
    """A rule that people read, with all that it takes to assign units by it.

    Attributes
    ----------
    rule : PolicyTree or Scorecard
        Learnt.
    units : UnitReader
        How units are read: its features are the columns that the rule asks for.
    eligibility : Eligibility or None, default None
        The columns that say which candidates are open to a unit; None: all are.
    limits : tuple of Limit, default ()
        What is never given to a group.
    rows : str, default ""
        The digest of the rows that the rule was learnt from; empty where it is not known.

    Examples
    --------
    >>> from equipoise.allocation import PolicyTree
    >>> from equipoise.artifacts.unit_columns import UnitColumns
    >>> people, gains = {"age": [20, 50] * 50}, [[1.0], [-1.0]] * 50
    >>> tree = PolicyTree(depth=1).fit(people, gains, candidates=["none", "mail"])
    >>> scorer = RuleScorer(tree, UnitReader(FeatureMap().fit(people), UnitColumns()))
    >>> scorer.assign({"age": [70]}).to_pylist()
    [{'row': 0, 'chosen': 'none', 'leaf': 2, 'sentence': 'Offer none to everybody else.'}]
    """

    rule: BaseRule
    units: UnitReader
    eligibility: Eligibility | None = None
    limits: tuple[Limit, ...] = ()
    rows: str = ""

    def numbered(self) -> RuleScorer:
        """The same for units without ids, which are given by their row numbers.

        Returns
        -------
        RuleScorer
            Its assignments have a column ``row``.
        """
        return replace(self, units=replace(self.units, id=None))

    def assign(self, frame: Any) -> pa.Table:
        """Assign every unit of a frame.

        Parameters
        ----------
        frame : frame, (n rows)
            Raw columns, as in the log.

        Returns
        -------
        pyarrow.Table
            One row per unit: the id or ``row``, and the columns of `BaseRule.explain`.
        """
        counts = UnitCounts(self.units)
        assignment = self._assign(counts.read(to_arrow(frame)), 0)
        if self.units.id is not None:
            refuse_repeated(assignment.column(0), self.units.id)
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
            As in `assign`; rows without an id are numbered through.
        """
        yield from assign_batches(batches, self._assign, self.units, counts)

    def hold(
        self, batches: Iterable[pa.RecordBatch], counts: UnitCounts
    ) -> Iterator[pa.RecordBatch]:
        """Refuse: a rule keeps its demands on the rows that it was learnt from.

        Parameters
        ----------
        batches : iterable of pyarrow.RecordBatch
            Not used.
        counts : UnitCounts
            Not used.

        Returns
        -------
        iterator of pyarrow.RecordBatch
            Never.

        Raises
        ------
        InputError
            In any case.
        """
        fix = "leave --hold out, or --rules"
        raise InputError("--hold", "go with a policy of prices", "a rule that people read", fix=fix)

    def summary(self) -> RuleSummary:
        """Start the sums over a file of assignments.

        Returns
        -------
        RuleSummary
            A count of 0 for every cell.
        """
        return RuleSummary(dict.fromkeys(self.rule.candidates_, 0))

    def _assign(self, table: pa.Table, start: int) -> pa.Table:
        told = self._open(self.rule.explain(table), table, start)
        id = self.units.id
        unit = np.arange(start, start + table.num_rows) if id is None else table[id]
        facts = dict(zip(told.column_names, told.columns, strict=True))
        return pa.table({columns.free_name(id or "row", facts): unit, **facts})

    def _open(self, told: pa.Table, table: pa.Table, start: int) -> pa.Table:
        """Control for those to whom what the rule gives is closed."""
        control, *candidates = self.rule.candidates_
        open_to = None
        if self.eligibility is not None:
            open_to = self.eligibility.open_cells(table, self.rule.candidates_, start)[:, 1:]
        groups = {
            name: np.asarray(columns.labels(table[name]).to_pylist(), np.str_)
            for name in self.units.groups
        }
        open_to = within_limits(self.limits, groups, candidates, open_to)
        if open_to is None:
            return told
        arms = pc.index_in(told[CHOSEN], value_set=pa.array(candidates, pa.string()))
        choice = np.asarray(pc.fill_null(arms, -1).to_numpy(), np.int64)
        rows = np.arange(len(choice))
        shut = pa.array((choice >= 0) & ~open_to[rows, np.maximum(choice, 0)])
        instead = f"is closed to this unit, which gets {control}."
        said = pc.binary_join_element_wise(told[CHOSEN], instead, " ")
        given = {CHOSEN: pa.scalar(control), SENTENCE: said}
        kept = {name: told[name] for name in told.column_names}
        return pa.table(
            {
                name: pc.if_else(shut, given[name], column) if name in given else column
                for name, column in kept.items()
            }
        )


@dataclass
class RuleSummary:
    """How many units of a file got which cell.

    Attributes
    ----------
    cells : dict of str to int
        The units in each cell.
    """

    cells: dict[str, int]

    def add(self, batch: pa.RecordBatch) -> None:
        """Count one more batch."""
        for item in pc.value_counts(batch[CHOSEN]).to_pylist():
            self.cells[item["values"]] += item["counts"]

    def report(self) -> dict[str, Any]:
        """The sums as plain JSON."""
        return {"cells": self.cells}


def read_rules(run: Path | str) -> BaseRule:
    """Read the rule that people sign.

    Parameters
    ----------
    run : path
        A run's folder, the policy/ in it, or its ``rules.json``.

    Returns
    -------
    PolicyTree or Scorecard
        That assigns as it did in the run; ``text()`` says it in words.

    Raises
    ------
    DataError
        Where there is none, or it is not as it was written.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from equipoise.allocation import PolicyTree
    >>> tree = PolicyTree(depth=1).fit({"age": [20, 50] * 50}, [[1.0], [-1.0]] * 50)
    >>> with TemporaryDirectory() as run:
    ...     _ = Path(run, "rules.json").write_text(json.dumps({"rule": tree.to_json()}))
    ...     print(read_rules(run).text())
    Offer candidate 1 to those whose age < 50.
    Offer control to everybody else.
    """
    return _rule_of(_read(run), run)


def about_rule(run: Path | str) -> dict[str, float]:
    """What a run says of its rule: the value that it loses to the policy per head, by metric, with
    its interval where there is one.
    """
    about: dict[str, float] = {}
    lost = _read(run).get("lost", {})  # 0.2.0 wrote none
    for metric, interval in lost.items() if isinstance(lost, dict) else ():
        name = f"value lost, {metric}"
        ends = zip((name, f"{name}, low", f"{name}, high"), interval, strict=True)
        about |= {key: float(value) for key, value in ends if value is not None}
    return about


def read_rule_scorer(run: Path | str) -> RuleScorer:
    """The rule of a run's folder with the columns and the closed arms of its policy."""
    plain = _read(run)
    rule = _rule_of(plain, run)
    snapshot = read_snapshot(rules_file(run).parent / POLICY)
    meta = snapshot.meta
    check_meta(PolicyMeta, meta)
    with as_written():
        open_by = meta.get("eligible")
        limits = tuple(map(Limit.from_json, meta.get("limits", ())))
        eligibility = None if open_by is None else Eligibility.from_json(open_by)
        reader = UnitReader(
            _only(FeatureMap.from_json(meta["features"]), rule.columns),
            columns_of(meta),
            tuple(dict.fromkeys(limit.column for limit in limits)),
            id=meta["id"],
            eligible=() if eligibility is None else eligibility.columns,
        )
    policy = meta["policy"]
    cells = (policy["control"], *policy["candidates"])
    if rule.candidates_ != cells:
        got, must = ", ".join(rule.candidates_), f"be the policy's, {', '.join(cells)}"
        raise DataError("the candidates of a rule", must, got, str(rules_file(run)), FIX)
    scorer = RuleScorer(rule, reader, eligibility, limits, str(plain.get("rows", "")))
    try:
        try_on_one_unit(scorer.numbered().assign, replace(reader, id=None))
    except SnapshotError as error:
        raise _damaged(error, run) from error
    return scorer


def rules_file(run: Path | str) -> Path:
    """Where the rule of a run stands."""
    path = Path(run)
    if path.is_dir() and path.name == POLICY and not (path / FILE).exists():
        path = path.parent
    return path / FILE if path.is_dir() else path


def _read(run: Path | str) -> dict[str, Any]:
    file = rules_file(run)
    if not file.is_file():
        raise DataError("a run folder", f"have {FILE}", "no such file", str(file), FIX)
    try:
        plain = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(error, run) from error
    if not isinstance(plain, dict):
        raise _damaged(TypeError(type(plain).__name__), run)
    return plain


def _rule_of(plain: dict[str, Any], run: Path | str) -> BaseRule:
    """The rule that a file holds."""
    try:
        kind: type[BaseRule] = RULES.load(plain["rule"]["kind"])
        return kind.from_json(plain["rule"])
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
        raise _damaged(error, run) from error


def _damaged(error: BaseException, run: Path | str) -> DataError:
    got = f"{type(error).__name__}: {error}"[:200]
    fix = "restore it, or run the plan again"
    return DataError(FILE, "be as a run wrote it", got, str(rules_file(run)), fix)


def _only(features: FeatureMap, names: tuple[str, ...]) -> FeatureMap:
    """A feature map of some of its columns."""
    plain = features.to_json()
    levels = {name: own for name, own in plain["levels"].items() if name in names}
    kept = [name for name in plain["columns"] if name in names]
    return FeatureMap.from_json({**plain, "columns": kept, "levels": levels})
