"""Whole points by bins of a few features: learnt by least squares, rounded, then moved one by one.

    total_i = sum_j points_j(bin of i)       a band of totals, from its least up, gets a candidate

Least squares on the gains use all rows for every point, so that points follow what is there and
not single rows; features enter one by one while they explain more than their bins would by chance
(Akaike 1974).  Bands are chosen exactly, among all that keep the demands; then each point is moved
to where the rule is worth most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from equipoise.allocation.rules.demands import SLACK, Demands
from equipoise.allocation.rules.space import TreeSpace
from equipoise.core.arrays import Floats, Ints

ROUNDS = 1  # over all points: more follow the noise
Bands = tuple[tuple[int, int], ...]  # (least total, candidate), the lowest first


@dataclass(frozen=True)
class Card:
    """Points of every bin of all columns, (S,), and the bands of totals."""

    points: tuple[int, ...]
    bands: Bands

    def totals(self, codes: Ints) -> Ints:
        """The total of each row, (n,)."""
        totals: Ints = np.asarray(self.points, np.int64)[codes].sum(axis=1)
        return totals

    def choice(self, codes: Ints) -> Ints:
        """What each row gets, (n,)."""
        return choice_by(self.totals(codes), self.bands)


def choice_by(totals: Ints, bands: Bands) -> Ints:
    """What totals get: the candidate of the highest band that they reach, else control."""
    choice = np.full(len(totals), -1, np.int64)
    for least, candidate in bands:
        choice[totals >= least] = candidate
    return choice


def additive(codes: Ints, start: Ints, y: Floats) -> tuple[Floats, Floats]:
    """Counts of rows by pairs of bins, (S, S), and sums of y by bin, (S,)."""
    S = int(start[-1])
    gram = np.zeros((S, S))
    for j in range(codes.shape[1]):
        for i in range(j + 1):
            pairs = np.bincount(codes[:, i] * S + codes[:, j], minlength=S * S).reshape(S, S)
            gram += pairs if i == j else pairs + pairs.T
    moment = np.zeros(S)
    for j in range(codes.shape[1]):
        moment += np.bincount(codes[:, j], y, S)
    return gram, moment


def forward(
    gram: Floats, moment: Floats, y: Floats, start: Ints, most: int
) -> tuple[list[int], Floats]:
    """The features that enter, and the coefficients of all bins, (S,), 0 for the others."""
    used: list[int] = []
    noise, best = float(np.var(y)), len(y) * float(np.mean(y)) ** 2
    coefficients = np.zeros(len(moment))
    while len(used) < min(most, len(start) - 1):
        tries = [
            (*_explained(gram, moment, start, [*used, j]), j)
            for j in range(len(start) - 1)
            if j not in used
        ]
        explained, fitted, j = max(tries, key=lambda one: one[0])
        free = (gram.diagonal()[start[j] : start[j + 1]] > 0).sum() - 1
        if used and explained - best <= 2 * noise * free:
            break
        used, best, coefficients = [*used, j], explained, fitted
    return used, coefficients


def _explained(
    gram: Floats, moment: Floats, start: Ints, columns: Sequence[int]
) -> tuple[float, Floats]:
    """The squares that some columns explain, and their coefficients among all bins, (S,)."""
    bins = np.concatenate([np.arange(start[j], start[j + 1]) for j in columns])
    bins = bins[gram.diagonal()[bins] > 0]
    own = gram[np.ix_(bins, bins)]
    solved = np.linalg.lstsq(own, moment[bins], rcond=1e-10)[0]
    coefficients = np.zeros(len(moment))
    coefficients[bins] = solved
    return float(solved @ moment[bins]), coefficients


def rounded(
    coefficients: Floats, count: Floats, start: Ints, used: Sequence[int], most: int
) -> Ints:
    """Coefficients as whole points from 0 to ``most``, the lowest bin of each feature at 0."""
    points, reach = np.zeros(len(coefficients)), 0.0
    for j in used:
        bins = np.arange(start[j], start[j + 1])
        bins = bins[count[bins] > 0]
        points[bins] = coefficients[bins] - coefficients[bins].min()
        reach = max(reach, float(points[bins].max()))
    return np.rint(points * (most / reach if reach > 0 else 0.0)).astype(np.int64)


@dataclass(frozen=True)
class Stock:
    """What rows gain, (n, k), with the demands that rules of points must keep."""

    space: TreeSpace
    gains: Floats
    usage: Floats  # (u, m * k)
    bounds: Floats

    @classmethod
    def of(cls, space: TreeSpace, demands: Demands | None) -> Stock:
        """Of a space's own gains, (n, k)."""
        if demands is None:
            return cls(space, space.gains, np.zeros((len(space.gains), 0)), np.zeros(0))
        usage = demands.usage.transpose(1, 0, 2).reshape(demands.usage.shape[1], -1)
        bounds = demands.bounds + SLACK * np.abs(demands.bounds)
        return cls(space, space.gains, usage, bounds)

    def sums(self, points: Ints, size: int) -> tuple[Floats, Floats]:
        """Gains (R, k) and usage (R, m k) by total."""
        own, counted = points[self.space.codes].sum(axis=1), points[self.space.counted].sum(axis=1)
        return by_total(own, self.gains, size), by_total(counted, self.usage, size)

    def bands(self, gains: Floats, usage: Floats) -> tuple[float, Bands]:
        """The best bands that keep the demands; -inf where none does."""
        shape = (len(gains), len(self.bounds), gains.shape[1])
        return best_bands(gains, usage.reshape(shape), self.bounds)

    def worth(self, points: Ints) -> tuple[float, Card]:
        """Points with their best bands, and what they gain in all."""
        gains, usage = self.sums(points, _size(points, self.space.start))
        value, bands = self.bands(gains, usage)
        return value, Card(tuple(points.tolist()), bands)

    def moved(self, points: Ints, used: Sequence[int], most: int) -> tuple[float, Card]:
        """Points, each moved to where the rule is worth most, until none moves."""
        points, start = points.copy(), self.space.start
        size = 1 + most * len(used)
        best = self.worth(points)[0]
        for _ in range(ROUNDS):
            before = points.copy()
            for b in (b for j in used for b in range(start[j], start[j + 1])):
                best = self._move(points, b, size, most, best)
            if (points == before).all():
                break
        return self.worth(points)

    def _move(self, points: Ints, b: int, size: int, most: int, best: float) -> float:
        """Set the points of one bin to the best; the worth they have then."""
        whole = self.sums(points, size)
        inside = [(codes == b).any(axis=1) for codes in (self.space.codes, self.space.counted)]
        if not inside[0].any():
            return best
        own = int(points[b])
        part = []
        tables = ((self.space.codes, self.gains), (self.space.counted, self.usage))
        for rows, (codes, values) in zip(inside, tables, strict=True):
            part.append(by_total(points[codes[rows]].sum(axis=1) - own, values[rows], size))
        rest = [total - _shifted(mine, own) for total, mine in zip(whole, part, strict=True)]
        for value in range(most + 1):
            gains, usage = (
                left + _shifted(mine, value) for left, mine in zip(rest, part, strict=True)
            )
            worth = self.bands(gains, usage)[0]
            if worth > best + 1e-9 * abs(best):
                best, points[b] = worth, value
        return best


