import hashlib
import io
import zipfile
from email.message import Message
from urllib.error import URLError

import pytest

from equipoise.core.errors import DataError
from equipoise.data.public.fetch import Source, Wish, data_homes, download, find

DATA = b"a,b\n1,2\n" * 1000
GOOD = f"sha256:{hashlib.sha256(DATA).hexdigest()}"


class Answer(io.BytesIO):
    """What urlopen returns: a stream with headers."""

    def __init__(self, data, length=None):
        super().__init__(data)
        self.headers = Message()
        if length is not None:
            self.headers["Content-Length"] = str(length)


def server(data, length=None):
    return lambda request, timeout: Answer(data, length)


def source(checksum="", member=""):
    return Source("https://example.org/log.csv", "x/log.csv", checksum, member)


@pytest.mark.parametrize("checksum", ["", GOOD, f"md5:{hashlib.md5(DATA).hexdigest()}"])
def test_a_download_is_verified_and_told_of(tmp_path, checksum):
    steps = []
    target = tmp_path / "x" / "log.csv"
    got = download(
        source(checksum),
        target,
        progress=lambda size, total: steps.append((size, total)),
        opener=server(DATA, len(DATA)),
    )
    assert got == target
    assert target.read_bytes() == DATA
    assert steps[-1] == (len(DATA), len(DATA))


def test_one_file_of_a_zip(tmp_path):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("folder/log.csv", DATA)
        archive.writestr("folder/other.csv", b"")
    download(
        source(member="folder/log.csv"), tmp_path / "log.csv", opener=server(packed.getvalue())
    )
    assert (tmp_path / "log.csv").read_bytes() == DATA
    with pytest.raises(DataError, match="missing.csv"):
        download(
            source(member="missing.csv"), tmp_path / "other.csv", opener=server(packed.getvalue())
        )


def no_net(request, timeout):
    raise URLError("no route to host")


FAILURES = {
    "another file": (source(GOOD), server(DATA + b"x"), "have sha256:"),
    "half a file": (source(), server(DATA, len(DATA) + 5), "8,000 of 8,005 bytes"),
    "no network": (source(), no_net, "no route to host.*get it by hand"),
    "no zip": (source(member="log.csv"), server(DATA), "not a zip"),
}


@pytest.mark.parametrize("case", FAILURES)
def test_a_failed_download_leaves_nothing(tmp_path, case):
    which, opener, words = FAILURES[case]
    with pytest.raises(DataError, match=words):
        download(which, tmp_path / "log.csv", opener=opener)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_download_leaves_nothing(tmp_path):
    def stop(size, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(source(), tmp_path / "log.csv", opener=server(DATA), progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_a_path_comes_before_a_folder_and_the_better_file_before_the_other(tmp_path, monkeypatch):
    monkeypatch.setenv("EQUIPOISE_DATA", str(tmp_path))
    for name in ("mine.csv", "good.csv", "worse.csv"):
        (tmp_path / name).write_text("a\n1\n")
    places = ("none.csv", "good.csv", "worse.csv")
    assert find("x", places, None, Wish(path=tmp_path / "mine.csv")).name == "mine.csv"
    assert find("x", places, None, Wish()).name == "good.csv"
    assert find("x", places, None, Wish(data_home=tmp_path)).name == "good.csv"
    with pytest.raises(DataError, match="no such file"):
        find("x", places, None, Wish(path=tmp_path / "other.csv"))
    with pytest.raises(DataError, match="set EQUIPOISE_DATA"):
        find("x", places, source(), Wish(data_home=tmp_path / "empty", download_if_missing=False))


def test_data_folders(monkeypatch, tmp_path):
    monkeypatch.setenv("EQUIPOISE_DATA", str(tmp_path))
    assert data_homes() == [tmp_path]
    assert data_homes(tmp_path / "own") == [tmp_path / "own"]
    monkeypatch.delenv("EQUIPOISE_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert data_homes()[0] == tmp_path / "equipoise"
    code = tmp_path / "checkout" / "src" / "equipoise" / "data" / "public" / "fetch.py"
    (tmp_path / "shared" / "data").mkdir(parents=True)
    code.parent.mkdir(parents=True)
    (tmp_path / "checkout" / "pyproject.toml").touch()
    monkeypatch.setitem(data_homes.__globals__, "__file__", str(code))  # of a checkout
    assert data_homes()[1:] == [tmp_path / "shared" / "data"]


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="get it by hand"):
        download(source(), tmp_path / "file" / "log.csv", opener=server(DATA))
