"""What the job shows: clusters, curves, demands, intervals and checks, in the form of
`report.findings_supply`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from equipoise.core import columns
from equipoise.core.arrays import Floats, Ints
from equipoise.core.audit_groups import audit_groups
from equipoise.core.effective_size import critical
from equipoise.core.log import Log
from equipoise.core.periods import period_codes
from equipoise.pipeline.supply.exposures import Exposures
from equipoise.pipeline.supply.optimise import ClusterMixes, SupplyTask
from equipoise.pipeline.supply.value import Valuation
from equipoise.report.findings import Check, Interval
from equipoise.report.findings_supply import Cluster, Curve, DemandUse, GroupMix, Step
from equipoise.report.formatting import listed, share

TYPICAL = 3  # features named for a cluster
BINDING = 0.999
EDGE, LEAST_SPREAD = 1e-6, 1e-3
TIME, DRIFT = "time", 0.01  # of a variance


def clusters_found(task: SupplyTask, rows: Exposures, solution: ClusterMixes) -> list[Cluster]:
    """Every cluster with its mix; with the forest, the mean of its users' mixes."""
    label, mixes = solution.labels(rows.X), solution.mixes(rows.X)
    middle, scale = rows.X.mean(axis=0), np.maximum(rows.X.std(axis=0), 1e-12)
    clusters: list[Cluster] = []
    for c, reach in enumerate(solution.reach):
        inside = label == c
        z = (rows.X[inside].mean(axis=0) - middle) / scale
        order = np.argsort(-np.abs(z))[:TYPICAL]
        mix = mixes[inside].mean(axis=0)
        grid = reach.grid if solution.curves is None else solution.curves[c].reach.grid
        edge = (np.abs(mix - grid[:, 0]) < EDGE) | (np.abs(mix - grid[:, -1]) < EDGE)
        edge &= grid[:, -1] > grid[:, 0]
        typical = (
            [(rows.names[j], float(z[j])) for j in order] if solution.clusters is not None else []
        )
        name = f"cluster {c + 1}" if solution.clusters is not None else "everybody"
        edges = (
            []
            if solution.forest is not None
            else [task.space.parts[k] for k in np.flatnonzero(edge)]
        )
        clusters.append(
            {
                "name": name,
                "share": float(solution.size[c]),
                "typical": typical,
                "today": reach.today.tolist(),
                "mix": mix.tolist(),
                "edge": edges,
            }
        )
    return clusters


def audit_found(log: Log, rows: Exposures, mixes: Floats) -> list[GroupMix]:
    """The mean mixes of the groups of every protected column.   mixes: (n, K), recommended."""
    groups: list[GroupMix] = []
    for column in log.roles.protected:
        code, labels = audit_groups(log, column)
        for g, label in enumerate(labels):
            w = rows.weight * (code == g)
            today, mix = (w @ shown / w.sum() for shown in (rows.T, mixes))
            share_of = float(w.sum() / rows.weight.sum())
            groups.append(
                {
                    "column": column,
                    "group": label,
                    "share": share_of,
                    "today": today.tolist(),
                    "mix": mix.tolist(),
                }
            )
    return groups


def curves_found(
    task: SupplyTask, solution: ClusterMixes, clusters: list[Cluster], level: float
) -> list[Curve]:
    """Curves of every cluster, category and metric; none with the forest, which has none of the
    plan's metrics apart.
    """
    rows: list[Curve] = []
    for c, curves in enumerate(solution.curves or ()):
        for k, category in enumerate(task.space.parts):
            grid = curves.reach.grid[k]
            mixes = _making_room(curves.reach.today, k, grid)
            each = [
                _along(*pair, mixes[:, i])
                for i, pair in enumerate(zip(curves.reach.grid, curves.effect, strict=True))
            ]
            effect, spread = np.sum(each, axis=0), None
            if curves.model is not None:
                phi = curves.model.space.encode(mixes)
                effect = phi @ curves.model.theta
                spread = critical(level, curves.model.df) * np.sqrt(
                    np.maximum(np.einsum("gp,mpq,gq->gm", phi, curves.model.covariance, phi), 0)
                )
            for j, outcome in enumerate(task.outcomes):
                low = None if spread is None else (effect[:, j] - spread[:, j]).tolist()
                high = None if spread is None else (effect[:, j] + spread[:, j]).tolist()
                one: Curve = {
                    "cluster": clusters[c]["name"],
                    "category": category,
                    "metric": outcome.name,
                    "shares": grid.tolist(),
                    "effect": effect[:, j].tolist(),
                    "low": low,
                    "high": high,
                }
                rows.append(one)
    return rows


def _making_room(today: Floats, k: int, grid: Floats) -> Floats:
    """Mixes (G, K) with one share on a grid, the others scaled to make room."""
    rest = np.maximum(1 - today[k], 1e-12)
    mixes = today * ((1 - grid) / rest)[:, None]
    mixes[:, k] = grid
    whole: Floats = mixes / mixes.sum(axis=1, keepdims=True)
    return whole


def _along(grid: Floats, effect: Floats, at: Floats) -> Floats:
    """A curve (G, m) at shares, (n, m)."""
    return np.column_stack([np.interp(at, grid, column) for column in effect.T])


