"""X-learner: impute each unit's effect with the other arm's model, regress it, and combine both
sides by the propensity.

For candidate a, with levels mu_0 and mu_a learnt from the rows of their cells (Kuenzel, Sekhon,
Bickel & Yu, PNAS 2019):

    rows of a        D = y - mu_0(x)   ->  tau_a1(x)
    rows of control  D = mu_a(x) - y   ->  tau_a0(x)
    tau_a(x) = g_a(x) tau_a0(x) + (1 - g_a(x)) tau_a1(x),   g_a = e_a / (e_a + e_0),   e the
    propensity at x

Where propensities are one for all rows g is their ratio; where they vary, g is learnt from them, or
e by the model that was given, since new units bring none: the side whose own model saw more units
like x counts for less, and the mean of e would lean on models of units that hardly exist there.

A row is imputed by a model that learnt from other cells only: no model has seen the row it imputes,
and folds would add nothing. Any number of arms: the control rows and mu_0 serve every candidate;
rows of third arms hold no outcome under a or control, and their imputation would only repeat mu_a -
mu_0, the T-learner's answer, so they do not enter tau_a.

Many arms of few rows each would make models of noise: there the default models learn what arms have
in common from all rows, and what each adds from its own (`learners.many_arms`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from equipoise.core.arrays import Floats, Ints
from equipoise.core.deprecation import renamed_arguments
from equipoise.core.folds import fold_ids
from equipoise.core.space import Space
from equipoise.estimators.base import EffectEstimator, by_cell, finite_cells, propensities
from equipoise.estimators.contributions import Part
from equipoise.estimators.design import effect_table
from equipoise.estimators.meta.dr import fold_mean
from equipoise.estimators.modifiers import columns_of
from equipoise.estimators.training_data import Sample
from equipoise.estimators.tree_sums import Term, TreeSum, TreeSums, mean_of_folds, single
from equipoise.learners.base_learners import (
    MANY,
    BoostedTrees,
    base_models,
    default_effect,
    default_outcome,
    effect_models,
    predict_all,
)
from equipoise.learners.crossfit import learn_each
from equipoise.learners.many_arms import STOP, Levels, SplitEffects, are_many, split_effects
from equipoise.learners.propensity import LearntPropensity
from equipoise.learners.tables import Rows, Table

PROPENSITY_FOLDS = 3  # of a propensity that is learnt
FOLDS, FOLDS_OF_MANY = 4, 3  # of early stopping, in a cell of some rows and of many
# the mean of four models of 3/4 of the rows bears long steps: from so many rows a cell, where time
# counts, of levels and of effects; settings were chosen on simulators with known effects
ENOUGH = 7_000
LONG = {"min_child_samples": 60, "early_stopping_rounds": 7}
LEVEL, EFFECT = LONG | {"learning_rate": 0.4}, LONG | {"learning_rate": 0.3}
# of g, which has no noise where the propensity is known, so that some rows tell it
MIX, MIX_ROWS = BoostedTrees(n_estimators=20, learning_rate=0.3, num_leaves=16), 20_000
SAME = 1e-9  # propensities that differ by less are one


@renamed_arguments(outcome="outcome_model", effect="effect_model", seed="random_state")
class XLearner(EffectEstimator):
    """Two effect models per candidate and metric, from imputed effects.

    Parameters
    ----------
    outcome_model : regressor or classifier, optional
        Of the levels; a classifier for 0/1 outcomes; None for boosted trees.
    effect_model : regressor, optional
        Of the imputed effects; None for boosted trees.
    modifiers : sequence of str or int, optional
        The features (names or positions) that the effect varies with; None is all of them.  The
        others are controls: levels and propensity count them, the effect does not.
    space : Space, optional
        What can be done to a unit; None for labels 0 and 1.
    random_state : int, default 0
        Of the folds of a learnt propensity, and of base models that are random.
    transform : transformer or Pipeline, optional
        Scikit-learn's, of the features; a clone is fitted on each fold's training rows.

    References
    ----------
    Künzel, Sekhon, Bickel & Yu (2019), "Metalearners for estimating heterogeneous treatment effects
    using machine learning", PNAS.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> X, t = np.arange(12.0)[:, None], np.arange(12) % 2
    >>> learner = XLearner(LinearRegression(), LinearRegression())
    >>> learner.fit(X, X[:, 0] + 3 * t, treatment=t).effects([[2.0]]).values.round(6).tolist()
    [[[3.0]]]
    """

    takes = "finite: Arms, or Dose by its bins"
    unit_free = True

    def __init__(
        self,
        outcome_model: Any = None,
        effect_model: Any = None,
        *,
        modifiers: Sequence[str] | Sequence[int] | None = None,
        space: Space | None = None,
        random_state: int = 0,
        transform: Any = None,
    ) -> None:
        self.outcome_model = outcome_model
        self.effect_model = effect_model
        self.modifiers = modifiers
        self.space = space
        self.random_state = random_state
        self.transform = transform

    def _learn(self, data: Sample) -> None:
        table, cells = data.table(), 1 + len(self.space_.candidates())
        base_models(self.outcome_model, self.effect_model, table, cells)  # checked
        cell = finite_cells(self.space_, data, least=2)
        self.modifiers_, of_effect = effect_table(self.modifiers, table)
        self.split_: SplitEffects | None = None
        if are_many(len(data), cells) and self.outcome_model is None is self.effect_model:
            self.split_ = self._split(data, table, of_effect, cell, cells)
            return
        rows = [Rows(table, np.flatnonzero(cell == a)) for a in range(cells)]
        some = rows if of_effect is table else [Rows(of_effect, part.index) for part in rows]
        folds = self._stopping_folds(data, cell, rows)
        weights = [None if data.weight is None else part.of(data.weight) for part in rows]

        def regress(model: Any, a: int, target: Floats, parts: list[Rows] = rows) -> Any:
            return learn_each(model, parts[a], target, weights[a], self.random_state, folds[a])

        models = [self._models(len(part.of(cell))) for part in rows]
        effects = [
            effect_models(models[a][1], part.of(data.y), part.of(cell), (a,))
            for a, part in enumerate(rows)
        ]
        levels = [regress(models[a][0], a, rows[a].of(data.y)) for a in range(cells)]
        self.levels_ = levels[0]
        self.treated_, self.control_ = [], []
        for a in range(1, cells):
            own = rows[a].of(data.y) - predict_all(levels[0], data.X, rows[a].index).T
            back = predict_all(levels[a], data.X, rows[0].index).T - rows[0].of(data.y)
            self.treated_.append(regress(effects[a], a, own, some))
            self.control_.append(regress(effects[0], 0, back, some))
        known = data.propensity
        learner = clone(known) if isinstance(known, LearntPropensity) else None
        fold = self._folds(data, cell, PROPENSITY_FOLDS)
        given = data if learner is None else replace(data, propensity=learner)
        e = propensities(given, cell, cells, fold)
        if learner is not None and data.raw is not None:  # now by the features of new units
            learner.cross_fit(data.X, cell, cells, fold=fold, weight=data.weight)
        self.mix_ = _mix(np.average(e, axis=0, weights=data.weight)[None])[0]
        # of features that are controls nothing is asked
        self.propensity_, self.mixes_ = learner if of_effect is table else None, []
        if self.propensity_ is None and (np.ptp(e, axis=0) > SAME).any():
            # new units bring no propensity, so that what it makes is learnt
            asked = Rows(of_effect, np.arange(0, len(data), max(1, len(data) // MIX_ROWS)))
            weight = None if data.weight is None else asked.of(data.weight)
            self.mixes_ = learn_each(MIX, asked, asked.of(_mix(e)), weight)

    def _split(
        self, data: Sample, table: Table, of_effect: Table, cell: Ints, cells: int
    ) -> SplitEffects:
        """Effects of many arms, each from few rows."""
        fold = self._folds(data, cell, FOLDS_OF_MANY)
        setup = Levels(table, data.y, cell, cells, fold, data.weight, self.random_state)
        effect = default_effect(len(data) / cells).set_params(early_stopping_rounds=STOP)
        return split_effects(default_outcome(len(data)), effect, setup, of_effect)

    def _models(self, rows: int) -> tuple[Any, Any]:
        """The models of the level and of the effect of a cell of so many rows."""
        outcome, effect = default_outcome(rows), default_effect(rows)
        if rows >= ENOUGH:
            outcome.set_params(**LEVEL)
            effect.set_params(**EFFECT, num_leaves=16 if rows >= MANY else 8)
        return (
            outcome if self.outcome_model is None else self.outcome_model,
            effect if self.effect_model is None else self.effect_model,
        )

    def _stopping_folds(self, data: Sample, cell: Ints, rows: list[Rows]) -> list[Ints]:
        """The folds of early stopping of each cell's rows."""
        split = {k: self._folds(data, cell, k) for k in (FOLDS, FOLDS_OF_MANY)}
        return [
            part.of(split[FOLDS_OF_MANY if len(part.of(cell)) >= MANY else FOLDS]) for part in rows
        ]

    def _folds(self, data: Sample, cell: Ints, folds: int) -> Ints:
        """The fold of each row, (n,)."""
        return fold_ids(len(data), folds, self.random_state, strata=cell, groups=data.groups)

    def _answer(self, X: Floats, treatment: NDArray[Any]) -> tuple[Floats, Floats, None]:
        split: SplitEffects | None = getattr(self, "split_", None)  # 0.2.0 had none
        if split is not None:
            return self._sum(split, X, treatment)
        # a snapshot of before has the mean only
        learnt, mixes = getattr(self, "propensity_", None), getattr(self, "mixes_", [])
        some = columns_of(X, getattr(self, "modifiers_", None))
        mix = self.mix_[None] if learnt is None else _mix(learnt.predict(X))
        if mixes:
            mix = np.clip(predict_all(mixes, some).T, 0, 1)

        def effect(a: int) -> Floats:
            models = [*self.control_[a], *self.treated_[a]]
            sides = predict_all(models, some).reshape(2, -1, len(X))
            blend: Floats = mix[:, a] * sides[0] + (1 - mix[:, a]) * sides[1]
            return blend.T

        baseline = np.ascontiguousarray(predict_all(self.levels_, X).T)
        return by_cell(self.space_.cells(treatment), effect, baseline.shape), baseline, None

    def _sum(
        self, split: SplitEffects, X: Floats, treatment: NDArray[Any]
    ) -> tuple[Floats, Floats, None]:
        """What all arms have in common, and what those asked for add."""
        some, m = columns_of(X, self.modifiers_), len(self.metrics_)
        cells = self.space_.cells(treatment)
        asked = np.unique(cells[cells > 0]) - 1
        own = [model for a in asked for model in split.own[a]]
        each = predict_all([*split.common, *own], some)
        common = each[:m].T

        def effect(a: int) -> Floats:
            first = m * (1 + int(np.searchsorted(asked, a)))
            total: Floats = common + each[first : first + m].T
            return total

        baseline = fold_mean(split.levels, X) - common
        return by_cell(cells, effect, baseline.shape), baseline, None

    def _tree_sums(self) -> TreeSums | None:
        split: SplitEffects | None = getattr(self, "split_", None)
        some, cells = getattr(self, "modifiers_", None), self.space_.cells(self.space_.candidates())
        if split is not None:
            common = [Term(1.0, trees, some) for trees in split.common]
            baseline = [
                replace(one, after=[term._replace(times=-1.0)])
                for one, term in zip(mean_of_folds(split.levels), common, strict=True)
            ]
            effects = [
                [
                    TreeSum([term, Term(1.0, trees, some)])
                    for term, trees in zip(common, split.own[a - 1], strict=True)
                ]
                for a in cells
            ]
            return TreeSums(baseline, effects)
        if getattr(self, "propensity_", None) is not None or getattr(self, "mixes_", []):
            return None  # shares that vary from row to row
        sides = [
            (float(g), back, own)
            for g, back, own in zip(self.mix_, self.control_, self.treated_, strict=True)
        ]
        effects = [
            [
                TreeSum([Term(g, one, some), Term(1 - g, other, some)])
                for one, other in zip(back, own, strict=True)
            ]
            for g, back, own in (sides[a - 1] for a in cells)
        ]
        return TreeSums(single(self.levels_), effects)

    def _effect_parts(self) -> list[list[list[Part]]]:
        """The trees of both sides in their shares, for each candidate and metric; none where the
        shares vary from row to row, for the effect is then no sum of trees.
        """
        split: SplitEffects | None = getattr(self, "split_", None)
        if split is not None:
            columns = self.modifiers_
            return [
                [
                    [Part(1.0, common, columns), Part(1.0, own, columns)]
                    for common, own in zip(split.common, of_arm, strict=True)
                ]
                for of_arm in split.own
            ]
        if getattr(self, "propensity_", None) is not None or getattr(self, "mixes_", []):
            return []
        some = getattr(self, "modifiers_", None)
        return [
            [
                [Part(float(g), back, some), Part(1 - float(g), own, some)]
                for back, own in zip(control, treated, strict=True)
            ]
            for g, control, treated in zip(self.mix_, self.control_, self.treated_, strict=True)
        ]


def _mix(e: Floats) -> Floats:
    """g_a of every candidate, (n, k).   e: (n, K)."""
    mix: Floats = e[:, 1:] / (e[:, 1:] + e[:, :1])
    return mix
