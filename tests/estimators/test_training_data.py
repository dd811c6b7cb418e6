from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.linear_model import LinearRegression

from equipoise.core.errors import InputError, SpaceError
from equipoise.estimators import Clusters, TLearner
from equipoise.estimators.training_data import infer_space, outcomes, sample
from equipoise.treatments import Arms

X = np.arange(8.0).reshape(4, 2)
Y = np.array([0.0, 1.0, 0.0, 2.0])
T = [0, 1, 0, 1]
ARMS = Arms([0, 1])


def test_parts_and_names():
    got = sample(
        pd.DataFrame(X, columns=["age", "visits"]),
        Y,
        ARMS,
        T,
        [0.25] * 4,
        [1, 2, 3, 4],
        ["u", "v", "u", "w"],
    )
    assert got.features == ("age", "visits")
    assert got.metrics == ("y",)
    assert got.y.shape == (4, 1)
    assert got.propensity.tolist() == [[0.75, 0.25]] * 4
    assert got.groups.tolist() == [0, 1, 0, 2]
    assert len(got) == 4


@pytest.mark.parametrize(
    ("y", "names"),
    [
        (Y, ("y",)),
        (Y[:, None], ("y",)),
        (np.column_stack([Y, Y]), ("y0", "y1")),
        (Y.tolist(), ("y",)),
        (pd.Series(Y, name="spend"), ("spend",)),
        (pd.Series(Y), ("y",)),
        (pl.Series("spend", Y), ("spend",)),
        (pa.chunked_array([Y]), ("y",)),
        (pd.DataFrame({"spend": Y, "visit": Y}), ("spend", "visit")),
        (pl.DataFrame({"spend": Y}), ("spend",)),
        (pa.table({"spend": Y}), ("spend",)),
        ({"spend": Y, "visit": Y}, ("spend", "visit")),
    ],
    ids=str,
)
def test_outcomes_of_every_kind(y, names):
    values, got = outcomes(y)
    assert got == names
    np.testing.assert_array_equal(values, np.column_stack([Y] * len(names)))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"y": [0, 1, np.nan, 1]}, "outcome 'y' must be finite; got nan at row 2"),
        (
            {"y": pd.DataFrame({"a": Y, "b": [1, 2, 3, np.inf]})},
            "outcome 'b' must be finite; got inf at row 3",
        ),
        ({"y": [7, 7, 7, 7]}, "outcome 'y' must vary; got 7 in every row"),
        ({"y": ["a", "b", "c", "d"]}, "y must be numbers"),
        ({"y": np.zeros((4, 1, 1))}, "y must have shape"),
        ({"y": Y[:3]}, r"y must have one entry per row of X \(4\); got 3"),
        ({"X": X[:0], "y": Y[:0]}, "must have"),
        ({"X": np.where(X == 5, np.inf, X)}, "feature 'x1' must be finite; got inf at row 2"),
        ({"treatment": [0, 1, 2, 1]}, "treatment must be one of .* at row 2"),
        ({"treatment": [0, 1, 0]}, "treatment must have one entry per row"),
        (
            {"propensity": [0.5, 0.5, 1.0, 0.5]},
            "propensity must lie strictly between 0 and 1; got 0.0 at row 2, cell 0",
        ),
        (
            {"propensity": np.array([[0.5, 0.5], [0.5, 0.4]] * 2)},
            "propensities must sum to 1; got 0.9 at row 1",
        ),
        ({"propensity": np.full((4, 3), 1 / 3)}, r"propensity must have shape \(n, 2\)"),
        ({"propensity": np.full((3, 2), 0.5)}, "propensity must have one entry per row"),
        (
            {"sample_weight": [1, -1, 1, 1]},
            "sample_weight must be a finite number > 0; got -1.0 at row 1",
        ),
        ({"sample_weight": [1, 1]}, "sample_weight must be one number per row"),
        ({"groups": [[1], [2], [3], [4]]}, "groups must be one label per row"),
    ],
    ids=lambda v: None if isinstance(v, str) else "-".join(v),
)
def test_bad_input_names_its_place(changed, message):
    with pytest.raises(InputError, match=message):
        sample(**({"X": X, "y": Y, "space": ARMS, "treatment": T} | changed))


@pytest.mark.parametrize("labels", [[0, 1], [True, False], [1.0, 0.0]])
def test_zero_and_one_are_two_arms(labels):
    assert infer_space(labels) == ARMS


@pytest.mark.parametrize("labels", [["a", "b"], [0, 2], [0.5, 1.0], [[0], [1]]])
def test_any_other_space_must_be_said_and_the_error_shows_how(labels):
    with pytest.raises(SpaceError, match=r"say space=Arms\(\["):
        infer_space(labels)


@pytest.mark.parametrize(
    ("weight", "text"),
    [
        (2.0, "one number per row"),
        ("heavy", "be numbers"),
        (["a"] * 40, "be numbers"),
        (np.ones(39), "one number per row"),
        (np.ones((40, 1)), "one number per row"),
        (np.r_[np.ones(39), -1.0], "finite number > 0; got -1.0 at row 39"),
        (np.r_[np.nan, np.ones(39)], "finite number > 0; got nan at row 0"),
        (np.r_[np.ones(3), np.inf, np.ones(36)], "finite number > 0; got inf at row 3"),
    ],
    ids=["a number", "a text", "texts", "too few", "a column", "negative", "nan", "infinite"],
)
@pytest.mark.parametrize("estimator", [TLearner(LinearRegression()), Clusters("kmeans", 2)])
def test_odd_weights_are_told_by_the_grammar(estimator, weight, text):
    rng = np.random.default_rng(0)
    X, t = rng.normal(size=(40, 2)), np.arange(40) % 2
    fit = {"y": X[:, 0] + t, "treatment": t} if isinstance(estimator, TLearner) else {}
    with pytest.raises(InputError, match=f"sample_weight must .*{text}"):
        estimator.fit(X, **fit, sample_weight=weight)


@pytest.mark.parametrize("kind", ["array", "pandas", "polars"])
def test_a_treatment_of_one_column_is_that_column(kind):
    rng = np.random.default_rng(0)
    X, t = rng.normal(size=(60, 2)), np.arange(60) % 2
    column = {
        "array": lambda: t[:, None],
        "pandas": lambda: pd.DataFrame({"arm": t}),
        "polars": lambda: pl.DataFrame({"arm": t}),
    }[kind]()
    y = X[:, 0] + t
    one, other = (TLearner(LinearRegression()).fit(X, y, treatment=w) for w in (t, column))
    np.testing.assert_array_equal(one.predict(X), other.predict(X))


def test_predict_is_one_number_per_row_for_two_arms_and_one_metric():
    rng = np.random.default_rng(0)
    X, t = rng.normal(size=(60, 2)), np.arange(60) % 2
    y = X[:, 0] + t
    learner = TLearner(LinearRegression()).fit(X, y, treatment=t)
    np.testing.assert_array_equal(learner.predict(X), learner.effects(X).values[:, 0, 0])
    both = TLearner(LinearRegression()).fit(X, np.column_stack([y, -y]), treatment=t)
    assert both.predict(X).shape == (60, 1, 2)
