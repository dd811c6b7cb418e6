"""WeightedProduct: prod_m (alpha_m + p_m)^w_m, its weights searched."""

from __future__ import annotations

from typing import Any

from equipoise.ranking.formulas.ensemble import FormulaEnsemble


class WeightedProduct(FormulaEnsemble):
    """The weighted product of the scores that ranks best.

    Parameters
    ----------
    trials : int, default 200
        Evaluations of the search.
    objective_weight : mapping or array, (M,), default None
        What each objective counts; None: all alike.
    scores : str, default "probability"
        What base scores are: "probability" or "number".
    random_state : int, default 0
        Of the search.

    Examples
    --------
    >>> p = [[0.1, 0.5], [0.2, 0.4], [0.3, 0.6], [0.4, 0.3]]
    >>> WeightedProduct(trials=10).fit(p, [0, 0, 1, 1]).score(p, [0, 0, 1, 1])
    1.0
    """

    def __init__(
        self,
        trials: int = 200,
        *,
        objective_weight: Any = None,
        scores: str = "probability",
        random_state: int = 0,
    ) -> None:
        self.trials = trials
        self.objective_weight = objective_weight
        self.scores = scores
        self.random_state = random_state

    @property
    def _competing(self) -> tuple[str, ...]:
        return ("product",)
