"""Base models: what learns a regression for an estimator from the rows of a `Table`.

A base model is `BoostedTrees` (LightGBM; the default) or any scikit-learn regressor or classifier
of a 0/1 outcome.  A `Table` bins the features once; every model of every fold, arm and metric
learns from the same binned rows and is asked about the same X.
"""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from sklearn.base import BaseEstimator, clone, is_classifier, is_regressor
from sklearn.utils import get_tags
from sklearn.utils.validation import has_fit_parameter

from equipoise.core.arrays import Floats, Ints
from equipoise.core.deprecation import renamed_arguments
from equipoise.core.errors import InputError
from equipoise.core.folds import fold_ids
from equipoise.learners.early_stopping import FOLDS, grow_together
from equipoise.learners.events import narrowed, rare_odds, rarest_odds, two_valued
from equipoise.learners.tables import Folds, Rows, Table, table_settings, threads_for
from equipoise.learners.tree_scoring import Trees, mean_of, predict_many

if TYPE_CHECKING:
    import lightgbm

# rows a cell from which the default models may learn more: measured on simulators with known
# effects
FEW, MANY = 5_000, 40_000
MOST_TREES, PATIENCE = 400, 10  # of the default models, which add trees while that helps
EVENTS = 8.0  # in a leaf of a default model, which knows a rate within a third of itself
MOST = {"n_estimators": 10**6, "num_leaves": 131_072, "max_bin": 255, "reg_lambda": 1e30}
CATEGORIES = ("ordered", "native")
MONOTONE = {None: 0, "increasing": 1, "decreasing": -1}


class Fitted(Protocol):
    """A learnt regression."""

    def predict(self, X: Floats) -> Floats:
        """Its mean, (n,)."""


def _at_least(value: Any, low: float) -> bool:
    """Whether a setting is a number that is large enough."""
    return isinstance(value, Real) and float(value) >= low


