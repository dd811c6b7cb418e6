"""Space, the protocol: what can be done to a unit.

A space answers questions; nobody asks for its type.  A question that a space cannot answer raises
`UnsupportedSpace`, so an estimator that needs finite cells calls ``space.cells(t)`` and thereby
serves every space that has them.

The canonical form of a treatment is the user's own label or number (``"mens"``, ``1``, ``0.5``), as
an array (n,) or, for vector treatments, (n, p); `check` is idempotent.

A space whose encoding holds products of several switches may also answer ``degrees() -> (d,)``, how
many each column multiplies.  One whose candidates stand for themselves may answer ``among(cells)``,
the same space with control and some of the candidates only, cells (j,) in 1..k; where it does, arms
may be closed to some units.  One that is asked for treatments that nobody logged may say that it
``extrapolates``: without shrinkage its columns must be fewer than the distinct logged treatments
less one, else the log says nothing of others.  One whose treatments are spread over a day may
answer ``packets(treatment) -> hours, amounts``, (n, J) each.  One whose labels changed may answer
``former_names(treatment)``, those of version 0.1.0: `current_names` reads what was written by them.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from equipoise.core.arrays import Floats, Ints
from equipoise.core.errors import SpaceError


@runtime_checkable
class Space(Protocol):
    """The questions every treatment space answers.

    There are k candidates, control not among them.  The canonical form of n treatments is an array
    (n,) of labels or amounts, or (n, p) of vectors.

    Examples
    --------
    >>> from equipoise.treatments import Arms
    >>> space = Arms(["none", "mail"])
    >>> isinstance(space, Space), space.kind, space.control
    (True, 'arms', 'none')
    """

    @property
    def kind(self) -> str:
        """The registered name, e.g. ``"arms"``."""

    @property
    def control(self) -> Any:
        """The canonical value of doing nothing."""

    def check(self, treatment: Any) -> NDArray[Any]:
        """Bring treatments into canonical form, or refuse them; a second call changes nothing.

        Parameters
        ----------
        treatment : array-like, (n,) or (n, p)
            Treatments as they stand in a log.

        Returns
        -------
        array, (n,) or (n, p)
            Their canonical values.

        Raises
        ------
        SpaceError
            Where a value lies outside the space, with its row.
        """

    def candidates(self) -> NDArray[Any]:
        """List the treatments that a policy may choose from.

        Returns
        -------
        array, (k,) or (k, p)
            Canonical values, control not among them.
        """

    def names(self, treatment: Any) -> tuple[str, ...]:
        """Label treatments for print.

        Parameters
        ----------
        treatment : array-like, (n,) or (n, p)
            Treatments, checked first.

        Returns
        -------
        tuple of str, (n,)
            One label each, with its unit.
        """

    def encode(self, treatment: Any) -> Floats:
        """Encode treatments for models that are linear or smooth in them.

        Parameters
        ----------
        treatment : array-like, (n,) or (n, p)
            Treatments, checked first.

        Returns
        -------
        array, (n, d)
            Control is the zero row.
        """

    def cells(self, treatment: Any) -> Ints:
        """Number the finite cell that each treatment belongs to.

        Parameters
        ----------
        treatment : array-like, (n,) or (n, p)
            Treatments, checked first.

        Returns
        -------
        array of int, (n,)
            0 is control, 1 + a is candidate a; a continuum is cut at its candidates.

        Raises
        ------
        UnsupportedSpace
            Where a treatment belongs to no cell.
        """

    def dose(self, treatment: Any) -> Floats:
        """Give the amounts of treatments, for spaces that are an interval of amounts.

        Parameters
        ----------
        treatment : array-like, (n,)
            Treatments, checked first.

        Returns
        -------
        array, (n,)
            Amounts, in the unit of the space.

        Raises
        ------
        UnsupportedSpace
            Where treatments are no amounts.
        """

    def describe(self) -> str:
        """Describe the space for a report.

        Returns
        -------
        str
            One sentence.
        """

    def to_json(self) -> dict[str, Any]:
        """Give the space as plain JSON, which `space_from_json` reads.

        Returns
        -------
        dict
            ``{"kind": ..., **constructor arguments}``.
        """


def cell_names(space: Space) -> tuple[str, ...]:
    """The names of control and of every candidate, (1 + k,)."""
    return (*space.names(np.asarray([space.control])), *space.names(space.candidates()))


def former_cell_names(space: Space) -> tuple[str, ...]:
    """The names that version 0.1.0 gave control and every candidate, (1 + k,)."""
    names = getattr(space, "former_names", space.names)
    return (*names(np.asarray([space.control])), *names(space.candidates()))


def current_names(space: Space) -> dict[str, str]:
    """The name of a cell by its name, and by that of version 0.1.0 where only one cell had it.

    >>> from equipoise.treatments import Dose
    >>> current_names(Dose(0, 2e6, levels=[1234567, 2e6]))
    {'0': '0', '1.23457e+06': '1234567', '2e+06': '2000000', '1234567': '1234567', ...}
    """
    now, former = cell_names(space), former_cell_names(space)
    count = Counter(former)
    names = {old: new for old, new in zip(former, now, strict=True) if count[old] == 1}
    return names | {name: name for name in now}


def in_order(what: str, values: Any) -> tuple[Any, ...]:
    """Values that were listed, in their order: text is not a list of its letters, and a set has no
    order.

    >>> in_order("arms", ["none", "mail"])
    ('none', 'mail')
    """
    if isinstance(values, str | bytes | set | frozenset | dict) or not hasattr(values, "__iter__"):
        fix = "list the values, the first one first"
        raise SpaceError(what, "be a list", repr(values), fix=fix)
    return tuple(values)
