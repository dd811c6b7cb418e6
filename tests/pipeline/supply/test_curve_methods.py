"""Curves by each method where the truth is a straight line without noise, and the units that
coefficients and covariances are in.
"""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from equipoise.estimators import ESTIMATORS
from equipoise.learners.empirical_bayes import pooled
from equipoise.pipeline.plan.supply import SupplyPlan
from equipoise.pipeline.supply import curve_methods
from equipoise.pipeline.supply.curve_methods import (
    CURVE_METHODS,
    CurveSettings,
    _switches,
    coefficients,
)
from equipoise.pipeline.supply.exposures import Exposures, reach_of
from equipoise.treatments import Bits, Shares

SPACE = Shares(["a", "b", "c"])
SLOPES = np.array([[3.0, -1.0], [0.5, 2.0], [-1.0, 0.0]])  # of each category on two metrics


def straight(n: int = 600, noise: float = 0.0, weight=None, seed: int = 0) -> Exposures:
    """Rows whose metrics are a line in the shares, with features that matter to nothing."""
    rng = np.random.default_rng(seed)
    T = rng.dirichlet([6, 5, 4], n)
    y = T @ SLOPES + noise * rng.normal(size=(n, 2))
    w = np.ones(n) if weight is None else weight
    return Exposures(rng.normal(size=(n, 2)), ("u", "v"), T, y, w, None)


def settings(**keys) -> CurveSettings:
    return CurveSettings(SupplyPlan(way="shares", **keys), SPACE, 0)


def test_switches_by_hand():
    rows = straight(4)
    shares = np.array([[0.1, 0.4, 0.5], [0.2, 0.2, 0.6], [0.4, 0.3, 0.3], [0.5, 0.1, 0.4]])
    up, gap = _switches(Exposures(rows.X, rows.names, shares, rows.y, rows.weight, None))
    assert up.T.tolist() == [[0, 0, 1, 1], [1, 0, 1, 0], [1, 1, 0, 0]]
    np.testing.assert_allclose(gap, [0.3, 0.2, 0.2])


@pytest.mark.parametrize("way", ["shares"])
def test_a_line_is_found_as_it_is(way):
    """Without noise, the curves of all shares at once are the line itself, against today's mix."""
    rows = straight()
    reach = reach_of(SPACE, rows)
    (curves,) = CURVE_METHODS[way]([rows], [reach], settings(degree=1))
    mixes = np.random.default_rng(1).dirichlet([6, 5, 4], 20)
    line = (mixes - reach.today) @ SLOPES
    model = curves.model
    np.testing.assert_allclose(model.space.encode(mixes) @ model.theta, line, atol=1e-6)
    np.testing.assert_allclose(model.covariance, 0, atol=1e-9)


def test_one_switch_of_the_vector_is_worth_the_gap():
    """Switched columns that add up: a switch's coefficient over its gap is its slope."""
    rows = straight()
    up, gap = _switches(rows)
    worth = np.array([[1.0, 0.0], [2.0, -1.0], [0.0, 3.0]])
    exact = Exposures(rows.X, rows.names, rows.T, up @ worth, rows.weight, None)
    reach = reach_of(SPACE, rows)
    (curves,) = CURVE_METHODS["vector"]([exact], [reach], settings(step=0.3))
    move = curves.reach.grid - reach.today[:, None]
    expected = move[:, :, None] * (worth / gap[:, None])[:, None]
    np.testing.assert_allclose(curves.effect, expected, atol=1e-6)


def test_clusters_of_the_vector_are_pooled_in_the_units_of_shares():
    """A coefficient over its gap is a slope, so its covariance is divided by both their gaps."""
    parts = [straight(noise=0.5, seed=seed) for seed in (0, 1)]
    reach = [reach_of(SPACE, rows) for rows in parts]
    space = Bits(list(SPACE.parts), candidates="singles")
    slopes, covariances = [], []
    for rows in parts:
        up, gap = _switches(rows)
        theta, covariance = coefficients(space, rows, up, 0)
        slopes.append(np.diag(1 / gap) @ theta)
        covariances.append([np.diag(1 / gap) @ one @ np.diag(1 / gap) for one in covariance])
    found = CURVE_METHODS["vector"](parts, reach, settings(step=0.3))
    for j in (0, 1):
        means, _ = pooled(
            np.stack([slope[:, j] for slope in slopes]),
            np.stack([covariance[j] for covariance in covariances]),
            [np.arange(3)],
        )
        for curves, mean in zip(found, means, strict=True):
            move = curves.reach.grid - curves.reach.today[:, None]
            np.testing.assert_allclose(curves.effect[..., j], move * mean[:, None])


