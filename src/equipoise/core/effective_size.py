"""How much is known: effective units of each arm, and the degrees of freedom of an interval.

It is the one rule behind every interval of a mean and every warning that few rows stand behind it.

An estimate sum_i w_i psi_i / sum_i w_i has centred influence values psi_i.  Its independent units u
are rows, or clusters where there are any; s_ua is the sum of w psi over the rows of arm a in u, and
h_ua that unit's share of the arm's mass w / e, with e the probability of the arm.  With S_a = sum_u
h_ua^2 the arm is worth 1 / S_a equal units (Kish 1965), and

    t_ua  = s_ua / sqrt(1 - 2 h_ua + S_a)           a residual, as large as the error that made it
    error = sqrt(sum_u (sum_a t_ua)^2) / sum w      HC2 of a weighted mean, by arm
    V_a   = sum_u t_ua^2
    1/d_a = 1/b_a + excess_a / 2                    b_a: Bell & McCaffrey (2002), in closed form
    excess_a = max(0, sum_u t_ua^4 / V_a^2 - 3 sum_u h_ua^4 / S_a^2)
    df    = (sum_a V_a)^2 / sum_a V_a^2 / d_a       Welch (1947), Satterthwaite (1946)

Without weights, clusters and a model it is Welch's t-test.  The excess counts events: of n rows
with k buyers of equal amounts it leaves 2 k degrees of freedom, fewer where amounts differ much.
Where clusters hold rows of several arms, df is at most that of whole clusters.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri, stdtrit

from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.errors import InputError

MOST_PAIRS = 8  # of units and arms, a row: of more, only those that occur are kept
FEW = 20  # effective units, clusters or events in an arm below which a figure is hardly known


@dataclass(frozen=True)
class Assignment:
    """What each row got.

    Attributes
    ----------
    cell : array of int, (n,)
        The arm of each row, in 0..K-1.
    probability : array, (n,) or (K,)
        How probable each row's own arm was; (K,) where it was the same for all rows.
    cells : int
        K.
    fixed : bool
        Whether it is (K,).

    Examples
    --------
    >>> Assignment(np.array([0, 1, 1]), np.array([0.5, 0.25]), 2, fixed=True).inverse.tolist()
    [2.0, 4.0, 4.0]
    """

    cell: Ints
    probability: Floats
    cells: int
    fixed: bool

    @property
    def inverse(self) -> Floats:
        """1 / probability of each row's own arm, (n,)."""
        return 1 / (self.probability[self.cell] if self.fixed else self.probability)

    def take(self, rows: Ints) -> Assignment:
        """What some rows got.

        Parameters
        ----------
        rows : array of int
            Row numbers.

        Returns
        -------
        Assignment
            Of these rows.
        """
        own = self.probability if self.fixed else self.probability[rows]
        return Assignment(self.cell[rows], own, self.cells, self.fixed)


class RowParts(NamedTuple):
    """What rows add to errors, so that these can be added up batch by batch:

        (error sum w)^2 = sum_u (sum_{i in u} factor_i psi_i)^2

    factor : (n,).   unit : (n,) the unit of each row; None: each is one.   alone : (n,) whether its
    arm has one unit only, so that no error is known where it has a part.
    """

    factor: Floats
    unit: Ints | None
    alone: Bools


