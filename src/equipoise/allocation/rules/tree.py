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
from numpy.typing import ArrayLike

from equipoise.allocation.rules.demands import Demands, best_within, beyond, check_demands
from equipoise.allocation.rules.exchange import improve
from equipoise.allocation.rules.questions import Answers, Bins, Question, in_words
from equipoise.allocation.rules.space import TreeSpace, check_candidates, check_gains
from equipoise.allocation.rules.splits import Splits
from equipoise.core.arrays import Ints
from equipoise.core.errors import InputError
from equipoise.core.frames import to_arrow

CONTROL = -1
DEPTHS = (1, 2, 3)


@dataclass(frozen=True)
class Node:
    """A question with what follows yes and no; or a leaf, without a question, and its candidate."""

    candidate: int = CONTROL
    question: Question | None = None
    yes: Node | None = None
    no: Node | None = None

    def choice(self, table: pa.Table) -> Ints:
        """What each row gets, (n,)."""
        if self.question is None or self.yes is None or self.no is None:
            return np.full(table.num_rows, self.candidate, np.int64)
        answers = self.question.answers(table)
        return np.where(answers, self.yes.choice(table), self.no.choice(table))

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


class PolicyTree:
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

    def fit(
        self,
        X: Any,
        gains: ArrayLike,
        *,
        candidates: Sequence[str] | None = None,
        demands: Demands | None = None,
        units: Any = None,
    ) -> PolicyTree:
        """Find the best tree.

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
        PolicyTree
            Itself.

        Raises
        ------
        InfeasibleError
            Where no tree was found that keeps all demands.
        """
        table, values = to_arrow(X), check_gains(gains)
        _check_tree(self)
        self.candidates_ = check_candidates(candidates, values.shape[1])
        if demands is not None:
            check_demands(demands, values.shape[1])
        space = TreeSpace.of(
            table,
            values,
            demands,
            units,
            depth=self.depth,
            bins=self.bins,
            min_leaf=self.min_leaf,
            prudence=self.prudence,
        )
        result = best_within(demands, values, space.best_at)
        if demands is not None:
            result = improve(space, demands, result)
        if result.best is None:
            raise beyond(() if demands is None else demands.names, f"tree of depth {self.depth}")
        self.root_ = node_of(result.best.rule, space.bins)
        self.value_ = space.gain(result.best.rule.choice(space.codes, space.bins, space.start))
        self.objective_, self.used_ = result.best.value, result.best.used
        self.bound_, self.prices_ = max(result.bound, result.best.value), result.prices
        return self

    def assign(self, X: Any) -> Ints:
        """What each row gets.

        Parameters
        ----------
        X : frame, (n, p)
            With the columns that the tree asks for.

        Returns
        -------
        array of int, shape (n,)
            -1 control, a candidate a.
        """
        return self.root_.choice(to_arrow(X))

    def predict(self, X: Any) -> list[str]:
        """What each row gets, by name.

        Parameters
        ----------
        X : frame, (n, p)
            With the columns that the tree asks for.

        Returns
        -------
        list of str
            Names of control or of a candidate.
        """
        return [self.candidates_[a + 1] for a in self.assign(X).tolist()]

    def text(self) -> str:
        """The tree in plain sentences, offers first.

        Returns
        -------
        str
            A line for each leaf with an offer, and one for everybody else.
        """
        lines = []
        leaves = self.root_.leaves()
        for path, candidate in leaves:
            if candidate != CONTROL:
                who = f"those whose {in_words(path)}" if path else "everybody"
                lines.append(f"Offer {self.candidates_[candidate + 1]} to {who}.")
        if any(candidate == CONTROL for _, candidate in leaves):
            lines.append(f"Offer {self.candidates_[0]} to everybody{' else' if lines else ''}.")
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """The tree as plain JSON.

        Returns
        -------
        dict
            What `from_json` reads.
        """
        return {
            "kind": "tree",
            "arguments": self._arguments(),
            "candidates": list(self.candidates_),
            "root": self.root_.to_json(),
        }

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> PolicyTree:
        """The inverse of `to_json`.

        Parameters
        ----------
        plain : dict
            What `to_json` gave.

        Returns
        -------
        PolicyTree
            That assigns as the other did.
        """
        self = cls(**plain["arguments"])
        self.candidates_ = tuple(plain["candidates"])
        self.root_ = Node.from_json(plain["root"])
        return self

    def _arguments(self) -> dict[str, Any]:
        names = ("depth", "bins", "min_leaf", "prudence")
        return {name: getattr(self, name) for name in names}

    def __repr__(self) -> str:
        said = ", ".join(f"{name}={value!r}" for name, value in self._arguments().items())
        return f"PolicyTree({said})"


def _check_tree(tree: PolicyTree) -> None:
    """Refuse other arguments."""
    depth, bins, min_leaf, prudence = tree.depth, tree.bins, tree.min_leaf, tree.prudence
    if depth not in DEPTHS:
        fix = "a person cannot read more than 8 leaves"
        raise InputError("depth", "be 1, 2 or 3", repr(depth), fix=fix)
    if bins is not None and not (isinstance(bins, int) and bins >= 2):
        raise InputError("bins", "be a number from 2, or None for every value", repr(bins))
    if not (isinstance(min_leaf, int | float) and 0 <= min_leaf < 0.5):
        raise InputError("min_leaf", "be a share of the rows from 0 to below 0.5", repr(min_leaf))
    if not (isinstance(prudence, int | float) and 0 <= prudence < float("inf")):
        raise InputError("prudence", "be a number >= 0", repr(prudence))
