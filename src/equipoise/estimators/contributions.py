"""What each feature adds to a unit's predicted effect, exactly, where the effect is a sum of trees.

    effect_ij = base_j + sum_f contribution_ijf        Shapley values of the trees (TreeSHAP)

They are LightGBM's own of every tree; Shapley values of a sum or a difference of trees are the sum
or the difference of theirs, so an effect that is one arm's trees less control's has them too.

References
----------
Lundberg, Erion & Lee (2018), Consistent individualized feature attribution for tree ensembles.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from equipoise.core.arrays import Floats, Ints
from equipoise.learners.tree_scoring import Trees


@dataclass(frozen=True)
class Part:
    """Trees that an effect is made of: how often they count, and the columns of X that they see,
    (d',), None for all.
    """

    times: float
    trees: Any
    columns: Ints | None = None


@dataclass(frozen=True)
class Contributions:
    """What each feature adds to predicted effects.

    Attributes
    ----------
    values : array, (n, k, m, d)
        Of n units, k candidates, m metrics and d columns of X, in each metric's unit.
    base : array, (k, m)
        The mean effect that they are added to.

    Examples
    --------
    >>> Contributions(np.ones((2, 1, 1, 3)), np.ones((1, 1))).effects().ravel().tolist()
    [4.0, 4.0]
    """

    values: Floats
    base: Floats

    def effects(self) -> Floats:
        """What they add up to.

        Returns
        -------
        array, (n, k, m)
            The predicted effects.
        """
        whole: Floats = self.base + self.values.sum(axis=3)
        return whole


def effect_contributions(estimator: Any, X: Any) -> Contributions | None:
    """The exact Shapley values of a fitted estimator's effects.

    Parameters
    ----------
    estimator : estimator
        Fitted, such as `DRLearner`, `TLearner` or `XLearner` on boosted trees.
    X : frame or array, (n, d)
        The columns of fit.

    Returns
    -------
    Contributions or None
        None where effects are no sums of trees, as those of an `XLearner` whose propensity varies.

    Examples
    --------
    >>> from equipoise.estimators import BoostedTrees, TLearner
    >>> rng = np.random.default_rng(0)
    >>> X, t = rng.normal(size=(400, 2)), rng.integers(0, 2, 400)
    >>> learner = TLearner(BoostedTrees(5)).fit(X, t * X[:, 0], treatment=t)
    >>> parts = effect_contributions(learner, X)
    >>> bool(np.allclose(parts.effects(), learner.effects(X).values))
    True
    """
    made_of = getattr(estimator, "_effect_parts", None)
    if made_of is None or getattr(estimator, "open_models_", None) is not None:
        return None
    parts = made_of()
    trees = [part.trees for cell in parts for one in cell for part in one]
    if not trees or not all(isinstance(one, Trees) for one in trees):
        return None
    values, units = estimator._as_fitted(X), estimator.outcome_units
    k, m = len(parts), len(parts[0])
    added, base = np.zeros((len(values), k, m, values.shape[1])), np.zeros((k, m))
    known: dict[int, Floats] = {}  # control's trees count in every candidate's effect
    for a, cell in enumerate(parts):
        for j, one in enumerate(cell):
            for part in one:
                columns = np.arange(values.shape[1]) if part.columns is None else part.columns
                shap = known.get(id(part.trees))
                if shap is None:
                    shap = known[id(part.trees)] = _shapley(part.trees, values[:, columns])
                added[:, a, j, columns] += part.times * shap[:, :-1]
                base[a, j] += part.times * shap[0, -1]
    moved = units.effects(np.moveaxis(added, 2, -1))
    return Contributions(np.moveaxis(moved, -1, 2), units.effects(base))


def _shapley(trees: Trees, X: Floats) -> Floats:
    """LightGBM's contributions of each column and the base, (n, d + 1)."""
    import lightgbm  # here, since what only decides has no use for it

    booster = lightgbm.Booster(model_str=trees.text)
    shap: Floats = np.asarray(booster.predict(X, pred_contrib=True, num_threads=1), np.float64)
    return shap
