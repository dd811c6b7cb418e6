from __future__ import annotations

import numpy as np

from equipoise.allocation.solver.kernels import take_pairs


def run(gain, more, slack, units=None):
    units = np.arange(len(gain)) if units is None else np.array(units)
    choice, left = np.full(int(units.max()) + 1, -1, np.int16), np.array(slack, float)
    to = np.zeros(len(gain), np.int16)
    total = take_pairs(units, to, np.array(gain, float), np.array(more, float), left, choice, 1e-12)
    return total, choice.tolist(), left.tolist()


def test_a_pair_that_fits_together():
    assert run([2.0, -1.5], [[3.0], [-2.5]], [0.5]) == (0.5, [0, 0], [0.0])


def test_a_switch_that_fits_alone():
    assert run([2.0, -1.0], [[1.0], [0.0]], [1.0]) == (2.0, [0, -1], [0.0])


def test_nothing_that_loses_exceeds_or_is_of_the_same_unit():
    assert run([2.0, -3.0], [[3.0], [-3.0]], [0.0])[0] == 0.0
    assert run([2.0, -1.0], [[3.0, 1.0], [-3.0, 1.0]], [0.0, 1.0])[0] == 0.0
    assert run([2.0, -1.0], [[3.0], [-3.0]], [0.0], units=[0, 0])[0] == 0.0
