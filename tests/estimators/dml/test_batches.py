from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from sklearn.linear_model import Ridge

from equipoise.core.errors import InputError, SpaceError
from equipoise.estimators import LinearDML
from equipoise.estimators.dml import linear
from equipoise.estimators.dml.batches import row_folds
from equipoise.learners.sample_order import sample_order
from equipoise.treatments import Arms, Bits, Dose

NAMES = ["a", "b", "c"]


def log(n=900, seed=0):
    rng = np.random.default_rng(seed)
    X, t = rng.normal(size=(n, 2)), rng.integers(2, size=(n, 3))
    y = X[:, 0] + t @ [1.0, -1.0, 0.5] + t[:, 0] * X[:, 1] + rng.normal(size=n)
    columns = {
        "age": X[:, 0],
        "visits": X[:, 1],
        **{name: t[:, j] for j, name in enumerate(NAMES)},
        "spend": y,
    }
    return pa.table({**columns, "clicks": rng.poisson(2.0, n), "w": rng.exponential(size=n) + 0.1})


def walk(table, size):
    return lambda: table.to_batches(max_chunksize=size)


def learnt(table, size=200, space=None, **given):
    parts = {"treatment": NAMES, "outcomes": ["spend", "clicks"], "weight": "w"} | given
    return LinearDML(space=space or Bits(NAMES, crosses=2), cv=3, random_state=4).fit_batches(
        walk(table, size), **parts
    )


def frames(table):
    return (
        table.select(["age", "visits"]),
        table.select(["spend", "clicks"]),
        np.column_stack([table[name] for name in NAMES]),
    )


@pytest.mark.parametrize("size", [900, 200, 7])
def test_batches_give_what_all_rows_at_once_give(size, monkeypatch):
    table = log()
    X, y, t = frames(table)
    order = sample_order(np.column_stack([X[name] for name in X.column_names]), t)
    monkeypatch.setattr(
        linear, "fold_ids", lambda n, folds, seed, **_: row_folds(0, n, folds, seed)[order]
    )
    whole = LinearDML(space=Bits(NAMES, crosses=2), cv=3, random_state=4).fit(
        X, y, treatment=t, sample_weight=table["w"].to_numpy()
    )
    parts = learnt(table, size)
    one, other = whole.effects(X), parts.effects(X)
    np.testing.assert_allclose(other.values, one.values, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(other.std_error, one.std_error, rtol=1e-9)
    np.testing.assert_allclose(other.baseline, one.baseline, rtol=1e-9, atol=1e-11)
    assert other.metrics == ("spend", "clicks")
    assert other.candidates == one.candidates


def test_a_list_column_and_labels_and_doses_serve():
    table, rng = log(), np.random.default_rng(1)
    vectors = pa.array(frames(table)[2].tolist())
    named = table.drop_columns(NAMES).append_column("vector", vectors)
    np.testing.assert_array_equal(
        learnt(named, treatment="vector").effects(frames(table)[0]).values,
        learnt(table).effects(frames(table)[0]).values,
    )
    arms = table.drop_columns(NAMES).append_column(
        "arm", pa.array(rng.choice(["none", "mail"], 900)).dictionary_encode()
    )
    assert learnt(arms, space=Arms(["none", "mail"]), treatment="arm").effects(
        frames(table)[0]
    ).candidates == ("mail",)
    doses = table.drop_columns(NAMES).append_column("dose", pa.array(rng.random(900)))
    assert learnt(doses, space=Dose(0, 1, degree=2), treatment="dose").theta_.shape == (2, 3, 2)
    plain = LinearDML().fit_batches(
        walk(table, 100), treatment="a", outcomes="spend", features=["age"]
    )
    assert plain.feature_names_in_.tolist() == ["age"]


def test_folds_follow_the_number_of_a_row_and_are_even():
    whole = row_folds(0, 100_000, 5, 3)
    np.testing.assert_array_equal(row_folds(70_000, 100, 5, 3), whole[70_000:70_100])
    share = np.bincount(whole, minlength=5) / 100_000
    assert np.abs(share - 0.2).max() < 0.005
    assert np.abs(np.corrcoef(whole[:-1], whole[1:])[0, 1]) < 0.02
    assert (row_folds(0, 1000, 5, 4) != whole[:1000]).any()


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        (
            "age",
            np.nan,
            (
                "feature 'age' must be a finite number, not missing; got nan at row 50 of batch 2,"
                " which starts at row 200"
            ),
        ),
        ("spend", np.inf, "outcome 'spend' must be finite.* at row 50 of batch 2"),
        ("w", 0.0, "weight 'w' must be a finite number > 0; got 0.0 at row 50 of batch 2"),
    ],
)
def test_a_bad_value_is_named_by_batch_and_row(column, value, message):
    table = log()
    values = table[column].to_numpy().copy()
    values[250] = value
    with pytest.raises(InputError, match=message):
        learnt(table.set_column(table.column_names.index(column), column, pa.array(values)), 100)