def _shifted(sums: Floats, by: int) -> Floats:
    """Sums by total, each total higher."""
    return np.roll(sums, by, axis=0) if by else sums


def _size(points: Ints, start: Ints) -> int:
    """One more than the highest total."""
    highest = [points[start[j] : start[j + 1]].max(initial=0) for j in range(len(start) - 1)]
    return 1 + int(sum(highest))


def by_total(totals: Ints, values: Floats, size: int) -> Floats:
    """Sums of values (n, c) by total, (size, c)."""
    sums = np.zeros((size, values.shape[1]))
    for c, column in enumerate(values.T):
        sums[:, c] = np.bincount(totals, column, size)
    return sums


def best_bands(gains: Floats, usage: Floats, bounds: Floats) -> tuple[float, Bands]:
    """The best one band, or two with two candidates, of all that keep the demands.

    gains: (R, k) by total; usage: (R, m, k).
    """
    above = np.cumsum(gains[::-1], axis=0)[::-1]
    spent = np.cumsum(usage[::-1], axis=0)[::-1]
    best, bands = (0.0, Bands()) if (bounds >= 0).all() else (-np.inf, Bands())
    kept = (spent <= bounds[:, None]).all(axis=1)
    worth = np.where(kept, above, -np.inf)
    if worth.max() > best:
        least, arm = _last_best(worth)
        best, bands = float(worth.max()), ((least, arm),)
    for a, b in combinations(range(gains.shape[1]), 2):
        for low, high in ((a, b), (b, a)):
            extra, more = above[:, high] - above[:, low], spent[:, :, high] - spent[:, :, low]
            pair = above[:, None, low] + extra[None, :]
            used = spent[:, None, :, low] + more[None, :, :]
            fits = (used <= bounds).all(axis=2) & np.triu(np.ones(pair.shape, np.bool_), 1)
            pair = np.where(fits, pair, -np.inf)
            if pair.size and pair.max() > best + 1e-9 * abs(best):
                first, second = _last_best(pair)
                best, bands = float(pair.max()), ((first, low), (second, high))
    return best, bands


def _last_best(worth: Floats) -> tuple[int, int]:
    """The place of the largest number, of equals the last: bands then start at totals that are."""
    flat = worth.ravel()
    place = len(flat) - 1 - int(flat[::-1].argmax())
    return place // worth.shape[1], place % worth.shape[1]
