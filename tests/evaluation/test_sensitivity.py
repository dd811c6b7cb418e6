from __future__ import annotations

import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.core.strata import identify
from equipoise.data import make_incentive_world
from equipoise.evaluation.bounds import TYPES, strata_bounds
from equipoise.evaluation.sensitivity import msm_interval, msm_strata, with_direct_gain, with_harm


def law(n=300, **knobs):
    _, truth = make_incentive_world(n, seed=9, **knobs)
    return truth, *truth.claim_cells()


def test_msm_by_hand():
    """p = 0.4, own 0.5, factor 2: the other arm has between max(0.2, -0.2) and min(0.8, 0.7)."""
    low, high = msm_interval(np.array([0.4]), np.array([0.5]), 2.0)
    assert (low[0], high[0]) == (pytest.approx(0.3), pytest.approx(0.55))


@pytest.mark.parametrize(
    ("vary", "assume", "violation"),
    [(with_harm, ("A5",), "harm"), (with_direct_gain, ("A6",), "direct_gain")],
)
def test_parts_run_from_end_to_end(vary, assume, violation):
    _, q, m0 = law()
    bounds = strata_bounds(q, m0, assume=assume)
    low, high = bounds.of(violation)
    for part in (0.0, 0.3, 1.0):
        types = vary(q, m0, part)
        np.testing.assert_allclose(types.sum(axis=1), 1)
        np.testing.assert_allclose(types[:, TYPES.index(violation)], low + part * (high - low))
        assert (types >= bounds.low - 1e-9).all()
        assert (types <= bounds.high + 1e-9).all()
    np.testing.assert_allclose(vary(q, m0, 0.0)[:, :5], identify(q, m0), atol=1e-12)


@pytest.mark.parametrize(
    ("vary", "knobs", "kind"),
    [(with_harm, {"harm": 0.5}, 5), (with_direct_gain, {"direct": 0.3}, 6)],
)
def test_the_true_part_gives_the_true_types(vary, knobs, kind):
    truth, q, m0 = law(**knobs)
    least, most = vary(q, m0, 0.0)[:, kind], vary(q, m0, 1.0)[:, kind]
    part = np.clip((truth.types[:, kind] - least) / (most - least), 0, 1)
    np.testing.assert_allclose(vary(q, m0, part), truth.types, atol=1e-9)


def test_no_confounding_is_the_formula():
    truth, q, m0 = law()
    low, high = msm_strata(q, m0, truth.propensity[:, 1], 1.0)
    np.testing.assert_allclose(low, truth.strata(), atol=1e-12)
    np.testing.assert_allclose(high, truth.strata(), atol=1e-12)


def test_bounds_widen_with_the_factor():
    truth, q, m0 = law()
    ends = [msm_strata(q, m0, truth.propensity[:, 1], factor) for factor in (1.0, 1.2, 2.0, 5.0)]
    for (low, high), (lower, higher) in zip(ends, ends[1:], strict=False):
        assert (lower <= low + 1e-12).all()
        assert (higher >= high - 1e-12).all()


def test_covers_a_hidden_confounder_of_its_strength():
    """A hidden half of the units is offered with other odds and has other strata; its odds ratio is
    the factor.
    """
    rng = np.random.default_rng(0)
    for _ in range(50):
        p, g = rng.dirichlet(np.ones(5), 2), rng.uniform(0.2, 0.8, 2)  # of the two halves
        share = g / g.sum()  # of the halves among the offered
        left = (1 - g) / (1 - g).sum()
        q = share @ np.column_stack([p[:, :3], p[:, 3] + p[:, 4]])
        m0 = left @ (p[:, 1] + p[:, 4])
        own = g.mean()
        odds = g / (1 - g) / (own / (1 - own))
        factor = float(np.maximum(odds, 1 / odds).max())
        low, high = msm_strata(q[None], np.array([m0]), np.array([own]), factor)
        assert (p.mean(axis=0) >= low[0] - 1e-9).all()
        assert (p.mean(axis=0) <= high[0] + 1e-9).all()


@pytest.mark.parametrize("factor", [0.5, np.nan])
def test_a_factor_is_at_least_one(factor):
    with pytest.raises(InputError, match="factor must be a finite number >= 1"):
        msm_interval(np.array([0.4]), np.array([0.5]), factor)


def test_a_part_is_a_share():
    _, q, m0 = law(20)
    with pytest.raises(InputError, match="part must lie in 0..1"):
        with_harm(q, m0, 1.5)
