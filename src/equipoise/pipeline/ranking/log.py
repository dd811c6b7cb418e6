"""The log of a ranking job: rows that were shown, their base scores and labels, checked once.

n rows, S base scores, M objectives.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from equipoise.core import columns
from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.errors import InputError, PlanError
from equipoise.core.suggest import among
from equipoise.core.unique_text import is_nearly_unique
from equipoise.data import read_table
from equipoise.data.files import column_names
from equipoise.pipeline.plan.ranking import WHERE_OBJECTIVES, ObjectivePlan, RankingPlan
from equipoise.pipeline.plan.schema import Plan
from equipoise.pipeline.ranking.datasets import RANKING_LOGS
from equipoise.ranking.rows import refuse_scores

WHERE = "[ranking]"


@dataclass(frozen=True)
class RankingLog:
    """Rows with their base scores and labels.

    Attributes
    ----------
    table : pyarrow.Table, n rows
        All columns that the plan names.
    plan : RankingPlan
        With the defaults of its data set.
    scores : tuple of str, (S,)
        Columns of base scores; none before models of them are learnt.
    """

    table: pa.Table
    plan: RankingPlan
    scores: tuple[str, ...]

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def objectives(self) -> dict[str, ObjectivePlan]:
        """The objectives by name."""
        return self.plan.objectives or {}

    @property
    def X(self) -> pa.Table:
        """The base scores, (n, S)."""
        return self.table.select(self.scores)

    @property
    def profile(self) -> pa.Table | None:
        """The viewers, (n, P); None where the plan names no profile."""
        return self.table.select(self.plan.profile) if self.plan.profile else None

    @cached_property
    def y(self) -> pa.Table:
        """The labels, (n, M), as numbers; anything where they were not observed."""
        return pa.table({name: self._labels(name) for name in self.objectives})

    @cached_property
    def observed(self) -> Bools | None:
        """Where labels were observed, (n, M), or None where all were."""
        if not any(spec.observed for spec in self.objectives.values()):
            return None
        each = [
            np.ones(len(self), bool) if spec.observed is None else self._flag(spec.observed)
            for spec in self.objectives.values()
        ]
        return np.column_stack(each)

    @cached_property
    def requests(self) -> Ints | None:
        """The code of each row's request, or None where rows of all requests are ranked."""
        return None if self.plan.request is None else self._codes(self.plan.request)

    @cached_property
    def users(self) -> Ints | None:
        """The code of each row's user, or None where none is named."""
        return None if self.plan.user is None else self._codes(self.plan.user)

    @property
    def groups(self) -> Ints | None:
        """The code of each row's request, or else of its user, or None where neither is named."""
        return self.users if self.requests is None else self.requests

    @cached_property
    def weight(self) -> Floats | None:
        """Of the rows, or None where all weigh alike."""
        return None if self.plan.weight is None else self.numbers(self.plan.weight, "weight")

    def take(self, rows: Bools) -> RankingLog:
        """Some of the rows."""
        return replace(self, table=self.table.filter(pa.array(rows)))

    def with_scores(self, scores: pa.Table) -> RankingLog:
        """The same rows with more base scores."""
        table = self.table
        for name in scores.column_names:
            table = table.append_column(name, scores[name])
        return replace(self, table=table, scores=(*self.scores, *scores.column_names))

    def given(self) -> dict[str, Any]:
        """Labels and weights as a ranker takes them."""
        return {
            "y": self.y,
            "profile": self.profile,
            "label_mask": self.observed,
            "sample_weight": self.weight,
        }

    def _labels(self, name: str) -> Floats:
        return self.numbers(name, "objective")

    def _flag(self, name: str) -> Bools:
        values = self.numbers(name, "column of what was observed")
        good = np.isin(values, (0, 1))
        if not good.all():
            row = int(np.argmin(good))
            raise InputError(f"observed {name!r}", "be true or false", values[row], f"row {row}")
        return np.asarray(values == 1)

    def numbers(self, name: str, what: str) -> Floats:
        """A column as numbers, (n,).   what: it is called in an error."""
        column = self.table[name]
        if not columns.is_numeric(column):
            got = str(columns.value_type(column))
            raise PlanError(f"{what} {name!r}", "be numbers", got, WHERE)
        return columns.numbers(column)

    def _codes(self, name: str) -> Ints:
        column = self.table[name]
        absent = columns.missing(column)
        if absent.any():
            row, fix = f"row {int(np.argmax(absent))}", "drop the row, or give it an id of its own"
            raise InputError(f"{name!r}", "be known", "nothing", row, fix)
        return columns.codes(column)[0]


