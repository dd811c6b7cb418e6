"""Partial curves and interactions: against a loop over rows, a model whose curves are known, and
worlds with and without a product.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from equipoise.core.errors import InputError
from equipoise.core.frames import to_arrow
from equipoise.estimators import BoostedTrees, TLearner, interactions, partial, partial_effects


class Formula:
    """A model whose effects are known: arm a adds a (age / 10 + 2 [web] age / 10)."""

    def __init__(self) -> None:
        self.most = 0

    def effects(self, X):
        table = to_arrow(X)
        self.most = max(self.most, table.num_rows)
        age = table["age"].to_numpy() / 10
        web = np.array(table["channel"].to_pylist()) == "web"
        one = age + 2 * web * age
        values = np.stack([one, 2 * one], axis=1)[:, :, None]
        return SimpleNamespace(values=values, candidates=("a", "b"), metrics=("spend",))


def people(n=200, seed=0):
    rng = np.random.default_rng(seed)
    channel = rng.choice(np.array(["web", "phone", "post", None], object), n)
    return pa.table(
        {
            "age": rng.integers(20, 70, n).astype(float),
            "channel": pa.array(channel),
            "since": pa.array(rng.integers(0, 1000, n)).cast(pa.timestamp("s")),
            "member": rng.random(n) < 0.5,
        }
    )


def test_a_curve_is_a_loop_over_rows():
    table, model = people(), Formula()
    curve = partial_effects(model, table, "age", points=5, rows=1000)
    assert curve.rows == 200
    web = np.array(table["channel"].to_pylist()) == "web"
    for value, effect, low, high in zip(
        curve.values, curve.effects, curve.low, curve.high, strict=True
    ):
        own = value / 10 * (1 + 2 * web)
        assert effect[:, 0] == pytest.approx([own.mean(), 2 * own.mean()])
        assert (low <= effect).all()
        assert (effect <= high).all()
    assert len(curve.values) == 5
    assert list(curve.values) == sorted(curve.values)
    assert set(curve.values) <= set(table["age"].to_pylist())
    assert curve.tenths == pytest.approx(
        np.quantile(table["age"].to_numpy(), np.arange(1, 10) / 10)
    )
    # the curves of the web rise three times as steeply: the band is wide at both ends
    width = (curve.high - curve.low)[:, 0, 0]
    assert min(width[0], width[-1]) > 3 * width[2]


def test_levels_and_other_types():
    table, model = people(), Formula()
    curve = partial_effects(model, table, "channel", rows=1000)
    assert curve.values == ("phone", "post", "web")
    age = table["age"].to_numpy().mean() / 10
    assert curve.effects[:, 0, 0] == pytest.approx([age, age, 3 * age])
    assert curve.tenths == ()
    for name in ("since", "member"):
        flat = partial_effects(model, table, name)
        assert np.ptp(flat.effects[:, 0, 0]) < 1e-12
    assert partial_effects(model, table, "member").values == ("false", "true")


def test_memory_is_bounded_and_changes_nothing(monkeypatch):
    table, model = people(), Formula()
    whole = partial_effects(model, table, "age", rows=150)
    monkeypatch.setattr(partial, "CHUNK", 400)
    model = Formula()
    again = partial_effects(model, table, "age", rows=150)
    assert model.most <= 400
    assert (whole.effects == again.effects).all()


def test_an_interaction_is_what_is_beyond_the_sum():
    table, model = people(2000), Formula()
    found = interactions(model, table, ["age", "channel", "since"], rows=100)
    assert [pair.features for pair in found] == [
        ("age", "channel"),
        ("age", "since"),
        ("channel", "since"),
    ]
    assert found[0].strength[0, 0] > 0.2
    assert found[1].strength.max() < 1e-6
    assert found[2].strength.max() < 1e-6
    pair = found[0]
    ages, web = np.array(pair.grids[0].values), np.array(pair.grids[1].values) == "web"
    want = ages[:, None] / 10 * (1 + 2 * web)
    assert pair.effects[:, :, 0, 0] == pytest.approx(want)
    # two features and no third in the formula: other rows change nothing
    assert pair.std_error.max() < 1e-9
    share = np.einsum("gh,gh->", np.ones_like(want) / want.size, pair.beyond[:, :, 0, 0] ** 2)
    assert pair.size[0, 0] == pytest.approx(np.sqrt(share), rel=0.2)
    assert pair.size[1, 0] == pytest.approx(2 * pair.size[0, 0])


def test_a_model_of_trees_on_an_array():
    rng = np.random.default_rng(1)
    X, t = rng.normal(size=(6000, 3)), rng.integers(0, 2, 6000)
    y = t * np.sign(X[:, 0] * X[:, 1]) + t * X[:, 2] + 0.3 * rng.normal(size=6000)
    model = TLearner(BoostedTrees(60, num_leaves=8)).fit(X, y, treatment=t)
    joint = {pair.features: pair for pair in interactions(model, X)}
    assert joint["x0", "x1"].strength[0, 0] > 0.9
    assert joint["x0", "x2"].strength[0, 0] < 0.3
    line = partial_effects(model, X, "x2")
    assert np.corrcoef(line.values, line.effects[:, 0, 0])[0, 1] > 0.95
    assert partial_effects(model, X, "x2").effects == pytest.approx(line.effects)


def test_wrong_arguments_are_told():
    table, model = people(), Formula()
    with pytest.raises(InputError, match="feature 'town' must be a column of X"):
        partial_effects(model, table, "town")
    with pytest.raises(InputError, match="rows must be at least 1"):
        partial_effects(model, table, "age", rows=0)
    with pytest.raises(InputError, match=r"model must have effects\(X\); got int"):
        interactions(3, table)
    nothing = table.set_column(0, "age", pa.nulls(200, pa.float64()))
    with pytest.raises(InputError, match="must have values that rows enough have"):
        partial_effects(model, nothing, "age")
