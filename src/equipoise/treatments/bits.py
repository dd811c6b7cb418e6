"""Bits: k switches that are on or off in any combination, such as categories shown or left out;
control is all off.

encode(t) is the vector itself, followed with ``crosses = 2`` by the products of two different
switches, and so on:

    phi(t) = (t_1, ..., t_k,  t_1 t_2, t_1 t_3, ..., t_(k-1) t_k,  ...)

There are 2^k - 1 candidates; a policy gets all of them only when asked, else a list with structure,
or a sample.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.core.arrays import Floats, Ints
from equipoise.core.errors import SpaceError, UnsupportedSpace

MOST = 4095  # candidates; one effect per unit and candidate is held, so more would not fit
CONTROL, ALL, BUT = "none", "all", "all but "
KINDS = ("structured", "singles", "pairs", "all")


class Bits:
    """A vector of switches that are on or off; control is all off.

    Parameters
    ----------
    switches : sequence of str, or int
        Their names, or how many there are (then named s1, s2, ...).
    candidates : str, int, or iterable of vectors, default "structured"
        What a policy may choose from.  ``"structured"``: each switch alone, each pair, all but one,
        all on; ``"singles"``; ``"pairs"`` (and singles); ``"all"``, refused beyond 4,095 of them; a
        whole number: as many different vectors, drawn evenly by ``seed``; or the vectors
        themselves, (k, switches), of which control is left out.
    crosses : int, default 1
        How many switches at most are multiplied by one column of `encode`; 1 is none.
    seed : int, default 0
        Of the random candidates.

    Examples
    --------
    >>> channels = Bits(["mail", "push", "call"], crosses=2)
    >>> channels.names(channels.candidates())
    ('mail', 'push', 'call', 'mail+push', 'mail+call', 'push+call', 'all')
    >>> channels.encode([[1, 0, 1]]).tolist()
    [[1.0, 0.0, 1.0, 0.0, 1.0, 0.0]]
    """

    kind = "bits"

    def __init__(
        self,
        switches: Sequence[str] | int,
        candidates: str | int | Iterable[Iterable[int]] = "structured",
        crosses: int = 1,
        seed: int = 0,
    ) -> None:
        self.switches = _names(switches)
        k = len(self.switches)
        if not _whole(crosses) or not 1 <= crosses <= k:
            raise SpaceError(
                "crosses", f"be a whole number from 1 to the number of switches, {k}", repr(crosses)
            )
        if not _whole(seed) or seed < 0:
            raise SpaceError("seed", "be a whole number >= 0", repr(seed))
        self.crosses, self.seed = int(crosses), int(seed)
        self._products = [
            list(group)
            for size in range(2, self.crosses + 1)
            for group in combinations(range(k), size)
        ]
        self._candidates = self._list(candidates)
        self._spec = candidates if isinstance(candidates, str | int) else self._candidates.tolist()
        code = _codes(self._candidates)
        self._order = np.argsort(code, kind="stable")
        self._sorted_codes = code[self._order]

    @property
    def control(self) -> Ints:
        return np.zeros(len(self.switches), np.int64)

    def check(self, treatment: Any) -> Ints:
        """Check vectors of switches.

        Parameters
        ----------
        treatment : array-like, (n, switches)
            0 and 1; a column (n,) of lists is stacked.

        Returns
        -------
        array of int, (n, switches)
            0 and 1.

        Raises
        ------
        SpaceError
            Where a vector has another length or a value is not 0 or 1, with its row.
        """
        k = len(self.switches)
        t = np.asarray(treatment)
        if t.ndim == 1 and t.dtype.kind == "O":
            t = _stack(t, k)
        if t.ndim != 2 or t.shape[1] != k:
            raise SpaceError(
                "treatment",
                f"be one vector of {k} switches per row",
                f"an array of shape {t.shape}",
            )
        good = (t == 0) | (t == 1)
        if not good.all():
            row, j = (int(i) for i in np.argwhere(~good)[0])
            where, fix = f"row {row}", "a switch is 0 or 1; use Dose or Shares for amounts"
            raise SpaceError(f"switch {self.switches[j]!r}", "be 0 or 1", t[row, j], where, fix)
        return t.astype(np.int64, copy=False)

    def candidates(self) -> Ints:
        """List the vectors that a policy may choose from.

        Returns
        -------
        array of int, (k, switches)
            0 and 1, control not among them.
        """
        return self._candidates.copy()

    def names(self, treatment: Any) -> tuple[str, ...]:
        """Label vectors for print.

        Parameters
        ----------
        treatment : array-like, (n, switches)
            0 and 1.

        Returns
        -------
        tuple of str, (n,)
            The switches that are on joined by "+", or "none", "all", "all but" one.
        """
        return tuple(self._name(row) for row in self.check(treatment).astype(bool))

    def encode(self, treatment: Any) -> Floats:
        """Encode vectors as themselves, followed by the products of up to ``crosses`` switches.

        Parameters
        ----------
        treatment : array-like, (n, switches)
            0 and 1.

        Returns
        -------
        array, (n, d)
            phi(t); control is the zero row.
        """
        t = self.check(treatment).astype(np.float64)
        if not self._products:
            return t
        return np.column_stack([t, *(t[:, group].prod(axis=1) for group in self._products)])

    def degrees(self) -> Ints:
        """Count the switches that each column of `encode` multiplies.

        Returns
        -------
        array of int, (d,)
            1 for a switch; more for a product.
        """
        return np.array(
            [1] * len(self.switches) + [len(group) for group in self._products], np.int64
        )

    def cells(self, treatment: Any) -> Ints:
        """Number the candidate that each vector is.

        Parameters
        ----------
        treatment : array-like, (n, switches)
            0 and 1.

        Returns
        -------
        array of int, (n,)
            0 is control, 1 + a is candidate a.

        Raises
        ------
        UnsupportedSpace
            Where a vector is neither control nor a candidate, with its row.
        """
        t = self.check(treatment)
        code = _codes(t)
        on = code != _codes(self.control[None])
        place = np.minimum(np.searchsorted(self._sorted_codes, code), len(self._sorted_codes) - 1)
        strange = on & (self._sorted_codes[place] != code)
        if strange.any():
            row = int(np.argmax(strange))
            fix = (
                'list what was logged as candidates, or candidates="all"; dml and s-learner need no'
                " cells"
            )
            raise UnsupportedSpace(
                "each vector",
                "be control or a candidate",
                repr(self._name(t[row] > 0)),
                f"row {row}",
                fix,
            )
        return np.where(on, 1 + self._order[place], 0).astype(np.int64)

    def dose(self, treatment: Any) -> Floats:
        """Refuse: vectors of switches have no amount.

        Parameters
        ----------
        treatment : array-like, (n, switches)
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
        fix = "use Dose, or an estimator for vectors"
        raise UnsupportedSpace(
            "this estimator's space", "be an interval of amounts", "Bits", fix=fix
        )

    def describe(self) -> str:
        """Describe the space for a report.

        Returns
        -------
        str
            One sentence with the switches, the number of candidates and control.
        """
        products = f", products of up to {self.crosses}" if self.crosses > 1 else ""
        many = f"{len(self._candidates)} candidates" if len(self._candidates) > 1 else "1 candidate"
        return (
            f"{len(self.switches)} switches{products}: {', '.join(self.switches)}; {many}; control"
            f" is {CONTROL}"
        )

    def to_json(self) -> dict[str, Any]:
        """Give the space as plain JSON, which `space_from_json` reads.

        Returns
        -------
        dict
            Its kind and the constructor's arguments; vectors as lists.
        """
        return {
            "kind": self.kind,
            "switches": list(self.switches),
            "candidates": self._spec,
            "crosses": self.crosses,
            "seed": self.seed,
        }

    def __repr__(self) -> str:
        spec = (
            self._spec if isinstance(self._spec, str | int) else f"{len(self._candidates)} vectors"
        )
        return f"Bits({list(self.switches)}, candidates={spec!r}, crosses={self.crosses})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bits) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash((self.switches, self.crosses, self.seed, self._candidates.tobytes()))

    def _name(self, on: NDArray[np.bool_]) -> str:
        """The switches that are on, or the one that is off where there are many."""
        names = [name for name, one in zip(self.switches, on, strict=True) if one]
        if len(on) > 2 and len(names) == len(on):
            return ALL
        if len(on) > 3 and len(names) == len(on) - 1:
            return BUT + self.switches[int(np.argmin(on))]
        return "+".join(names) or CONTROL

    def _list(self, spec: Any) -> Ints:
        """The candidates as vectors, each once, control not among them."""
        k = len(self.switches)
        if isinstance(spec, str):
            if spec not in KINDS:
                must = f"be {', '.join(map(repr, KINDS))}, a whole number, or vectors"
                raise SpaceError(
                    "candidates", must, repr(spec), fix="see the documentation of Bits"
                )
            return _all_vectors(k) if spec == "all" else _structured_vectors(k, spec)
        if _whole(spec):
            return _random_vectors(k, int(spec), self.seed)
        vectors = self.check(spec if isinstance(spec, np.ndarray) else list(spec))
        first = np.sort(np.unique(vectors, axis=0, return_index=True)[1])
        vectors = vectors[first]
        vectors = vectors[vectors.any(axis=1)]
        if not 1 <= len(vectors) <= MOST:
            raise SpaceError(
                "candidates", f"be 1 to {MOST:,} vectors that are not control", len(vectors)
            )
        return vectors


