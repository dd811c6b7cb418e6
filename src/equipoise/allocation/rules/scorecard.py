"""A scorecard: whole points by bins of a few features, added up; who reaches so many gets an offer.

It is learnt from the same gains as a tree and within the same demands (`points`).

References
----------
Ustun & Rudin (2019), Learning optimized risk scores, JMLR 20.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike

from equipoise.allocation.rules.demands import (
    Candidate,
    Demands,
    best_within,
    beyond,
    check_demands,
)
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
from equipoise.allocation.rules.space import TreeSpace, check_candidates, check_gains
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


class Scorecard:
    """The best card of points for given gains, within demands.

    Parameters
    ----------
    features : int, default 5
        How many features have points at most.
    bins : int, default 5
        A column of more values is cut at so many quantiles.
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

    def __init__(self, features: int = 5, bins: int = 5, most: int = 5) -> None:
        self.features = features
        self.bins = bins
        self.most = most

    def fit(
        self,
        X: Any,
        gains: ArrayLike,
        *,
        candidates: Sequence[str] | None = None,
        demands: Demands | None = None,
        units: Any = None,
    ) -> Scorecard:
        """Find the points.

        Parameters
        ----------
        X : frame, (n, p)
            Features, any of them missing.
        gains : array-like, (n, k)
            What each candidate adds to a row over control, as of `PolicyTree.fit`.
        candidates : sequence of str, optional
            Names of control and of the k candidates.
        demands : Demands, optional
            What may be used of ``units``.
        units : frame, (u, p), optional
            Whom the demands count, with the columns of X; by default the rows of X.

        Returns
        -------
        Scorecard
            Itself.

        Raises
        ------
        InfeasibleError
            Where no scorecard was found that keeps all demands.
        """
        table, values = to_arrow(X), check_gains(gains)
        _check_card(self.features, self.bins, self.most)
        self.candidates_ = check_candidates(candidates, values.shape[1])
        if demands is not None:
            check_demands(demands, values.shape[1])
        space = TreeSpace.of(table, values, demands, units, depth=1, bins=self.bins, min_leaf=0.0)
        card = self._best(space, demands)
        choice = card.choice(space.codes)
        rows = np.flatnonzero(choice >= 0)
        self.value_ = float(values[rows, choice[rows]].sum())
        self.used_ = np.zeros(0) if demands is None else demands.used(card.choice(space.counted))
        self.features_, self.bands_ = _features(card, space), card.bands
        return self

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
        choice = card.choice(space.codes)
        rows = np.flatnonzero(choice >= 0)
        value = float(space.gains[rows, choice[rows]].sum())
        none = np.zeros(0)
        used_up = none if space.demands is None else space.demands.used(card.choice(space.counted))
        return Candidate(card, value, used_up)

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

    def assign(self, X: Any) -> Ints:
        """What each row gets.

        Parameters
        ----------
        X : frame, (n, p)
            With the columns of the card.

        Returns
        -------
        array of int, shape (n,)
            -1 control, a candidate a.
        """
        return choice_by(self.score(X), self.bands_)

    def predict(self, X: Any) -> list[str]:
        """What each row gets, by name.

        Parameters
        ----------
        X : frame, (n, p)
            With the columns of the card.

        Returns
        -------
        list of str
            Names of control or of a candidate.
        """
        return [self.candidates_[a + 1] for a in self.assign(X).tolist()]

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
        above: int | None = None
        for least, candidate in reversed(self.bands_):
            reach = f"{_points(least)} or more"
            if above is not None:
                reach = _points(least) if above == least else f"{least} to {_points(above)}"
            who = "everybody" if least == 0 and above is None else f"those with {reach}"
            lines.append(f"Offer {self.candidates_[candidate + 1]} to {who}.")
            above = least - 1
        if above is None or above >= 0:
            rest = "everybody else" if self.bands_ else "everybody"
            lines.append(f"Offer {self.candidates_[0]} to {rest}.")
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """The card as plain JSON.

        Returns
        -------
        dict
            What `from_json` reads.
        """
        return {
            "kind": "scorecard",
            "arguments": {"features": self.features, "bins": self.bins, "most": self.most},
            "candidates": list(self.candidates_),
            "card": [feature.to_json() for feature in self.features_],
            "bands": [list(band) for band in self.bands_],
        }

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> Scorecard:
        """The inverse of `to_json`.

        Parameters
        ----------
        plain : dict
            What `to_json` gave.

        Returns
        -------
        Scorecard
            That assigns as the other did.
        """
        self = cls(**plain["arguments"])
        self.candidates_ = tuple(plain["candidates"])
        self.features_ = tuple(Feature.from_json(one) for one in plain["card"])
        self.bands_ = tuple((int(least), int(arm)) for least, arm in plain["bands"])
        return self

    def __repr__(self) -> str:
        return f"Scorecard(features={self.features}, bins={self.bins}, most={self.most})"


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


def _check_card(features: Any, bins: Any, most: Any) -> None:
    """Refuse other arguments."""
    for name, value, low, high in (
        ("features", features, 1, 20),
        ("bins", bins, 2, 20),
        ("most", most, 1, 100),
    ):
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise InputError(name, f"be a whole number from {low} to {high}", repr(value))
