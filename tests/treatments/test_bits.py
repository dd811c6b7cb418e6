import numpy as np
import pyarrow as pa
import pytest

from equipoise.core.checks import check_log
from equipoise.core.errors import SpaceError, UnsupportedSpace
from equipoise.data import read_log
from equipoise.treatments import Bits


def test_structured_candidates_are_singles_pairs_all_but_one_and_all():
    assert Bits(["a", "b", "c", "d"]).names(Bits(4).candidates()) == (
        *("a", "b", "c", "d"),
        *("a+b", "a+c", "a+d", "b+c", "b+d", "c+d"),
        *("all but a", "all but b", "all but c", "all but d", "all"),
    )
    assert len(Bits(20).candidates()) == 20 + 190 + 20 + 1
    assert Bits(1).candidates().tolist() == [[1]]
    assert Bits(2).candidates().tolist() == [[1, 0], [0, 1], [1, 1]]
    assert len(Bits(4, "singles").candidates()) == 4
    assert len(Bits(4, "pairs").candidates()) == 10


def test_all_candidates_only_when_asked_and_when_they_are_few():
    every = Bits(12, "all").candidates()
    assert len(np.unique(every, axis=0)) == 4095
    with pytest.raises(
        SpaceError,
        match=r'candidates="all" must be at most 4,095; got 2\^13 - 1 = 8,191; ask for a sample',
    ):
        Bits(13, "all")


@pytest.mark.parametrize("k", [5, 23, 24, 70])
def test_a_sample_is_of_different_vectors_and_follows_its_seed(k):
    drawn = Bits(k, 30, seed=1).candidates()
    assert drawn.shape == (30, k)
    assert len(np.unique(drawn, axis=0)) == 30
    assert drawn.any(axis=1).all()
    np.testing.assert_array_equal(drawn, Bits(k, 30, seed=1).candidates())
    assert (drawn != Bits(k, 30, seed=2).candidates()).any()


def test_a_sample_of_more_than_there_are_is_all():
    assert len(Bits(3, 100).candidates()) == 7


def test_a_sample_is_even():
    many = Bits(16, 4000, seed=0).candidates()
    assert np.abs(many.mean(axis=0) - 0.5).max() < 0.04  # 5 deviations


def test_vectors_may_be_listed_with_control_and_twice():
    assert Bits(2, [[0, 0], [1, 1], [1, 0], [1, 1]]).candidates().tolist() == [[1, 1], [1, 0]]
    assert Bits(2, np.array([[1.0, 0.0]])).candidates().tolist() == [[1, 0]]


def test_crosses_follow_the_switches():
    space = Bits(3, crosses=3)
    assert space.encode([[1, 1, 0], [1, 1, 1]]).tolist() == [
        [1, 1, 0, 1, 0, 0, 0],
        [1, 1, 1, 1, 1, 1, 1],
    ]
    assert space.degrees().tolist() == [1, 1, 1, 2, 2, 2, 3]
    assert Bits(3).degrees().tolist() == [1, 1, 1]


@pytest.mark.parametrize("k", [3, 60, 130])
def test_cells_are_those_of_listed_vectors(k):
    space = Bits(k, 5, seed=3)
    t = np.vstack([space.candidates()[[4, 0]], np.zeros((1, k), int), space.candidates()[[2]]])
    assert space.cells(t).tolist() == [5, 1, 0, 3]


def test_cells_of_other_vectors_are_refused_by_row():
    with pytest.raises(UnsupportedSpace, match="got 'all but s4' at row 1; list what was logged"):
        Bits(4, "singles").cells([[0, 0, 0, 0], [1, 1, 1, 0], [1, 0, 0, 0]])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[0, 0, 1], [0, 2, 0]], "switch 'push' must be 0 or 1; got 2 at row 1"),
        ([[0, np.nan, 1]], "switch 'push' .*nan at row 0"),
        ([["a", "b", "c"]], "switch 'mail' .* at row 0"),
        (
            np.array([[1, 0, 0], [1, 0]], object),
            r"vector of 3 switches per row; got \[1, 0\] at row 1",
        ),
        (np.array([[1, 0, 0], None], object), "vector of 3 switches per row; got None at row 1"),
        ([1, 0, 0], r"shape \(3,\)"),
        ([[1, 0]], r"shape \(1, 2\)"),
    ],
)
def test_a_vector_outside_is_named_with_switch_and_row(values, message):
    with pytest.raises(SpaceError, match=message):
        Bits(["mail", "push", "call"]).check(values)


@pytest.mark.parametrize("dtype", [np.bool_, np.int8, np.float32, object])
def test_vectors_of_any_dtype(dtype):
    found = Bits(2).check(np.array([[0, 1], [1, 1]], dtype=dtype))
    assert found.dtype == np.int64
    assert found.tolist() == [[0, 1], [1, 1]]


def test_a_column_of_vectors_is_read():
    column = np.empty(2, object)
    column[:] = [np.array([0, 1]), np.array([1, 1])]
    assert Bits(2).check(column).tolist() == [[0, 1], [1, 1]]
    assert Bits(2).check(column[:0]).shape == (0, 2)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((0,), "switches must"),
        (("mail",), "switches must"),
        (([],), "switches must"),
        ((["a", "a"],), "switches must"),
        ((["a+b"],), "a switch's name"),
        ((["none"],), "a switch's name"),
        ((["all but a"],), "a switch's name"),
        ((3, "everything"), "candidates must"),
        ((3, 0), "number of candidates must"),
        ((3, [[0, 0, 0]]), "candidates must be 1 to 4,095 vectors that are not control; got 0"),
        ((3, [[0, 0, 3]]), "row 0"),
        ((100, "pairs"), "candidates='pairs' must be at most 4,095; got 5,050 of 100 switches"),
        ((3, "all", 4), "crosses must"),
        ((3, "all", 0), "crosses must"),
        ((3, 4, 1, -1), "seed must"),
    ],
)
def test_settings_that_are_no_bits(given, message):
    with pytest.raises(SpaceError, match=message):
        Bits(*given)


def test_bits_have_no_amount():
    with pytest.raises(UnsupportedSpace, match="interval of amounts"):
        Bits(2).dose([[0, 1]])


def test_a_log_holds_vectors():
    t = np.array([[0, 0], [1, 0], [0, 1], [1, 1]] * 3)
    table = pa.table(
        {"shown": pa.array(t.tolist()), "age": np.arange(12.0), "spend": np.arange(12.0) % 5}
    )
    log = read_log(
        table,
        treatment="shown",
        outcomes="spend",
        space=Bits(["film", "game"], "all"),
        design="shares",
    )
    assert log.cells.tolist() == [0, 1, 2, 3] * 3
    assert log.cell_names == ("none", "film", "game", "film+game")
    duplicates = next(check for check in check_log(log) if "duplicate" in check["name"])
    assert duplicates["status"] == "ok"


def test_more_switches_than_any_memory_holds_are_refused():
    with pytest.raises(SpaceError, match="switches must be at most 4,095; got 4294967296"):
        Bits(2**32)