def open_ranking_log(plan: Plan) -> RankingLog:
    """The rows that a plan with [ranking] names, their columns checked.

    Parameters
    ----------
    plan : Plan
        With [ranking].

    Returns
    -------
    RankingLog
        In the order of the file.

    Raises
    ------
    PlanError
        Where the plan names a column that the file does not have.
    DataError
        Where the file cannot be read.
    """
    if plan.ranking is None:
        raise TypeError("a plan with [ranking]")
    own = plan.ranking
    if own.dataset is not None:
        table, defaults = RANKING_LOGS.load(own.dataset)()
        own = _completed(own, defaults)
        _check_names(own, table.column_names, own.dataset or "")
    else:
        file = plan.path(own.path or "")
        _check_names(own, column_names(file), str(file))
        keys = [name for name in (own.request, own.item, own.user) if name is not None]
        table = read_table(file, list(_named(own)), dict.fromkeys(keys, pa.string()))
    if table.num_rows == 0:
        raise PlanError("the log", "have rows", 0, WHERE)
    table = table.select(list(_named(own)))
    _check_single_values(own, table)
    _check_profile(own, table)
    log = RankingLog(table, own, tuple(own.scores))
    if log.scores:
        values = np.column_stack([log.numbers(name, "score") for name in log.scores])
        refuse_scores(
            values, log.scores, own.score_kind, fix="say probabilities = false if they are none"
        )
    return log


def _completed(plan: RankingPlan, defaults: dict[str, Any]) -> RankingPlan:
    """The plan with what its data set says of itself, where the plan says nothing."""
    given = {name: getattr(plan, name) for name in plan.model_fields_set}
    if "parts" in given:
        defaults = {name: value for name, value in defaults.items() if name != "until"}
    objectives = given.pop("objectives", None)
    if objectives is not None:
        given["objectives"] = {name: spec.model_dump() for name, spec in objectives.items()}
    return RankingPlan.model_validate({**defaults, **given})


def _named(plan: RankingPlan) -> dict[str, str]:
    """The columns that a plan names, and what each is."""
    objectives = plan.objectives or {}
    words = dict.fromkeys(plan.scores, "score") | dict.fromkeys(objectives, "objective")
    observed = [spec.observed for spec in objectives.values() if spec.observed is not None]
    words |= dict.fromkeys(observed, "column of what was observed")
    words |= dict.fromkeys(plan.profile, "profile column")
    words |= dict.fromkeys(plan.base.features if plan.base else (), "feature")
    single = {
        "request": plan.request,
        "item": plan.item,
        "user": plan.user,
        "time": plan.time,
        "weight": plan.weight,
    }
    return words | {name: what for what, name in single.items() if name is not None}


def _check_names(plan: RankingPlan, names: list[str], where: str) -> None:
    """Every column there once, and none with two roles that exclude each other."""
    for name, what in _named(plan).items():
        if name not in names:
            fix = among(name, names, "columns")
            raise PlanError(f"{what} {name!r}", "be a column", "no such column", where, fix)
    roles = (
        ("objective", tuple(plan.objectives or {})),
        ("score", plan.scores),
        ("profile column", plan.profile),
        ("feature", plan.base.features if plan.base else ()),
    )
    labels = set(plan.objectives or {})
    for what, own in roles:
        twice = {name for name in own if own.count(name) > 1}
        both = twice or (labels & set(own) if what != "objective" else set())
        if both:
            got = "twice" if twice else "an objective too"
            raise PlanError(f"{what} {min(both)!r}", "have one role", got, where or WHERE)
    _check_objectives(plan)


def _check_objectives(plan: RankingPlan) -> None:
    """What the plan says of objectives is of those that it names."""
    names = tuple(plan.objectives or {})
    said = [(name, "weights") for name in plan.weights or {}]
    said += [(floor.objective, "floors") for floor in plan.floors]
    for name, where in said:
        if name not in names:
            place = f"[ranking] {where}"
            raise PlanError(
                f"objective {name!r}", "be named", "no such one", place, among(name, names)
            )
    if plan.base is None:
        for name, spec in (plan.objectives or {}).items():
            if spec.score is not None and spec.score not in plan.scores:
                what, fix = f"score {spec.score!r} of {name!r}", among(spec.score, plan.scores)
                raise PlanError(what, "be among scores", "no such one", WHERE_OBJECTIVES, fix)
    if plan.segment is not None and plan.segment not in plan.profile:
        fix = among(plan.segment, plan.profile)
        raise PlanError(
            f"segment {plan.segment!r}", "be a profile column", "no such one", WHERE, fix
        )


def _check_single_values(plan: RankingPlan, table: pa.Table) -> None:
    """No column holds lists or structures."""
    for name, what in _named(plan).items():
        kind = columns.value_type(table[name])
        if pa.types.is_nested(kind):
            raise PlanError(f"{what} {name!r}", "have one value a row", str(kind), WHERE)


def _check_profile(plan: RankingPlan, table: pa.Table) -> None:
    """No column of a profile, or feature, nearly names the row's viewer."""
    for name in (*plan.profile, *(plan.base.features if plan.base else ())):
        if is_nearly_unique(table[name]):
            must = "say something of a viewer that others share"
            got = "a text that nearly names the row"
            raise PlanError(f"column {name!r}", must, got, WHERE, "leave it out")
