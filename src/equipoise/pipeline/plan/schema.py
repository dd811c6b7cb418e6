"""The plan: one TOML file that says everything about a run, checked to the last key before anything
is read.

    [log]        where the rows are, and which column is what
    [space]      what can be done to a unit                    (absent: the dataset's, or two arms 0
    and 1)
    [estimator]  name and params                               (absent: the DR-learner)
    [policy]     weights of the metrics, cost, and the demands (budget, offers, caps, floors, group
    budgets, parity)
    [strata]     who would have bought anyway: the strata of an incentive (absent: not asked)
    [supply]     how to divide a whole among categories: see `pipeline.supply`
    [ranking]    how to rank candidates for several objectives, from a log of its own: see
    `pipeline.ranking`
    [search], [rollout], [cadence], [monitor], [pacing]    how new strategies are found and come to
    traffic, how often whose may change, what is watched, and how a day's money is made to last: see
    `pipeline.plan.operations`
    [report]     title, currency, confidence level, budgets to compare
    [run]        folds, seed, bootstrap replicates, where to write

An unknown key or a wrong value is a `PlanError` that names its place and the nearest key.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, Strict, model_validator

from equipoise.core.log import Kind
from equipoise.core.places import expanded
from equipoise.core.strata import SCHEMES, STRATA
from equipoise.pipeline.plan.base import (
    Amount,
    Finite,
    Names,
    PlanTable,
    Positive,
    Share,
    places,
    wrong,
)
from equipoise.pipeline.plan.operations import (
    CadencePlan,
    MonitorPlan,
    PacingTable,
    RolloutPlan,
    SearchPlan,
)
from equipoise.pipeline.plan.ranking import RankingPlan
from equipoise.pipeline.plan.rules import RulesPlan, rules_table
from equipoise.pipeline.plan.supply import SupplyPlan


def _one_or_parts(value: Any) -> Any:
    """One column, or one for each part of a vector."""
    if (
        not isinstance(value, str | list)
        or not value
        or not all(isinstance(part, str) for part in value)
    ):
        raise wrong("be a column, or a list of columns: one for each part of a vector")
    return value if isinstance(value, str) else tuple(value)


def _outcome_tables(value: Any) -> Any:
    """``["visit", ...]`` and ``{visit = "binary"}`` are short for ``{visit = {kind =
    "binary"}}``.
    """
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        value = {name: {} for name in value}
    if not isinstance(value, dict) or not value:
        raise wrong('be names, or a table such as {visit = "binary"}')
    return {name: {"kind": spec} if isinstance(spec, str) else spec for name, spec in value.items()}


def _design(value: Any) -> Any:
    if value in ("shares", "learn"):
        return value
    if not isinstance(value, list) or not all(
        isinstance(p, int | float) and 0 < p < 1 for p in value
    ):
        raise wrong(
            'be "shares", "learn", or one probability in (0, 1) for control and each candidate'
        )
    return tuple(float(p) for p in value)


def _eligible(value: Any) -> Any:
    """A column that lists the open arms, or a table arm = column."""
    columns = list(value.values()) if isinstance(value, dict) else [value]
    if not columns or not all(isinstance(name, str) and name for name in columns):
        raise wrong('be the column that lists the open arms, or a table arm = "column"')
    return value


def _cost(value: Any) -> Any:
    """A number for every offer, ``"dose"``, a column, or a table candidate = amount; amounts are >=
    0.
    """
    if isinstance(value, str):
        return value
    amounts = value.values() if isinstance(value, dict) else [value]
    good = all(
        isinstance(a, int | float) and not isinstance(a, bool) and math.isfinite(a) and a >= 0
        for a in amounts
    )
    if not good or value == {}:
        raise wrong('be an amount >= 0, "dose", a column, or a table candidate = amount >= 0')
    return (
        {name: float(a) for name, a in value.items()} if isinstance(value, dict) else float(value)
    )


def _sending(value: Any) -> Any:
    """A number for every offer, or a table candidate = amount; amounts are >= 0."""
    if isinstance(value, str):
        raise wrong("be an amount >= 0, or a table candidate = amount >= 0")
    return _cost(value)


def _label(value: Any) -> Any:
    """The label of a group; whole numbers stand as text, as they do in the log's groups."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class OutcomePlan(PlanTable):
    """One metric."""

    kind: Kind | None = None
    better: Literal["higher", "lower"] = "higher"
    unit: str = ""
    worth: Positive | None = None


