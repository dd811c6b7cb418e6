"""Menus: strategies by name, from a file of text, a mapping, or rows.

    name,total,count,interval,as,ac,is,ic
    base,0.2,2,4,0,0,0,0
    late,1.2,4,3,-0.6,0.4,0,0

The last four columns, the waves of amounts and intervals, may be left out together.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from equipoise.core.amounts import amount_text
from equipoise.core.arrays import Floats, Ints
from equipoise.core.errors import DataError, SpaceError
from equipoise.treatments.strategy import (
    NUMBERS,
    PARTS,
    WINDOW,
    Strategy,
    as_numbers,
    check_strategies,
)

SAME = 1e-6  # relative to a number, or to 1 where it is 0: two numbers this close are one


def read_menu(path: str | Path, window: tuple[float, float] = WINDOW) -> dict[str, Strategy]:
    """Read strategies by name from a file of comma-separated text.

    Parameters
    ----------
    path : path-like
        With a first line ``name,total,count,interval``, and ``as,ac,is,ic`` or not.
    window : tuple of two floats, default (8.0, 24.0)
        The hours in which packets may come.

    Returns
    -------
    dict of str to Strategy
        In the order of the file.

    Raises
    ------
    DataError
        Where the file cannot be read.
    SpaceError
        Where a line is no schedule, naming it.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "menu.csv"
    ...     _ = path.write_text("name,total,count,interval\\nbase,0.2,2,4\\nmore,1.2,4,3\\n")
    ...     read_menu(path)["more"]
    Strategy(total=1.2, count=4, interval=3.0, amount_wave=(0.0, 0.0), interval_wave=(0.0, 0.0))
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError("a menu", "be a file of text in UTF-8", str(error), str(path)) from error
    head, *rows = [[cell.strip() for cell in row] for row in csv.reader(lines) if row] or [[]]
    short, long = ["name", *NUMBERS[:PARTS]], ["name", *NUMBERS]
    if sorted(head) not in (sorted(short), sorted(long)):
        fix = "put one schedule on each of the lines below it"
        must = f"have the first line {','.join(short)} or {','.join(long)}"
        raise SpaceError("a menu", must, ",".join(head) or "nothing", str(path), fix)
    names, values = [], np.empty((len(rows), len(head) - 1))
    for line, row in enumerate(rows):
        where = f"{path}, schedule {line + 1}"
        if len(row) != len(head):
            raise SpaceError("a menu's line", f"have {len(head)} entries", ",".join(row), where)
        entry = dict(zip(head, row, strict=True))
        names.append(entry["name"])
        for j, name in enumerate(NUMBERS[: len(head) - 1]):
            try:
                values[line, j] = float(entry[name])
            except ValueError as error:
                what = f"{name!r} of schedule {entry['name']!r}"
                raise SpaceError(what, "be a number", repr(entry[name]), where) from error
    return _menu(names, as_numbers(values), window)


def menu_of(menu: Any, window: tuple[float, float] = WINDOW) -> dict[str, Strategy]:
    """Give strategies by name, checked.

    Parameters
    ----------
    menu : path-like, mapping, or sequence
        A file for `read_menu`; or a name to a `Strategy` or its 3 or 7 numbers; or rows of a name
        and numbers; or strategies without names, which are then named by their numbers.
    window : tuple of two floats, default (8.0, 24.0)
        The hours in which packets may come.

    Returns
    -------
    dict of str to Strategy
        In the order of the menu.

    Raises
    ------
    SpaceError
        Where one is no schedule, or two are the same.

    Examples
    --------
    >>> list(menu_of([(0.2, 2, 4), (1.2, 4, 3)]))
    ['0.2 in 2 every 4 h', '1.2 in 4 every 3 h']
    """
    if isinstance(menu, str | Path):
        return read_menu(menu, window)
    if isinstance(menu, Mapping):
        return _menu(*_named((str(name), one) for name, one in menu.items()), window)
    if not hasattr(menu, "__len__") or not len(menu):
        fix = 'give a file "menu.csv", or a table name = [total, count, interval]'
        raise SpaceError("a menu", "hold schedules", repr(menu), fix=fix)
    every = menu if isinstance(menu, np.ndarray) else list(menu)
    if all(isinstance(row, list | tuple) and row and isinstance(row[0], str) for row in every):
        return _menu(*_named((row[0], row[1:]) for row in every), window)
    rows = as_numbers(every)
    check_strategies(rows, "schedule {} of the menu".format, window)
    return _menu([own_name(row) for row in rows], rows, window)


