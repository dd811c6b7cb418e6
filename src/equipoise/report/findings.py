"""Findings: all that a run found, as plain JSON.  `run` makes them, ``metrics.json`` keeps them,
the report draws them.

An interval is ``[value, low, high]`` at the run's confidence level; every amount is in its metric's
unit.
"""

from __future__ import annotations

import math
from typing import Any, TypedDict

from equipoise.core.checks import Check as Check
from equipoise.report.findings_effects import ArmOverlap as ArmOverlap
from equipoise.report.findings_effects import Likened as Likened
from equipoise.report.findings_effects import Overlap as Overlap
from equipoise.report.findings_effects import OverTime as OverTime
from equipoise.report.findings_effects import PeriodEffects as PeriodEffects
from equipoise.report.findings_effects import Sensitivity as Sensitivity
from equipoise.report.findings_effects import Undone as Undone
from equipoise.report.findings_explorer import ExplorerFindings
from equipoise.report.findings_read import ReadFindings
from equipoise.report.findings_rules import RuleFindings
from equipoise.report.findings_segments import SegmentFindings, VariationFindings

Interval = list[float]  # [value, low, high]


class Arm(TypedDict):
    """How many rows one cell (control or a candidate) has."""

    name: str
    rows: int
    share: float
    expected: float | None


class Overlapping(TypedDict, total=False):
    """Versions before 0.3 did not write it."""

    overlap: Overlap


class Experiment(Overlapping):
    """Is the experiment sound?"""

    rows: int
    features: int
    space: str
    arms: list[Arm]
    checks: list[Check]
    balance: list[dict[str, Any]]  # {"feature", "candidate", "smd"}


class AmongMany(TypedDict, total=False):
    """What versions before 0.3 did not write of an average effect.   adjusted: its p-value among
    those of all candidates and metrics, by Holm's steps;  shrunk: the effect drawn towards that of
    all candidates;  lift: the effect as a share of control's mean, with Fieller's interval;
    no_lift: why it has none.
    """

    adjusted: float
    shrunk: Interval
    lift: Interval
    no_lift: str


class Average(AmongMany):
    """The average effect of one candidate on one metric."""

    metric: str
    candidate: str
    control: Interval
    effect: Interval
    p_value: float


class Ranking(TypedDict):
    """How well the predicted effects order units: one candidate, one metric; curves per head over
    the share treated.
    """

    metric: str
    candidate: str
    qini: Interval
    autoc: Interval
    share: list[float]
    gain: list[float]
    gain_low: list[float]
    gain_high: list[float]
    random: list[float]


class Decile(TypedDict):
    """Observed effect among the units of one tenth of predicted effect (1 = largest)."""

    metric: str
    candidate: str
    decile: int
    predicted: float
    observed: Interval
    rows: int


class Slope(TypedDict):
    """The slope of the effect on its prediction: 1 is calibrated, 0 tells nobody from another; null
    where predictions do not vary.
    """

    metric: str
    candidate: str
    slope: Interval


class Moved(TypedDict, total=False):
    """How far a feature moves an effect, and which way; only where effects are sums of trees."""

    moves: float  # mean size of its Shapley value, in the metric's unit
    direction: str  # "rises", "falls", "both ways", "most for LEVEL", or ""


class Driver(Moved):
    """How much a feature moves the predicted effect (share of the explained variation)."""

    metric: str
    candidate: str
    feature: str
    importance: float


class BudgetPoint(TypedDict):
    """What one budget buys.  budget and spend are per head; values maps a metric to its gain over
    control per head;
    price is the gain in the objective that one more unit of spend would buy there."""

    budget: float
    spend: Interval
    treated: float
    values: dict[str, Interval]
    price: float


class TradeOff(TypedDict):
    """What one choice of metric weights buys."""

    weights: dict[str, float]
    values: dict[str, Interval]
    chosen: bool


class Rival(TypedDict):
    """The value of one policy: the chosen one (always the first) or a baseline.   kind: "chosen",
    "control" (nobody is
    treated), "constant" (everybody under one candidate) or "random" (as chosen, at random).   Gains
    over control per head;
    spend per head."""

    policy: str
    kind: str
    values: dict[str, Interval]
    spend: Interval
    treated: float
    against_chosen: dict[str, Interval]  # chosen minus this one, paired; empty for the chosen one


class DemandRow(TypedDict):
    """One demand on the policy, per head: used must be at most (or at least) bound; price is the
    gain in the objective that
    one more unit of it would buy.   kind: one of `core.policy.KINDS`; metric: of a floor or
    ceiling, else null.
    """

    name: str
    kind: str
    metric: str | None
    rule: str  # "at most" or "at least"
    bound: float
    used: float
    price: float
    binding: bool


class GroupShare(TypedDict):
    """Who gets what, by a protected column."""

    column: str
    group: str
    rows: int
    shares: dict[str, float]  # control and candidates, sum to 1
    spend: float
    values: dict[str, Interval]


class Shipped(TypedDict):
    """What the rule that ships is worth on new units, judged by the rows of its fold alone, which
    chose nothing for it: gains over control and spend per head.
    """

    rows: int
    treated: float
    values: dict[str, Interval]
    spend: Interval


