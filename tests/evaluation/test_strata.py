from __future__ import annotations

import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.core.strata import CASH, COUPON, Claims, cells_of, dr_signals
from equipoise.data import make_incentive_world
from equipoise.evaluation.strata import audience, offer_curve, offer_value, reward_by_segment

REWARD = COUPON.reward(1, 0.4)


def judged(n=4000, seed=0):
    """Strata (n, 5), and signals of them with the right propensity and outcome models that are
    halfway to the mean.
    """
    log, truth = make_incentive_world(n, seed=seed)
    p = truth.strata()
    rows = Claims(
        log.cells,
        log.numbers("claimed").astype(int),
        log.y[:, 0].astype(int),
        truth.propensity[:, 1],
    )
    return p, dr_signals(rows, *cells_of((p + p.mean(axis=0)) / 2))


def test_two_rows_by_hand():
    signals = np.array([[0, 0, 0, 2.0, 0], [0, 0, 0, 0, 2.0]])
    value = offer_value(np.array([1.0, 0.5]), signals, REWARD)
    assert value.rows.tolist() == [2.0, -0.4]
    assert value.estimate.value == pytest.approx(0.8)
    assert value.estimate.std_error == pytest.approx(1.2)
    assert value.lower == pytest.approx(0.8 - 6.3137515 * 1.2)  # Student's, 1


def test_value_and_lower_bound_cover():
    """Of 400 worlds 95.5 % of the intervals cover the truth and 95.5 % of the bounds lie below it;
    88 of 100 is 3 sd off.
    """
    inside, below = [], []
    for seed in range(100):
        p, signals = judged(1000, seed)
        offered = (p @ REWARD > 0.1).astype(float)
        value, true = offer_value(offered, signals, REWARD), np.mean(offered * (p @ REWARD))
        inside.append(value.estimate.low <= true <= value.estimate.high)
        below.append(value.lower <= true)
    assert np.mean(inside) > 0.88
    assert np.mean(below) > 0.88


def test_curve_is_the_value_of_its_rule():
    p, signals = judged()
    score = p @ REWARD
    for point in offer_curve(score, signals, REWARD, shares=[0.0, 0.1, 0.4, 1.0]):
        chance = np.where(
            score > point.gamma,
            1.0,
            np.where((score == point.gamma) & (point.gamma > 0), point.tie, 0.0),
        )
        assert point.offered == pytest.approx(min(point.share, (score > 0).mean()))
        assert point.value.value == pytest.approx(
            offer_value(chance, signals, REWARD).estimate.value
        )
    assert len(offer_curve(score, signals, REWARD)) == 20


def test_audience_adds_up():
    p, signals = judged()
    offered = (p @ REWARD > 0.1).astype(float)
    table = audience(offered, signals, COUPON, gain=1, cost=0.4)
    assert [line.stratum for line in table] == [
        "never_buyer",
        "never_taker",
        "coupon_taker",
        "coupon_buyer",
        "always_buyer",
    ]
    assert sum(line.units.value for line in table) == pytest.approx(4000)
    assert sum(line.offered.value for line in table) == pytest.approx(offered.sum())
    total = 4000 * offer_value(offered, signals, REWARD).estimate.value
    assert sum(line.reward.value for line in table) == pytest.approx(total)
    always = table[4]
    assert always.paid.value == pytest.approx(0.4 * always.offered.value)
    assert always.reward.low <= always.reward.value <= always.reward.high
    assert always.offered.low <= np.sum(offered * p[:, 4]) <= always.offered.high
    assert "buy anyway" in always.words
    assert f"{always.paid.value:,.0f} is paid" in always.words


def test_cash_is_paid_to_takers_too():
    p, signals = judged(500)
    table = audience(np.ones(500), signals, CASH, gain=1, cost=0.4)
    assert [line.paid.value != 0 for line in table] == [False, False, True, True, True]


def test_segments_average_to_the_whole():
    p, signals = judged(500)
    rows = offer_value(np.ones(500), signals, REWARD).rows
    segment = np.where(np.arange(500) < 200, "new", "old")
    value = reward_by_segment(rows, segment)
    assert 0.4 * value["new"].value + 0.6 * value["old"].value == pytest.approx(rows.mean())
    with pytest.raises(InputError, match="segment lone must have at least two rows"):
        reward_by_segment(rows, np.where(np.arange(500) == 3, "lone", "rest"))
    with pytest.raises(InputError, match=r"segment must be one label per row \(500,\); got \(2,\)"):
        reward_by_segment(rows, ["new", "old"])


def test_groups_widen_the_interval_of_copies():
    p, signals = judged(500)
    once = offer_value(np.ones(500), signals, REWARD).estimate
    twice = offer_value(
        np.ones(1000), np.repeat(signals, 2, axis=0), REWARD, groups=np.repeat(np.arange(500), 2)
    ).estimate
    assert twice.std_error == pytest.approx(once.std_error)


@pytest.mark.parametrize(
    ("offered", "message"),
    [
        (np.array([0.5, 1.5]), "offered must be a probability; got 1.5 at row 1"),
        (np.ones(3), "one probability per row"),
    ],
)
def test_bad_offers(offered, message):
    with pytest.raises(InputError, match=message):
        offer_value(offered, np.zeros((2, 5)), REWARD)


def test_bad_signals():
    with pytest.raises(InputError, match=r"signals must have shape \(n, 5\)"):
        offer_value(np.ones(2), np.zeros((2, 4)), REWARD)


def test_no_sentence_speaks_of_fewer_than_nobody():
    """Signals may sum to less than 0 where a stratum is empty."""
    signals = np.full((40, 5), [0.5, -0.1, 0.3, 0.2, 0.1])
    signals[::2, 1] = -0.3
    taker = audience(np.ones(40), signals, COUPON, gain=1, cost=0.4)[1]
    assert taker.units.value == pytest.approx(-8)
    assert taker.words.startswith("About 0 (0 to 0) buy anyway and ignore the offer; 0 (0 to 0)")
