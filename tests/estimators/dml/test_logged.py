from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.core.errors import InputError
from equipoise.estimators import LinearDML
from equipoise.estimators.dml import logged
from equipoise.treatments import Arms, Bits, Dose, Schedule


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.1, 3.0]), st.integers(0, 4)), min_size=1, max_size=30
    )
)
def test_places_are_those_of_a_search_one_by_one(pairs):
    rows = np.array(pairs, np.float64)
    known = logged.distinct(rows[: len(rows) // 2 + 1])
    expected = [next((i for i, one in enumerate(known) if (one == row).all()), -1) for row in rows]
    np.testing.assert_array_equal(logged.places(rows, known), expected)
    np.testing.assert_array_equal(logged.distinct(rows), np.unique(rows, axis=0))


def test_many_distinct_treatments_are_not_counted_to_the_end():
    rows = np.arange(10_000.0)[:, None]
    assert 5 < len(logged.distinct(rows, most=5)) < 10_000


def test_own_deviations_are_against_control():
    known = np.array([[0.0], [1.0], [2.0]])
    found = logged.deviations(np.array([[0.0], [2.0], [5.0]]), np.array([[0.0]]), known)
    np.testing.assert_array_equal(found, [[0, 0, 0], [-1, 0, 1], [-1, 0, 0]])


PACKETS = [("base", 0.2, 2, 4), ("flat", 1.2, 4, 3), ("many", 1.4, 8, 1), ("few", 2.0, 2, 1.5)]
PACKETS += [("slow", 0.6, 3, 4)]


# the identification check: columns, distinct logged treatments and whether all candidates were
# logged
@pytest.mark.parametrize(
    ("space", "t", "refused"),
    [
        (Dose(0, 2, levels=[1, 2], degree=2), [0, 1, 2], False),  # a column each, all logged
        (Dose(0, 3, levels=[1, 2, 3], degree=2), [0, 1, 2], True),  # 3 would be invented
        (Dose(0, 3, levels=[1, 2, 3], degree=2), [0, 0.5, 1, 2], False),
        (Dose(0, 5, levels=5, degree=4), [0, 1, 2, 3], True),  # more columns than differences
        (Dose(0, 3, levels=[1, 2, 3]), [0, 2], False),  # one line through two points
        (Arms([0, 1, 2]), [0, 1, 2], False),
        (Schedule(PACKETS, "ids"), range(5), False),
        (Schedule(PACKETS, degree=1), range(5), False),  # 3 columns, 4 differences
        (Schedule(PACKETS[:4], degree=1), range(4), True),  # 3 and 3: others would be invented
        (Schedule(PACKETS, degree=2), range(5), True),
        (Schedule(PACKETS, "sine", degree=1, own=True), range(5), True),
    ],
)
def test_columns_that_the_log_cannot_tell_apart_are_refused_by_both_numbers(space, t, refused):
    rng = np.random.default_rng(0)
    every = space.candidates()
    logged = np.asarray(t) if every.ndim == 1 else np.vstack([space.control, every])
    treatment = logged[np.arange(200) % len(t)]
    X, y = rng.normal(size=(200, 1)), rng.normal(size=200)
    if refused:
        columns = space.encode(space.candidates()).shape[1]
        with pytest.raises(InputError, match=f"{len(t)} distinct .* {columns} columns.*shrink"):
            LinearDML(space=space).fit(X, y, treatment=treatment)
        shrunk = LinearDML(space=space, shrink="auto").fit(X, y, treatment=treatment)
        assert np.isfinite(shrunk.effects(X).values).all()
    else:
        LinearDML(space=space).fit(X, y, treatment=treatment)


def test_switches_with_a_vector_that_was_never_logged_are_refused():
    vectors = np.array([[0, 0], [1, 0], [0, 1]])
    rng = np.random.default_rng(0)
    X, y, t = rng.normal(size=(90, 1)), rng.normal(size=90), vectors[np.arange(90) % 3]
    with pytest.raises(InputError, match="3 distinct logged treatments for 2 columns"):
        LinearDML(space=Bits(2, "all")).fit(X, y, treatment=t)
    LinearDML(space=Bits(2, "singles")).fit(X, y, treatment=t)


def test_shrunk_effects_need_rows_only_of_arms_that_no_other_speaks_of():
    rng = np.random.default_rng(0)
    X, y, t = rng.normal(size=(200, 1)), rng.normal(size=200), np.arange(200) % 4
    space = Dose(0, 4, levels=4, degree=4)  # a column a level, and 4 never logged
    shrunk = LinearDML(space=space, shrink="auto").fit(X, y, treatment=t)
    assert np.isfinite(shrunk.effects(X).values).all()
    with pytest.raises(InputError, match="rows of treatment '4' must be at least 2"):
        LinearDML(space=Arms([0, 1, 2, 3, 4]), shrink="auto").fit(X, y, treatment=t)
