"""An exact shallow tree over doubly robust scores: questions with yes or no, and what each leaf
gets.

    maximise  sum_i gain[i, leaf(i)]   over all trees of depth 1, 2 or 3 on the bins of the columns

Depth 1 and 2 by sorted sweeps, depth 3 by a search over roots with a bound; within demands by their
prices (`demands`), and then one split after another is chosen anew among all that keep them.

References
----------
Zhou, Athey & Wager (2023), Offline multi-action policy learning, Operations Research 71.
Sverdrup, Kanodia, Zhou, Athey & Wager (2020), policytree, Journal of Open Source Software 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from equipoise.allocation.rules.base import CONTROL, BaseRule
from equipoise.allocation.rules.demands import Demands, best_within, beyond
from equipoise.allocation.rules.exchange import improve
from equipoise.allocation.rules.questions import Answers, Bins, Question, in_words
from equipoise.allocation.rules.space import TreeSpace
from equipoise.allocation.rules.splits import Splits
from equipoise.core.arrays import Floats, Ints
from equipoise.core.errors import InputError

DEPTHS = (1, 2, 3)


@dataclass(frozen=True)
class Node:
    """A question with what follows yes and no; or a leaf, without a question, and its candidate."""

    candidate: int = CONTROL
    question: Question | None = None
    yes: Node | None = None
    no: Node | None = None

    def leaf(self, table: pa.Table, first: int = 1) -> Ints:
        """The leaf that each row comes to, numbered as `leaves` names them, (n,)."""
        if self.question is None or self.yes is None or self.no is None:
            return np.full(table.num_rows, first, np.int64)
        answers, beyond_yes = self.question.answers(table), first + len(self.yes.leaves())
        return np.where(answers, self.yes.leaf(table, first), self.no.leaf(table, beyond_yes))

    def leaves(self, path: Answers = ()) -> list[tuple[Answers, int]]:
        """The answers that lead to each leaf, and its candidate, yes first."""
        if self.question is None or self.yes is None or self.no is None:
            return [(path, self.candidate)]
        yes, no = (*path, (self.question, True)), (*path, (self.question, False))
        return [*self.yes.leaves(yes), *self.no.leaves(no)]

    def to_json(self) -> dict[str, Any]:
        """The node as plain JSON."""
        if self.question is None or self.yes is None or self.no is None:
            return {"candidate": self.candidate}
        yes, no = self.yes.to_json(), self.no.to_json()
        return {"question": self.question.to_json(), "yes": yes, "no": no}

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> Node:
        """The inverse of `to_json`."""
        if "question" not in plain:
            return cls(int(plain["candidate"]))
        yes, no = cls.from_json(plain["yes"]), cls.from_json(plain["no"])
        return cls(CONTROL, Question.from_json(plain["question"]), yes, no)


def joined(yes: Node, no: Node, question: Question) -> Node:
    """A question, or one leaf where both answers lead to the same."""
    if yes.question is None and no.question is None and yes.candidate == no.candidate:
        return yes
    return Node(CONTROL, question, yes, no)


def node_of(splits: Splits, bins: Sequence[Bins]) -> Node:
    """A tree in questions."""
    if splits.yes is None or splits.no is None:
        return Node(splits.candidate)
    question, flip = bins[splits.column].question(splits.cut, splits.missing)
    yes, no = node_of(splits.yes, bins), node_of(splits.no, bins)
    return joined(no, yes, question) if flip else joined(yes, no, question)


class PolicyTree(BaseRule):
    """The best tree of questions for given gains, within demands.

    Parameters
    ----------
    depth : {1, 2, 3}, default 2
        How many questions a unit is asked at most.
    bins : int or None, default 32
        A column of more values is cut at so many quantiles; None: between any two values.
    min_leaf : float, default 0.01
        The share of rows that each leaf has at least.
    prudence : float, default 0.5
        A question is asked where it adds more than so many standard deviations of the sum of gains
        of those whom it is asked; 0 asks all that add anything, be it noise.

    Attributes
    ----------
    root_ : Node
        The first question.
    candidates_ : tuple of str
        Control and the k candidates.
    value_ : float
        The gain of the rows of fit, in all.
    objective_ : float
        The same less what prudence asks of its questions: the best there is, without demands.
    bound_ : float
        No tree on these bins within the demands has a larger objective.
    used_ : array, (m,)
        What it uses of each demand.
    prices_ : array, (m,)
        Of the demands.

    Examples
    --------
    >>> import numpy as np
    >>> people = {"age": [20, 20, 50, 50], "visits": [1, 4, 1, 4]}
    >>> gains = np.array([[-1.0], [2.0], [-1.0], [-1.0]])
    >>> tree = PolicyTree(bins=None, prudence=0.0).fit(people, gains, candidates=["none", "mail"])
    >>> print(tree.text())
    Offer mail to those whose age < 50 and visits >= 4.
    Offer none to everybody else.
    >>> tree.predict({"age": [22], "visits": [9]})
    ['mail']
    """

    KIND, PLACE = "tree", "leaf"
    ARGUMENTS = ("depth", "bins", "min_leaf", "prudence")

    def __init__(
        self,
        depth: int = 2,
        bins: int | None = 32,
        min_leaf: float = 0.01,
        prudence: float = 0.5,
    ) -> None:
        self.depth = depth
        self.bins = bins
        self.min_leaf = min_leaf
        self.prudence = prudence

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that its questions are about."""
        asked = [question.column for path, _ in self.root_.leaves() for question, _ in path]
        return tuple(dict.fromkeys(asked))

    def _place(self, table: pa.Table) -> Ints:
        """The leaf of each row, from 1, (n,)."""
        return self.root_.leaf(table)

    def _offers(self, places: Ints) -> Ints:
        """What leaves get, (q,)."""
        given = np.array([candidate for _, candidate in self.root_.leaves()], np.int64)
        return given[places - 1]

    def _sentences(self, places: Ints) -> list[str]:
        """The sentence of each leaf, that of all without an offer the last."""
        lines = self._lines()
        return [lines[place - 1] for place in places.tolist()]

    def text(self) -> str:
        """The tree in plain sentences, offers first.

        Returns
        -------
        str
            A line for each leaf with an offer, and one for everybody else.
        """
        given = zip(self._lines(), self.root_.leaves(), strict=True)
        ordered = sorted(given, key=lambda one: one[1][1] == CONTROL)
        return "\n".join(dict.fromkeys(line for line, _ in ordered))

    def _lines(self) -> list[str]:
        """The sentence of each leaf, yes first."""
        leaves = self.root_.leaves()
        some = any(candidate != CONTROL for _, candidate in leaves)
        lines = []
        for path, candidate in leaves:
            who = f"those whose {in_words(path)}" if path else "everybody"
            if candidate == CONTROL:
                who = "everybody else" if some else "everybody"
            lines.append(f"Offer {self.candidates_[candidate + 1]} to {who}.")
        return lines

    def _check(self) -> None:
        depth, bins, min_leaf, prudence = self.depth, self.bins, self.min_leaf, self.prudence
        if depth not in DEPTHS:
            fix = "a person cannot read more than 8 leaves"
            raise InputError("depth", "be 1, 2 or 3", repr(depth), fix=fix)
        if bins is not None and not (isinstance(bins, int) and bins >= 2):
            raise InputError("bins", "be a number from 2, or None for every value", repr(bins))
        if not (isinstance(min_leaf, int | float) and 0 <= min_leaf < 0.5):
            must = "be a share of the rows from 0 to below 0.5"
            raise InputError("min_leaf", must, repr(min_leaf))
        if not (isinstance(prudence, int | float) and 0 <= prudence < float("inf")):
            raise InputError("prudence", "be a number >= 0", repr(prudence))

    def _space(
        self, table: pa.Table, gains: Floats, demands: Demands | None, units: Any
    ) -> TreeSpace:
        return TreeSpace.of(table, gains, demands, units, **self._arguments())

    def _learn(self, space: TreeSpace, demands: Demands | None) -> None:
        result = best_within(demands, space.gains, space.best_at)
        if demands is not None:
            result = improve(space, demands, result)
        if result.best is None:
            raise beyond(() if demands is None else demands.names, f"tree of depth {self.depth}")
        self.root_ = node_of(result.best.rule, space.bins)
        self.value_ = space.gain(result.best.rule.choice(space.codes, space.bins, space.start))
        self.objective_, self.used_ = result.best.value, result.best.used
        self.bound_, self.prices_ = max(result.bound, result.best.value), result.prices

    def _content(self) -> dict[str, Any]:
        return {"root": self.root_.to_json()}

    def _take(self, plain: dict[str, Any]) -> None:
        self.root_ = Node.from_json(plain["root"])
