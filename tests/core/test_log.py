import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from equipoise.core.errors import LogError, SpaceError
from equipoise.core.frames import to_arrow
from equipoise.core.log import Log, Outcome, Roles, roles_to_json
from equipoise.treatments import Arms, Dose, Shares

COLUMNS = {
    "arm": ["none", "mail", "none", "mail"],
    "spend": [0.0, 2.5, 1.0, 0.0],
    "visit": [0, 1, 1, 0],
    "age": [31.0, None, 50.0, 18.0],
    "zip": ["a", "b", None, "a"],
    "user": ["u1", "u2", "u3", "u4"],
}
OUTCOMES = (Outcome("spend", "amount"), Outcome("visit", "binary"))
ARMS = Arms(["none", "mail"])


def log_of(columns=None, space=ARMS, **roles):
    every = {"treatment": "arm", "outcomes": OUTCOMES, "features": ("age", "zip")} | roles
    return Log(to_arrow(COLUMNS | (columns or {})), Roles(**every), space)


def test_four_rows_by_hand(frame):
    log = Log(to_arrow(frame(COLUMNS)), Roles("arm", OUTCOMES, ("age", "zip"), group="user"), ARMS)
    assert len(log) == 4
    assert log.cells.tolist() == [0, 1, 0, 1]
    assert log.cell_names == ("none", "mail")
    assert log.metrics == ("spend", "visit")
    assert log.y.tolist() == [[0, 0], [2.5, 1], [1, 1], [0, 0]]
    assert log.features.column_names == ["age", "zip"]
    np.testing.assert_array_equal(log.numbers("age"), [31, np.nan, 50, 18])
    codes, labels = log.codes("zip")
    assert [labels[c] for c in codes] == ["a", "b", "missing", "a"]
    assert log.groups.tolist() == [0, 1, 2, 3]
    assert log.propensity is None
    assert log.weight is None
    assert "2 features" in repr(log)


def test_columns_without_a_part_are_dropped():
    assert "user" not in log_of().table.column_names


def test_booleans_and_categories_are_as_good(frame):
    pair = frame({"arm": [True, False, True, False], "y": [True, False, False, False]})
    log = Log(to_arrow(pair), Roles("arm", (Outcome("y", "binary"),), ()), Arms())
    assert log.cells.tolist() == [1, 0, 1, 0]
    assert log.y[:, 0].tolist() == [1, 0, 0, 0]
    encoded = pa.table({**COLUMNS, "arm": pa.array(COLUMNS["arm"]).dictionary_encode()})
    assert Log(encoded, Roles("arm", OUTCOMES, ("age",)), ARMS).cells.tolist() == [0, 1, 0, 1]


def test_propensity_by_every_road():
    np.testing.assert_array_equal(log_of(design=(0.25, 0.75)).propensity, [[0.25, 0.75]] * 4)
    column = {"p": [0.5, 0.6, 0.7, 0.8], "q": [0.5, 0.4, 0.3, 0.2]}
    np.testing.assert_allclose(
        log_of(column, propensity=("p",)).propensity, np.c_[1 - np.array(column["p"]), column["p"]]
    )
    np.testing.assert_allclose(
        log_of(column, propensity=("q", "p")).propensity, np.c_[column["q"], column["p"]]
    )
    np.testing.assert_array_equal(log_of(design="shares").propensity, [[0.5, 0.5]] * 4)
    weighed = log_of({"w": [3.0, 1.0, 3.0, 1.0]}, design="shares", weight="w")
    np.testing.assert_array_equal(weighed.propensity, [[0.75, 0.25]] * 4)


def test_take_keeps_order_and_the_whole_experiments_shares():
    columns = {"arm": ["none", "mail", "mail", "none", "mail", "mail"], "y": [0.0, 1, 2, 3, 4, 5]}
    log = Log(pa.table(columns), Roles("arm", (Outcome("y"),), (), design="shares"), ARMS)
    part = log.take([4, 0])
    assert part.y[:, 0].tolist() == [4, 0]
    assert part.cells.tolist() == [1, 0]
    np.testing.assert_allclose(part.propensity, [[1 / 3, 2 / 3]] * 2)
    assert log.take(log.cells == 1).y[:, 0].tolist() == [1, 2, 4, 5]
    assert len(log.take([])) == 0