@renamed_arguments(
    trees="n_estimators",
    leaves="num_leaves",
    bins="max_bin",
    least="min_child_samples",
    shrink="reg_lambda",
    threads="n_jobs",
)
class BoostedTrees(BaseEstimator):  # type: ignore[misc]
    """Gradient boosted trees on binned features: LightGBM with squared loss.

    Squared loss serves every kind of outcome: the mean of a 0/1 outcome is its probability.
    Missing features are sent to the side of each split where they do less harm.

    Parameters
    ----------
    n_estimators : int, default 100
        How many steps of boosting.
    learning_rate : float, default 0.1
        The size of a step, > 0.
    num_leaves : int, default 31
        Leaves of a tree, at least 2.
    max_bin : int, default 127
        How finely it sees a feature, at most 255.
    min_child_samples : int, default 20
        The fewest rows of a leaf.
    reg_lambda : float, default 0.0
        Added to the weight of each leaf, in rows (L2).
    monotone : sequence of str, optional
        For each feature "increasing", "decreasing" or None; None for no constraint at all.
    n_jobs : int, default 0
        Threads; 0 and -1 take all, but one for a small table, where more would wait for each
        other; the numbers do not depend on it.
    min_child_events : float, default 0.0
        Of an outcome of two values: the fewest rows of the rarer one in a leaf, on average, each
        counted over the share of the other, so that a balanced outcome has twice as many.  It
        raises ``min_child_samples``; models that estimators take by default have 8.
    early_stopping_rounds : int, default 0
        Trees are added in several folds at once, at most ``n_estimators``, until the loss of the
        rows left out has not fallen for so many trees; what is learnt from all rows is the mean of
        the folds' models.  0: as many trees as ``n_estimators`` says, of all rows.
    categories : {"ordered", "native"}, default "ordered"
        How a column of text with more than 12 levels is split: by the order of their frequency, or
        by sets of levels, which finds effects that vary from level to level (of 50 levels in 4,000
        rows, a third to two fifths less error), and more noise where the text is noise.  A level
        that fit had not is in no set, as what is missing is.

    Examples
    --------
    >>> X = np.arange(100.0)[:, None]
    >>> rows = Rows(Table(X, ["x"]), None)
    >>> model = BoostedTrees().learn(rows, 2.0 * (X[:, 0] >= 50), None)
    >>> model.predict(np.array([[10.0], [90.0]])).round(2).tolist()
    [0.0, 2.0]
    """

    def __init__(
        self,
        n_estimators: int = 100,
        learning_rate: float = 0.1,
        num_leaves: int = 31,
        max_bin: int = 127,
        min_child_samples: int = 20,
        reg_lambda: float = 0.0,
        monotone: Sequence[str | None] | None = None,
        n_jobs: int = 0,
        min_child_events: float = 0.0,
        early_stopping_rounds: int = 0,
        categories: str = "ordered",
    ) -> None:
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.num_leaves = num_leaves
        self.max_bin = max_bin
        self.min_child_samples = min_child_samples
        self.reg_lambda = reg_lambda
        self.monotone = monotone
        self.n_jobs = n_jobs
        self.min_child_events = min_child_events
        self.early_stopping_rounds = early_stopping_rounds
        self.categories = categories

    def settings(self, threads: int = 0) -> dict[str, Any]:
        """LightGBM's parameters.

        Parameters
        ----------
        threads : int, default 0
            How many; 0 leaves it to LightGBM.

        Returns
        -------
        dict
            The parameters by their names in LightGBM.
        """
        return table_settings(self.max_bin, threads) | {
            "objective": "l2",
            "learning_rate": self.learning_rate,
            "num_leaves": self.num_leaves,
            "min_data_in_leaf": self.min_child_samples,
            "lambda_l2": self.reg_lambda,
            "monotone_constraints": (
                [MONOTONE[way] for way in self.monotone] if self.monotone else None
            ),
        }

    def check(self) -> None:
        """Refuse settings that LightGBM would not take.

        Raises
        ------
        InputError
            With the first of them.

        Examples
        --------
        >>> BoostedTrees(num_leaves=10).check()
        """
        least = {
            "n_estimators": 1,
            "num_leaves": 2,
            "max_bin": 2,
            "min_child_samples": 1,
            "reg_lambda": 0,
            "n_jobs": -1,
            "min_child_events": 0,
            "early_stopping_rounds": 0,
        }
        for name, low in least.items():
            if not _at_least(getattr(self, name), low):
                raise InputError(
                    f"{name} of BoostedTrees", f"be a number >= {low}", getattr(self, name)
                )
        for name, high in MOST.items():
            if getattr(self, name) > high:
                raise InputError(
                    f"{name} of BoostedTrees", f"be at most {high:,}", getattr(self, name)
                )
        if self.categories not in CATEGORIES:
            must, got = f"be one of {', '.join(CATEGORIES)}", repr(self.categories)
            raise InputError("categories of BoostedTrees", must, got)
        if not (_at_least(self.learning_rate, 0) and self.learning_rate > 0):
            raise InputError("learning_rate of BoostedTrees", "be a number > 0", self.learning_rate)

    def learn(
        self,
        rows: Rows,
        target: Floats,
        weight: Floats | None,
        fold: Ints | None = None,
        seed: int = 0,
    ) -> Trees:
        """Learn a target of some rows of a table.

        Parameters
        ----------
        rows : Rows
            Rows of a table.
        target : array, (rows,)
            What is predicted.
        weight : array, (rows,), or None
            Weights > 0.
        fold : array of int, (rows,), optional
            Folds of early stopping; None draws two.
        seed : int, default 0
            Of the folds that are drawn.

        Returns
        -------
        Trees
            The learnt ensemble.

        Raises
        ------
        InputError
            An argument of the model is too small, or no number.
        """
        if not self.early_stopping_rounds or len(target) < FOLDS:
            self.check()
            booster = self._booster(rows, target, weight)
            for _ in range(self.n_estimators):
                if booster.update():
                    break
            return Trees(booster.model_to_string())
        if fold is None or len(np.unique(fold)) == 1:
            fold = fold_ids(len(target), FOLDS, seed)
        return mean_of(self._grown(rows.folds(fold), target, weight))

    def learn_folds(self, folds: Folds, target: Floats, weight: Floats | None) -> list[Trees]:
        """Learn a target of some rows of a table without each fold of them in turn.

        Parameters
        ----------
        folds : Folds
            The rows.
        target : array, (rows,)
            What is predicted.
        weight : array, (rows,), or None
            Weights > 0.

        Returns
        -------
        list of Trees
            One a fold, none of which saw its rows.

        Raises
        ------
        InputError
            An argument of the model is too small, or no number.
        """
        if self.early_stopping_rounds:
            return [Trees(text) for text in self._grown(folds, target, weight)]
        return [
            self.learn(inside, target[~mask], None if weight is None else weight[~mask])
            for inside, mask in zip(folds.inside, folds.left_out, strict=True)
        ]

    def _grown(self, folds: Folds, target: Floats, weight: Floats | None) -> list[str]:
        """The texts of what is grown in all folds at once."""
        self.check()
        parts = [
            (inside, outside, mask, None if weight is None else weight[~mask])
            for inside, outside, mask in zip(
                folds.inside, folds.outside, folds.left_out, strict=True
            )
        ]
        boosters = [self._booster(inside, target[~mask], w) for inside, _, mask, w in parts]
        mass = [(mask if weight is None else weight[mask]).sum() for mask in folds.left_out]
        for booster, (_, outside, mask, _) in zip(boosters, parts, strict=True):
            if mask.any():
                data = self._labelled(
                    outside, target[mask], None if weight is None else weight[mask]
                )
                booster.add_valid(data, "left out")
        trees = grow_together(boosters, mass, self.n_estimators, self.early_stopping_rounds)
        return [booster.model_to_string(num_iteration=trees) for booster in boosters]

    def _labelled(self, rows: Rows, target: Floats, weight: Floats | None) -> lightgbm.Dataset:
        """LightGBM's copy of rows, with what is predicted."""
        threads = threads_for(self.n_jobs, len(rows.table.X))
        data = rows.binned(self.max_bin, threads, self.categories == "native")
        data.set_label(target)
        data.set_field("weight", weight)  # None clears what an earlier fit set
        return data

    def _booster(self, rows: Rows, target: Floats, weight: Floats | None) -> lightgbm.Booster:
        """Boosting of a target, without trees."""
        import lightgbm  # here, since what only decides has no use for it

        data = self._labelled(rows, target, weight)
        threads = threads_for(self.n_jobs, len(rows.table.X))
        settings = self.settings(threads) | {"min_data_in_leaf": self.leaf_rows(rare_odds(target))}
        data.params = settings
        return lightgbm.Booster(settings, data)

    def leaf_rows(self, odds: float) -> int:
        """The fewest rows of a leaf.

        Parameters
        ----------
        odds : float
            How many rows there are of the commoner of two values for each of the rarer; 0 where
            there are more values.

        Returns
        -------
        int
            At least ``min_child_samples``.

        Examples
        --------
        >>> BoostedTrees(min_child_events=8).leaf_rows(99), BoostedTrees().leaf_rows(99)
        (792, 20)
        """
        return max(self.min_child_samples, int(self.min_child_events * odds))


