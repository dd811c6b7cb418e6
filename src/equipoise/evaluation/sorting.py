"""One sort for every metric, curve and bootstrap replicate.

A float64 has an order-preserving image among the unsigned integers.  The image (its common low bits
and its offset taken off) goes into the high bits of one uint64 and the row number into the low
bits, so that a plain sort of integers, several times cheaper than an argsort, gives the order and
the ties.  Where the image is too wide for the bits that are left, its last bits are cut for the
sort, and the few runs that then look equal are settled by their scores: order and ties are exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.display import shown
from equipoise.core.errors import InputError
from equipoise.core.kernels import njit

SIGN = np.uint64(1 << 63)
SHORT_RUN = 16  # runs up to this length are settled by insertion, which beats a sort


@shown
@dataclass(frozen=True)
class RankedScores:
    """Rows from the largest score to the smallest; rows with equal scores keep their order.

    Attributes
    ----------
    order : array of int, (n,)
        The row at each rank.
    last : array of bool, (n,)
        Whether a rank is the last of its ties.

    Examples
    --------
    >>> ranked = sort_scores([0.5, 2.0, 0.5])
    >>> len(ranked), ranked.of(np.array([10.0, 20.0, 30.0])).tolist()
    (3, [20.0, 10.0, 30.0])
    """

    order: Ints
    last: Bools

    def __len__(self) -> int:
        return len(self.order)

    def of(self, values: Floats) -> Floats:
        """Values of rows in ranked order.

        Parameters
        ----------
        values : array of float, (n,)
            One of each row, in the order of the rows.

        Returns
        -------
        array, (n,)
            The same, from the largest score to the smallest.
        """
        out = np.empty(len(self))
        _gather(values, self.order.view(np.uint64), out)
        return out


def sort_scores(score: ArrayLike) -> RankedScores:
    """Rank rows by score, largest first.

    Parameters
    ----------
    score : array-like, (n,)
        Scores; infinities are ranked.

    Returns
    -------
    RankedScores
        The order and its ties, exact.

    Raises
    ------
    InputError
        Where there is no row, or a score is NaN, with its row.

    Examples
    --------
    >>> ranked = sort_scores([0.5, 2.0, 0.5])
    >>> ranked.order.tolist(), ranked.last.tolist()
    ([1, 0, 2], [True, False, True])
    """
    if np.ndim(score) != 1 or np.size(score) == 0:
        raise InputError(
            "score",
            "be one number per row, at least one row",
            f"an array of shape {np.shape(score)}",
        )
    values = np.ascontiguousarray(score, np.float64)
    key = np.empty(len(values), np.uint64)
    nan, low, high, spread = _descending_image(values, key)
    if nan >= 0:
        raise InputError("score", "be a number", "nan", f"row {nan}", "drop the row or score it")
    same_bits = (spread & -spread).bit_length() - 1 if spread else 63
    row_bits = max(1, (len(values) - 1).bit_length())
    cut = max(0, ((high - low) >> same_bits).bit_length() + row_bits - 64)
    _pack(key, np.uint64(low), np.uint64(same_bits + cut), np.uint64(row_bits))
    key.sort()
    order = key.view(np.int64)
    last = np.empty(len(key), np.bool_)
    _unpack(key, np.uint64(row_bits), last)
    if cut and _settle(values, order, last, SHORT_RUN):
        _sort_runs(values, order, last)
        _settle(values, order, last, len(order))
    return RankedScores(order, last)


def _sort_runs(score: Floats, order: Ints, last: Bools) -> None:
    """Order, in place, every run of equal images that is longer than `SHORT_RUN`."""
    size = np.diff(np.flatnonzero(last), prepend=-1)
    run = np.repeat(np.arange(len(size)), size)
    place = np.flatnonzero(np.repeat(size > SHORT_RUN, size))
    rows = order[place]
    order[place] = rows[np.lexsort((-score[rows], run[place]))]  # stable: ties stay by row


def _descending_image(score: Floats, key: NDArray[np.uint64]) -> tuple[int, int, int, int]:
    nan, low, high, spread = _image(score, score.view(np.uint64), key)
    return int(nan), int(low), int(high), int(spread)


@njit(cache=True)
def _gather(values, order, out):  # type: ignore[no-untyped-def]
    """out (n,) := values[order]; an unsigned index needs no test for counting from the end, which
    makes this twice as fast.
    """
    for p in range(len(order)):
        out[p] = values[order[p]]


@njit(cache=True)
def _image(score, bits, key):  # type: ignore[no-untyped-def]
    """Fill key (n,) with images that fall as scores rise -> (row of a NaN or -1, least, largest,
    bits in which they differ).
    """
    nan = -1
    low, high, spread = np.uint64(0xFFFFFFFFFFFFFFFF), np.uint64(0), np.uint64(0)
    first = np.uint64(0)
    for i in range(len(score)):
        if score[i] != score[i] and nan < 0:
            nan = i
        b = bits[i] if score[i] != 0.0 else np.uint64(0)  # -0.0 ties with 0.0
        rising = b ^ (SIGN | (np.uint64(0) - (b >> np.uint64(63))))
        k = ~rising
        key[i] = k
        if i == 0:
            first = k
        spread |= k ^ first
        low = min(low, k)
        high = max(high, k)
    return nan, low, high, spread


@njit(cache=True)
def _pack(key, low, drop, row_bits):  # type: ignore[no-untyped-def]
    """key (n,) := image above, row number below, in place."""
    for i in range(len(key)):
        key[i] = (((key[i] - low) >> drop) << row_bits) | np.uint64(i)


@njit(cache=True)
def _unpack(key, row_bits, last):  # type: ignore[no-untyped-def]
    """Sorted keys (n,) := their row numbers, in place; last (n,) := whether each is the last of
    equal images.
    """
    mask = (np.uint64(1) << row_bits) - np.uint64(1)
    here = key[0] >> row_bits
    for p in range(len(key) - 1):
        image = key[p + 1] >> row_bits
        last[p] = image != here
        key[p] &= mask
        here = image
    last[-1] = True
    key[-1] &= mask


@njit(cache=True)
def _settle(score, order, last, longest):  # type: ignore[no-untyped-def]
    """Order every run of at most ``longest`` equal images by score, largest first, then row, and
    mark the true ends of ties; whether there are longer runs, which stay as they are.
    """
    start, longer = 0, False
    for p in range(len(order)):
        if not last[p]:
            continue
        if p - start >= longest:
            longer = True
        else:
            for i in range(start + 1, p + 1):
                row, j = order[i], i
                while j > start and score[order[j - 1]] < score[row]:
                    order[j] = order[j - 1]
                    j -= 1
                order[j] = row
            for i in range(start, p):
                last[i] = score[order[i]] != score[order[i + 1]]
        start = p + 1
    return longer
