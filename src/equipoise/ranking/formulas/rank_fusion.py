"""RankFusion: sum_m w_m / (c + rank_m), its weights searched."""

from __future__ import annotations

from equipoise.ranking.formulas.search import FormulaSearch


class RankFusion(FormulaSearch):
    """The weighted fusion of the scores' ranks that ranks best.

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
    >>> RankFusion(trials=10).fit(p, [0, 0, 1, 1]).score(p, [0, 0, 1, 1])
    1.0
    """

    @property
    def _competing(self) -> tuple[str, ...]:
        return ("rank",)
