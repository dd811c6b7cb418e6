"""Shares: a whole divided among K parts, a vector >= 0 that sums to 1; control is the mix of today.

encode(t), with g = t - control, so that control is the zero row:

    g_1 .. g_(K-1)                 the last part is left out: the others leave it no freedom
    g_1^d .. g_K^d, d = 2..degree  curves of each part
    g_k g_l for each pair          parts that crowd each other out, or help each other
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from equipoise.core.arrays import Floats, Ints
from equipoise.core.errors import SpaceError, UnsupportedSpace
from equipoise.core.space import in_order

SUM_TOLERANCE = 1e-6
DIGITS = 4  # of a share in a name; more where they do not tell the candidates apart
WAYS = ("toward", "sample")
MOST = 4095  # parts, or candidates: one effect per unit and candidate is held


class Shares:
    """A whole divided among named parts, a vector >= 0 that sums to 1.

    Parameters
    ----------
    parts : sequence of str, or int, default 3
        Their names, or how many, K (then named part0, part1, ...).
    control : sequence of float, (K,), or None, default None
        The mix that is doing nothing; equal shares by default.
    candidates : str, or sequence of mixes, default "toward"
        What a policy may choose from.  ``"toward"``: control moved toward each part by ``move``, or
        by 0.1; ``"sample"``: ``count`` random mixes within the bounds; or a list of mixes.
    low : float, or sequence of float, (K,), default 0.0
        The least share, of all parts or of each.
    high : float, or sequence of float, (K,), default 1.0
        The largest share, of all parts or of each.
    move : float or None, default None
        How far from control a share may go; None: as far as ``low`` and ``high``.
    count : int, default 20
        The number of random candidates.
    seed : int, default 0
        Of the random candidates.
    normalise : bool, default False
        Whether `check` divides rows by their sum instead of refusing those that do not sum to 1.
    degree : int, default 1
        The degree of the curves of `encode`.
    crosses : sequence of pairs of str, default ()
        Pairs of parts whose product `encode` holds.

    Examples
    --------
    >>> mix = Shares(["film", "food", "game"], move=0.3)
    >>> mix.candidates().round(3).tolist()[0]
    [0.633, 0.183, 0.183]
    >>> mix.encode([[1 / 3, 1 / 3, 1 / 3]]).round(3).tolist()
    [[0.0, 0.0]]
    """

    kind = "shares"

    def __init__(
        self,
        parts: Sequence[str] | int = 3,
        control: Sequence[float] | None = None,
        candidates: str | Sequence[Sequence[float]] = "toward",
        low: float | Sequence[float] = 0.0,
        high: float | Sequence[float] = 1.0,
        move: float | None = None,
        count: int = 20,
        seed: int = 0,
        normalise: bool = False,
        degree: int = 1,
        crosses: Sequence[Sequence[str]] = (),
    ) -> None:
        _check_size("count", count)
        self.parts = _part_names(parts)
        K = len(self.parts)
        if K < 2 or len(set(self.parts)) < K:
            raise SpaceError(
                "parts",
                "be two or more different names",
                list(self.parts),
                fix="one part is always the whole",
            )
        self.low, self.high = (
            np.broadcast_to(np.asarray(side, np.float64), (K,)).copy() for side in (low, high)
        )
        if (
            not ((self.low >= 0) & (self.low <= self.high) & (self.high <= 1)).all()
            or self.low.sum() > 1
            or self.high.sum() < 1
        ):
            bounds = (self.low.tolist(), self.high.tolist())
            raise SpaceError(
                "bounds of shares", "lie in [0, 1] with low <= high and leave a sum of 1", bounds
            )
        if move is not None and not 0 < move <= 1:
            raise SpaceError("move", "be a share in (0, 1], or None", move)
        self.move, self.count, self.seed, self.normalise = (
            move,
            int(count),
            int(seed),
            bool(normalise),
        )
        if not isinstance(degree, int) or degree < 1:
            raise SpaceError("degree", "be a whole number >= 1", repr(degree))
        self.degree, self.crosses = degree, tuple(tuple(pair) for pair in crosses)
        self._pairs = self._places(self.crosses)
        mix = np.full(K, 1 / K) if control is None else np.asarray(control, np.float64)
        self.control = self._rows(mix[None], "control")[0]
        self._candidates = (
            candidates
            if isinstance(candidates, str)
            else self._rows(np.asarray(candidates, np.float64), "candidates")
        )
        if isinstance(self._candidates, str) and self._candidates not in WAYS:
            raise SpaceError(
                "candidates", f"be one of {', '.join(WAYS)}, or a list of mixes", repr(candidates)
            )

    def _places(self, crosses: tuple[tuple[str, ...], ...]) -> Ints:
        """The parts of each pair, (P, 2)."""
        for pair in crosses:
            if len(set(pair)) != 2 or len(pair) != 2 or not set(pair) <= set(self.parts):
                raise SpaceError(
                    "a cross",
                    "be two different parts",
                    list(pair),
                    fix=f"parts: {', '.join(self.parts)}",
                )
        if len({frozenset(pair) for pair in crosses}) < len(crosses):
            raise SpaceError(
                "crosses",
                "be different pairs",
                [list(pair) for pair in crosses],
                fix="take one out",
            )
        return np.array(
            [[self.parts.index(part) for part in pair] for pair in crosses], np.int64
        ).reshape(-1, 2)

    def _rows(self, t: Floats, what: str) -> Floats:
        if t.ndim != 2 or t.shape[1] != len(self.parts):
            raise SpaceError(
                what, f"have {len(self.parts)} shares per row", f"an array of shape {t.shape}"
            )
        good = np.isfinite(t).all(axis=1) & (t >= 0).all(axis=1)
        if not good.all():
            row = int(np.argmin(good))
            raise SpaceError(
                what, "be shares >= 0", t[row].tolist(), f"row {row}", "drop the row, or mend it"
            )
        total = t.sum(axis=1)
        off = total == 0 if self.normalise else np.abs(total - 1) > SUM_TOLERANCE
        if off.any():
            row = int(np.argmax(off))
            fix = (
                "a row of nothing has no mix"
                if self.normalise
                else "Shares(..., normalise=True) divides rows by their sum"
            )
            raise SpaceError(what, "sum to 1", float(total[row]), f"row {row}", fix)
        if not self.normalise:
            return t
        far = np.abs(total - 1) > SUM_TOLERANCE
        whole: Floats = np.where(far[:, None], t / total[:, None], t)
        return whole

    def check(self, treatment: Any) -> Floats:
        """Check mixes; with ``normalise`` they are divided by their sum.

        Parameters
        ----------
        treatment : array-like, (n, K)
            One share >= 0 per part.

        Returns
        -------
        array, (n, K)
            The mixes.

        Raises
        ------
        SpaceError
            Where shares are negative, not finite or do not sum to 1, with the row.
        """
        try:
            t = np.asarray(treatment, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise SpaceError(
                "treatment", "be numbers", str(error), fix="one column a part"
            ) from error
        return self._rows(t, "treatment")

    def shares(self, treatment: Any) -> Floats:
        """Give the mixes themselves, checked: what estimators of shares ask for.

        Parameters
        ----------
        treatment : array-like, (n, K)
            One share >= 0 per part.

        Returns
        -------
        array, (n, K)
            The mixes.
        """
        return self.check(treatment)

    def bounds(self) -> tuple[Floats, Floats]:
        """Bound each share by ``low``, ``high`` and ``move``.

        Returns
        -------
        low, high : array, (K,)
            The least and the largest share of each part.
        """
        if self.move is None:
            return self.low.copy(), self.high.copy()
        return np.maximum(self.low, self.control - self.move), np.minimum(
            self.high, self.control + self.move
        )

    def candidates(self) -> Floats:
        """List the mixes that a policy may choose from.

        Returns
        -------
        array, (k, K)
            For ``"toward"``, mixes that equal control are left out.
        """
        if not isinstance(self._candidates, str):
            vectors: Floats = np.array(self._candidates)
            return vectors
        K, step = len(self.parts), 0.1 if self.move is None else self.move
        if self._candidates == "toward":
            mixes = np.array([self._toward(k, step) for k in range(K)])
            others: Floats = mixes[np.abs(mixes - self.control).max(axis=1) > SUM_TOLERANCE]
            return others
        low, high = self.bounds()
        rng, batches = np.random.default_rng(self.seed), [np.empty((0, K))]
        while sum(map(len, batches)) < self.count and len(batches) < 1000:
            corners = rng.dirichlet(np.ones(K), 50 * self.count)
            mixes = self.control + rng.uniform(0, 1, (len(corners), 1)) * (corners - self.control)
            batches.append(mixes[((mixes >= low) & (mixes <= high)).all(axis=1)])
        sample: Floats = np.concatenate(batches)[: self.count]
        return sample

    def _toward(self, k: int, step: float) -> Floats:
        """More of part k, taken from the others in proportion to what they can give."""
        spare = self.control - self.low
        spare[k] = 0.0
        more = min(step, self.high[k] - self.control[k], float(spare.sum()))
        mix = self.control - (more * spare / spare.sum() if spare.sum() > 0 else 0.0)
        mix[k] = self.control[k] + more
        return np.asarray(mix)

    def names(self, treatment: Any) -> tuple[str, ...]:
        """Label mixes for print.

        Parameters
        ----------
        treatment : array-like, (n, K)
            One share >= 0 per part.

        Returns
        -------
        tuple of str, (n,)
            The parts with their shares in percent, in digits that tell the candidates apart.
        """
        return self._labels(self.check(treatment), self._digits)

    def former_names(self, treatment: Any) -> tuple[str, ...]:
        """Label mixes as version 0.1.0 did: with four digits.

        Parameters
        ----------
        treatment : array-like, (n, K)
            One share >= 0 per part.

        Returns
        -------
        tuple of str, (n,)
            The parts with their shares in percent; two mixes may have one label.
        """
        return self._labels(self.check(treatment), DIGITS)

    @cached_property
    def _digits(self) -> int:
        """As many digits as tell control and the candidates apart."""
        mixes = np.unique(np.vstack([self.control, self.candidates()]), axis=0)
        enough = (d for d in range(DIGITS, 17) if len(set(self._labels(mixes, d))) == len(mixes))
        return next(enough, 17)

    def _labels(self, mixes: Floats, digits: int) -> tuple[str, ...]:
        return tuple(
            " ".join(f"{p} {100 * s:.{digits}g}%" for p, s in zip(self.parts, row, strict=True))
            for row in mixes
        )

    def encode(self, treatment: Any) -> Floats:
        """Encode mixes by their gaps from control: linear terms, curves of each part, products.

        Parameters
        ----------
        treatment : array-like, (n, K)
            One share >= 0 per part.

        Returns
        -------
        array, (n, d)
            d = K - 1 + K (degree - 1) + crosses; control is the zero row.
        """
        gap = self.check(treatment) - self.control
        curves = [gap**d for d in range(2, self.degree + 1)]
        return np.hstack([gap[:, :-1], *curves, gap[:, self._pairs].prod(axis=2)])

    def alone(self, part: int, shares: Floats) -> Floats:
        """Give the columns of `encode` that depend on one part only; they add up over the parts.

        Parameters
        ----------
        part : int
            The place of the part.
        shares : array, (g,)
            Its shares.

        Returns
        -------
        array, (g, d)
            The other parts' columns and the products are 0.
        """
        K, gap = len(self.parts), shares - self.control[part]
        columns = np.zeros((len(gap), K - 1 + K * (self.degree - 1) + len(self._pairs)))
        if part < K - 1:
            columns[:, part] = gap
        for d in range(2, self.degree + 1):
            columns[:, K - 1 + K * (d - 2) + part] = gap**d
        return columns

    def cells(self, treatment: Any) -> Ints:
        """Number the nearest of control and the candidates, by squared distance.

        Parameters
        ----------
        treatment : array-like, (n, K)
            One share >= 0 per part.

        Returns
        -------
        array of int, (n,)
            0 is control, 1 + a is candidate a.
        """
        cells = np.vstack([self.control, self.candidates()])
        # a mix counts as the nearest one that a policy knows
        far = ((self.check(treatment)[:, None] - cells) ** 2).sum(axis=2)
        near: Ints = far.argmin(axis=1).astype(np.int64)
        return near

    def dose(self, treatment: Any) -> Floats:
        """Refuse: a mix has no single amount.

        Parameters
        ----------
        treatment : array-like, (n, K)
            Not used.

        Returns
        -------
        array, (n,)
            Never.

        Raises
        ------
        UnsupportedSpace
            Always.
        """
        raise UnsupportedSpace(
            "this estimator's space", "be an interval of amounts", "Shares", fix="use mdp2 or dml"
        )

    def describe(self) -> str:
        """Describe the space for a report.

        Returns
        -------
        str
            One sentence with the parts and control.
        """
        mix = ", ".join(
            f"{part} {share:.3g}" for part, share in zip(self.parts, self.control, strict=True)
        )
        return f"shares of {len(self.parts)} parts; control is {mix}"

    def to_json(self) -> dict[str, Any]:
        """Give the space as plain JSON, which `space_from_json` reads.

        Returns
        -------
        dict
            Its kind and the constructor's arguments; mixes as lists.
        """
        return {
            "kind": self.kind,
            "parts": list(self.parts),
            "control": self.control.tolist(),
            "candidates": self._candidates
            if isinstance(self._candidates, str)
            else self._candidates.tolist(),
            "low": self.low.tolist(),
            "high": self.high.tolist(),
            "move": self.move,
            "count": self.count,
            "seed": self.seed,
            "normalise": self.normalise,
            "degree": self.degree,
            "crosses": [list(pair) for pair in self.crosses],
        }

    def __repr__(self) -> str:
        return f"Shares({list(self.parts)})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Shares) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash((self.parts, self.control.tobytes()))


def _part_names(parts: int | Sequence[str]) -> tuple[str, ...]:
    """The names of the parts, or of so many of them."""
    if not isinstance(parts, int):
        return in_order("parts", parts)
    _check_size("parts", parts)
    return tuple(f"part{k}" for k in range(parts))


def _check_size(what: str, number: int) -> None:
    if isinstance(number, int | float) and number > MOST:
        raise SpaceError(what, f"be at most {MOST:,}", number)
