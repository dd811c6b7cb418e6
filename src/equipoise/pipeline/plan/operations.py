"""The tables of a plan for what comes after the policy: how it is watched.

[monitor]          which alarms, and how many may be false
[monitor.effects]  of effects of strategies
[cadence]          the classes of units that changes are counted by
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from equipoise.pipeline.plan.base import PlanTable, Share

Chance = Annotated[float, Field(gt=0, lt=1)]


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
    """How often whose strategy may change.   column : of the classes."""

    column: str
