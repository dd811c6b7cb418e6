"""Every type of Arrow in every role of a log: served, or an error of ours that names the column."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from fixtures.arrow_types import NOT_SERVED, NUMBERS, TEXT, TIMES, TYPES, WILD, N, of

from equipoise.core.checks import check_log
from equipoise.core.errors import EquipoiseError
from equipoise.data import read_log
from equipoise.treatments import Arms, Dose, Shares

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
