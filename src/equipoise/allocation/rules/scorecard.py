"""A scorecard: whole points by bins of a few features, added up; who reaches so many gets an offer.

It is learnt from the same gains as a tree and within the same demands (`points`).

References
----------
Ustun & Rudin (2019), Learning optimized risk scores, JMLR 20.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from equipoise.allocation.rules.base import BaseRule
from equipoise.allocation.rules.coarse import FINE, coarse
from equipoise.allocation.rules.demands import Candidate, Demands, best_within, beyond
from equipoise.allocation.rules.points import (
    Card,
    Stock,
    additive,
    by_total,
    choice_by,
    forward,
    rounded,
)
from equipoise.allocation.rules.questions import Bins, digits
from equipoise.allocation.rules.space import TreeSpace
from equipoise.core.arrays import Floats, Ints
from equipoise.core.errors import InputError
from equipoise.core.frames import to_arrow

TRIES = 3  # candidates whose gains points are learnt from, the largest first


@dataclass(frozen=True)
class Feature:
    """One feature of a scorecard: its bins, and the points of each, that of missing values last."""

    bins: Bins
    points: tuple[int, ...]

    def score(self, table: pa.Table) -> Ints:
        """The points of each row, (n,); a level that is met for the first time has those of
        others, or none.
        """
        column = self.bins.column
        if column not in table.column_names:
            known = f"columns: {', '.join(table.column_names)}"
            raise InputError(f"column {column!r}", "be there", "no such column", fix=known)
        code = self.bins.codes(table[column], unseen=-1)
        points = np.array([*self.points, 0], np.int64)
        return points[code]

    def rows(self) -> list[tuple[str, list[int]]]:
        """Bins in words with their places, those of one level of points together."""
        return self.bins.in_words(self.points)

    def to_json(self) -> dict[str, Any]:
        """The feature as plain JSON."""
        return {"bins": self.bins.to_json(), "points": list(self.points)}

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> Feature:
        """The inverse of `to_json`."""
        return cls(Bins.from_json(plain["bins"]), tuple(int(p) for p in plain["points"]))


class Scorecard(BaseRule):
    """The best card of points for given gains, within demands.

    Parameters
    ----------
    features : int, default 5
        How many features have points at most.
    bins : int, default 5
        A column of numbers has at most so many, divided where gains differ most; one whose gains
        differ nowhere by more than three standard errors is left out.  Within demands, so many
        bins of like size have their edges too.
    most : int, default 5
        The most points that a bin may have.

    Attributes
    ----------
    features_ : tuple of Feature
        Those with points.
    bands_ : tuple of (int, int)
        The least total and the candidate of each band, the lowest first.
    candidates_ : tuple of str
        Control and the k candidates.
    value_ : float
        The gain of the rows of fit, in all.
    used_ : array, (m,)
        What it uses of each demand.

    Examples
    --------
    >>> import numpy as np
    >>> people = {"age": [20, 20, 50, 50] * 25, "visits": [1, 4, 1, 4] * 25}
    >>> gains = np.array([[1.0], [3.0], [-2.0], [1.0]] * 25)
    >>> card = Scorecard(most=2).fit(people, gains, candidates=["none", "mail"])
    >>> print(card.text())
    age: 2 points where age < 50; 0 points where age >= 50.
    visits: 0 points where visits < 4; 2 points where visits >= 4.
    Offer mail to those with 2 points or more.
    Offer none to everybody else.
    >>> card.predict({"age": [70], "visits": [0]})
    ['none']
    """

    KIND, PLACE = "scorecard", "points"
    ARGUMENTS = ("features", "bins", "most")

    def __init__(self, features: int = 5, bins: int = 5, most: int = 5) -> None:
        self.features = features
        self.bins = bins
        self.most = most

    def score(self, X: Any) -> Ints:
        """The points of each row, added up.

        Parameters
        ----------
        X : frame, (n, p)
            With the columns of the card.

        Returns
        -------
        array of int, shape (n,)
            From 0.
        """
        table = to_arrow(X)
        total = np.zeros(table.num_rows, np.int64)
        for feature in self.features_:
            total += feature.score(table)
        return total

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that have points."""
        return tuple(feature.bins.column for feature in self.features_)

    def _place(self, table: pa.Table) -> Ints:
        """The points of each row, (n,)."""
        return self.score(table)

    def _offers(self, places: Ints) -> Ints:
        """What so many points get, (q,)."""
        return choice_by(places, self.bands_)

    def _sentences(self, places: Ints) -> list[str]:
        """The sentence of each number of points."""
        bands = self._band_lines()
        return [next(line for least, line in bands if points >= least) for points in places]

    def text(self) -> str:
        """The card in plain sentences.

        Returns
        -------
        str
            A line for each feature, and one for each band from the highest down.
        """
        lines = [
            f"{feature.bins.column}: "
            + "; ".join(
                f"{_points(feature.points[bins[0]])} where {words}"
                for words, bins in feature.rows()
            )
            + "."
            for feature in self.features_
        ]
        return "\n".join([*lines, *(line for _, line in self._band_lines())])

    def _band_lines(self) -> list[tuple[int, str]]:
        """The least total of each band and its sentence, the highest first; control's from 0."""
        lines: list[tuple[int, str]] = []
        above: int | None = None
        for least, candidate in reversed(self.bands_):
            reach = f"{_points(least)} or more"
            if above is not None:
                reach = _points(least) if above == least else f"{least} to {_points(above)}"
            who = "everybody" if least == 0 and above is None else f"those with {reach}"
            lines.append((least, f"Offer {self.candidates_[candidate + 1]} to {who}."))
            above = least - 1
        if above is None or above >= 0:
            rest = "everybody else" if self.bands_ else "everybody"
            lines.append((0, f"Offer {self.candidates_[0]} to {rest}."))
        return lines

    def _content(self) -> dict[str, Any]:
        card = [feature.to_json() for feature in self.features_]
        return {"card": card, "bands": [list(band) for band in self.bands_]}

    def _take(self, plain: dict[str, Any]) -> None:
        self.features_ = tuple(Feature.from_json(one) for one in plain["card"])
        self.bands_ = tuple((int(least), int(arm)) for least, arm in plain["bands"])

    def _check(self) -> None:
        for name, low, high in (("features", 1, 20), ("bins", 2, 20), ("most", 1, 100)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise InputError(name, f"be a whole number from {low} to {high}", repr(value))

    def _space(
        self, table: pa.Table, gains: Floats, demands: Demands | None, units: Any
    ) -> TreeSpace:
        fine = max(FINE, self.bins)
        space = TreeSpace.of(table, gains, demands, units, depth=1, bins=fine, min_leaf=0.0)
        even = 0 if demands is None else self.bins
        few = coarse(space.bins, space.codes, space.start, gains, self.bins, even)
        return space.with_bins(few, table, units)

    def _learn(self, space: TreeSpace, demands: Demands | None) -> None:
        card = self._best(space, demands)
        self.value_ = space.gain(card.choice(space.codes))
        self.used_ = np.zeros(0) if demands is None else demands.used(card.choice(space.counted))
        self.features_, self.bands_ = _features(card, space), card.bands

    def _best(self, space: TreeSpace, demands: Demands | None) -> Card:
        """The best card that keeps the demands."""
        result = best_within(demands, space.gains, lambda prices: self._at(space, prices))
        stock, best, card = Stock.of(space, demands), -np.inf, Card((), ())
        starts = [*([] if result.best is None else [result.best]), *result.near[:2]]
        for points in dict.fromkeys(one.rule.points for one in starts):
            own = np.asarray(points, np.int64)
            used = [
                j
                for j in range(len(space.start) - 1)
                if own[space.start[j] : space.start[j + 1]].any()
            ]
            worth, moved = stock.moved(own, used, self.most)
            if worth > best:
                best, card = worth, moved
        if not np.isfinite(best):
            raise beyond(() if demands is None else demands.names, "scorecard")
        return card

    def _at(self, space: TreeSpace, prices: Floats) -> Candidate[Card]:
        """The card at prices of demands."""
        codes, priced = space.priced(prices)
        free = Stock(space, priced[:, :-1], np.zeros((0, 0)), np.zeros(0))
        count = np.zeros(int(space.start[-1]))
        cards = []
        for a in np.argsort(-priced[:, :-1].sum(axis=0), kind="stable")[:TRIES]:
            gram, moment = additive(codes, space.start, priced[:, a])
            count = gram.diagonal()
            used, found = forward(gram, moment, priced[:, a], space.start, self.features)
            points = rounded(found, count, space.start, used, self.most)
            cards.append(_priced_card(free, codes, points))
        card = max(cards, key=lambda one: one[0])[1]
        value = space.gain(card.choice(space.codes))
        none = np.zeros(0)
        used_up = none if space.demands is None else space.demands.used(card.choice(space.counted))
        return Candidate(card, value, used_up)


def _points(count: int) -> str:
    return f"{digits(count)} point{'' if count == 1 else 's'}"


def _priced_card(stock: Stock, codes: Ints, points: Ints) -> tuple[float, Card]:
    """Points with their best bands at prices, without bounds."""
    totals: Ints = points[codes].sum(axis=1)
    size = 1 + int(totals.max(initial=0))
    worth, bands = stock.bands(by_total(totals, stock.gains, size), np.zeros((size, 0)))
    return worth, Card(tuple(points.tolist()), bands)


def _features(card: Card, space: TreeSpace) -> tuple[Feature, ...]:
    """The features that have points, lowest at 0."""
    features = []
    for j, bins in enumerate(space.bins):
        own = card.points[space.start[j] : space.start[j + 1]]
        if any(own):
            features.append(Feature(bins, tuple(own)))
    return tuple(features)
