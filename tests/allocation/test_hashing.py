from __future__ import annotations

import numpy as np
import pytest

from equipoise.allocation.hashing import draw, uniform
from equipoise.core.errors import InputError
from equipoise.core.policy import Policy


def lot(*shares, seed=0):
    return Policy(
        tuple("abc")[: len(shares)], "none", ("y",), (1.0,), mode="random", shares=shares, seed=seed
    )


def test_nobody_and_everybody_need_no_ids():
    assert draw(lot(0.0, 0.0), 2, None).tolist() == [-1, -1]
    assert draw(lot(0.0, 1.0), 2, None).tolist() == [1, 1]


def test_a_number_depends_on_the_id_alone():
    ids = ["ann", "bob", "a much longer name"]
    assert uniform(ids, 3).tolist() == [uniform([name], 3)[0] for name in ids]
    assert uniform(np.arange(5), 3)[::-1].tolist() == uniform(np.arange(5)[::-1], 3).tolist()


def test_numbers_are_uniform_and_streams_independent():
    one, two, other = (
        uniform(np.arange(40_000), 0),
        uniform(np.arange(40_000), 0, 1),
        uniform(np.arange(40_000), 1),
    )
    for numbers in (one, two, other):
        counts = np.bincount((numbers * 20).astype(int), minlength=20)
        assert ((counts - 2000) ** 2 / 2000).sum() < 50  # chi-square, 19 df: P(> 50) = 1e-4
    # |correlation| of independent numbers: standard error 0.005
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.02
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.02


def test_shares_are_kept():
    choice = draw(lot(0.1, 0.3, 0.2), 100_000, np.arange(100_000))
    got = np.bincount(choice + 1, minlength=4) / 100_000
    assert np.abs(got - [0.4, 0.1, 0.3, 0.2]).max() < 0.006  # four standard errors


def test_ids_are_asked_for_and_checked():
    with pytest.raises(InputError, match="units must be given to a policy that draws at random"):
        draw(lot(0.5), 3, None)
    with pytest.raises(InputError, match="one id per unit, 3"):
        draw(lot(0.5), 3, [1, 2])
    with pytest.raises(InputError, match="whole numbers or text"):
        uniform([0.5], 0)