def demands_found(solution: ClusterMixes) -> list[DemandUse]:
    """Each demand by how far it is used."""
    if solution.answer is None:
        return []
    uses: list[DemandUse] = []
    for demand, used, price in zip(
        solution.demands, solution.answer.used, solution.answer.prices, strict=True
    ):
        most = float(used.max())
        close = most >= demand.bound - (1 - BINDING) * max(abs(demand.bound), 1e-3)
        uses.append(
            {
                "demand": demand.name,
                "bound": demand.bound,
                "used": most,
                "price": float(price.max()),
                "binding": close,
            }
        )
    return uses


def intervals_of(
    valuation: Valuation, task: SupplyTask, level: float
) -> tuple[dict[str, dict[str, Interval]], dict[str, dict[str, Interval]]]:
    """The gains of every way over what was done, and of the chosen way over the others, metric by
    metric.
    """
    names = [outcome.name for outcome in task.outcomes]
    whole, against = (
        {way: dict(zip(names, gain.intervals(level), strict=True)) for way, gain in gains.items()}
        for gains in (valuation.whole, valuation.against)
    )
    return whole, against


def steps_found(valuation: Valuation, task: SupplyTask) -> list[Step]:
    """The steps of the way."""
    steps: list[Step] = []
    for part, value in valuation.steps.items():
        values = {outcome.name: value.gain[j].interval for j, outcome in enumerate(task.outcomes)}
        steps.append(
            {"part": part, "effective": value.effective, "values": values if value.told else None}
        )
    return steps


def checks_found(log: Log, rows: Exposures, task: SupplyTask) -> list[Check]:
    """Is the log fit for the question?"""
    never = [
        name for name, most in zip(task.space.parts, rows.T.max(axis=0), strict=True) if most == 0
    ]
    lean = explained(rows)
    constant = [
        name for name, spread in zip(rows.names, np.ptp(rows.X, axis=0), strict=True) if spread == 0
    ]
    vary = np.array([_spread(rows.T[:, k], rows.weight) for k in range(rows.T.shape[1])])
    least = task.space.parts[int(np.argmin(vary))]
    return [
        _check("mixes", True, f"All {len(log):,} mixes are shares >= 0 that sum to 1."),
        _check(
            "every category was shown",
            not never,
            f"Never shown: {listed(never)}." if never else "Each category has exposure.",
        ),
        _check(
            "shares vary",
            vary.min() >= LEAST_SPREAD,
            f"{least} varies least: standard deviation {share(vary.min())} of the whole.",
        ),
        _check("constant features", not constant, f"The same in every row: {listed(constant)}."),
        {
            "name": "how far the log leans",
            "status": "note",
            "summary": LEANS.format(share(lean)),
            "rows": [],
        },
        *_over_time(log, rows, task.space.parts),
    ]


def _over_time(log: Log, rows: Exposures, parts: Sequence[str]) -> list[Check]:
    """What a log's time says of curves, which are not learnt within periods; [] without one."""
    name = log.roles.time
    if name is None:
        return []
    if not columns.is_numeric(log.table[name]):
        summary = f"{name} is text, so nothing can be said of time: store times as times."
        return [_check(TIME, False, summary)]
    period = period_codes(log.table[name], np.zeros(len(log), np.int64))
    categories, metrics = (
        [each for each, values in zip(names, table.T, strict=True) if _told(period, values) > DRIFT]
        for names, table in ((parts, rows.T), (log.metrics, rows.y))
    )
    if categories and metrics:
        summary = (
            f"What was shown ({listed(categories)}) and what came of it ({listed(metrics)}) both"
            f" change with {name}, and curves are not learnt within periods: what time did is taken"
            " for an effect. Add a feature that says when (the week), or leave out early times."
        )
        return [_check(TIME, False, summary)]
    summary = f"{name} is not used: mixes and metrics do not change together with it."
    return [{"name": TIME, "status": "note", "summary": summary, "rows": []}]


def _told(period: Ints, values: Floats) -> float:
    """The share of the variance of values (n,) that periods explain, less what chance would."""
    n, P, rest = len(values), int(period.max()) + 1, values - values.mean()
    if not rest.any() or n <= P:
        return 0.0
    size = np.bincount(period)
    between = float((np.bincount(period, rest) ** 2 / size).sum() / (rest @ rest))
    return (between - (P - 1) / (n - 1)) / (1 - (P - 1) / (n - 1))


LEANS = (
    "Features explain {} of who was shown what: so much selection is taken off. What nobody"
    " recorded is not."
)


def _check(name: str, good: bool, summary: str) -> Check:
    return {"name": name, "status": "ok" if good else "warn", "summary": summary, "rows": []}


def explained(rows: Exposures) -> float:
    """The share of the variance of mixes that features explain linearly, by a random half on the
    other.
    """
    half = np.arange(len(rows)) % 2 == 0
    A = np.column_stack(
        [np.ones(len(rows)), (rows.X - rows.X.mean(axis=0)) / np.maximum(rows.X.std(axis=0), 1e-12)]
    )
    slope = np.linalg.lstsq(A[half], rows.T[half], rcond=None)[0]
    rest = rows.T[~half] - A[~half] @ slope
    whole = ((rows.T[~half] - rows.T[half].mean(axis=0)) ** 2).sum()
    return float(max(1 - (rest**2).sum() / max(whole, 1e-12), 0.0))


def _spread(values: Floats, weight: Floats) -> float:
    mean = np.average(values, weights=weight)
    return float(np.sqrt(np.average((values - mean) ** 2, weights=weight)))
