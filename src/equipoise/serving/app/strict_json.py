"""Bodies: JSON decoded by msgspec into structs, and what it lets pass refused too: a key twice.

NaN, numbers beyond float64, unknown fields and depth are refused by the decoder; invalid UTF-8 is,
depending on its version, an error of another kind.  A key twice (RFC 8259 leaves open which of them
counts) is looked for by a kernel over the bytes: a table of all keys, by object and by hash.
"""

from __future__ import annotations

import json
import re
from typing import Any, Generic, TypeVar

import msgspec
import numpy as np

from equipoise.core.errors import InputError
from equipoise.core.kernels import njit
from equipoise.serving.app.problems import Refusal

T = TypeVar("T")
NOTHING, ASK = -1, -2  # no key twice; the kernel cannot tell
PROBES = 64  # steps in the table for one key: more is no accident, and Python's keyed hash decides
DEEPEST = 64  # objects within objects
QUOTE, BACKSLASH, COLON, OPEN, CLOSE = 34, 92, 58, 123, 125
BLANK = 32  # and below: what JSON allows between tokens


@njit(nogil=True)
def _key_twice(body: Any, keys: int) -> int:  # body: uint8, (n,), well-formed JSON
    """Where a key stands that its object had before; `NOTHING`, or `ASK`."""
    n, size = len(body), 8
    while size < 2 * keys:
        size *= 2
    starts, ends = np.zeros(size, np.int64), np.zeros(size, np.int64)  # 0, 0: free
    owners = np.zeros(size, np.int64)
    objects = np.zeros(DEEPEST, np.int64)
    depth, count, i = -1, 0, 0
    while i < n:
        letter = body[i]
        if letter == OPEN:
            depth, count = depth + 1, count + 1
            if depth == DEEPEST:
                return ASK
            objects[depth] = count
        elif letter == CLOSE:
            depth -= 1
        elif letter == QUOTE:
            start, escaped, code = i + 1, False, np.uint64(objects[max(depth, 0)])
            i += 1
            while body[i] != QUOTE:
                if body[i] == BACKSLASH:
                    escaped = True
                    i += 1
                code = (code ^ np.uint64(body[i])) * np.uint64(1099511628211)
                code ^= code >> np.uint64(29)
                i += 1
            end, after = i, i + 1
            while after < n and body[after] <= BLANK:
                after += 1
            if after < n and body[after] == COLON:
                if escaped:
                    return ASK
                place, probes = np.int64(code & np.uint64(size - 1)), 0
                while starts[place]:
                    if owners[place] == objects[depth] and _same(
                        body, starts[place], ends[place], start, end
                    ):
                        return start
                    place, probes = (place + 1) & (size - 1), probes + 1
                    if probes == PROBES:
                        return ASK
                starts[place], ends[place], owners[place] = start, end, objects[depth]
        i += 1
    return NOTHING


@njit(nogil=True)
def _same(body: Any, start: int, end: int, other: int, stop: int) -> bool:
    """Whether two spans hold the same bytes."""
    length = end - start
    j = 0 if length == stop - other else length + 1
    while j < length and body[start + j] == body[other + j]:
        j += 1
    return j == length


def key_twice(body: bytes) -> str | None:
    """A key that one object of a body has twice; None without one.

    Parameters
    ----------
    body : bytes
        Well-formed JSON.

    Returns
    -------
    str or None
        The first one met.

    Examples
    --------
    >>> key_twice(b'{"unit": "a", "features": {"unit": 1}}')
    >>> key_twice(b'{"unit": "a", "features": {}, "un\\\\u0069t": "b"}')
    'unit'
    """
    keys = body.count(b":")
    if keys < 2:
        return None
    place = _key_twice(np.frombuffer(body, np.uint8), keys)
    if place == NOTHING:
        return None
    repeated: list[str] = []

    def look(pairs: list[tuple[str, Any]]) -> None:
        names = [name for name, _ in pairs]
        if len(set(names)) < len(names):
            repeated.append(next(name for name in names if names.count(name) > 1))

    json.loads(body, object_pairs_hook=look)
    return repeated[0] if repeated else None


class Body(Generic[T]):
    """Decodes one kind of body.

    Parameters
    ----------
    kind : type
        A struct of `equipoise.serving.messages`, or what else msgspec decodes into.

    Examples
    --------
    >>> from equipoise.serving.messages import DecideRequest
    >>> Body(DecideRequest)(b'{"unit": "a"}').unit
    'a'
    """

    def __init__(self, kind: type[T]) -> None:
        self.kind = kind
        self._decode = msgspec.json.Decoder(kind).decode

    def __call__(self, body: bytes) -> T:
        try:
            value = self._decode(body)
            name = key_twice(body)
        except msgspec.ValidationError as error:
            raise wrong_value(str(error)) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise malformed(error, body) from error
        if name is not None:
            fix = "send each key once: which of two counts is not said by JSON"
            raise Refusal(400, "the body", "have each key once", f"{name!r} twice", fix=fix)
        return value


BEGINNINGS = (
    (b"\xef\xbb\xbf", "a byte order mark before it"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
    (b"\x1f\x8b", "gzip"),
)
HALF = re.compile(rb"(?<!\\)(?:\\\\)*\\u[dD][89abAB]..(?!\\u[dD][c-fC-F])")


def malformed(error: Exception, body: bytes = b"") -> Refusal:
    """What a body is that is no JSON."""
    if isinstance(error, RecursionError):
        got, fix = "deeper nesting", "no body of this service is deep"
        return Refusal(400, "the body", "be JSON of few levels", got, fix=fix)
    got = "invalid UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
    got = next((kind for start, kind in BEGINNINGS if body.startswith(start)), got)
    got = "half of a surrogate pair" if HALF.search(body) else got
    fix = "send JSON as UTF-8, without NaN or Infinity"
    return Refusal(400, "the body", "be JSON", got, fix=fix)


WORDS = (
    (r"Object missing required field `(.*)`", "{0}", "be there", "no such key"),
    (r"Object contains unknown field `(.*)`", "{0}", "be a known key", "an unknown one"),
    (r"Expected `(.*)`, got `(.*)`", "the value", "be {0}", "{1}"),
    (r"Expected `float` <= (.*)", "the number", "be at most {0}", "a larger one"),
    (r"Expected `float` >= (.*)", "the number", "be at least {0}", "a smaller one"),
    (r"Number out of range", "the number", "fit in float64", "a larger one"),
    (r"Invalid enum value (.*)", "the value", "be one of those listed", "{0}"),
)


def wrong_value(message: str) -> InputError:
    """What msgspec says of a value, in our grammar.

    Parameters
    ----------
    message : str
        Of a `msgspec.ValidationError`.

    Returns
    -------
    InputError
        The same.

    Examples
    --------
    >>> print(wrong_value("Expected `str`, got `int` - at `$.unit`"))
    the value must be str; got int at $.unit; /docs shows what the route takes
    """
    text, _, where = message.partition(" - at `")
    what, must, got = "the value", "be as the route takes it", text
    for pattern, *words in WORDS:
        if match := re.fullmatch(pattern, text):
            parts = match.groups() or ("",)
            what, must, got = (word.format(*parts) for word in words)
            break
    return InputError(what, must, got, where.rstrip("`"), "/docs shows what the route takes")
