"""Every registered estimator with a ``transform``: as if the columns had been transformed before,
fitted on training rows alone, saved and served with it.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.sparse
from contract.test_estimators import (
    FEATURES,
    NAMES,
    arguments,
    effects_of,
    fresh,
    labels,
    world,
)
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler, TargetEncoder
from threadpoolctl import threadpool_limits

import equipoise as eq
from equipoise.artifacts.batch import score_file
from equipoise.artifacts.policy import write_scorer
from equipoise.core import Log, Outcome, Roles
from equipoise.core.errors import InputError
from equipoise.estimators import BoostedTrees, DRLearner, TLearner, load_estimator, save_estimator
from equipoise.estimators.transforms import TransformedColumns
from equipoise.treatments import Arms

QUICK = BoostedTrees(5, num_leaves=4, n_jobs=1)


class Negative(TransformerMixin, BaseEstimator):
    """Turns the signs of `FEATURES`, and remembers the ids of the rows of each fit."""

    seen: ClassVar[list[set[int]]] = []

    def fit(self, X: Any, y: Any = None) -> Negative:
        assert len(y) == len(X)
        Negative.seen.append(set(X["id"].tolist()))
        self.fitted_ = True
        return self

    def transform(self, X: Any) -> Any:
        return -X[FEATURES]


def raw() -> pd.DataFrame:
    """What `Negative` turns into the features of `world`."""
    X = world()[0]
    kinds = pd.Categorical(np.asarray(["a", "b"])[np.arange(len(X)) % 2])
    return pd.DataFrame(-X, columns=FEATURES).assign(id=np.arange(len(X)), kind=kinds)


@pytest.mark.parametrize("name", NAMES)
def test_a_transform_is_as_if_made_before_and_sees_training_rows_alone(name, tmp_path):
    Negative.seen.clear()
    estimator = fresh(name).set_params(transform=make_pipeline(Negative()))
    with threadpool_limits(1):
        estimator.fit(**arguments(name, X=raw()))
    effects, before = estimator.effects(raw()[::-1].iloc[::-1]), effects_of(name)
    np.testing.assert_allclose(effects.values, before.values, rtol=1e-9, atol=1e-10)
    # the level of a doubly robust learner is one model's of all rows, and not the folds' mean
    loose = 0.5 if name == "dr-learner" else 1e-9
    np.testing.assert_allclose(effects.baseline, before.baseline, rtol=loose, atol=loose)

    rows = set(range(len(raw())))
    whole = [seen for seen in Negative.seen if seen == rows]
    held_out = [rows - seen for seen in Negative.seen if seen != rows]
    assert len(whole) == 1
    cross_fitted = "cv" in estimator.get_params(deep=False) or name == "mdp2"
    assert bool(held_out) == cross_fitted
    if held_out:  # the rows left out are the folds, each once
        assert sum(map(len, held_out)) == len(rows)
        assert set.union(*held_out) == rows

    save_estimator(estimator, tmp_path / "model")
    trusted = [f"{Negative.__module__}.Negative"]
    loaded = load_estimator(tmp_path / "model", trusted=trusted)
    np.testing.assert_array_equal(loaded.effects(raw()).values, effects.values)


class Seen(TransformerMixin, BaseEstimator):
    """The features, and whether the row was one of fit."""

    def fit(self, X: Any, y: Any = None) -> Seen:
        self.rows_ = {row.tobytes() for row in X}
        return self

    def transform(self, X: Any) -> Any:
        return np.column_stack([X, [row.tobytes() in self.rows_ for row in X]])


class Watching(LinearRegression):
    """Keeps what `Seen` says of the rows that it predicts."""

    seen: ClassVar[list[float]] = []

    def predict(self, X: Any) -> Any:
        Watching.seen.append(X[:, -1].max())
        return super().predict(X)


@pytest.mark.parametrize("name", ["dr-learner", "r-learner", "causal-forest", "dml", "dml-sparse"])
def test_what_predicts_a_held_out_row_has_a_transformer_that_did_not_see_it(name):
    Watching.seen.clear()
    estimator = fresh(name).set_params(transform=Seen(), outcome_model=Watching())
    estimator.fit(**arguments(name))
    assert len(Watching.seen) >= estimator.cv
    assert max(Watching.seen) == 0


class Shares:
    """A propensity model that keeps the folds whose rows its features were not learnt from."""

    def __init__(self):
        self.unseen = []

    def cross_fit(self, X, cell, cells, *, fold, weight=None):
        self.unseen.append(set(fold[X[:, -1] == 0].tolist()))
        return np.full((len(X), cells), 1 / cells)


@pytest.mark.parametrize("name", ["dr-learner", "dml"])
def test_a_propensity_is_learnt_by_features_that_did_not_see_the_fold(name):
    propensity = Shares()
    estimator = fresh(name).set_params(transform=Seen())
    estimator.fit(**arguments(name), propensity=propensity)
    assert propensity.unseen == [{f} for f in range(estimator.cv)]


def test_text_goes_through_any_transformer_and_comes_back_from_a_file(tmp_path):
    X, y, cell = world()
    frame = raw().drop(columns="id").assign(zip=np.asarray(["n", "s", "w"])[cell])
    frame.loc[::7, "age"] = np.nan
    encoder = ColumnTransformer(
        [
            ("zip", OneHotEncoder(handle_unknown="ignore"), ["zip"]),
            ("target", TargetEncoder(), ["kind"]),
            (
                "scale",
                make_pipeline(
                    StandardScaler(),
                    FunctionTransformer(np.arcsinh, feature_names_out="one-to-one"),
                ),
                FEATURES,
            ),
        ]
    )
    learner = DRLearner(QUICK, QUICK, transform=encoder).fit(frame, y[:, 0], treatment=cell > 0)
    assert learner.transform_names_[:4] == [
        "zip__zip_n",
        "zip__zip_s",
        "zip__zip_w",
        "target__kind",
    ]
    save_estimator(learner, tmp_path / "model")
    loaded, new = load_estimator(tmp_path / "model"), frame[frame.columns[::-1]].head(9)
    new = new.assign(zip=["north", *new["zip"][1:]])  # a level that fit had not
    expected = learner.effects(new)
    np.testing.assert_array_equal(loaded.effects(pa.table(new)).values, expected.values)
    assert len(loaded.effects(new.head(0))) == 0
    with pytest.raises(InputError, match="feature 'zip' must be in the frame"):
        loaded.effects(new.drop(columns="zip"))


def test_arms_closed_to_some_rows_are_learnt_through_the_transform():
    X, y, cell = world()
    e = np.full((len(X), 3), 1 / 3)
    e[(cell != 2) & (X[:, 0] > 0)] = [0.5, 0.5, 0]
    rows = {"treatment": labels("arms", cell), "propensity": e}
    plain = DRLearner(QUICK, QUICK, space=fresh("dr-learner").space)
    through = plain.__class__(QUICK, QUICK, space=plain.space, transform=make_pipeline(Negative()))
    before = plain.fit(X, y, **rows).effects(X).values
    np.testing.assert_allclose(through.fit(raw(), y, **rows).effects(raw()).values, before)


class Bad(TransformerMixin, BaseEstimator):
    """A transformer that answers as a function says."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def fit(self, X: Any, y: Any = None) -> Bad:
        self.rows_ = len(X)
        return self

    def transform(self, X: Any) -> Any:
        return self.answer(self, X)


