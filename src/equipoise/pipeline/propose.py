"""`equipoise propose`: from a log of tested schedules to those that come to fresh traffic next.

new        candidates that a search of a surrogate finds, spread out: menu.csv for the next rollout
shortlist  tested schedules that are worth a check on fresh traffic
claims     what checked schedules may be said to be worth, first and fresh traffic together, shrunk

A surrogate's value is no estimate, and the best of many noisy means is too high: only claims are
printed as values.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from equipoise.core.arrays import Floats
from equipoise.core.errors import InputError, LogError, PlanError
from equipoise.core.snapshot import Earlier, replacing
from equipoise.core.suggest import among
from equipoise.operations.bounds import Bounds, Rules
from equipoise.operations.claims import confirm
from equipoise.operations.daily import daily_effects
from equipoise.operations.epochs import two_way
from equipoise.operations.search import Trials, propose, shortlist
from equipoise.pipeline.monitor.rows import Source, Watched, watched_rows, worth_of
from equipoise.pipeline.plan.read import read_plan, space_of
from equipoise.pipeline.plan.schema import Plan
from equipoise.report.findings import plain
from equipoise.treatments.menu import menu_text
from equipoise.treatments.schedule import Schedule
from equipoise.treatments.strategy import NUMBERS, Strategy

MENU, PROPOSALS = "menu.csv", "proposals.json"


def _is_proposals(place: Path) -> bool:
    names = {entry.name for entry in place.iterdir()} if place.is_dir() else set()
    return PROPOSALS in names and names <= {MENU, PROPOSALS}


EARLIER_PROPOSALS = Earlier("an earlier proposals folder", _is_proposals)


@dataclass(frozen=True)
class TriedSchedules:
    """What a log says of the schedules that had traffic.

    names : (s,).   trials : their numbers and values over the base.   base : its name.
    """

    names: tuple[str, ...]
    trials: Trials
    base: str


def propose_new(
    plan: Path | str | Plan, log: Path | str, out: Path | str | None = None
) -> dict[str, Any]:
    """Candidates for fresh traffic, and their menu.

    Parameters
    ----------
    plan : path or Plan
        With [log], [space] kind = "schedule", [policy] weights and [search].
    log : path
        Rows with a tested schedule and outcomes each; days where the plan names them.
    out : path, optional
        The folder of menu.csv and proposals.json.

    Returns
    -------
    dict
        Plain JSON: the tested, the candidates, and what rules refused.

    Raises
    ------
    PlanError, LogError, InputError
        Where the plan has no menu, too few were tested, or rules leave nothing within the bounds.
    """
    settings = plan if isinstance(plan, Plan) else read_plan(plan)
    space, own = _space(settings), settings.search
    tested = tried_schedules(settings, space, log)
    if out is not None:
        EARLIER_PROPOSALS.check(Path(out))
    found = propose(
        tested.trials,
        _bounds(settings, space),
        _rules(settings),
        way=own.way,
        surrogate=own.surrogate,
        tries=own.tries,
        take=own.take,
        spread=own.spread,
        seed=settings.run.seed,
    )
    names = _free_names(len(found.schedules), tuple(space.menu))
    rows = [
        {"name": name, **dict(zip(NUMBERS, map(float, numbers), strict=True)),
         "surrogate": float(value), "surrogate_error": float(error)}
        for name, numbers, value, error in zip(
            names, found.schedules, found.value, found.std_error, strict=True
        )
    ]  # fmt: skip
    findings = {
        "kind": "proposals",
        "base": tested.base,
        "tested": _tested_rows(tested),
        "new": rows,
        "spread": found.spread,
        "tries": found.tries,
        "refusals": found.refusals,
    }
    if out is not None:
        new = {name: _strategy(one) for name, one in zip(names, found.schedules, strict=True)}
        with replacing(out, EARLIER_PROPOSALS) as folder:
            folder.mkdir()
            menu = {tested.base: space.menu[tested.base], **new}
            (folder / MENU).write_text(menu_text(menu), encoding="utf-8")
            text = json.dumps(plain(findings), indent=1, ensure_ascii=False, allow_nan=False)
            (folder / PROPOSALS).write_text(text + "\n", encoding="utf-8")
    return findings


def propose_check(plan: Path | str | Plan, log: Path | str) -> list[dict[str, Any]]:
    """Tested schedules that are worth fresh traffic: `[search] check` of them, spread out.

    Parameters
    ----------
    plan : path or Plan
        As of `propose_new`.
    log : path
        Likewise.

    Returns
    -------
    list of dict
        Their names and numbers.
    """
    settings = plan if isinstance(plan, Plan) else read_plan(plan)
    space = _space(settings)
    tested = tried_schedules(settings, space, log)
    rows = shortlist(
        tested.trials,
        _bounds(settings, space),
        surrogate=settings.search.surrogate,
        take=min(settings.search.check, len(tested.names)),
        seed=settings.run.seed,
    )
    every = _tested_rows(tested)
    return [every[row] for row in rows]


def claims_of(plan: Path | str | Plan, log: Path | str, fresh: Path | str) -> list[dict[str, Any]]:
    """What checked schedules may be said to be worth.

    Parameters
    ----------
    plan : path or Plan
        As of `propose_new`.
    log : path
        The traffic on which they were tested first.
    fresh : path
        Traffic since then, with the base and some of them.

    Returns
    -------
    list of dict
        By falling claim: ``name``, ``claim`` and its ``std_error``, the ``first`` and ``fresh``
        values.

    Raises
    ------
    LogError
        Where the fresh log has none of the tested, or one that was not.
    """
    settings = plan if isinstance(plan, Plan) else read_plan(plan)
    space = _space(settings)
    if Path(log).exists() and Path(fresh).exists() and Path(log).samefile(fresh):
        fix = "give traffic since then: what chose a schedule cannot confirm it"
        raise InputError("the fresh log", "differ from the first", "the same file", str(fresh), fix)
    first = tried_schedules(settings, space, log)
    again = tried_schedules(settings, space, fresh)
    strange = [name for name in again.names if name not in first.names]
    if strange:
        fix = among(strange[0], first.names, "tested first")
        raise LogError(
            "the fresh log", "have schedules that were tested first", strange[0], fix=fix
        )
    rows = np.array([first.names.index(name) for name in again.names], np.int64)
    one, two = first.trials, again.trials
    claims = confirm(one.value, one.std_error, rows, two.value, two.std_error)
    order = np.argsort(-claims.value, kind="stable")
    return [
        {
            "name": again.names[k],
            "claim": float(claims.value[k]),
            "std_error": float(claims.std_error[k]),
            "first": float(one.value[rows[k]]),
            "fresh": float(two.value[k]),
        }
        for k in order
    ]


def tried_schedules(plan: Plan, space: Schedule, log: Path | str) -> TriedSchedules:
    """The worth of every schedule of a log over the base: by day where days are named.

    Parameters
    ----------
    plan : Plan
        Which column is what, and what counts.
    space : Schedule
        Its menu.
    log : path
        The rows.

    Returns
    -------
    TriedSchedules
        All but the base.
    """
    if not isinstance(plan.log.treatment, str):
        fix = 'write a menu, and name its schedules in one column: treatment = "strategy"'
        raise PlanError("the treatment", "be a column of names of the menu", plan.log.treatment,
                        "[log]", fix)  # fmt: skip
    base = next(iter(space.menu))
    watched = watched_rows(Source(plan, base, {}), log, daily=False)
    strange = [name for name in watched.rows.names if name not in space.menu]
    if strange:
        fix = among(strange[0], tuple(space.menu), "in the menu")
        raise LogError("a strategy", "be in the menu", repr(strange[0]), fix=fix)
    names, value, error = _values(plan, watched)
    cost = None
    if plan.search.cost is not None:
        cost = _mean_cost(plan, watched, names)
    trials = Trials(space.check(list(names)), value, error, cost)
    return TriedSchedules(names, trials, base)


def _values(plan: Plan, watched: Watched) -> tuple[tuple[str, ...], Floats, Floats]:
    """Names, worth over the base and standard errors, of those that have both."""
    rows, own = watched.rows, plan.search.metric
    if own is not None and own not in watched.metrics:
        fix = among(own, watched.metrics, "outcomes")
        raise PlanError(f"metric {own!r}", "be an outcome", "no such one", "[search]", fix)
    y = worth_of(plan, watched) if own is None else rows.y[:, watched.metrics.index(own)]
    if len(rows.days) > 1:
        strategy = np.array(rows.names)[rows.strategy]
        epochs = two_way(strategy, rows.days[rows.day], y, base=watched.base, unit=watched.unit)
        return epochs.strategy, epochs.effect[:, 0], epochs.std_error[:, 0]
    one = type(rows)(rows.names, rows.strategy, rows.days, rows.day, y[:, None])
    daily = daily_effects(one, watched.base)
    effect, error = daily.effect[0, :, 0], daily.std_error[0, :, 0]
    known = np.isfinite(effect)
    names = tuple(name for name, good in zip(daily.strategy, known, strict=True) if good)
    return names, effect[known], error[known]


def _mean_cost(plan: Plan, watched: Watched, names: tuple[str, ...]) -> Floats:
    """What a row of each schedule cost."""
    name = plan.search.cost or ""
    if name not in watched.metrics:
        fix = among(name, watched.metrics, "outcomes")
        raise PlanError(f"cost {name!r}", "be an outcome", "no such one", "[search]", fix)
    spent = watched.rows.cells(watched.rows.y[:, watched.metrics.index(name)]).sum(axis=1)
    mean = spent / watched.rows.cells().sum(axis=1)
    return np.array([mean[watched.rows.place(one)] for one in names])


def _space(plan: Plan) -> Schedule:
    space = space_of(plan)
    if not isinstance(space, Schedule):
        fix = 'say kind = "schedule" and menu = "menu.csv" there'
        raise PlanError("a search", "be of schedules", "another space", "[space]", fix)
    return space


def _bounds(plan: Plan, space: Schedule) -> Bounds:
    own = plan.search.bounds
    return Bounds(own.total, own.count, own.interval, own.wave, space.window)


def _rules(plan: Plan) -> Rules:
    own = plan.search.rules
    return Rules(own.packet, own.last, own.gap, own.cost_per_head, own.never)


def _free_names(n: int, taken: tuple[str, ...]) -> list[str]:
    """new1, new2, ... as far as the menu has none of these."""
    names: list[str] = []
    k = 1
    while len(names) < n:
        if f"new{k}" not in taken:
            names.append(f"new{k}")
        k += 1
    return names


def _strategy(numbers: Floats) -> Strategy:
    total, count, interval, *waves = map(float, numbers)
    return Strategy(total, int(count), interval, (waves[0], waves[1]), (waves[2], waves[3]))


def _tested_rows(tested: TriedSchedules) -> list[dict[str, Any]]:
    trials = tested.trials
    return [
        {"name": name, **dict(zip(NUMBERS, map(float, numbers), strict=True)),
         "value": float(value), "std_error": float(error)}
        for name, numbers, value, error in zip(
            tested.names, trials.schedules, trials.value, trials.std_error, strict=True
        )
    ]  # fmt: skip
