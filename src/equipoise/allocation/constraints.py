"""Constraints: what a policy must obey, said in names, each a row (or two) of one linear family.

    budget          sum of cost            <= total
    offers          number of offers       <= total
    cap             offers of one candidate <= total
    floor           sum of effects on a metric >= at_least
    ceiling         sum of effects on a metric <= at_most
    group_budget    sum of cost in a group <= total
    parity          |share treated in a group - share treated overall| <= within, for every group

With ``per_head=True`` the number is per unit (of the group, for a group budget), so the same demand
serves any number of units.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from equipoise.core.deprecation import renamed_arguments
from equipoise.core.errors import InputError
from equipoise.core.policy import Demand, Label

Groups = Mapping[str, NDArray[Any]]
MARKS, QUOTES = (" = ", ": ", " not ", " ("), ("'", '"')  # that part the names in a demand's name


class Constraint(Protocol):
    """What becomes rows once the units' groups are known."""

    def rows(self, groups: Groups) -> tuple[Demand, ...]:
        """The linear rows; a label that no unit has is an error."""

    @property
    def kind(self) -> str:
        """What it asks: one of `core.policy.KINDS`."""

    def applies(self, groups: Groups) -> bool:
        """Whether it counts any of the units; a small group may be absent from a part of them."""

    def to_json(self) -> dict[str, Any]:
        """``{"kind": ..., ...}``, read by `constraint_from_json`."""


@dataclass(frozen=True)
class Row:
    """A constraint that is one row whatever the units."""

    demand: Demand

    def rows(self, groups: Groups) -> tuple[Demand, ...]:
        """The row; its group labels must be among the units'."""
        if self.demand.column is not None:
            labels, _ = count_labels(groups, self.demand.column, self.demand.name)
            for label, _ in self.demand.factors:
                if label not in labels:
                    what = f"the group of demand {self.demand.name!r}"
                    raise InputError(
                        what,
                        f"be a label of column {self.demand.column!r}",
                        repr(label),
                        fix=f"known: {list(labels)}",
                    )
        return (self.demand,)

    @property
    def kind(self) -> str:
        """What it asks."""
        return self.demand.kind

    def applies(self, groups: Groups) -> bool:
        """Whether some unit is in a group that the row names."""
        if self.demand.column is None:
            return True
        labels, _ = count_labels(groups, self.demand.column, self.demand.name)
        return any(label in labels for label, _ in self.demand.factors)

    def to_json(self) -> dict[str, Any]:
        """The row as plain JSON."""
        return {"kind": "row", "demand": self.demand.to_json()}


@dataclass(frozen=True)
class Parity:
    """Two rows a group: its share treated may differ from the overall share by at most ``within``
    (0..1).
    """

    column: str
    within: float
    candidate: str | None = None
    kind: ClassVar[str] = "parity"

    def rows(self, groups: Groups) -> tuple[Demand, ...]:
        """With p_g the group's part of the units: share_g - share = (1/n) sum_u x_u ([g(u) = g] /
        p_g - 1).
        """
        counts, n = count_labels(groups, self.column, f"parity of {self.column}")
        demands = []
        for label, count in counts.items():
            factors = ((label, n / count - 1.0),)
            for sign, side in ((1.0, "above"), (-1.0, "below")):
                name = f"parity of {quoted(self.column)}: {quoted(label)} not {side}" + (
                    f" ({self.candidate})" if self.candidate is not None else ""
                )
                demands.append(
                    Demand(
                        name,
                        "offers",
                        self.within,
                        sign,
                        None,
                        self.candidate,
                        self.column,
                        factors,
                        -1.0,
                        per_head=True,
                        unit="share",
                        kind=self.kind,
                    )
                )
        return tuple(demands)

    def applies(self, groups: Groups) -> bool:
        """Always: it is about all groups."""
        return True

    def to_json(self) -> dict[str, Any]:
        """The constraint as plain JSON."""
        return {"kind": "parity"} | asdict(self)


def budget(total: float, *, per_head: bool = False, unit: str = "", name: str = "budget") -> Row:
    """Spend at most ``total``.

    Parameters
    ----------
    total : float
        Money >= 0, in the unit of the costs.
    per_head : bool, default False
        Whether ``total`` is per unit.
    unit : str, default ""
        The unit of the costs, for reports.
    name : str, default "budget"
        What reports call it.

    Returns
    -------
    Row
        The constraint.

    Examples
    --------
    >>> budget(0.5, per_head=True).demand.bound
    0.5
    """
    return Row(
        Demand(
            name, "cost", _at_least_zero(name, total), per_head=per_head, unit=unit, kind="budget"
        )
    )