class Steered(TypedDict, total=False):
    """What a plan may ask of a policy.  objective: the weighted sum, where it has several metrics
    and is no money.  start: of `core.start.Start`, with "rows": the people in
    theirs.  own_models: of groups with models of their own, "column", "group", "rows", and under
    "own" and "shared" what they get by each: "treated", "amount", "spend", "values".  weighing: of
    a log of weights what the offers are expected to cost by these, in parts of what they cost row
    by row, as the budget counts them.
    """

    weighing: float
    objective: Interval
    start: dict[str, Any]
    own_models: list[dict[str, Any]]


class Chosen(Steered):
    """The policy.  gap is the certificate: the share of the best possible objective that may be
    missing (0 = proven best). carried is the spend per head of units that did not set the prices,
    its interval for a large new population; null without
    a budget.  Versions before 0.3 wrote no ``shipped``."""

    shares: dict[str, float]
    weights: dict[str, float]
    demands: list[DemandRow]
    gap: float | None  # null where nothing bounds it
    carried: Interval | None
    shipped: Shipped
    groups: list[GroupShare]
    profile: list[dict[str, Any]]  # {"feature", "treated", "untreated", "smd"}


class StratumShare(TypedDict):
    """How many units are of one stratum: the mean of its doubly robust signals; ``model``: the mean
    of what the model says.
    """

    stratum: str
    share: Interval
    model: float


class Assumed(TypedDict):
    """One assumption of the strata, and what the data say of it."""

    name: str
    title: str
    sentence: str
    status: str  # "ok", "note" (it cannot be tested) or "warn"
    found: str


class Range(TypedDict):
    """The least and largest mean share of a stratum when less is assumed: "A5", "A6", "" (neither),
    or "Lambda 1.5".
    """

    assume: str
    stratum: str
    low: float
    high: float


class Violation(TypedDict):
    """The strata when an assumption gives way.   part: 0..1 of the largest violation the data
    allow; share: that of the units
    that violate it; reward: per head under the best offers, a lost sale counted once, ``cautious``:
    counted twice.
    """

    of: str  # "harm" (A6) or "direct_gain" (A5)
    part: float
    share: float
    coupon_buyer: float
    always_buyer: float
    reward: float
    cautious: float


class OfferRule(TypedDict):
    """The worth of one rule of who gets an offer, per head.

    kind: "best" (by strata), "uncapped" (the same without caps), "plan" (the plan's own policy),
    "score" (the largest scores),
    "random" or "everybody".   lower: it is above this with the report's confidence, one-sided;
    lead: the best offers minus this rule, paired, empty for the best offers."""

    rule: str
    kind: str
    offered: float
    value: Interval
    lower: float
    lead: Interval


class CapUse(TypedDict):
    """A cap on strata.   always_buyers: their share among the offered; harm: the largest rate of
    it, per head of all units.
    used: as the models say; seen: as the held-out rows show, empty for harm, of which they show
    only bounds.
    """

    cap: str
    bound: float
    used: float
    seen: Interval
    binding: bool


class OfferPoint(TypedDict):
    """The worth of the best offers to at most a share of the units, per head."""

    share: float
    offered: float
    value: Interval
    lower: float


class AudienceRow(TypedDict):
    """One stratum among the units of this log: how many, how many get an offer, what is paid to
    them, what it brings; totals.
    """

    rule: str
    stratum: str
    units: Interval
    offered: Interval
    paid: Interval
    reward: Interval


class SegmentReward(TypedDict):
    """The reward per head of the best offers in one group."""

    column: str
    group: str
    rows: int
    reward: Interval


class StrataFindings(TypedDict):
    """Who would have bought anyway?   The first of ``rules`` is the best offers by strata."""

    method: str
    outcome: str
    claimed: str
    candidate: str
    rows: int
    left_out: int  # rows of other arms
    unoffered: int  # claims without an offer, not counted
    scheme: str  # "coupon", "cash", or "" for five numbers
    reward: list[float]  # the worth of an offer to each stratum
    cost: float
    shares: list[StratumShare]
    assumptions: list[Assumed]
    restrictions: list[dict[str, Any]]  # as `core.strata_tests.restriction_tests`
    calibration: list[dict[str, Any]]  # as `core.strata_tests.latent_calibration`
    share_clipped: float
    ranges: list[Range]
    violations: list[Violation]
    rules: list[OfferRule]
    caps: list[CapUse]
    curve: list[OfferPoint]
    audience: list[AudienceRow]
    segments: list[SegmentReward]


class DayPlan(TypedDict):
    """What one schedule sends: hours of the day and amounts, one of each a packet."""

    name: str
    hours: list[float]
    amounts: list[float]


class Timetable(TypedDict):
    """The base and every candidate of a space of schedules.   window: hours of the day."""

    unit: str
    window: list[float]
    rows: list[DayPlan]


