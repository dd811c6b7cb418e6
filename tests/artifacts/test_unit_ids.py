"""Ids: a repeated one is told with its rows, at any size and in any batch."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise.artifacts import unit_ids
from equipoise.artifacts.unit_ids import UniqueIds
from equipoise.core.errors import InputError


@given(
    st.lists(st.lists(st.sampled_from([str(i) for i in range(60)]), max_size=9), max_size=5),
    st.sampled_from([1, 4, 1000]),
)
def test_a_repeat_is_what_a_dictionary_says(batches, part):
    with pytest.MonkeyPatch.context() as patch, UniqueIds("user") as ids:
        patch.setattr(unit_ids, "PART", part)
        for batch in batches:
            ids.add(pa.chunked_array([pa.array(batch, pa.string())]))
        every = [one for batch in batches for one in batch]
        if len(set(every)) == len(every):
            ids.check()
            return
        with pytest.raises(InputError, match="must be unique; got one id at") as caught:
            ids.check()
        first, second = map(int, re.findall(r"rows (\d+) and (\d+);", str(caught.value))[0])
        assert first < second
        assert every[first] == every[second]


def test_ids_beyond_memory_lie_on_disk(monkeypatch):
    monkeypatch.setattr(unit_ids, "IN_MEMORY", 64)
    monkeypatch.setattr(unit_ids, "PART", 100)
    with UniqueIds("user") as ids:
        for start in range(0, 1000, 250):
            ids.add(pa.chunked_array([pa.array(range(start, start + 250))]))
        ids.check()
        ids.add(pa.chunked_array([[999]]))
        with pytest.raises(InputError, match="rows 999 and 1000"):
            ids.check()
