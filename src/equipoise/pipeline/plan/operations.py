"""The tables of a plan for what comes before and after a policy: how strategies are brought to
traffic, how what runs is watched, and how a day's money is made to last.

[search]           where new strategies are looked for, and by which rules
[rollout]          the design and the stages: seeds, batches, who stays
[rollout.replace]  when a candidate takes the place of what runs
[monitor]          which alarms, and how many may be false
[monitor.effects]  of effects of strategies
[cadence]          how often whose strategy may change, and the classes that changes are counted by
[pacing]           the price at which a day's budget lasts
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, Strict

from equipoise.core.durations import seconds
from equipoise.core.errors import InputError
from equipoise.pipeline.plan.base import Amount, Finite, Names, PlanTable, Positive, Share, wrong

DAY = 86_400.0  # seconds
Chance = Annotated[float, Field(gt=0, lt=1)]


Pair = Annotated[tuple[Finite, Finite], Strict(strict=False)]


class BoundsPlan(PlanTable):
    """Where the numbers of a schedule may lie; see `operations.bounds.Bounds`."""

    total: Pair = (0.3, 3.0)
    count: Annotated[tuple[int, int], Strict(strict=False)] = (1, 8)
    interval: Pair = (0.5, 4.0)
    wave: Annotated[float, Field(ge=0, le=1)] = 0.0


class RulesPlan(PlanTable):
    """What no new schedule may do; see `operations.bounds.Rules`."""

    packet: Pair | None = None
    last: Finite | None = None
    gap: Finite | None = None
    cost_per_head: Finite | None = None
    never: Annotated[tuple[dict[str, Any], ...], Strict(strict=False)] = ()


class SearchPlan(PlanTable):
    """How new schedules are looked for.

    way : of the search.   surrogate : what learns from tested ones.   tries : schedules that it
    looks at.   take : candidates.   check : how many tested ones get fresh traffic.   spread : the
    least distance of candidates, in halves of length scales.   metric : the outcome that counts;
    absent: the worth by [policy] weights.   cost : the outcome that is spent; absent: totals.
    """

    way: str = "genetic"
    surrogate: str = "gp"
    tries: Annotated[int, Field(ge=1)] = 600
    take: Annotated[int, Field(ge=1)] = 16
    check: Annotated[int, Field(ge=1)] = 5
    spread: Amount = 1.0
    metric: str | None = None
    cost: str | None = None
    bounds: BoundsPlan = BoundsPlan()
    rules: RulesPlan = RulesPlan()


def _guards(value: Any) -> Any:
    """One guard is a list of one."""
    return [value] if isinstance(value, dict) else value


class GuardPlan(PlanTable):
    """A metric that a candidate may change by no less than so much, against what runs."""

    metric: str
    least: Finite = 0.0


class ReplacePlan(PlanTable):
    """When a candidate takes the place of what runs; see `operations.stages`.

    level : of the confidence sequences.   least_days, most_days : of fresh traffic.   stable_days :
    without an alarm.   fresh : whether days before the choice of the candidate count not.
    settle_days : first days of the candidate that are left out, where effects settle.
    """

    level: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    least_days: Annotated[int, Field(ge=1)] = 14
    most_days: Annotated[int, Field(ge=1)] = 56
    stable_days: Annotated[int, Field(ge=0)] = 7
    fresh: bool = True
    settle_days: Annotated[int, Field(ge=0)] = 0


class RolloutPlan(PlanTable):
    """How strategies come to traffic, stage by stage.

    design : "held", where a unit keeps its strategy while this runs; "batches", where units are
    drawn anew at every stage; "rotate", where buckets change from slice to slice.   base, seeds :
    names; absent: of the menu or the arms of [space].   batches, every_days, stay, then : of the
    stages.   base_share : "root", "equal" or a share.   slice_days, washout_days : of "rotate".
    bucket : the column of buckets; absent: units.   metric : the outcome that ranks; absent: the
    worth by [policy] weights.   past : columns of a unit's own outcomes before.   guard : one or
    more.
    """

    design: Literal["held", "batches", "rotate"] = "held"
    base: str | None = None
    seeds: Names = ()
    batches: Annotated[int, Field(ge=1)] = 4
    every_days: Annotated[int, Field(ge=1)] = 4
    stay: Annotated[int, Field(ge=1)] = 6
    then: Annotated[tuple[int, ...], Strict(strict=False)] = (6, 3)
    base_share: Literal["root", "equal"] | Annotated[float, Field(gt=0, lt=1)] = "root"
    slice_days: Annotated[int, Field(ge=1)] = 1
    washout_days: Annotated[int, Field(ge=0)] = 0
    bucket: str | None = None
    metric: str | None = None
    past: Names = ()
    guard: Annotated[tuple[GuardPlan, ...], Strict(strict=False), BeforeValidator(_guards)] = ()
    replace: ReplacePlan = ReplacePlan()


class EffectsWatch(PlanTable):
    """How effects are watched.

    reference_days : days that only teach a level.   false_alarms : the chance of any false alarm
    within ``days``, over all strategies and metrics.
    """

    reference_days: Annotated[int, Field(ge=2)] = 28
    false_alarms: Chance = 0.05
    days: Annotated[int, Field(ge=1)] = 90


class MonitorPlan(PlanTable):
    """What is watched.

    base : the strategy that effects are told against; absent: the policy's control.
    effects : of strategies.   mix : the chance of a false alarm of a day's mix of strategies.
    missing : the same of all features' missing shares.   churn : the most that may change a day, by
    class of [cadence] column, or of "all".
    """

    base: str | None = None
    effects: EffectsWatch = EffectsWatch()
    mix: Chance = 0.01
    missing: Chance = 0.01
    churn: dict[str, Share] = {}


class CadencePlan(PlanTable):
    """How often whose strategy may change, where days are recorded by `equipoise score --journal`.

    column : of the classes, which `equipoise monitor` counts changes by too.   days : of each
    class, every how many days a unit is up for change; without any it is every day.
    average_days : over how many days features that are numbers are averaged.   keep : the bonus for
    staying, in the objective's units.
    """

    column: str
    days: dict[str, Annotated[int, Field(ge=1)]] = {}
    average_days: Annotated[int, Field(ge=1)] = 1
    keep: Amount = 0.0


def _span(value: Any) -> Any:
    """A span that divides a day."""
    try:
        span = seconds(value)
    except InputError as error:
        raise wrong('be a number > 0 and a unit of time, such as "15m"') from error
    if not (DAY / span).is_integer():
        raise wrong('divide a day, such as "15m"')
    return value


def _true(value: Any) -> Any:
    if value is not True:
        raise wrong("be true: an offer that could cost more than is left is never made")
    return value


class PacingTable(PlanTable):
    """How a day's budget is made to last; see `operations.pacing.Pacer`.

    way, every : how the price moves, and how often.   hard_stop : always true.
    profile : a file with the share of the day's requests in each of equal slots, in order, in a
    column ``share``, and optionally that of the spend in ``spend``.   requests : how many are
    expected.   budget : the money of the day; absent: the policy's budget per head times the
    requests.   time : the column with times of day; absent: [log] time.
    """

    way: Literal["resolve", "pi", "price"] = "resolve"
    every: Annotated[str, BeforeValidator(_span)] = "15m"
    hard_stop: Annotated[bool, BeforeValidator(_true)] = True
    profile: str
    requests: Positive
    budget: Positive | None = None
    time: str | None = None
