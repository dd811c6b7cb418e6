import pytest

pytest.importorskip("torch")

from equipoise.reproduce.tables import as_markdown, summary  # noqa: E402


def result(method, seed, coupon, cash=10.0):
    """A row of one seed."""
    schemes = {
        name: {"positive": 1, "negative": 2, "neutral": 3, "reward": value}
        for name, value in (("coupon", coupon), ("cash", cash))
    }
    return {
        "method": method,
        "seed": seed,
        "schemes": schemes,
        "models": {"m": {"epochs": 7, "seconds": 1.0, "converged": True}},
    }


def test_means_ranges_and_the_largest_difference_without_the_unmatched_row():
    rows = [
        result("OR", 1, 59_000.0, 34_000.0),
        result("OR", 2, 59_600.0, 34_000.0),
        result("CF-MTL-v1", 1, 1.0),
        result("own", 1, 5.0),
    ]
    table = summary("movielens_1m", {}, rows)
    ours = table["rows"][0]
    assert (ours["reward"], ours["least"], ours["most"], ours["seeds"]) == (
        59_300.0,
        59_000.0,
        59_600.0,
        [1, 2],
    )
    assert ours["relative"] == pytest.approx(59_300 / 59_011 - 1)
    assert table["max_rel_diff"] == pytest.approx(1 - 34_000 / 34_333)


def test_a_row_that_was_not_published_has_no_difference():
    table = summary("movielens_1m", {}, [result("own", 1, 5.0)])
    assert table["max_rel_diff"] is None
    assert "| own | 1 / 2 / 3 | 5 [5, 5] |  |  | 1 | 1 |" in as_markdown(table)


def test_ablations_stand_in_a_table_of_their_own():
    table = summary(
        "movielens_1m", {}, [result("OR", 1, 5.0), result("CF-MTL-v1 w/o both", 1, 44_000.0)]
    )
    text = as_markdown(table)
    assert (
        text.index("losses left out")
        < text.index("CF-MTL-v1 w/o both")
        < text.index("movielens_1m, cash")
    )


def test_the_variant_is_compared_on_the_data_it_was_printed_for():
    rows = [result("OR", 1, 59_000.0), result("CF-MTL-v1", 1, 78_000.0, 70_547.0)]
    assert summary("movielens_1m", {"recipe": "swapped-losses"}, rows)[
        "max_rel_diff"
    ] == pytest.approx(78_000 / 77_640 - 1)
    assert summary("movielens_1m", {"recipe": "published"}, rows[1:])["max_rel_diff"] is None