WEIGHT = np.tile([1.0, 2.0, 5.0], 200)
GROUPS = np.repeat(np.arange(200), 3)


@pytest.mark.parametrize(
    ("weight", "groups"),
    [(None, None), (WEIGHT, None), (None, GROUPS)],
    ids=["plain", "weights", "groups"],
)
def test_coefficients_are_in_the_units_of_the_encoding(weight, groups):
    """Theta and its covariance are those of the DML model of the rows, with their weights and
    groups, taken out of its standard units (of the encoding and of the metrics): z does not change,
    and twice the metric is twice theta and four times its covariance.
    """
    rows = replace(straight(noise=0.5, weight=weight), groups=groups)
    space = Bits(["a", "b", "c"], candidates="singles")
    up, _ = _switches(rows)
    theta, covariance = coefficients(space, rows, up, 0)
    model = ESTIMATORS.load("dml")(space=space, modifiers=())
    model.fit(rows.X, rows.y, treatment=up, sample_weight=weight, groups=groups)
    scale, order = model.encoding_scale_, model.slots_[:, 0]
    unit = model.outcome_units.unit
    np.testing.assert_allclose(theta * scale[:, None], unit * model.theta_[:, 0])
    for j in (0, 1):
        standard = np.diag(scale) @ covariance[j] @ np.diag(scale)
        np.testing.assert_allclose(
            standard[np.ix_(order, order)], unit[j] ** 2 * model.covariance_[j]
        )
    double, quadruple = coefficients(space, replace(rows, y=2 * rows.y), up, 0)
    np.testing.assert_allclose(double, 2 * theta)
    np.testing.assert_allclose(quadruple, 4 * covariance)


class Known:
    """An estimator that knows its effects: the first feature a unit of dose, or of a switch."""

    def __init__(self, space, asked):
        self.space, self.asked = space, asked

    def fit(self, X, y, *, treatment, sample_weight, groups):
        self.asked.append((sample_weight, groups))
        self.metrics = y.shape[1]

    def effects(self, X):
        dose = np.asarray(self.space.candidates(), float) - float(self.space.control)
        values = np.multiply.outer(X[:, 0], dose)[..., None] * np.arange(1, self.metrics + 1)
        return SimpleNamespace(values=values)  # (n, k, m)


@pytest.mark.parametrize("way", ["binary", "doses"])
def test_the_effect_on_a_cluster_is_the_weighted_mean_of_its_rows_by_hand(way, monkeypatch):
    """And whatever estimates it is fitted with the weights and the groups of the rows."""
    T = np.array([[0.1, 0.4, 0.5], [0.2, 0.2, 0.6], [0.4, 0.3, 0.3], [0.5, 0.1, 0.4]])
    weight, groups, asked = np.array([1.0, 2.0, 3.0, 4.0]), np.array([0, 0, 1, 2]), []
    x = np.array([0.0, 1.0, 0.0, 3.0])
    rows = Exposures(x[:, None], ("u",), T, np.ones((4, 2)), weight, groups)
    monkeypatch.setattr(curve_methods, "make_estimator", lambda _, space, seed: Known(space, asked))
    (curves,) = CURVE_METHODS[way]([rows], [reach_of(SPACE, rows)], settings(step=1.0))
    mean = (2 * 1 + 4 * 3) / 10
    gap = [0.3, 0.2, 0.2] if way == "binary" else [1.0, 1.0, 1.0]
    move = (curves.reach.grid - curves.reach.today[:, None]) / np.array(gap)[:, None]
    np.testing.assert_allclose(curves.effect, mean * move[..., None] * [1, 2], atol=1e-12)
    assert len(asked) == 3
    assert all(one[0] is weight and one[1] is groups for one in asked)


def test_rows_without_weight_do_not_count():
    """Half of the rows lie on another line and weigh next to nothing: the first line is found."""
    rows, n = straight(800), 800
    y = rows.y.copy()
    y[n // 2 :] = rows.T[n // 2 :] @ -SLOPES
    weight = np.where(np.arange(n) < n // 2, 2.0, 1e-9)
    mixed = Exposures(rows.X, rows.names, rows.T, y, weight, None)
    reach = reach_of(SPACE, rows)
    for way, options in (("shares", {"degree": 1}), ("vector", {}), ("binary", {}), ("doses", {})):
        (curves,) = CURVE_METHODS[way]([mixed], [reach], settings(**options))
        (clean,) = CURVE_METHODS[way]([rows], [reach], settings(**options))
        top = np.abs(clean.effect).max()
        assert np.abs(curves.effect - clean.effect).max() < 0.25 * top, way
