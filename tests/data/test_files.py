import gzip

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.core.errors import DataError
from equipoise.data.files import column_names, read_batches, read_table

TABLE = {"a": [1, 3], "b": ["x", "y,z"]}
TEXTS = {
    "log.csv": b'a,b\n1,x\n3,"y,z"\n',
    "bom.csv": b'\xef\xbb\xbfa,b\n1,x\n3,"y,z"\n',
    "log.tsv": b"a\tb\n1\tx\n3\ty,z\n",
    "log.CSV": b'a,b\r\n1,x\r\n3,"y,z"\r\n',
    "log.csv.gz": gzip.compress(b'a,b\n1,x\n3,"y,z"\n'),
}


@pytest.fixture
def write(tmp_path):
    def put(name, data):
        (tmp_path / name).write_bytes(data)
        return tmp_path / name

    return put


@pytest.mark.parametrize("name", TEXTS)
def test_text_of_every_kind(write, name):
    file = write(name, TEXTS[name])
    assert read_table(file).to_pydict() == TABLE
    assert read_table(str(file), ["b"]).to_pydict() == {"b": TABLE["b"]}
    assert column_names(file) == ["a", "b"]


def test_parquet(tmp_path):
    pq.write_table(pa.table(TABLE), tmp_path / "log.parquet")
    assert read_table(tmp_path / "log.parquet").to_pydict() == TABLE
    assert read_table(tmp_path / "log.parquet", ["b"]).to_pydict() == {"b": TABLE["b"]}


def test_a_folder_named_like_a_partition_adds_no_column(tmp_path):
    (tmp_path / "year=2024").mkdir()
    pq.write_table(pa.table(TABLE), tmp_path / "year=2024" / "log.parquet")
    assert read_table(tmp_path / "year=2024" / "log.parquet").column_names == ["a", "b"]


def test_empty_cells_are_missing(write):
    assert read_table(write("log.csv", b"a,b\n1,\n,y\n")).to_pydict() == {
        "a": [1, None],
        "b": [None, "y"],
    }


@pytest.mark.parametrize("name", ["log.parquet", "log.csv"])
def test_batches_are_the_table_in_pieces(tmp_path, name):
    table = pa.table({"a": list(range(1000)), "b": [f"u{i}" for i in range(1000)]})
    if name == "log.csv":
        (tmp_path / name).write_text("a,b\n" + "".join(f"{i},u{i}\n" for i in range(1000)))
    else:
        pq.write_table(table, tmp_path / name)
    batches = list(read_batches(tmp_path / name, ["b", "a"], batch_size=300))
    assert [batch.num_rows for batch in batches] == [300, 300, 300, 100]
    assert pa.Table.from_batches(batches).select(["a", "b"]).to_pydict() == table.to_pydict()