def test_dose_cells():
    log = Log(
        pa.table({"t": [0.0, 0.4, 1.0, 0.0, 0.5, 2.0, 1.9], "y": [1.0, 2, 3, 4, 5, 6, 7]}),
        Roles("t", (Outcome("y"),), ()),
        Dose(0, 2, levels=[0.5, 2]),
    )
    assert log.cells.tolist() == [0, 1, 1, 0, 1, 2, 2]


def test_a_column_may_be_outcome_and_claim():
    assert log_of(claimed="visit").roles.claimed == "visit"


def test_the_sign_of_a_metric_says_which_way_is_better():
    assert (Outcome("spend").sign, Outcome("skips", better="lower").sign) == (1.0, -1.0)


def test_roles_as_json_leave_defaults_out():
    plain = roles_to_json(Roles("arm", (Outcome("y", "amount"),), ("a",), design=(0.5, 0.5)))
    assert plain == {
        "treatment": "arm",
        "outcomes": [{"name": "y", "kind": "amount", "better": "higher", "unit": ""}],
        "features": ["a"],
        "design": [0.5, 0.5],
    }


BAD_ROLES = {
    "unknown column, the nearest is named": ({"features": ("agee",)}, "did you mean 'age'"),
    "no outcome": ({"outcomes": ()}, "at least one outcome"),
    "outcome twice": ({"outcomes": (OUTCOMES[0], OUTCOMES[0])}, "named once"),
    "feature twice": ({"features": ("age", "age")}, "named once"),
    "unknown kind": ({"outcomes": (Outcome("spend", "money"),)}, "be one of binary"),
    "better is neither": ({"outcomes": (Outcome("spend", better="up"),)}, "'higher' or 'lower'"),
    "feature is the outcome": ({"features": ("age", "spend")}, "feature 'spend'"),
    "feature is the treatment": ({"features": ("age", "arm")}, "feature 'arm'"),
    "feature is protected": ({"protected": ("zip",)}, "feature 'zip'"),
    "treatment is the outcome": ({"outcomes": (Outcome("arm"),)}, "treatment 'arm'"),
    "text as an outcome": ({"outcomes": (Outcome("user"),)}, "be numbers"),
    "lists as an outcome": ({"outcomes": (Outcome("nest"),)}, "one column of each number in it"),
    "design of the wrong length": ({"design": (0.2, 0.3, 0.5)}, "2 probabilities"),
    "design sums to 0.9": ({"design": (0.4, 0.5)}, "sum to 1"),
    "design with 0": ({"design": (0.0, 1.0)}, "2 probabilities"),
    "design with NaN": ({"design": (0.5, np.nan)}, "2 probabilities"),
    "design is a wrong word": ({"design": "share"}, '"shares"'),
    "constant outcome": ({"outcomes": (Outcome("one"),)}, "vary"),
    "two protected ids": ({"id": "same"}, "rows [0, 1]"),
    "null id": ({"features": ("age",), "id": "zip"}, "row 2"),
    "nested feature": ({"features": ("nest",)}, "numbers, text"),
    "too few propensity columns": ({"propensity": ("p", "q", "w")}, "one column per cell"),
    "design and propensity": ({"propensity": ("p",), "design": (0.5, 0.5)}, "keep one"),
}


@pytest.mark.parametrize("case", BAD_ROLES)
def test_bad_roles_are_refused(case):
    roles, words = BAD_ROLES[case]
    more = {"one": [1.0] * 4, "same": ["x", "x", "y", "z"], "nest": [[1]] * 4}
    more |= {"p": [0.5] * 4, "q": [0.25] * 4, "w": [0.25] * 4}
    with pytest.raises(LogError) as error:
        log_of(more, **roles)
    assert words in str(error.value)


