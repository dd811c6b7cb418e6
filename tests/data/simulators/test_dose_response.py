from math import cos, exp, pi, sin

import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.data.simulators.dose_response import make_dose_world, mean_level


def test_the_response_by_hand():
    X = np.array([[0.5, 0.1, 0.2, 0.3, 0.4, 0.9]])
    bend = 4 * 0.9**3 / (1 + 2 * 0.04) * np.sin(0.3)
    assert mean_level(X, np.array([0.5]))[0, 0] == pytest.approx(0.25 + bend)
    assert mean_level(X, np.array([0.75]))[0, 0] == pytest.approx(0.0, abs=1e-12)


def leaning(x1, x2, x3, x4, x5):
    """l(x), number by number."""
    first = (10 * sin(max(x1, x2, x3)) + max(x3, x4, x5) ** 3) / (1 + (x1 + x5) ** 2)
    return first + sin(x3 / 2) * (1 + exp(x4 - x3 / 2)) + x3**2 + 2 * sin(x4) + 2 * x5 - 6.5


def test_rows_follow_the_formulas_up_to_noise_of_a_half():
    world = make_dose_world(4_000, seed=3)
    lean = np.array([leaning(*x[:5]) for x in world.X.tolist()])
    noise = np.log(world.t / (1 - world.t)) - lean
    rows = zip(world.X.tolist(), world.t.tolist(), strict=True)
    mu = [
        cos(2 * pi * (t - 0.5))
        * (t**2 + 4 * max(x[0], x[5]) ** 3 / (1 + 2 * x[2] ** 2) * sin(x[3]))
        for x, t in rows
    ]
    for left in (noise, world.y - mu):
        assert abs(left.mean()) < 4 * 0.5 / 4_000**0.5
        assert left.std() == pytest.approx(0.5, rel=0.05)
    assert world.response(np.array([0.3])) == pytest.approx(
        world.level(world.X, np.array([0.3])).mean()
    )


def test_no_rows_are_refused():
    with pytest.raises(InputError, match="n must be at least 1; got 0"):
        make_dose_world(0)
