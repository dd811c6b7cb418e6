"""`equipoise rollout start | next | status | back`: a state machine between files.

start    the rules of a plan and a file of units -> the first stage and its traffic
next     the log so far -> results -> the next state and its traffic; the same log changes nothing
back     the parent of a policy that replaced it
"""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.core import columns
from equipoise.core.arrays import Floats, Ints
from equipoise.core.errors import InputError, LogError, PlanError
from equipoise.core.suggest import among
from equipoise.data.files import column_names, read_table
from equipoise.operations.design import Traffic
from equipoise.operations.stage_log import stage_results
from equipoise.operations.stages import (
    RolloutRules,
    RolloutState,
    StageResults,
    advance,
    roll_back,
    start_rollout,
)
from equipoise.pipeline.monitor.rows import (
    Source,
    Watched,
    base_of,
    check_single_values,
    numbers_of,
    watched_rows,
    worth_of,
)
from equipoise.pipeline.monitor.watch import effects_found
from equipoise.pipeline.plan.read import read_plan, space_of
from equipoise.pipeline.plan.schema import Plan
from equipoise.pipeline.rollout.assign import stage_traffic
from equipoise.pipeline.rollout.folder import (
    EARLIER_ROLLOUT,
    RolloutFolder,
    read_rollout,
    write_rollout,
)
from equipoise.report.sections.rollout import rollout_page

WORTH = "worth"


def start(plan: Path | str | Plan, units: Path | str, day: str, out: Path | str) -> RolloutFolder:
    """Begin a rollout.

    Parameters
    ----------
    plan : path or Plan
        With [log], [space] or [rollout] seeds, and [rollout].
    units : path
        A Parquet or CSV file with the column of units, or of buckets.
    day : str
        The first: a date as 2026-11-01, or a whole number, as the log will have it.
    out : path
        The rollout's folder.

    Returns
    -------
    RolloutFolder
        As it was written.

    Raises
    ------
    PlanError, InputError
        Where the plan names no seeds, or units are too few for a stage.
    """
    settings = plan if isinstance(plan, Plan) else read_plan(plan)
    EARLIER_ROLLOUT.check(Path(out))
    rules = rules_of(settings)
    first, dates = _day(day)
    state = start_rollout(rules, day=first)
    traffic = stage_traffic(
        settings.rollout, _running(state), _units(settings, units), _days(state), settings.run.seed
    )
    rollout = RolloutFolder(settings, settings.text, state, [_step(state, None)], traffic, dates)
    write_rollout(out, rollout, rollout_page(rollout.steps, rollout.day, state))
    return rollout


def take_step(place: Path | str, log: Path | str) -> tuple[RolloutFolder, bool]:
    """Take the next step of a rollout, or wait.

    Parameters
    ----------
    place : path
        The rollout's folder.
    log : path
        All rows since the start: a unit on a day, its strategy and outcomes.

    Returns
    -------
    rollout : RolloutFolder
        As it stands now.
    changed : bool
        False where the log said nothing new.

    Raises
    ------
    LogError
        Where the base misses a day, or a strategy is none of the rollout.
    """
    before = read_rollout(place)
    results = results_of(before, log)
    state = advance(before.state, results)
    if state == before.state:
        return before, False
    traffic = before.traffic
    if state.stage == "over" or traffic is None:
        traffic = None
    elif state.decision != "wait":
        seed = before.plan.run.seed + len(before.steps)
        how, days = before.plan.rollout, _days(state)
        traffic = stage_traffic(how, _running(state), traffic.units, days, seed, traffic)
    elif results.day >= traffic.days[-1]:  # the stage goes on: so does its traffic
        traffic = _longer(before, traffic, results.day)
    steps = [*before.steps, _step(state, results)]
    rollout = replace(before, state=state, steps=steps, traffic=traffic)
    write_rollout(place, rollout, rollout_page(steps, rollout.day, state))
    return rollout, True


def step_back(place: Path | str) -> RolloutFolder:
    """Point a rollout back to the policy before.

    Parameters
    ----------
    place : path
        The rollout's folder.

    Returns
    -------
    RolloutFolder
        Over; its policy is the parent.

    Raises
    ------
    InputError
        Where nothing was replaced.
    """
    before = read_rollout(place)
    state = roll_back(before.state)
    steps = [*before.steps, _step(state, None)]
    rollout = replace(before, state=state, steps=steps, traffic=None)
    write_rollout(place, rollout, rollout_page(steps, rollout.day, state))
    return rollout


def rules_of(plan: Plan) -> RolloutRules:
    """The rules of a plan's [rollout]; base and seeds are those of [space] where it names none."""
    own, when = plan.rollout, plan.rollout.replace
    base, seeds = own.base or base_of(plan), own.seeds
    space = space_of(plan)
    if not seeds and space is not None and not isinstance(space, str):
        seeds = space.names(space.candidates())
    if base is None or not seeds:
        fix = 'say base = "..." and seeds = [...] there, or a menu in [space]'
        raise PlanError("a rollout", "have a base and seeds", "none", "[rollout]", fix)
    outcomes = tuple(plan.log.outcomes or {})
    for name in [guard.metric for guard in own.guard] + ([own.metric] if own.metric else []):
        if name not in outcomes:
            fix = among(name, outcomes, "outcomes")
            raise PlanError(f"metric {name!r}", "be an outcome", "no such one", "[rollout]", fix)
    return RolloutRules(
        base,
        tuple(name for name in seeds if name != base),
        batches=own.batches,
        every_days=own.every_days,
        stay=own.stay,
        then=own.then,
        guards={guard.metric: guard.least for guard in own.guard},
        level=when.level,
        least_days=when.least_days,
        most_days=when.most_days,
        stable_days=when.stable_days,
        fresh=when.fresh,
    )


