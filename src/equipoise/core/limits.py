"""Limits: candidates that a policy may not give to a group, whatever they are worth.

A limit is told by an amount (no more than 0.50 to minors) and kept by name: the candidates above
it.  It binds the policy, not what is learnt: rows of the group taught the model like all others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.core.arrays import Bools


@dataclass(frozen=True)
class Limit:
    """One group's closed candidates.

    Attributes
    ----------
    column, group : str
        The units whose label in the column is that.
    closed : tuple of str
        Candidates that they never get.

    Examples
    --------
    >>> limit = Limit("minor", "yes", ("5",))
    >>> Limit.from_json(limit.to_json()) == limit
    True
    """

    column: str
    group: str
    closed: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The limit as plain JSON."""
        return {"column": self.column, "group": self.group, "closed": list(self.closed)}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Limit:
        """The inverse of `to_json`."""
        return cls(plain["column"], plain["group"], tuple(plain["closed"]))


def within_limits(
    limits: Iterable[Limit],
    groups: Mapping[str, NDArray[Any]],
    candidates: Sequence[str],
    eligible: Bools | None,
) -> Bools | None:
    """Whether each candidate is open to each unit once limits are kept.

    Parameters
    ----------
    limits : iterable of Limit
        Each names candidates, or none of these.
    groups : mapping
        Column -> labels, (n,), of every column that a limit names.
    candidates : sequence of str, (k,)
        Their names.
    eligible : array of bool, (n, k), or None
        Which were open before; None: all.

    Returns
    -------
    array of bool, (n, k), or None
        None where all are open.

    Examples
    --------
    >>> minor = {"minor": np.array(["no", "yes"])}
    >>> within_limits([Limit("minor", "yes", ("5",))], minor, ("1", "5"), None).tolist()
    [[True, True], [True, False]]
    """
    open_to = None if eligible is None else eligible.copy()
    for limit in limits:
        shut = np.isin(candidates, limit.closed)
        inside = groups[limit.column] == limit.group
        if open_to is None:
            open_to = np.ones((len(inside), len(candidates)), np.bool_)
        open_to[np.ix_(inside, shut)] = False
    return open_to
