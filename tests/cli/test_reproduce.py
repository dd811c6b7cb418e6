import pytest
from typer.testing import CliRunner

pytest.importorskip("torch")

from equipoise.cli.app import app  # noqa: E402
from equipoise.core.errors import InputError  # noqa: E402
from equipoise.data.public.published import Facts  # noqa: E402
from equipoise.data.ratings import movielens  # noqa: E402


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A ratings.dat of 300 rows, which the loader takes for the published one."""
    monkeypatch.setattr(movielens, "FACTS", Facts(rows=300))
    lines = [f"{1 + k % 20}::{1 + (7 * k) % 23}::{1 + k % 5}::0" for k in range(300)]
    path = tmp_path / "ratings.dat"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_prints_the_tables_and_writes_them(file, tmp_path):
    words = [
        "reproduce",
        "strata",
        "--path",
        str(file),
        "--seeds",
        "1",
        "-m",
        "Naive",
        "--epochs",
        "2",
        "-o",
        str(tmp_path / "out"),
    ]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert "| Naive |" in result.stdout
    assert sorted(path.name for path in (tmp_path / "out").glob("results.*")) == [
        "results.json",
        "results.md",
    ]


def test_unknown_tables_are_told():
    result = CliRunner().invoke(app, ["reproduce", "stratas"])
    assert isinstance(result.exception, InputError)
    assert "did you mean 'strata'?" in str(result.exception)