def learn_folds(
    model: Any, folds: Folds, target: Floats, weight: Floats | None = None, seed: int = 0
) -> list[Fitted]:
    """Fit fresh copies of a base model without each fold in turn.   target, weight: (rows,)."""
    if hasattr(model, "learn_folds"):
        regressions: list[Fitted] = model.learn_folds(folds, target, weight)
        return regressions
    return [
        learn(model, inside, target[~mask], None if weight is None else weight[~mask], seed)
        for inside, mask in zip(folds.inside, folds.left_out, strict=True)
    ]


class Foreign:
    """A learnt scikit-learn model: the mean of a regressor, the probability of 1 of a
    classifier.
    """

    def __init__(self, model: Any) -> None:
        self.model = model

    def predict(self, X: Floats) -> Floats:
        """Its mean, (n,)."""
        if len(X) == 0:  # which scikit-learn's models refuse
            return np.empty(0)
        if is_classifier(self.model):
            return np.asarray(self.model.predict_proba(X), np.float64)[:, 1]
        return np.asarray(self.model.predict(X), np.float64).reshape(len(X))


def learn(
    model: Any,
    rows: Rows,
    target: Floats,
    weight: Floats | None = None,
    seed: int = 0,
    fold: Ints | None = None,
) -> Fitted:
    """Fit a fresh copy of a base model to rows of a table.   target, weight: (rows,); fold: (rows,)
    of early stopping, None where any will do.
    """
    if hasattr(model, "learn"):
        stops = (fold, seed) if hasattr(model, "learn_folds") else ()
        regression: Fitted = model.learn(rows, target, weight, *stops)
        return regression
    fresh = clone(model)
    if fresh.get_params().get("random_state", seed) is None:
        fresh.set_params(random_state=seed)
    labels = _classes(target, type(model).__name__) if is_classifier(fresh) else target
    if weight is None:
        return Foreign(fresh.fit(rows.of(rows.table.X), labels))
    if not has_fit_parameter(fresh, "sample_weight"):
        raise InputError(
            f"base model {type(model).__name__}",
            "take sample_weight",
            "a fit without it",
            fix="use one that does",
        )
    return Foreign(fresh.fit(rows.of(rows.table.X), labels, sample_weight=weight))


def foreign(model: Any) -> bool:
    """Whether a base model is not ours, and not left to us."""
    return not (model is None or isinstance(model, BoostedTrees))


def of_amounts(model: Any) -> bool:
    """Whether a base model says that it learns only what is not negative."""
    return hasattr(model, "__sklearn_tags__") and get_tags(model).target_tags.positive_only


