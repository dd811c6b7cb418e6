from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from equipoise.allocation import hashing
from equipoise.allocation.hashing import draw, uniform, uniform_one
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
    assert len(uniform(np.array([], np.str_), 3)) == 0


def test_the_hash_is_splitmix64():
    """The first words of the published generator from the states 0 and 1234567."""
    words = hashing._mix(np.array([0, 1234567], np.uint64))
    assert words.tolist() == [0xE220A8397B1DCDAF, 6457827717110365317]


def test_a_number_never_changes():
    """A policy that is out draws by it: these are the numbers of version 0.1.0, times 2 ** 53."""
    for units, options, want in (
        ([0, 7, -1], (3,), [2970771983134050, 4201597209413317, 612285727549902]),
        ([0, 7, -1], (3, 1), [333188696728401, 1053608668632121, 7036948104938474]),
        ([True, False], (3,), [2872476060193302, 2970771983134050]),
        (["ann", "bo"], (3,), [8770252386540125, 7479724096134928]),
        (np.array(["é", ""], object), (0, 2), [4548281640525423, 1119566037519982]),
    ):
        assert (uniform(units, *options) * 2**53).tolist() == want


@pytest.mark.parametrize("shares", [(0.1, 0.3, 0.2), (0.5, 0.0, 0.5), (0.0, 0.7, 0.0), (0.4,)])
def test_a_draw_is_who_by_one_stream_and_what_by_another(shares):
    ids = np.arange(300)
    who, what = uniform(ids, 5), uniform(ids, 5, 1)
    total, want = sum(shares), []
    for u in range(300):
        a = next(a for a in range(len(shares)) if what[u] * total < sum(shares[: a + 1]))
        want.append(a if who[u] < total else -1)
    assert draw(lot(*shares, seed=5), 300, ids).tolist() == want


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
    with pytest.raises(InputError, match="units must be given"):
        draw(lot(0.5, 0.5), 3, None)  # everybody, but with what
    with pytest.raises(InputError, match=r"got int64 of shape \(1, 2\)"):
        uniform([[1, 2]], 0)
    with pytest.raises(InputError, match="whole numbers or text"):
        uniform([0.5], 0)


def test_one_number_has_the_bits_of_many():
    """Text of all planes, with NULs in it and after it, and whole numbers of any size."""
    rng = np.random.default_rng(0)
    ids: list[Any] = ["", "\0", "a\0", "a\0b", "\ud800", "é\0"]
    for top in (128, 256, 0xD800, 0x110000):
        ids += ["".join(map(chr, rng.integers(0, top, rng.integers(1, 20)))) for _ in range(100)]
    ids += [0, -1, 2**63 - 1, -(2**63), 2**63, 2**64 - 1, 2**64, True, np.int32(7), np.str_("ann")]
    for seed, stream in ((0, 0), (2**64 - 1, 2), (5, 6)):
        for unit in ids:
            assert uniform_one(unit, seed, stream) == uniform([unit], seed, stream)[0], unit
    with pytest.raises(InputError, match="whole numbers or text"):
        uniform_one(0.5, 0)
