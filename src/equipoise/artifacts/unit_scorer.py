"""A policy's snapshot for one unit at a time: from raw columns to the facts the rule takes, and to
the decision.

    trees    the answers are sums of trees: numbers of the columns, one walk through all trees
    numbers  any other model: numbers of the columns, and the estimator on one row of them
    table    all else, and every row that is out of the ordinary: `Scorer`'s own way, a table of one
             row

Which way a policy takes is tried out once, on rows of all kinds: a quicker way that differs from
the table by a bit is not taken.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from equipoise.allocation.compiled_rule import CompiledRule, RowDecision, compile_rule
from equipoise.allocation.rule import NEW
from equipoise.artifacts.model import Model, unwrapped
from equipoise.artifacts.policy import Scorer
from equipoise.artifacts.unit_counts import UnitCounts
from equipoise.artifacts.unit_facts import UnitFacts
from equipoise.artifacts.unit_trials import Value, unit_trials
from equipoise.core import columns
from equipoise.core.arrays import Bools, Floats
from equipoise.core.column_types import ColumnType
from equipoise.core.errors import InputError
from equipoise.core.feature_rows import (
    NARROW,
    RowEncoder,
    UnusualRow,
    flag_of,
    label_of,
    number_of,
    plain_kind,
)
from equipoise.core.kernels import njit
from equipoise.estimators.transforms import takes_raw
from equipoise.estimators.tree_sums import row_answers

MOST_NAMES = 64  # of columns that a unit need not have, which are counted by name
in_rows = np.ascontiguousarray  # as the kernels of the rule take them
Answer = Callable[[Floats], tuple[Floats, Floats, Floats | None]]  # effects, levels, errors


class FeatureCounts:
    """What the units that were asked about lacked.

    Attributes
    ----------
    units : int
        How many were asked about.
    missing, unseen : dict of str to int
        Of each feature the units without a value, and those of a level that the log never had.
    extra : dict of str to int
        Columns that no part of the policy reads, the first `MOST_NAMES` names.

    Examples
    --------
    >>> FeatureCounts().units
    0
    """

    def __init__(self) -> None:
        self.units = 0
        self.missing: dict[str, int] = {}
        self.unseen: dict[str, int] = {}
        self.extra: dict[str, int] = {}


def _add(counts: dict[str, int], names: Any, most: int | None = None) -> None:
    for name in names:
        if most is None or name in counts or len(counts) < most:
            counts[name] = counts.get(name, 0) + 1


class UnitScorer:
    """A policy with its model, compiled once, that decides unit by unit.

    Parameters
    ----------
    scorer : Scorer
        Of a snapshot; one whose features are means of days is refused.  Of a cadence it only gives
        the labels of the classes: who asks knows what a unit has, and since when.

    Attributes
    ----------
    candidates : tuple of str, (k,)
        Their names, in order.
    control : str
        The name of no candidate.
    metrics : tuple of str, (M,)
        Of the effects, in order.
    columns : dict of str to str
        What a unit must have: column -> "number", "text", "true/false" or a kind of time.
    rule : CompiledRule
        What decides.
    counts : FeatureCounts
        What units lacked so far.
    way : {"trees", "numbers", "table"}
        How effects are made.

    Examples
    --------
    >>> from equipoise.artifacts.costs import Costs
    >>> from equipoise.artifacts.unit_columns import UnitColumns
    >>> from equipoise.core.features import FeatureMap
    >>> from equipoise.core.policy import Policy
    >>> from equipoise.estimators import BoostedTrees, TLearner
    >>> units = pa.table({"city": ["Oslo", "Rome"] * 20})
    >>> features, treatment = FeatureMap().fit(units), np.repeat([0, 1], 20)
    >>> y = treatment * np.tile([1.0, -1.0], 20)
    >>> learner = TLearner(BoostedTrees(5, min_child_samples=5))
    >>> learner = learner.fit(features.transform(units), y, treatment=treatment)
    >>> types = UnitColumns({"city": ColumnType("text", "string")})
    >>> policy = Policy(("1",), "0", ("y",), (1.0,))
    >>> scorer = UnitScorer(Scorer(Model(features, learner), Costs((2.0,)), policy, columns=types))
    >>> scorer.way, scorer.decide("ann", scorer.facts({"city": "Oslo"})).choice
    ('trees', 0)
    """

    def __init__(self, scorer: Scorer) -> None:
        if scorer.staying.average_days > 1:
            fix = "serve a policy without means of days, or score files day by day"
            got = "one whose features are means of days"
            raise InputError("the policy", "decide each unit by itself", got, fix=fix)
        self.scorer = scorer
        self._scorer = scorer.numbered()
        self._reader = reader = self._scorer.units
        self._needed = reader.needed
        types = reader.columns.types
        self.candidates, self.control = scorer.policy.candidates, scorer.policy.control
        self.metrics = scorer.model.metrics
        self.columns = {name: _kind(name, types, scorer.model) for name in self._needed}
        self.rule: CompiledRule = compile_rule(scorer.policy, self.metrics)
        self.counts = FeatureCounts()
        self._labels = [(name, types.get(name)) for name in reader.groups]
        named = scorer.label_columns
        self._named = [name for name in reader.groups if name in named]
        self._unnamed = len(self._named) < len(reader.groups)
        self._flags = scorer.eligibility
        self._limits = [
            (limit.column, limit.group, np.isin(self.candidates, limit.closed))
            for limit in scorer.limits
        ]
        self._costs = scorer.costs
        self._amount = np.asarray(scorer.costs.amount, np.float64)
        self._sent = np.asarray(scorer.costs.sending or (0.0,) * len(self._amount), np.float64)
        self._paid = -1
        if scorer.costs.metric is not None:
            self._paid = self.metrics.index(scorer.costs.metric)
        self.way = "table"
        self._models: list[tuple[tuple[str, str], tuple[RowEncoder, Answer]]] = []
        self._choose_way()

    def facts(self, features: Mapping[str, Value]) -> UnitFacts:
        """What the rule takes, from a unit's raw columns.

        Parameters
        ----------
        features : mapping of str to text, number, bool or None
            The columns that `columns` names; None is missing, others are left out and counted.

        Returns
        -------
        UnitFacts
            Effects, costs, labels, what is open, and how often the unit counts.

        Raises
        ------
        InputError
            As `Scorer.assign`: a column is not there, or of another type.
        """
        facts = self._facts(features, self.counts)
        self.counts.units += 1
        if len(features) > len(self._needed):
            _add(self.counts.extra, features.keys() - self._needed.keys(), MOST_NAMES)
        return facts

    def label(self, name: str, value: Value) -> str:
        """The label of a unit in a column that the rule names, as in a table.

        Parameters
        ----------
        name : str
            The column.
        value : text, number, bool or None
            Of the unit.

        Returns
        -------
        str
            As among `UnitFacts.labels`.

        Raises
        ------
        InputError
            As `facts`.
        """
        own = self._reader.columns.types.get(name)
        if own is not None:
            try:
                return label_of(value, own)
            except UnusualRow:
                pass
        table = pa.table({name: _array(value, name, own)})
        return str(self._scorer.labels(self._reader.only(table), [name])[name][0])

    def open_to(self, features: Mapping[str, Value]) -> Bools | None:
        """Whether each candidate is open to a unit by eligibility and limits.

        Parameters
        ----------
        features : mapping of str to text, number, bool or None
            With the columns that say so.

        Returns
        -------
        array of bool, (k,), or None
            None where all are.

        Raises
        ------
        InputError
            As `facts`.
        """
        limits = [column for column, _, _ in self._limits]
        names = dict.fromkeys([*limits, *self._reader.eligible])
        if not names:
            return None
        types = self._reader.columns.types
        for name in names:
            if name not in features:
                fix = "send it among the features: it says what is open to the unit"
                raise InputError(f"features[{name!r}]", "be there", "nothing", fix=fix)
        table = self._reader.only(
            pa.table({name: _array(features[name], name, types.get(name)) for name in names})
        )
        open_to = self._scorer.open_to(table, self._scorer.labels(table, limits))
        return None if open_to is None else open_to[0]

    def decide(
        self,
        unit: str | int | None,
        facts: UnitFacts,
        previous: int = NEW,
        weights: Floats | None = None,
    ) -> RowDecision:
        """Choose for a unit whose facts are known.

        Parameters
        ----------
        unit : str, int or None
            Its id, by which the policy draws, where it does; of a policy without ids the number of
            its row.
        facts : UnitFacts
            Of `facts`, or of a store.
        previous : int, default -2
            The choice in force: -2 none, -1 control, a candidate's place.
        weights : array, (m,), default None
            Of this request; None for the policy's, times the unit's importance.

        Returns
        -------
        RowDecision
            As `Scorer.assign` decides, bit for bit.
        """
        name = unit
        if isinstance(unit, str):
            name = columns.text_label(unit)
        elif unit is not None and self.scorer.id is not None:
            name = str(int(unit))  # ids of any type are drawn by as text
        return self.rule.decide_row(facts, name, previous, weights)

    def _facts(self, features: Mapping[str, Value], counts: FeatureCounts) -> UnitFacts:
        if self.way != "table":
            try:
                return self._quick(features, counts)
            except (UnusualRow, KeyError, UnicodeEncodeError):
                pass
        return self._by_table(features, counts)

    def _quick(self, features: Mapping[str, Value], counts: FeatureCounts) -> UnitFacts:
        """The facts without a table."""
        labels = {name: label_of(features[name], own) for name, own in self._labels if own}
        if len(labels) < len(self._labels):
            raise UnusualRow
        encoder, answer = self._models[0][1]
        for (column, group), model in self._models[1:]:
            if labels[column] == group:
                encoder, answer = model
                break
        shared = self._models[0][1][0].encode(features)  # what the policy's features lack
        row = shared if encoder is self._models[0][1][0] else encoder.encode(features)
        effects, baseline, errors = answer(row.values)
        cost = np.empty(len(self._amount))
        each = 1.0 if self._costs.column is None else self._number(features, self._costs.column)
        if not _spend(
            effects, baseline, self._amount, self._sent, each, self._paid,
            self._costs.probability, cost,
        ):  # fmt: skip
            raise UnusualRow
        open_to = self._open(features, labels, len(shared.missing))
        importance = self._importance(features)
        if shared.missing:
            _add(counts.missing, shared.missing)
        if shared.unseen:
            _add(counts.unseen, shared.unseen)
        if self._unnamed:
            labels = {name: labels[name] for name in self._named}
        return UnitFacts(effects, errors, cost, labels, open_to, importance)

    def _number(self, features: Mapping[str, Value], name: str) -> float:
        """A column of plain numbers that are finite and >= 0."""
        own = self._reader.columns.types.get(name)
        if own is None or own.kind != "number":
            raise UnusualRow
        number = number_of(features[name])
        if plain_kind(own) == NARROW:
            number = float(np.float32(number))
        if not 0.0 <= number < np.inf:
            raise UnusualRow
        return number

    def _open(
        self, features: Mapping[str, Value], labels: dict[str, str], missing: int
    ) -> Bools | None:
        """Whether each candidate is open, (k,); None where all are to every unit."""
        gaps, columns = self._scorer.staying.gaps, self._reader.features.columns_
        if self._flags is None and not self._limits and not self._scorer.staying.reasons:
            return None
        open_to = np.ones(len(self.candidates), np.bool_)
        if gaps is not None and columns and missing > gaps * len(columns):
            open_to[:] = False
        if self._flags is not None:
            if self._flags.listed is not None:
                raise UnusualRow
            for cell, column in self._flags.cells:
                value = self._flag(features[column], self._reader.columns.types.get(column))
                if value == 0 and cell == self.control:
                    raise UnusualRow
                if value == 0:
                    open_to[self.candidates.index(cell)] = False
        for column, group, shut in self._limits:
            if labels[column] == group:
                open_to[shut] = False
        return open_to

    def _flag(self, value: Value, own: ColumnType | None) -> float:
        """A value that says whether a cell is open, in [0, 1]."""
        if own is None or own.kind not in ("number", "true/false"):
            raise UnusualRow
        number = number_of(value) if own.kind == "number" else flag_of(value)
        shares = self._flags is not None and self._flags.propensity
        if not (0 <= number <= 1 if shares else number in (0, 1)):
            raise UnusualRow
        return number

    def _importance(self, features: Mapping[str, Value]) -> float:
        """How often the unit counts; `Start.importance` of one tenure."""
        start = self._scorer.start
        if start is None:
            return 1.0
        days = np.array([self._number(features, start.column)])
        extra = (start.factor - 1) * np.exp2(-days / start.half_life_days)
        return float(1 + extra[0]) if days[0] < start.until else 1.0

    def _by_table(self, features: Mapping[str, Value], counts: FeatureCounts) -> UnitFacts:
        """The facts by a table of one row, in `Scorer`'s own way."""
        lacks = UnitCounts(self._reader)
        batches = self._table(features).to_batches()
        facts = next(self._scorer.facts(batches, lacks)).unit(0)
        errors = None if facts.errors is None else in_rows(facts.errors)
        facts = facts._replace(values=in_rows(facts.values), errors=errors)
        _add(counts.missing, (name for name, n in lacks.missing.items() if n))
        _add(counts.unseen, (name for name, n in lacks.unseen.items() if n))
        return facts

    def _table(self, features: Mapping[str, Value]) -> pa.Table:
        """The columns that are needed, of one row, each of the log's type where it can be."""
        self._reader.check_names(features)
        types = self._reader.columns.types
        return pa.table(
            {name: _array(features[name], name, types.get(name)) for name in self._needed}
        )

    def _choose_way(self) -> None:
        """Take the quickest way that gives the table's bits on rows of all kinds."""
        rows = list(unit_trials(self._scorer))
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            want = [_said(self._by_table, row) for row in rows]
            for way, make in (("trees", _by_trees), ("numbers", _by_numbers)):
                models = _models(self._scorer, make)
                if models is None:
                    continue
                self.way, self._models = way, models
                quick = [_said(self._quick, row) for row in rows]
                if any(quick) and all(map(_same, quick, want)):
                    return
        self.way, self._models = "table", []