def check_model(model: Any, role: str, table: Table, *, classifier: bool = True) -> None:
    """Whether a base model can do what it is for, before anything is fitted."""
    if hasattr(model, "learn"):
        return
    learns = hasattr(model, "__sklearn_tags__") and not isinstance(model, type)
    if not learns or not (is_regressor(model) or (classifier and is_classifier(model))):
        must = "be a regressor or a classifier" if classifier else "be a regressor"
        raise InputError(
            role, must, repr(model), fix="take one of scikit-learn, or None for boosted trees"
        )
    missing = np.isnan(table.X)
    if missing.any() and not get_tags(model).input_tags.allow_nan:
        row, j = (int(i) for i in np.argwhere(missing)[0])
        fix = (
            f"{type(model).__name__} takes no missing values: fill them, or use boosted trees,"
            " which do"
        )
        raise InputError(
            f"feature {table.names[j]!r}", "have no missing value", "nan", f"row {row}", fix
        )


def default_outcome(rows: float) -> BoostedTrees:
    """The model of a level, for so many rows per cell: with many, trees that can follow
    interactions, in longer steps.
    """
    leaves, step = (31, 0.2) if rows >= MANY else (16, 0.2) if rows >= FEW else (4, 0.1)
    return BoostedTrees(
        MOST_TREES, step, leaves, min_child_events=EVENTS, early_stopping_rounds=PATIENCE
    )


def plain_outcome(rows: float) -> BoostedTrees:
    """The model of a level of 100 trees, for so many rows: where the rows left out are no judges of
    it, or its time counts.
    """
    leaves, step = (31, 0.15) if rows >= MANY else (8 if rows >= FEW else 4, 0.1)
    return BoostedTrees(learning_rate=step, num_leaves=leaves, min_child_events=EVENTS)


def default_effect(rows: float) -> BoostedTrees:
    """The model of an effect, for so many rows per cell: its signal is small beside the noise, so
    small trees.
    """
    leaves = 8 if rows >= FEW else 4
    return BoostedTrees(
        MOST_TREES, 0.1, leaves, min_child_events=EVENTS, early_stopping_rounds=PATIENCE
    )


def effect_models(
    model: Any, y: Floats, cell: Ints, arms: Sequence[int], widest: float = np.inf
) -> list[Any]:
    """The model of effects for each metric, (m,): where the metric has two values, a leaf holds
    ``min_child_events`` of each of the arms compared, or half as many where that would take more
    than ``widest`` of the rows.   y: (n, m); cell: (n,).

    >>> y, cell = np.array([[1.0], [0.0], [0.0], [0.0]] * 25), np.arange(100) // 50
    >>> effect_models(BoostedTrees(min_child_events=8), y, cell, (0, 1))[0].min_child_samples
    50
    """
    if not (isinstance(model, BoostedTrees) and model.min_child_events > 0):
        return [model] * y.shape[1]
    odds = [rarest_odds(column, cell, arms) for column in y.T]
    return [
        clone(model).set_params(min_child_samples=narrowed(model.leaf_rows(one), widest * len(y)))
        if binary
        else model
        for one, binary in zip(odds, two_valued(y), strict=True)
    ]


def base_models(outcome: Any, effect: Any, table: Table, cells: int) -> tuple[Any, Any]:
    """The models of levels and of effects, the defaults in place of None, checked."""
    rows = len(table.X) / cells
    outcome = default_outcome(rows) if outcome is None else outcome
    effect = default_effect(rows) if effect is None else effect
    check_model(outcome, "outcome_model", table)
    check_model(effect, "effect_model", table, classifier=False)
    return outcome, effect


def predict_all(models: Sequence[Fitted], X: Floats, rows: Ints | None = None) -> Floats:
    """The predictions of several models that were learnt on one table, (models, n), for all rows of
    X or those named.
    """
    trees = [model for model in models if isinstance(model, Trees)]
    if len(trees) == len(models):
        return predict_many(trees, X, rows)
    some = X if rows is None else X[rows]
    return np.stack([model.predict(some) for model in models])


def _classes(target: Floats, name: str) -> Ints:
    if not np.isin(target, (0, 1)).all():
        row = int(np.argmin(np.isin(target, (0, 1))))
        fix = f"{name} is a classifier: use a regressor for outcomes that are not binary"
        raise InputError("the outcome", "be 0 or 1 in every row", f"{target[row]:g}", fix=fix)
    if target.min() == target.max():
        raise InputError(
            "the outcome",
            "have both classes in every arm and fold",
            f"{target[0]:g} only",
            fix="use a regressor",
        )
    return target.astype(np.int64)
