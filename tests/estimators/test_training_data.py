from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from equipoise.core.errors import InputError, SpaceError
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
            "sample_weight must be one finite number > 0 per row; got -1.0 at row 1",
        ),
        ({"sample_weight": [1, 1]}, "sample_weight must have one entry"),
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