def _said(answer: Callable[..., UnitFacts], row: Mapping[str, Value]) -> UnitFacts | None:
    """The facts of a row; None where it is refused or unusual."""
    try:
        return answer(row, FeatureCounts())
    except (UnusualRow, InputError):
        return None


def _same(quick: UnitFacts | None, table: UnitFacts | None) -> bool:
    """Whether a quick answer has the table's bits; what it leaves to the table is right."""
    if quick is None:
        return True
    if table is None:
        return False
    pairs = zip(quick, table, strict=True)
    return all(type(a) is type(b) and bool(np.all(np.equal(a, b))) for a, b in pairs)  # type: ignore[arg-type]


def _models(
    scorer: Scorer, make: Callable[[Model], Answer | None]
) -> list[tuple[tuple[str, str], tuple[RowEncoder, Answer]]] | None:
    """The policy's model, and those of groups by column and label; None where one has no answer
    made so.
    """
    types, models = scorer.columns.types, []
    for column, group, model in [
        ("", "", scorer.model),
        *((own.column, own.group, own.model) for own in scorer.model.own),
    ]:
        answer = None if takes_raw(model.estimator) else make(model)
        if answer is None:
            return None
        models.append(((column, group), (RowEncoder(model.features, types), answer)))
    return models


def _by_trees(model: Model) -> Answer | None:
    """Answers as sums of trees."""
    answers = row_answers(model.estimator)
    order = _order(model)
    if answers is None or order is None:
        return None
    return lambda x: (*answers.of_row(x if order is True else x[order]), None)


