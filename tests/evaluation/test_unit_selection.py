from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import linprog

from equipoise.core.errors import InputError
from equipoise.evaluation import unit_benefit
from equipoise.evaluation.unit_selection import RESPONDERS

# (Y(0), Y(1)) of each kind
Y0, Y1 = np.array([0, 1, 0, 1]), np.array([1, 1, 0, 0])


def program(m1, m0, worth, observed, no_defiers, sign):
    """The least (sign 1) or largest (-1) benefit over all laws of (kind, chosen treatment)."""
    law = [(kind, t) for kind in range(4) for t in (0, 1)]  # P(kind, T = t)
    shows = [[1.0 for _ in law], [float(Y1[k]) for k, _ in law], [float(Y0[k]) for k, _ in law]]
    equal = [1.0, m1, m0]
    if observed is not None:
        for t in (0, 1):
            for y in (0, 1):
                seen = [float(own == t and (Y1 if own else Y0)[k] == y) for k, own in law]
                shows.append(seen)
                equal.append(observed[t, y])
    gain = sign * np.array([worth[RESPONDERS[k]] for k, _ in law])
    most = [(0, 0 if no_defiers and k == 3 else 1) for k, _ in law]
    return sign * linprog(gain, A_eq=shows, b_eq=equal, bounds=most).fun


@pytest.mark.parametrize("observe", [False, True])
@pytest.mark.parametrize("no_defiers", [False, True])
def test_bounds_are_the_linear_programs(observe, no_defiers):
    rng = np.random.default_rng(3)
    for _ in range(25):
        kinds = rng.dirichlet(np.ones(8)).reshape(4, 2)
        if no_defiers:
            kinds[3] = 0.0
            kinds /= kinds.sum()
        m1, m0 = kinds.sum(axis=1) @ Y1, kinds.sum(axis=1) @ Y0
        seen = np.zeros((2, 2))
        for k in range(4):
            seen[0, Y0[k]] += kinds[k, 0]
            seen[1, Y1[k]] += kinds[k, 1]
        worth = dict(zip(RESPONDERS, rng.normal(size=4), strict=True))
        told = seen[None] if observe else None
        benefit = unit_benefit(
            np.array([m1]), np.array([m0]), worth, no_defiers=no_defiers, observed=told
        )
        assert benefit.compatible.all()
        for end, sign in ((benefit.low[0], 1), (benefit.high[0], -1)):
            answer = program(m1, m0, worth, seen if observe else None, no_defiers, sign)
            assert end == pytest.approx(answer, abs=1e-8)


def test_by_hand_and_where_the_bounds_meet():
    m1, m0 = np.array([0.5]), np.array([0.3])
    balanced = {"complier": 1.0, "always_taker": 0.0, "never_taker": 0.0, "defier": -1.0}
    benefit = unit_benefit(m1, m0, balanced)  # an uplift: nothing is left open
    np.testing.assert_allclose([benefit.low, benefit.high], 0.2)
    # compliers 0.2 to 0.5, always-takers what is left of 0.5
    costly = balanced | {"always_taker": -0.4}
    benefit = unit_benefit(m1, m0, costly)
    np.testing.assert_allclose(
        [benefit.low[0], benefit.middle[0], benefit.high[0]], [0.08, 0.14, 0.2]
    )


def test_data_that_contradict_each_other_are_told():
    assert not unit_benefit(
        np.array([0.2]), np.array([0.4]), dict.fromkeys(RESPONDERS, 1.0), no_defiers=True
    ).compatible[0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"worth": {"complier": 1.0}}, "have a number for complier, always_taker"),
        ({"m1": np.array([1.2])}, "m1 must be probabilities; got 1.2 at unit 0"),
        ({"m1": np.array([[0.5]])}, "have shape"),
        ({"observed": np.full((1, 2, 2), 0.5)}, "sum to 1"),
    ],
)
def test_bad_input(change, said):
    arguments: dict[str, Any] = {"m1": np.array([0.5]), "m0": np.array([0.3])}
    arguments["worth"] = dict.fromkeys(RESPONDERS, 1.0)
    with pytest.raises(InputError, match=said):
        unit_benefit(**(arguments | change))
