import re
import shlex
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from equipoise.core.errors import LogError, SpaceError
from equipoise.data import read_log
from equipoise.data.said_arms import arms_of_text, arms_option
from equipoise.treatments import Arms

TEXT = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6),
    st.text(", \"\\'\n-$`=01", max_size=4),
    st.sampled_from(["-1", "0", "1.0", "none", "true", "NaN", "baseline", " a", "a  b"]),
)
NUMBERS = st.one_of(st.integers(-3, 9), st.integers(-(2**63), 2**63 - 1))


def said(option):
    """What the shell and the command line make of an option that an error names, in one line."""
    words = shlex.split(" ".join(option.split()))
    text = words[1] if words[0] == "--arms" else words[0].removeprefix("--arms=")
    assert option.startswith(("--arms ", "--arms="))
    assert words[0] == "--arms" or text.startswith("-")
    return text


@given(st.lists(TEXT, min_size=2, max_size=6, unique=True))
@example(["", "a, b"])
@example(['"', "a  b\n"])
def test_every_set_of_texts_can_be_said(labels):
    column = pa.chunked_array([labels])
    assert arms_of_text(said(arms_option(labels)), column).labels == tuple(labels)


@given(
    st.lists(NUMBERS, min_size=2, max_size=6, unique=True),
    st.sampled_from([pa.int64(), pa.float64(), pa.decimal128(38, 0)]),
)
def test_every_set_of_whole_numbers_can_be_said(labels, kind):
    column = pa.chunked_array([pa.array([0, 1]).cast(kind)])
    assert arms_of_text(said(arms_option(labels)), column).labels == tuple(labels)


LABELS = st.one_of(
    st.lists(TEXT, min_size=2, max_size=30, unique=True),
    st.lists(NUMBERS, min_size=2, max_size=8, unique=True),
    st.lists(st.integers(-9, 9).map(float), min_size=2, max_size=8, unique=True),
    st.lists(st.integers(-9, 9).map(Decimal), min_size=2, max_size=8, unique=True),
)


@given(LABELS)
@example([-1, 1])
@example(["0", "1"])
@example([0.0, 2.0])
@example([2**53, 2**53 + 1])
def test_the_arms_that_an_error_suggests_are_accepted(labels):
    if not isinstance(labels[0], str) and set(labels) <= {0, 1}:
        return  # these need not be said
    rows = labels * 2
    frame = pa.table({"t": rows, "x": np.arange(len(rows)), "y": np.arange(len(rows)) % 3})
    with pytest.raises(LogError, match="must be said") as caught:
        read_log(frame, treatment="t", outcomes="y", features=["x"])
    line = " ".join(str(caught.value).split())  # as the command line prints it
    option = re.search(r"(--arms[ =].*) on the command line, \[space\] in a plan$", line)
    log = read_log(frame, treatment="t", outcomes="y", features=["x"], space=said(option[1]))
    assert isinstance(log.space, Arms)
    assert set(log.space.labels) == set(labels)
    suggestion = re.search(r"space=(Arms\(.*\)), or --arms", str(caught.value), re.S)
    assert eval(suggestion[1], {"Arms": Arms}) == log.space


def test_the_column_says_whether_labels_are_numbers():
    for kind, labels in (
        (pa.float64(), (-1, 1)),
        (pa.uint8(), (-1, 1)),
        (pa.string(), ("-1.0", "1e0")),
    ):
        column = pa.chunked_array([pa.array([], kind)])
        assert arms_of_text(" -1.0 , 1e0", column).labels == labels
    truth = pa.chunked_array([[True, False]])
    assert arms_of_text("True,false", truth).labels == (1, 0)


@pytest.mark.parametrize(
    ("text", "values", "message"),
    [
        ("none,mail", [0, 1], "the arms must be numbers, as the column is .int64.; got 'none'"),
        ("0,1e99999999", [0, 1], "the arms must be numbers"),
        ("0,NaN", [0, 1], "the arms must be numbers"),
        ("0,0.5", [0, 1], "the arms must be whole numbers, or text; got 0.5"),
        ("0,0.0", [0, 1], "two or more different labels"),
        ("a", ["a"], "two or more different labels"),
        ('a,"b', ["a"], "close every quote"),
        ('a,"b"c', ["a"], "have a comma after a quoted label"),
    ],
)
def test_text_that_is_no_arms_is_refused(text, values, message):
    with pytest.raises(SpaceError, match=message):
        arms_of_text(text, pa.chunked_array([values]))
