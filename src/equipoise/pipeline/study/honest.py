"""From a log to a budgeted policy, its honest value, and what serves units never seen, in one call.

effects     out of fold, by the estimator or given                    `cross_fit`
policy      the demands met within folds                              `policy`
value       judged by the outcomes of rows that chose nothing         `evaluator`
scorer      the model and the prices of one fold                      `shipping`
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from equipoise.artifacts.costs import Costs
from equipoise.artifacts.fingerprint import rows_digest
from equipoise.artifacts.model import Model
from equipoise.artifacts.policy import Scorer
from equipoise.core.arrays import Floats, Ints
from equipoise.core.checks import Check
from equipoise.core.columns import free_name
from equipoise.core.deprecation import renamed_arguments
from equipoise.core.display import Displayed, first_lines, html_table
from equipoise.core.effects import Effects
from equipoise.core.errors import InputError, PlanError
from equipoise.core.log import Log
from equipoise.core.policy import Policy
from equipoise.core.user_line import user_level
from equipoise.pipeline.plan.constraints import own_groups
from equipoise.pipeline.plan.money import CostWarning, Objective, cost_checks, objective_of
from equipoise.pipeline.plan.read import policy_keys
from equipoise.pipeline.plan.schema import PolicyPlan, RunPlan
from equipoise.pipeline.study.cross_fit import (
    CrossFit,
    Swapped,
    cross_fit,
    log_folds,
    with_space,
    with_std_error,
)
from equipoise.pipeline.study.evaluator import Judge, make_judge
from equipoise.pipeline.study.overlap import rows_behind
from equipoise.pipeline.study.policy import (
    PolicyTask,
    Solved,
    check_policy,
    make_policy_task,
    solve_folds,
    weighing,
)
from equipoise.pipeline.study.propensity import (
    design_in_python,
    learnt_propensity,
    propensity_of,
)
from equipoise.pipeline.study.rules import ReadableRule, readable_rule
from equipoise.pipeline.study.shipping import ship, staying_of
from equipoise.pipeline.study.swaps import Swaps
from equipoise.report.findings import DemandRow, Interval
from equipoise.report.formatting import MINUS, Unit, number
from equipoise.report.notebook import plot_intervals
from equipoise.report.verdict import verdict_of

PLAIN = Unit(1.0, "", "", "")  # numbers in digits that their intervals support


@dataclass(frozen=True, repr=False)
class HonestPolicy(Displayed):
    """A policy within its demands, and what it is worth on rows that none of its models saw.

    Attributes
    ----------
    policy : Policy
        The rule, with the prices of one fold's rows.  They carry the demands to units never seen
        where the effects of these are by the model that never saw that fold; ``scorer`` has it.
    scorer : Scorer or None
        That model, the costs and the rule: what `run` ships.  ``scorer.assign(frame)`` assigns
        anybody.  None where effects were given without their estimator: prices that were found on
        effects of one model are wrong for those of another.
    choice : array of int, shape (n,)
        Of the log's rows: -1 control, a candidate a.
    shares : dict of str to float
        The share of the rows that get each cell.
    values : dict of str to [value, low, high]
        The gain over control per unit in each metric, in its unit, with its interval: of the
        procedure, the mean over folds of what each fold's rule is worth.  Where the objective is
        money, "net" is its worth net of cost.
    spend : [value, low, high]
        The cost per unit of the same.
    demands : list of dict
        Each demand with its bound, its use and its price, per unit.
    gap : float
        The share of the best objective that may be missing; NaN where the offers of some folds are
        held back, since by the other folds they do not bring what they cost.
    shipped : dict of str to [value, low, high]
        The gains of ``policy`` alone, on units never seen.  Only the rows of its fold chose nothing
        for it, so they judge it alone, and the intervals are wider.
    shipped_spend : [value, low, high]
        Its cost per unit, judged alike.
    design : str
        How a design was taken that the log does not state, with the test of it; else "".
    untold : list of str
        Why the log cannot tell what the policy is worth; empty where it can.
    verdict : str, default ""
        "do it" if the whole interval of what the policy is for (net of cost where that is money)
        is above 0; "do not" if it is below, nobody gets an offer, or a demand is surely broken;
        "not known" else, or where the log cannot tell, or nothing weighs the cost of offers.
    rules : ReadableRule or None, default None
        The tree or scorecard that ``rules`` asks for, with the value it loses.
    swaps : Swaps or None, default None
        How much the folds' choices differ, which intervals of a comparison take in.
    rows_digest : str, default ""
        Of the log's treatments and outcomes, by which these very rows are known again.

    Examples
    --------
    >>> import equipoise as eq
    >>> log, truth = eq.datasets.make_coupon_world(300, metrics=("conversion",))
    >>> policy = eq.honest_policy(log, truth.effects(), offers=0.25)
    >>> round(policy.shares["none"], 2), policy.demands[0]["binding"]
    (0.75, True)
    >>> print(str(policy).splitlines()[0])
    HonestPolicy of 300 units, without a scorer
    """

    policy: Policy
    scorer: Scorer | None
    choice: Ints
    shares: dict[str, float]
    values: dict[str, Interval]
    spend: Interval
    demands: list[DemandRow]
    gap: float
    shipped: dict[str, Interval]
    shipped_spend: Interval
    design: str
    untold: list[str]
    verdict: str = ""
    rules: ReadableRule | None = None
    swaps: Swaps | None = None
    rows_digest: str = ""

    def to_table(self) -> pa.Table:
        """Everything but the choices as one table.

        Returns
        -------
        pyarrow.Table
            Columns ``what`` ("gain", "cost", "share" or "demand"; "shipped gain" and "shipped
            cost" of the rule that ships), ``name``, ``value`` with ``low`` and ``high`` (of gains
            and costs), and of demands ``bound``, ``price`` and ``binding``; what does not apply
            is null.
        """
        rows: list[dict[str, Any]] = []
        of_procedure, of_rule = (self.values, self.spend), (self.shipped, self.shipped_spend)
        for prefix, (values, spend) in (("", of_procedure), ("shipped ", of_rule)):
            rows += [
                {"what": f"{prefix}gain", "name": name, **_ends(interval)}
                for name, interval in values.items()
            ]
            rows.append({"what": f"{prefix}cost", "name": "cost", **_ends(spend)})
        rows += [
            {"what": "share", "name": name, "value": share} for name, share in self.shares.items()
        ]
        rows += [
            {
                "what": "demand",
                "name": demand["name"],
                "value": demand["used"],
                "bound": demand["bound"],
                "price": demand["price"],
                "binding": demand["binding"],
            }
            for demand in self.demands
        ]
        return pa.Table.from_pylist(rows, SCHEMA)

    def _frame(self) -> pa.Table:
        return self.to_table()

    def plot(self) -> Any:
        """Draw the gains and the cost with their intervals, as the report would.

        Returns
        -------
        plotly.graph_objects.Figure
            A row per metric, and one for the cost.
        """
        return plot_intervals(
            {**self.values, free_name("cost", self.values): self.spend}, "per unit"
        )

    def __repr__(self) -> str:
        return first_lines(str(self).splitlines(), "more lines: print() shows them")

    def __str__(self) -> str:
        lines = [f"HonestPolicy of {len(self.choice):,} units, {_ships(self.scorer)}"]
        return "\n".join([*lines, *(f"  {label}: {text}" for label, text in self._lines())])

    def _repr_html_(self) -> str:
        caption = f"HonestPolicy of {len(self.choice):,} units, {_ships(self.scorer)}"
        return html_table(caption, self._lines())

    def _lines(self) -> list[tuple[str, str]]:
        """What a reader wants to see first, as (label, text)."""
        parts = [f"{name} {share:.1%}" for name, share in self.shares.items() if share > 0]
        lines = [("shares", ", ".join(parts))]
        gains = [(f"gain in {name}", interval) for name, interval in self.values.items()]
        gains += [("cost", self.spend)]
        gains += [(f"shipped rule's gain in {name}", ends) for name, ends in self.shipped.items()]
        gains += [("shipped rule's cost", self.shipped_spend)]
        for label, ends in gains:
            lines.append((label, f"{_in_digits(ends)} per unit"))
        for demand in self.demands:
            used = f"{number(demand['used'])}, {demand['rule']} {number(demand['bound'])}"
            price = f"; price {number(demand['price'])}" if demand["binding"] else "; idle"
            lines.append((demand["name"], used + price))
        lines += self._rule_lines()
        lines += [("design", self.design)] if self.design else []
        lines = [("verdict", self.verdict), *lines] if self.verdict else lines
        return [("the log cannot tell", why) for why in self.untold] + lines

    def _rule_lines(self) -> list[tuple[str, str]]:
        """The rule that a person can read, and what it loses."""
        if self.rules is None:
            return []
        lines = [("rule", sentence) for sentence in self.rules.rule.text().splitlines()]
        return lines + [
            (f"the policy's lead over the rule in {name}", f"{_in_digits(ends)} per unit")
            for name, ends in self.rules.lost.items()
        ]


SCHEMA = pa.schema(
    [
        ("what", pa.string()),
        ("name", pa.string()),
        ("value", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("bound", pa.float64()),
        ("price", pa.float64()),
        ("binding", pa.bool_()),
    ]
)


def _in_digits(ends: Interval) -> str:
    """An amount with its interval."""
    text = f"{PLAIN.bare(ends, plus=False)} ({PLAIN.span(ends, plus=False)})"
    return text.replace(MINUS, "-")


def _ends(interval: Interval) -> dict[str, float]:
    return dict(zip(("value", "low", "high"), interval, strict=True))


def _ships(scorer: Scorer | None) -> str:
    return "without a scorer" if scorer is None else "with a scorer"


@renamed_arguments(folds="cv", seed="random_state")
def honest_policy(
    log: Log,
    estimator: Any = None,
    *,
    effects: Effects | None = None,
    propensity: Floats | None = None,
    cv: int = 3,
    random_state: int = 0,
    level: float = 0.95,
    undesigned: str = "learn",
    currency: str = "",
    **policy: Any,
) -> HonestPolicy:
    """The best policy within its demands by out-of-fold effects, judged by doubly robust scores.

    With an estimator it fits across folds, chooses, judges, and ships: the result's ``scorer``
    assigns units never seen, as the snapshot of `run` does.

    Parameters
    ----------
    log : Log
        The experiment.
    estimator : estimator or Effects, default None
        Any of `equipoise.estimators`; it is cloned and fitted once per fold.  `Effects` here are
        taken as ``effects``.
    effects : Effects, optional
        Those of `cross_fit_effects` with the same ``cv`` and ``random_state``, in place of an
        estimator.  Nothing is fitted, and there is no ``scorer``: the rule's prices are those of
        one fold's model, which effects do not hold.  Intervals are then as wide as if no effect
        were known from 0, for only models tell how much the folds' rules differ.
    propensity : array of float, shape (n, K), optional
        Probabilities of control and of each candidate to fit and to judge by, 0 where the log says
        that an arm is closed; by default what the log knows, else its observed shares, or what is
        learnt (``undesigned``).
    cv : int, default 3
        The log is cut in so many folds.
    random_state : int, default 0
        Of the cut, and of the bootstrap where ``lower`` needs one.
    level : float, default 0.95
        Of the intervals.
    undesigned : {"learn", "stop", "shares"}, default "learn"
        What to do where neither the log nor ``propensity`` says how treatment was given, and the
        arms follow the features (`two_sample_test`): learn the propensity, with a warning; stop; or
        take the observed shares all the same.
    currency : str, default ""
        The money that costs are in, as a plan's [report] has it: metrics of that unit are money,
        and so are those with a worth.  By default the one currency that metrics are in.
    **policy : dict
        The keys of a plan's [policy]: weights, cost, sending, paid, budget, offers, caps, floors,
        group_budgets, limits, parity, start, lower, most_missing, rules ("tree" or
        "scorecard").  A plain number for ``budget`` is per unit, for ``offers`` a share of all
        units.

    Returns
    -------
    HonestPolicy
        The rule with its prices, its value and cost with intervals, and the scorer.

    Raises
    ------
    PlanError
        Where a key of the policy is wrong, or names what the log does not have.
    InfeasibleError
        Where no policy meets all demands.

    Examples
    --------
    >>> import equipoise as eq
    >>> log, truth = eq.datasets.make_coupon_world(600, metrics=("conversion",))
    >>> trees = eq.TLearner(eq.BoostedTrees(5))
    >>> policy = eq.honest_policy(log, trees, cost=2.0, paid="always", budget=0.5)
    >>> policy.demands[0]["used"] <= 0.5
    True
    >>> strangers, _ = eq.datasets.make_coupon_world(10, metrics=("conversion",))
    >>> policy.scorer.assign(strangers.table).num_rows
    10
    """
    keys = policy_keys(policy)
    objective = objective_of(keys, log, currency)
    effects, estimator = _effects_or_estimator(effects, estimator, keys)
    if propensity is not None:
        _same_closed(log, propensity)
    fold = log_folds(log, cv, random_state)
    model: Model | None = None
    swapped: tuple[Swapped, ...] = ()
    learner, design = None, ""
    if propensity is None:
        learner, design = design_in_python(log, undesigned, random_state)
    if effects is None:
        fit = _fit(
            log, estimator, fold, learner if propensity is None else propensity, keys, random_state
        )
        effects, model, swapped = fit.effects, fit.model, fit.swapped
    task, costs = make_policy_task(keys, log, effects, fold, currency, swapped=swapped)
    probability = propensity_of(log) if propensity is None else propensity
    judged, checks = effects, []
    if learner is not None:
        learnt = learnt_propensity(log, fold, random_state)
        probability, judged = learnt.propensity, learnt.judged(log, effects)
        checks.append(learnt.check)
    judge = make_judge(log, judged, probability, costs, level, objective)
    solved = solve_folds(task, judge)
    shares = solved.shares(len(effects.candidates))
    checks.append(rows_behind(log, probability, shares))
    values, spend = judge.value(shares, swaps=solved.swaps)
    shipped, shipped_spend = judge.shipped(solved.ruled, fold)
    weighed = _cost_checked(keys, objective)
    untold = [check["summary"] for check in checks if check["status"] == "fail"]
    return HonestPolicy(
        policy=solved.policy,
        scorer=_scorer(model, log, costs, solved, task, keys),
        choice=solved.choice,
        shares=dict(zip(log.cell_names, shares.mean(axis=0).tolist(), strict=True)),
        values=values,
        spend=spend,
        demands=solved.rows,
        gap=solved.gap,
        shipped=shipped,
        shipped_spend=shipped_spend,
        design=design,
        untold=untold,
        verdict=_verdict(judge, task, solved, (values, spend), [*checks, *weighed]),
        rules=readable_rule(keys.rules, task, judge, log, solved),
        swaps=solved.swaps,
        rows_digest=rows_digest(log),
    )


def _verdict(
    judge: Judge,
    task: PolicyTask,
    solved: Solved,
    value: tuple[dict[str, Interval], Interval],
    checks: list[Check],
) -> str:
    """Whether to do it, by the rule of the report.   value: gains and cost of the choices."""
    shares = solved.shares(len(task.effects.candidates))
    treated = float((solved.choice >= 0).mean())
    chosen = {"values": value[0], "spend": value[1], "treated": treated}
    policy: dict[str, Any] = {"weights": task.weights, "demands": solved.rows}
    policy |= weighing(task, solved.choice, judge.weight)
    objective = judge.objective(shares, task.weights, solved.swaps)
    findings: dict[str, Any] = {
        "rivals": [chosen],
        "experiment": {"checks": checks},
        "policy": policy if objective is None else {**policy, "objective": objective},
    }
    money = {} if judge.money is None else {"money": {"metric": judge.money.name}}
    return verdict_of({**findings, **money})


def _scorer(
    model: Model | None, log: Log, costs: Costs, solved: Solved, task: PolicyTask, keys: PolicyPlan
) -> Scorer | None:
    """What serves units never seen, where there is a model."""
    staying = staying_of(keys, None, log)
    return None if model is None else ship(log, model, costs, solved, task, staying)


def _cost_checked(keys: PolicyPlan, objective: Objective) -> list[Check]:
    """What weighs the cost of offers, as checks; a warning where nothing does."""
    checks = cost_checks(keys, objective)
    for check in checks:
        if check["status"] == "warn":
            warnings.warn(check["summary"], CostWarning, stacklevel=user_level())
    return checks


def _same_closed(log: Log, propensity: Floats) -> None:
    """Refuse propensities that close other arms than the log does."""
    open_to = np.ones(np.shape(propensity), np.bool_) if log.eligible is None else log.eligible
    other = (np.asarray(propensity) > 0) != open_to
    if other.any():
        row, a = (int(i) for i in np.argwhere(other)[0])
        fix = "say in the log which arms are open: eligible=, or its own propensities"
        must = "be 0 where the log says that the arm is closed, and nowhere else"
        got = f"{np.asarray(propensity)[row, a]:g}"
        raise InputError("propensity", must, got, f"row {row}, cell {a}", fix)


def _effects_or_estimator(
    effects: Effects | None, estimator: Any, keys: PolicyPlan
) -> tuple[Effects | None, Any]:
    """One of the two, the other None."""
    if isinstance(estimator, Effects):
        table, estimator = estimator, None
        if effects is not None:
            raise InputError("effects", "be given once", "two of them", fix="leave effects= out")
        effects = table
    if (effects is None) == (estimator is None):
        got = "neither" if effects is None else "both"
        fix = "give an estimator such as XLearner() for a policy that serves units never seen"
        raise InputError(
            "honest_policy", "have an estimator or effects=, one of them", got, fix=fix
        )
    if effects is not None and own_groups(keys):
        fix = "give the estimator in place of effects"
        raise PlanError("a group's own model", "have an estimator", "effects=", "limits", fix)
    return effects, estimator


def _fit(
    log: Log, estimator: Any, fold: Ints, propensity: Any, keys: PolicyPlan, seed: int
) -> CrossFit:
    """The estimator fitted across folds, after names that the policy has wrong are refused."""
    check_policy(keys, log)
    ready = with_space(estimator, log.space)
    if keys.lower > 0:
        ready = with_std_error(ready, RunPlan().replicates, seed)
    return cross_fit(log, ready, fold, propensity, own=own_groups(keys), cost=keys.cost)
