"""The loop of red packets: what is judged is what its parts say, and a stopped play goes on."""

import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.data.simulators.red_packet import BASE, draw_schedules, draw_users, expected
from equipoise.report.sections.packet_loop import packets_report
from equipoise.reproduce.packet_loop import (
    PacketLoop,
    _month,
    _settled,
    as_markdown,
    play,
)

SMALL = PacketLoop((0, 1), users=1500, seeds=6, kept=2, new=2)


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    out = tmp_path_factory.mktemp("packets")
    return play(SMALL, out), out


def test_a_stopped_play_goes_on_and_other_settings_are_refused(played):
    results, out = played
    (out / "worlds" / "1.json").unlink()
    assert play(SMALL, out) == results
    with pytest.raises(InputError, match="hold a run of"):
        play(PacketLoop((0, 1), users=1600), out)
    with pytest.raises(InputError, match="2 or more"):
        play(PacketLoop((0,)))
    with pytest.raises(InputError, match="1000 or more"):
        play(PacketLoop((0, 1), users=20))


def test_worth_is_ordered_and_said(played):
    results, _ = played
    for world in results["worlds"]:
        worth = world["worth"]
        assert worth["oracle"] >= max(worth["policy"], worth["incumbent"]) - 1e-12
        assert worth["shipped"] == worth["policy" if world["replaced"] else "incumbent"]
    assert "| shipped |" in as_markdown(results)
    assert "best seed for all" in packets_report(results)


def test_settled_worth_is_that_of_a_month_lived_day_by_day():
    rng = np.random.default_rng(0)
    users, menu = draw_users(50, rng), draw_schedules(3, rng)
    loop, mind = PacketLoop(carry=0.1), users.mind
    worth = []
    for one in (BASE.vector(), *menu):
        mind = users.mind
        for _ in range(28):
            mind = mind + 0.1 * (one[0] / one[1] - mind)
        brought = expected(users, mind, one[None])
        worth.append(brought[:, 0] - loop.price * brought[:, 2])
    want = np.stack(worth[1:], axis=1) - worth[0][:, None]
    assert _settled(loop, users, menu) == pytest.approx(want)


def test_a_month_tells_the_worth_within_its_errors():
    """Over eight worlds the estimates of six schedules lie within their standard errors."""
    z = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        menu = np.vstack([BASE.vector()[None], draw_schedules(6, rng)])
        loop = PacketLoop(users=2000, carry=0.0)
        value, error = _month(loop, menu, rng).worth(loop.price)
        truth = _settled(loop, draw_users(10_000, rng), menu)[:, 1:].mean(axis=0)
        z.append((value - truth) / error)
    assert np.std(z) == pytest.approx(1.0, abs=0.3)
    assert abs(np.mean(z)) < 0.5
