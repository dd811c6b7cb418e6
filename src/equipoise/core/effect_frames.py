"""Effects that somebody else predicted, in a frame: which column is which.

    candidate             the effect on the one metric           baseline             its level
    candidate|se          its standard error                                          under control
    metric|candidate      with several metrics, as `Effects.to_table` writes them; metric|baseline
    metric|candidate|se

The first form is of one metric, the second of any number; a frame is of one form.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from equipoise.core import columns
from equipoise.core.arrays import Floats
from equipoise.core.errors import InputError
from equipoise.core.frames import is_array, to_arrow
from equipoise.core.suggest import among

BASELINE, ERROR = "baseline", "se"
PART = re.compile(r"((?:\\.|[^|\\])*)\|")  # a part of a name that a bar ends
WHAT = "a frame of effects"


class Places(NamedTuple):
    """The columns of a frame by what they hold: (metric, candidate) of effects and of standard
    errors, metric of levels.
    """

    effects: dict[tuple[str, str], str]
    errors: dict[tuple[str, str], str]
    levels: dict[str, str]


class Parts(NamedTuple):
    """What effects are made of: (n, k, m), (n, m), (k,), (m,), and (n, k, m) or None."""

    values: Floats
    baseline: Floats
    candidates: tuple[str, ...]
    metrics: tuple[str, ...]
    std_error: Floats | None


def read_frame(frame: Any, metric: str, candidates: Sequence[str] | None, id: str | None) -> Parts:
    """The parts of effects in a frame, or in an array whose columns are the candidates."""
    if isinstance(candidates, str):
        must = "be a list of names"
        raise InputError("candidates", must, repr(candidates), fix=f"write [{candidates!r}]")
    named = None if candidates is None else tuple(candidates)
    table = _named(frame, named) if is_array(frame) else to_arrow(frame)
    if id is not None:
        if id not in table.column_names:
            fix = among(id, table.column_names)
            raise InputError(f"the id column {id!r}", "be in the frame", "no such column", fix=fix)
        table = table.drop_columns([id])
    places = _places(table.column_names, metric)
    metrics = tuple(dict.fromkeys(name for name, _ in places.effects))
    known = tuple(dict.fromkeys(name for _, name in places.effects))
    named = known if named is None else named
    keys = [(j, a) for a in named for j in metrics]
    _check_grid(keys, places, known)
    n, k, m = table.num_rows, len(named), len(metrics)
    values = _cube(table, [places.effects[key] for key in keys], (n, k, m))
    error = None
    if places.errors:
        error = _cube(table, [places.errors[key] for key in keys], (n, k, m))
        if not (error >= 0).all():
            row, a, j = (int(i) for i in np.argwhere(error < 0)[0])
            where = f"column {places.errors[metrics[j], named[a]]!r}, row {row}"
            raise InputError("a standard error", "be >= 0", f"{error[row, a, j]:g}", where)
    baseline = np.zeros((n, m))
    if places.levels:
        baseline = _cube(table, [places.levels[name] for name in metrics], (n, 1, m))[:, 0]
    return Parts(values, baseline, named, metrics, error)


def _named(array: Any, candidates: tuple[str, ...] | None) -> pa.Table:
    """An array with the candidates as names of its columns."""
    if candidates is None:
        fix = 'say candidates = ["mail", ...], or give a frame whose columns have their names'
        raise InputError("an array of effects", "have names for its columns", "none", fix=fix)
    rows = np.asarray(array, dtype=object) if isinstance(array, list) else array
    rows = rows.reshape(-1, 1) if getattr(rows, "ndim", 2) == 1 else rows
    table = to_arrow(rows)
    if table.num_columns != len(candidates):
        must = f"have {len(candidates)} columns, one a candidate"
        raise InputError("an array of effects", must, table.num_columns)
    keys = [name.replace("\\", "\\\\").replace("|", "\\|") for name in candidates]
    return table.rename_columns([f"\\{key}" if key == BASELINE else key for key in keys])


def _places(names: Sequence[str], metric: str) -> Places:
    """What each column holds."""
    split = {name: PART.findall(f"{name}|") or [name] for name in names}
    plain = {name for name, parts in split.items() if len(parts) == 1}
    places = Places({}, {}, {})
    for name, parts in split.items():
        short = len(parts) == 2 and parts[1] == ERROR and parts[0] in plain
        own = [metric, *parts] if name in plain or short else [_plain(parts[0]), *parts[1:]]
        is_error = len(own) == 3 and own[2] == ERROR
        if len(own) > 3 or (len(own) == 3 and not is_error) or "" in own:
            must = "be called candidate, metric|candidate or metric|candidate|se"
            fix = "a bar within a name has a backslash before it"
            raise InputError(f"column {name!r} of {WHAT}", must, "another form", fix=fix)
        if own[1] == BASELINE and not is_error:
            places.levels[own[0]] = name
        else:
            (places.errors if is_error else places.effects)[own[0], _plain(own[1])] = name
    barred = [name for name in names if name not in plain and name not in places.errors.values()]
    if barred and plain:
        fix = "drop the others, or name the column of ids: id="
        got = f"{sorted(plain)[0]!r} and {barred[0]!r}"
        raise InputError(
            f"the columns of {WHAT}", "be candidates, or metric|candidate", got, "", fix
        )
    if not places.effects:
        must = "have a column for each candidate"
        raise InputError(WHAT, must, ", ".join(map(repr, names)) or "none")
    return places


def _check_grid(keys: list[tuple[str, str]], places: Places, known: Sequence[str]) -> None:
    """Every candidate has an effect on every metric, and an error or a level where any has one."""
    if not keys:
        raise InputError("candidates", "name at least one", "none")
    for metric, name in keys:
        if (metric, name) not in places.effects:
            what = f"the effect of {name!r} on {metric!r}"
            raise InputError(what, "be in the frame", "no such column", fix=among(name, known))
        if places.errors and (metric, name) not in places.errors:
            what = f"the standard error of {name!r} on {metric!r}"
            fix = "give one for every effect or for none"
            raise InputError(what, "be in the frame, as others are", "no such column", fix=fix)
        if places.levels and metric not in places.levels:
            what, fix = f"the level of {metric!r}", "give one for every metric or for none"
            raise InputError(what, "be in the frame, as others are", "no such column", fix=fix)


def _cube(table: pa.Table, names: list[str], shape: tuple[int, int, int]) -> Floats:
    """Columns as (n, k, m)."""
    cube = np.empty((shape[0], shape[1] * shape[2]))
    for i, name in enumerate(names):
        try:
            cube[:, i] = columns.numbers(table[name])
        except TypeError as error:
            fix = "name the column of ids: id=, and drop what is no effect"
            what = f"column {name!r} of {WHAT}"
            raise InputError(what, "be numbers", str(table[name].type), fix=fix) from error
        good = np.isfinite(cube[:, i])
        if not good.all():
            row = int(np.argmin(good))
            what, fix = f"column {name!r} of {WHAT}", "mend or drop the row"
            raise InputError(what, "be finite", f"{cube[row, i]:g}", f"row {row}", fix)
    return cube.reshape(shape)


def _plain(part: str) -> str:
    """A name without its backslashes.

    >>> _plain("a\\\\|b")
    'a|b'
    """
    return re.sub(r"\\(.)", r"\1", part)