class LogPlan(PlanTable):
    """Where the rows are and which column is what; a role given here replaces the dataset's own."""

    path: Annotated[Any, BeforeValidator(places)] = None
    dataset: str | None = None
    treatment: Annotated[Any, BeforeValidator(_one_or_parts)] = None
    outcomes: Annotated[dict[str, OutcomePlan], BeforeValidator(_outcome_tables)] | None = None
    features: Names | None = None
    claimed: str | None = None
    cost: str | None = None
    propensity: Annotated[
        Names, BeforeValidator(lambda value: (value,) if isinstance(value, str) else value)
    ] = ()
    action_propensity: str | None = None
    design: Annotated[Any, BeforeValidator(_design)] = None
    undesigned: Literal["learn", "stop", "shares"] = "learn"
    overlap: Literal["all", "trim", "weights"] = "all"
    trim_below: Annotated[float, Field(gt=0, lt=0.5)] | None = None
    most_clipped: Share = 0.1
    weight: str | None = None
    time: str | None = None
    group: str | None = None
    id: str | None = None
    protected: Names | None = None
    periods: bool | None = None
    eligible: Annotated[Any, BeforeValidator(_eligible)] = None
    text: Names | None = None
    nearly_unique: Names = ()
    sample: Annotated[int, Field(ge=1)] | None = None
    version: Annotated[int, Field(ge=0)] | str | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.path is None) == (self.dataset is None):
            raise wrong('have path = "file" or dataset = "name", one of them')
        if self.path is not None and (self.treatment is None or self.outcomes is None):
            raise wrong("name the treatment and the outcomes of the file")
        if self.path is None and (self.text is not None or self.version is not None):
            raise wrong("leave text and version out of a dataset: they say how files are read")
        if self.trim_below is not None and self.overlap != "trim":
            raise wrong('have overlap = "trim" beside trim_below')
        return self

    def roles(self) -> dict[str, Any]:
        """The roles that the plan names, as keyword arguments for a reader or to replace a
        dataset's.
        """
        others = {"path", "dataset", "outcomes", "text", "sample", "version"}
        others |= {"undesigned", "overlap", "trim_below", "most_clipped"}
        names = [name for name in type(self).model_fields if name not in others]
        return {
            name: getattr(self, name) for name in names if getattr(self, name) not in (None, ())
        }


class EstimatorPlan(PlanTable):
    """Which estimator, and its settings."""

    name: str = "x-learner"
    params: dict[str, Any] = {}


class Limit(PlanTable):
    """An amount: ``{per_head = 0.5}`` over all units, or ``{total = 1000}`` for the rows of this
    log.
    """

    per_head: Amount | None = None
    total: Amount | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if (self.per_head is None) == (self.total is None):
            raise wrong("have per_head or total, one of them")
        return self

    def head(self, n: int) -> float:
        """The amount per head of n units."""
        return self.per_head if self.per_head is not None else (self.total or 0.0) / n


class Offers(PlanTable):
    """A number of units: ``{share = 0.3}`` of all, or ``{total = 500}`` of this log."""

    share: Share | None = None
    total: Amount | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if (self.share is None) == (self.total is None):
            raise wrong("have share or total, one of them")
        return self

    def head(self, n: int) -> float:
        """The share of n units."""
        return self.share if self.share is not None else (self.total or 0.0) / n


class Cap(Offers):
    """At most so many units get this candidate."""

    candidate: str


class FloorPlan(PlanTable):
    """The mean effect on a metric, per head of all units, must be at least this."""

    metric: str
    per_head: Finite = 0.0


class GroupBudget(Limit):
    """A budget of its own for the units of one group; per_head counts the group's heads."""

    column: str
    group: Annotated[str, BeforeValidator(_label)]


class ParityPlan(PlanTable):
    """The shares of units treated in the groups of a column must lie within so many points of the
    overall share.
    """

    column: str
    within: Share = 0.05


class LimitPlan(PlanTable):
    """No unit whose label in a column is that of the group gets an offer of more than ``most``, in
    money; with the model "own" its effects come from a model of the group's rows alone.
    """

    column: str
    group: Annotated[str, BeforeValidator(_label)]
    most: Amount | None = None
    model: Literal["own", "shared"] = "shared"

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.most is None and self.model == "shared":
            raise wrong('have most, or model = "own", or both')
        return self


class StartPlan(PlanTable):
    """New units, by their days in a column, count more at first; see `core.start`."""

    column: Annotated[str, Field(min_length=1)]
    until: Positive
    factor: Annotated[float, Field(ge=1, allow_inf_nan=False)]
    half_life_days: Positive


