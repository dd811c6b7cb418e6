"""A uniform number for every unit from its id and a seed, so that a draw needs no state and no
order of rows.

splitmix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators") as a hash
of 64-bit words.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equipoise.core.arrays import Floats, Ints
from equipoise.core.errors import InputError
from equipoise.core.kernels import njit
from equipoise.core.policy import Policy

Words = NDArray[np.uint64]
WORDS = range(-(2**63), 2**64)  # whole numbers that one word holds; numpy takes others for text


def _mix(x: Words) -> Words:
    """The finaliser of splitmix64."""
    z = x + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def uniform(units: ArrayLike, seed: int, stream: int = 0) -> Floats:
    """A number in [0, 1) for each unit id, (n,): whole numbers or text.  Streams of one seed are
    independent.

    >>> uniform(["ann", "bob"], 0).tolist() == [uniform(["ann"], 0)[0], uniform(["bob"], 0)[0]]
    True
    """
    return (words(units, seed, stream) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def words(units: ArrayLike, seed: int, stream: int = 0) -> Words:
    """A word of 64 bits for each unit id, (n,), of which `uniform` takes the first 53.

    >>> words([7], 0).dtype
    dtype('uint64')
    """
    ids = np.asarray(units)
    start = _start(seed, stream)
    if ids.ndim != 1 or ids.dtype.kind not in "iubUOT":
        raise InputError(
            "units",
            "be one id per unit, whole numbers or text",
            f"{ids.dtype} of shape {ids.shape}",
        )
    if ids.dtype.kind in "iub":
        return _mix(ids.astype(np.int64).view(np.uint64) ^ start)
    text = np.ascontiguousarray(ids.astype(np.str_))
    letters = text.view(np.uint32).reshape(len(text), text.dtype.itemsize // 4)
    hashes = np.broadcast_to(start, len(text)).copy()
    length = np.strings.str_len(text)
    for place, column in enumerate(letters.T):  # the padding of short ids changes nothing
        hashes = np.where(place < length, _mix(hashes ^ column.astype(np.uint64)), hashes)
    return _mix(hashes)


def mixed(hashes: Words, words: Words) -> Words:
    """One more word of each unit into its hash, (n,)."""
    return _mix(hashes ^ words)


def _start(seed: int, stream: int) -> Words:
    """What the hash of an id begins with, (1,)."""
    return _mix(_mix(np.full(1, seed, np.uint64)) + np.uint64(stream))


@njit(cache=True)
def _mix_one(x):  # type: ignore[no-untyped-def]
    """`_mix` of one word."""
    z = x + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@njit(cache=True)
def _draw_of_word(word, start):  # type: ignore[no-untyped-def]
    """The number of a whole number, -2^63..2^63 - 1, and of a start, likewise."""
    z = _mix_one(np.uint64(word) ^ np.uint64(start))
    return np.float64(z >> np.uint64(11)) * 2.0**-53


@njit(cache=True)
def _draw_of_text(text, width, start):  # type: ignore[no-untyped-def]
    """The number of a text in bytes, ``width`` a letter, lowest first; NULs at its end are none."""
    n = len(text)
    while n > 0 and text[n - 1] == 0:
        n -= 1
    z = np.uint64(start)
    for i in range(0, n, width):
        letter = np.uint64(text[i])
        for j in range(1, width):
            letter |= np.uint64(text[i + j]) << np.uint64(8 * j)
        z = _mix_one(z ^ letter)
    return np.float64(_mix_one(z) >> np.uint64(11)) * 2.0**-53


@lru_cache(maxsize=1024)
def _start_one(seed: int, stream: int) -> int:
    """`_start` as the whole number -2^63..2^63 - 1 of the same bits."""
    return int(_start(seed, stream).view(np.int64)[0])


def uniform_one(unit: str | int, seed: int, stream: int = 0) -> float:
    """`uniform` of one unit, to the same bits and sooner.

    >>> uniform_one("ann", 0) == float(uniform(["ann"], 0)[0])
    True
    """
    start = _start_one(seed, stream)
    if type(unit) is str:
        if unit.isascii():
            one: float = _draw_of_text(unit.encode(), 1, start)
        else:
            one = _draw_of_text(unit.encode("utf-32-le", "surrogatepass"), 4, start)
    elif type(unit) is int and unit in WORDS:
        one = _draw_of_word(unit if unit < 2**63 else unit - 2**64, start)
    else:
        one = float(uniform([unit], seed, stream)[0])
    return one


def draw(policy: Policy, n: int, units: ArrayLike | None) -> Ints:
    """The choice of each unit under a policy of mode "random", (n,): who is treated by one stream,
    with what by another.
    """
    shares = np.asarray(policy.shares)
    total = float(shares.sum())
    if total == 0:
        return np.full(n, -1)
    if total == 1 and (shares == 1).any():
        return np.full(n, int(shares.argmax()))
    if units is None:
        raise InputError(
            "units",
            "be given to a policy that draws at random",
            None,
            fix="pass units=, one id per unit",
        )
    if np.shape(units) != (n,):
        raise InputError("units", f"be one id per unit, {n}", np.shape(units))
    which = np.searchsorted(np.cumsum(shares) / total, uniform(units, policy.seed, 1), side="right")
    return np.where(uniform(units, policy.seed) < total, np.minimum(which, len(shares) - 1), -1)
