import numpy as np
import pytest

from equipoise.core.checks import check_log
from equipoise.core.errors import InputError
from equipoise.core.log import KINDS
from equipoise.data import make_coupon_world

EVERY = ("spend", "visits", "conversion", "margin")


def mean_errors(log, truth, weight):
    """Weighted cell means minus the truth's, over their standard errors, (K, m)."""
    z = []
    for cell in range(len(truth.cells)):
        hit = (log.cells == cell) * weight[:, cell]
        residual = hit[:, None] * log.y - truth.levels[:, cell]
        z.append(residual.mean(axis=0) / (residual.std(axis=0) / np.sqrt(len(log))))
    return np.array(z)


@pytest.mark.parametrize("confounding", [0.0, 0.7])
def test_inverse_propensity_means_are_the_truth(confounding):
    """Over 10 seeds the largest of these 16 |z| was 2.8."""
    log, truth = make_coupon_world(50_000, arms=4, metrics=EVERY, confounding=confounding, seed=5)
    assert np.abs(mean_errors(log, truth, 1 / truth.propensity)).max() < 4.5


def test_confounding_misleads_plain_means():
    log, truth = make_coupon_world(50_000, arms=2, confounding=0.7, seed=1)
    plain = log.y[log.cells == 1].mean(axis=0) - log.y[log.cells == 0].mean(axis=0)
    true = truth.effects().values.mean(axis=(0, 1))
    assert (plain > 1.3 * true).all()  # 1.5 to 1.75 times over 4 seeds
    # 8.7 to 11 over 4 seeds
    assert np.abs(mean_errors(log, truth, np.full_like(truth.propensity, 2.0))).max() > 6


def test_costs_are_those_of_the_truth():
    log, truth = make_coupon_world(100_000, arms=3, seed=2)
    paid = log.numbers("cost")
    assert paid[log.cells == 0].max() == 0
    assert log.numbers("claimed")[log.cells == 0].max() == 0
    for a in range(2):
        hit = paid[log.cells == 1 + a]
        assert abs(hit.mean() - truth.cost[:, a].mean()) < 4.5 * hit.std() / np.sqrt(len(hit))


def test_shares_of_the_arms():
    log, truth = make_coupon_world(20_000, shares=(0.7, 0.2, 0.1), seed=0)
    np.testing.assert_allclose(np.bincount(log.cells) / 20_000, [0.7, 0.2, 0.1], atol=0.012)
    np.testing.assert_allclose(truth.propensity, [[0.7, 0.2, 0.1]] * 20_000)
    assert log.propensity[0].tolist() == [0.7, 0.2, 0.1]


def test_logged_propensities_are_the_true_ones():
    log, truth = make_coupon_world(500, confounding=1.0)
    np.testing.assert_array_equal(log.propensity, truth.propensity)
    assert truth.propensity.std(axis=0).min() > 0.05
    hidden, _ = make_coupon_world(500, confounding=1.0, logged=False)
    assert hidden.propensity is None


def test_metrics_have_their_kinds_and_agree_with_each_other():
    log, _ = make_coupon_world(5_000, metrics=EVERY)
    assert {outcome.kind for outcome in log.roles.outcomes} == set(KINDS)
    spend, _, conversion, margin = log.y.T
    np.testing.assert_array_equal(spend > 0, conversion == 1)
    np.testing.assert_allclose(margin, 0.3 * spend - log.numbers("cost"))
    assert (margin < 0).any()


def test_effects_differ_between_units_and_have_both_signs():
    _, truth = make_coupon_world(5_000, arms=3, metrics=EVERY, seed=3)
    values = truth.effects().values
    assert (values.std(axis=0) > 0.3 * np.abs(values.mean(axis=0))).all()
    assert ((values < 0).mean(axis=0) > 0.05).all()
    best = values[:, :, 0].argmax(axis=1)
    assert np.bincount(best, minlength=2).min() > 500  # no arm is best for all


def test_tails():
    def largest(tail):
        log, _ = make_coupon_world(20_000, tail=tail, seed=4)
        return log.y[:, 0].max() / log.y[:, 0].mean()

    assert largest(0.3) < largest(1.0) < largest(1.6)


def test_same_seed_same_numbers():
    one, two = make_coupon_world(300, seed=9), make_coupon_world(300, seed=9)
    assert one[0].table.equals(two[0].table)
    np.testing.assert_array_equal(one[1].levels, two[1].levels)
    assert not one[0].table.equals(make_coupon_world(300, seed=10)[0].table)


def test_a_user_has_many_rows():
    log, _ = make_coupon_world(1_000, rows_per_user=4)
    assert log.roles.id is None
    assert np.bincount(log.groups).tolist() == [4] * 250
    age = log.numbers("age").reshape(250, 4)
    assert (age == age[:, :1]).all()


def test_a_sound_experiment_passes_its_checks():
    log, _ = make_coupon_world(20_000, seed=6)
    status = {check["name"]: check["status"] for check in check_log(log)}
    assert set(status.values()) == {"ok"}


BAD = [
    {"arms": 1},
    {"metrics": ("clicks",)},
    {"metrics": ()},
    {"shares": (0.5, 0.5)},
    {"shares": (0.5, 0.6, -0.1)},
    {"confounding": -1},
    {"n": 3},
    {"tail": -1},
    {"rows_per_user": 0},
]


@pytest.mark.parametrize("given", BAD, ids=str)
def test_bad_settings(given):
    with pytest.raises(InputError):
        make_coupon_world(**given)
