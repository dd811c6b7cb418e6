"""Generalised propensity score: the level as a quadratic of the dose and of its conditional
density.

    t | x ~ N(a + b' x, s^2),   g(t, x) its density        E[Y | t, x] = c_0 + c_1 t + c_2 t^2 + c_3
    g + c_4 g^2 + c_5 t g

Averaged over rows at a fixed dose this is the dose-response.  A row's own answer is a step on the
way there, no more: it knows of the row only how likely the dose was.  The density is symmetric: it
cannot tell a dose above what was expected from one below, so where the outcome rises or falls with
what raises the dose, little of the confounding goes away.

    Hirano and Imbens (2004), "The propensity score with continuous treatments".
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.core.arrays import Floats
from equipoise.core.deprecation import renamed_arguments
from equipoise.core.errors import InputError
from equipoise.core.space import Space
from equipoise.estimators.base import EffectEstimator, complete
from equipoise.estimators.training_data import Sample


@renamed_arguments(seed="random_state")
class GPS(EffectEstimator):
    """The generalised propensity score, as a baseline for nets and trees of a dose.

    Features may not be missing.

    Parameters
    ----------
    ridge : float, default 1.0
        The penalty of the model of the dose, on standardised features, in rows.
    space : Space, default None
        A Dose, which must be given.
    random_state : int, default 0
        Kept for the contract; nothing is random.
    transform : transformer or Pipeline, optional
        Scikit-learn's, of the features; a clone is fitted on each fold's training rows.

    References
    ----------
    Hirano & Imbens (2004), "The propensity score with continuous treatments".

    Examples
    --------
    >>> from equipoise.treatments import Dose
    >>> rng = np.random.default_rng(0)
    >>> X, dose = rng.normal(size=(500, 1)), rng.uniform(0, 2, 500)
    >>> learner = GPS(space=Dose(0, 2)).fit(X, 2 * dose, treatment=dose)
    >>> learner.effects([[0.0]], [1.0]).values.round(6).tolist()
    [[[2.0]]]
    """

    takes = "an interval of amounts: Dose"
    takes_gaps = False
    unit_free = True

    def __init__(
        self,
        ridge: float = 1.0,
        *,
        space: Space | None = None,
        random_state: int = 0,
        transform: Any = None,
    ) -> None:
        self.ridge = ridge
        self.space = space
        self.random_state = random_state
        self.transform = transform

    def _learn(self, data: Sample) -> None:
        if not (np.isfinite(self.ridge) and self.ridge >= 0):
            raise InputError("ridge", "be a number >= 0", self.ridge)
        dose = self.space_.dose(data.treatment)
        if dose.min() == dose.max():
            raise InputError(
                "the dose", "vary", f"{dose[0]:g} in every row", fix="log at least two amounts"
            )
        complete(data.X, data.features)
        w = np.ones(len(data)) if data.weight is None else data.weight / data.weight.mean()
        self.centre_ = np.average(data.X, axis=0, weights=w)
        spread = np.sqrt(np.average((data.X - self.centre_) ** 2, axis=0, weights=w))
        self.scale_ = np.where(spread > 0, spread, 1.0)
        Z = self._features(data.X)
        penalty = self.ridge * np.diag(np.r_[0.0, np.ones(Z.shape[1] - 1)])
        self.dose_ = np.linalg.solve(Z.T @ (w[:, None] * Z) + penalty, Z.T @ (w * dose))
        miss = dose - Z @ self.dose_
        self.spread_ = max(
            float(np.sqrt(np.average(miss**2, weights=w))), 1e-9 * float(np.ptp(dose))
        )
        B = _basis(dose, miss / self.spread_)
        root = np.sqrt(w)[:, None]
        self.response_ = np.linalg.lstsq(root * B, root * data.y, rcond=None)[0]  # (6, m)

    def _features(self, X: Floats) -> Floats:
        return np.column_stack([np.ones(len(X)), (X - self.centre_) / self.scale_])

    def _answer(self, X: Floats, treatment: NDArray[Any]) -> tuple[Floats, Floats, None]:
        complete(X, self._encoded_names)
        amounts = np.append(
            self.space_.dose(np.asarray([self.space_.control])), self.space_.dose(treatment)
        )
        expected = self._features(X) @ self.dose_
        level = np.stack(
            [
                _basis(np.full(len(X), t), (t - expected) / self.spread_) @ self.response_
                for t in amounts
            ],
            axis=1,
        )
        return level[:, 1:] - level[:, :1], level[:, 0].copy(), None


def _basis(t: Floats, z: Floats) -> Floats:
    """(n, 6).   z: the dose less its expectation, in its spread; the density up to a constant."""
    g = np.exp(-(z**2) / 2)
    return np.column_stack([np.ones(len(t)), t, t**2, g, g**2, t * g])
