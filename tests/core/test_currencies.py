"""Which units are money: by name, by code and by sign."""

from __future__ import annotations

import pytest

from equipoise.core.currencies import CODES, currency_code, same_money


def test_codes_are_codes():
    assert {"EUR", "USD", "CNY", "GBP"} < CODES
    assert all(len(code) == 3 and code.isupper() for code in CODES)


@pytest.mark.parametrize(
    ("unit", "currency", "same"),
    [
        ("EUR", "eur", True),
        ("\u20ac", "EUR", True),
        ("$", "USD", True),
        ("USD", "EUR", False),
        ("yuan", "Yuan", True),
        ("yuan", "CNY", False),
        ("", "", False),
        ("days", "EUR", False),
        ("", "EUR", False),
    ],
)
def test_the_same_money_by_any_name(unit, currency, same):
    assert same_money(unit, currency) is same
    assert same_money(currency, unit) is same


def test_what_is_no_currency_has_no_code():
    assert [currency_code(unit) for unit in ("", "pp", "visits", "ABC")] == [""] * 4
