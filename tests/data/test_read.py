import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from equipoise.core.errors import DataError, LogError, SpaceError
from equipoise.core.log import Outcome
from equipoise.data import read_log
from equipoise.data.read import infer_kind
from equipoise.treatments import Arms, Dose

COLUMNS = {
    "treated": [0, 1, 0, 1],
    "spend": [0.0, 2.5, 1.25, 0.0],
    "visits": [0, 3, 1, 0],
    "bought": [False, True, True, False],
    "change": [-1.0, 0.0, 2.0, 1.0],
    "age": [31, 44, 50, 18],
    "zip": ["a", "b", "a", "a"],
}
METRICS = ["spend", "visits", "bought", "change"]


def test_four_rows_by_hand(frame):
    log = read_log(frame(COLUMNS), treatment="treated", outcomes=METRICS)
    assert [outcome.kind for outcome in log.roles.outcomes] == [
        "amount",
        "count",
        "binary",
        "continuous",
    ]
    assert log.roles.features == ("age", "zip")
    assert log.space == Arms((0, 1))
    assert log.y[1].tolist() == [2.5, 3, 1, 0]


@pytest.mark.parametrize("name", ["log.parquet", "log.csv"])
def test_a_file_is_the_frame(tmp_path, frame, name):
    if name == "log.csv":
        rows = zip(*COLUMNS.values(), strict=True)
        (tmp_path / name).write_text(
            "\n".join([",".join(COLUMNS), *(",".join(map(str, row)) for row in rows)]) + "\n"
        )
    else:
        pq.write_table(pa.table(COLUMNS), tmp_path / name)
    one = read_log(tmp_path / name, treatment="treated", outcomes=METRICS, design=(0.5, 0.5))
    other = read_log(frame(COLUMNS), treatment="treated", outcomes=METRICS, design=[0.5, 0.5])
    assert one.roles == other.roles
    np.testing.assert_array_equal(one.y, other.y)
    assert one.features.to_pydict() == other.features.to_pydict()


def test_outcomes_by_every_road(frame):
    def kinds(outcomes):
        return read_log(frame(COLUMNS), treatment="treated", outcomes=outcomes).roles.outcomes

    assert kinds("visits") == (Outcome("visits", "count"),)
    assert kinds(Outcome("visits", "amount")) == (Outcome("visits", "amount"),)
    assert kinds(["spend", Outcome("visits", better="lower")]) == (
        Outcome("spend", "amount"),
        Outcome("visits", better="lower"),
    )
    assert kinds({"visits": "amount", "spend": None}) == (
        Outcome("visits", "amount"),
        Outcome("spend", "amount"),
    )
    assert kinds({"visits": {"better": "lower", "unit": "a week"}}) == (
        Outcome("visits", "count", "lower", "a week"),
    )


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([0, 1, 1], "binary"),
        ([True, False], "binary"),
        ([0.0, 1.0, None], "binary"),
        ([0, 1, 2], "count"),
        ([0.0, 0.5], "amount"),
        ([-1, 1], "continuous"),
        ([None], "continuous"),
    ],
)
def test_kinds(values, kind):
    assert infer_kind(pa.chunked_array([pa.array(values)])) == kind


def test_other_roles_are_no_features(frame):
    columns = COLUMNS | {
        "cost": [0.0, 1, 0, 1],
        "took": [0, 1, 0, 1],
        "p": [0.5] * 4,
        "q": [0.5] * 4,
        "u": [1, 2, 3, 4],
    }
    log = read_log(
        frame(columns),
        treatment="treated",
        outcomes="spend",
        cost="cost",
        claimed="took",
        propensity=["q", "p"],
        id="u",
        protected="zip",
    )
    assert log.roles.features == ("change", "age")
    assert log.roles.protected == ("zip",)
    assert log.propensity.tolist() == [[0.5, 0.5]] * 4


def test_only_named_columns_are_read(tmp_path):
    pq.write_table(pa.table(COLUMNS), tmp_path / "log.parquet")
    log = read_log(
        tmp_path / "log.parquet", treatment="treated", outcomes="spend", features=["age"]
    )
    assert log.table.column_names == ["treated", "spend", "age"]


def test_booleans_are_two_arms(frame):
    columns = COLUMNS | {"treated": [False, True, False, True]}
    assert read_log(frame(columns), treatment="treated", outcomes="spend").cells.tolist() == [
        0,
        1,
        0,
        1,
    ]


def test_text_arms_are_said(frame):
    columns = COLUMNS | {"treated": ["mail", "none", "mail", "none"]}
    with pytest.raises(LogError, match=r"space=Arms\(\['mail', 'none'\], control='none'\)"):
        read_log(frame(columns), treatment="treated", outcomes="spend")
    log = read_log(
        frame(columns), treatment="treated", outcomes="spend", space=Arms(["none", "mail"])
    )
    assert log.cells.tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize(
    ("treated", "fix"),
    [
        ([0, 1, 2, 1], r"space=Arms\(\[0, 1, 2\], control=0\)"),
        ([0.0, 0.5, 2.0, 1.0], r"space=Dose\(0, 2, levels="),
    ],
)
def test_numbers_that_are_not_0_and_1_are_said(frame, treated, fix):
    with pytest.raises(LogError, match=fix):
        read_log(frame(COLUMNS | {"treated": treated}), treatment="treated", outcomes="spend")


def test_many_labels_are_not_all_listed():
    columns = {"t": [f"arm{i}" for i in range(40)], "y": list(range(40))}
    with pytest.raises(LogError, match=r"\(40 labels\)"):
        read_log(columns, treatment="t", outcomes="y")