def offers(total: float, *, per_head: bool = False, name: str = "offers") -> Row:
    """Treat at most ``total`` units.

    Parameters
    ----------
    total : float
        Units >= 0; per head the share of them.
    per_head : bool, default False
        Whether ``total`` is a share of the units.
    name : str, default "offers"
        What reports call it.

    Returns
    -------
    Row
        The constraint.

    Examples
    --------
    >>> offers(0.2, per_head=True).demand.unit
    'share'
    """
    unit = "share" if per_head else "units"
    return Row(
        Demand(
            name, "offers", _at_least_zero(name, total), per_head=per_head, unit=unit, kind="offers"
        )
    )


def cap(candidate: str, total: float, *, per_head: bool = False, name: str | None = None) -> Row:
    """Give ``candidate`` to at most ``total`` units.

    Parameters
    ----------
    candidate : str
        The name of the candidate.
    total : float
        Units >= 0; per head the share of them.
    per_head : bool, default False
        Whether ``total`` is a share of the units.
    name : str or None, default None
        What reports call it; by default made of the candidate.

    Returns
    -------
    Row
        The constraint.

    Examples
    --------
    >>> cap("mail", 100).demand.name
    'cap on mail'
    """
    label = name or f"cap on {candidate}"
    bound = _at_least_zero(label, total)
    unit = "share" if per_head else "units"
    return Row(
        Demand(
            label, "offers", bound, candidate=candidate, per_head=per_head, unit=unit, kind="cap"
        )
    )


def floor(
    metric: str, at_least: float, *, per_head: bool = False, unit: str = "", name: str | None = None
) -> Row:
    """Keep the effects on ``metric``, summed over the units, at ``at_least`` or above.

    Parameters
    ----------
    metric : str
        The name of the metric.
    at_least : float
        In the metric's unit; negative: the metric may fall by so much.
    per_head : bool, default False
        Whether ``at_least`` is per unit.
    unit : str, default ""
        The metric's unit, for reports.
    name : str or None, default None
        What reports call it; by default made of the metric.

    Returns
    -------
    Row
        The constraint, as -usage <= -at_least.

    Examples
    --------
    >>> row = floor("plays", -5.0)
    >>> row.demand.sign, row.demand.bound
    (-1.0, 5.0)
    """
    label = name or f"floor of {metric}"
    if not math.isfinite(at_least):
        raise InputError(label, "be a finite number", at_least)
    return Row(
        Demand(
            label,
            "effect",
            -float(at_least),
            -1.0,
            metric,
            per_head=per_head,
            unit=unit,
            kind="floor",
        )
    )


def ceiling(
    metric: str, at_most: float, *, per_head: bool = False, unit: str = "", name: str | None = None
) -> Row:
    """Keep the effects on ``metric``, summed over the units, at ``at_most`` or below.

    Parameters
    ----------
    metric : str
        The name of the metric.
    at_most : float
        In the metric's unit.
    per_head : bool, default False
        Whether ``at_most`` is per unit.
    unit : str, default ""
        The metric's unit, for reports.
    name : str or None, default None
        What reports call it; by default made of the metric.

    Returns
    -------
    Row
        The constraint.

    Examples
    --------
    >>> ceiling("refunds", 3.0).demand.name
    'ceiling of refunds'
    """
    label = name or f"ceiling of {metric}"
    if not math.isfinite(at_most):
        raise InputError(label, "be a finite number", at_most)
    return Row(
        Demand(
            label,
            "effect",
            float(at_most),
            1.0,
            metric,
            per_head=per_head,
            unit=unit,
            kind="ceiling",
        )
    )


def group_budget(
    column: str,
    group: Label,
    total: float,
    *,
    per_head: bool = False,
    unit: str = "",
    name: str | None = None,
) -> Row:
    """Spend at most ``total`` on the units of one group.

    Parameters
    ----------
    column : str
        The group column.
    group : str, int or bool
        The label of the group.
    total : float
        Money >= 0, in the unit of the costs.
    per_head : bool, default False
        Whether ``total`` is per unit of the group.
    unit : str, default ""
        The unit of the costs, for reports.
    name : str or None, default None
        What reports call it; by default made of column and group.

    Returns
    -------
    Row
        The constraint.

    Examples
    --------
    >>> group_budget("city", "Rome", 50.0).demand.name
    'budget of city = Rome'
    """
    label = name or f"budget of {quoted(column)} = {quoted(group)}"
    bound = _at_least_zero(label, total)
    factors = ((group, 1.0),)
    return Row(
        Demand(
            label,
            "cost",
            bound,
            column=column,
            factors=factors,
            other=0.0,
            per_head=per_head,
            unit=unit,
            kind="group-budget",
        )
    )


