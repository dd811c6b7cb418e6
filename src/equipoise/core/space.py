"""Space, the protocol: what can be done to a unit.

A space answers questions; nobody asks for its type.  A question that a space cannot answer raises
`UnsupportedSpace`, so an estimator that needs finite cells calls ``space.cells(t)`` and thereby
serves every space that has them.

The canonical form of a treatment is the user's own label or number (``"mens"``, ``1``, ``0.5``), as
an array (n,) or, for vector treatments, (n, p); `check` is idempotent.

A space whose encoding holds products of several switches may also answer ``degrees() -> (d,)``, how
many each column multiplies.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from equipoise.core.arrays import Floats, Ints


@runtime_checkable
class Space(Protocol):
    """The questions every treatment space answers.  k candidates, control not among them."""

    @property
    def kind(self) -> str:
        """The registered name, e.g. ``"arms"``."""

    @property
    def control(self) -> Any:
        """The canonical value of doing nothing."""

    def check(self, treatment: Any) -> NDArray[Any]:
        """Canonical values, (n,) or (n, p); a value outside the space raises `SpaceError` naming
        its row.
        """

    def candidates(self) -> NDArray[Any]:
        """The k canonical treatments that a policy may choose from, control not among them."""

    def names(self, treatment: Any) -> tuple[str, ...]:
        """A label to print for each treatment, with its unit."""

    def encode(self, treatment: Any) -> Floats:
        """Numbers for models that are linear or smooth in the treatment, (n, d); control is the
        zero row.
        """

    def cells(self, treatment: Any) -> Ints:
        """The finite cell of each row, (n,): 0 is control, 1 + a is candidate a.  A continuum is
        cut at its candidates.
        """

    def dose(self, treatment: Any) -> Floats:
        """The amount given, (n,), for spaces that are an interval of amounts."""

    def describe(self) -> str:
        """One sentence for a report."""

    def to_json(self) -> dict[str, Any]:
        """``{"kind": ..., **constructor arguments}``."""
