"""Factors: a treatment is one level of each of several factors, such as a discount, a text and a
channel; control is one of the combinations, or a label apart.

encode(t) says for each factor which of its levels it is, the level of control apart, followed by
products of two or more factors where ``crosses`` asks for them:

    phi(t) = ([t is no control],  1{t_f = l} for each factor f and level l,  products)

so that 4 x 3 x 3 combinations have 7 main effects, and what one level does is learnt from all
combinations that have it.  The first column is there only where control is a label apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.core.arrays import Floats, Ints
from equipoise.core.errors import SpaceError, UnsupportedSpace
from equipoise.core.space import in_order
from equipoise.treatments.arms import Arms

MOST = 4095  # candidates; one effect per unit and candidate is held, so more would not fit
Level = str | int | float


class Factors:
    """One level of each of several factors; control is a combination, or a label apart.

    Parameters
    ----------
    factors : mapping of str to sequence, or sequence of (name, levels)
        The levels of each factor, text or numbers; two factors or more of two levels or more.
    control : str or sequence, optional
        The combination that does nothing, as its label or its levels; or a label that is none, such
        as "none".  By default the first level of each factor.
    crosses : int or sequence of sequences of str, default 1
        The products in `encode`: 1 is none, 2 all pairs of factors, and so on; or the factors to be
        multiplied by name, as ``[["discount", "text"]]``.
    candidates : sequence of str, optional
        Labels of the combinations that a policy may choose from; None: all.
    separator : str, default "|"
        Between the levels of a label.

    Examples
    --------
    >>> offers = Factors({"discount": [0, 10], "channel": ["mail", "push"]}, control="none")
    >>> offers.names(offers.candidates())
    ('0|mail', '0|push', '10|mail', '10|push')
    >>> offers.encode([[10, "push"], ["none", "none"]]).tolist()
    [[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]
    """

    kind = "factors"

    def __init__(
        self,
        factors: Mapping[str, Sequence[Level]] | Sequence[Any],
        control: str | Sequence[Level] | None = None,
        crosses: int | Sequence[Sequence[str]] = 1,
        candidates: Sequence[str] | None = None,
        separator: str = "|",
    ) -> None:
        self.factors = _factors(factors)
        self.separator = str(separator)
        texts = [[_text(level) for level in levels] for _, levels in self.factors]
        size = int(np.prod([len(levels) for levels in texts], dtype=np.float64))
        if size > MOST + 1:
            fix = "leave factors out, or levels that were never given"
            raise SpaceError("the combinations of factors", f"be at most {MOST:,}", size, fix=fix)
        places = list(product(*(range(len(levels)) for levels in texts)))
        labels = [self._joined([t[i] for t, i in zip(texts, at, strict=True)]) for at in places]
        if len(set(labels)) < len(labels):
            fix = f"no level may hold {self.separator!r}: give another separator"
            raise SpaceError("labels of combinations", "be different", "two alike", fix=fix)
        first = self._control(control, labels)
        self._apart = first not in labels
        self._products = _products(crosses, [name for name, _ in self.factors])
        self._crosses = crosses if isinstance(crosses, int) else [list(one) for one in crosses]
        kept = _kept(candidates, [label for label in labels if label != first])
        self._all = candidates is None
        self._arms = Arms([first, *kept])
        at = dict(zip(labels, places, strict=True))
        base = at.get(first, (-1,) * len(texts) if self._apart else ())
        rows = np.array([at.get(label, base) for label in (first, *kept)], np.int64)
        self._table = self._encoded(rows, np.array(base if not self._apart else [0] * len(texts)))

    @property
    def control(self) -> str:
        return str(self._arms.control)

    def check(self, treatment: Any) -> NDArray[Any]:
        """Check labels, or levels of every factor.

        Parameters
        ----------
        treatment : array-like, (n,) or (n, factors)
            Labels, or one column per factor; the label of control in any column is control.

        Returns
        -------
        array of str, (n,)
            Labels.

        Raises
        ------
        SpaceError
            Where a row is neither control nor a candidate.
        """
        return self._arms.check(self._labels(treatment))

    def candidates(self) -> NDArray[Any]:
        """List the combinations that a policy may choose from.

        Returns
        -------
        array of str, (k,)
            Their labels, the last factor turning fastest.
        """
        return self._arms.candidates()

    def names(self, treatment: Any) -> tuple[str, ...]:
        """Label treatments for print.

        Parameters
        ----------
        treatment : array-like, (n,) or (n, factors)
            Labels or levels.

        Returns
        -------
        tuple of str, (n,)
            Labels.
        """
        return self._arms.names(self._labels(treatment))

    def encode(self, treatment: Any) -> Floats:
        """Encode treatments as main effects of levels, followed by products.

        Parameters
        ----------
        treatment : array-like, (n,) or (n, factors)
            Labels or levels.

        Returns
        -------
        array, (n, d)
            0 and 1; control is the zero row.
        """
        coded: Floats = self._table[self.cells(treatment)]
        return coded

    def degrees(self) -> Ints:
        """Count the factors that each column of `encode` multiplies.

        Returns
        -------
        array of int, (d,)
            1 for a level; more for a product.
        """
        return self._degrees.copy()

    def cells(self, treatment: Any) -> Ints:
        """Number the combination of each row.

        Parameters
        ----------
        treatment : array-like, (n,) or (n, factors)
            Labels or levels.

        Returns
        -------
        array of int, (n,)
            0 is control, 1 + a is candidate a.
        """
        return self._arms.cells(self._labels(treatment))

    def among(self, cells: Ints) -> Factors:
        """Keep control and some of the candidates.

        Parameters
        ----------
        cells : array of int, (j,)
            Their places, in 1..k.

        Returns
        -------
        Factors
            The same factors and control.

        Examples
        --------
        >>> offers = Factors({"discount": [0, 10], "channel": ["mail", "push"]})
        >>> offers.among(np.array([1, 3])).candidates().tolist()
        ['0|push', '10|push']
        """
        kept = [str(self._arms.labels[a]) for a in cells.tolist()]
        return Factors(self.factors, self.control, self._crosses, kept, self.separator)

    def dose(self, treatment: Any) -> Floats:
        """Refuse: combinations have no amount.

        Parameters
        ----------
        treatment : array-like, (n,)
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
        fix = "use Dose, or an estimator for arms or vectors"
        raise UnsupportedSpace(
            "this estimator's space", "be an interval of amounts", "Factors", fix=fix
        )

    def describe(self) -> str:
        """Describe the space for a report.

        Returns
        -------
        str
            One sentence with the factors and their levels, the candidates and control.
        """
        each = [f"{name} ({', '.join(map(_text, levels))})" for name, levels in self.factors]
        count = len(self._arms.labels) - 1
        many = f"{count} candidates" if count > 1 else "1 candidate"
        return f"{len(each)} factors: {', '.join(each)}; {many}; control is {self.control}"

    def to_json(self) -> dict[str, Any]:
        """Give the space as plain JSON, which `space_from_json` reads.

        Returns
        -------
        dict
            Its kind and the constructor's arguments.
        """
        return {
            "kind": self.kind,
            "factors": [[name, list(levels)] for name, levels in self.factors],
            "control": self.control,
            "crosses": self._crosses,
            "candidates": None if self._all else [str(label) for label in self._arms.labels[1:]],
            "separator": self.separator,
        }

    def __repr__(self) -> str:
        each = {name: list(levels) for name, levels in self.factors}
        return f"Factors({each}, control={self.control!r}, crosses={self._crosses})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Factors) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash((self.factors, self._arms))

    def _joined(self, levels: Sequence[str]) -> str:
        return self.separator.join(levels)

    def _control(self, control: Any, labels: list[str]) -> str:
        """The label of control."""
        if control is None:
            return labels[0]
        if isinstance(control, str):
            if not control:
                raise SpaceError("control", "be a label", "nothing", fix='e.g. control = "none"')
            return control
        levels = [_text(level) for level in in_order("control", control)]
        label = self._joined(levels)
        if len(levels) != len(self.factors) or label not in labels:
            must = "be a level of each factor, or a label"
            raise SpaceError("control", must, repr(control), fix="give one level a factor")
        return label

    def _labels(self, treatment: Any) -> Any:
        """Labels of treatments; levels of factors are joined.   treatment: (n,) or (n, factors)."""
        t = treatment if isinstance(treatment, np.ma.MaskedArray) else np.asarray(treatment)
        if isinstance(treatment, list | tuple) and t.ndim == 2:
            t = np.array([list(row) for row in treatment], object)  # numbers beside text stay so
        if t.ndim == 1:
            return t
        if t.ndim != 2 or t.shape[1] != len(self.factors):
            must = f"be one label or {len(self.factors)} levels per row"
            raise SpaceError("treatment", must, f"an array of shape {t.shape}")
        columns, apart = [], np.zeros(len(t), np.bool_)
        for column in np.ma.getdata(t).T:
            values, place = _distinct(column)
            texts = np.array([_text(value) for value in values], object)
            columns.append(texts[place])
            apart |= columns[-1] == self.control if self._apart else False
        labels = columns[0]
        for column in columns[1:]:
            labels = labels + self.separator + column
        return np.where(apart, self.control, labels).astype(str)

    def _encoded(self, rows: Ints, base: Ints) -> Floats:
        """The code of each cell, (1 + k, d).   rows: places of levels, (1 + k, factors), -1 for a
        control apart; base: the level of each factor that has no column.
        """
        blocks, whole = [], np.ones((len(rows), 1))
        for f, (_, levels) in enumerate(self.factors):
            others = [i for i in range(len(levels)) if i != base[f]]
            blocks.append((rows[:, f, None] == others).astype(np.float64))
        columns = [(rows[:, :1] >= 0).astype(np.float64)] if self._apart else []
        degrees = [1] * (len(columns) + sum(block.shape[1] for block in blocks))
        columns += blocks
        for group in self._products:
            made = whole
            for f in group:
                made = (made[:, :, None] * blocks[f][:, None]).reshape(len(rows), -1)
            columns.append(made)
            degrees += [len(group)] * made.shape[1]
        self._degrees = np.array(degrees, np.int64)
        return np.hstack(columns)


def _text(level: Any) -> str:
    """A level as text; a number that is whole as that."""
    level = level.item() if isinstance(level, np.generic) else level
    return str(int(level)) if isinstance(level, float) and level.is_integer() else str(level)


def _distinct(column: NDArray[Any]) -> tuple[list[Any], Ints]:
    """The distinct values of a column, and the place of each row's among them, (n,)."""
    if column.dtype.kind != "O":
        values, place = np.unique(column, return_inverse=True)
        return list(values), place.reshape(-1)
    known: dict[Any, int] = {}
    place = np.fromiter(
        (known.setdefault((type(v), v), len(known)) for v in column), np.int64, len(column)
    )
    return [value for _, value in known], place


def _factors(factors: Any) -> tuple[tuple[str, tuple[Level, ...]], ...]:
    """Names and levels, checked."""
    pairs = list(factors.items()) if isinstance(factors, Mapping) else list(factors)
    if len(pairs) < 2 or any(isinstance(pair, str) or len(pair) != 2 for pair in pairs):
        fix = 'e.g. factors = {discount = [0, 5, 10], channel = ["mail", "push"]}; Arms for one'
        raise SpaceError("factors", "be two or more names with levels", repr(factors), fix=fix)
    names = [str(name) for name, _ in pairs]
    if len(set(names)) < len(names):
        raise SpaceError("factors", "have different names", names)
    checked = []
    for name, levels in zip(names, (levels for _, levels in pairs), strict=True):
        plain = tuple(
            level.item() if isinstance(level, np.generic) else level
            for level in in_order(f"the levels of {name!r}", levels)
        )
        texts = [_text(level) for level in plain]
        good = all(isinstance(level, str | int | float) and _text(level) for level in plain)
        if len(plain) < 2 or len(set(texts)) < len(texts) or not good:
            must = "be two or more different texts or numbers"
            raise SpaceError(f"the levels of {name!r}", must, list(plain), fix="list each once")
        checked.append((name, plain))
    return tuple(checked)


def _products(crosses: Any, names: list[str]) -> list[tuple[int, ...]]:
    """The places of the factors that are multiplied."""
    if isinstance(crosses, int) and not isinstance(crosses, bool):
        if not 1 <= crosses <= len(names):
            must = f"be a whole number from 1 to the number of factors, {len(names)}"
            raise SpaceError("crosses", must, crosses)
        sizes = range(2, crosses + 1)
        return [group for size in sizes for group in combinations(range(len(names)), size)]
    groups = []
    for group in in_order("crosses", crosses):
        each = in_order("a cross", group)
        unknown = [name for name in each if name not in names]
        if unknown or len(set(each)) < max(2, len(each)):
            must = f"be lists of two or more of the factors {names}"
            raise SpaceError("crosses", must, list(each), fix='e.g. [["discount", "text"]]')
        groups.append(tuple(sorted(names.index(name) for name in each)))
    if len(set(groups)) < len(groups):
        raise SpaceError("crosses", "be different", repr(crosses), fix="list each once")
    return groups


def _kept(candidates: Any, labels: list[str]) -> list[str]:
    """The candidates, in the order of all."""
    if candidates is None:
        return labels
    asked = [str(label) for label in in_order("candidates", candidates)]
    unknown = [label for label in asked if label not in labels]
    if unknown or not asked or len(set(asked)) < len(asked):
        must = "be different labels of combinations, control not among them"
        raise SpaceError("candidates", must, repr(unknown[0] if unknown else asked))
    return [label for label in labels if label in asked]