class MoneyFindings(TypedDict):
    """What the objective is made of, where it is money: the values of policies have it too."""

    metric: str  # its name among the values of policies: "net"
    currency: str
    objective: str  # in words
    costs: bool  # whether offers have a cost that is taken off
    stops: float | None  # the cost per head at which the next offer stops paying, by the model
    held: int  # folds, of ``folds``, whose offers are not made since by the others they do not pay
    folds: int
    models: Interval | None  # the net worth of what models alone would offer, where some is held


class Answer(TypedDict):
    """What a manager asks, and the answer."""

    question: str
    sentences: list[str]


class PowerRow(TypedDict):
    """What as many people tell of one arm: the least effect, and how many people the effect that
    was seen takes; null where that is 0.
    """

    metric: str
    candidate: str
    detectable: float
    needed: int | None


class Asked(TypedDict, total=False):
    """What only some plans ask for; `people`, `verdict`, `answers`, `power`
    and `calibration` are in all since 0.3."""

    people: int  # that amounts in all are for; those of the log where the plan says none
    verdict: str  # of `report.verdict`
    answers: list[Answer]
    power: list[PowerRow]
    calibration: list[Slope]
    over_time: OverTime
    sensitivity: Sensitivity

    strata: StrataFindings
    timetable: Timetable
    money: MoneyFindings
    rules: RuleFindings
    segments: SegmentFindings
    variation: VariationFindings
    explorer: ExplorerFindings
    read: ReadFindings


class Findings(Asked):
    """All that a run found, as plain JSON: what `run` returns and a report draws.

    Attributes
    ----------
    title : str
        Of the report.
    currency : str
        The unit of spend, e.g. "USD"; "" when offers are counted.
    level : float
        Confidence level of every interval, e.g. 0.95.
    metrics : list of dict
        {"name", "unit", "kind", "better"} as in `Outcome`.
    candidates : list of str
        Names of the candidates.
    control : str
        Name of control.
    headline : list of str
        Plain sentences for a manager.
    experiment : Experiment
        Whether the experiment is sound.
    averages : list of Average
        Average effects.
    rankings : list of Ranking
        How well predicted effects order units.
    deciles : list of Decile
        Observed effects by tenths of the predicted ones.
    drivers : list of Driver
        How much each feature moves the predicted effects.
    budget : list of BudgetPoint
        What other budgets would bring.
    tradeoff : list of TradeOff
        What a metric costs another.
    policy : Chosen
        The policy of the run.
    rivals : list of Rival
        What it is compared with.
    risks : list of str
        Plain sentences, the worst first.
    made : dict
        Version, seed, estimator, folds, rows, plan (text), snapshot, command, python,
        packages.
    strata : StrataFindings
        Only where the plan asks for it.
    timetable : Timetable
        Only where the treatment is a schedule: its packets over the day.
    people : int
        How many people amounts in all are for.
    verdict : str
        "do it", "do not" or "not known".
    answers : list of Answer
        The headline by the five questions of `report.headline`.
    calibration : list of Slope
        The slopes of effects on their predictions.
    over_time : OverTime
        Average effects by period, only where the log has a time.
    sensitivity : Sensitivity
        What an unmeasured cause could do to the effects.
    power : list of PowerRow
        What a log of this size tells, and what size each effect takes.
    rules : RuleFindings
        Only where the plan asks for a rule that a person can read.
    segments : SegmentFindings
        Effects in groups of people, where some feature divides them.
    variation : VariationFindings
        Partial curves and interactions, where some feature drives the effects.
    money : MoneyFindings
        Only where the objective is in money; values of policies then have the metric "net" too.
    explorer : ExplorerFindings
        A sample of units to try other settings on, only where the policy has demands.
    read : ReadFindings
        Only where the log has more rows than the plan learns from: which rows tell what.

    Examples
    --------
    >>> sorted(Findings.__optional_keys__)
    ['answers', 'calibration', 'explorer', 'money', 'over_time', 'people', 'power', 'read', 'rules',
    'segments', 'sensitivity', 'strata', 'timetable', 'variation', 'verdict']
    """

    title: str
    currency: str  # unit of spend, e.g. "USD"; "" when offers are counted
    level: float  # confidence level of every interval, e.g. 0.95
    metrics: list[dict[str, str]]  # {"name", "unit", "kind", "better"} as in `core.log.Outcome`
    candidates: list[str]
    control: str
    headline: list[str]  # plain sentences for a manager
    experiment: Experiment
    averages: list[Average]
    rankings: list[Ranking]
    deciles: list[Decile]
    drivers: list[Driver]
    budget: list[BudgetPoint]
    tradeoff: list[TradeOff]
    policy: Chosen
    rivals: list[Rival]
    risks: list[str]  # plain sentences, the worst first
    # version, seed, estimator, folds, rows, plan (text), snapshot, command, python,
    # packages
    made: dict[str, Any]


def plain(thing: Any) -> Any:
    """The same with numbers that JSON has: NaN and infinities become null."""
    if isinstance(thing, dict):
        return {str(key): plain(value) for key, value in thing.items()}
    if isinstance(thing, list | tuple):
        return [plain(value) for value in thing]
    return None if isinstance(thing, float) and not math.isfinite(thing) else thing
