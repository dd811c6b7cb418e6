"""Currencies: which units of a metric are money.

A unit is money where it is the name of the money that costs are in, whatever that is ("points"); a
code of ISO 4217 or its sign is the name of a currency, in whatever case.
"""

from __future__ import annotations

NAMES = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP "
    "BYN BZD CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP "
    "GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES "
    "KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU "
    "MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON "
    "RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND "
    "TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW "
    "ZWG"
)
CODES = frozenset(NAMES.split())
SIGNS = {"\u20ac": "EUR", "$": "USD", "US$": "USD", "\u00a3": "GBP", "\u20b9": "INR"}
SIGNS |= {"\u20bd": "RUB", "\u20a9": "KRW", "\u20ba": "TRY", "z\u0142": "PLN", "R$": "BRL"}


def currency_code(unit: str) -> str:
    """The code of a currency by its code or sign; "" for a unit that is none.

    >>> currency_code("eur"), currency_code("$"), currency_code("days")
    ('EUR', 'USD', '')
    """
    name = unit.strip()
    code = SIGNS.get(name, name.upper())
    return code if code in CODES else ""


def same_money(unit: str, currency: str) -> bool:
    """Whether a unit is the money of that name.

    >>> same_money("\u20ac", "EUR"), same_money("points", "Points"), same_money("USD", "EUR")
    (True, True, False)
    """
    if not unit or not currency:
        return False
    if unit.casefold() == currency.casefold():
        return True
    code = currency_code(unit)
    return code != "" and code == currency_code(currency)
