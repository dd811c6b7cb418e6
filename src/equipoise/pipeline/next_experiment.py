"""The next experiment: which arm needs how many people, for how long, to tell its effect.

    from a run       the noise of an outcome is what the run's average effects had of it: their
                     standard error over sqrt(1 / n_arm + 1 / n_control), so that what features
                     explain is taken off, and clusters count
    from numbers     a rate, or a standard deviation

The effects to tell are those given, or those that the run saw: a log that shows an effect by chance
shows too large a one, so the smallest effect that would matter is the better question.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import special

from equipoise.core.errors import InputError
from equipoise.core.suggest import among
from equipoise.operations.sample_size import ExperimentSize, experiment_size
from equipoise.report.findings import Findings, PowerRow
from equipoise.report.verdict import gain_of

POLICY = "the policy, of those it treats"


def design_of_numbers(
    effects: Sequence[float],
    *,
    rate: float | None = None,
    std_dev: float | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """The next experiment where no run stands behind it: by a rate, or a standard deviation."""
    if (rate is None) == (std_dev is None):
        raise InputError("the outcome", "have a rate or a standard deviation", "both or none")
    if rate is not None and not all(0 < rate + effect < 1 for effect in [0.0, *effects]):
        raise InputError("a rate, alone and with each effect", "lie in (0, 1)", rate)
    moved = [0.0, *effects]
    noise = (
        [float(std_dev)] * len(moved)
        if std_dev is not None
        else [math.sqrt((rate + e) * (1 - rate - e)) for e in moved]  # type: ignore[operator]
    )
    names = ["control", *(f"arm {a + 1}" for a in range(len(effects)))]
    return _design(names, effects, noise, **settings)


def design_of_run(
    findings: Findings,
    *,
    metric: str = "",
    effects: Mapping[str, float] | float | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """The next experiment as the findings of a run advise it; the arms and the policy alike.

    effects: to tell, by arm, or one for all; by default those that the run saw.
    """
    metric, arms = metric_of(findings, metric), findings["candidates"]
    seen = {r["candidate"]: r["effect"][0] for r in findings["averages"] if r["metric"] == metric}
    to_tell = dict.fromkeys(arms, effects) if isinstance(effects, float) else dict(effects or seen)
    for name in to_tell:
        if name not in arms:
            raise InputError(
                "an arm to tell", "be one of the run", repr(name), fix=among(name, arms)
            )
    names = [name for name in arms if name in to_tell]
    noise = noise_of(findings, metric)
    design = _design(
        [findings["control"], *names],
        [float(to_tell[name] or 0.0) for name in names],
        [noise] * (1 + len(names)),
        **settings,
    )
    policy = _policy_row(findings, metric, noise, settings)
    if effects is None and policy is not None:
        design["arms"].append(policy)
    return {"metric": metric, "rows_of_run": findings["experiment"]["rows"], **design}


def power_rows(findings: Findings) -> list[PowerRow]:
    """What as many people tell of each arm, and how many tell the effects that were seen."""
    rows: list[PowerRow] = []
    people, arms = findings["experiment"]["rows"], findings["candidates"]
    for metric in {row["metric"]: None for row in findings["averages"]}:
        noise = noise_of(findings, metric)
        if not noise > 0:
            continue
        unit = noise / 1000  # so small an effect that whole people do not matter
        size = experiment_size(np.full(len(arms), unit), noise, level=findings["level"])
        least = size.detectable(people)
        for a, row in enumerate(r for r in findings["averages"] if r["metric"] == metric):
            effect = row["effect"][0]
            needed = math.ceil(size.rows[a] * (unit / effect) ** 2) if effect else None
            rows.append(
                {
                    "metric": metric,
                    "candidate": row["candidate"],
                    "detectable": float(least[a]),
                    "needed": needed,
                }
            )
    return rows


def metric_of(findings: Findings, metric: str = "") -> str:
    """The metric that is asked for, or the one that the policy is for."""
    names = [m["name"] for m in findings["metrics"]]
    if metric and metric not in names:
        raise InputError("the metric", "be one of the run", repr(metric), fix=among(metric, names))
    weights = findings["policy"]["weights"]
    return metric or max(names, key=lambda name: abs(weights.get(name, 0.0)))


def noise_of(findings: Findings, metric: str) -> float:
    """The standard deviation of what features leave of a metric."""
    rows = {arm["name"]: arm["rows"] for arm in findings["experiment"]["arms"]}
    z, base, squares = special.ndtri((1 + findings["level"]) / 2), rows[findings["control"]], []
    for average in findings["averages"]:
        if average["metric"] == metric and rows[average["candidate"]] and base:
            _, low, high = average["effect"]
            error = (high - low) / (2 * z)
            squares.append(error**2 / (1 / base + 1 / rows[average["candidate"]]))
    return math.sqrt(float(np.median(squares))) if squares else math.nan


def _policy_row(
    findings: Findings, metric: str, noise: float, settings: Mapping[str, Any]
) -> dict[str, Any] | None:
    """The policy against control: only those it treats differ, so only they are compared."""
    chosen, (name, _) = findings["rivals"][0], gain_of(findings)
    gain = chosen["values"][metric][0]
    if name != metric or not chosen["treated"] or not gain:
        return None
    share = {**settings, "base_share": "equal"}
    names = [findings["control"], POLICY]
    design = _design(names, [gain / chosen["treated"]], [noise] * 2, **share)
    row: dict[str, Any] = design["arms"][0]
    for key in ("people", "stops", "days"):
        if row[key] is not None:
            row[key] = math.ceil(row[key] / chosen["treated"])
    return row


def _design(
    names: Sequence[str],
    effects: Sequence[float],
    noise: Sequence[float],
    *,
    power: float = 0.8,
    level: float = 0.95,
    base_share: str | float = "root",
    looks: int = 1,
    daily: float | None = None,
) -> dict[str, Any]:
    """The design as plain numbers; arms whose effect is 0 are told by nobody."""
    if daily is not None and not daily > 0:
        raise InputError("people a day", "be > 0", daily)
    if not all(math.isfinite(x) and x > 0 for x in noise):
        fix = "give --rate, --std-dev, or a run with average effects"
        raise InputError("the noise of the outcome", "be known and > 0", noise[0], fix=fix)
    size = experiment_size(
        effects, noise, base_share=base_share, power=power, level=level, looks=looks
    )
    total = size.total
    return {
        "power": power,
        "level": level,
        "share": dict(zip(names, size.share.tolist(), strict=True)),
        "arms": [_row(size, names, a, daily) for a in range(len(effects))],
        "people": total,
        "looks": [
            {"people": math.ceil(total * (j + 1) / looks), "bound": float(bound)}
            for j, bound in enumerate(size.critical)
        ],
    }


def _row(size: ExperimentSize, names: Sequence[str], a: int, daily: float | None) -> dict[str, Any]:
    people = int(size.rows[a])
    return {
        "arm": names[a + 1],
        "effect": float(size.effect[a]),
        "people": people,
        "in_the_arm": math.ceil(people * size.share[a + 1]),
        "in_control": math.ceil(people * size.share[0]),
        "stops": int(size.stops[a]),
        "days": None if daily is None else math.ceil(people / daily),
    }
