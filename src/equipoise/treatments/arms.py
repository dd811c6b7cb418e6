"""Arms: finitely many named treatments, one of them control; a binary treatment is two arms.

encode(t) is the one-hot vector of the candidates, so control is the zero row.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.core.arrays import Floats, Ints
from equipoise.core.errors import SpaceError, UnsupportedSpace
from equipoise.core.space import in_order


class Arms:
    """Finitely many named arms, one of them control.

    Parameters
    ----------
    labels : sequence of str or int, default (0, 1)
        The arms as they stand in the log, all text or all whole numbers; 0.0 is the number 0.
    control : str, int or None, default None
        The arm that does nothing; by default the first.

    Examples
    --------
    >>> arms = Arms(["none", "mens", "womens"])
    >>> arms.cells(["mens", "none", "womens"]).tolist()
    [1, 0, 2]
    >>> arms.encode(["mens", "none"]).tolist()
    [[1.0, 0.0], [0.0, 0.0]]
    """

    kind = "arms"

    def __init__(
        self, labels: Sequence[str] | Sequence[int] = (0, 1), control: str | int | None = None
    ) -> None:
        plain = [_plain(label) for label in in_order("arms", labels)]
        if len(plain) < 2 or len(set(plain)) < len(plain):
            raise SpaceError(
                "arms",
                "be two or more different labels",
                plain,
                fix="list each arm once, control among them",
            )
        if len({type(label) for label in plain}) > 1 or not isinstance(plain[0], str | int):
            raise SpaceError(
                "arms",
                "be all text or all whole numbers",
                plain,
                fix="write them as they stand in the log",
            )
        first = plain[0] if control is None else _plain(control)
        if first not in plain:
            raise SpaceError(
                "control",
                f"be one of the arms {plain}",
                repr(first),
                fix="name the arm that does nothing",
            )
        self.labels = (
            plain[plain.index(first)],
            *(label for label in plain if label != first),
        )
        self._values = _array(self.labels)

    @property
    def control(self) -> str | int:
        control: str | int = self.labels[0]
        return control

    def check(self, treatment: Any) -> NDArray[Any]:
        """Check labels; a whole number may come as any type that says it exactly.

        Parameters
        ----------
        treatment : array-like, (n,)
            One label per row.

        Returns
        -------
        array of str or int, (n,)
            The labels.

        Raises
        ------
        SpaceError
            Where a label is not exactly one of the arms, with its row.
        """
        return self._values[self.cells(treatment)]

    def candidates(self) -> NDArray[Any]:
        """List the arms other than control.

        Returns
        -------
        array of str or int, (k,)
            Their labels, in the order of ``labels``.
        """
        return self._values[1:].copy()

    def names(self, treatment: Any) -> tuple[str, ...]:
        """Label treatments for print.

        Parameters
        ----------
        treatment : array-like, (n,)
            Labels of arms.

        Returns
        -------
        tuple of str, (n,)
            The labels as text.
        """
        return tuple(str(label) for label in self.check(treatment))

    def encode(self, treatment: Any) -> Floats:
        """Encode treatments as one-hot vectors of the candidates.

        Parameters
        ----------
        treatment : array-like, (n,)
            Labels of arms.

        Returns
        -------
        array, (n, k)
            0 and 1; control is the zero row.
        """
        hit: Floats = (self.cells(treatment)[:, None] == np.arange(1, len(self.labels))).astype(
            np.float64
        )
        return hit

    def cells(self, treatment: Any) -> Ints:
        """Number the arm of each row.

        Parameters
        ----------
        treatment : array-like, (n,)
            Labels of arms.

        Returns
        -------
        array of int, (n,)
            0 is control, 1 + a is candidate a.
        """
        t = np.asarray(treatment)
        if t.ndim != 1:
            raise SpaceError("treatment", "be one label per row", f"an array of shape {t.shape}")
        cell = _places(t, self.labels)
        if isinstance(treatment, np.ma.MaskedArray):
            cell[np.ma.getmaskarray(treatment)] = -1
        if (cell < 0).any():
            row = int(np.argmin(cell))
            raise SpaceError(
                "treatment",
                f"be one of {list(self.labels)}",
                repr(t[row]),
                f"row {row}",
                self._cure(t[row]),
            )
        return cell

    def _cure(self, label: Any) -> str:
        """What to do about a label that is no arm: name the type where only that is another."""
        alike = {str(arm): arm for arm in self.labels}
        if str(label) in alike and not isinstance(label, type(alike[str(label)])):
            kind = "numbers" if isinstance(self.labels[0], str) else "text"
            return f"the log's labels are {kind}: say Arms([...]) of {kind}"
        return "add the arm or drop the rows"

    def among(self, cells: Ints) -> Arms:
        """Keep control and some of the other arms.

        Parameters
        ----------
        cells : array of int, (j,)
            Their places, in 1..k.

        Returns
        -------
        Arms
            The same labels and control.

        Examples
        --------
        >>> Arms(["none", "mens", "womens"]).among(np.array([2]))
        Arms(['none', 'womens'])
        """
        return Arms([self.labels[0], *(self.labels[a] for a in cells.tolist())])

    def dose(self, treatment: Any) -> Floats:
        """Refuse: arms have no amount.

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
        raise UnsupportedSpace(
            "this estimator's space",
            "be an interval of amounts",
            "Arms",
            fix="use Dose, or an estimator for arms",
        )

    def describe(self) -> str:
        """Describe the space for a report.

        Returns
        -------
        str
            One sentence with the arms and control.
        """
        return (
            f"{len(self.labels)} arms: {', '.join(map(str, self.labels))}; control is"
            f" {self.control}"
        )

    def to_json(self) -> dict[str, Any]:
        """Give the space as plain JSON, which `space_from_json` reads.

        Returns
        -------
        dict
            Its kind and labels, control first.
        """
        return {"kind": self.kind, "labels": list(self.labels)}

    def __repr__(self) -> str:
        return f"Arms({list(self.labels)})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Arms) and self.labels == other.labels

    def __hash__(self) -> int:
        return hash(self.labels)


