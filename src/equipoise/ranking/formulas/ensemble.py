"""FormulaEnsemble: the formula of a kind that ranks best, searched; the safe fallback."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from equipoise.ranking.formulas.forms import FORMS
from equipoise.ranking.formulas.search import FormulaSearch


class FormulaEnsemble(FormulaSearch):
    """A weighted sum, product or fusion of ranks whose weights are searched for the best mean AUC.

    The search (TPE, Bergstra et al. 2011, by Optuna) begins with equal weights and with each score
    alone, so that it never ends below the best single score on the rows it is judged by: those of
    ``eval_set``, or else those of fit.

    Parameters
    ----------
    forms : sequence of str, default ("sum", "product", "rank")
        The formulas that compete; of scores that are no probabilities, "product" cannot.
    trials : int, default 200
        Evaluations of the search, divided among the forms.
    objective_weight : mapping or array, (M,), default None
        What each objective counts; None: all alike.
    scores : str, default "probability"
        What base scores are: "probability" or "number".
    random_state : int, default 0
        Of the search.

    Attributes
    ----------
    form_ : str
        The formula that won.
    parameters_ : array, (S,)
        Its weights.
    constants_ : array
        Its constants (see `ranking.formulas.forms`).
    seen_ : dict of str to array
        What fit saw of the scores: their means, spreads and quantiles.

    Examples
    --------
    >>> p = [[0.1, 0.5], [0.2, 0.4], [0.3, 0.6], [0.4, 0.3]]
    >>> FormulaEnsemble(trials=10).fit(p, [0, 0, 1, 1]).score(p, [0, 0, 1, 1])
    1.0
    """

    def __init__(
        self,
        forms: Sequence[str] = FORMS,
        trials: int = 200,
        *,
        objective_weight: Any = None,
        scores: str = "probability",
        random_state: int = 0,
    ) -> None:
        super().__init__(
            trials, objective_weight=objective_weight, scores=scores, random_state=random_state
        )
        self.forms = forms

    @property
    def _competing(self) -> Sequence[str]:
        return self.forms
