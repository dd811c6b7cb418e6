"""Roles: what each column of a log is.  An Outcome is a metric, its kind and its direction."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from equipoise.core.display import shown
from equipoise.core.eligibility import Eligibility
from equipoise.core.errors import LogError
from equipoise.core.suggest import among

Kind = Literal["binary", "count", "amount", "continuous"]
KINDS: tuple[str, ...] = get_args(Kind)


@shown
@dataclass(frozen=True)
class Outcome:
    """One metric: its column, its kind, and which way is better.

    Attributes
    ----------
    name : str
        The column.
    kind : {"binary", "count", "amount", "continuous"}, default "continuous"
        What values it may have.
    better : {"higher", "lower"}, default "higher"
        Which way is better.
    unit : str, default ""
        The unit, for reports; the name of the plan's currency makes the metric money.
    worth : float or None, default None
        The money that one unit of it is worth, > 0; None: nothing is said.

    Examples
    --------
    >>> Outcome("refunds", "count", better="lower").sign
    -1.0
    """

    name: str
    kind: Kind = "continuous"
    better: Literal["higher", "lower"] = "higher"
    unit: str = ""
    worth: float | None = None

    @property
    def sign(self) -> float:
        """+1 where higher is better, else -1."""
        return 1.0 if self.better == "higher" else -1.0


@shown
@dataclass(frozen=True)
class Roles:
    """Which column of a log plays which part.

    Attributes
    ----------
    treatment : str, or tuple of str
        The column of labels, amounts or vectors; or the columns of a vector, one per part.
    outcomes : tuple of Outcome
        The metrics.
    features : tuple of str
        Columns that models and the policy may use.
    claimed : str or None, default None
        Whether the incentive was taken (0/1).
    cost : str or None, default None
        Money spent on the row.
    propensity : tuple of str, default ()
        One column per cell (control first, then the candidates), or for two cells the column
        P(treated).
    action_propensity : str or None, default None
        The probability with which each row got what it got, as logs of deployed policies have it;
        those of the other cells are not known.
    design : tuple of float, "shares" or None, default None
        The same as known constants, one per cell; "shares" takes the observed shares of a
        randomised experiment.
    weight : str or None, default None
        Survey or sampling weight.
    time : str or None, default None
        When the row was decided on; see ``periods``.
    group : str or None, default None
        Rows that belong together, such as a user's requests.
    id : str or None, default None
        The unit's id; each may occur once.
    protected : tuple of str, default ()
        Never features; audited in the report.
    periods : bool, default True
        Whether ``time`` says who was likely to get what where the probabilities are not known: arms
        are then compared within periods.  False takes one share for all times.
    nearly_unique : tuple of str, default ()
        Features that may be text with a value of its own in nearly every row.
    eligible : str, mapping, tuple of pairs or None, default None
        Which arms are open to the unit: the column that lists them, control among them; or a
        true/false column of each arm that is closed to some (arm -> column).  Where propensities
        are logged, 0 says the same.

    Examples
    --------
    >>> roles = Roles("arm", (Outcome("spend"),), ("age",), protected=("gender",))
    >>> roles.columns()
    ['arm', 'spend', 'age', 'gender']
    """

    treatment: str | tuple[str, ...]
    outcomes: tuple[Outcome, ...]
    features: tuple[str, ...]
    claimed: str | None = None
    cost: str | None = None
    propensity: tuple[str, ...] = ()
    action_propensity: str | None = None
    design: tuple[float, ...] | Literal["shares"] | None = None
    weight: str | None = None
    time: str | None = None
    group: str | None = None
    id: str | None = None
    protected: tuple[str, ...] = ()
    periods: bool = True
    nearly_unique: tuple[str, ...] = ()
    eligible: str | Mapping[str, str] | tuple[tuple[str, str], ...] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.eligible, Mapping):
            object.__setattr__(self, "eligible", tuple(self.eligible.items()))

    @property
    def treatments(self) -> tuple[str, ...]:
        """The column of the treatment, or those of its parts."""
        return (self.treatment,) if isinstance(self.treatment, str) else tuple(self.treatment)

    @property
    def eligibility(self) -> Eligibility | None:
        """The columns of ``eligible``."""
        if not self.eligible:
            return None
        if isinstance(self.eligible, str):
            return Eligibility(listed=self.eligible)
        return Eligibility(tuple(dict(self.eligible).items()))

    def columns(self) -> list[str]:
        """List every column that has a part, each once.

        Returns
        -------
        list of str
            Their names.
        """
        single = (
            *self.treatments,
            self.claimed,
            self.cost,
            self.action_propensity,
            self.weight,
            self.time,
            self.group,
            self.id,
        )
        outcomes = (outcome.name for outcome in self.outcomes)
        opens = () if self.eligibility is None else self.eligibility.columns
        every = (*single, *outcomes, *self.features, *self.propensity, *self.protected, *opens)
        return list(dict.fromkeys(name for name in every if name is not None))


def roles_to_json(roles: Roles) -> dict[str, Any]:
    """The roles as plain JSON, defaults left out."""
    plain: dict[str, Any] = {}
    for field in fields(roles):
        value = getattr(roles, field.name)
        if field.name == "outcomes":
            value = [_outcome_to_json(outcome) for outcome in value]
        if field.name == "eligible" and value and not isinstance(value, str):
            value = dict(value)
        if value not in (None, ()) and not (field.name == "periods" and value):
            plain[field.name] = list(value) if isinstance(value, tuple) else value
    return plain


def _outcome_to_json(outcome: Outcome) -> dict[str, Any]:
    plain = {field.name: getattr(outcome, field.name) for field in fields(outcome)}
    return {name: value for name, value in plain.items() if name != "worth" or value is not None}


def check_columns(roles: Roles, names: Sequence[str]) -> None:
    """Every column that has a part is among ``names``, once; an unknown one is an error that
    suggests the nearest.
    """
    for name in roles.columns():
        count = list(names).count(name)
        if count == 0:
            raise LogError(
                f"column {name!r}",
                "be in the log",
                "no such column",
                fix=among(name, names, "columns"),
            )
        if count > 1:
            raise LogError(
                f"column {name!r}",
                "occur once",
                f"{count} of them",
                fix="rename or drop the others",
            )


def check_roles(roles: Roles) -> None:
    """The roles agree with one another: known kinds, no column in two roles."""
    _check_outcomes(roles)
    metrics = [outcome.name for outcome in roles.outcomes]
    names_of = {
        "outcome": metrics,
        "feature": roles.features,
        "propensity": roles.propensity,
        "treatment": roles.treatments,
    }
    for what, names in names_of.items():
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise LogError(f"{what} {twice[0]!r}", "be named once", "twice", fix="take one out")
    for name in roles.treatments:
        if name in (*metrics, roles.claimed, roles.cost, *roles.protected):
            raise LogError(
                f"treatment {name!r}",
                "have no other role",
                "one",
                fix="take it out of its other role",
            )
    later = {*metrics, *roles.treatments, roles.claimed, roles.cost}
    for name in () if roles.eligibility is None else roles.eligibility.columns:
        if name in later:
            what, fix = f"eligibility column {name!r}", "name what was known before"
            raise LogError(what, "be no treatment, outcome, claim or cost", "one", fix=fix)
    reserved = {*roles.treatments, roles.claimed, roles.cost, roles.weight, roles.id, roles.group}
    reserved |= {*metrics, *roles.propensity, roles.action_propensity, *roles.protected}
    for name in roles.features:
        if name in reserved:
            raise LogError(
                f"feature {name!r}",
                "have no other role",
                "one",
                fix="take it out of the features, or out of its other role",
            )
    known = {
        "propensity": roles.propensity,
        "action_propensity": roles.action_propensity,
        "design": roles.design,
    }
    named = [name for name, value in known.items() if value not in (None, ())]
    if len(named) > 1:
        must = f"be left out where {named[0]} is named"
        raise LogError(named[-1], must, known[named[-1]], fix="keep one of the two")
    if isinstance(roles.design, str) and roles.design != "shares":
        raise LogError("design", 'be "shares" or one probability per cell', repr(roles.design))


def _check_outcomes(roles: Roles) -> None:
    """There are outcomes, each of a known kind."""
    if not roles.outcomes:
        raise LogError("a log", "have at least one outcome", "none", fix="name the metrics")
    for outcome in roles.outcomes:
        if outcome.kind not in KINDS:
            raise LogError(
                f"the kind of {outcome.name!r}", f"be one of {', '.join(KINDS)}", repr(outcome.kind)
            )
        if outcome.better not in ("higher", "lower"):
            raise LogError(
                f"better of {outcome.name!r}", "be 'higher' or 'lower'", repr(outcome.better)
            )
        worth = outcome.worth
        if worth is not None and not (_is_number(worth) and 0 < worth < math.inf):
            fix = "say what one unit of it is worth in money; its direction is `better`"
            what = f"the worth of {outcome.name!r}"
            raise LogError(what, "be a finite number > 0", repr(worth), fix=fix)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