INF, NAN = np.inf, np.nan
BAD_VALUES = {
    "null outcome": ("spend", [0.0, 1.0, None, 2.0], {}, 2),
    "NaN outcome": ("spend", [0.0, 1.0, NAN, 2.0], {}, 2),
    "infinite outcome": ("spend", [0.0, INF, 1.0, 2.0], {}, 1),
    "negative amount": ("spend", [0.0, 1.0, -1.0, 2.0], {}, 2),
    "binary with 2": ("visit", [0, 1, 1, 2], {}, 3),
    "half a count": ("spend", [0.0, 1.0, 0.5, 2.0], {"outcomes": (Outcome("spend", "count"),)}, 2),
    "infinite feature": ("age", [1.0, INF, 2.0, 3.0], {}, 1),
    "negative cost": ("cost", [0.0, 1.0, -1.0, 2.0], {"cost": "cost"}, 2),
    "NaN cost": ("cost", [0.0, NAN, 1.0, 2.0], {"cost": "cost"}, 1),
    "claimed is 2": ("claim", [0, 1, 2, 0], {"claimed": "claim"}, 2),
    "null claim": ("claim", [0, 1, None, 0], {"claimed": "claim"}, 2),
    "weight 0": ("w", [1.0, 0.0, 1.0, 1.0], {"weight": "w"}, 1),
    "propensity 0 of what it got": ("p", [0.5, 0.5, 0.5, 0.0], {"propensity": ("p",)}, 3),
    "propensity -0.1": ("p", [0.5, 0.5, -0.1, 0.5], {"propensity": ("p",)}, 2),
    "propensity 1": ("p", [0.5, 1.0, 0.5, 0.5], {"propensity": ("p",)}, 1),
    "null treatment": ("arm", ["none", "mail", None, "mail"], {}, 2),
}


@pytest.mark.parametrize("case", BAD_VALUES)
def test_bad_values_name_column_and_row(case, frame):
    name, values, roles, row = BAD_VALUES[case]
    every = {"treatment": "arm", "outcomes": OUTCOMES, "features": ("age",)} | roles
    with pytest.raises(LogError) as error:
        Log(to_arrow(frame(COLUMNS | {name: values})), Roles(**every), ARMS)
    assert repr(name) in str(error.value)
    assert f"row {row}" in str(error.value)


def test_propensities_that_do_not_sum_to_one():
    with pytest.raises(LogError, match="sum to 1; got 0.9 at row 1"):
        log_of({"p": [0.5, 0.5, 0.5, 0.5], "q": [0.5, 0.4, 0.5, 0.5]}, propensity=("p", "q"))


def test_a_treatment_outside_the_space_names_its_row():
    with pytest.raises(SpaceError, match="row 2"):
        log_of({"arm": ["none", "mail", "post", "mail"]})


@pytest.mark.parametrize("arms", [["mail"] * 4, ["none"] * 4, ["none", "none", "none", "mail"]])
def test_a_cell_needs_two_rows(arms):
    with pytest.raises(LogError, match="at least two rows"):
        log_of({"arm": arms})


def test_fewer_rows_than_two_of_each_arm():
    table = to_arrow(COLUMNS).slice(0, 3)
    with pytest.raises(LogError, match="have at least 4 rows; got 3; two rows of each: none, mail"):
        Log(table, Roles("arm", OUTCOMES, ("age",)), ARMS)


def test_no_rows():
    with pytest.raises(LogError, match="have rows"):
        Log(to_arrow(COLUMNS).slice(0, 0), Roles("arm", OUTCOMES, ("age",)), ARMS)


def test_a_column_that_is_there_twice():
    table = pa.table(
        [pa.array([0, 1]), pa.array([0, 1]), pa.array([0, 1])], names=["arm", "y", "y"]
    )
    with pytest.raises(LogError, match="occur once"):
        Log(table, Roles("arm", (Outcome("y"),), ()), Arms())


def test_times_and_dates_are_features():
    days = [dt.date(2024, 1, day) for day in (1, 2, 3, 4)]
    log = log_of({"day": days}, features=("day",), time="day")
    assert np.diff(log.numbers("day")).tolist() == [86_400e6] * 3


def test_numbers_refuse_text_that_reads_like_numbers():
    with pytest.raises(LogError, match="be numbers"):
        log_of({"digits": ["1", "2", "3", "4"]}, outcomes=(Outcome("digits"),))


def test_cells_of_one_name_are_refused():
    space = Shares(["a", "b"], candidates=[[0.5, 0.5], [0.2, 0.8]])
    rows = pa.table({"a": [0.5, 0.2] * 4, "b": [0.5, 0.8] * 4, "y": np.arange(8.0)})
    with pytest.raises(LogError, match="cells must have different names; got 'a 50% b 50%' twice"):
        Log(rows, Roles(("a", "b"), (Outcome("y"),), ()), space)