def with_gap(_, X):
    X = X.copy()
    X[3, 1] = np.nan
    return X


WRONG = {
    "no transformer": (Ridge(), "must be a transformer of scikit-learn.*got Ridge"),
    "a class": (StandardScaler, "must be a transformer of scikit-learn"),
    "drops rows": (Bad(lambda _, X: X[1:]), "a row for each of 700; got 699"),
    "text": (Bad(lambda _, X: np.full(X.shape, "a", object)), "must give numbers"),
    "a gap": (Bad(with_gap), "where no column is missing.*'x1'.*row 3"),
    "fails": (Bad(lambda _, X: X[:, 99]), "fit the columns of X; got IndexError"),
    "columns by fold": (Bad(lambda self, X: X[:, : 3 - (self.rows_ < 700)]), "3 columns.*got 2"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_transformer_that_cannot_serve_is_refused_by_name(case):
    transform, message = WRONG[case]
    X, y, cell = world()
    learner = DRLearner(QUICK, QUICK, transform=transform)
    with pytest.raises(InputError, match=f"transform must.*{message}|{message}"):
        learner.fit(X, y, treatment=(cell > 0).astype(int))


def test_a_sparse_answer_is_served_as_a_dense_one():
    X, y, cell = world()
    t = (cell > 0).astype(int)
    sparse = FunctionTransformer(scipy.sparse.csr_matrix)
    through = TLearner(QUICK, transform=sparse).fit(X, y, treatment=t).predict(X)
    np.testing.assert_array_equal(through, TLearner(QUICK).fit(X, y, treatment=t).predict(X))


def test_a_learner_refitted_without_its_transform_forgets_it():
    X, y, cell = world()
    t = (cell > 0).astype(int)
    learner = TLearner(QUICK, transform=StandardScaler()).fit(X, y, treatment=t)
    learner.set_params(transform=None).fit(X, y, treatment=t)
    assert learner.transform_ is TransformedColumns.transform_ is None


def log_of(frame, n=400):
    rng = np.random.default_rng(0)
    arms = np.asarray(["none", "mail"])[rng.integers(0, 2, n)]
    table = pa.table(frame.head(n).assign(arm=arms, spend=rng.normal(size=n)))
    roles = Roles("arm", (Outcome("spend"),), tuple(frame.columns))
    return Log(table, roles, Arms(["none", "mail"]))


def test_no_fold_of_a_log_is_seen_by_the_transform_of_the_model_that_answers_for_it():
    n, learner = 400, TLearner(QUICK, transform=make_pipeline(Negative()))
    Negative.seen.clear()
    assert len(eq.cross_fit_effects(log_of(raw()), learner, cv=3)) == n
    held_out = [set(range(n)) - seen for seen in Negative.seen]
    assert sum(map(len, held_out)) == n == len(set.union(*held_out))


def test_a_policy_is_judged_shipped_and_served_with_its_transform(tmp_path):
    frame = raw().drop(columns="id")
    encoder = make_column_transformer((OneHotEncoder(), ["kind"]), remainder="passthrough")
    policy = eq.honest_policy(log_of(frame), TLearner(QUICK, transform=encoder), cv=2)
    write_scorer(tmp_path / "policy", policy.scorer, "")
    units, out = frame.head(20), tmp_path / "out.parquet"
    pq.write_table(pa.table(units), tmp_path / "units.parquet")
    score_file(tmp_path / "policy", tmp_path / "units.parquet", out)
    assert pq.read_table(out).equals(policy.scorer.assign(units))
