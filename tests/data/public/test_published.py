import pyarrow as pa
import pytest

from equipoise.core.errors import DataError
from equipoise.data import CARDS, DATASETS
from equipoise.data.public.published import Card, Facts

CARD = Card("toy", "Toy", 4, "t", ("y",), "none", "nobody", "https://example.org")
TABLE = pa.table({"t": ["a", "b", "b", None], "y": [1.0, 2.0, 3.5, None], "x": [1, 2, 3, 4]})
FACTS = Facts(
    4,
    ("x",),
    counts={"t": {"a": 1, "b": 2, "missing": 1}},
    sums={"y": (6.5, 0)},
    means={"x": (2.5, 0.01)},
)


def test_the_right_file_passes():
    FACTS.check(TABLE, CARD, "toy.csv")
    Facts((3, 5)).check(TABLE, CARD, "toy.csv")


WRONG = {
    "a row less": (TABLE.slice(1), "have 4 rows; got 3 at toy.csv"),
    "a column less": (TABLE.drop_columns(["x"]), "have the columns x, t, y; got no column 'x'"),
    "another arm": (
        TABLE.set_column(0, "t", [["a", "a", "b", None]]),
        "in 't' the rows a: 1, b: 2, missing: 1; got a: 2, b: 1",
    ),
    "another sum": (
        TABLE.set_column(1, "y", [[1.0, 2.0, 3.6, None]]),
        "sum of 'y' of 6.5; got 6.6",
    ),
    "another mean": (TABLE.set_column(2, "x", [[1, 2, 3, 5]]), "mean of 'x' of 2.5; got 2.75"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_told_what_was_expected(case):
    table, words = WRONG[case]
    with pytest.raises(DataError) as error:
        FACTS.check(table, CARD, "toy.csv")
    assert words in str(error.value)
    assert "https://example.org" in str(error.value)


@pytest.mark.parametrize("name", list(DATASETS))
def test_every_dataset_has_a_card_of_its_name(name):
    card = CARDS.load(name)
    assert card.name == name
    assert card.rows > 0
    assert all((card.title, card.terms, card.citation, card.address, card.treatment, card.outcomes))


@pytest.mark.parametrize("name", list(DATASETS))
def test_every_loader_refuses_a_wrong_file(name, tmp_path):
    for file in ("wrong.csv", "uplift_train.csv", "clients.csv"):
        (tmp_path / file).write_text("client_id,b\n1,2\n")
    path = tmp_path if name == "x5" else tmp_path / "wrong.csv"
    with pytest.raises(DataError, match="have the columns .*get the published file: https://"):
        DATASETS.load(name)(path=path)


@pytest.mark.parametrize("name", list(DATASETS))
def test_every_loader_says_where_it_looked(name, tmp_path):
    if name == "thornton":
        pytest.skip("comes with a package")
    with pytest.raises(DataError, match=f"the file of {name} must be in a data folder"):
        DATASETS.load(name)(data_home=tmp_path, download_if_missing=False)