def test_a_treatment_outside_the_space_is_named_by_batch_and_row():
    table = log()
    values = table["b"].to_numpy().copy()
    values[250] = 2
    with pytest.raises(SpaceError, match="switch 'b' must be 0 or 1; got 2.* at row 50 of batch 2"):
        learnt(table.set_column(3, "b", pa.array(values)), 100)


def test_a_row_that_is_alone_is_named_by_its_number_in_the_file():
    table = log()
    only = pa.array((np.arange(900) == 250).astype(int))
    with pytest.raises(InputError, match="be seen in two or more rows; got 1 at row 250;"):
        learnt(table.set_column(3, "b", only), 100, space=Bits(NAMES))


def test_batches_that_cannot_be_walked_again_are_refused():
    table = log()
    with pytest.raises(InputError, match="starts again"):
        LinearDML(space=Bits(NAMES)).fit_batches(
            iter(table.to_batches()), treatment=NAMES, outcomes="spend"
        )
    once = iter([table.to_batches(), table.to_batches(), [], []])
    with pytest.raises(InputError, match="same 900 rows each time; got 0"):
        LinearDML(space=Bits(NAMES)).fit_batches(
            lambda: next(once), treatment=NAMES, outcomes="spend"
        )
    with pytest.raises(InputError, match="batches must have rows"):
        LinearDML(space=Bits(NAMES)).fit_batches(lambda: [], treatment=NAMES, outcomes="spend")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"outcomes": "spent"}, "column 'spent' must be in the batches"),
        ({"features": ["age", "a"]}, "no other role"),
        ({"features": []}, "one or more columns"),
        ({"treatment": "label", "space": Arms(["x", "y"])}, "column 'label'"),
    ],
)
def test_columns_that_are_not_what_they_should_be_are_refused(given, message):
    with pytest.raises(InputError, match=message):
        learnt(log(), **given)


def test_text_constants_and_models_are_refused():
    table = log()
    with pytest.raises(InputError, match="feature 'zip' must be numbers; got string"):
        learnt(table.append_column("zip", pa.array(["x"] * 900)))
    flat = table.set_column(
        table.column_names.index("clicks"), "clicks", pa.array(np.full(900, 3.1))
    )
    with pytest.raises(InputError, match="outcome 'clicks' must vary; got 3.1 in every row"):
        learnt(flat)
    with pytest.raises(InputError, match="ridges to learn from batches"):
        LinearDML(Ridge(), space=Bits(NAMES)).fit_batches(
            walk(table, 9), treatment=NAMES, outcomes="spend"
        )
    gone = table.append_column("arm", pa.array([0, 1] * 450, mask=np.arange(900) == 3))
    with pytest.raises(InputError, match="null at row 3"):
        learnt(gone, space=Arms(), treatment="arm")
