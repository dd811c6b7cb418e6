"""Bodies: what is refused, by which words, and a repeated key wherever it hides."""

from __future__ import annotations

import gzip
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise.core.errors import InputError
from equipoise.serving.app.problems import Refusal
from equipoise.serving.app.strict_json import PROBES, Body, key_twice
from equipoise.serving.messages import BatchRequest, DecideRequest

DECIDE = Body(DecideRequest)


def pairs_twice(text: str) -> bool:
    """By Python's own reader."""
    repeated = []

    def look(pairs):
        names = [name for name, _ in pairs]
        repeated.append(len(set(names)) < len(names))

    json.loads(text, object_pairs_hook=look)
    return any(repeated)


@pytest.mark.parametrize(
    ("body", "twice"),
    [
        (b'{"unit":"a","unit":"b"}', "unit"),
        (b'{"unit" : "a" , "features":{"x":1,"y":{"x":2}}}', None),
        (b'{"a":{"x":1},"b":{"x":1},"c":[{"x":1},{"x":1}]}', None),
        (b'{"a":[{"x":1,"y":[],"x" :2}]}', "x"),
        (b'{"a":{"b":{}},"b":1,"a":2}', "a"),
        (b'{"a":"\\"b\\":1","b":"{\\"b\\":"}', None),
        (b'{"b":1,"\\u0062":2}', "b"),
        (b'{"":1,"":2}', ""),
        ('{"é":1,"é":2}'.encode(), "é"),
    ],
)
def test_a_key_twice_by_hand(body, twice):
    assert key_twice(body) == twice
    assert pairs_twice(body.decode()) == (twice is not None)


KEYS = st.sampled_from(["a", "b", "ab", "", "é", '"', "\\", "a:b", "{"])


@given(st.data())
def test_a_key_twice_as_python_finds_it(data):
    def draw(depth: int) -> str:
        kind = data.draw(st.integers(0, 3 if depth < 3 else 1))
        if kind < 2:
            return json.dumps(data.draw(st.sampled_from([1, True, None, 'x":', "}{", "\\"])))
        count = data.draw(st.integers(0, 4))
        if kind == 2:
            return f"[{', '.join(draw(depth + 1) for _ in range(count))}]"
        blank = data.draw(st.sampled_from(["", " ", "\n\t"]))
        pairs = (
            f"{json.dumps(data.draw(KEYS))}{blank}:{blank}{draw(depth + 1)}" for _ in range(count)
        )
        return "{" + ",".join(pairs) + "}"

    text = draw(0)
    assert (key_twice(text.encode()) is not None) == pairs_twice(text)


def test_many_keys_and_deep_ones():
    wide = {f"k{i}": i for i in range(20 * PROBES)}
    assert key_twice(json.dumps(wide).encode()) is None
    assert key_twice(json.dumps(wide).encode()[:-1] + b',"k7":1}') == "k7"
    deep = b'{"a":' * 200 + b'{"b":1,"b":2}' + b"}" * 200
    assert key_twice(deep) == "b"


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 400, "the body must be JSON"),
        (b"{", 400, "be JSON"),
        (b'{"unit":"\xff"}', 400, "UTF-8"),
        (b'{"unit":"a","\xff":1}', 400, "UTF-8"),
        (b'{"unit":"a","features":{"x":NaN}}', 400, "be JSON"),
        (b'{"unit":"a"} {}', 400, "be JSON"),
        (b'{"unit":"a","unit":"b"}', 400, "'unit' twice"),
        (b'{"unit":"a","cost":[1e999]}', 422, "fit in float64; got a larger one at $.cost[0]"),
        (b'{"unit":5}', 422, "the value must be str; got int at $.unit"),
        (b"{}", 422, "unit must be there"),
        (b'{"unit":"a","x":1}', 422, "x must be a known key"),
        (b"[" * 100_000, 422, "be object; got array"),
        (b'\xef\xbb\xbf{"unit":"a"}', 400, "got a byte order mark before it"),
        ('{"unit":"a"}'.encode("utf-16"), 400, "got UTF-16"),
        (gzip.compress(b'{"unit":"a"}', mtime=0), 400, "got gzip"),
        (b'{"unit":"\\ud83d"}', 400, "got half of a surrogate pair"),
        (b'{"unit":"\\ud83d\\ude00",}', 400, "trailing comma"),
        (b'{"unit":"\\\\ud83d",}', 400, "trailing comma"),
        (b'{"unit":"a","features":' + b'{"a":' * 100_000, 422, "got object at $.features"),
    ],
)
def test_what_is_no_request_is_refused_in_words(body, status, words):
    with pytest.raises((Refusal, InputError)) as refused:
        DECIDE(body)
    assert words in str(refused.value)
    assert getattr(refused.value, "status", 422) == status


def test_deep_json_where_anything_may_stand():
    class Units(msgspec.Struct):
        units: list[msgspec.Raw]

    deep = b'{"units":[' + b"[" * 100_000 + b"]" * 100_000 + b"]}"
    with pytest.raises(Refusal, match="few levels"):
        Body(Units)(deep)


def test_numbers_come_as_floats_and_text_stays_text():
    features = DECIDE(b'{"unit":"5","features":{"a":1,"b":"1","c":true,"d":null}}').features
    assert features == {"a": 1.0, "b": "1", "c": True, "d": None}
    assert isinstance(features["a"], float)
    assert len(Body(BatchRequest)(b'{"units":[{"unit":"a"},{"unit":"a"}]}').units) == 2
