"""What a log tells a rollout: effects of all that were tested, by day, and the candidate against
the incumbent on fresh traffic.

Strategies that have not yet met the base on two days have no effect; the rollout waits for them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.errors import InputError, LogError
from equipoise.core.suggest import among
from equipoise.operations.carry import WEEK, carry_over
from equipoise.operations.epochs import LEAST_DAYS, Epochs, two_way
from equipoise.operations.rows import codes, column_of, day_rows
from equipoise.operations.stages import Gain, RolloutState, StageResults


def stage_results(
    state: RolloutState,
    strategy: ArrayLike,
    day: ArrayLike,
    metrics: Mapping[str, ArrayLike],
    metric: str,
    *,
    unit: ArrayLike | None = None,
    past: ArrayLike | None = None,
    alarm_day: int | None = None,
    settle_days: int = 0,
) -> StageResults:
    """Measure what the next step of a rollout needs.

    Parameters
    ----------
    state : RolloutState
        Where it stands.
    strategy : array-like, (n,)
        Of each row, a name.
    day : array-like, (n,)
        Whole numbers, or dates.
    metrics : mapping of str to array-like, (n,)
        Outcomes of the unit on that day: the metric that ranks, and the guards.
    metric : str
        The one that ranks.
    unit : array-like, (n,), default None
        Whose row it is.  None: rows are independent.  Carry-over is tested where units keep their
        strategy while the candidate meets the incumbent.
    past : array-like, (n,) or (n, c), default None
        The unit's own outcomes before the rollout.
    alarm_day : int or None, default None
        The last day on which a monitor alarmed.
    settle_days : int, default 0
        So many first days of the candidate's fresh traffic are left out; above 0 the settled window
        alone counts.

    Returns
    -------
    StageResults
        For `advance`.

    Raises
    ------
    LogError
        Where a strategy is neither base nor seed nor incumbent, or the base misses a day.

    Examples
    --------
    >>> from equipoise.operations import RolloutRules, start_rollout
    >>> state = start_rollout(RolloutRules("base", ("a",), batches=1, stay=1, then=()), day=0)
    >>> name, back = ["base", "a"] * 4, [0.0, 1, 0, 1, 1, 2, 1, 2]
    >>> results = stage_results(state, name, np.arange(8) // 4, {"back": back}, "back")
    >>> round(results.effects["a"].effect, 9)
    1.0
    """
    rules = state.rules
    wanted = (metric, *(guard for guard in rules.guards if guard != metric))
    for name in wanted:
        if name not in metrics:
            fix = among(name, metrics)
            raise InputError("a metric", "be among the metrics", repr(name), fix=fix)
    y = np.column_stack(
        [column_of(metrics[name], len(np.atleast_1d(day)), name) for name in wanted]
    )
    rows = day_rows(strategy, day, y)
    known = {rules.base, *rules.seeds, state.policy}
    strange = [name for name in rows.names if name not in known]
    if strange:
        fix = among(strange[0], sorted(known), "of the rollout")
        raise LogError("a strategy", "be one of the rollout", repr(strange[0]), fix=fix)
    names = np.array(rows.names, object)
    data = _Rows(names, rows.strategy, rows.days[rows.day], y, *_optional(unit, past, len(y)))
    ran = (rows.cells() > 0).sum(axis=1)
    ready = ran >= LEAST_DAYS
    enough = ready[rows.place(rules.base)] and ready.sum() > 1
    every = data.effects(ready[rows.strategy], rules.base) if enough else None
    effects = {} if every is None else _gains(every, 0)
    told = StageResults(int(rows.days[-1]), effects, alarm_day=alarm_day, settled=settle_days > 0)
    if state.stage != "replace":
        return told
    first = (state.since if rules.fresh else state.began) + settle_days
    pair = np.isin(names, [state.policy, state.candidates[0]])
    inside = pair[rows.strategy] & (data.day >= first)
    met = data.days_of_both(inside, state.candidates[0], state.policy)
    inside &= np.isin(data.day, met)
    if len(met) < LEAST_DAYS:
        return told
    fresh = data.effects(inside, state.policy)
    gains = {name: _gains(fresh, j)[state.candidates[0]] for j, name in enumerate(wanted)}
    held = inside & (data.day >= state.since + settle_days)  # before, units had other strategies
    flag = data.carry_over(held) if met[-1] - state.since - settle_days + 1 >= 2 * WEEK else None
    return StageResults(
        told.day,
        effects,
        gains[metric],
        tuple(int(d) for d in met),
        {name: gains[name] for name in rules.guards},
        alarm_day,
        flag,
        told.settled,
    )


class _Rows:
    """Rows as arrays, of which parts are measured."""

    def __init__(
        self, names: Ints, place: Ints, day: Ints, y: Floats, unit: Ints | None, past: Floats | None
    ) -> None:
        self.names, self.place, self.day, self.y = names, place, day, y
        self.unit, self.past = unit, past

    def effects(self, rows: Bools, base: str) -> Epochs:
        """Effects by day of some rows."""
        unit = None if self.unit is None else self.unit[rows]
        past = None if self.past is None else self.past[rows]
        names, place = np.unique(self.place[rows], return_inverse=True)
        strategy = self.names[names][place.reshape(-1)]
        return two_way(strategy, self.day[rows], self.y[rows], base=base, unit=unit, past=past)

    def days_of_both(self, rows: Bools, one: str, other: str) -> Ints:
        """The days on which two strategies both ran."""
        first, second = (
            np.unique(self.day[rows & (self.names[self.place] == name)]) for name in (one, other)
        )
        both: Ints = np.intersect1d(first, second)
        return both

    def carry_over(self, rows: Bools) -> bool | None:
        """Whether the ranking metric shows carry-over; None where units are not told, or do not
        keep their strategy.
        """
        if self.unit is None:
            return None
        unit, place = self.unit[rows], self.place[rows]
        last = np.zeros(int(unit.max()) + 1, np.int64)
        last[unit] = place
        if (last[unit] != place).any():
            return None
        return carry_over(self.names[place], self.day[rows], self.y[rows, :1], unit).flagged


def _optional(
    unit: ArrayLike | None, past: ArrayLike | None, n: int
) -> tuple[Ints | None, Floats | None]:
    """Codes of units, and the past, where these are told."""
    return (
        None if unit is None else codes(unit, n, "units")[0],
        None if past is None else column_of(past, n, "the past"),
    )


def _gains(epochs: Epochs, metric: int) -> dict[str, Gain]:
    """The effects of a metric by strategy."""
    columns = (epochs.effect[:, metric], epochs.std_error[:, metric], epochs.rows, epochs.days)
    return {
        name: Gain(float(effect), float(error), float(rows), int(days))
        for name, effect, error, rows, days in zip(epochs.strategy, *columns, strict=True)
    }