def _whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _names(switches: Any) -> tuple[str, ...]:
    if _whole(switches):
        if switches < 1:
            raise SpaceError("switches", "be names, or a number >= 1", switches)
        if switches > MOST:
            raise SpaceError("switches", f"be at most {MOST:,}", switches)
        return tuple(f"s{j}" for j in range(1, int(switches) + 1))
    names = tuple(str(name) for name in switches)
    if isinstance(switches, str) or not names or len(set(names)) < len(names):
        raise SpaceError(
            "switches",
            "be one or more different names",
            repr(switches),
            fix='e.g. Bits(["mail", "push"])',
        )
    for name in names:
        if not name or "+" in name or name in (CONTROL, ALL) or name.startswith(BUT):
            fix = "call it otherwise: a combination is named by its switches, joined by +"
            raise SpaceError(
                "a switch's name",
                f"be text without +, not {CONTROL!r} or {ALL!r}",
                repr(name),
                fix=fix,
            )
    return names


def _stack(rows: NDArray[Any], k: int) -> NDArray[Any]:
    """A column of vectors, as a list column of a table is read, as a matrix."""
    fits = np.fromiter((np.shape(vector) == (k,) for vector in rows), np.bool_, len(rows))
    if not fits.all():
        row = int(np.argmin(fits))
        raise SpaceError(
            "treatment", f"be one vector of {k} switches per row", repr(rows[row]), f"row {row}"
        )
    return np.concatenate(rows.tolist()).reshape(-1, k) if len(rows) else np.empty((0, k), np.int64)


