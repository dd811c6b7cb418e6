"""Money: what the objective is made of, and whether costs are taken from it.

    a metric is money       where it has a worth, or its unit is the plan's currency (then worth 1)
    the objective           sum_j weight_j worth_j metric_j          worth_j = 1 where none is said
    it is net of cost       sum_j weight_j worth_j metric_j - cost   where a metric that it weighs
                                                                     is money, with or without a
                                                                     budget

Weights of metrics that are no money are then money per unit.  Without weights the objective is all
metrics with a worth, else the first metric alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from equipoise.core.checks import Check
from equipoise.core.currencies import currency_code, same_money
from equipoise.core.errors import PlanError
from equipoise.core.log import Log, Outcome
from equipoise.pipeline.plan.constraints import weights_of
from equipoise.pipeline.plan.schema import PolicyPlan

CHECK = "cost"


class CostWarning(UserWarning):
    """Offers have a cost that nothing weighs: no metric is money, and there is no budget.

    Examples
    --------
    >>> issubclass(CostWarning, UserWarning)
    True
    """


@dataclass(frozen=True)
class Objective:
    """What a policy makes as large as it can.

    Attributes
    ----------
    weights : dict of str to float
        The worth of one unit of each metric of the log, negative where lower is better.
    currency : str
        The name of the money that costs are in; "" where there is none.
    is_money : bool
        Whether the weights are in that money.
    cost_weight : float
        What a unit of cost takes from it: 1 where it is money and offers have costs, else 0.

    Examples
    --------
    >>> Objective({"sales": 10.0, "visits": 0.0}, "EUR", True, 1.0).in_words()
    '10 x sales - cost'
    """

    weights: dict[str, float]
    currency: str = ""
    is_money: bool = False
    cost_weight: float = 0.0

    def in_words(self) -> str:
        """The sum that it is.

        Returns
        -------
        str
            As ``10 x sales - cost``.
        """
        terms = [(w, f"{abs(w):g} x {name}") for name, w in self.weights.items() if w]
        terms += [(-1.0, "cost")] if self.cost_weight else []
        return " ".join(("- " if w < 0 else "+ ") + term for w, term in terms).removeprefix("+ ")


def currency_of(policy: PolicyPlan, log: Log, said: str = "") -> str:
    """The name of the money of a plan: what it says, else the unit of a dose that is the cost, else
    the one currency that its metrics are in; "" where it has no money.
    """
    worth = any(outcome.worth is not None for outcome in log.roles.outcomes)
    if said or (policy.cost is None and not worth):
        return said
    if policy.cost == "dose":
        return str(log.space.to_json().get("unit", "")) or "units of cost"
    units = {currency_code(o.unit): o.unit for o in log.roles.outcomes if currency_code(o.unit)}
    if len(units) == 1:
        return next(iter(units.values()))
    return "units of money" if worth else "units of cost"


def objective_of(policy: PolicyPlan, log: Log, said: str = "") -> Objective:
    """The objective of a plan whose [report] says this currency."""
    weights, currency = weights_of(policy, log), currency_of(policy, log, said)
    counted = [outcome for outcome in log.roles.outcomes if weights[outcome.name]]
    if not any(_is_money(outcome, currency) for outcome in counted):
        return Objective(weights, currency)
    for outcome in counted:
        if not _is_money(outcome, currency) and currency_code(outcome.unit):
            what, got = f"the metric {outcome.name!r}", f"unit {outcome.unit!r}"
            fix = f"say its worth: what one {outcome.unit} of it is in {currency}"
            raise PlanError(what, f"be in {currency}, as the objective is", got, "[log]", fix)
    return Objective(weights, currency, True, 0.0 if policy.cost is None else 1.0)


def money_metrics(policy: PolicyPlan, log: Log, said: str = "") -> list[str]:
    """The metrics by which, where any of them is weighed, the objective is money, net of cost; none
    where offers have no cost.
    """
    if policy.cost is None:
        return []
    currency = currency_of(policy, log, said)
    return [outcome.name for outcome in log.roles.outcomes if _is_money(outcome, currency)]


def cost_checks(policy: PolicyPlan, objective: Objective) -> list[Check]:
    """What weighs the cost of offers: a warning where nothing does; none without a cost."""
    if policy.cost is None:
        return []
    if objective.cost_weight:
        summary = f"The objective is in {objective.currency}, net of cost: {objective.in_words()}."
        return [{"name": CHECK, "status": "ok", "summary": summary, "rows": []}]
    if policy.budget is not None or policy.group_budgets:
        return []
    first = next(name for name, weight in objective.weights.items() if weight)
    summary = (
        "Nothing weighs the cost of offers: the objective is not in money, and there is no budget,"
        f" so an offer may cost more than it brings. Say what one “{first}” is worth,"
        f" worth = ... of the metric, or a budget."
    )
    return [{"name": CHECK, "status": "warn", "summary": summary, "rows": []}]


def _is_money(outcome: Outcome, currency: str) -> bool:
    return outcome.worth is not None or same_money(outcome.unit, currency)
