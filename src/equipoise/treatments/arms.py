"""Arms: finitely many named treatments, one of them control; a binary treatment is two arms.

encode(t) is the one-hot vector of the candidates, so control is the zero row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.core.arrays import Floats, Ints
from equipoise.core.errors import SpaceError, UnsupportedSpace


class Arms:
    """Finitely many named arms, one of them control.

    Parameters
    ----------
    labels : sequence of str or int, default (0, 1)
        The arms as they stand in the log, all text or all whole numbers.
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
        plain = [label.item() if isinstance(label, np.generic) else label for label in labels]
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
        first = plain[0] if control is None else control
        if first not in plain:
            raise SpaceError(
                "control",
                f"be one of the arms {plain}",
                repr(first),
                fix="name the arm that does nothing",
            )
        self.labels = (first, *(label for label in plain if label != first))

    @property
    def control(self) -> str | int:
        return self.labels[0]

    def check(self, treatment: Any) -> NDArray[Any]:
        """Check labels; whole numbers may come as floats or booleans.

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
            Where a label is none of the arms, with its row.
        """
        t = np.asarray(treatment)
        if t.ndim != 1:
            raise SpaceError("treatment", "be one label per row", f"an array of shape {t.shape}")
        want = np.asarray(self.labels)
        if want.dtype.kind == "U":
            is_arm = (
                np.isin(t.astype(object), self.labels) if t.dtype.kind == "O" else np.isin(t, want)
            )
        else:
            t = _whole(t)
            is_arm = np.isin(t, want)
        if not is_arm.all():
            row = int(np.argmin(is_arm))
            raise SpaceError(
                "treatment",
                f"be one of {list(self.labels)}",
                repr(t[row]),
                f"row {row}",
                "add the arm or drop the rows",
            )
        return t.astype(want.dtype)

    def candidates(self) -> NDArray[Any]:
        """List the arms other than control.

        Returns
        -------
        array of str or int, (k,)
            Their labels, in the order of ``labels``.
        """
        return np.asarray(self.labels[1:])

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
        labels = np.asarray(self.labels)
        order = np.argsort(labels)
        return order[np.searchsorted(labels, self.check(treatment), sorter=order)].astype(np.int64)

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


def _whole(t: NDArray[Any]) -> NDArray[Any]:
    """Labels as whole numbers; what is no number is left for the membership test to name."""
    if t.dtype.kind in "iub":
        return t.astype(np.int64)
    with np.errstate(invalid="ignore"):
        if t.dtype.kind == "f" and np.all(t == np.floor(t)):
            return t.astype(np.int64)
    return t
