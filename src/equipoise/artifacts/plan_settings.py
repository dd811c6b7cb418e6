"""A plan's text with other settings: the weights, budget, offers, caps and floors of [policy] are
replaced, and every other line, comments too, stays as it is.
"""

from __future__ import annotations

import copy
import json
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from equipoise.allocation import Explorer
from equipoise.artifacts.explorer import ExplorerUnits
from equipoise.core.errors import DataError

POLICY = "policy"
MOVED = ("weights", "budget", "offers", "caps", "floors", "group_budgets")
DIGITS = 12  # significant, of a bound that a slider made


def policy_settings(
    units: ExplorerUnits,
    explorer: Explorer,
    weights: Mapping[str, float],
    bounds: Mapping[str, float | None],
) -> dict[str, Any]:
    """What an explorer was asked, as keys of [policy].

    Parameters
    ----------
    units : ExplorerUnits
        The units.
    explorer : Explorer
        Of them.
    weights : mapping
        Metric -> the worth of one unit of it.
    bounds : mapping
        Demand -> its bound, None where it is off.

    Returns
    -------
    dict
        "weights", and where they are asked "budget", "offers", "caps", "floors", "group_budgets".
    """
    worth = units.about.get("worth") or {}
    settings: dict[str, Any] = {
        "weights": {name: _round(w / (worth.get(name) or 1.0)) for name, w in weights.items()}
    }
    lists: dict[str, list[dict[str, Any]]] = {"caps": [], "floors": [], "group_budgets": []}
    for demand in explorer.demands:
        turned = demand.sign if demand.metric is not None else 1.0
        bound = bounds.get(demand.name, turned * demand.bound)
        if bound is None:
            continue
        bound = _round(bound)
        if demand.kind == "budget":
            settings["budget"] = {"per_head": bound}
        elif demand.kind == "offers":
            settings["offers"] = {"share": bound}
        elif demand.kind == "cap":
            lists["caps"].append({"candidate": demand.candidate, "share": bound})
        elif demand.metric is not None:
            lists["floors"].append({"metric": demand.metric, "per_head": bound})
        elif demand.kind == "group-budget":
            column, group = demand.column, demand.factors[0][0]
            row = {"column": column, "group": str(group), "per_head": bound}
            lists["group_budgets"].append(row)
    return settings | {name: rows for name, rows in lists.items() if rows}


def _round(x: float) -> float:
    return float(f"{x:.{DIGITS}g}") + 0.0


def with_settings(text: str, settings: Mapping[str, Any]) -> str:
    """A plan's text with other settings.

    Parameters
    ----------
    text : str
        TOML.
    settings : mapping
        Of `policy_settings`.

    Returns
    -------
    str
        TOML that says what the old text said but for them.

    Raises
    ------
    DataError
        Where the text is no TOML, or writes [policy] in a way that is not followed here.

    Examples
    --------
    >>> text = "[policy]\\nbudget = { total = 5 }  # low\\ncost = 1\\n"
    >>> with_settings(text, {"offers": {"share": 0.5}}).splitlines()
    ['[policy]', 'offers = { "share" = 0.5 }', 'cost = 1']
    """
    try:
        asked = tomllib.loads(text)
    except ValueError as error:
        raise DataError("a plan", "be TOML", str(error), fix="give the text of a plan") from error
    kept, at = _kept(text.splitlines(keepends=True))
    lines = [f"{name} = {_toml(value)}\n" for name, value in settings.items()]
    if at is None and POLICY in asked:  # in keys with dots
        kept[:0] = [f"{POLICY}.{line}" for line in lines]
    elif at is None:
        ends = "" if not kept or kept[-1].endswith("\n") else "\n"
        kept += [f"{ends}\n[{POLICY}]\n", *lines]
    else:
        kept[at:at] = lines
    new = "".join(kept)
    wanted = copy.deepcopy(asked)
    own = {k: v for k, v in wanted.get(POLICY, {}).items() if k not in MOVED}
    wanted[POLICY] = own | dict(settings)
    if _read(new) != wanted:
        fix = f"write its [{POLICY}] as a table of its own"
        raise DataError("a plan", "be one whose settings can be replaced", "another form", fix=fix)
    return new


def _kept(lines: list[str]) -> tuple[list[str], int | None]:
    """The lines without the settings, and where new ones go: behind the header of [policy]."""
    kept: list[str] = []
    table: tuple[str, ...] = ()
    at, i = None, 0
    while i < len(lines):
        line = lines[i].strip()
        if not line or line.startswith("#"):
            kept += [] if _moved(table) else [lines[i]]
            i += 1
            continue
        if line.startswith("["):
            table = _path(lines[i])
            kept += [] if _moved(table) else [lines[i]]
            at = len(kept) if table == (POLICY,) else at
            i += 1
            continue
        end = i + 1
        while end < len(lines) and _read("".join(lines[i:end])) is None:
            end += 1
        key = _path("".join(lines[i:end]))
        kept += [] if _moved((*table, *key)) else lines[i:end]
        i = end
    return kept, at


def _moved(path: Sequence[str]) -> bool:
    return len(path) > 1 and path[0] == POLICY and path[1] in MOVED


def _path(text: str) -> tuple[str, ...]:
    """The first two names of a header or of a statement."""
    path: list[str] = []
    found: Any = _read(text) or {}
    while isinstance(found, dict) and found and len(path) < 2:
        path.append(next(iter(found)))
        found = found[path[-1]]
        found = found[0] if isinstance(found, list) and found else found
    return tuple(path)


def _read(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except ValueError:
        return None


def _toml(value: Any) -> str:
    """A value as TOML writes it."""
    if isinstance(value, Mapping):
        pairs = (f"{json.dumps(str(k), ensure_ascii=False)} = {_toml(v)}" for k, v in value.items())
        return "{ " + ", ".join(pairs) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
