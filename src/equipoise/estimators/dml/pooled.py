"""PooledDML: linear double machine learning whose effects are shrunk by two penalties.

Where treatments are many and alike (schedules of red packets, arms of a menu), what a treatment
does on average is far surer than how that varies with the features.  One penalty for the averages
and another for their interactions with x, both chosen on held-out rows, halve the error of the
effects where least squares, or a learner of each treatment apart, spends the log on the
interactions.  It is `LinearDML` with ``shrink="auto"``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from equipoise.core.deprecation import renamed_arguments
from equipoise.core.space import Space
from equipoise.estimators.dml.linear import LinearDML


@renamed_arguments(outcome="outcome_model", folds="cv", seed="random_state")
class PooledDML(LinearDML):
    """Double machine learning, linear in the treatment's encoding and in the features, shrunk.

    It serves any space that encodes its treatments, also one with more columns than the logged
    treatments tell apart; effects of logged treatments are measured, all others follow the form of
    the encoding.  Standard errors are refused, for shrunk effects are biased: `Bootstrapped` tells
    their spread.

    Parameters
    ----------
    outcome_model : regressor, optional
        For E[Y | x]; None is the ridge regression of the shared Gram matrix.
    treatment_model : regressor, optional
        For E[phi | x]; None is the same ridge, or the known propensities.
    space : Space, optional
        What can be done to a unit; None for labels 0 and 1.
    modifiers : sequence of str or int, optional
        The features (names or positions) that the effect varies with; None is all of them.
    cross_modifiers : sequence of str or int, default ()
        The same for columns of the encoding that are products of switches.
    cv : int, default 5
        Folds, of cross-fitting and of the choice of penalties.
    alpha : float, default 1.0
        The penalty of the nuisances' ridge, on standardised features.
    random_state : int, default 0
        Of the folds and of base models that are random.
    transform : transformer or Pipeline, optional
        Scikit-learn's, of the features; a clone is fitted on each fold's training rows.
    shrink : {"auto", None}, default "auto"
        As of `LinearDML`.
    own : bool, default False
        Whether each logged treatment also has a deviation of its own from the encoding's form.
    nuisances : {"ridge", "lasso", "boosted", "auto"}, default "ridge"
        As of `LinearDML`.

    References
    ----------
    Robinson (1988); Chernozhukov et al. (2018), arXiv:1608.00060; Hoerl & Kennard (1970), Ridge
    regression, Technometrics 12.

    Examples
    --------
    >>> import numpy as np
    >>> from equipoise.treatments import Arms
    >>> rng = np.random.default_rng(0)
    >>> X, t = rng.normal(size=(3000, 5)), rng.integers(3, size=3000)
    >>> y = X[:, 0] + 0.5 * (t == 1) + rng.normal(size=3000)
    >>> model = PooledDML(space=Arms([0, 1, 2])).fit(X, y, treatment=t)
    >>> model.effects(X).values.mean(axis=0)[:, 0].round(1).tolist()
    [0.5, 0.0]
    """

    def __init__(
        self,
        outcome_model: Any = None,
        treatment_model: Any = None,
        *,
        space: Space | None = None,
        modifiers: Sequence[str] | Sequence[int] | None = None,
        cross_modifiers: Sequence[str] | Sequence[int] | None = (),
        cv: int = 5,
        alpha: float = 1.0,
        random_state: int = 0,
        transform: Any = None,
        shrink: str | None = "auto",
        own: bool = False,
        nuisances: str = "ridge",
    ) -> None:
        super().__init__(
            outcome_model,
            treatment_model,
            space=space,
            modifiers=modifiers,
            cross_modifiers=cross_modifiers,
            cv=cv,
            alpha=alpha,
            random_state=random_state,
            transform=transform,
            shrink=shrink,
            own=own,
            nuisances=nuisances,
        )
