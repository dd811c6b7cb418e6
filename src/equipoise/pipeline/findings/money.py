"""What the objective is made of, where it is money."""

from __future__ import annotations

from collections.abc import Mapping

from equipoise.pipeline.study.evaluator import one_hot
from equipoise.pipeline.study.policy import Solved
from equipoise.pipeline.study.study import Study
from equipoise.pipeline.study.swaps import unknown_swaps
from equipoise.report.findings import Interval, MoneyFindings


def money_findings(
    study: Study, solved: Solved, stops: float | None
) -> Mapping[str, MoneyFindings]:
    """The key "money" of the findings; nothing where the objective is not in money.

    Parameters
    ----------
    study : Study
        Whose objective counts.
    solved : Solved
        The chosen policy.
    stops : float or None
        The cost per head at which the next offer stops paying.

    Returns
    -------
    mapping
        Empty, or one key.
    """
    money, objective = study.judge.money, study.objective
    if money is None:
        return {}
    return {
        "money": {
            "metric": money.name,
            "currency": objective.currency,
            "objective": objective.in_words(),
            "costs": bool(objective.cost_weight),
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