class KeepPlan(PlanTable):
    """Assignments of the policy in force; leaving one costs ``bonus`` in the objective."""

    path: str
    bonus: Positive


class PolicyPlan(PlanTable):
    """What the policy is for, what it costs, and what it must obey.

    most_missing : the most of a unit's features that may be missing where it is scored, in [0, 1);
    above it nothing is decided: it keeps what a journal says that it had, else gets control.
    """

    weights: dict[str, Amount] | None = None
    cost: Annotated[Any, BeforeValidator(_cost)] = None
    sending: Annotated[Any, BeforeValidator(_sending)] = None
    paid: Literal["always", "claimed"] | None = None
    lower: Amount = 0.0
    budget: Limit | None = None
    offers: Offers | None = None
    caps: Annotated[tuple[Cap, ...], Strict(strict=False)] = ()
    floors: Annotated[tuple[FloorPlan, ...], Strict(strict=False)] = ()
    group_budgets: Annotated[tuple[GroupBudget, ...], Strict(strict=False)] = ()
    parity: Annotated[tuple[ParityPlan, ...], Strict(strict=False)] = ()
    limits: Annotated[tuple[LimitPlan, ...], Strict(strict=False)] = ()
    keep: KeepPlan | None = None
    most_missing: Annotated[float, Field(ge=0, lt=1)] | None = None
    start: StartPlan | None = None
    rules: Annotated[RulesPlan | None, BeforeValidator(rules_table)] = None

    @model_validator(mode="after")
    def _money_needs_cost(self) -> Self:
        limited = any(limit.most is not None for limit in self.limits)
        if self.cost is None and self.sending is not None:
            raise wrong("say the cost of an offer beside sending: 0 where that is all")
        if self.cost is None and (self.budget is not None or self.group_budgets or limited):
            money = "a limit" if limited else "a budget"
            raise wrong(f"say the cost of an offer, since there is {money}")
        if self.weights is not None and not any(self.weights.values()):
            raise wrong("give some metric a weight other than 0")
        if self.rules is not None and self.keep is not None:
            raise wrong("have rules or keep, one of them: a rule that people read knows no past")
        return self


def _reward(value: Any) -> Any:
    """The name of a scheme, or the worth of an offer to each of the five strata."""
    if value in tuple(SCHEMES):
        return value
    good = isinstance(value, list) and all(
        isinstance(x, int | float) and not isinstance(x, bool) for x in value
    )
    if not good or len(value) != len(STRATA) or not all(math.isfinite(x) for x in value):
        names = ", ".join(map(repr, SCHEMES))
        raise wrong(f"be one of {names}, or five numbers: the worth of {', '.join(STRATA)}")
    return tuple(float(x) for x in value)


class StrataPlan(PlanTable):
    """Who would have bought anyway?   value: of a coupon buyer, net of the incentive's cost; caps:
    see `pipeline.offers`.
    """

    method: str = "cf-dr"
    params: dict[str, Any] = {}
    reward: Annotated[Any, BeforeValidator(_reward)] = "coupon"
    value: Amount | None = None
    cost: Amount | None = None
    outcome: str | None = None
    candidate: str | None = None
    claims: Literal["all", "offered"] = "all"
    offers: Share = 1.0
    always_buyers: Share | None = None  # of the offered
    harm: Share | None = None
    ids: Names | None = None

    @model_validator(mode="after")
    def _amounts(self) -> Self:
        if isinstance(self.reward, str) and None in (self.value, self.cost):
            raise wrong(f"say value and cost, which the reward {self.reward!r} is made of")
        if not isinstance(self.reward, str) and (self.value, self.cost) != (None, None):
            raise wrong("leave value and cost out, since the reward is five numbers")
        return self


class ReportPlan(PlanTable):
    """How the report looks; segments: columns by which effects are told, None for those that drive
    the predictions most; explorer: whether it has sliders, and with them effects and scores of
    single rows, without ids.
    """

    title: str = ""
    currency: str = ""
    population: Annotated[int, Field(ge=1)] | None = None
    level: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    budgets: Annotated[tuple[Amount, ...], Strict(strict=False)] = ()
    segments: Names | None = None
    explorer: bool = True


class RunPlan(PlanTable):
    """How the run is done.   learn_rows: the most rows of a log of Parquet files that are taken
    into memory to learn from; of a longer one the others are read by parts, and judge.
    """

    folds: Annotated[int, Field(ge=2, le=50)] = 3
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    replicates: Annotated[int, Field(ge=2, le=1000)] = 20
    learn_rows: Annotated[int, Field(ge=1)] = 2_000_000
    out: Annotated[str, Field(min_length=1)] = "equipoise-run"


