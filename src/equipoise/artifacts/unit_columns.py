"""Which columns units must have, and of which type: what a snapshot remembers of its log, and how a
later file is read by it.

features    number, text, true/false or time, and the share of the log's rows that had no value
keys        the id and the columns of demands; of these also the digests of the log's labels

Snapshots of version 0.1.0 remember no types: their columns are only looked for by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from equipoise.core import columns
from equipoise.core.column_types import ColumnType, column_type
from equipoise.core.errors import InputError
from equipoise.core.features import FeatureMap, digest
from equipoise.core.log import Log
from equipoise.core.suggest import among


@dataclass(frozen=True)
class UnitColumns:
    """What a log's columns were.

    Attributes
    ----------
    types : mapping of str to ColumnType, default empty
        Of each column that units must have.
    missing : mapping of str to float, default empty
        The share of the log's rows without a value, of each feature.
    labels : mapping of str to tuple of str, default empty
        The digests of the log's labels, of each column that a demand names.
    key : str, default ""
        Of these digests, so that they match no list of hashed e-mail addresses.
    """

    types: Mapping[str, ColumnType] = field(default_factory=dict)
    missing: Mapping[str, float] = field(default_factory=dict)
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    key: str = ""

    def to_json(self) -> dict[str, Any]:
        """The columns as plain JSON."""
        return {
            "types": {name: own.to_json() for name, own in self.types.items()},
            "missing": dict(self.missing),
            "labels": {name: list(labels) for name, labels in self.labels.items()},
            "key": self.key,
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> UnitColumns:
        """The inverse of `to_json`."""
        types = {name: ColumnType(**own) for name, own in plain["types"].items()}
        for own in types.values():
            own.data_type  # noqa: B018 - a type that Arrow does not have fails here
        labels = {name: tuple(labels) for name, labels in plain["labels"].items()}
        return cls(types, dict(plain["missing"]), labels, str(plain.get("key", "")))


def columns_of(meta: Mapping[str, Any]) -> UnitColumns:
    """The columns that a snapshot's meta remembers; none of version 0.1.0."""
    plain = meta.get("columns")
    return UnitColumns() if plain is None else UnitColumns.from_json(plain)


def unit_columns(
    log: Log,
    groups: Iterable[str] = (),
    cost: str | None = None,
    id: str | None = None,
    others: Iterable[str] = (),
) -> UnitColumns:
    """What later units must have, as a log has it.

    Parameters
    ----------
    log : Log
        The experiment.
    groups : iterable of str, default ()
        The columns that demands name.
    cost : str or None, default None
        The column that multiplies the amounts of offers.
    id : str or None, default None
        The column of ids.
    others : iterable of str, default ()
        Other columns that decide: those that say which arms are open, one an arm, and the tenure.

    Returns
    -------
    UnitColumns
        The types of all these columns and of the features.

    Examples
    --------
    >>> import equipoise as eq
    >>> log, truth = eq.datasets.make_coupon_world(100)
    >>> unit_columns(log, id=log.roles.id).types["age"].kind
    'number'
    """
    named = list(dict.fromkeys(groups))
    single = [name for name in (cost, id) if name is not None]
    every = [*log.roles.features, *named, *single, *others]
    types = {name: column_type(log.table[name]) for name in every}
    missing = {name: float(columns.missing(log.table[name]).mean()) for name in log.roles.features}
    every_label = {name: log.codes(name)[1] for name in named}
    key = digest("\n".join(label for labels in every_label.values() for label in labels))
    labels = {
        name: tuple(sorted(digest(label, key) for label in own))
        for name, own in every_label.items()
    }
    return UnitColumns(types, missing, labels, key)


