"""The world of red packets: one user by hand, the oracle's figures, and what is drawn."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.core.errors import InputError, SpaceError, UnsupportedSpace
from equipoise.data import make_red_packet_world
from equipoise.data.simulators.red_packet import (
    BASE,
    Users,
    days_of,
    draw_schedules,
    draw_users,
    expected,
)
from equipoise.treatments import Schedule, Strategy

MENU = {
    "base": BASE,
    "flat": Strategy(1.2, 4, 3.0),
    "late": Strategy(1.2, 4, 3.0, (-0.6, 0.4)),
    "many": Strategy(1.2, 8, 1.0),
}


@pytest.fixture(scope="module")
def oracle():
    """The oracle's users: 200,000 of seed 0."""
    return make_red_packet_world(200_000, MENU, carry=0.2, seed=0)


def test_one_user_by_hand():
    """A regular user of evening 0.25, thrift 0.5 and mind 0.8, with 0.6 yuan in two packets, at 8
    and 12: no minimum and no maximum is in force but the anchor's.
    """
    some = Users(*(np.array([v]) for v in (2, 0.5, 0.25, 0.0, 0.0)), mind=np.array([0.8]))
    schedule, (shift, factor) = Strategy(0.6, 2, 4.0).vector()[None], (0.3, 1.1)
    t = np.array([8.0, 12.0])
    noon, late = np.exp(-0.5 * ((t - 12.5) / 2.5) ** 2), np.exp(-0.5 * ((t - 20.5) / 2.5) ** 2)
    p = 0.6 * (0.3 + 0.7 * (0.75 * noon + 0.25 * late)) * factor * (1 - np.exp(-0.3 / 0.48))
    v = 0.3 / 1.1 * np.array([1, 0.85 * (1 - np.exp(-2))])
    r = 1 / (1 + np.exp(-(np.log(0.7 / 0.3) + shift)))
    r -= 0.1 * 0.5 * r * (1 - 0.3 / 0.8)
    back = r + (1 - r) * (1 - np.prod(1 - p * 0.15 * v))
    minutes = 35 * factor + (p * 8 * v).sum()
    got = expected(some, some.mind, schedule, (shift, factor))
    np.testing.assert_allclose(got, [[back, minutes, 0.3 * p.sum()]], rtol=1e-12)


def test_figures_of_the_oracle(oracle):
    """`reference/red_packet_world.py` prints these with the same draws."""
    _, truth = oracle
    exact = [(0.5505, 33.5494, 0.0276), (0.5882, 35.7391, 0.2889)]
    exact += [(0.5833, 35.2389, 0.3047), (0.5645, 34.3116, 0.2266)]
    held = [(0.5774, 34.4816, 0.0455), (0.5857, 35.3785, 0.2785)]
    held += [(0.5816, 34.925, 0.2976), (0.5834, 35.1361, 0.2925)]
    schedules = list(MENU.values())
    np.testing.assert_allclose(truth.levels.mean(axis=0), exact, atol=5.1e-5)
    np.testing.assert_allclose(truth.of(schedules, 28).mean(axis=0), held, atol=5.1e-5)
    some = truth.take(np.arange(0, 200_000, 1000))
    np.testing.assert_array_equal(some.of(list(MENU)), some.levels)


def test_what_is_drawn_has_the_law(oracle):
    """Largest |z| of 4 schedules x 3 metrics within this seed: 2.1."""
    log, truth = oracle
    for cell in range(len(MENU)):
        rows = log.cells == cell
        gap = log.y[rows] - truth.levels[rows, cell]
        z = gap.mean(axis=0) / (gap.std(axis=0) / np.sqrt(rows.sum()))
        assert np.abs(z).max() < 3
    assert np.allclose(truth.propensity, 1 / 4)
    assert np.allclose(log.propensity, 1 / 4)
    assert np.abs(np.bincount(log.cells) / len(log) - 1 / 4).max() < 0.004


def test_effects_of_random_schedules():
    """300 schedules of the oracle's own, 4,000 users: mean 3.1 and SD 1.4 points on day one; after
    a month at carry 0.2, 0.25 and 0.72.
    """
    _, truth = make_red_packet_world(1000, {"base": BASE, "flat": (1.2, 4, 3)}, carry=0.2, seed=100)
    schedules = draw_schedules(200, np.random.default_rng(0))
    for held, mean, spread in ((0, 3.1, 1.4), (28, 0.25, 0.72)):
        levels = truth.of(np.vstack([BASE.vector(), schedules]), held)[..., 0].mean(axis=0)
        effect = 100 * (levels[1:] - levels[0])
        assert abs(effect.mean() - mean) < 0.2
        assert abs(effect.std() - spread) < 0.15


def test_a_month_held_moves_minds():
    """Rows of a day are worth what a user's own past made of them; without carry-over and effects
    of days every day is the first.
    """
    log, truth = make_red_packet_world(300, MENU, days=5, carry=0.3, time_effects=0, seed=100)
    assert len(log) == 1500
    assert (log.codes("user")[0].reshape(5, 300) == log.codes("user")[0][:300]).all()
    cells = log.cells.reshape(5, 300)
    assert (cells == cells[0]).all()
    for day in (0, 4):
        rows = np.arange(300 * day, 300 * (day + 1))
        held = truth.of(list(MENU), day)[np.arange(300), log.cells[rows]]
        np.testing.assert_allclose(truth.levels[rows, log.cells[rows]], held)
    _, still = make_red_packet_world(300, MENU, days=3, time_effects=0, seed=100)
    np.testing.assert_array_equal(still.levels[:300], still.levels[600:])