BAD = {
    "UTF-16": ("log.csv", "a,b\n1,2\n".encode("utf-16"), "be UTF-8 text; got UTF-16"),
    "UTF-16 without a mark": (
        "log.csv",
        "a,b\n1,2\n".encode("utf-16-le"),
        "be UTF-8 text; got other bytes",
    ),
    "bytes of anything": ("log.csv", bytes(range(256)) * 9, "be UTF-8 text; got other bytes"),
    "control characters": ("log.csv", b"a,\x1b[2Jb\n1,2\n", "be UTF-8 text; got other bytes"),
    "a header in Latin-1": (
        "log.csv",
        "gr\xf6\xdfe,b\n1,2\n".encode("latin-1"),
        "be UTF-8 text; got other bytes",
    ),
    "a Parquet named so": (
        "log.tsv",
        b"PAR1\x15\x04\x15\x00\xffPAR1",
        "be UTF-8 text; got other bytes",
    ),
    "wrong delimiter": (
        "log.csv",
        b"a;b;c\n1;2;3\n",
        "got one column, 'a;b;c'.*separated by semicolons",
    ),
    "tabs in a csv": ("log.csv", b"a\tb\n1\t2\n", "separated by tabs"),
    "commas in a tsv": (
        "log.tsv",
        b"a,b\n1,2\n",
        "be separated by tabs; got one column.*seems to be separated by commas",
    ),
    "a row too long": (
        "log.csv",
        b"a,b\n1,2\n3,4,5\n6,7\n",
        "2 columns as its header has; got 3, '3,4,5' at .*row 3",
    ),
    "a row too short": ("log.csv", b"a,b\n1,2\n3\n6,7\n", "got 1, '3' at .*row 3"),
    "a broken row of other bytes": ("log.csv", b"a,b\n1,2\n3,\xe9\x99,5\n", "got 3, .*row 3"),
    "an open quote": ("log.csv", b'a,b\n1,"open\n2,3\n', "quote must close .*line 3"),
    "a quote closed a row later": ("log.csv", b'a,b\n1,"open\n2,"x"\n3,"y"\n', "close .*line 3"),
    "no bytes": ("log.csv", b"", "0 bytes"),
    "blank lines": ("log.csv", b"\n\n", "whole CSV"),
    "a column twice": ("log.csv", b"a,a\n1,2\n", "column 'a' must occur once"),
    "not UTF-8": ("log.csv", "a,b\n1,café\n".encode("latin-1"), "column 'b' must be UTF-8"),
    "a truncated gz": (
        "log.csv.gz",
        gzip.compress(bytes(range(256)) * 500)[:200],
        "Truncated|whole CSV",
    ),
    "no gz at all": ("log.csv.gz", b"a,b\n1,2\n", "whole CSV|header check"),
    "no Parquet at all": ("log.parquet", b"a,b\n1,2\n", "whole Parquet"),
    "an unknown suffix": ("log.xlsx", b"PK", "end in .parquet"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_explained(write, case):
    name, data, words = BAD[case]
    file = write(name, data)
    with pytest.raises(DataError, match=words):
        read_table(file)


def test_no_quote_swallows_rows_of_batches_or_of_columns_that_nobody_reads(write):
    file = write("log.csv", b'a,b\n1,"open\n2,"x"\n3,"y"\n')
    for read in (lambda: list(read_batches(file)), lambda: read_table(file, ["a"])):
        with pytest.raises(DataError, match="a quote must close where its field ends.*line 3"):
            read()
    file = write("good.csv", b'a,b\n1,"two\nlines"\n\n2,5" wide\n')
    assert read_table(file).to_pydict() == {"a": [1, 2], "b": ["two\nlines", '5" wide']}


def test_pages_are_held_against_their_checksums(tmp_path, write):
    rows = pa.table({"a": np.arange(10_000) * 0.5})
    plain = {"compression": "none", "use_dictionary": False, "write_page_checksum": True}
    pq.write_table(rows, tmp_path / "whole.parquet", **plain)
    data = bytearray((tmp_path / "whole.parquet").read_bytes())
    data[40_000] ^= 1
    file = write("changed.parquet", bytes(data))
    for read in (read_table, lambda path: list(read_batches(path))):
        with pytest.raises(DataError, match="whole Parquet"):
            read(file)


@pytest.mark.parametrize("keep", [0.1, 0.5, 0.99])
def test_a_truncated_parquet(tmp_path, write, keep):
    pq.write_table(pa.table({"a": list(range(10_000))}), tmp_path / "whole.parquet")
    data = (tmp_path / "whole.parquet").read_bytes()
    file = write("cut.parquet", data[: int(len(data) * keep)])
    for reader in (read_table, column_names, lambda path: list(read_batches(path))):
        with pytest.raises(DataError, match="truncated"):
            reader(file)


def test_a_parquet_with_changed_bytes(tmp_path, write):
    pq.write_table(pa.table({"a": list(range(10_000))}), tmp_path / "whole.parquet")
    data = bytearray((tmp_path / "whole.parquet").read_bytes())
    data[100:3000] = bytes(2900)
    with pytest.raises(DataError, match="whole Parquet"):
        read_table(write("changed.parquet", bytes(data)))


def test_a_broken_line_deep_in_a_large_file(write):
    file = write("log.csv", b"a,b\n" + b"1,2\n" * 300_000 + b"1,2,3\n" + b"1,2\n" * 10)
    with pytest.raises(DataError, match="row 300002"):
        read_table(file)
    with pytest.raises(DataError, match="row 300002"):
        list(read_batches(file))


def test_what_is_not_there(tmp_path, write):
    write("hillstrom.csv", b"a,b\n1,2\n")
    with pytest.raises(DataError, match="no such file.*did you mean 'hillstrom.csv'"):
        read_table(tmp_path / "hilstrom.csv")
    with pytest.raises(DataError, match="a folder"):
        read_table(tmp_path)
    with pytest.raises(DataError, match="no such column.*did you mean 'b'"):
        read_table(tmp_path / "hillstrom.csv", ["bb"])
    with pytest.raises(DataError, match="check the path"):
        read_table(tmp_path / "nowhere" / "log.csv")


def test_parquet_batches_do_not_hold_what_was_read(tmp_path):
    path, rng = tmp_path / "log.parquet", np.random.default_rng(0)
    table = pa.table({f"x{j}": rng.random(200_000) for j in range(8)})
    pq.write_table(table, path, row_group_size=10_000)
    most, before = 0, pa.total_allocated_bytes()
    for batch in read_batches(path, batch_size=5_000):
        assert len(batch) == 5_000
        most = max(most, pa.total_allocated_bytes() - before)
    assert most < 0.35 * table.nbytes  # 0.18; 1.36 where pages are kept


TOKENS = ["", "NA", "N/A", "n/a", "null", "NULL", "nan", "NaN", "None", "missing", "#N/A", "-nan"]
PRINTED = st.characters(min_codepoint=32, exclude_categories=["Cs", "Zl", "Zp"])
FIELDS = st.lists(
    st.tuples(
        st.none() | st.sampled_from(TOKENS) | st.text(PRINTED, max_size=5),
        st.sampled_from([1.5, -2.0, "NA", "nan", "null", "N/A", ""]),
    ),
    min_size=1,
    max_size=8,
)


def written(value):
    if value is None:
        return ""
    quoted = '"' + value.replace('"', '""') + '"'
    return quoted if value == "" or set(value) & set(',"') else value


@settings(deadline=None, max_examples=25)
@given(FIELDS)
def test_a_log_as_csv_is_the_same_as_parquet(tmp_path_factory, fields):
    """In text only an empty field is missing; numbers take what programs write for none; whole or
    by batches, with types said or not, and however the CSV was written.
    """
    text = [*(value for value, _ in fields), "Oslo", None]
    numbers = [*(value for _, value in fields), 3.5, 4.5]
    want = pa.table({"t": text, "x": [x if isinstance(x, float) else None for x in numbers]})
    folder = tmp_path_factory.mktemp("fields")
    parquet, by_hand, by_arrow = (folder / name for name in ("a.parquet", "a.csv", "b.csv"))
    pq.write_table(want, parquet)
    lines = [f"{written(t)},{x}" for t, x in zip(text, numbers, strict=True)]
    by_hand.write_text("\n".join(["t,x", *lines]), encoding="utf-8", newline="")
    pcsv.write_csv(want, by_arrow)
    types = dict(zip(want.column_names, want.schema.types, strict=True))
    for file in (parquet, by_hand, by_arrow):
        for said in (None, types):
            assert read_table(file, types=said).equals(want)
            batches = read_batches(file, types=said, batch_size=3)
            assert pa.Table.from_batches(batches).combine_chunks().equals(want)


def test_text_in_any_block_of_a_csv_stands_as_it_is(tmp_path, monkeypatch):
    """A field that reads NA comes first in the third block."""
    monkeypatch.setattr("equipoise.data.text_files.CSV_BLOCK", 64)
    land = ["Oslo"] * 30 + ["NA"] + [None] + ["Rome"] * 30
    file = tmp_path / "log.csv"
    lines = [f"{name or ''},{'NA' if i % 7 == 0 else i}" for i, name in enumerate(land)]
    file.write_text("\n".join(["land,x", *lines]))
    types = {"land": pa.string(), "x": pa.float64()}
    table = pa.Table.from_batches(list(read_batches(file, types=types)))
    assert table["land"].to_pylist() == land
    assert table["x"].to_pylist() == [None if i % 7 == 0 else i for i in range(len(land))]


def test_a_column_of_na_alone_is_text_and_an_empty_one_has_no_type(tmp_path):
    file = tmp_path / "log.csv"
    file.write_text("land,empty\nNA,\nNA,\n")
    assert read_table(file).to_pydict() == {"land": ["NA", "NA"], "empty": [None, None]}
    assert read_table(file).schema.types == [pa.string(), pa.null()]