class Plan(PlanTable):
    """The whole plan: one attribute per table of its file.

    Parameters
    ----------
    log : LogPlan
        [log]: where the rows are, and which column is what; nothing in a plan with [ranking].
    space : dict, optional
        [space]: what can be done to a unit; by default arms, from the labels.
    estimator : EstimatorPlan
        [estimator]: which one, and its settings.
    policy : PolicyPlan
        [policy]: what the policy is for, what offers cost, and the demands.
    strata : StrataPlan, optional
        [strata]: who would have bought anyway.
    supply : SupplyPlan, optional
        [supply]: how to divide a whole among categories.
    ranking : RankingPlan, optional
        [ranking]: how to rank candidates for several objectives.
    search : SearchPlan
        [search]: where `equipoise propose` looks for new schedules.
    rollout : RolloutPlan
        [rollout]: how `equipoise rollout` brings strategies to traffic.
    cadence : CadencePlan, optional
        [cadence]: how often whose strategy may change, by classes of units.
    monitor : MonitorPlan
        [monitor]: what is watched by `equipoise monitor`.
    pacing : PacingTable, optional
        [pacing]: how `equipoise pace` makes a day's budget last.
    report : ReportPlan
        [report]: how the report looks.
    run : RunPlan
        [run]: folds, seed, replicates, and where to write.
    base : Path
        The folder that relative paths start from.
    text : str
        The file as it was read.

    Examples
    --------
    >>> from equipoise.pipeline import make_plan
    >>> plan = make_plan({"log": {"dataset": "thornton"}, "run": {"seed": 3}})
    >>> plan.job, plan.run.seed
    ('targeting', 3)
    """

    log: LogPlan
    space: dict[str, Any] | None = None
    estimator: EstimatorPlan = EstimatorPlan()
    policy: PolicyPlan = PolicyPlan()
    strata: StrataPlan | None = None
    supply: SupplyPlan | None = None
    ranking: RankingPlan | None = None
    search: SearchPlan = SearchPlan()
    rollout: RolloutPlan = RolloutPlan()
    cadence: CadencePlan | None = None
    monitor: MonitorPlan = MonitorPlan()
    pacing: PacingTable | None = None
    report: ReportPlan = ReportPlan()
    run: RunPlan = RunPlan()
    base: Annotated[Path, Field(exclude=True)] = Path()
    text: Annotated[str, Field(exclude=True)] = ""

    @model_validator(mode="before")
    @classmethod
    def _ranking_alone(cls, tables: Any) -> Any:
        """A plan with [ranking] says there where its rows are."""
        if not isinstance(tables, dict) or tables.get("ranking") is None:
            return tables
        strange = [name for name in tables if name in TABLES and name not in RANKING_TABLES]
        if strange:
            raise wrong(
                f"hold [ranking] with {' and '.join(f'[{name}]' for name in RANKING_TABLES[1:])}"
                f" alone, not with [{strange[0]}]: [ranking] names its own rows"
            )
        return {**tables, "log": LogPlan.model_construct(dataset="")}  # never opened

    @model_validator(mode="after")
    def _supply_alone(self) -> Self:
        strange = set(self.policy.model_fields_set) - {"weights", "floors"} | set(
            self.model_fields_set
        ) & {"strata", "estimator"}
        if self.supply is not None and strange:
            raise wrong(
                "hold [supply] with [policy] weights and floors alone: no costs, no [strata], no"
                " [estimator]"
            )
        return self

    @property
    def job(self) -> str:
        """The job that the plan asks for: a name of `pipeline.jobs.JOBS`."""
        tables = {"ranking": self.ranking, "supply": self.supply}
        return next((name for name, table in tables.items() if table is not None), "targeting")

    def path(self, name: str) -> Path:
        """A path of the plan, relative to the plan's folder.

        Parameters
        ----------
        name : str
            As the plan has it; ``~`` is the user's home.

        Returns
        -------
        Path
            The path.

        Examples
        --------
        >>> from equipoise.pipeline import make_plan
        >>> make_plan({"log": {"dataset": "thornton"}}, base="jobs").path("old.parquet").as_posix()
        'jobs/old.parquet'
        """
        return self.base / expanded(name)


RANKING_TABLES = ("ranking", "report", "run")
TABLES = tuple(name for name in Plan.model_fields if name not in ("base", "text"))
