"""A coupon world: users of a shop, k coupons or none, several metrics, and the truth.

    lift_ia    = g_a(x_i) (1 - exp(-face_a / 4))               odd coupons are discounts: g grows
    with price sensitivity;
                                                               even ones are free delivery: g grows
                                                               with recency
    bought_ia  ~ Bernoulli(sigmoid(b(x_i) + lift_ia))          conversion
    spend_ia   = bought * basket_i exp(0.1 lift_ia) L          L log-normal of mean 1 and log-sd
    ``tail``
    visits_ia  ~ Poisson(exp(c(x_i) + 0.4 lift_ia))
    claimed_ia ~ bought * Bernoulli(0.4 + 0.5 sensitivity_i)   cost = face_a * claimed;   control
    claims nothing
    margin_ia  = 0.3 spend - cost                              what a coupon may lose
    P(cell a)  ~ share_a exp(confounding * s_a * z_i)          z: standardised sensitivity; s from
    -1 (control) to 1

Users who are not price-sensitive are annoyed by discounts, so some effects are negative.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from equipoise.core.arrays import Floats, Ints
from equipoise.core.errors import InputError
from equipoise.core.log import Log, Outcome, Roles
from equipoise.core.truth import Truth
from equipoise.treatments import Arms

OUTCOMES = {
    "spend": Outcome("spend", "amount", unit="USD"),
    "visits": Outcome("visits", "count"),
    "conversion": Outcome("conversion", "binary"),
    "margin": Outcome("margin", "continuous", unit="USD"),
}
FEATURES = ("sensitivity", "recency", "orders", "basket", "age", "city", "noise")
FACE_STEP = 2.0  # USD; coupon a has face value 2 a
MARGIN_RATE = 0.3
DAYS = 28


def make_coupon_world(
    n: int = 10_000,
    *,
    arms: int = 3,
    metrics: Sequence[str] = ("spend", "visits", "conversion"),
    seed: int = 0,
    shares: Sequence[float] | None = None,
    confounding: float = 0.0,
    logged: bool = True,
    tail: float = 1.0,
    rows_per_user: int = 1,
    strength: float = 1.0,
) -> tuple[Log, Truth]:
    """Draw rows of the coupon world: users of a shop, coupons or none, and the truth.

    Parameters
    ----------
    n : int, default 10000
        Rows, >= 10.
    arms : int, default 3
        Control and arms - 1 coupons of 2, 4, ... USD.
    metrics : sequence of str, default ("spend", "visits", "conversion")
        Some of spend, visits, conversion, margin.
    seed : int, default 0
        Of the draw.
    shares : sequence of float, default None
        The share of each arm, control first; None: all the same.
    confounding : float, default 0.0
        0 is a randomised experiment; 1 gives sensitive users the large coupons much more often.
    logged : bool, default True
        Whether the log knows its propensities.
    tail : float, default 1.0
        Log-standard deviation of an amount; 1 is heavy, 1.5 is very heavy.
    rows_per_user : int, default 1
        With more than one, users repeat and are the group.
    strength : float, default 1.0
        Multiplies every lift; 0 is a placebo.

    Returns
    -------
    log : Log
        What the experiment recorded.
    truth : Truth
        The expected outcome of every unit in every cell.

    Examples
    --------
    >>> log, truth = make_coupon_world(1000, seed=1)
    >>> log.cell_names, truth.levels.shape
    (('none', 'coupon-1', 'coupon-2'), (1000, 3, 3))
    """
    arm_shares = _checked_shares(arms, shares)
    _check(n, metrics, confounding, tail, rows_per_user)
    rng = np.random.default_rng(seed)
    user = np.arange(n) // rows_per_user
    x = {name: values[user] for name, values in _users(rng, int(user[-1]) + 1).items()}
    face = FACE_STEP * np.arange(arms, dtype=np.float64)  # (K,)
    lift = strength * _lift(x, face)  # (n, K)
    buys = _sigmoid(_base(x)[:, None] + lift)
    redeems = 0.4 + 0.5 * x["sensitivity"]
    cost = face * buys * redeems[:, None]  # (n, K)
    expected = _levels(x, lift, buys, cost)
    propensity = _propensity(x["sensitivity"], arm_shares, confounding)
    cell = (rng.random(n)[:, None] > np.cumsum(propensity, axis=1)[:, :-1]).sum(axis=1)
    row = np.arange(n)
    outcomes = _draw(rng, x, lift[row, cell], buys[row, cell], face[cell], redeems, tail)
    names = ("none", *(f"coupon-{a}" for a in range(1, arms)))
    table = {
        **x,
        **outcomes,
        "arm": np.asarray(names)[cell],
        "user": user,
        "day": rng.integers(0, DAYS, n),
    }
    columns = tuple(f"p({name})" for name in names)
    table |= dict(zip(columns, propensity.T, strict=True))
    roles = Roles(
        treatment="arm",
        outcomes=tuple(OUTCOMES[name] for name in metrics),
        features=FEATURES,
        claimed="claimed",
        cost="cost",
        propensity=columns if logged and confounding > 0 else (),
        design=tuple(arm_shares.tolist()) if logged and confounding == 0 else None,
        time="day",
        id="user" if rows_per_user == 1 else None,
        group="user" if rows_per_user > 1 else None,
        protected=("gender",),
    )
    levels = np.stack([expected[name] for name in metrics], axis=2)
    truth = Truth(levels, propensity, cost[:, 1:], tuple(metrics), names)
    return Log(pa.table(table), roles, Arms(names)), truth


def _users(rng: np.random.Generator, n: int) -> dict[str, Floats]:
    sensitivity = rng.beta(2, 2, n)
    male = rng.random(n) < _sigmoid(sensitivity - 0.5)
    return {
        "sensitivity": sensitivity,
        "recency": rng.exponential(30, n),
        "orders": rng.poisson(3, n).astype(np.float64),
        "basket": rng.lognormal(3, 0.5, n),
        "age": rng.normal(38, 12, n).clip(18, 80).round(),
        "city": rng.choice(["north", "south", "west"], n),
        "noise": rng.standard_normal(n),
        "gender": np.where(male, "male", "female"),
    }


def _base(x: dict[str, Floats]) -> Floats:
    """Log-odds of buying without a coupon, (n,)."""
    odds: Floats = (
        -1 + 0.3 * np.log1p(x["orders"]) - 0.01 * x["recency"] + 0.3 * (x["city"] == "south")
    )
    return odds


def _lift(x: dict[str, Floats], face: Floats) -> Floats:
    """What each coupon adds to the log-odds, (n, K); control's column is 0."""
    discount = 3.2 * x["sensitivity"] - 1
    delivery = 0.4 + 1.2 * np.tanh(x["recency"] / 30 - 1)
    taste = np.where(np.arange(len(face)) % 2 == 1, discount[:, None], delivery[:, None])
    lift: Floats = taste * (1 - np.exp(-face / 4))
    return lift