def parity(column: str, within: float, *, candidate: str | None = None) -> Parity:
    """Keep the share treated of every group near the overall share.

    Parameters
    ----------
    column : str
        The group column.
    within : float
        How far a group's share may be from the overall share, in 0..1.
    candidate : str or None, default None
        The only candidate that counts; None: all.

    Returns
    -------
    Parity
        The constraint: two rows per group.

    Examples
    --------
    >>> rows = parity("city", 0.1).rows({"city": np.array(["Rome", "Oslo", "Oslo"])})
    >>> len(rows), rows[0].name
    (4, 'parity of city: Oslo not above')
    """
    if not 0 <= within <= 1:
        raise InputError(f"parity of {column}", "be a share in 0..1", within)
    return Parity(column, float(within), candidate)


@renamed_arguments(made="plain")
def constraint_from_json(plain: Mapping[str, Any]) -> Constraint:
    """Build the constraint that ``to_json`` described.

    Parameters
    ----------
    plain : mapping
        What ``to_json`` made; a row of version 0.1.0 holds the demand's own fields.

    Returns
    -------
    Row or Parity
        The constraint.

    Raises
    ------
    InputError
        Where the kind is neither row nor parity.

    Examples
    --------
    >>> constraint_from_json(budget(5.0).to_json()) == budget(5.0)
    True
    """
    parts = {name: value for name, value in plain.items() if name != "kind"}
    kind = plain.get("kind")
    if kind == "parity":
        return Parity(**parts)
    if kind == "row":
        # version 0.1.0 wrote the demand's own fields
        return Row(Demand.from_json(parts.get("demand", parts)))
    raise InputError("the kind of a constraint", "be row or parity", repr(kind))


def groups_of(groups: Groups, column: str, who: str) -> NDArray[Any]:
    """The labels of each unit in a group column, (n,)."""
    if column not in groups:
        names = ", ".join(groups) or "none were given"
        raise InputError(
            f"the groups for {who!r}",
            f"have column {column!r}",
            names,
            fix="pass groups={column: labels}",
        )
    labels = np.asarray(groups[column])
    if labels.dtype == object and any(label is None for label in set(labels.tolist())):
        row = labels.tolist().index(None)
        raise InputError(
            f"group column {column!r}",
            "have no missing label",
            None,
            f"row {row}",
            "give missing labels a label such as 'unknown'",
        )
    return labels


class CountedGroups(Mapping[str, NDArray[Any]]):
    """Groups whose labels are counted once, however many demands ask.

    Parameters
    ----------
    groups : mapping
        Column -> labels (n,).

    Examples
    --------
    >>> count_labels(CountedGroups({"city": np.array(["Rome", "Oslo", "Rome"])}), "city", "me")
    ({'Oslo': 1, 'Rome': 2}, 3)
    """

    def __init__(self, groups: Groups) -> None:
        self.groups, self.counts = groups, dict[str, dict[Any, int]]()

    def __getitem__(self, column: str) -> NDArray[Any]:
        """The labels of a column, (n,)."""
        return self.groups[column]

    def __iter__(self) -> Iterator[str]:
        """The columns."""
        return iter(self.groups)

    def __len__(self) -> int:
        """How many columns there are."""
        return len(self.groups)


def count_labels(groups: Groups, column: str, who: str) -> tuple[dict[Any, int], int]:
    """The different labels of a group column, in order, with their units; and all units."""
    known = groups.counts if isinstance(groups, CountedGroups) else {}
    if column not in known:
        labels, counts = np.unique(groups_of(groups, column, who), return_counts=True)
        known[column] = dict(zip(labels.tolist(), counts.tolist(), strict=True))
    return known[column], sum(known[column].values())


def quoted(name: Any) -> str:
    """A name as a part of a demand's name: in quotes where the words around it could be its own.

    >>> quoted("city"), quoted("city = Rome")
    ('city', "'city = Rome'")
    """
    text = str(name)
    return repr(text) if any(mark in text for mark in MARKS) or text[:1] in QUOTES else text


def _at_least_zero(name: str, total: float) -> float:
    if not (math.isfinite(total) and total >= 0):
        raise InputError(
            name,
            "be a finite number >= 0",
            total,
            fix="0 treats nobody; leave the demand out to have no limit",
        )
    return float(total)
