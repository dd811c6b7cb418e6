"""SparseDML: linear double machine learning whose effect varies with few of many features.

Where features are many, least squares spends the log on coefficients that are nothing: intervals
are wide, and with more coefficients than rows there is no answer.  A lasso finds the few, and a
correction that no choice of theirs moves gives intervals.  It is `LinearDML` with
``shrink="lasso"``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from equipoise.core.deprecation import renamed_arguments
from equipoise.core.space import Space
from equipoise.estimators.dml.linear import LinearDML


@renamed_arguments(outcome="outcome_model", folds="cv", seed="random_state")
class SparseDML(LinearDML):
    """Double machine learning, linear in the treatment's encoding and sparse in the features.

    Parameters
    ----------
    outcome_model : regressor, optional
        For E[Y | x]; None as ``nuisances`` says.
    treatment_model : regressor, optional
        For E[phi | x]; None is the known propensities, or as ``nuisances`` says.
    space : Space, optional
        What can be done to a unit; None for labels 0 and 1.
    modifiers : sequence of str or int, optional
        The features (names or positions) that the effect may vary with; None is all of them.
    cross_modifiers : sequence of str or int, default ()
        The same for columns of the encoding that are products of switches.
    cv : int, default 5
        Folds, of cross-fitting and of the choice of the penalty.
    alpha : float, default 1.0
        The penalty of the nuisances' ridge, on standardised features.
    random_state : int, default 0
        Of the folds and of base models that are random.
    transform : transformer or Pipeline, optional
        Scikit-learn's, of the features; a clone is fitted on each fold's training rows.
    debias : bool, default True
        Whether effects are debiased and have standard errors.  False gives those of the lasso, for
        choosing: of less error, but biased and without standard errors.
    nuisances : {"ridge", "lasso", "boosted", "auto"}, default "lasso"
        As of `LinearDML`; a lasso of the shared Gram matrix, for ridges of many features overfit.

    Attributes
    ----------
    lasso_theta_ : array, (p, q, m)
        The coefficients before they are debiased, in the units of ``theta_``: those that are 0 were
        left out.

    References
    ----------
    Semenova, Goldman, Chernozhukov & Taddy (2023), Quantitative Economics 14; van de Geer,
    Bühlmann, Ritov & Dezeure (2014), Annals of Statistics 42.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X, t = rng.normal(size=(2000, 50)), rng.integers(2, size=2000)
    >>> y = X[:, 0] + t * (1 + X[:, 1]) + rng.normal(size=2000)
    >>> model = SparseDML().fit(X, y, treatment=t)
    >>> model.effects(np.eye(50)[:3]).std_error.shape
    (3, 1, 1)
    >>> (model.lasso_theta_[0, [2, 3, 4], 0] != 0).tolist()
    [True, False, False]
    """

    shrink = "lasso"
    own = False

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
        debias: bool = True,
        nuisances: str = "lasso",
    ) -> None:
        self.outcome_model = outcome_model
        self.treatment_model = treatment_model
        self.space = space
        self.modifiers = modifiers
        self.cross_modifiers = cross_modifiers
        self.cv = cv
        self.alpha = alpha
        self.random_state = random_state
        self.transform = transform
        self.debias = debias
        self.nuisances = nuisances