def _plain(label: Any) -> Any:
    """A label as plain Python; a float that is a whole number as that."""
    label = label.item() if isinstance(label, np.generic) else label
    return int(label) if isinstance(label, float) and label.is_integer() else label


def _array(labels: tuple[Any, ...]) -> NDArray[Any]:
    """The labels as the array that canonical treatments are taken from, (1 + k,)."""
    try:
        "".join(map(str, labels)).encode()
        negative = not isinstance(labels[0], str) and min(labels) < 0
        large = not isinstance(labels[0], str) and max(labels) >= 2**63
        values = np.array(labels, np.uint64 if large and not negative else None)
        if values.dtype.kind in "iubU" and values.tolist() == list(labels):
            return values
    except (UnicodeEncodeError, OverflowError):
        pass
    raise SpaceError(
        "arms",
        "be text of Unicode without NUL characters, or whole numbers of 64 bits",
        list(labels),
        fix="give such arms other labels",
    )


def _places(t: NDArray[Any], labels: tuple[Any, ...]) -> Ints:
    """The place of each value among the labels, (n,), -1 where it is not exactly one of them."""
    if t.dtype.kind == "U" and isinstance(labels[0], str):
        keys, known = np.asarray(labels), np.arange(len(labels))
    elif t.dtype.kind in "iufb" and not isinstance(labels[0], str):
        t = t.astype(np.uint8) if t.dtype.kind == "b" else t
        keys, known = _keys(labels, t.dtype)
    else:
        return _places_of_objects(t.astype(object), labels)
    if not len(keys):
        return np.full(len(t), -1)
    order = np.argsort(keys)
    near = order[np.minimum(np.searchsorted(keys, t, sorter=order), len(keys) - 1)]
    return np.where(keys[near] == t, known[near], -1).astype(np.int64)


def _keys(labels: tuple[Any, ...], kind: np.dtype[Any]) -> tuple[NDArray[Any], Ints]:
    """The labels that a numeric type holds exactly, in that type, and their places."""
    if kind.kind == "f":
        with np.errstate(over="ignore"):
            each = [kind.type(int(label)) for label in labels]
        known = [i for i, key in enumerate(each) if np.isfinite(key) and int(key) == labels[i]]
    else:
        low, high = int(np.iinfo(kind).min), int(np.iinfo(kind).max)
        known = [i for i, label in enumerate(labels) if low <= label <= high]
    return np.array([labels[i] for i in known], kind), np.array(known, np.int64)


def _places_of_objects(t: NDArray[Any], labels: tuple[Any, ...]) -> Ints:
    """As `_places`; a dictionary compares numbers of any two types exactly, and text with none."""
    place = {label: i for i, label in enumerate(labels)}
    try:
        return np.fromiter(map(place.get, t, repeat(-1)), np.int64, len(t))
    except TypeError:  # a value that cannot be looked up is no label
        hashable = np.array([_is_hashable(value) for value in t], np.bool_)
        cell = np.full(len(t), -1)
        cell[hashable] = _places_of_objects(t[hashable], labels)
        return cell


def _is_hashable(value: Any) -> bool:
    try:
        return isinstance(hash(value), int)
    except TypeError:
        return False