def results_of(rollout: RolloutFolder, log: Path | str) -> StageResults:
    """What a log tells a rollout.   log : all rows since its start."""
    plan, state = rollout.plan, rollout.state
    base = state.rules.base
    watched = watched_rows(Source(plan, base, {}), log)
    rows = watched.rows
    metrics: dict[str, Floats] = dict(zip(watched.metrics, rows.y.T, strict=True))
    metric = plan.rollout.metric
    if metric is None:
        metric, metrics = WORTH, {**metrics, WORTH: worth_of(plan, watched)}
    past = None
    if plan.rollout.past:
        past = _columns(log, plan.rollout.past)
    names = np.array(rows.names, dtype=object)
    return stage_results(
        state,
        names[rows.strategy].astype(np.str_),
        rows.days[rows.day],
        metrics,
        metric,
        unit=watched.unit,
        past=past,
        alarm_day=_alarm_day(plan, watched, state),
        settle_days=plan.rollout.replace.settle_days,
    )


def _alarm_day(plan: Plan, watched: Watched, state: RolloutState) -> int | None:
    """The last day at which an effect of what runs was seen to have changed."""
    if len(watched.days) < 2:
        return None
    streams, _ = effects_found(watched, plan.monitor)
    running = {*state.running, state.policy}
    days = [
        int(watched.rows.days[watched.days.index(row["alarm"])])
        for row in streams
        if row["alarm"] is not None and row["strategy"] in running
    ]
    return max(days, default=None)


def _columns(log: Path | str, names: tuple[str, ...]) -> Floats:
    """Columns of a log as numbers, (n, c)."""
    there = column_names(log)
    for name in names:
        if name not in there:
            fix = among(name, there, "columns")
            raise LogError(f"past {name!r}", "be in the log", "no such column", str(log), fix)
    table = read_table(log, list(names))
    return np.column_stack([numbers_of(table[name], name) for name in names])


def _running(state: RolloutState) -> tuple[str, ...]:
    """What gets traffic, the base first."""
    return tuple(dict.fromkeys((state.rules.base, *state.running)))


def _days(state: RolloutState) -> Ints:
    """The days of the stage that has begun."""
    rules = state.rules
    length = rules.least_days if state.stage == "replace" else rules.every_days
    return np.arange(state.since, state.since + length)


def _longer(rollout: RolloutFolder, traffic: Traffic, last: int) -> Traffic:
    """The same traffic for the days after a log's last, a stage more."""
    days = np.arange(last + 1, last + 1 + rollout.state.rules.every_days)
    if rollout.plan.rollout.design == "rotate":
        seed = rollout.plan.run.seed + len(rollout.steps)
        return stage_traffic(rollout.plan.rollout, traffic.strategies, traffic.units, days, seed)
    shape = (len(traffic.units), len(days))
    place = np.broadcast_to(traffic.place[:, -1:], shape)
    return replace(traffic, days=days, place=place, measured=np.ones(shape, np.bool_))


def _units(plan: Plan, file: Path | str) -> NDArray[np.str_]:
    """The units, or buckets, of a file, each once."""
    name = plan.rollout.bucket or plan.log.id or plan.log.group
    if name is None:
        fix = 'say id = "user" in [log], or bucket = "region" in [rollout]'
        raise PlanError("a rollout", "name the column of units", "nothing", "[log]", fix)
    names = column_names(file)
    if name not in names:
        fix = among(name, names, "columns")
        raise InputError(
            f"column {name!r}", "be in the file of units", "no such one", str(file), fix
        )
    table = read_table(file, [name])
    check_single_values(table)
    column = table[name]
    absent = columns.missing(column)
    if absent.any():
        raise InputError(f"{name!r}", "be known", "nothing", f"row {int(np.argmax(absent))}")
    return np.unique(np.asarray(columns.labels(column).to_pylist(), dtype=np.str_))


def _day(day: str) -> tuple[int, bool]:
    """The number of a day, and whether it is a date."""
    try:
        return int(day), False
    except ValueError:
        pass
    try:
        return int(np.datetime64(date.fromisoformat(day), "D").astype(np.int64)), True
    except ValueError as error:
        must = "be a date as 2026-11-01, or a whole number"
        raise InputError("the first day", must, repr(day)) from error


def _step(state: RolloutState, results: StageResults | None) -> dict[str, Any]:
    """One line of the history."""
    seen = {} if results is None else results.effects
    return {
        "day": state.day if state.day is not None else state.since,
        "stage": state.stage,
        "number": state.number,
        "decision": state.decision,
        "why": state.why,
        "running": list(state.running),
        "leaving": list(state.leaving),
        "candidates": list(state.candidates),
        "policy": state.policy,
        "effects": {name: asdict(gain) for name, gain in seen.items()},
    }