def test_a_dose(frame):
    log = read_log(
        frame(COLUMNS | {"treated": [0.0, 1.0, 0.0, 0.9]}),
        treatment="treated",
        outcomes="spend",
        space=Dose(0, 1, [1]),
    )
    assert log.cells.tolist() == [0, 1, 0, 1]


BAD = {
    "unknown treatment": ({"treatment": "treatd"}, "did you mean 'treated'"),
    "unknown outcome": ({"outcomes": "spent"}, "did you mean 'spend'"),
    "unknown feature": ({"features": ["aged"]}, "did you mean 'age'"),
    "unknown cost": ({"cost": "price"}, "'price' must be in the log"),
    "outcome twice": ({"outcomes": ["spend", "spend"]}, "named once"),
    "text outcome": ({"outcomes": "zip"}, "be numbers; got 'a' at row 0"),
    "unknown kind": ({"outcomes": {"spend": "money"}}, "be one of binary"),
    "unknown word about an outcome": (
        {"outcomes": {"spend": {"kinds": "amount"}}},
        "kind, better, unit and worth",
    ),
    "no outcome": ({"outcomes": []}, "at least one outcome"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arguments(frame, case):
    arguments, words = BAD[case]
    with pytest.raises(LogError) as error:
        read_log(frame(COLUMNS), **({"treatment": "treated", "outcomes": "spend"} | arguments))
    assert words in str(error.value)


def test_null_treatments_name_their_row(frame):
    with pytest.raises(LogError, match="'treated' must have no missing value; got null at row 2"):
        read_log(
            frame(COLUMNS | {"treated": [0, 1, None, 1]}), treatment="treated", outcomes="spend"
        )


def test_one_arm_only(frame):
    with pytest.raises(
        LogError,
        match=(
            "control '0' must have at least two rows; got 0; effects are measured against control"
        ),
    ):
        read_log(frame(COLUMNS | {"treated": [1, 1, 1, 1]}), treatment="treated", outcomes="spend")


def test_a_label_outside_the_space(frame):
    with pytest.raises(SpaceError, match="row 1"):
        read_log(
            frame(COLUMNS | {"treated": [0, 7, 0, 1]}),
            treatment="treated",
            outcomes="spend",
            space=Arms((0, 1)),
        )


def test_zero_rows(tmp_path):
    (tmp_path / "log.csv").write_text("treated,spend\n")
    with pytest.raises(LogError, match="a log must have rows; got 0 at .*log.csv"):
        read_log(tmp_path / "log.csv", treatment="treated", outcomes="spend")


def test_a_word_among_the_numbers_names_its_row(tmp_path):
    (tmp_path / "log.csv").write_text("treated,spend\n0,1\n1,2.5\n0,oops\n1,1e3\n")
    with pytest.raises(LogError, match="'spend' must be numbers; got 'oops' at row 2"):
        read_log(tmp_path / "log.csv", treatment="treated", outcomes="spend")


def test_files_keep_their_errors(tmp_path):
    (tmp_path / "log.csv").write_text("treated;spend\n0;1\n")
    with pytest.raises(DataError, match="semicolons"):
        read_log(tmp_path / "log.csv", treatment="treated", outcomes="spend")
    with pytest.raises(DataError, match="no such file"):
        read_log(tmp_path / "none.parquet", treatment="treated", outcomes="spend")


@pytest.mark.parametrize(
    "keys",
    [
        [f"{2**64 + i}" for i in range(1000)],
        [f"{i:08d}" for i in range(1000)],
        [f"{i}" if i % 2 else f"0{i - 1}" for i in range(1, 1001)],
    ],
    ids=["above 2^63", "leading zeros", "alike but for a zero"],
)
def test_keys_of_a_csv_stay_as_they_stand(tmp_path, keys):
    """Read as numbers, 1,000 clusters were one."""
    file = tmp_path / "log.csv"
    rows = [f"{key},{i % 2},{i % 7},{key}" for i, key in enumerate(keys)]
    file.write_text("\n".join(["shop,arm,y,code", *rows]) + "\n")
    log = read_log(file, treatment="arm", outcomes="y", features=[], group="shop")
    assert log.table["shop"].to_pylist() == keys
    assert len(np.unique(log.groups)) == 1000
    log = read_log(file, treatment="arm", outcomes="y", features=[], id="shop")
    assert log.table["shop"].to_pylist() == keys
    log = read_log(
        file, treatment="arm", outcomes="y", features=[], protected="code", text=["code"]
    )
    assert log.table["code"].to_pylist() == keys
    with pytest.raises(LogError, match="did you mean 'code'"):
        read_log(file, treatment="arm", outcomes="y", text=["cod"])


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([5, 5, 5], "treatment 't' must vary; got 5 in every row"),
        ([0.5, np.inf, 2.0], "treatment 't' must be finite; got inf at row 1"),
        (np.array([1, 2, 3], "datetime64[s]"), "treatment 't' must be labels, .* got times"),
    ],
)
def test_labels_that_no_space_could_have_are_refused(labels, message):
    rows = {"t": labels, "y": [0, 1, 1]}
    with pytest.raises(LogError, match=message.replace("times", "timestamp")):
        read_log(rows, treatment="t", outcomes="y")


def test_amounts_that_an_error_suggests_are_written_in_full():
    rows = {"t": [0.5, 1234567.5, 1234568.5], "y": [0, 1, 1]}
    with pytest.raises(LogError, match=r"space=Dose\(0.5, 1234568.5, levels"):
        read_log(rows, treatment="t", outcomes="y")
