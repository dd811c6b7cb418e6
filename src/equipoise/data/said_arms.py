"""Arms as text, control first: ``none,mail``, as on the command line and in errors that suggest it.

Labels are parted by commas; spaces around one do not count.  A label with a comma or quote of its
own, with spaces at its ends, or empty, is written as a JSON string: ``none,"a, b"``.  What a label
means, the column says: in a column of numbers -1, 0 and 1.0 are numbers, in a column of text they
are text.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any

import pyarrow as pa

from equipoise.core import columns
from equipoise.core.errors import SpaceError
from equipoise.treatments import Arms

WHAT = "the arms"
MOST_DIGITS = 20  # of a whole number of 64 bits
WORDS = {"true": 1, "false": 0}


def arms_option(labels: Iterable[Any]) -> str:
    """The option of the command line that says these arms, quoted for a shell.

    >>> arms_option(["none", "mail"]), arms_option([-1, 1])
    ('--arms none,mail', '--arms=-1,1')
    >>> print(arms_option(["none", "a, b"]))
    --arms 'none,"a, b"'
    """
    text = shlex.quote(",".join(_written(str(label)) for label in labels))
    return f"--arms={text}" if text.startswith("-") else f"--arms {text}"


def _written(label: str) -> str:
    plain = label.isprintable() and label == " ".join(label.split())
    if label and plain and "," not in label and not label.startswith('"'):
        return label
    return json.dumps(label).replace("  ", " \\u0020")


def arms_of_text(text: str, column: pa.ChunkedArray) -> Arms:
    """The arms that a text says, in the type of the treatment's column.

    >>> numbers, words = pa.chunked_array([[-1.0, 1.0]]), pa.chunked_array([["-1", "1"]])
    >>> arms_of_text("-1,1", numbers), arms_of_text("-1,1", words)
    (Arms([-1, 1]), Arms(['-1', '1']))
    """
    labels = _labels(text)
    if columns.is_numeric(column):
        return Arms([_number(label, column.type) for label in labels])
    return Arms(labels)


def _labels(text: str) -> list[str]:
    """The labels between the commas; one that begins with a quote is a JSON string."""
    labels, rest = [], text
    while True:
        label, rest = _first(rest.lstrip(), text)
        labels.append(label)
        if not rest:
            return labels
        rest = rest[1:]


def _first(rest: str, text: str) -> tuple[str, str]:
    """The first label, and what follows it from the comma on."""
    if not rest.startswith('"'):
        label, comma, after = rest.partition(",")
        return label.strip(), comma + after
    try:
        label, end = json.JSONDecoder().raw_decode(rest)
    except json.JSONDecodeError as error:
        fix = 'write a quote within a label as \\", as in none,"a \\"b\\""'
        raise SpaceError(WHAT, "close every quote", repr(text), fix=fix) from error
    after = rest[end:].lstrip()
    if after and not after.startswith(","):
        fix = 'write the whole label in quotes, as in none,"a, b"'
        raise SpaceError(WHAT, "have a comma after a quoted label", repr(text), fix=fix)
    return label, after


def _number(label: str, kind: pa.DataType) -> int:
    """A label of a column of numbers, as a whole number."""
    if label.lower() in WORDS and pa.types.is_boolean(kind):
        return WORDS[label.lower()]
    try:
        number = Decimal(label)
        whole = int(number) if number.adjusted() < MOST_DIGITS else None
    except (InvalidOperation, ValueError, OverflowError):
        number, whole = Decimal(0), None
    if whole is None:
        must, fix = f"be numbers, as the column is ({kind})", "name them as they stand in the log"
        raise SpaceError(WHAT, must, repr(label), fix=fix)
    if whole != number:
        fix = 'amounts are said by a plan: [space] kind = "dose"'
        raise SpaceError(WHAT, "be whole numbers, or text", label, fix=fix)
    return whole