def _by_numbers(model: Model) -> Answer | None:
    """The estimator's own answers for one row of numbers."""
    order = _order(model)
    if order is None:
        return None

    def answer(x: Floats) -> tuple[Floats, Floats, Floats | None]:
        effects = model.estimator.effects((x if order is True else x[order])[None])
        errors = None if effects.std_error is None else in_rows(effects.std_error[0])
        return in_rows(effects.values[0]), in_rows(effects.baseline[0]), errors

    return answer


def _order(model: Model) -> Any:
    """The places of the columns of fit among those of the feature map; True where they are the
    same, None where they are not known.
    """
    names = model.features.get_feature_names_out().tolist()
    fitted = np.asarray(getattr(unwrapped(model.estimator), "feature_names_in_", ())).tolist()
    if names == fitted:
        return True
    if sorted(names) != sorted(fitted):
        return None
    return np.array([names.index(name) for name in fitted])


@njit(cache=True)
def _spend(effects, baseline, amount, sent, each, paid, probability, cost):  # type: ignore[no-untyped-def]
    """cost (k,): as `Costs.expected` of one unit; false where an effect is no number.

    each : what multiplies the amounts.   paid : the place of the metric of payment, -1 for none.
    """
    k, m = effects.shape
    for a in range(k):
        for j in range(m):
            if not np.isfinite(effects[a, j]):
                return False
        cost[a] = amount[a] * each
        if paid >= 0 and probability:
            cost[a] *= min(max(baseline[paid] + effects[a, paid], 0.0), 1.0)
        elif paid >= 0:
            cost[a] *= max(effects[a, paid], 0.0)
        cost[a] += sent[a]
    return True


def _kind(name: str, types: Mapping[str, ColumnType], model: Model) -> str:
    """What a column holds, in a word."""
    if name in types:
        return types[name].kind
    return "text" if name in model.features.levels_ else "number"


def _array(value: Value, name: str, own: ColumnType | None) -> pa.Array:
    """One value as an Arrow column: of the log's type where that is the same value, else of its
    own, which the reader refuses in its words.
    """
    if not (value is None or isinstance(value, str | bool | int | float)):
        must, got = "be text, a number, true, false or nothing", type(value).__name__
        raise InputError(f"column {name!r}", must, got)
    try:
        array = pa.array([value])
        if own is None or value is None:
            return array
        if own.kind == "number" and not isinstance(value, str | bool):
            whole = own.integer and float(value).is_integer() and abs(value) <= 2**53
            return pa.array([int(value)]) if whole else array.cast(own.in_text, safe=False)
        if isinstance(value, str) and own.kind not in ("number", "text", "true/false"):
            return own.of_text(value)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        pass
    except (OverflowError, UnicodeEncodeError) as error:
        got = str(error).split(":")[0]
        raise InputError(f"column {name!r}", "be text or a number that can be kept", got) from error
    return array
