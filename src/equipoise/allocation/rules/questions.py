"""Questions that a rule may ask of a unit, and the bins of a table by which they are searched.

A number is cut at quantiles, each moved within its bin to the number of fewest digits, so that a
rule says 30 and not 29.9871.  Levels of text that few rows have are never named, for they may give
a person away: they are "others", and answer as a level does that is met for the first time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from equipoise.allocation.rules.kernels import ascending, digitise, shortest_each
from equipoise.core import columns
from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.errors import InputError
from equipoise.core.features import least_rows

SUBSETS = 6  # a column of text with more bins is put in the order of its mean gain
FEW_CUTS = 100  # are counted one by one
MOST_LEVELS = 24  # by rows; the rest are others
OTHERS = None  # the level that stands for all that have no name


@dataclass(frozen=True)
class Question:
    """What is asked of one column, to be answered with yes or no.

    Attributes
    ----------
    column : str
        Its name.
    cut : float or None
        Yes where the value is below; None where levels are asked for.
    levels : tuple of str
        Yes where the value is one of these.
    missing : bool
        Whether a missing value answers yes.
    time : bool
        Whether the cut is a time, in microseconds.
    gaps : bool
        Whether values were missing where the question was learnt; else its words are silent of it.
    """

    column: str
    cut: float | None
    levels: tuple[str, ...] = ()
    missing: bool = False
    time: bool = False
    gaps: bool = False

    def answers(self, table: pa.Table) -> Bools:
        """Where the answer is yes, (n,)."""
        if self.column not in table.column_names:
            known = f"columns: {', '.join(table.column_names)}"
            raise InputError(f"column {self.column!r}", "be there", "no such column", fix=known)
        column = table[self.column]
        if self.cut is None:
            hit = pc.is_in(columns.labels(column), value_set=pa.array(self.levels, pa.string()))
            return np.asarray(hit.to_numpy(), np.bool_)
        values = _numbers(column, self.column)
        with np.errstate(invalid="ignore"):
            below: Bools = values < self.cut
        return below | np.isnan(values) if self.missing else below

    def text(self, yes: bool = True) -> str:
        """The condition for an answer, in words.

        >>> Question("age", 30.0).text(), Question("age", 30.0, missing=True).text(False)
        ('age < 30', 'age >= 30')
        """
        if self.cut is None:
            names = [level for level in self.levels if level != columns.MISSING]
            gap = columns.MISSING in self.levels
            listed = ", ".join(names)
            if len(names) == 1:
                text = f"{self.column} is {'' if yes else 'not '}{listed}"
            else:
                text = f"{self.column} is {'' if yes else 'not '}one of {listed}"
            if not names:
                return f"{self.column} is {'' if yes else 'not '}missing"
            return text + (f" ({'or' if yes else 'nor'} missing)" if gap else "")
        cut = _time(self.cut) if self.time else digits(self.cut)
        text = f"{self.column} {'<' if yes else '>='} {cut}"
        if np.isinf(self.cut):
            return f"{self.column} is {'known' if yes != self.missing else 'missing'}"
        return f"{text} (or missing)" if yes == self.missing and self.gaps else text

    def to_json(self) -> dict[str, Any]:
        """The question as plain JSON."""
        known = {"column": self.column, "missing": self.missing, "gaps": self.gaps}
        if self.cut is None:
            return {**known, "levels": list(self.levels)}
        cut = None if np.isinf(self.cut) else self.cut
        return {**known, "below": cut, "time": self.time}

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> Question:
        """The inverse of `to_json`."""
        column, missing, gaps = str(plain["column"]), bool(plain["missing"]), bool(plain["gaps"])
        if "levels" in plain:
            return cls(column, None, tuple(plain["levels"]), missing, False, gaps)
        cut = float("inf") if plain["below"] is None else float(plain["below"])
        return cls(column, cut, (), missing, bool(plain["time"]), gaps)


Answers = tuple[tuple[Question, bool], ...]


def in_words(answers: Answers) -> str:
    """The conditions of several answers, without those that another one makes idle.

    >>> in_words(((Question("age", 40.0), True), (Question("age", 25.0), True)))
    'age < 25'
    """
    tight: dict[tuple[Any, ...], tuple[Question, bool]] = {}
    for place, (question, yes) in enumerate(answers):
        same = (question.column, yes, question.missing)
        if question.cut is None or np.isinf(question.cut):
            tight[(place,)] = question, yes
            continue
        other = tight.get(same, (question, yes))[0]
        closer = min if yes else max
        tight[same] = closer(question, other, key=lambda one: one.cut or 0.0), yes
    return " and ".join(question.text(yes) for question, yes in tight.values())


def digits(value: float) -> str:
    """A number as a person writes it.

    >>> digits(2160.0), digits(0.25), digits(1e-7)
    ('2,160', '0.25', '1e-07')
    """
    plain = f"{value:,.12f}".rstrip("0").rstrip(".")
    return plain if abs(value) >= 1e-4 or value == 0 else f"{value:g}"


def _time(micros: float) -> str:
    text = str(np.datetime64(int(micros), "us"))
    return text.removesuffix("T00:00:00.000000")


def _numbers(column: pa.ChunkedArray, name: str) -> Floats:
    try:
        return columns.numbers(column)
    except TypeError as error:
        raise InputError(f"column {name!r}", "be numbers", str(error)) from error


@dataclass(frozen=True)
class Bins:
    """The bins of one column.

    Attributes
    ----------
    column : str
        Its name.
    cuts : array, (b - 1,), or None
        Of a column of numbers with b bins and one for what is missing; None for levels.
    levels : tuple of str or None
        The level of each bin, `OTHERS` for those without a name.
    ordered : bool
        Whether a split is a prefix of the bins.
    gaps : bool
        Whether values are missing.
    time : bool
        Whether they are times.
    """

    column: str
    cuts: Floats | None
    levels: tuple[str | None, ...]
    ordered: bool
    gaps: bool
    time: bool = False

    @property
    def size(self) -> int:
        """How many bins there are, that of missing values of an ordered column among them."""
        whole = len(self.levels) if self.cuts is None else len(self.cuts) + 1
        return whole + self.ordered

    def codes(self, column: pa.ChunkedArray, unseen: int = 0) -> Ints:
        """The bin of each value, (n,); ``unseen`` for a level without a name where there are no
        others.
        """
        if self.cuts is not None:
            values, code = _numbers(column, self.column), np.empty(len(column), np.int64)
            if len(self.cuts) > FEW_CUTS:
                code[:] = np.searchsorted(self.cuts, values, side="right")
                code[np.isnan(values)] = len(self.cuts) + 1
            else:
                digitise(values, self.cuts, code)
            return code
        labels = columns.labels(column)
        found = pc.index_in(labels, value_set=pa.array(self.levels, pa.string()))
        others = self.levels.index(OTHERS) if OTHERS in self.levels else unseen
        code = np.asarray(pc.fill_null(found, others).to_numpy(), np.int64)
        if self.ordered:
            code[np.asarray(pc.equal(labels, columns.MISSING))] = len(self.levels)
        return code

    def question(self, cut: int, missing: bool) -> tuple[Question, bool]:
        """The question of a split, and whether its yes is the right side.   cut: the last bin of
        the prefix, or the subset's mask.
        """
        if self.cuts is not None:
            at = float(self.cuts[cut]) if cut < len(self.cuts) else float("inf")
            return Question(self.column, at, (), missing, self.time, self.gaps), False
        bits = np.arange(len(self.levels))
        chosen = bits <= cut if self.ordered else (cut >> bits) & 1 == 1
        left = {level for level, yes in zip(self.levels, chosen, strict=True) if yes}
        right = set(self.levels) - left
        if self.ordered and self.gaps:
            (left if missing else right).add(columns.MISSING)
        flip = OTHERS in left or (OTHERS not in right and len(right) < len(left))
        names = tuple(sorted(level for level in (right if flip else left) if level is not None))
        gap = columns.MISSING in names
        return Question(self.column, None, names, gap, False, self.gaps), flip

    def in_words(self, points: Sequence[int]) -> list[tuple[str, list[int]]]:
        """Bins in words with their places, those of one level of points together (of numbers,
        neighbours); that of missing values only where there are gaps.
        """
        words: list[tuple[str, list[int]]] = []
        if self.cuts is None:
            by_points: dict[int, list[int]] = {}
            for b in range(len(self.levels) + (self.ordered and self.gaps)):
                by_points.setdefault(points[b], []).append(b)
            names = [*self.levels, *([columns.MISSING] if self.ordered else [])]
            for bins in by_points.values():
                listed = ", ".join(names[b] or "any other" for b in bins)
                several = "one of " if len(bins) > 1 else ""
                words.append((f"{self.column} is {several}{listed}", bins))
            return words
        last, low = len(self.cuts), 0
        for b in range(last + 1):
            if b == last or points[b + 1] != points[b]:
                words.append((self._between(low, b), list(range(low, b + 1))))
                low = b + 1
        return words + ([(f"{self.column} is missing", [last + 1])] if self.gaps else [])

    def _between(self, low: int, high: int) -> str:
        """Bins of numbers in words."""
        cuts = [] if self.cuts is None else self.cuts.tolist()
        said = [_time(cut) if self.time else digits(cut) for cut in cuts]
        name = self.column
        if low == 0 and high == len(cuts):
            return f"{name} is known"
        if low == 0:
            return f"{name} < {said[high]}"
        if high == len(cuts):
            return f"{name} >= {said[low - 1]}"
        return f"{said[low - 1]} <= {name} < {said[high]}"

    def to_json(self) -> dict[str, Any]:
        """The bins as plain JSON."""
        cuts = None if self.cuts is None else self.cuts.tolist()
        known = {"levels": list(self.levels), "ordered": self.ordered, "gaps": self.gaps}
        return {"column": self.column, "cuts": cuts, **known, "time": self.time}

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> Bins:
        """The inverse of `to_json`."""
        cuts = None if plain["cuts"] is None else np.array(plain["cuts"], np.float64)
        levels, ordered = tuple(plain["levels"]), bool(plain["ordered"])
        return cls(plain["column"], cuts, levels, ordered, bool(plain["gaps"]), bool(plain["time"]))


def bins_of(table: pa.Table, gains: Floats, bins: int | None) -> tuple[Bins, ...]:
    """The bins of every column.   gains: (n, k), by which levels are put in order."""
    every = [_bins(name, table[name], gains, bins) for name in table.column_names]
    return tuple(one for one in every if one.size - one.ordered > 1 or one.gaps)


def _bins(name: str, column: pa.ChunkedArray, gains: Floats, bins: int | None) -> Bins:
    """Text and booleans by levels, the rest by cuts."""
    if columns.is_text(column) or pa.types.is_boolean(columns.value_type(column)):
        return _level_bins(name, column, gains)
    values = _numbers(column, name)
    known = ascending(np.ascontiguousarray(values))
    gaps = len(known) < len(values)
    return Bins(name, _cuts(known, bins), (), True, gaps, columns.is_time(column))


def _cuts(known: Floats, bins: int | None) -> Floats:
    """Where numbers are cut.   known: (n,), sorted."""
    new = known[1:] != known[:-1]
    if bins is None or np.count_nonzero(new) < bins:
        places = np.flatnonzero(new)
        return np.asarray(shortest_each(known[places], known[places + 1]), np.float64)
    share, reach, last = np.arange(1, bins) / bins, 0.25 / bins, len(known) - 1
    low, high = (np.rint(q * last).astype(np.int64) for q in (share - reach, share + reach))
    cuts = np.unique(shortest_each(known[low], known[high]))
    inside: Floats = cuts[(cuts > known[0]) & (cuts <= known[-1])]
    return inside


def _level_bins(name: str, column: pa.ChunkedArray, gains: Floats) -> Bins:
    """Named levels, others and missing: as subsets where they are few, else ordered by the mean
    gain of the candidate that is best on the whole.
    """
    code, names = columns.codes(column)
    rows = np.bincount(code, minlength=len(names))
    gaps = columns.MISSING in names
    frequent = [i for i in np.argsort(-rows, kind="stable") if rows[i] >= least_rows(len(code))]
    named = [names[i] for i in frequent[:MOST_LEVELS] if names[i] != columns.MISSING]
    rest = len(names) - gaps > len(named)
    levels: list[str | None] = [*sorted(named), *([OTHERS] if rest else [])]
    if len(levels) + gaps <= SUBSETS:
        return Bins(name, None, (*levels, *([columns.MISSING] if gaps else [])), False, gaps)
    place = {level: i for i, level in enumerate(levels)}
    bin_of = np.array([place.get(level, len(named)) for level in names])[code]
    best = gains[:, gains.sum(axis=0).argmax()]
    keep = np.array([level != columns.MISSING for level in names])[code]
    total = np.bincount(bin_of[keep], best[keep], len(levels))
    mean = total / np.maximum(np.bincount(bin_of[keep], minlength=len(levels)), 1)
    return Bins(name, None, tuple(levels[i] for i in np.argsort(mean)), True, gaps)


def encode(bins: Sequence[Bins], table: pa.Table) -> tuple[Ints, Ints]:
    """The codes of a table among the bins of all columns, (n, p), and where each column's bins
    start, (p + 1,).
    """
    start = np.cumsum([0, *(one.size for one in bins)])
    codes = np.empty((len(bins), table.num_rows), np.int64)
    for j, one in enumerate(bins):
        codes[j] = one.codes(table[one.column])
        codes[j] += start[j]
    return np.ascontiguousarray(codes.T), start
