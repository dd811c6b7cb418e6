"""Hashes that say which rows are the sample, and which ids occur twice."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from equipoise.core.roles import Roles
from equipoise.pipeline.bounded.keys import (
    SAMPLE,
    content_words,
    label_words,
    name_words,
    repeated,
    unit_draws,
)

IDS = Roles("arm", (), (), id="user")


def draws(users, roles=IDS):
    return unit_draws(pa.table({"user": users}), roles, 0, SAMPLE)


def test_a_label_has_one_draw_in_whatever_type():
    whole = np.arange(50)
    wide = draws(pa.array(whole, pa.int64()))
    assert (draws(pa.array(whole, pa.int32())) == wide).all()
    assert (draws(pa.array(whole, pa.int64()).dictionary_encode()) == wide).all()
    text = [f"user{i}" for i in range(50)]
    assert (draws(pa.array(text)) == draws(pa.array(text).dictionary_encode())).all()
    assert (draws(pa.array(text)[::-1]) == draws(pa.array(text))[::-1]).all()


def test_draws_are_uniform_and_groups_share_one():
    u = draws(np.arange(20_000))
    assert np.abs(np.histogram(u, 10, (0, 1))[0] / 2000 - 1).max() < 0.1
    group = Roles("arm", (), (), group="user")
    shared = draws(np.repeat(np.arange(100), 3), group)
    assert (shared.reshape(100, 3) == shared[::3, None]).all()


def test_without_a_name_a_row_is_what_it_holds():
    a = pa.table({"x": [0.0, 1.0, 1.0], "city": ["Rome", "Oslo", "Oslo"], "day": [1, 2, 3]})
    b = a.select(["city", "day", "x"]).set_column(2, "x", pa.array([-0.0, 1.0, 1.0]))
    nameless = Roles("arm", (), (), time="day")
    one, other = (name_words(table, nameless) for table in (a, b))
    assert (one == other).all()
    assert one[1] == one[2] != one[0]  # all but the time
    odd = a.append_column("box", pa.array([{"k": 1}] * 3))
    assert (content_words(odd, ["x", "box"], 0, 1) == content_words(a, ["x"], 0, 1)).all()


@pytest.mark.parametrize("most", [10_000_000, 700, 10])
def test_what_occurs_twice_is_found_a_range_at_a_time(tmp_path, most):
    rng = np.random.default_rng(0)
    hashes = label_words(pa.chunked_array([rng.integers(0, 5000, 3000)]), 0, 1)
    files = []
    for i, part in enumerate(np.array_split(hashes, 4)):
        files.append(tmp_path / f"{i}.npz")
        np.savez(files[-1], names=part)
    values, counts = np.unique(hashes, return_counts=True)
    found, extra = repeated(files, len(hashes), most)
    assert (np.sort(found) == values[counts > 1]).all()
    assert extra == (counts - 1).sum()
