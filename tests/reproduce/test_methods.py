import numpy as np
import pytest

pytest.importorskip("torch")

from equipoise.core.strata import CASH, COUPON  # noqa: E402
from equipoise.reproduce.methods import METHODS, TABLE, gain_over, judged, strata_of_marginals  # noqa: E402
from equipoise.reproduce.published import ROWS  # noqa: E402

C1, Y1, Y0, PAID = 0.7, 0.6, 0.3, 0.5


class Fixed:
    """Models that say the same of every pair."""

    def __init__(self, data=None):
        self.data = data

    def probability(self, name, pairs):
        return np.full(
            len(pairs), {"y1": Y1, "y0": Y0, "c1": C1}[name[:2]] if name != "c1y1" else PAID
        )

    def strata(self, name, pairs):
        return np.tile([0.1, 0.2, 0.3, 0.25, 0.15], (len(pairs), 1))


BY_HAND = {
    "Naive": (Y1 - 0.4, Y1 - 0.4),
    "OR": (1.4 * (Y1 - Y0) - 0.4, 1.4 * (Y1 - Y0) - 0.4),
    "CF-OR": (
        (Y1 - Y0) - 0.4 * (Y0 - 0.3 * Y1),
        (Y1 - Y0) - 0.4 * (Y0 - 0.3 * Y1) - 0.4 * C1 * (1 - Y1),
    ),
    "CF-MTL": (0.25 - 0.4 * 0.15, 0.25 - 0.4 * 0.45),
    "profit uplift": (1.4 * (Y1 - Y0) - 0.4 * PAID, 1.4 * (Y1 - Y0) - 0.4 * C1),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_rewards_by_hand(name):
    pairs = np.zeros((3, 2), int)
    got = [METHODS[name].reward(Fixed(), pairs, scheme)[0] for scheme in (COUPON, CASH)]
    assert got == pytest.approx(BY_HAND[name])


def test_published_strata_sum_to_one_and_keep_the_uplift():
    rng = np.random.default_rng(0)
    c1, y1, y0 = rng.random((3, 50))
    p = strata_of_marginals(c1, y1, y0)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    np.testing.assert_allclose(p[:, 3], y1 - y0)


def test_cash_profit_and_the_published_strata_agree():
    rng = np.random.default_rng(1)
    c1, y1, y0 = rng.random((3, 50))
    profit = 1.4 * (y1 - y0) - 0.4 * c1
    np.testing.assert_allclose(strata_of_marginals(c1, y1, y0) @ CASH.reward(1.0, 0.4), profit)


def test_every_printed_method_is_there():
    assert set(ROWS["movielens_1m"]["coupon"]) <= {method.name for method in TABLE}


def test_a_method_gains_nothing_over_itself_and_what_the_counts_differ_over_another(data):
    class Ranked(Fixed):
        def probability(self, name, pairs):
            return 0.5 + 0.4 * np.sin(pairs[:, 0] + {"1": 1, "0": 2}[name[1]])

    fits = Ranked(data)
    naive, uplift = METHODS["Naive"], METHODS["OR"]
    assert gain_over(naive, naive, fits)["coupon"] == (0.0, 0.0, 0.0)
    middle, low, high = gain_over(naive, uplift, fits)["coupon"]
    assert middle == pytest.approx(
        judged(naive, fits)["coupon"]["reward"] - judged(uplift, fits)["coupon"]["reward"]
    )
    assert low < middle < high
