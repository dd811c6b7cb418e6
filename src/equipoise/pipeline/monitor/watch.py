"""What a monitor finds: effects that changed, days whose mix of strategies is another, features
that are missing more often or less, classes of units that change more than they may.

An effect that changed stays an alarm until a later reference; the others alarm for the last
day of the log, and earlier days are drawn.
"""

from __future__ import annotations

from typing import Any, TypedDict

import numpy as np
from scipy.special import chdtrc

from equipoise.allocation.cadence import NONE
from equipoise.core.arrays import Floats, Ints
from equipoise.core.errors import PlanError
from equipoise.operations.changes import moves
from equipoise.operations.daily import DailyEffects, daily_effects
from equipoise.operations.drift import EffectDrift, effect_drift, mix_drift
from equipoise.pipeline.monitor.rows import Watched
from equipoise.pipeline.plan.operations import MonitorPlan

LEAST_CHANGE = 0.005  # of a missing share: less is no alarm, however certain


class Alarm(TypedDict):
    """One thing to look at."""

    what: str
    stream: str
    day: str
    since: str
    sentence: str


class MonitorFindings(TypedDict):
    """All that the page shows; plain JSON."""

    kind: str
    title: str
    base: str
    days: list[str]
    rows: list[int]
    alarms: list[Alarm]
    effects: list[dict[str, Any]]
    mix: dict[str, Any]
    missing: list[dict[str, Any]]
    churn: list[dict[str, Any]]
    settings: dict[str, Any]
    version: str


def effects_found(watched: Watched, plan: MonitorPlan) -> tuple[list[dict[str, Any]], list[Alarm]]:
    """Every stream of daily effects with its CUSUM, and those that changed."""
    daily = daily_effects(watched.rows, watched.base)
    d, k, m = daily.effect.shape
    settings = plan.effects
    drift = effect_drift(
        daily.effect.reshape(d, k * m),
        daily.std_error.reshape(d, k * m),
        reference=settings.reference_days,
        days=settings.days,
        false_alarms=settings.false_alarms,
    )
    streams, alarms = [], []
    for j in range(k * m):
        row = _stream(watched, daily, drift, j)
        streams.append(row)
        if row["alarm"] is not None:
            alarms.append(_effect_alarm(row))
    return streams, alarms