@dataclass(frozen=True)
class UnitReader:
    """Reads units as the log was read.

    Attributes
    ----------
    features : FeatureMap
        Its columns are the features.
    columns : UnitColumns
        What the log's columns were.
    groups : tuple of str, default ()
        The columns that demands name.
    cost : str or None, default None
        The column that multiplies the amounts of offers.
    id : str or None, default None
        The column of ids; None: units are numbered.
    eligible : tuple of str, default ()
        The columns that say which arms are open.
    start : str or None, default None
        The column of days that says who is new.
    """

    features: FeatureMap
    columns: UnitColumns
    groups: tuple[str, ...] = ()
    cost: str | None = None
    id: str | None = None
    eligible: tuple[str, ...] = ()
    start: str | None = None

    @property
    def needed(self) -> dict[str, str]:
        """The columns that units must have, and what each is called in an error."""
        words = {self.id: "id", self.cost: "cost column", self.start: "start column"}
        words |= dict.fromkeys(self.groups, "group")
        words |= dict.fromkeys(self.eligible, "eligibility column")
        words |= dict.fromkeys(self.features.columns_, "feature")
        return {name: f"{word} {name!r}" for name, word in words.items() if name is not None}

    @property
    def in_text(self) -> dict[str, pa.DataType]:
        """What the columns of a file of text are read as; keys that are whole numbers stay text
        until `read`, and so does an id that the log did not have.
        """
        types = {
            name: pa.string() if self._is_key(name) and own.integer else own.in_text
            for name, own in self.columns.types.items()
        }
        text = [*self.features.levels_, *([] if self.id is None else [self.id])]
        return dict.fromkeys(text, pa.string()) | types

    def check_names(self, names: Iterable[str], where: str = "") -> None:
        """Refuse columns among which one that units must have is missing, or there twice.

        Parameters
        ----------
        names : iterable of str
            The columns there are.
        where : str, default ""
            The file, for the error.

        Raises
        ------
        InputError
            With the nearest name.

        Examples
        --------
        >>> features = FeatureMap().fit({"age": [31, 64]})
        >>> UnitReader(features, UnitColumns()).check_names(["Age"])
        Traceback (most recent call last):
        equipoise.core.errors.InputError: feature 'age' must be among the units' columns; got no
        such column; did you mean 'Age'? columns: Age
        """
        there = list(names)
        for name, what in self.needed.items():
            if there.count(name) > 1:
                got, fix = f"{there.count(name)} of them", "rename or drop the others"
                raise InputError(what, "be one of the units' columns", got, where, fix)
            if name in there:
                continue
            fix = among(name, there, "columns")
            if name == self.id:
                fix += "; row numbers stand in its place where they are asked for (--number-rows)"
            raise InputError(what, "be among the units' columns", "no such column", where, fix)

    def read(self, table: pa.Table, start: int = 0) -> pa.Table:
        """The columns that are needed, each of the log's type.

        Parameters
        ----------
        table : pyarrow.Table, (n rows)
            Raw columns.
        start : int, default 0
            The number of the first row.

        Returns
        -------
        pyarrow.Table
            n rows.

        Raises
        ------
        InputError
            Where a column is missing, or of another type.

        Examples
        --------
        >>> reader = UnitReader(FeatureMap().fit({"age": [31, 64]}), UnitColumns())
        >>> reader.read(pa.table({"age": [40], "city": ["Oslo"]})).column_names
        ['age']
        """
        self.check_names(table.column_names)
        return self.only(table.select(list(self.needed)), start)

    def only(self, table: pa.Table, start: int = 0) -> pa.Table:
        """Some of the columns that are needed, each of the log's type.

        Parameters
        ----------
        table : pyarrow.Table, (n rows)
            Of these columns alone.
        start : int, default 0
            The number of the first row.

        Returns
        -------
        pyarrow.Table
            n rows.

        Raises
        ------
        InputError
            Where one is of another type.
        """
        names = table.column_names
        return pa.table({name: self._typed(table[name], name, start) for name in names})

    def _typed(self, column: pa.ChunkedArray, name: str, start: int) -> pa.ChunkedArray:
        if columns.is_text(column):
            try:
                column.validate(full=True)
            except pa.ArrowInvalid as error:
                got, where = f"other bytes: {error}", f"a batch from row {start}"
                fix = "write the column again, as UTF-8"
                raise InputError(self.needed[name], "be text in UTF-8", got, where, fix) from error
        own = self.columns.types.get(name)
        if own is None:
            return column
        cast = own.cast_key if self._is_key(name) else own.cast
        return cast(column, self.needed[name], start)

    def _is_key(self, name: str) -> bool:
        return name == self.id or name in self.groups