@dataclass(frozen=True)
class Units:
    """The independent units behind estimates of the same rows; `effective_units` makes them.

    Attributes
    ----------
    weight : array, (n,)
        Weights of the rows.
    pair : array of int (n,) or None
        The number of each row's pair of unit and arm; None: each row is a unit.
    arm : array of int, (p,)
        The arm of each pair.
    unit : array of int, (p,)
        The unit of each pair.
    share : array, (p,) or (K,)
        h, each pair's share of its arm's mass; (K,) where all units of an arm have the same.
    cells : int
        K.

    Examples
    --------
    >>> units = effective_units(np.array([1.0, 1.0, 4.0, 1.0]))
    >>> units.size.round(2).tolist()
    [2.58]
    """

    weight: Floats
    pair: Ints | None
    arm: Ints
    unit: Ints | None
    share: Floats
    cells: int

    @cached_property
    def count(self) -> Floats:
        """The units in each arm, (K,)."""
        if len(self.share) != len(self.arm):
            return _sums(self.arm, None, self.cells)
        return _sums(self.arm, self.share > 0, self.cells)

    @cached_property
    def _powers(self) -> Floats:
        """Sums over each arm of h^2 and h^4, (2, K)."""
        squares = self.share**2
        if len(self.share) != len(self.arm):
            return np.stack([self.count * squares, self.count * squares**2])
        return np.stack([_sums(self.arm, part, self.cells) for part in (squares, squares**2)])

    @property
    def size(self) -> Floats:
        """Effective units in each arm, 1 / S, (K,); 0 in an arm without rows."""
        return _over(np.ones(self.cells), self._powers[0])

    @cached_property
    def _kept(self) -> Floats:
        """1 - 2 h + S, in the shape of `share`: what a residual keeps of its error's variance."""
        S, own = self._powers[0], self.share
        kept = 1 - 2 * own + (S if len(own) != len(self.arm) else S[self.arm])
        return np.where(kept > 1e-12, kept, 1.0)  # a unit alone in its arm keeps nothing

    @cached_property
    def normal(self) -> Floats:
        """Degrees of freedom of each arm's variance, were its units normal, b (K,); 0 for one."""
        S, h, kept = self._powers[0], self.share, self._kept
        if len(h) != len(self.arm):
            return np.maximum(self.count - 1, 0)
        q, own = h**2 / kept, S[self.arm]
        sums = (q, q * h, q * h * h, q * q * (kept**2 - (own - 2 * h) ** 2))
        q0, q1, q2, rest = (_sums(self.arm, part, self.cells) for part in sums)
        spread = rest + (S * q0) ** 2 - 4 * S * q0 * q1 + 2 * q0 * q2 + 2 * q1**2
        return np.where(self.count > 1, _over(S**2, spread), 0.0)

    @cached_property
    def _crossed(self) -> bool:
        """Whether a unit has rows of several arms."""
        return self.unit is not None and bool(np.bincount(self.unit, self.share > 0).max() > 1)

    @cached_property
    def most(self) -> float:
        """The most degrees of freedom that whole units leave."""
        if self.pair is None or self.unit is None or not self._crossed:
            return np.inf
        whole = effective_units(self.weight, groups=self.unit[self.pair])
        return float(whole.normal[0])

    def events(self, amount: Floats) -> Floats:
        """How many equal events an outcome's amounts are worth in each arm.

        Parameters
        ----------
        amount : array, (n,)
            What each row adds, >= 0: 0 where there was no event.

        Returns
        -------
        array, (K,)
            The effective number of units with an event, (sum of amounts)^2 / sum of their squares.

        Examples
        --------
        >>> effective_units(np.ones(4)).events(np.array([0.0, 3.0, 0.0, 3.0])).tolist()
        [2.0]
        """
        pair = np.arange(len(amount)) if self.pair is None else self.pair
        share = self.share if len(self.share) == len(self.arm) else self.share[self.arm]
        rows = _sums(pair, None, len(self.arm))
        part = share * _over(_sums(pair, amount, len(self.arm)), rows)
        sums = (_sums(self.arm, each, self.cells) for each in (part, part**2))
        total, squares = sums
        return _over(total**2, squares)

    def typical(self, arms: list[int] | None = None) -> float:
        """Degrees of freedom of a contrast of arms whose units vary alike.

        Parameters
        ----------
        arms : list of int, default None
            The arms; None: all.

        Returns
        -------
        float
            At least 0.
        """
        some = slice(None) if arms is None else arms
        S, b = self._powers[0][some], self.normal[some]
        if (b <= 0).any():
            return 0.0
        return float(min(S.sum() ** 2 / (S**2 / b).sum(), self.most))

    def errors(self, influence: Floats) -> tuple[Floats, Floats]:
        """Standard errors of weighted means, and the degrees of freedom of their intervals.

        Parameters
        ----------
        influence : array, (n, m)
            Centred influence values.

        Returns
        -------
        std_error : array, (m,)
            In the units of the influence values; NaN where an arm that counts has one unit.
        df : array, (m,)
            Above 0; NaN where the error is.

        Examples
        --------
        >>> effective_units(np.ones(3)).errors(np.array([[-1.0], [0.0], [1.0]]))[1].tolist()
        [2.0]
        """
        pairs = [self._error(np.ascontiguousarray(part)) for part in influence.T]
        errors, df = np.array(pairs, np.float64).reshape(-1, 2).T
        return errors / self.weight.sum(), df

    def parts(self) -> RowParts:
        """What rows add to errors, for influence values that do not fit into memory.

        Returns
        -------
        RowParts
            Of the n rows.

        Examples
        --------
        >>> effective_units(np.ones(2)).parts().factor.round(3).tolist()
        [1.414, 1.414]
        """
        arm = self.arm if self.pair is None else self.arm[self.pair]
        own = self.pair if self.pair is not None else np.arange(len(arm))
        kept = self._kept[arm if len(self.share) != len(self.arm) else own]
        unit = None if self.pair is None or self.unit is None else self.unit[self.pair]
        return RowParts(self.weight / np.sqrt(kept), unit, (self.count == 1)[arm])

    def _error(self, psi: Floats) -> tuple[float, float]:
        """(the error times the whole weight, df) of one estimate.   psi: (n,)."""
        sums = self.weight * psi
        if self.pair is not None:
            sums = _sums(self.pair, sums, len(self.arm))
        kept = self._kept if len(self.share) == len(self.arm) else self._kept[self.arm]
        t = sums / np.sqrt(kept)
        scale = float(np.abs(t).max(initial=0))
        if self._unknown(psi):
            return np.nan, np.nan
        if scale == 0:
            return 0.0, np.inf
        square = (t / scale) ** 2
        V, fourth = (_sums(self.arm, part, self.cells) for part in (square, square**2))
        S, S4 = self._powers
        excess = np.maximum(_over(fourth, V**2) - 3 * _over(S4, S**2), 0)
        each = _over(V**2, self.normal) + V**2 * excess / 2
        df = float(V.sum() ** 2 / each.sum())
        if self.unit is None or not self._crossed:
            return scale * float(np.sqrt(V.sum())), df
        whole = np.bincount(self.unit, t)
        return float(np.sqrt(whole @ whole)), min(df, self.most)

    def _unknown(self, psi: Floats) -> bool:
        """Whether an arm of one unit has a part in the estimate: its variance cannot be known."""
        alone = self.count == 1
        if not alone.any():
            return False
        arm = self.arm if self.pair is None else self.arm[self.pair]
        size = np.abs(psi)
        return bool((size[alone[arm]] > 1e-9 * size.max()).any())