def _codes(t: Ints) -> NDArray[Any]:
    """A number that tells the vectors apart, (n,): bytes where a float64 does not hold it."""
    if t.shape[1] < 53:
        return t.astype(np.float64) @ 2.0 ** np.arange(t.shape[1])
    bits = np.ascontiguousarray(np.packbits(t.astype(np.uint8), axis=1))
    return bits.view(f"S{bits.shape[1]}").ravel()


def _all_vectors(k: int) -> Ints:
    if 2**k - 1 > MOST:
        fix = 'ask for a sample (candidates=500), "structured", or the vectors that matter'
        raise SpaceError(
            'candidates="all"', f"be at most {MOST:,}", f"2^{k} - 1 = {2**k - 1:,}", fix=fix
        )
    return _vectors(np.arange(1, 2**k), k)


def _vectors(code: Ints, k: int) -> Ints:
    return code[:, None] >> np.arange(k, dtype=np.int64) & 1


def _structured_vectors(k: int, kind: str) -> Ints:
    """Each switch alone; each pair; all but one, and all."""
    one = np.eye(k, dtype=np.int64)
    lists = [one]
    if kind != "singles":
        first, second = np.triu_indices(k, 1)
        lists.append(one[first] + one[second])
    if kind == "structured":
        lists += [1 - one, np.ones((1, k), np.int64)]
    vectors = np.vstack(lists)
    vectors = vectors[np.sort(np.unique(vectors, axis=0, return_index=True)[1])]
    vectors = vectors[vectors.any(axis=1)]
    if len(vectors) > MOST:
        fix = 'ask for "singles", or for a sample (candidates=500)'
        raise SpaceError(
            f"candidates={kind!r}",
            f"be at most {MOST:,}",
            f"{len(vectors):,} of {k} switches",
            fix=fix,
        )
    return vectors


def _random_vectors(k: int, count: int, seed: int) -> Ints:
    """Different vectors, each as likely as any other; all of them where no more are wanted than
    there are.
    """
    if not 1 <= count <= MOST:
        raise SpaceError("the number of candidates", f"be from 1 to {MOST:,}", count)
    rng = np.random.default_rng(seed)
    if k < 24:  # few enough for a permutation of all
        return _vectors(1 + rng.permutation(2**k - 1)[:count].astype(np.int64), k)
    # of 2^24 or more, so hardly one comes twice, never 64
    vectors = rng.integers(2, size=(count + 64, k))
    vectors = vectors[np.sort(np.unique(vectors, axis=0, return_index=True)[1])]
    return vectors[vectors.any(axis=1)][:count]
