"""No absolute path in what is shared of a plan, which stays a plan."""

from __future__ import annotations

import json
import tomllib

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from equipoise.pipeline.plan.shared_text import without_places

PART = st.text("abcÅ .-_", min_size=1, max_size=6).filter(lambda s: s.strip(" .") == s)


@given(
    st.lists(PART, min_size=2, max_size=4),
    st.sampled_from(["/", "~/", "~ann/", "C:\\", "\\\\host\\"]),
)
def test_a_path_is_its_last_name(parts, root):
    path = root + ("\\" if "\\" in root else "/").join(parts)
    text = tomli_w.dumps({"log": {"path": path, "treatment": "arm"}, "run": {"out": "a/b"}})
    assert tomllib.loads(without_places(text)) == {
        "log": {"path": parts[-1], "treatment": "arm"},
        "run": {"out": "a/b"},
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        'path = "data/log.parquet"',
        "# 1/2 of all, and/or more; https://example.org/a/b",
        'cost = "amount / head"',
    ],
)
def test_what_is_no_path_of_a_machine_stays(text):
    assert without_places(text) == text


def test_a_run_says_nothing_of_its_machine(ran, tmp_path):
    from equipoise.pipeline import run
    from equipoise.pipeline.plan.read import read_plan

    source = ran.world.folder
    plan = (source / "plan.toml").read_text().replace("log.parquet", str(source / "log.parquet"))
    (tmp_path / "plan.toml").write_text(f"# from {source}/notes.txt\n{plan}")
    command = f"equipoise run {tmp_path / 'plan.toml'}"
    run(read_plan(tmp_path / "plan.toml"), tmp_path / "run", command=command)
    written = b"".join(f.read_bytes() for f in (tmp_path / "run").rglob("*") if f.is_file())
    assert str(source).encode() not in written
    assert str(tmp_path).encode() not in written
    made = json.loads((tmp_path / "run" / "metrics.json").read_text())["made"]
    assert made["command"] == "equipoise run plan.toml"
