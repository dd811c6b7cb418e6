import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.core.errors import LogError
from equipoise.core.log import Log, Outcome, Roles
from equipoise.core.unique_text import LEAST, is_nearly_unique
from equipoise.treatments import Arms


def of(values):
    return pa.chunked_array([pa.array(values)])


def emails(n):
    return [f"user{i}@example.org" for i in range(n)]


@pytest.mark.parametrize("n", [20, 45, 1000])
def test_by_hand(n):
    assert is_nearly_unique(of(emails(n)))
    assert is_nearly_unique(of(emails(n)).dictionary_encode())
    assert is_nearly_unique(of([*emails(n), *[None] * 3 * n]))  # what is missing says nothing
    assert is_nearly_unique(of([*emails(n), *["none"] * 3 * n]))  # names beside a common value
    assert not is_nearly_unique(of([f"city{i % 9}" for i in range(n)]))
    assert not is_nearly_unique(of(emails(n // 2) * 2))  # each stands in two rows
    assert not is_nearly_unique(of(list(range(n))))
    assert not is_nearly_unique(of(emails(LEAST - 1)))


def test_towns_of_which_many_are_rare_are_a_feature():
    towns = np.random.default_rng(0).zipf(1.3, 2000).clip(0, 5000)
    assert (np.unique(towns, return_counts=True)[1] == 1).mean() > 0.5
    assert not is_nearly_unique(of([f"town {k}" for k in towns]))


@settings(max_examples=30)
@given(st.integers(30, 400), st.floats(0.7, 1), st.integers(0, 99))
def test_where_seven_in_ten_values_differ(n, share, seed):
    different = int(np.ceil(share * n))
    values = np.random.default_rng(seed).permutation([*emails(different), *["x"] * (n - different)])
    assert is_nearly_unique(of(values.tolist()))


def log_of(**roles):
    table = pa.table({"t": [0, 1] * 20, "y": np.arange(40.0), "who": emails(40)})
    return Log(table, Roles("t", (Outcome("y"),), ("who",), **roles), Arms())


def test_a_nearly_unique_feature_is_refused_unless_it_is_allowed():
    with pytest.raises(
        LogError, match=r"'who' must be text .* 40 levels .* nearly_unique = \['who'"
    ):
        log_of()
    assert log_of(nearly_unique=("who",)).roles.features == ("who",)
