"""What a client sends for values of Python, numpy and pandas, and what it refuses to send."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import json
import math
import uuid
from typing import Any

import numpy as np
import pandas as pd
import pytest

from equipoise.core.errors import InputError
from equipoise.serving.client import AsyncClient, Client, request_of, reward_of
from equipoise.serving.sent_values import encode, plain_values, unit_text

NOON = dt.datetime(2026, 3, 1, 12, 0, 0, 500_000)
EAST = dt.timezone(dt.timedelta(hours=3))


class Town(enum.Enum):
    """A closed list, as applications have them."""

    OSLO = "Oslo"


class Plan(str):
    """Text of a class of its own."""


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("007", "007"),
        (np.str_("007"), "007"),
        (Plan("gold"), "gold"),
        (Town.OSLO, "Oslo"),
        (True, True),
        (np.True_, True),
        (7, 7),
        (np.uint8(7), 7),
        (np.int64(2**62), 2**62),
        (np.array(7), 7),
        (0.1, 0.1),
        (np.float64(0.1), 0.1),
        (np.float32(0.1), float(np.float32(0.1))),
        (-0.0, -0.0),
        (decimal.Decimal("1.50"), 1.5),
        (None, None),
        (math.nan, None),
        (np.float32("nan"), None),
        (decimal.Decimal("NaN"), None),
        (pd.NA, None),
        (pd.NaT, None),
        (np.datetime64("NaT"), None),
        (np.timedelta64("NaT"), None),
        (NOON, "2026-03-01T12:00:00.500000"),
        (NOON.replace(tzinfo=EAST), "2026-03-01T12:00:00.500000+03:00"),
        (pd.Timestamp(NOON), "2026-03-01T12:00:00.500000"),
        (np.datetime64(NOON, "ns"), "2026-03-01T12:00:00.5"),
        (np.datetime64("2026-03-01"), "2026-03-01"),
        (NOON.date(), "2026-03-01"),
        (NOON.time(), "12:00:00.500000"),
        (dt.timedelta(days=1, seconds=30), "P1DT30S"),
        (pd.Timedelta(minutes=-1), "-PT60S"),
        (np.timedelta64(90, "s"), "PT90S"),
        (uuid.UUID(int=7), str(uuid.UUID(int=7))),
    ],
    ids=lambda value: f"{type(value).__name__} {value}",
)
def test_a_value_is_sent_as_json_has_it(value, sent):
    plain = plain_values({"x": value})
    assert plain == {"x": sent}
    assert type(plain["x"]) is type(sent)
    assert json.loads(encode(plain)) == {"x": sent}
    request = Client("http://shop")._calls.keyed(request_of("ann", {"x": value}, key="k"))
    assert request.features == {"x": sent}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (b"007", "be text, a number, true, false, a time or nothing; got bytes"),
        (math.inf, "be finite; got inf"),
        (np.float32("-inf"), "be finite; got -inf"),
        (decimal.Decimal("Infinity"), "be finite; got inf"),
        ([1], "got list"),
        (np.array([1.0]), "got ndarray"),
        (1j, "got complex"),
        (object(), "got object"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_json_would_change_is_refused(value, words):
    with pytest.raises(InputError, match=rf"features\['x'\] must .*{words}"):
        Client("http://shop", fallback="none").decide("ann", {"x": value})


def test_a_units_id_may_be_a_whole_number_and_nothing_that_can_be_written_in_two_ways():
    for unit, sent in (
        ("007", "007"),
        (Plan("gold"), "gold"),
        (Town.OSLO, "Oslo"),
        (-7, "-7"),
        (0, "0"),
        (np.uint64(2**64 - 1), "18446744073709551615"),
        (np.int64(-(2**63)), "-9223372036854775808"),
        (uuid.UUID(int=7), str(uuid.UUID(int=7))),
    ):
        assert request_of(unit).unit == unit_text(unit) == sent
        assert type(unit_text(unit)) is str
    others: list[Any] = [7.0, True, None, b"7", NOON, np.timedelta64(7, "s"), np.float64(7), [7]]
    for other in others:
        with pytest.raises(InputError, match="unit must be text or a whole number; got"):
            Client("http://shop", fallback="none").unit(other)


def test_other_fields_take_numpy_too_and_are_refused_in_our_words():
    sent = encode(request_of(np.str_("ann"), cost=np.array([0.5]), weights={"y": np.float32(2)}))
    assert json.loads(sent) == json.loads(encode(request_of("ann", cost=[0.5], weights={"y": 2.0})))
    assert json.loads(encode(reward_of("a", "y", decimal.Decimal("0.5"), key="k")))["value"] == 0.5
    with pytest.raises(InputError, match="a request must be text"):
        encode(request_of("\ud800"))
    with pytest.raises(InputError, match="a request must be text"):
        encode(request_of("ann", cost=object()))


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_token_and_an_address_that_cannot_be_sent_are_told_at_once(kind):
    assert kind("http://shop", "eq_1\n")._http.headers["authorization"] == "Bearer eq_1"
    with pytest.raises(InputError, match="a token must be"):
        kind("http://shop", "eq_é")
    others = "127.0.0.1:8080", "localhost:8080", "ftp://shop", "http://", "", "//shop", None
    for url in ("http://shop:eighty", "http://shop:99999", *others):
        with pytest.raises(InputError, match="url must be as"):
            kind(url, fallback="none")