def _levels(x: dict[str, Floats], lift: Floats, buys: Floats, cost: Floats) -> dict[str, Floats]:
    """The expected value of every metric in every cell, each (n, K)."""
    spend = buys * x["basket"][:, None] * np.exp(0.1 * lift)
    return {
        "spend": spend,
        "visits": _visit_rate(x)[:, None] * np.exp(0.4 * lift),
        "conversion": buys,
        "margin": MARGIN_RATE * spend - cost,
    }


def _visit_rate(x: dict[str, Floats]) -> Floats:
    rate: Floats = np.exp(0.3 * np.log1p(x["orders"]) - 0.005 * x["recency"])
    return rate


def _draw(
    rng: np.random.Generator,
    x: dict[str, Floats],
    lift: Floats,
    buys: Floats,
    face: Floats,
    redeems: Floats,
    tail: float,
) -> dict[str, Floats | Ints]:
    """What happened under the arm each row got.   lift, buys, face, redeems: (n,)."""
    n = len(lift)
    bought = rng.random(n) < buys
    amount = x["basket"] * np.exp(0.1 * lift) * rng.lognormal(-(tail**2) / 2, tail, n)
    spend = np.where(bought, amount, 0.0)
    claimed = bought & (rng.random(n) < redeems) & (face > 0)
    cost = face * claimed
    return {
        "spend": spend,
        "visits": rng.poisson(_visit_rate(x) * np.exp(0.4 * lift)),
        "conversion": bought.astype(np.int64),
        "margin": MARGIN_RATE * spend - cost,
        "claimed": claimed.astype(np.int64),
        "cost": cost,
    }


def _propensity(sensitivity: Floats, shares: Floats, confounding: float) -> Floats:
    z = (sensitivity - 0.5) / np.sqrt(0.05)  # beta(2, 2) has variance 1/20
    odds = shares * np.exp(confounding * z[:, None] * np.linspace(-1, 1, len(shares)))
    normal: Floats = odds / odds.sum(axis=1, keepdims=True)
    return normal


def _sigmoid(z: Floats) -> Floats:
    p: Floats = 1 / (1 + np.exp(-z))
    return p


def _checked_shares(arms: int, shares: Sequence[float] | None) -> Floats:
    if arms < 2:
        raise InputError("arms", "be a whole number >= 2, control among them", arms)
    arm_shares = np.full(arms, 1 / arms) if shares is None else np.asarray(shares, np.float64)
    if (
        arm_shares.shape != (arms,)
        or not (arm_shares > 0).all()
        or abs(arm_shares.sum() - 1) > 1e-9
    ):
        raise InputError(
            "shares",
            f"be {arms} numbers > 0 that sum to 1",
            shares,
            fix="one share an arm, control first",
        )
    return arm_shares


def _check(
    n: int, metrics: Sequence[str], confounding: float, tail: float, rows_per_user: int
) -> None:
    strange = [name for name in metrics if name not in OUTCOMES]
    if strange or not metrics:
        raise InputError("metrics", f"be some of {', '.join(OUTCOMES)}", list(metrics))
    for name, value, least in (
        ("n", n, 10),
        ("confounding", confounding, 0),
        ("tail", tail, 0),
        ("rows_per_user", rows_per_user, 1),
    ):
        if not value >= least:
            raise InputError(name, f"be a number >= {least}", value)
