"""The contract of every registered space, and of a space that no estimator has ever heard of."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from equipoise.core.errors import SpaceError, UnsupportedSpace
from equipoise.core.space import Space
from equipoise.estimators import ESTIMATORS
from equipoise.treatments import (
    SPACES,
    Arms,
    Bits,
    Dose,
    Factors,
    Schedule,
    Shares,
    space_from_json,
)


class Switches:
    """Switches that are on or off together in any way: a space with neither cells nor an amount."""

    kind = "switches"

    def __init__(self, switches=3):
        self.switches, self.control = switches, np.zeros(switches, int)

    def check(self, treatment):
        t = np.asarray(treatment)
        good = np.isin(t, (0, 1)).all(axis=1)
        if not good.all():
            row = int(np.argmin(good))
            raise SpaceError(
                "treatment", "be 0 or 1 in every switch", t[row].tolist(), f"row {row}"
            )
        return t.astype(np.int64)

    def candidates(self):
        return np.vstack([np.eye(self.switches, dtype=int), np.ones((1, self.switches), int)])

    def names(self, treatment):
        return tuple("".join(map(str, row)) for row in self.check(treatment))

    def encode(self, treatment):
        return self.check(treatment).astype(np.float64)

    def cells(self, treatment):
        raise UnsupportedSpace(
            "this estimator's space",
            "have cells",
            "Switches",
            fix="use an estimator that needs no cells",
        )

    def dose(self, treatment):
        raise UnsupportedSpace(
            "this estimator's space",
            "be an interval of amounts",
            "Switches",
            fix="use one for vectors",
        )

    def describe(self):
        return f"{self.switches} switches"

    def to_json(self):
        return {"kind": self.kind, "switches": self.switches}


# Examples of each registered space, and a value outside each.  A new space adds its line here.
EXAMPLES = {
    "arms": [
        Arms(),
        Arms(["none", "mens", "womens"]),
        Arms([3, 1, 2], control=2),
        Arms(["b", "a"], control="a"),
    ],
    "dose": [
        Dose(),
        Dose(0, 3, levels=[0.5, 2], unit="USD"),
        Dose(-1, 1, levels=4, control=0, degree=3),
        Dose(1, 2, levels=1),
    ],
}
EXAMPLES["shares"] = [
    Shares(),
    Shares(["film", "game"], control=[0.7, 0.3], move=None),
    Shares(3, candidates=[[0.5, 0.3, 0.2], [0.2, 0.2, 0.6]], high=0.7),
    Shares(4, candidates="sample", count=5, seed=2),
]
EXAMPLES["bits"] = [
    Bits(3),
    Bits(["mail", "push"], "all", crosses=2),
    Bits(6, 9, seed=1),
    Bits(2, [[1, 1]]),
    Bits(70, 4),
]
OFFERS: dict[str, Any] = {"discount": [0, 5, 10], "text": ["short", "long"]}
EXAMPLES["factors"] = [
    Factors(OFFERS),
    Factors({**OFFERS, "channel": ["mail", "push", "call"]}, "none", crosses=2),
    Factors(OFFERS, [5, "long"], [["discount", "text"]]),
    Factors(OFFERS, "none", candidates=["5|long", "10|short"]),
    Factors({"b": [0.5, 1.0], "a": ["x-", "y"]}, "1/y", separator="/"),
]
PACKETS = {"base": (0.2, 2, 4), "flat": (1.2, 4, 3), "many": (1.2, 8, 1), "few": (2.5, 2, 1.5)}
EXAMPLES["schedule"] = [
    Schedule(PACKETS),
    Schedule(PACKETS, "ids", base="flat"),
    Schedule({**PACKETS, "late": (1.2, 4, 3, -0.6, 0.4, 0.1, 0)}, "sine", own=True, unit="USD"),
    Schedule(PACKETS, "vector", degree=3, window=(6, 23)),
]
OUTSIDE: dict[str, list[Any]] = {
    "arms": [9, "lamp"],
    "dose": [9.5, np.nan, np.inf],
    "bits": [9, "lamp", [0, 2]],
    "factors": [9, "lamp", "5|tall"],
    "shares": ["lamp"],
    "schedule": ["lamp", [1.0, 9, 4, 0, 0, 0, 0], [1.0, 2.5, 4, 0, 0, 0, 0]],
}
REGISTERED = [
    pytest.param(space, id=f"{kind}{i}")
    for kind in SPACES
    for i, space in enumerate(EXAMPLES[kind])
]
every_space = pytest.mark.parametrize(
    "space", [*REGISTERED, pytest.param(Switches(), id="switches")]
)
every_registered = pytest.mark.parametrize("space", REGISTERED)


def logged(space):
    """Control and every candidate, as a log would hold them."""
    return np.concatenate([np.asarray([space.control]), space.candidates()])


@every_space
def test_answers_the_protocol(space):
    assert isinstance(space, Space)
    assert space.describe()


@every_space
def test_check_is_idempotent_and_keeps_what_it_takes(space):
    t = logged(space)
    before = t.copy()
    once = space.check(t)
    np.testing.assert_array_equal(space.check(once), once)
    np.testing.assert_array_equal(once, t)
    assert space.check(once).dtype == once.dtype
    for ask in (space.check, space.encode, space.names):
        ask(t)
    np.testing.assert_array_equal(t, before)


@every_space
def test_a_list_is_as_good_as_an_array(space):
    np.testing.assert_array_equal(space.check(logged(space).tolist()), logged(space))


@every_space
def test_changing_what_it_gave_does_not_change_the_space(space):
    given = space.candidates()
    given[:] = given[::-1].copy() if len(given) > 1 else space.control
    assert space.names(space.candidates()) != space.names(given)


@every_space
def test_control_is_the_zero_of_the_encoding(space):
    encoded = space.encode(logged(space))
    assert encoded.dtype == np.float64
    assert encoded.ndim == 2
    assert not encoded[0].any()
    assert encoded[1:].any(axis=1).all()


@every_space
def test_encoding_a_row_does_not_look_at_the_others(space):
    t = logged(space)
    rows = np.vstack([space.encode(t[i : i + 1]) for i in range(len(t))])
    np.testing.assert_array_equal(rows, space.encode(t))


@every_space
def test_candidates_are_told_apart(space):
    names = space.names(logged(space))
    assert all(isinstance(name, str) and name for name in names)
    assert len(set(names)) == len(names)
    assert len(np.unique(space.encode(logged(space)), axis=0)) == len(names)


@every_space
def test_no_rows_are_no_rows(space):
    assert len(space.encode(logged(space)[:0])) == 0
    assert space.names(logged(space)[:0]) == ()


@every_registered
def test_cells_count_control_and_candidates(space):
    cells = space.cells(logged(space))
    assert cells.dtype == np.int64
    assert cells.tolist() == list(range(len(cells)))


@every_registered
def test_the_amount_of_a_dose_or_a_clear_refusal(space):
    try:
        amounts = space.dose(logged(space))
    except UnsupportedSpace as error:
        refusal = str(error)
    else:
        np.testing.assert_array_equal(amounts, logged(space))
        return
    assert "interval" in refusal


@every_registered
def test_survives_json(space):
    plain = json.dumps(space.to_json(), allow_nan=False, sort_keys=True)  # as in a manifest
    again = space_from_json(json.loads(plain))
    assert again == space
    assert hash(again) == hash(space)
    assert repr(again) == repr(space)
    np.testing.assert_array_equal(again.encode(logged(space)), space.encode(logged(space)))
    np.testing.assert_array_equal(again.cells(logged(space)), space.cells(logged(space)))


@every_registered
def test_a_value_outside_names_its_row(space):
    for value in OUTSIDE[space.kind]:
        t = np.array([*logged(space).tolist(), value], dtype=object)
        for ask in (space.check, space.encode, space.cells, space.names):
            with pytest.raises(SpaceError, match=f"row {len(t) - 1}|number"):
                ask(t)


@every_registered
def test_a_table_is_no_column_of_treatments(space):
    with pytest.raises(SpaceError, match="shape"):
        space.check(logged(space)[:, None])


@pytest.mark.parametrize(
    "spec",
    [{}, {"kind": "lamp"}, {"kind": "arms", "colour": 1}, {"kind": "dose", "low": 3, "high": 1}],
)
def test_a_bad_description_is_refused(spec):
    with pytest.raises(ValueError, match="must"):
        space_from_json(spec)


# a space that no estimator has heard of

ANY_ENCODING = ["dml", "dml-pooled", "dml-sparse", "s-learner"]  # all they need


def switched(n=900):
    rng = np.random.default_rng(0)
    X, t = rng.normal(size=(n, 2)), rng.integers(2, size=(n, 3))
    return X, X[:, 0] + t @ [1.0, 2.0, -1.0] + 0.3 * rng.normal(size=n), t


@pytest.mark.parametrize("name", ANY_ENCODING)
def test_estimators_that_need_only_an_encoding_serve_a_new_space(name):
    X, y, t = switched()
    effects = ESTIMATORS.load(name)(space=Switches()).fit(X, y, treatment=t).effects(X)
    assert effects.candidates == ("100", "010", "001", "111")
    # largest errors of 10 seeds: S-learner 0.12, DML 0.07
    np.testing.assert_allclose(effects.values.mean(axis=0)[:, 0], [1, 2, -1, 2], atol=0.3)


@pytest.mark.parametrize("name", sorted(set(ESTIMATORS) - set(ANY_ENCODING)))
def test_estimators_that_need_more_refuse_it_by_name(name):
    X, y, t = switched(90)
    with pytest.raises(UnsupportedSpace, match="3 switches") as refused:
        ESTIMATORS.load(name)(space=Switches()).fit(X, y, treatment=t)
    assert ESTIMATORS.load(name).__name__ in str(refused.value)


@pytest.mark.parametrize("name", ANY_ENCODING)
def test_a_bad_value_of_a_new_space_is_refused_at_its_row(name):
    X, y, t = switched(90)
    t[7, 1] = 2
    with pytest.raises(SpaceError, match="row 7"):
        ESTIMATORS.load(name)(space=Switches()).fit(X, y, treatment=t)
