"""Policy: what an allocator says.  Demand: one row of what it must obey.  Decision: what happened
to one unit.

    score_ia = sum_j w_ij effect_iaj - c cost_ia - sum_r price_r usage_ria
    usage_ria = sign_r quantity_ia [a in arms_r] factor_r(group of i)        quantity: cost, offers
    (1) or an effect

A demand is symbolic: it names quantities, candidates and groups, never rows of a table, so its
price serves units never seen. Everything is numbers and names; JSON keeps every float to the last
bit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from equipoise.core.deprecation import renamed_arguments
from equipoise.core.display import shown
from equipoise.core.errors import InputError

Label = str | int | bool
FORMAT = 1
MODES = ("argmax", "each", "random")
QUANTITIES = ("cost", "offers", "effect")
KINDS = ("budget", "group-budget", "offers", "cap", "parity", "floor", "ceiling", "row")


@shown
@dataclass(frozen=True)
class Demand:
    """One linear row: the sum of usage over the units and the candidates they get must be <= bound.

    Attributes
    ----------
    name : str
        What reports call it.
    quantity : {"cost", "offers", "effect"}
        What it counts; "offers" is 1 per offer, "effect" is of ``metric``.
    bound : float
        The right-hand side, in the row's unit; with ``per_head`` per unit that the row counts
        (factor other than 0).
    sign : float, default 1.0
        1, or -1 for "at least" (a floor is kept as -usage <= -floor).
    metric : str or None, default None
        The metric of an effect; None for the other quantities.
    candidate : str or None, default None
        The only candidate that counts; None: all.
    column : str or None, default None
        The group column.
    factors : tuple of (label, float), default ()
        The factor of each named label of the column.
    other : float, default 1.0
        The factor of every other label.
    per_head : bool, default False
        Whether the bound is per unit.
    unit : str, default ""
        Of the usage, for reports.
    kind : str, default "row"
        What it was asked as, one of `KINDS`; "row" for one that is none of the others.

    Examples
    --------
    >>> Demand("budget", "cost", 100.0, unit="USD", kind="budget").bound
    100.0
    """

    name: str
    quantity: str
    bound: float
    sign: float = 1.0
    metric: str | None = None
    candidate: str | None = None
    column: str | None = None
    factors: tuple[tuple[Label, float], ...] = ()
    other: float = 1.0
    per_head: bool = False
    unit: str = ""
    kind: str = "row"

    def __post_init__(self) -> None:
        if not _finite(self.bound):
            raise InputError(f"the bound of demand {self.name!r}", "be a finite number", self.bound)
        if self.quantity not in QUANTITIES or (self.quantity == "effect") != (
            self.metric is not None
        ):
            fix = "an effect names its metric, cost and offers name none"
            raise InputError(
                f"demand {self.name!r}",
                f"count one of {', '.join(QUANTITIES)}",
                (self.quantity, self.metric),
                fix=fix,
            )
        if self.kind not in KINDS:
            raise InputError(
                f"the kind of demand {self.name!r}",
                f"be one of {', '.join(KINDS)}",
                repr(self.kind),
            )
        if self.sign not in (1.0, -1.0):
            raise InputError(f"the sign of demand {self.name!r}", "be 1 or -1", self.sign)
        if not all(_finite(factor) for _, factor in (*self.factors, ("other", self.other))):
            raise InputError(
                f"the factors of demand {self.name!r}", "be finite numbers", dict(self.factors)
            )

    def to_json(self) -> dict[str, Any]:
        """Give the row as plain JSON.

        Returns
        -------
        dict
            Its fields; factors as lists.
        """
        return asdict(self) | {"factors": [list(pair) for pair in self.factors]}

    @classmethod
    @renamed_arguments(made="plain")
    def from_json(cls, plain: Mapping[str, Any]) -> Demand:
        """Read a row of `to_json`; rows of version 0.1.0, which had no kind, are read.

        Parameters
        ----------
        plain : mapping
            What `to_json` made.

        Returns
        -------
        Demand
            The row.
        """
        parts = {**plain, "factors": tuple((label, factor) for label, factor in plain["factors"])}
        return cls(**{"kind": _kind_before_0_2(plain), **parts})


@shown
@dataclass(frozen=True)
class Policy:
    """A decision rule as a handful of numbers.

    Attributes
    ----------
    candidates : tuple of str, (k,)
        The names that effects under the rule must have.
    control : str
        The name of no candidate.
    metrics : tuple of str, (m,)
        Metrics that effects under the rule must have at least.
    weights : tuple of float, (m,)
        The worth of one unit of each metric; the sign says which way is better.
    demands : tuple of Demand, default ()
        The rows it obeys.
    prices : tuple of float, default ()
        The price >= 0 of each demand, in worth per unit of usage.
    threshold : float, default 0.0
        A candidate must score more than this, or the unit stays under control.
    mode : {"argmax", "each", "random"}, default "argmax"
        The best candidate; every candidate whose score is high enough, on its own; or at random.
    lower : float, default 0.0
        The confidence penalty z >= 0: effects enter as effect - z * std_error in the direction that
        hurts.
    keep : float, default 0.0
        The bonus >= 0, in worth, for leaving a unit where it was.
    segment : str or None, default None
        A column whose listed labels have weights of their own.
    segment_weights : tuple of (label, tuple of float), default ()
        Those weights, (m,) each; other labels keep ``weights``.
    shares : tuple of float, (k,), default ()
        The probability of each candidate, for "random".
    low_prices : tuple of float, default ()
        Lower prices for some units; of policies that version 0.1.0 made.
    low_share : float, default 0.0
        The share of units, drawn at random, that get the lower prices.
    seed : int, default 0
        Of the draws.
    tie_penalty : float, default 0.0
        What a unit's draw in [0, 1) takes from its scores at most, in worth, so that equal units
        need not be treated alike: candidate a of k loses (a + 1) / k of it times the draw.
    cost_weight : float, default 0.0
        What a unit of cost takes from the worth, >= 0: 1 where the weights are in money, so that
        the score is net of cost; 0 where only the price of a budget weighs the cost.

    Examples
    --------
    >>> policy = Policy(("mail",), "none", ("spend",), (1.0,))
    >>> Policy.from_json(policy.to_json()) == policy
    True
    """

    candidates: tuple[str, ...]
    control: str
    metrics: tuple[str, ...]
    weights: tuple[float, ...]
    demands: tuple[Demand, ...] = ()
    prices: tuple[float, ...] = ()
    threshold: float = 0.0
    mode: str = "argmax"
    lower: float = 0.0
    keep: float = 0.0
    segment: str | None = None
    segment_weights: tuple[tuple[Label, tuple[float, ...]], ...] = ()
    shares: tuple[float, ...] = ()
    low_prices: tuple[float, ...] = ()
    low_share: float = 0.0
    seed: int = 0
    tie_penalty: float = 0.0
    cost_weight: float = 0.0

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise InputError("mode", f"be one of {', '.join(MODES)}", repr(self.mode))
        if not self.candidates or self.control in self.candidates:
            raise InputError(
                "candidates", "be one or more names, control not among them", self.candidates
            )
        tables = [self.weights, *(weights for _, weights in self.segment_weights)]
        if any(
            len(weights) != len(self.metrics) or not all(map(_finite, weights))
            for weights in tables
        ):
            raise InputError(
                "weights", f"be finite, one for each metric of {', '.join(self.metrics)}", tables
            )
        if len(self.prices) != len(self.demands) or not all(
            _finite(price) and price >= 0 for price in self.prices
        ):
            raise InputError("prices", "be finite numbers >= 0, one a demand", self.prices)
        low = self.low_prices if self.low_share else self.prices
        if (
            not 0 <= self.low_share <= 1
            or len(low) != len(self.demands)
            or not all(_finite(p) and p >= 0 for p in low)
        ):
            raise InputError(
                "low prices",
                "be finite numbers >= 0, one a demand, for a share in [0, 1]",
                (low, self.low_share),
            )
        if self.low_share and self.tie_penalty:
            raise InputError(
                "a policy", "part ties in one way", "both low prices and a tie penalty"
            )
        for name in ("threshold", "lower", "keep", "tie_penalty", "cost_weight"):
            if not _finite(getattr(self, name)) or (
                name != "threshold" and getattr(self, name) < 0
            ):
                raise InputError(
                    name,
                    "be a finite number" + (" >= 0" if name != "threshold" else ""),
                    getattr(self, name),
                )
        if self.mode == "random":
            self._check_shares()
        self._check_names()

    def _check_shares(self) -> None:
        right = len(self.shares) == len(self.candidates) and all(
            _finite(share) and share >= 0 for share in self.shares
        )
        if not right or sum(self.shares) > 1 + 1e-9:
            raise InputError(
                "shares", "be numbers >= 0, one per candidate, with a sum <= 1", self.shares
            )

    def _check_names(self) -> None:
        for demand in self.demands:
            if demand.candidate is not None and demand.candidate not in self.candidates:
                raise InputError(
                    f"the candidate of demand {demand.name!r}",
                    f"be one of {', '.join(self.candidates)}",
                    demand.candidate,
                )
            if demand.metric is not None and demand.metric not in self.metrics:
                raise InputError(
                    f"the metric of demand {demand.name!r}",
                    f"be one of {', '.join(self.metrics)}",
                    demand.metric,
                )

    def to_json(self) -> dict[str, Any]:
        """Give the policy as plain JSON; ``json.dumps`` keeps every float exactly.

        Returns
        -------
        dict
            Its fields and the format's number.
        """
        segments = [[label, list(weights)] for label, weights in self.segment_weights]
        plain = asdict(self) | {
            "demands": [demand.to_json() for demand in self.demands],
            "segment_weights": segments,
        }
        return {"format": FORMAT} | plain

    @classmethod
    @renamed_arguments(made="plain")
    def from_json(cls, plain: Mapping[str, Any]) -> Policy:
        """Read a policy of `to_json`.

        Parameters
        ----------
        plain : mapping
            What `to_json` made.

        Returns
        -------
        Policy
            The rule.

        Raises
        ------
        InputError
            Where the format is another.
        """
        if plain.get("format") != FORMAT:
            raise InputError(
                "the policy's format",
                f"be {FORMAT}",
                plain.get("format"),
                fix="use the version that wrote it",
            )
        parts: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in plain.items()
            if name != "format"
        }
        parts["demands"] = tuple(Demand.from_json(demand) for demand in plain["demands"])
        parts["segment_weights"] = tuple(
            (label, tuple(weights)) for label, weights in plain["segment_weights"]
        )
        return cls(**parts)


@shown
@dataclass(frozen=True)
class Decision:
    """What was decided for one unit, and all that is needed to replay it.

    Attributes
    ----------
    candidate : str
        What the unit got.
    probability : float
        Of that choice.
    score : float
        Of the candidate chosen, or of the best one where control was; in worth.
    weights : tuple of float, (m,)
        The weights that were used: the request's, the segment's or the policy's.
    prices : tuple of float
        The prices that were used, one per demand.
    snapshot : str, default ""
        The id of the snapshot that decided.
    price_set : str, default ""
        "usual", or "low" where a draw gave the unit the lower prices; "" in records of version
        0.1.0.
    unit : int, str or None, default None
        The id that draws were made by.
    cost : tuple of float, (k,), default ()
        What each candidate cost for this unit; () where no cost was given.
    closed : tuple of str, default ()
        The candidates that were closed to this unit.
    """

    candidate: str
    probability: float
    score: float
    weights: tuple[float, ...]
    prices: tuple[float, ...]
    snapshot: str = ""
    price_set: str = ""
    unit: int | str | None = None
    cost: tuple[float, ...] = ()
    closed: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The record as plain JSON.

        Returns
        -------
        dict
            Its fields; ``json.dumps`` keeps every float exactly.
        """
        return asdict(self)

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Decision:
        """The inverse of `to_json`; records of version 0.1.0, which had fewer fields, are read.

        Parameters
        ----------
        plain : mapping
            What `to_json` made.

        Returns
        -------
        Decision
            The record.
        """
        names = ("weights", "prices", "cost", "closed")
        return cls(**{**plain, **{name: tuple(plain.get(name, ())) for name in names}})


def _kind_before_0_2(plain: Mapping[str, Any]) -> str:
    """The kind of a row written by version 0.1.0, which kept none: what each constraint made then
    differs in these fields.
    """
    if plain["quantity"] == "effect":
        return "floor" if plain["sign"] < 0 else "ceiling"
    if plain["quantity"] == "cost":
        return "budget" if plain["column"] is None else "group-budget"
    if plain["column"] is not None:
        return "parity" if plain["other"] == -1.0 else "row"
    return "offers" if plain["candidate"] is None else "cap"


def _finite(number: Any) -> bool:
    return isinstance(number, int | float) and math.isfinite(number)
