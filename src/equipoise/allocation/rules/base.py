"""What all rules that a person can read share: the checks of what they are learnt from, what they
say of a unit, and their JSON.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike

from equipoise.allocation.rules.demands import Demands, check_demands
from equipoise.allocation.rules.space import TreeSpace, check_candidates, check_gains
from equipoise.core.arrays import Floats, Ints
from equipoise.core.display import html_table
from equipoise.core.frames import to_arrow

CHOSEN, SENTENCE = "chosen", "sentence"
CONTROL = -1


class BaseRule(ABC):
    """A rule in a few words, learnt from gains within demands: `PolicyTree` or `Scorecard`.

    A kind of rule stores its `ARGUMENTS`, and says how it learns (`_check`, `_space`, `_learn`), to
    which place of its own a unit comes (`_place`), what places get (`_offers`), and in which words
    (`_sentences`).
    """

    KIND: ClassVar[str]
    PLACE: ClassVar[str]  # what a unit's place in the rule is called
    ARGUMENTS: ClassVar[tuple[str, ...]]
    candidates_: tuple[str, ...]

    def fit(
        self,
        X: Any,
        gains: ArrayLike,
        *,
        candidates: Sequence[str] | None = None,
        demands: Demands | None = None,
        units: Any = None,
    ) -> Self:
        """Find the best rule.

        Parameters
        ----------
        X : frame, (n, p)
            What may be asked of: numbers, times, booleans and text, any of them missing.
        gains : array-like, (n, k)
            What each candidate adds to a row over control: doubly robust scores of all metrics by
            their weights, net of cost where the objective is money.
        candidates : sequence of str, optional
            Names of control and of the k candidates.
        demands : Demands, optional
            What may be used of ``units``.
        units : frame, (u, p), optional
            Whom the demands count, with the columns of X; by default the rows of X.

        Returns
        -------
        PolicyTree or Scorecard
            Itself.

        Raises
        ------
        InfeasibleError
            Where no rule was found that keeps all demands.
        """
        table, values = to_arrow(X), check_gains(gains)
        self._check()
        self.candidates_ = check_candidates(candidates, values.shape[1])
        if demands is not None:
            check_demands(demands, values.shape[1])
        self._learn(self._space(table, values, demands, units), demands)
        return self

    def assign(self, X: Any) -> Ints:
        """What each row gets.

        Parameters
        ----------
        X : frame, (n, p)
            With the columns that the rule asks for.

        Returns
        -------
        array of int, shape (n,)
            -1 control, a candidate a.
        """
        return self._offers(self._place(to_arrow(X)))

    def predict(self, X: Any) -> list[str]:
        """What each row gets, by name.

        Parameters
        ----------
        X : frame, (n, p)
            With the columns that the rule asks for.

        Returns
        -------
        list of str
            Names of control or of a candidate.
        """
        return [self.candidates_[a + 1] for a in self.assign(X).tolist()]

    def explain(self, X: Any) -> pa.Table:
        """What each row gets, and why.

        Parameters
        ----------
        X : frame, (n, p)
            With the columns that the rule asks for.

        Returns
        -------
        pyarrow.Table, (n rows)
            ``chosen``, the name of control or of a candidate; ``leaf``, from 1 in the order of the
            questions, yes first, or ``points``; and the ``sentence`` of `text` that says so.
        """
        place = self._place(to_arrow(X))
        places, which = np.unique(place, return_inverse=True)
        given = [self.candidates_[a + 1] for a in self._offers(places).tolist()]
        words = self._sentences(places)
        told = {CHOSEN: given, SENTENCE: words}
        texts = {name: pa.array(each, pa.string()).take(which) for name, each in told.items()}
        return pa.table(
            {CHOSEN: texts[CHOSEN], self.PLACE: pa.array(place), SENTENCE: texts[SENTENCE]}
        )

    def to_json(self) -> dict[str, Any]:
        """The rule as plain JSON.

        Returns
        -------
        dict
            What `from_json` reads.
        """
        about = {"kind": self.KIND, "arguments": self._arguments()}
        return {**about, "candidates": list(self.candidates_), **self._content()}

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> Self:
        """The inverse of `to_json`.

        Parameters
        ----------
        plain : dict
            What `to_json` gave.

        Returns
        -------
        PolicyTree or Scorecard
            That assigns as the other did.
        """
        self = cls(**plain["arguments"])
        self.candidates_ = tuple(plain["candidates"])
        self._take(plain)
        return self

    def __repr__(self) -> str:
        said = ", ".join(f"{name}={value!r}" for name, value in self._arguments().items())
        return f"{type(self).__name__}({said})"

    def _repr_html_(self) -> str:
        lines = self.text().splitlines() if hasattr(self, "candidates_") else []
        return html_table(repr(self), [[line] for line in lines])

    def _arguments(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.ARGUMENTS}

    @property
    @abstractmethod
    def columns(self) -> tuple[str, ...]:
        """The columns that the rule asks for."""

    @abstractmethod
    def text(self) -> str:
        """The rule in plain sentences, a line each."""

    @abstractmethod
    def _place(self, table: pa.Table) -> Ints:
        """The place of each row in the rule, (n,)."""

    @abstractmethod
    def _offers(self, places: Ints) -> Ints:
        """What places get, (q,): -1 control, a candidate a."""

    @abstractmethod
    def _sentences(self, places: Ints) -> list[str]:
        """The sentence of the text that speaks of each place, (q,)."""

    @abstractmethod
    def _check(self) -> None:
        """Refuse other arguments."""

    @abstractmethod
    def _space(
        self, table: pa.Table, gains: Floats, demands: Demands | None, units: Any
    ) -> TreeSpace:
        """What there is to choose from."""

    @abstractmethod
    def _learn(self, space: TreeSpace, demands: Demands | None) -> None:
        """Choose."""

    @abstractmethod
    def _content(self) -> dict[str, Any]:
        """What was learnt, as plain JSON."""

    @abstractmethod
    def _take(self, plain: dict[str, Any]) -> None:
        """The inverse of `_content`."""
