"""What a client sends: values of Python, numpy and pandas as JSON has them, or refused.

The encoder alone would send bytes as base 64 and infinity as nothing, and knows no numpy.
"""

from __future__ import annotations

import datetime as dt
import decimal
import math
import uuid
from collections.abc import Mapping
from enum import Enum
from numbers import Integral, Real
from typing import Any

import msgspec

from equipoise.core.errors import InputError
from equipoise.serving.messages import Value

NOTHING = ("NAType", "NaTType")  # of pandas
TAKEN = "be text, a number, true, false, a time or nothing"


def plain_values(features: Mapping[str, Any]) -> dict[str, Value]:
    """The raw columns of a unit as they are sent.

    Parameters
    ----------
    features : mapping of str to object
        Text, numbers of any kind, true or false, times of any kind; None, NaN, NA or NaT.

    Returns
    -------
    dict of str to str, float, int, bool or None
        Times by ISO 8601.

    Raises
    ------
    InputError
        Where a value is another, or infinite.

    Examples
    --------
    >>> plain_values({"day": dt.date(2026, 3, 1), "price": decimal.Decimal("1.5"), "x": math.nan})
    {'day': '2026-03-01', 'price': 1.5, 'x': None}
    """
    plain = (str, bool, int, type(None))
    return {
        name: value if type(value) in plain else _plain(name, value)
        for name, value in features.items()
    }


def unit_text(unit: object) -> str:
    """A unit's id as it is sent: that of a column of whole numbers by its digits, as a file of
    units has it in the store, and as `equipoise score` draws for it.

    Parameters
    ----------
    unit : str, int or UUID
        Of Python or numpy.

    Returns
    -------
    str
        The id.

    Raises
    ------
    InputError
        Where it is another: how a float or a time is written is for the caller to say.

    Examples
    --------
    >>> unit_text(-7), unit_text("007")
    ('-7', '007')
    """
    if isinstance(unit, Enum):
        return unit_text(unit.value)
    if isinstance(unit, str):
        return str.__str__(unit)
    if isinstance(unit, uuid.UUID):
        return str(unit)
    if isinstance(unit, Integral) and not isinstance(unit, bool) and _is_number(unit):
        return str(int(unit))
    fix = "write it as text, as it stands in the file of units"
    raise InputError("unit", "be text or a whole number", type(unit).__name__, fix=fix)


def _is_number(value: object) -> bool:
    """Whether what says that it is a whole number is one; numpy calls lengths of time so."""
    return type(value).__name__ != "timedelta64"


def _plain(name: str, value: Any) -> Value:
    if isinstance(value, Enum):
        return _plain(name, value.value)
    if value is None or isinstance(value, str | bool):
        return str.__str__(value) if isinstance(value, str) else value
    if type(value).__name__ in NOTHING or str(value) == "NaT":
        return None
    if not _is_number(value):
        return _of_encoder(value.astype("timedelta64[us]").item())
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real | decimal.Decimal):
        return _number(name, float(value))
    if isinstance(value, dt.timedelta):
        return _of_encoder(dt.timedelta(value.days, value.seconds, value.microseconds))
    if isinstance(value, dt.date | dt.time):  # a datetime is a date
        return value.isoformat()
    if isinstance(value, uuid.UUID):
        return str(value)
    if type(value).__module__ == "numpy" and not getattr(value, "shape", ()):
        return _of_numpy(name, value)
    raise InputError(f"features[{name!r}]", TAKEN, type(value).__name__)


def _number(name: str, value: float) -> float | None:
    if math.isinf(value):
        fix = "leave it out, or send None where it is missing"
        raise InputError(f"features[{name!r}]", "be finite", value, fix=fix)
    return None if math.isnan(value) else value


def _of_numpy(name: str, value: Any) -> Value:
    """A scalar of numpy that is no number."""
    kind = value.dtype.kind
    if kind == "M":
        text = str(value)
        return text.rstrip("0").rstrip(".") if "." in text else text
    if kind in "biufU":
        return _plain(name, value.item())
    raise InputError(f"features[{name!r}]", TAKEN, f"numpy's {value.dtype}")


def _of_encoder(value: dt.timedelta) -> str:
    """A length of time by ISO 8601."""
    return str(msgspec.to_builtins(value))


def encode(message: Any) -> bytes:
    """A message as JSON.

    Parameters
    ----------
    message : object
        Structs, lists and dicts; scalars and arrays of numpy are taken, too.

    Returns
    -------
    bytes
        UTF-8.

    Raises
    ------
    InputError
        Where something of it is none of JSON's.

    Examples
    --------
    >>> encode({"cost": [decimal.Decimal("0.5")]})
    b'{"cost":[0.5]}'
    """
    try:
        return _encoder.encode(message)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError("a request", "be text, numbers, true and false", str(error)) from error


def _listed(value: Any) -> Any:
    """What numpy has, as lists and numbers; text of a class of its own as text."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, Integral | Real):
        return int(value) if isinstance(value, Integral) else float(value)
    if type(value).__module__ == "numpy":
        return value.tolist()
    raise TypeError(f"a value of type {type(value).__name__}")


_encoder = msgspec.json.Encoder(enc_hook=_listed, decimal_format="number")
