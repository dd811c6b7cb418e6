from __future__ import annotations

import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.core.strata import identify
from equipoise.data import make_incentive_world
from equipoise.data.simulators.incentive import TYPES, _odds, offer_probability


def test_law_of_one_unit_by_hand():
    x = np.array([[1.0, 2.0, 0.5, 0.0, -1.0, 9.0]])
    np.testing.assert_allclose(
        _odds(x), [[0.2 - 0.9 + 1.6, -0.4 + 1.6 - 0.25, 0.35, 0.2 - 0.5, 0.1 + 0.8 + 1.4]]
    )
    np.testing.assert_allclose(
        offer_probability(x, 1.0, 0.05), [0.05 + 0.9 / (1 + np.exp(-(0.7 + 0.3)))]
    )


def test_strata_are_what_the_formulas_find():
    _, truth = make_incentive_world(500, seed=1)
    np.testing.assert_allclose(identify(*truth.claim_cells()), truth.strata(), atol=1e-12)
    np.testing.assert_allclose(truth.types.sum(axis=1), 1)
    np.testing.assert_allclose(truth.levels[:, 0, 0], truth.claim_cells()[1])


def test_what_is_drawn_has_the_law():
    """Largest |z| of the 4 cells and m0 against the law: 2.3 (20 other seeds: at most 3.0)."""
    log, truth = make_incentive_world(100_000, seed=3)
    q, m0 = truth.claim_cells()
    t, g = log.cells, truth.propensity[:, 1]
    cell = (2 * log.numbers("claimed") + log.y[:, 0])[:, None] == np.arange(4)
    gaps = np.column_stack(
        [(t / g)[:, None] * (cell - q), (1 - t) / (1 - g) * (log.y[:, 0] - m0), t - g]
    )
    z = gaps.mean(axis=0) / (gaps.std(axis=0) / np.sqrt(len(gaps)))
    assert np.abs(z).max() < 4
    assert not (log.numbers("claimed")[t == 0]).any()


def test_published_means():
    _, truth = make_incentive_world(200_000, seed=5)
    np.testing.assert_allclose(
        truth.strata().mean(axis=0), [0.302, 0.111, 0.168, 0.213, 0.206], atol=0.003
    )


@pytest.mark.parametrize(("knob", "kind"), [("harm", 5), ("direct", 6), ("direct_loss", 7)])
def test_violations_add_their_type_only(knob, kind):
    _, truth = make_incentive_world(2000, seed=1, **{knob: 0.5})
    share = truth.types.mean(axis=0)
    assert share[kind] > 0.05
    assert np.flatnonzero(share).tolist() == [0, 1, 2, 3, 4, kind]
    assert (truth.types >= 0).all()
    np.testing.assert_allclose(truth.types.sum(axis=1), 1)
    np.testing.assert_allclose(truth.claim_cells()[1], truth.types @ TYPES[:, 1])


def test_without_confounding_it_is_an_experiment():
    _, truth = make_incentive_world(100, confounding=0)
    np.testing.assert_allclose(truth.propensity, 0.5)


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"n": 5}, "n must"),
        ({"overlap": 0.5}, "overlap must"),
        ({"harm": 1.5}, "harm must be a fraction"),
    ],
)
def test_bad_knobs(knobs, message):
    with pytest.raises(InputError, match=message):
        make_incentive_world(**knobs)
