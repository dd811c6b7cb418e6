"""What the chosen policy is worth in money, net of what it costs: per head, and in all."""

from __future__ import annotations

from collections.abc import Mapping

from equipoise.pipeline.study.evaluator import one_hot
from equipoise.pipeline.study.policy import Solved
from equipoise.pipeline.study.study import Study
from equipoise.pipeline.study.swaps import unknown_swaps
from equipoise.report.findings import Interval, MoneyFindings, Rival
from equipoise.report.verdict import NOT_KNOWN, verdict


def money_findings(
    study: Study, solved: Solved, chosen: Rival, stops: float | None, told: bool = True
) -> Mapping[str, MoneyFindings]:
    """The key "money" of the findings; nothing where the objective is not in money.

    Parameters
    ----------
    study : Study
        Whose objective counts.
    solved : Solved
        The chosen policy.
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
            "held": solved.held,
            "folds": int(study.fold.max()) + 1,
            "models": _by_models(study, solved),
        }
    }


def _by_models(study: Study, solved: Solved) -> Interval | None:
    """The net worth of what the models alone would offer, where it is held back in some folds."""
    if solved.models is None or study.judge.money is None:
        return None
    policy = one_hot(solved.models, len(study.effects.candidates))
    swaps = unknown_swaps(int(study.fold.max()) + 1, float((solved.models >= 0).mean()))
    return study.judge.value(policy, swaps=swaps)[0][study.judge.money.name]