def _sums(code: Ints, values: Floats | Bools | None, size: int) -> Floats:
    """Sums of values over each code, (size,); None: counts."""
    return np.asarray(np.bincount(code, values, size), np.float64)


def _over(numerator: Floats, denominator: Floats) -> Floats:
    """The quotient, 0 where the denominator is."""
    zero = np.zeros(np.broadcast(numerator, denominator).shape)
    return np.divide(numerator, denominator, out=zero, where=denominator > 0)


def effective_units(
    weight: Floats, *, groups: Ints | None = None, assignment: Assignment | None = None
) -> Units:
    """The independent units of rows.

    Parameters
    ----------
    weight : array, (n,)
        Weights >= 0, not all 0.
    groups : array of int, (n,), default None
        Codes of clusters, whose rows are not independent.
    assignment : Assignment, default None
        What each row got; None: one arm.

    Returns
    -------
    Units
        For the errors of any estimates on these rows.

    Examples
    --------
    >>> got = Assignment(np.array([0, 0, 1, 1]), np.array([0.5, 0.5]), 2, fixed=True)
    >>> effective_units(np.ones(4), assignment=got).normal.tolist()
    [1.0, 1.0]
    """
    n = len(weight)
    cells = 1 if assignment is None else assignment.cells
    cell = np.zeros(n, np.int64) if assignment is None else assignment.cell
    even = assignment is None or assignment.fixed
    if groups is None and even and weight.min() == weight.max():
        share = _over(np.ones(cells), _sums(cell, None, cells))
        return Units(weight, None, cell, None, share, cells)
    mass = weight if assignment is None else weight * assignment.inverse
    whole = _sums(cell, mass, cells)
    if groups is None:
        return Units(weight, None, cell, None, _over(mass, whole[cell]), cells)
    pair = groups * cells + cell
    size = cells * (int(groups.max()) + 1)
    if size > MOST_PAIRS * n:
        every, pair = np.unique(pair, return_inverse=True)
    else:
        every = np.arange(size)
    arm = every % cells
    share = _over(_sums(pair, mass, len(every)), whole[arm])
    return Units(weight, pair, arm, every // cells, share, cells)


def critical(level: float, df: Floats | float = np.inf) -> Floats:
    """Two-sided critical values of Student's t, in the shape of df: 1.96 at level 0.95 and infinite
    df; NaN where df is 0 or NaN.
    """
    if not 0 < level < 1:
        raise InputError(
            "level", "lie strictly between 0 and 1", level, fix="0.95 asks for 95 % intervals"
        )
    return student(0.5 + level / 2, df)


def student(probability: Floats | float, df: Floats | float) -> Floats:
    """Quantiles of Student's t, in the shape of both; NaN where df is 0 or NaN."""
    d = np.asarray(df, np.float64)
    safe = np.where(np.isfinite(d) & (d > 0), d, 1.0)
    quantile = np.where(np.isinf(d), ndtri(probability), stdtrit(safe, probability))
    return np.asarray(np.where(d > 0, quantile, np.nan))
