"""Factors: labels and levels are one, control is zero, and levels share what they do."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from equipoise.core.errors import SpaceError
from equipoise.core.log import Log, Outcome, Roles
from equipoise.estimators import PooledDML
from equipoise.treatments import Arms, Factors

OFFERS = {"discount": [0, 5, 10], "text": ["short", "long"]}


def test_main_effects_by_hand():
    offers = Factors(OFFERS)
    assert offers.control == "0|short"
    assert offers.names(offers.candidates()) == (
        *("0|long", "5|short", "5|long", "10|short", "10|long"),
    )
    # discount 5, discount 10, text long
    assert offers.encode(["0|short", "10|long", "5|short"]).tolist() == [
        [0, 0, 0],
        [0, 1, 1],
        [1, 0, 0],
    ]


def test_products_are_of_the_levels_that_control_has_not():
    offers = Factors(OFFERS, [5, "long"], crosses=2)
    # discount 0, 10, text short, 0 and short, 10 and short
    assert offers.encode(["5|long", "10|short", "0|long"]).tolist() == [
        [0, 0, 0, 0, 0],
        [0, 1, 1, 0, 1],
        [1, 0, 0, 0, 0],
    ]
    assert offers.degrees().tolist() == [1, 1, 1, 2, 2]


def test_a_control_apart_has_a_column_for_all_others():
    offers = Factors(OFFERS, "none")
    assert len(offers.candidates()) == 6
    assert offers.encode(["none", "0|short", "10|long"]).tolist() == [
        [0, 0, 0, 0],
        [1, 0, 0, 0],
        [1, 0, 1, 1],
    ]


def test_columns_of_levels_are_labels():
    offers = Factors({"rate": [0, 0.5, 1.0], "text": ["short", "long"]}, "none")
    rows = [[0.5, "long"], [1, "short"], ["none", "none"], [0.0, "short"]]
    labels = ["0.5|long", "1|short", "none", "0|short"]
    assert offers.check(rows).tolist() == labels
    assert offers.check(np.array(rows, object)).tolist() == labels
    numbers = Factors([("a", [0, 0.5]), ("b", [1, 2])])
    assert numbers.check(np.array([[0.5, 2.0], [0.0, 1.0]])).tolist() == ["0.5|2", "0|1"]


def test_a_log_of_columns_and_one_of_labels_are_the_same():
    rng = np.random.default_rng(0)
    discount, text = rng.choice([0, 5, 10], 300), rng.choice(["short", "long"], 300)
    labels = [f"{d}|{t}" for d, t in zip(discount, text, strict=True)]
    table = pa.table({"discount": discount, "text": text, "both": labels, "y": rng.random(300)})
    outcomes = (Outcome("y", "amount"),)
    columns = Log(table, Roles(("discount", "text"), outcomes, ()), Factors(OFFERS))
    column = Log(table, Roles("both", outcomes, ()), Factors(OFFERS))
    np.testing.assert_array_equal(columns.cells, column.cells)
    assert columns.cell_names == column.cell_names


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((["discount", "text"],), "names with levels"),
        (({"discount": [0, 5]},), "two or more names"),
        (({"discount": [0, 0], "text": ["a", "b"]},), "'discount'.*different texts or numbers"),
        (({"a": ["x|y", "x"], "b": ["z", "y|z"]},), "labels of combinations"),
        ((OFFERS, [7, "short"]), "control.*a level of each factor"),
        ((OFFERS, None, 3), "from 1 to the number of factors"),
        ((OFFERS, None, [["discount", "colour"]]), "two or more of the factors"),
        ((OFFERS, None, 1, ["0|short"]), "control not among them"),
        (({f"f{j}": list(range(9)) for j in range(4)},), "at most 4,095"),
    ],
)
def test_what_is_no_space_is_refused(arguments, text):
    with pytest.raises(SpaceError, match=text):
        Factors(*arguments)


def test_a_row_with_too_few_levels_is_refused():
    with pytest.raises(SpaceError, match="2 levels per row"):
        Factors(OFFERS).check(np.zeros((4, 3)))


def test_levels_share_what_they_do():
    """24 combinations of 30 rows: flat arms err several times as much, on average over seeds."""
    levels = {"a": [0, 1, 2, 3], "b": [0, 1, 2], "c": [0, 1]}
    labels = [f"{a}|{b}|{c}" for a in range(4) for b in range(3) for c in range(2)]
    errors = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        X, cell = rng.normal(size=(720, 2)), np.arange(720) % 24
        a, b, c = np.unravel_index(np.arange(24), (4, 3, 2))
        effect = 0.2 * a - 0.3 * (b == 1) + 0.2 * c
        y = X[:, 0] + effect[cell] + rng.normal(size=720)
        for space in (Factors(levels), Arms(labels)):
            model = PooledDML(space=space).fit(X, y, treatment=np.array(labels)[cell])
            errors.append(((model.effects(X).values[:, :, 0] - effect[1:]) ** 2).mean())
    # 10 seeds: .025 on average, beside .100; of these three .027 beside .312
    assert sum(errors[::2]) < 0.4 * sum(errors[1::2])