def test_days_have_effects_unless_there_is_one():
    rng = np.random.default_rng(0)
    shift, presence = days_of(28, rng)
    noise = shift - 0.35 * (np.arange(28) % 7 >= 5) - 0.3 * np.sin(2 * np.pi * np.arange(28) / 28)
    assert 0.1 < noise.std() < 0.2
    assert presence.tolist() == [1, 1, 1, 1, 1, 1.1, 1.1] * 4
    _, truth = make_red_packet_world(200, MENU, days=7, seed=100)
    mean = truth.levels[:, 0].reshape(7, 200, 3).mean(axis=1)
    assert np.ptp(mean[:, 0]) > 0.05
    np.testing.assert_allclose(mean[5:, 1] / mean[0, 1], 1.1, rtol=0.01)
    assert truth.days[0].shape == (7,)


def test_daily_traffic_and_traffic_of_a_table():
    log, _ = make_red_packet_world(200, MENU, days=6, design="daily", seed=100)
    cells = log.cells.reshape(6, 200)
    assert (cells != cells[0]).any(axis=0).mean() > 0.9
    table = (np.arange(200)[:, None] + np.arange(6)) % 4
    log, truth = make_red_packet_world(200, MENU, days=6, design=table, seed=100)
    np.testing.assert_array_equal(log.cells.reshape(6, 200), table.T)
    np.testing.assert_allclose(truth.propensity, 1 / 4)
    assert log.roles.design is None


def test_minds_confound_only_where_asked():
    for strength, least, most in ((0.0, -0.05, 0.05), (1.0, 0.3, 1.0)):
        log, truth = make_red_packet_world(5000, MENU, mind_confounds=strength, seed=100)
        mean = log.treatment[:, 0] / log.treatment[:, 1]
        assert least < np.corrcoef(np.log(truth.users.mind), np.log(mean))[0, 1] < most
        assert (log.propensity is None) == (strength > 0)
        np.testing.assert_allclose(truth.propensity.sum(axis=1), 1)
        share = np.bincount(log.cells, minlength=4) / 5000
        np.testing.assert_allclose(truth.propensity.mean(axis=0), share, atol=0.03)


def test_schedules_of_their_own():
    log, truth = make_red_packet_world(1000, MENU, own_schedules=True, seed=100)
    assert log.treatment.shape == (1000, 7)
    assert 600 < len(np.unique(log.treatment, axis=0)) < 900
    assert 0.15 < (log.treatment == BASE.vector()).all(axis=1).mean() < 0.25
    with pytest.raises(UnsupportedSpace, match="to have a cell"):
        _ = log.cells
    own = truth.take([7, 3]).of(log.treatment[[7, 3]])[np.arange(2), np.arange(2)]
    assert ((own[:, 0] > 0) & (own[:, 0] < 1)).all()


def test_users_of_some_rows():
    _, truth = make_red_packet_world(200, MENU, days=2, carry=0.5, seed=100)
    part = truth.take([205, 3, 5])
    assert part.user.tolist() == [0, 1, 2]
    assert part.day.tolist() == [1, 0, 0]
    np.testing.assert_array_equal(part.users.mind, truth.users.mind[[5, 3, 5]])
    np.testing.assert_array_equal(part.of(["late"]), truth.of(["late"])[[5, 3, 5]])
    np.testing.assert_array_equal(part.levels, truth.levels[[205, 3, 5]])


def test_drawn_schedules_fill_the_space():
    rows = draw_schedules(2000, np.random.default_rng(0))
    assert (rows == rows.round(2)).all()
    assert Schedule({"base": BASE, **{str(k): row for k, row in enumerate(rows[:50])}})
    assert set(rows[:, 1]) == set(range(1, 9))
    assert rows[:, 0].min() < 0.35
    assert rows[:, 0].max() > 2.95
    flat = draw_schedules(50, np.random.default_rng(0), waves=False)
    assert not flat[:, 3:].any()


def test_the_same_seed_is_the_same_world():
    one, other = (make_red_packet_world(300, days=2, seed=7)[0] for _ in range(2))
    assert one.table.equals(other.table)
    assert not one.table.equals(make_red_packet_world(300, days=2, seed=8)[0].table)
    assert draw_users(5, np.random.default_rng(1)).mind.tolist() != [0] * 5


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"n": 5}, "n must be at least 100"),
        ({"days": 0}, "days must be at least 1"),
        ({"carry": 1.5}, r"carry must lie in 0\.\.1"),
        ({"loss": np.nan}, r"loss must lie in 0\.\.1"),
        ({"time_effects": -1}, "time_effects must be a number >= 0"),
        ({"mind_confounds": np.inf}, "mind_confounds must be a number >= 0"),
        ({"design": "batches"}, "design must be one of held, daily"),
        ({"design": np.full((200, 1), 4)}, r"places 0\.\.3 of shape \(200, 1\)"),
        ({"design": np.zeros((200, 2), int)}, r"shape \(200, 2\)"),
        ({"own_schedules": True, "design": "daily"}, "own_schedules must go with a held design"),
        ({"menu": {"a": (1, 2, 3)}}, "beside the base"),
    ],
)
def test_bad_knobs(knobs, message):
    with pytest.raises((InputError, SpaceError), match=message):
        make_red_packet_world(**{"n": 200, "menu": MENU, **knobs})


def test_bad_questions():
    _, truth = make_red_packet_world(200, MENU)
    with pytest.raises(InputError, match="held_days must be a whole number >= 0"):
        truth.of([BASE], -1)
    with pytest.raises(SpaceError, match="row 1"):
        truth.of([[0.2, 2, 4], [0.2, 9, 4]])
