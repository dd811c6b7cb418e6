"""The explorer: the units of a study on which other budgets, weights, floors and caps can be tried.

The service gets them all, the page a sample as whole numbers of 16 bits, without protected labels.
Prices are found on all units at once, not within folds as those of the policy: what a reader sees
at the plan's own settings differs a little from the policy's value for that.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Collection
from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from equipoise.allocation import UnitScores
from equipoise.artifacts.explorer import ExplorerUnits
from equipoise.artifacts.explorer_terms import dials_of, explorer_terms
from equipoise.core.arrays import Floats
from equipoise.core.audit_groups import audit_groups
from equipoise.core.columns import free_name
from equipoise.pipeline.plan.money import money_metrics
from equipoise.pipeline.study.study import Study
from equipoise.report.findings_explorer import ExplorerFindings, PackedArray

UNITS, LEAST = 4_000, 400  # on the page; with fewer there is no explorer
BYTES = 480_000  # of the page's numbers
LARGEST, NONE = 32_767, -32_768
COST = "cost"


def explorer_units(study: Study, metrics: list[dict[str, str]]) -> ExplorerUnits | None:
    """The units of a study; None where its policy has no demands, or the plan wants none.
    metrics: as of findings.
    """
    task, judge, log = study.task, study.judge, study.log
    if not task.constraints or not study.plan.report.explorer:
        return None
    gains = judge.scores[:, 1:] - judge.scores[:, :1]
    spend = judge.spend[:, 1:, None] - judge.spend[:, :1, None]
    gains, names = np.concatenate([gains, spend], axis=2), list(judge.metrics)
    names.append(free_name(COST, names))
    if judge.money is not None:
        gains = np.concatenate([gains, gains @ judge.money.worth[:, None]], axis=2)
        names.append(judge.money.name)
    own = tuple(log.metrics)
    places = [task.effects.metrics.index(name) for name in own]
    errors = None if task.lower == 0 else task.effects.std_error[:, :, places]  # type: ignore[index]
    effects = replace(
        task.effects,
        values=task.effects.values[:, :, places],
        baseline=task.effects.baseline[:, places],
        metrics=own,
        std_error=errors,
    )
    audited = dict.fromkeys([*log.roles.protected, *task.groups])
    return ExplorerUnits(
        effects=effects,
        cost=np.broadcast_to(task.expected, effects.values.shape[:2]),
        scores=UnitScores(tuple(names), gains, judge.weight, judge.groups),
        weights={name: float(task.weights.get(name, 0.0)) for name in own},
        constraints=tuple(c for c in task.constraints if c.applies(task.groups)),
        groups=task.groups,
        by={column: _labels(study, column) for column in audited},
        eligible=task.eligible,
        keep=task.keep,
        importance=task.importance,
        lower=task.lower,
        cost_weight=task.cost_weight,
        about={
            "title": study.plan.report.title,
            "metrics": metrics,
            "currency": study.plan.report.currency,
            "level": study.plan.report.level,
            "control": task.control,
            "worth": {o.name: o.sign * (o.worth or 1.0) for o in log.roles.outcomes},
            "money": money_metrics(study.plan.policy, log, study.plan.report.currency),
        },
        of=len(log),
    )


def _labels(study: Study, column: str) -> NDArray[np.str_]:
    """The audited group of every unit."""
    codes, labels = audit_groups(study.log, column)
    return np.asarray(labels, dtype=np.str_)[codes]


def explorer_findings(
    units: ExplorerUnits | None, protected: Collection[str] = ()
) -> ExplorerFindings | None:
    """What the page needs; None where too few units would fit on it.  Whoever has the page can read
    its rows, so the labels of ``protected`` columns do not stand in them.
    """
    if units is None:
        return None
    by = {name: labels for name, labels in units.by.items() if name not in protected}
    units = replace(units, by=by)
    k, m, j = len(units.effects.candidates), len(units.effects.metrics), len(units.scores.names)
    twice = units.lower > 0 or units.importance is not None
    width = k * (m * (1 + twice) + j + 2) + len(units.by) + len(units.groups) + 2
    n = min(UNITS, BYTES // (2 * width), len(units))
    if n < min(LEAST, len(units)):
        return None
    order = np.random.default_rng(0).permutation(len(units))[:n]
    part = _rounded(units.take(np.sort(order)))
    explorer = part.explorer()
    terms = explorer_terms(part, explorer)
    return cast(
        ExplorerFindings,
        {
            **terms,
            "dials": dials_of(units, explorer),
            "arrays": _arrays(part, part.signs(), twice),
        },
    )


def _arrays(units: ExplorerUnits, signs: dict[str, float], twice: bool) -> dict[str, PackedArray]:
    """The numbers of the units."""
    n = len(units)
    counted = units.effects.values
    weighed = counted
    if units.lower > 0 and units.effects.std_error is not None:
        cut = units.lower * units.effects.std_error
        weighed = weighed - cut * np.array([signs[name] for name in units.effects.metrics])
        counted = counted - cut
    if units.importance is not None:
        weighed = weighed * units.importance[:, None, None]
    worth = np.zeros_like(units.cost)
    if units.keep is not None:
        previous, bonus = units.keep.previous, units.keep.bonus
        stays = previous[:, None] == np.arange(units.cost.shape[1])
        worth = bonus * stays - bonus * (previous == -1)[:, None]
    arrays = {
        "weighed": weighed,
        "cost": units.cost[:, :, None],
        "gains": units.scores.gains,
        "by": _codes(units.by, n),
        "codes": _codes(units.groups, n),
    }
    if twice:
        arrays["counted"] = counted
    if worth.any() or units.eligible is not None:
        arrays["worth"] = worth[:, :, None]
    if units.scores.weight is not None:
        arrays["weight"] = units.scores.weight[:, None]
    if units.scores.cluster is not None:
        arrays["cluster"] = np.unique(units.scores.cluster, return_inverse=True)[1].reshape(n, 1)
    packed = {name: _packed(array) for name, array in arrays.items()}
    if units.eligible is not None:
        packed["worth"] = _packed(worth[:, :, None], units.eligible[:, :, None])
    return packed


def _codes(labels: Any, n: int) -> NDArray[np.int64]:
    """The codes of labels column by column, (n, columns)."""
    codes = [np.unique(label, return_inverse=True)[1].reshape(-1) for label in labels.values()]
    return np.array(codes, np.int64).reshape(len(codes), n).T


def _scale(array: Floats) -> Floats:
    """The scale of each column, the last axis: whole numbers keep theirs."""
    if array.dtype.kind in "iub":
        return np.ones(array.shape[-1])
    most = np.abs(array).max(axis=tuple(range(array.ndim - 1)), initial=0.0)
    return np.where(most > 0, most, 1.0) / LARGEST


def _packed(array: Any, known: Any = None) -> PackedArray:
    """An array as whole numbers of 16 bits."""
    scale = _scale(array)
    whole = np.rint(array / scale)
    whole = whole if known is None else np.where(known, whole, NONE)
    return {"scale": scale.tolist(), "data": b64encode(whole.astype("<i2").tobytes()).decode()}


def _rounded(units: ExplorerUnits) -> ExplorerUnits:
    """The units as the page has them: what Python says of them, the page says too."""

    def rounded(array: Floats) -> Floats:
        scale = _scale(array)
        return np.rint(array / scale) * scale

    scores = replace(units.scores, gains=rounded(units.scores.gains))
    effects = replace(units.effects, values=rounded(units.effects.values))
    cost = np.maximum(rounded(units.cost[:, :, None])[:, :, 0], 0.0)
    return replace(units, effects=effects, scores=scores, cost=cost)