def _stream(watched: Watched, daily: DailyEffects, drift: EffectDrift, j: int) -> dict[str, Any]:
    m = len(watched.metrics)
    effect, error = (part.reshape(len(part), -1)[:, j] for part in (daily.effect, daily.std_error))
    alarm, since = int(drift.alarm[j]), int(drift.since[j])
    y = watched.rows.y[:, j % m]
    binary = bool(((y == 0) | (y == 1)).all())
    row = {
        "strategy": daily.strategy[j // m],
        "metric": watched.metrics[j % m],
        "scale": 100.0 if binary else 1.0,
        "unit": " pp" if binary else watched.units[j % m],
        "effect": effect.tolist(),
        "std_error": error.tolist(),
        "cusum": np.maximum(drift.up[:, j], drift.down[:, j]).tolist(),
        "threshold": drift.threshold,
        "mean": _mean(effect, error),
        "alarm": None,
        "since": None,
        "before": None,
        "after": None,
    }
    if alarm >= 0:
        row["alarm"], row["since"] = watched.days[alarm], watched.days[since]
        row["before"] = _mean(effect[:since], error[:since])
        row["after"] = _mean(effect[since:], error[since:])
    return row


def _mean(effect: Floats, error: Floats) -> list[float] | None:
    """The mean of days by their precision, and its standard error; None of no day."""
    known = np.isfinite(effect)
    if not known.any():
        return None
    weight = 1 / error[known] ** 2
    return [float(np.average(effect[known], weights=weight)), float(weight.sum() ** -0.5)]


def _effect_alarm(row: dict[str, Any]) -> Alarm:
    before, after = row["before"], row["after"]
    moved = ""
    if before is not None and after is not None:
        scale, unit = row["scale"], row["unit"]
        moved = f" from {scale * before[0]:.3g} to {scale * after[0]:.3g}{unit}"
    sentence = (
        f"The effect of {row['strategy']} on {row['metric']} changed{moved} since {row['since']},"
        f" seen on {row['alarm']}."
    )
    stream = f"{row['strategy']} on {row['metric']}"
    return Alarm(
        what="effect", stream=stream, day=row["alarm"], since=row["since"], sentence=sentence
    )


def mix_found(watched: Watched, plan: MonitorPlan) -> tuple[dict[str, Any], list[Alarm]]:
    """The shares of strategies by day, and whether the last day's differ from those before it.

    A day is compared with the days before that ran the same strategies, at most `reference_days` of
    them: a stage of a rollout has another mix by design.  Where the last day is the first of its
    strategies, the alarm names who came and who left.
    """
    count = watched.rows.cells().T  # (D, S)
    psi, point, p = np.full((3, len(count)), np.nan)
    began, change = 0, np.zeros(count.shape[1])
    for day in range(1, len(count)):  # days
        if ((count[day] > 0) != (count[day - 1] > 0)).any():
            began = day
        elif count.shape[1] >= 2:
            before = count[max(began, day - plan.effects.reference_days) : day].sum(axis=0)
            drift = mix_drift(before, count[day], false_alarms=plan.mix)
            psi[day], point[day], p[day], change = drift.psi, drift.point, drift.p, drift.change
    found = {
        "strategies": list(watched.rows.names),
        "shares": (count / count.sum(axis=1, keepdims=True)).tolist(),
        "psi": psi.tolist(),
        "point": point.tolist(),
        "p": p.tolist(),
    }
    names, last = watched.rows.names, watched.days[-1]
    sentence = ""
    if began == len(count) - 1 > 0:
        sentence = f"On {last} other strategies run: {_arrivals(count[-2], count[-1], names)}."
    elif psi[-1] > point[-1]:
        s = int(np.abs(change).argmax())
        sentence = (
            f"The mix of strategies on {last} is another (PSI {psi[-1]:.2g}, its point"
            f" {point[-1]:.2g}): {names[s]} has {100 * abs(change[s]):.2g} points"
            f" {'more' if change[s] > 0 else 'less'} than before."
        )
    alarm = Alarm(what="mix", stream="mix", day=last, since=last, sentence=sentence)
    return found, [alarm] if sentence else []


def _arrivals(before: Floats, now: Floats, names: tuple[str, ...]) -> str:
    """Who came and who left."""
    came = [name for name, a, b in zip(names, before, now, strict=True) if b > 0 and a == 0]
    left = [name for name, a, b in zip(names, before, now, strict=True) if a > 0 and b == 0]
    parts = [f"{', '.join(who)} {verb}" for who, verb in ((came, "came"), (left, "left")) if who]
    return "; ".join(parts)


def missing_found(
    watched: Watched, plan: MonitorPlan, learnt: dict[str, float]
) -> tuple[list[dict[str, Any]], list[Alarm]]:
    """The missing share of every feature by day, against that in the log that the policy was learnt
    from, or in the days before.
    """
    size = watched.rows.cells().sum(axis=0)
    level = plan.missing / max(len(watched.missing), 1)
    found: list[dict[str, Any]] = []
    alarms: list[Alarm] = []
    for name, absent in watched.missing.items():
        share = absent / size
        before = size[:-1].sum()
        want = learnt.get(name)
        if want is None:
            want, n = (float(absent[:-1].sum() / before), before) if before else (None, 0)
        else:
            n = np.inf
        row = {"feature": name, "shares": share.tolist(), "expected": want, "p": None}
        found.append(row)
        if want is None:
            continue
        mean = (absent[-1] + 0.5) / (size[-1] + 1.0)
        spread = max(want * (1 - want), mean * (1 - mean)) * (1 / size[-1] + 1 / n)
        row["p"] = float(chdtrc(1, (share[-1] - want) ** 2 / spread))
        if row["p"] < level and abs(share[-1] - want) >= LEAST_CHANGE:
            last = watched.days[-1]
            sentence = (
                f"{name} is missing in {100 * share[-1]:.3g} % of the rows of {last}, expected"
                f" {100 * want:.3g} %."
            )
            alarms.append(
                Alarm(what="missing", stream=name, day=last, since=last, sentence=sentence)
            )
    return found, alarms


def churn_found(watched: Watched, plan: MonitorPlan) -> tuple[list[dict[str, Any]], list[Alarm]]:
    """How much of each class of units changes its strategy by day, the money that moves, and the
    classes above their limit on the last day.
    """
    if watched.unit is None:
        return [], []
    names = watched.groups or ["all"]
    group = np.zeros(len(watched.unit), np.int64) if watched.group is None else watched.group
    choice = watched.choice
    previous = _previous(watched.unit, watched.rows.day, choice)
    order = np.argsort(watched.rows.day, kind="stable")
    ends = np.cumsum(np.bincount(watched.rows.day))
    label = np.array(names)
    empty = ("units", "changed", "moved")
    found: dict[str, dict[str, Any]] = {
        name: {"class": name, **{key: [] for key in empty}} for name in names
    }
    for low, high in zip(np.r_[0, ends[:-1]], ends, strict=True):  # days
        rows = order[low:high]
        by = {
            row["activity"]: row
            for row in moves(previous[rows], choice[rows], label[group[rows]], watched.cost)
        }
        for name, row in found.items():
            day: dict[str, Any] = by.get(name, {"units": 0, "changed": None, "moved": None})
            known = day["units"] > 0
            row["units"].append(day["units"])
            row["changed"].append(day["changed"] if known else None)
            row["moved"].append(day["moved"] if known else None)
    alarms: list[Alarm] = []
    last = watched.days[-1]
    for name, most in plan.churn.items():
        if name not in found:
            fix = f"the classes are {', '.join(names)}"
            raise PlanError("[monitor] churn", "name classes of [cadence] column", name, fix=fix)
        changed = found[name]["changed"][-1]
        if changed is not None and changed > most:
            who = "units" if name == "all" else f"{name} units"
            sentence = (
                f"{100 * changed:.3g} % of {who} changed their strategy on {last}; the limit is"
                f" {100 * most:.3g} %."
            )
            alarms.append(Alarm(what="churn", stream=name, day=last, since=last, sentence=sentence))
    return list(found.values()), alarms


def _previous(unit: Ints, day: Ints, choice: Ints) -> Ints:
    """What the unit of each row had on its day before, (n,): -2 none."""
    order = np.lexsort((day, unit))
    same = np.r_[False, np.diff(unit[order]) == 0]
    previous = np.full(len(day), NONE, np.int64)
    previous[order[same]] = choice[order[np.flatnonzero(same) - 1]]
    return previous
