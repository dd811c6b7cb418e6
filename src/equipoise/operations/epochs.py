"""Effects of strategies by epoch: the base of the same day, never pooled means.

    y_i = mu_s(i) + delta_d(i) + past_i' beta + noise,      effect_s = mu_s - mu_base

by least squares; without a past these are two-way means of the cells (s, d), weighted by their rows
n_sd.  Where every strategy meets the base each day it is the estimate within epochs, which moving
shares of traffic cannot turn round, as they turn pooled means (Simpson's paradox).  It is
identified within a connected component of the graph of strategies and days only.  Standard errors
are robust, by units where rows of one unit depend on each other:

    G = (X' W X)^-1 contrasts,   var = sum_u (sum_{i in u} G' x_i e_i)^2 U / (U - p)

Yates (1934), JASA 29, for two-way means of unequal cells;  Liang & Zeger (1986), Biometrika 73.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from equipoise.core.arrays import Floats, Ints
from equipoise.core.display import shown
from equipoise.core.errors import LogError
from equipoise.operations.rows import DayRows, codes, column_of, day_rows

LEAST_DAYS = 2
SHOWN = 6  # names in a message


@shown
@dataclass(frozen=True)
class Epochs:
    """What strategies do beyond the base of the same day.

    Attributes
    ----------
    base : str
        What effects are told against.
    strategy : tuple of str, (k,)
        The others.
    effect : array, (k, m)
        In the outcomes' units, a row (a unit on a day).
    std_error : array, (k, m)
        Robust, by units where these were told.
    days : array of int, (k,)
        On how many days each strategy ran.
    rows : array of int, (k,)
        How many rows it has.
    connected : bool
        True: logs that are not are refused.
    pooled : array, (k, m)
        Differences of means over all days, for `warning` only: with moving traffic they compare
        days, not strategies.
    slope : array, (c, m)
        What a unit of the past is worth.

    Examples
    --------
    >>> epochs = two_way(["a", "b", "a", "b"], [0, 0, 1, 1], [1.0, 2.0, 5.0, 6.0], base="a")
    >>> epochs.strategy, epochs.effect.round(9).tolist(), epochs.days.tolist()
    (('b',), [[1.0]], [2])
    """

    base: str
    strategy: tuple[str, ...]
    effect: Floats
    std_error: Floats
    days: Ints
    rows: Ints
    connected: bool
    pooled: Floats
    slope: Floats

    @property
    def warning(self) -> str:
        """What to print beside pooled means: how far they stand from the effects by day."""
        gap = np.abs(self.pooled - self.effect)
        k, metric = np.unravel_index(int(gap.argmax()), gap.shape)
        return (
            f"means pooled over days are no effects: that of {self.strategy[k]!r} is"
            f" {self.pooled[k, metric]:.4g} against {self.effect[k, metric]:.4g} by day"
            f" (metric {metric}), and the gap grows with the traffic that moves between days"
        )


def two_way(
    strategy: ArrayLike,
    day: ArrayLike,
    y: ArrayLike,
    *,
    base: str | int,
    unit: ArrayLike | None = None,
    past: ArrayLike | None = None,
    base_every_day: bool = True,
) -> Epochs:
    """Estimate what each strategy does beyond the base, by day.

    Parameters
    ----------
    strategy : array-like, (n,)
        Of each row, a name or number.
    day : array-like, (n,)
        Whole numbers, or dates.
    y : array-like, (n,) or (n, m)
        Outcomes of the unit on that day.
    base : str or int
        The strategy that effects are told against, as it stands in ``strategy``.
    unit : array-like, (n,), default None
        Whose row it is: rows of one unit are not independent.  None: they all are.
    past : array-like, (n,) or (n, c), default None
        The unit's own outcomes before the experiment, or other facts that no strategy changed;
        they take noise out.
    base_every_day : bool, default True
        Refuse days without the base; False lets strategies that run on join such days to others.

    Returns
    -------
    Epochs
        Effects, standard errors and the warning beside pooled means.

    Raises
    ------
    LogError
        Where strategies and days fall apart into components, a day has no base, a strategy ran on
        fewer than two days, or rows are too few.

    References
    ----------
    Yates (1934), JASA 29;  Liang & Zeger (1986), Biometrika 73.

    Examples
    --------
    Half of the rows of b fall on the good day, so pooled means give it more than it does.

    >>> name = ["a", "a", "b", "a", "b", "b"]
    >>> epochs = two_way(name, [0, 0, 0, 1, 1, 1], [1.0, 1, 2, 5, 6, 6], base="a")
    >>> epochs.effect.round(9).tolist(), epochs.pooled.round(2).tolist()
    ([[1.0]], [[2.33]])
    """
    rows = day_rows(strategy, day, y)
    origin = rows.place(base)
    count = rows.cells()
    check_epochs(rows, count, origin, base_every_day)
    n = len(rows.y)
    facts = np.empty((n, 0)) if past is None else column_of(past, n, "the past")
    group = None if unit is None else codes(unit, n, "units")[0]
    facts = facts - facts.mean(axis=0)
    others = np.delete(np.arange(len(rows.names)), origin)
    gram, moments = _normal_equations(rows, count, facts, others)
    theta, inverse = _solve(gram, moments, len(others) + len(rows.days))
    k = len(others)
    share = np.zeros((len(rows.names), rows.y.shape[1]))
    share[others] = theta[:k]
    level, slope = theta[k : k + len(rows.days)], theta[k + len(rows.days) :]
    error = rows.y - share[rows.strategy] - level[rows.day] - facts @ slope
    std_error = _std_errors(rows, inverse[:, :k], others, facts, error, group)
    size = count.sum(axis=1)
    means = (
        np.stack([rows.cells(column).sum(axis=1) for column in rows.y.T], axis=1) / size[:, None]
    )
    return Epochs(
        base=rows.names[origin],
        strategy=tuple(rows.names[s] for s in others),
        effect=share[others],
        std_error=std_error,
        days=(count > 0).sum(axis=1)[others],
        rows=size[others].astype(np.int64),
        connected=True,
        pooled=means[others] - means[origin],
        slope=slope,
    )


def check_epochs(rows: DayRows, count: Floats, base: int, base_every_day: bool = True) -> None:
    """Refuse a log by which effects against the base cannot be told.

    Parameters
    ----------
    rows : DayRows
        The log.
    count : array, (S, D)
        Rows by strategy and day.
    base : int
        The place of the base.
    base_every_day : bool, default True
        Whether a day without base is refused.
    """
    if len(rows.names) < 2:
        fix = "log the base and at least one other strategy"
        raise LogError("a log", "have two strategies or more", list(rows.names), fix=fix)
    apart = _components(rows, count)
    if len(apart) > 1:
        raise LogError(
            "strategies and days",
            "be connected, each strategy sharing days with others",
            " | ".join(apart),
            fix="let the base, or one strategy, run on through all of them, or measure each apart",
        )
    bare = np.flatnonzero(count[base] == 0)
    if base_every_day and len(bare):
        raise LogError(
            f"the base {rows.names[base]!r}",
            "have rows on every day",
            f"none on {len(bare)} of {len(rows.days)} days",
            f"day {rows.days[bare[0]]}",
            "leave these days out, or let strategies that run on join them (base_every_day=False)",
        )
    ran = (count > 0).sum(axis=1)
    if ran.min() < LEAST_DAYS:
        s = int(ran.argmin())
        raise LogError(
            f"strategy {rows.names[s]!r}",
            f"run on {LEAST_DAYS} days or more",
            int(ran[s]),
            f"day {rows.days[int((count[s] > 0).argmax())]}",
            "wait for a second day, or leave the strategy out",
        )


def _components(rows: DayRows, count: Floats) -> list[str]:
    """The connected components of the graph of strategies and days, in words."""
    s, d = np.nonzero(count)
    size = sum(count.shape)
    graph = coo_array((np.ones(len(s)), (s, d + count.shape[0])), shape=(size, size))
    number, label = connected_components(graph, directed=False)
    words = []
    for one in range(number):
        names = [rows.names[i] for i in np.flatnonzero(label[: count.shape[0]] == one)]
        days = rows.days[label[count.shape[0] :] == one]
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        words.append(f"{', '.join(names[:SHOWN])}{more} on days {days.min()}..{days.max()}")
    return words


def _normal_equations(
    rows: DayRows, count: Floats, facts: Floats, others: Ints
) -> tuple[Floats, Floats]:
    """X'X and X'y of the columns (other strategies, days, facts), of sums by cell only."""
    of_facts = np.stack([rows.cells(f) for f in facts.T]) if facts.size else None
    of_y = np.stack([rows.cells(column) for column in rows.y.T])  # (m, S, D)
    k, days, c = len(others), len(rows.days), facts.shape[1]
    gram = np.zeros((k + days + c, k + days + c))
    gram[np.arange(k), np.arange(k)] = count.sum(axis=1)[others]
    gram[:k, k : k + days] = count[others]
    gram[np.arange(k, k + days), np.arange(k, k + days)] = count.sum(axis=0)
    if of_facts is not None:
        gram[:k, k + days :] = of_facts.sum(axis=2).T[others]
        gram[k : k + days, k + days :] = of_facts.sum(axis=1).T
        gram[k + days :, k + days :] = np.triu(facts.T @ facts)
    gram = np.triu(gram) + np.triu(gram, 1).T
    moments = np.concatenate([of_y.sum(axis=2).T[others], of_y.sum(axis=1).T, facts.T @ rows.y])
    return gram, moments


def _solve(gram: Floats, moments: Floats, effects: int) -> tuple[Floats, Floats]:
    """The coefficients, (p, m), and the inverse of the normal equations, (p, p)."""
    scale = np.sqrt(np.maximum(np.diag(gram), 1e-300))
    values, vectors = np.linalg.eigh(gram / np.outer(scale, scale))
    if values[0] < 1e-10 * values[-1]:
        at = int(np.abs(vectors[:, 0]).argmax())
        got = f"column {at - effects}" if at >= effects else "one of its columns"
        raise LogError(
            "the past",
            "not be told by strategy and day",
            got,
            fix="leave constant and repeated columns out",
        )
    inverse = (vectors / values) @ vectors.T / np.outer(scale, scale)
    return inverse @ moments, inverse


def _std_errors(
    rows: DayRows, g: Floats, others: Ints, facts: Floats, error: Floats, unit: Ints | None
) -> Floats:
    """Robust standard errors of the effects, (k, m).   g: (p, k), columns of the inverse."""
    n, k, days = len(error), len(others), len(rows.days)
    of_strategy = np.zeros((len(rows.names), k))
    of_strategy[others] = g[:k]
    of_day, of_facts = g[k : k + days], g[k + days :]
    units = n if unit is None else int(unit.max()) + 1
    free = units - (len(rows.names) + facts.shape[1] + (days - 1 if unit is None else 0))
    if free < 1:
        what = "rows" if unit is None else "units"
        raise LogError(what, "be more than the strategies and days they tell", units)
    variance = np.empty((k, error.shape[1]))
    for j in range(k):  # strategies, not rows
        weight = of_strategy[rows.strategy, j] + of_day[rows.day, j] + facts @ of_facts[:, j]
        for metric in range(error.shape[1]):
            part = weight * error[:, metric]
            total = part if unit is None else np.bincount(unit, part, minlength=units)
            variance[j, metric] = total @ total
    return np.asarray(np.sqrt(variance * units / free))
