"""What the chosen policy is worth in money, net of what it costs: per head, and in all."""

from __future__ import annotations

from collections.abc import Mapping

from equipoise.pipeline.study.study import Study
from equipoise.report.findings import MoneyFindings, Rival
from equipoise.report.verdict import NOT_KNOWN, verdict


def money_findings(
    study: Study, chosen: Rival, stops: float | None, told: bool = True
) -> Mapping[str, MoneyFindings]:
    """The key "money" of the findings; nothing where the objective is not in money.

    Parameters
    ----------
    study : Study
        Whose objective counts.
    chosen : Rival
        The chosen policy's value.
    stops : float or None
        The cost per head at which the next offer stops paying.
    told : bool, default True
        Whether the log can tell what a policy is worth.

    Returns
    -------
    mapping
        Empty, or one key.
    """
    money, objective = study.judge.money, study.objective
    if money is None:
        return {}
    net = chosen["values"][money.name]
    people = study.plan.report.population or len(study.log)
    return {
        "money": {
            "metric": money.name,
            "currency": objective.currency,
            "objective": objective.in_words(),
            "costs": bool(objective.cost_weight),
            "net": net,
            "people": people,
            "total": [people * end for end in net],
            "verdict": verdict(net, chosen["treated"]) if told else NOT_KNOWN,
            "stops": stops,
        }
    }
