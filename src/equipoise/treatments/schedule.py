"""Schedule: red packets over a day, of which finitely many, the menu, are candidates.

The canonical treatment is seven numbers (`treatments.strategy`); a log may have the name of the
menu, total, count and interval, or all seven.  With u(t) the elements of a form, in units of their
spread over the menu,

    ids         one-hot over the candidates
    vector      u = total, count, interval
    log-vector  u = log total, log count, log interval
    sine        u = total, count, interval, and the sine and cosine of both waves
    log-sine    the same with the first three as logs

    phi(t) = all products of at most ``degree`` elements, less those of the base

so that the base is the zero row.  An element that is the same in all of the menu has no column: a
log of the menu says nothing of it.  Whether the log can tell the columns apart is asked by the
estimator: without shrinkage they must be fewer than its distinct schedules less one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from itertools import combinations_with_replacement
from typing import Any

import numpy as np

from equipoise.core.amounts import amount_text
from equipoise.core.arrays import Floats, Ints
from equipoise.core.errors import SpaceError, UnsupportedSpace
from equipoise.treatments.menu import SAME, menu_of, own_name, places
from equipoise.treatments.strategy import (
    NUMBERS,
    PARTS,
    WINDOW,
    Strategy,
    as_numbers,
    check_strategies,
    packets,
)

HIGHEST = 4  # degree


def _logs(values: Floats) -> Floats:
    return np.hstack([np.log(values[:, :PARTS]), values[:, PARTS:]])


FORMS: dict[str, Callable[[Floats], Floats]] = {  # elements of strategies (k, 7)
    "ids": lambda values: values[:, :0],
    "vector": lambda values: values[:, :PARTS],
    "log-vector": lambda values: _logs(values)[:, :PARTS],
    "sine": lambda values: values,
    "log-sine": _logs,
}


class Schedule:
    """Schedules of red packets, of which those of a menu are candidates.

    Parameters
    ----------
    menu : path-like, mapping, or sequence
        The schedules by name, the base among them: see `treatments.menu.menu_of`.
    form : {"ids", "vector", "log-vector", "sine", "log-sine"}, default "log-vector"
        What `encode` says of a schedule.
    degree : int, default 2
        Of the polynomial of `encode`, in 1..4.
    own : bool, default False
        Whether `encode` ends with one column for each candidate: the deviation of its own, which
        an estimator must shrink.
    base : str, default "smallest"
        The schedule that effects are told against: a name of the menu, or that of the smallest
        total.
    window : tuple of two floats, default (8, 24)
        The hours of the day in which packets may come.
    unit : str, default "yuan"
        Of amounts.

    Examples
    --------
    >>> space = Schedule({"base": (0.2, 2, 4), "flat": (1.2, 4, 3), "many": (1.2, 8, 1)}, degree=1)
    >>> space.cells(["many", "base"]).tolist()
    [2, 0]
    >>> space.encode([[1.2, 4, 3]]).shape, space.names([[1.2, 4, 2]])
    ((1, 3), ('1.2 yuan in 4 every 2 h',))
    """

    kind = "schedule"

    def __init__(
        self,
        menu: Any,
        form: str = "log-vector",
        degree: int = 2,
        own: bool = False,
        base: str = "smallest",
        window: tuple[float, float] = WINDOW,
        unit: str = "yuan",
    ) -> None:
        self.window, self.unit = _window(window), unit
        strategies = menu_of(menu, self.window)
        if not isinstance(form, str) or form not in FORMS:
            raise SpaceError("form", f"be one of {', '.join(FORMS)}", repr(form))
        if isinstance(degree, bool) or not isinstance(degree, int) or not 1 <= degree <= HIGHEST:
            raise SpaceError("degree", f"be a whole number in 1..{HIGHEST}", repr(degree))
        if own and form == "ids":
            fix = "leave own out: ids are nothing else"
            raise SpaceError("own", "go with a form that schedules share", "form 'ids'", fix=fix)
        for name, value, kind in (("own", own, bool), ("base", base, str), ("unit", unit, str)):
            if not isinstance(value, kind):
                must = "be true or false" if kind is bool else "be text"
                raise SpaceError(name, must, repr(value))
        self.form, self.degree, self.own = form, degree, own
        first = _base(strategies, base)
        if len(strategies) < 2:
            fix = "list what may be sent instead"
            raise SpaceError("a menu", "hold a schedule beside the base", list(strategies), fix=fix)
        self.menu = {first: strategies.pop(first), **strategies}
        self._values = np.array([strategy.vector() for strategy in self.menu.values()])

    @property
    def control(self) -> Floats:
        """The base, (7,)."""
        base: Floats = self._values[0].copy()
        return base

    @property
    def extrapolates(self) -> bool:
        """Whether the form speaks of schedules that nobody logged."""
        return self.form != "ids"

    def check(self, treatment: Any) -> Floats:
        """Check schedules; those of the menu come back in its numbers.

        Parameters
        ----------
        treatment : array-like, (n,), (n, 3) or (n, 7)
            Names of the menu, or `Strategy` objects; or total, count and interval, with the two
            waves or without.

        Returns
        -------
        array, (n, 7)
            Total, count, interval, and sine and cosine of the amount's and the interval's wave.

        Raises
        ------
        SpaceError
            Where a name is not in the menu, or numbers are no schedule, with the row.
        """
        return self._located(treatment)[0]

    def candidates(self) -> Floats:
        """List the schedules of the menu beside the base.

        Returns
        -------
        array, (k, 7)
            In the order of the menu.
        """
        return self._values[1:].copy()

    def names(self, treatment: Any) -> tuple[str, ...]:
        """Label schedules for print.

        Parameters
        ----------
        treatment : array-like, (n,), (n, 3) or (n, 7)
            Schedules.

        Returns
        -------
        tuple of str, (n,)
            Their names in the menu; of others, their numbers.
        """
        t, place = self._located(treatment)
        known = tuple(self.menu)
        return tuple(
            known[p] if p >= 0 else own_name(row, self.unit)
            for row, p in zip(t, place, strict=True)
        )

    def encode(self, treatment: Any) -> Floats:
        """Encode schedules by the form: products of at most ``degree`` elements, less the base's.

        Parameters
        ----------
        treatment : array-like, (n,), (n, 3) or (n, 7)
            Schedules.

        Returns
        -------
        array, (n, d)
            The base is the zero row.

        Raises
        ------
        UnsupportedSpace
            Where one is not in the menu, and the form says nothing of others: ids know the menu
            only, and no form knows what never varies in it.
        """
        t, place = self._located(treatment)
        phi = self._table[np.maximum(place, 0)]
        other = np.flatnonzero(place < 0)
        if len(other):
            self._check_form(t[other], other)
            phi[other] = self._columns(t[other], place[other])
        return phi

    def cells(self, treatment: Any) -> Ints:
        """Number the schedule of the menu that each row has.

        Parameters
        ----------
        treatment : array-like, (n,), (n, 3) or (n, 7)
            Schedules.

        Returns
        -------
        array of int, (n,)
            0 is the base, 1 + a is candidate a.

        Raises
        ------
        UnsupportedSpace
            Where one is not in the menu: it is like none of them, so it has no cell.
        """
        t, place = self._located(treatment)
        if (place < 0).any():
            row = int(np.argmin(place))
            raise UnsupportedSpace(
                "a schedule",
                f"be one of the {len(self.menu)} of the menu to have a cell",
                own_name(t[row], self.unit),
                f"row {row}",
                "add it to the menu; effects alone can be learnt without cells, by dml",
            )
        return place

    def packets(self, treatment: Any) -> tuple[Floats, Floats]:
        """Say when schedules send what.

        Parameters
        ----------
        treatment : array-like, (n,), (n, 3) or (n, 7)
            Schedules.

        Returns
        -------
        hours, amounts : array, (n, J)
            Of at most J packets each; where a schedule has fewer, its last amounts are 0.
        """
        return packets(self.check(treatment), self.window)

    def among(self, cells: Ints) -> Schedule:
        """Keep the base and some of the other schedules.

        Parameters
        ----------
        cells : array of int, (j,)
            Their places, in 1..k.

        Returns
        -------
        Schedule
            The same form and base.

        Examples
        --------
        >>> menu = {"base": (0.2, 2, 4), "flat": (1.2, 4, 3), "many": (1.2, 8, 1)}
        >>> list(Schedule(menu).among(np.array([2])).menu)
        ['base', 'many']
        """
        menu = list(self.menu.items())
        kept = dict([menu[0], *(menu[a] for a in np.asarray(cells).tolist())])
        return Schedule(kept, self.form, self.degree, self.own, menu[0][0], self.window, self.unit)

    def dose(self, treatment: Any) -> Floats:
        """Refuse: a schedule is no amount.

        Parameters
        ----------
        treatment : array-like, (n,)
            Not used.

        Returns
        -------
        array, (n,)
            Never.

        Raises
        ------
        UnsupportedSpace
            Always.
        """
        what = "this estimator's space"
        raise UnsupportedSpace(what, "be an interval of amounts", "Schedule", fix="use dml")

    def describe(self) -> str:
        """Describe the space for a report.

        Returns
        -------
        str
            One sentence with the number of schedules, the base and the form.
        """
        own = " with deviations of their own" if self.own else ""
        form = self.form if self.form == "ids" else f"{self.form} of degree {self.degree}"
        return f"{len(self.menu)} schedules, {next(iter(self.menu))!r} the base; {form}{own}"

    def to_json(self) -> dict[str, Any]:
        """Give the space as plain JSON, which `space_from_json` reads.

        Returns
        -------
        dict
            Its kind and the constructor's arguments; the menu as rows of a name and seven numbers.
        """
        return {
            "kind": self.kind,
            "menu": [[name, *s.vector().tolist()] for name, s in self.menu.items()],
            "form": self.form,
            "degree": self.degree,
            "own": self.own,
            "base": next(iter(self.menu)),
            "window": list(self.window),
            "unit": self.unit,
        }

    def __repr__(self) -> str:
        return f"Schedule({list(self.menu)}, form={self.form!r}, degree={self.degree})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Schedule) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash((tuple(self.menu), self._values.tobytes(), self.form, self.degree, self.own))

    def _located(self, treatment: Any) -> tuple[Floats, Ints]:
        """Canonical schedules, (n, 7), and their places in the menu, (n,); -1: in none."""
        t = _array([treatment] if isinstance(treatment, Strategy) else treatment)
        if t.ndim == 1 and len(t) and isinstance(t[0], Strategy):
            t = as_numbers(t.tolist())
        if t.ndim == 1 and t.dtype.kind in "OUiu":
            _check_names(t)
            place = self._named(t)
            return self._values[place], place
        if t.ndim == 2 and t.dtype.kind == "O":
            t = _numbers(t)
        if t.ndim != 2 or t.shape[1] not in (PARTS, len(NUMBERS)) or t.dtype.kind not in "fiub":
            must = f"be names, or columns {', '.join(NUMBERS[:PARTS])} or all of {len(NUMBERS)}"
            raise SpaceError("treatment", must, f"an array of shape {t.shape} of {t.dtype}")
        values = as_numbers(t)
        place = places(values, self._values)
        other = np.flatnonzero(place < 0)
        if len(other):
            check_strategies(values[other], lambda row: f"row {other[row]}", self.window)
        values[place >= 0] = self._values[place[place >= 0]]
        return values, place

    def _named(self, names: np.ndarray[Any, np.dtype[Any]]) -> Ints:
        different, inverse = np.unique(names.astype(str), return_inverse=True)
        where = {name: a for a, name in enumerate(self.menu)}
        place = np.array([where.get(name, -1) for name in different], np.int64)[inverse]
        if len(place) and place.min() < 0:
            row = int(np.argmin(place))
            must = f"be a name of the menu ({', '.join(list(self.menu)[:6])}, ...)"
            fix = "add it to the menu, or drop the rows"
            raise SpaceError("treatment", must, repr(str(names[row])), f"row {row}", fix)
        return place

    @cached_property
    def _scale(self) -> tuple[Floats, Floats, Ints]:
        """Centre and spread of the elements over the menu, and those that vary in it."""
        elements = FORMS[self.form](self._values)
        spread = np.ptp(elements, axis=0)
        used = np.flatnonzero(spread > SAME * np.maximum(np.abs(elements).max(axis=0), SAME))
        return elements.mean(axis=0)[used], elements.std(axis=0)[used], used

    @cached_property
    def _table(self) -> Floats:
        """phi of the base and the candidates, (1 + k, d)."""
        return self._columns(self._values, np.arange(len(self._values)))

    def _columns(self, values: Floats, place: Ints) -> Floats:
        """phi of schedules (n, 7) with their places in the menu, (n, d)."""
        columns = [self._products(values) - self._products(self._values[:1])]
        if self.own or self.form == "ids":
            columns.append((place[:, None] == np.arange(1, len(self._values))).astype(np.float64))
        return np.hstack(columns)

    def _products(self, values: Floats) -> Floats:
        """All products of at most ``degree`` elements, (n, d)."""
        centre, spread, used = self._scale
        u = (FORMS[self.form](values)[:, used] - centre) / spread
        chosen = [
            list(some)
            for d in range(1, self.degree + 1)
            for some in combinations_with_replacement(range(len(used)), d)
        ]
        # one at a time, so that a row's numbers do not hang on how many there are
        out = np.empty((len(u), len(chosen)))
        for j, some in enumerate(chosen):
            out[:, j] = u[:, some].prod(axis=1)
        return out

    def _check_form(self, values: Floats, rows: Ints) -> None:
        """Refuse schedules of which the form says nothing.   values: (j, 7);  rows: theirs."""
        fix = "add it to the menu, which has to be logged"
        if self.form == "ids":
            got = own_name(values[0], self.unit)
            must = "be one of the menu, as form 'ids' knows no other"
            fix += ", or take a form that schedules share, such as log-vector"
            raise UnsupportedSpace("a schedule", must, got, f"row {rows[0]}", fix)
        elements, menu = FORMS[self.form](values), FORMS[self.form](self._values)
        still = np.setdiff1d(np.arange(elements.shape[1]), self._scale[2])
        off = np.abs(elements[:, still] - menu[0, still]) > SAME * (1 + np.abs(menu[0, still]))
        if off.any():
            row, j = (int(i) for i in np.argwhere(off)[0])
            name = NUMBERS[still[j]]
            raise UnsupportedSpace(
                f"a schedule's {name}",
                f"be {amount_text(self._values[0, still[j]])}, as in all of the menu",
                amount_text(values[row, still[j]]),
                f"row {rows[row]}",
                f"add schedules with another {name} to the menu, which has to be logged",
            )


def _window(window: Any) -> tuple[float, float]:
    try:
        start, end = (float(hour) for hour in window)
    except (TypeError, ValueError) as error:
        raise SpaceError("window", "be two hours of the day", repr(window)) from error
    if not 0 <= start < end <= 24:
        raise SpaceError("window", "be hours with 0 <= start < end <= 24", [start, end])
    return start, end


def _base(menu: dict[str, Strategy], base: str) -> str:
    """The name of the base."""
    if base in menu:
        return base
    if base != "smallest":
        fix = f"names: {', '.join(list(menu)[:6])}"
        raise SpaceError("base", 'be "smallest" or a name of the menu', repr(base), fix=fix)
    least = min(strategy.total for strategy in menu.values())
    first, *more = [name for name, strategy in menu.items() if strategy.total == least]
    if more:
        fix = f'say which is the base: base = "{first}"'
        got = f"{first!r} and {more[0]!r}"
        raise SpaceError("the smallest total of the menu", "be that of one schedule", got, fix=fix)
    return first


def _check_names(names: np.ndarray[Any, np.dtype[Any]]) -> None:
    """Refuse rows of objects that are no names, or of which only some are."""
    if names.dtype.kind != "O":
        return
    text = np.fromiter((isinstance(name, str | int) for name in names), np.bool_, len(names))
    if not text.all():
        row = int(np.argmax(text != text[0]))
        must, fix = "be a name or its numbers, the same in all rows", "mend the row"
        raise SpaceError("treatment", must, repr(names[row]), f"row {row}", fix)


def _array(treatment: Any) -> np.ndarray[Any, np.dtype[Any]]:
    """Treatments as an array; names that are whole numbers as such, whatever their type."""
    try:
        t = np.asarray(treatment)
    except ValueError as error:
        fix = "give each row as many numbers"
        raise SpaceError("treatment", "be rows of one length", str(error), fix=fix) from error
    if t.ndim == 1 and t.dtype.kind == "f" and (t == np.floor(t)).all():
        return t.astype(np.int64)
    return t


def _numbers(t: np.ndarray[Any, np.dtype[Any]]) -> Floats:
    """Rows of objects as numbers; text is none, even where it reads like one."""
    text = np.fromiter((isinstance(value, str) for value in t.flat), np.bool_, t.size)
    if text.any():
        row, column = divmod(int(np.argmax(text)), t.shape[1])
        got, fix = repr(t[row, column]), "make numbers of the column, or name the schedules"
        raise SpaceError("treatment", "be numbers or names", got, f"row {row}", fix)
    try:
        return t.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise SpaceError(
            "treatment", "be numbers or names", str(error), fix="mend the row"
        ) from error
