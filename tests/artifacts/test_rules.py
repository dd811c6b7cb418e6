"""A file of units by the rule that people signed: row by row what the rule itself says, read as the
log was read.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv
import pyarrow.parquet as pq
import pytest
from fixtures.units import FEATURES, unit_table

from equipoise.allocation import PolicyTree, Scorecard
from equipoise.artifacts.batch import score_file_by_rules
from equipoise.artifacts.rules import read_rule_scorer, read_rules
from equipoise.core.eligibility import Eligibility
from equipoise.core.errors import DataError, InputError
from equipoise.core.limits import Limit

KINDS = {"tree": PolicyTree(depth=2, prudence=0.0), "scorecard": Scorecard(features=3)}


@pytest.fixture(scope="module", params=KINDS)
def run(request, shipped, tmp_path_factory):
    """A run's folder with a rule beside its policy, and the rule."""
    folder = tmp_path_factory.mktemp(request.param)
    shutil.copytree(shipped.folder, folder / "policy")
    table = shipped.table
    known = np.asarray(pc.less(table["code"], "00010"))
    gain = np.where(known, 1.0, -1.0) + 0.5 * np.sign(table["age"].to_numpy())
    cells = (shipped.scorer.policy.control, *shipped.scorer.policy.candidates)
    rule = KINDS[request.param].fit(table.select(FEATURES), gain[:, None], candidates=cells)
    plain = {"rule": rule.to_json(), "text": rule.text().splitlines()}
    (folder / "rules.json").write_text(json.dumps(plain))
    return folder, rule


def scored(run, tmp_path, table, suffix=".parquet", **how):
    units, out = tmp_path / f"units{suffix}", tmp_path / "scored.parquet"
    (pq.write_table if suffix == ".parquet" else pcsv.write_csv)(table, units)
    said = score_file_by_rules(run[0], units, out, **how)
    return pq.read_table(out), said


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_file_gets_what_the_rule_says_row_by_row(run, tmp_path, suffix):
    rule, table = run[1], unit_table(900, seed=1)
    table = table.append_column("number", pa.array(range(900)))
    got, said = scored(run, tmp_path, table, suffix)
    assert got["user"].to_pylist() == table["user"].to_pylist()
    assert got["chosen"].to_pylist() == rule.predict(table)
    assert read_rules(run[0]).predict(table) == rule.predict(table)
    assert said["cells"] == {name: rule.predict(table).count(name) for name in said["cells"]}
    assert 0 < said["cells"]["1"] < 900
    assert set(got["sentence"].to_pylist()) <= set(rule.text().splitlines())
    pairs = zip(got["chosen"].to_pylist(), got["sentence"].to_pylist(), strict=True)
    assert all(line.startswith(f"Offer {name} to") for name, line in pairs)


def test_places_are_leaves_or_points(run):
    rule, table = run[1], unit_table(300, seed=2)
    told = rule.explain(table)
    place = np.asarray(told[rule.PLACE])
    if isinstance(rule, Scorecard):
        assert (place == rule.score(table)).all()
        assert told.column_names == ["chosen", "points", "sentence"]
        return
    for leaf, (path, candidate) in enumerate(rule.root_.leaves(), start=1):
        inside = np.ones(300, bool)
        for question, yes in path:
            inside &= question.answers(table) == yes
        assert ((place == leaf) == inside).all()
        assert set(np.array(rule.predict(table))[inside]) <= {rule.candidates_[candidate + 1]}


def test_only_the_columns_of_the_rule_are_asked_for(run, tmp_path):
    rule, table = run[1], unit_table(50)
    assert len(rule.columns) < len(FEATURES)
    got, said = scored(run, tmp_path, table.select(["user", *rule.columns]))
    assert set(said["missing"]) == set(rule.columns)
    assert got["chosen"].to_pylist() == rule.predict(table)
    name = rule.columns[0]
    with pytest.raises(InputError, match=f"feature '{name}' must be among the units' columns"):
        scored(run, tmp_path, table.drop_columns([name]))
    strange = pa.array([f"new{i}" for i in range(50)]) if name == "code" else pa.array(["x"] * 50)
    other = table.set_column(table.column_names.index(name), name, strange)
    if name == "code":
        assert scored(run, tmp_path, other)[1]["unseen"]["code"] == 50
    numbered, _ = scored(run, tmp_path, table.drop_columns(["user"]), number_rows=True)
    assert numbered["row"].to_pylist() == list(range(50))
    with pytest.raises(InputError, match="outside the policy's snapshot"):
        score_file_by_rules(run[0], tmp_path / "units.parquet", run[0] / "scored.parquet")


def test_what_is_closed_is_not_given(run):
    rule, table = run[1], unit_table(300)
    scorer = read_rule_scorer(run[0])
    units = replace(scorer.units, groups=("shop",), eligible=("open",))
    table = table.append_column("open", pa.array(np.arange(300) % 2 == 0))
    limited = replace(
        scorer,
        units=units,
        limits=(Limit("shop", "001", ("1",)),),
        eligibility=Eligibility(cells=(("1", "open"),), listed=None),
    )
    told = limited.assign(table)
    before, after = np.array(rule.predict(table)), np.array(told["chosen"].to_pylist())
    shut = (np.array(table["shop"].to_pylist()) == "001") | (np.arange(300) % 2 == 1)
    assert (after == np.where(shut, "0", before)).all()
    words = np.array(told["sentence"].to_pylist())
    assert set(words[shut & (before == "1")]) == {"1 is closed to this unit, which gets 0."}
    assert all(word.startswith("Offer") for word in words[~shut | (before == "0")])


def test_other_files_end_in_words(run, tmp_path):
    with pytest.raises(DataError, match=r"must have rules.json; got no such file.*policy.rules"):
        read_rules(tmp_path)
    plain = json.loads((run[0] / "rules.json").read_text())
    shutil.copytree(run[0] / "policy", tmp_path / "policy")
    broken = [
        [],
        {"rule": {**plain["rule"], "kind": "forest"}},
        {"rule": {"kind": plain["rule"]["kind"]}},
        {"rule": {**plain["rule"], "candidates": ["0", "other"]}},
    ]
    for content in (*broken, "{"):
        text = content if isinstance(content, str) else json.dumps(content)
        (tmp_path / "rules.json").write_text(text)
        with pytest.raises(DataError):
            read_rule_scorer(tmp_path)
