"""A shipped policy's demands met on the given units as a whole, in place of its fixed prices.

Fixed prices decide unit by unit and carry a budget on average; solving again on the units
themselves keeps it in expected cost.
"""

from __future__ import annotations

import numpy as np

from equipoise.allocation import budgeted_policy, decide
from equipoise.allocation.constraints import Constraint, Groups, Parity, Row
from equipoise.allocation.solve import expand
from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.effects import Effects
from equipoise.core.policy import Policy


def rebudget_units(
    policy: Policy,
    effects: Effects,
    expected: Floats,
    groups: Groups,
    units: Ints,
    eligible: Bools | None = None,
) -> tuple[Ints, Floats]:
    """Choose for n units so that the demands of a policy hold on them as a whole.

    Parameters
    ----------
    policy : Policy
        The shipped rule.
    effects : Effects
        Of the units.
    expected : array, (n, k)
        Expected costs, in money.
    groups : mapping
        Column -> labels (n,).
    units : array, (n,)
        Ids by which random choices are drawn.
    eligible : array of bool, (n, k), optional
        Whether a candidate is open to a unit.

    Returns
    -------
    choice : array of int, (n,)
        -1 control, a candidate a.
    score : array, (n,)
        Of the best candidate, in worth.
    """
    constraints = demands_on(policy, groups)
    price = dict(zip((demand.name for demand in policy.demands), policy.prices, strict=True))
    rule, allocation = budgeted_policy(
        effects,
        weights=dict(zip(policy.metrics, policy.weights, strict=True)),
        constraints=constraints,
        cost=expected,
        groups=groups,
        control=policy.control,
        lower=policy.lower,
        warm=np.array([price.get(demand.name, 0.0) for demand in expand(constraints, groups)]),
        units=units,
        seed=policy.seed,
        eligible=eligible,
        promise=False,  # the prices only explain the score; the choices keep the demands
    )
    score = decide(
        rule, effects, cost=expected, groups=groups, units=units, eligible=eligible
    ).score
    return allocation.choice.astype(np.int64), score


def demands_on(policy: Policy, groups: Groups) -> list[Constraint]:
    """The demands as constraints on units with these groups: parity by their own shares, nothing on
    a group that is absent.
    """
    constraints: list[Constraint] = []
    for demand in policy.demands:
        if demand.kind == "parity":
            whole = Parity(str(demand.column), demand.bound, demand.candidate)
            constraints += [] if whole in constraints else [whole]
        elif (
            demand.column is None
            or np.isin(groups[demand.column], [label for label, _ in demand.factors]).any()
        ):
            constraints.append(Row(demand))
    return constraints