def menu_text(menu: dict[str, Strategy]) -> str:
    """A menu as the text of a file for `read_menu`, with all seven numbers.

    >>> menu_text({"base": Strategy(0.2, 2, 4.0)}).splitlines()
    ['name,total,count,interval,as,ac,is,ic', 'base,0.2,2,4,0,0,0,0']
    """
    file = StringIO()
    lines = csv.writer(file, lineterminator="\n")
    lines.writerow(["name", *NUMBERS])
    lines.writerows([name, *map(amount_text, s.vector())] for name, s in menu.items())
    return file.getvalue()


def own_name(row: Floats, unit: str = "") -> str:
    """A schedule's name by its seven numbers, (7,)."""
    total, count, interval, *waves = map(amount_text, row)
    text = f"{total} {unit}".strip() + f" in {count}"
    text += "" if count == "1" else f" every {interval} h"
    for name, sine, cosine in (("amounts", *waves[:2]), ("gaps", *waves[2:])):
        if (sine, cosine) != ("0", "0"):
            text += f", {name} {sine} sin {cosine} cos"
    return text


def places(values: Floats, known: Floats) -> Ints:
    """Where each strategy (n, 7) stands among different ones (s, 7), (n,); -1: nowhere.  Numbers
    within `SAME` of each other are one, as 32-bit logs of decimal amounts need.
    """
    code, own = np.zeros(len(values), np.int64), np.zeros(len(known), np.int64)
    hit = np.ones(len(values), np.bool_)
    for column, names in zip(values.T, known.T, strict=True):
        points = _apart(names)
        at, level = _nearest(column, points), _nearest(names, points)
        hit &= np.abs(column - points[at]) <= SAME * np.where(points[at] == 0, 1, abs(points[at]))
        # only codes of strategies that there are: they number at most s, so products stay small
        own_codes, own = np.unique(own * len(points) + level, return_inverse=True)
        near = np.searchsorted(own_codes, code * len(points) + at)
        near = np.minimum(near, len(own_codes) - 1)
        hit &= own_codes[near] == code * len(points) + at
        code = near
    order = np.empty(len(known), np.int64)
    order[own[::-1]] = np.arange(len(known))[::-1]  # of equal ones the first
    return np.where(hit, order[code], -1)


def _apart(numbers: Floats) -> Floats:
    """Different numbers, rising; of those within `SAME` of the one before, none."""
    rising = np.unique(numbers)
    scale = np.where(rising[1:] == 0, 1, np.abs(rising[1:]))
    return np.delete(rising, 1 + np.flatnonzero(np.diff(rising) <= SAME * scale))


def _nearest(numbers: Floats, points: Floats) -> Ints:
    return np.searchsorted((points[1:] + points[:-1]) / 2, numbers).astype(np.int64)


def _named(pairs: Iterable[tuple[str, Any]]) -> tuple[list[str], Floats]:
    """Names, and their numbers (k, 7); what is none names its schedule."""
    names, values = [], [np.empty((0, len(NUMBERS)))]
    for name, one in pairs:
        try:
            values.append(as_numbers([one]))
        except SpaceError as error:
            where = f"schedule {name!r}"
            raise SpaceError(error.what, error.must, error.got, where, error.fix) from error
        names.append(name)
    return names, np.concatenate(values)


def _menu(names: list[str], values: Floats, window: tuple[float, float]) -> dict[str, Strategy]:
    """The strategies of a menu, all of them different and within the window."""
    if not names:
        fix = "list the base and what may be sent instead"
        raise SpaceError("a menu", "hold schedules", "none", fix=fix)
    bad = next((name for i, name in enumerate(names) if not name or name in names[:i]), None)
    if bad is not None:
        must, fix = "give each schedule a name of its own", "give it another name"
        raise SpaceError("a menu", must, repr(bad), fix=fix)
    check_strategies(values, lambda row: f"schedule {names[row]!r}", window)
    first = places(values, values)
    again = np.flatnonzero(first != np.arange(len(values)))
    if len(again):
        pair = f"{names[first[again[0]]]!r} and {names[again[0]]!r}"
        fix = "one schedule has one name: take one of them out"
        raise SpaceError("the schedules of a menu", "be different", f"the same as {pair}", fix=fix)
    return {name: Strategy.of(row) for name, row in zip(names, values, strict=True)}
