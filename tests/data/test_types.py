"""Every type of Arrow in every role of a log: served, or an error of ours that names the column."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid

import numpy as np
import pyarrow as pa
import pytest

from equipoise.core.checks import check_log
from equipoise.core.errors import EquipoiseError
from equipoise.data import read_log
from equipoise.treatments import Arms, Dose, Shares

N = 240
HALF = decimal.Decimal("1.5")


def of(values, kind=None):
    return pa.array((list(values) * N)[:N], kind)


def ints(kind, values=(0, 1)):
    """Whole numbers seen as another type of the same width."""
    wide = pa.int32() if kind.bit_width == 32 else pa.int64()
    return pa.array((list(values) * N)[:N], wide).view(kind)


NUMBERS = {str(kind): of([0, 1], kind) for kind in (
    *(pa.int8(), pa.int16(), pa.int32(), pa.int64()),
    *(pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()),
)}  # fmt: skip
NUMBERS |= {str(kind): of([0.0, 1.0], kind) for kind in (pa.float16(), pa.float32(), pa.float64())}
NUMBERS |= {
    str(kind): of([decimal.Decimal(0), decimal.Decimal(1)], kind)
    for kind in (
        pa.decimal32(5, 2),
        pa.decimal64(12, 2),
        pa.decimal128(30, 2),
        pa.decimal256(60, 2),
    )
}
NUMBERS["bool"] = of([False, True])
NUMBERS["bool8"] = pa.ExtensionArray.from_storage(pa.bool8(), of([0, 1], pa.int8()))
NUMBERS["runs"] = pa.RunEndEncodedArray.from_arrays(pa.array([N // 2, N]), pa.array([0, 1]))
NUMBERS["dictionary of numbers"] = of([0, 1]).dictionary_encode()
TIMES = {
    str(kind): ints(kind)
    for kind in (
        *(pa.date32(), pa.date64(), pa.time32("s"), pa.time32("ms"), pa.time64("us")),
        *(pa.time64("ns"), pa.timestamp("s"), pa.timestamp("ns"), pa.timestamp("us", "UTC")),
        *(pa.duration("s"), pa.duration("ns")),
    )
}
TEXT = {
    str(kind): of(["u", "v"], kind) for kind in (pa.string(), pa.large_string(), pa.string_view())
}
TEXT["dictionary"] = of(["u", "v"]).dictionary_encode()
TEXT["dictionary of views"] = pa.DictionaryArray.from_arrays(
    of([0, 1], pa.int8()), pa.array(["u", "v"], pa.string_view())
)
TEXT["json"] = pa.ExtensionArray.from_storage(pa.json_(), of(["1", "2"]))
TEXT["runs of text"] = pa.RunEndEncodedArray.from_arrays(
    pa.array([N // 2, N]), pa.array(["u", "v"])
)
NOT_SERVED = {
    "binary": of([b"\xff", b"a"]),
    "large binary": of([b"\xff", b"a"], pa.large_binary()),
    "binary view": of([b"\xff", b"a"], pa.binary_view()),
    "fixed binary": of([b"ab", b"cd"], pa.binary(2)),
    "uuid": pa.ExtensionArray.from_storage(pa.uuid(), of([uuid.UUID(int=5).bytes], pa.binary(16))),
    "struct": of([{"a": 1}, {"a": 2}]),
    "map": of([[("a", 1)], [("b", 2)]], pa.map_(pa.string(), pa.int64())),
    "list view": of([[0.0], [1.0]], pa.list_view(pa.float64())),
    "union": pa.UnionArray.from_sparse(of([0, 1], pa.int8()), [of([0, 1]), of(["u", "v"])]),
    "dense union": pa.UnionArray.from_dense(
        of([0], pa.int8()), pa.array(range(N), pa.int32()), [of([0, 1])]
    ),
    "interval": of([pa.MonthDayNano([1, 2, 3]), pa.MonthDayNano([2, 2, 3])]),
    "dictionary of binary": of([b"\xff", b"a"]).dictionary_encode(),
}
LISTS = {
    "list": of([[0.2, 0.8], [0.5, 0.5]]),
    "large list": of([[0.2, 0.8], [0.5, 0.5]], pa.large_list(pa.float64())),
    "fixed list": of([[0.2, 0.8], [0.5, 0.5]], pa.list_(pa.float64(), 2)),
    "list of text": of([["a", "b"], ["c", "d"]]),
    "list of lists": of([[[1], [2]], [[3], [4]]]),
    "ragged": of([[1.0], [1.0, 2.0]]),
    "empty lists": of([[], []], pa.list_(pa.float64())),
    "list of null": of([[None, 1.0], [0.5, 0.5]]),
}
WILD = {
    "null": pa.nulls(N),
    "null text": pa.nulls(N, pa.string()),
    "some null": of([None, 1, 2]),
    "a null text": of([None, "a", "b"]),
    "nan": of([np.nan, 0.0, 1.0]),
    "inf": of([np.inf, 0.0, 1.0]),
    "1e308": of([1e308, -1e308]),
    "float max": of([3.5e38, 1.0]),
    "denormal": of([5e-324, 1e-310]),
    "wide decimal": of([decimal.Decimal("9" * 70), HALF.to_integral()], pa.decimal256(76, 0)),
    "long duration": ints(pa.duration("s"), [2**60, -(2**60)]),
    "far time": ints(pa.timestamp("s"), [2**62, -(2**62)]),
    "far zone": ints(pa.timestamp("s", "Europe/Rome"), [2**50, 5]),
    "no such zone": ints(pa.timestamp("s", "Foo/Bar")),
    "far date": ints(pa.date32(), [2**31 - 1, -(2**31)]),
    "far clock": ints(pa.time64("ns"), [2**62, -5]),
    "large ids": of([2**64 - 1, 2**64 - 2], pa.uint64()),
    "dictionary with null": pa.DictionaryArray.from_arrays(
        of([0, 1], pa.int8()), pa.array(["u", None])
    ),
    "dictionary of nothing": pa.DictionaryArray.from_arrays(of([0, 1], pa.int8()), pa.nulls(2)),
    "not utf-8": pa.Array.from_buffers(
        pa.string(),
        N,
        [None, pa.py_buffer(np.arange(N + 1, dtype=np.int32)), pa.py_buffer(b"\xff" * N)],
    ),
    "empty text": of(["", " "]),
    "dates": of([dt.date(1, 1, 1), dt.date(9999, 12, 31)]),
}
TYPES = NUMBERS | TIMES | TEXT | NOT_SERVED | LISTS | WILD
ROLES = [
    *("treatment", "outcomes", "claimed", "cost", "propensity", "weight", "time", "group", "id"),
    *("protected", "features", "none"),
]
SPACES = [None, Arms(["u", "v"]), Arms([0, 1]), Dose(0, 1), Shares(["a", "b"])]


def table(column):
    rng = np.random.default_rng(0)
    x = rng.normal(size=N)
    return pa.table({"x": x, "arm": np.arange(N) // 2 % 2, "y": rng.integers(0, 2, N), "f": column})


def read(column, role, space):
    roles = {"treatment": "arm", "outcomes": {"y": "binary"}, "features": ["x"], "design": "shares"}
    if role == "none":
        roles.pop("features")
    elif role == "features":
        roles["features"] = ["x", "f"]
    elif role == "outcomes":
        roles["outcomes"] = ["f"]
    else:
        roles[role] = "f"
    if role == "propensity":
        roles.pop("design")
    return read_log(table(column), space=space, **roles)


def complaint(column, role, space):
    """What the door says against a column, or nothing where the log can be checked and cut."""
    try:
        log = read(column, role, space)
    except EquipoiseError as error:
        return str(error)
    assert len(check_log(log)) > 5
    assert len(log.take([0, 1])) == 2
    return ""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("role", ROLES)
def test_served_or_refused_by_name(name, role):
    for space in SPACES if role == "treatment" else SPACES[2:3]:
        said = complaint(TYPES[name], role, space)
        named = "'f'" in said or "propensit" in said or role == "treatment"
        assert not said or named, said


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_of_every_type_are_metrics(name):
    log = read(NUMBERS[name], "outcomes", None)
    assert log.roles.outcomes[0].kind == "binary"
    assert set(log.y[:, 0].tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("name", NUMBERS | TIMES | TEXT)
@pytest.mark.parametrize("role", ["group", "protected", "features", "time"])
def test_numbers_times_and_text_are_labels_and_features(name, role):
    assert "f" in read(TYPES[name], role, None).roles.columns()


@pytest.mark.parametrize("name", TIMES)
@pytest.mark.parametrize("role", ["outcomes", "cost", "weight", "propensity", "claimed"])
def test_a_time_is_no_number_of_a_metric(name, role):
    with pytest.raises(EquipoiseError, match="'f' must be numbers, not times"):
        read(TIMES[name], role, None)


@pytest.mark.parametrize("name", NOT_SERVED)
@pytest.mark.parametrize("role", [role for role in ROLES if role != "none"])
def test_other_types_are_refused(name, role):
    with pytest.raises(EquipoiseError, match="'f'"):
        read(NOT_SERVED[name], role, None)


@pytest.mark.parametrize("role", ["group", "id"])
@pytest.mark.parametrize("name", ["null", "null text", "some null", "a null text", "nan"])
def test_what_names_a_row_is_there_in_every_row(name, role):
    with pytest.raises(EquipoiseError, match=f"{role} 'f' must have no missing value.*row 0"):
        read(WILD[name], role, None)


@pytest.mark.parametrize("role", ["features", "outcomes", "cost"])
@pytest.mark.parametrize("value", [1e308, 3.5e38])
def test_what_32_bits_cannot_hold_is_refused_with_its_row(role, value):
    with pytest.raises(EquipoiseError, match=r"'f' must lie within 3.4e\+38 of 0; got .* at row 2"):
        read(of([0.0, 1.0, value, 0.5]), role, None)
