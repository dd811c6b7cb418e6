"""Curves by each method where the truth is a straight line without noise, and the units that
coefficients and covariances are in.
"""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.estimators import ESTIMATORS
from equipoise.pipeline.plan.supply import SupplyPlan
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


def test_coefficients_are_in_the_units_of_the_encoding():
    """Theta and its covariance are those of the DML model, taken out of its standard units: z does
    not change, and twice the metric is twice theta and four times its covariance.
    """
    rows = straight(noise=0.5)
    space = Bits(["a", "b", "c"], candidates="singles")
    up, _ = _switches(rows)
    theta, covariance = coefficients(space, rows, up, 0)
    model = ESTIMATORS.load("dml")(space=space, modifiers=())
    model.fit(rows.X, rows.y, treatment=up, sample_weight=rows.weight)
    scale, order = model.encoding_scale_, model.slots_[:, 0]
    np.testing.assert_allclose(theta * scale[:, None], model.theta_[:, 0])
    for j in (0, 1):
        error = np.sqrt(np.diag(covariance[j]))[order] * scale[order]
        np.testing.assert_allclose(error, np.sqrt(np.diag(model.covariance_[j])))
    twice = Exposures(rows.X, rows.names, rows.T, 2 * rows.y, rows.weight, None)
    double, quadruple = coefficients(space, twice, up, 0)
    np.testing.assert_allclose(double, 2 * theta)
    np.testing.assert_allclose(quadruple, 4 * covariance)


def test_rows_without_weight_do_not_count():
    """Half of the rows lie on another line and weigh next to nothing: the first line is found."""
    rows, n = straight(800), 800
    y = rows.y.copy()
    y[n // 2 :] = rows.T[n // 2 :] @ -SLOPES
    weight = np.where(np.arange(n) < n // 2, 2.0, 1e-9)
    mixed = Exposures(rows.X, rows.names, rows.T, y, weight, None)
    reach = reach_of(SPACE, rows)
    for way, kept in (("shares", {"degree": 1}), ("vector", {}), ("binary", {}), ("doses", {})):
        (found,) = CURVE_METHODS[way]([mixed], [reach], settings(**kept))
        (clean,) = CURVE_METHODS[way]([rows], [reach], settings(**kept))
        top = np.abs(clean.effect).max()
        assert np.abs(found.effect - clean.effect).max() < 0.25 * top, way
