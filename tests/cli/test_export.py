"""``equipoise export``."""

import json

import pytest

from equipoise.allocation import PolicyTree


def test_export_writes_what_the_system_reads_and_says_the_rule(equipoise, tmp_path):
    tree = PolicyTree(depth=1).fit({"age": [20, 50] * 50}, [[1.0], [-1.0]] * 50)
    (tmp_path / "rules.json").write_text(json.dumps({"rule": tree.to_json()}))
    out = tmp_path / "features.json"
    done = equipoise("export", tmp_path, "--to", "growthbook", "--explore", "0.2", "-o", out)
    assert done.code == 0
    assert done.out.splitlines()[0] == "Offer candidate 1 to those whose age < 50."
    rules = json.loads(out.read_text())["features"]["policy"]["rules"]
    assert rules[0]["weights"] == [0.1, 0.9]
    refused = equipoise("export", tmp_path, "--explore", "2", "-o", out)
    assert refused.code == 2
    assert "explore must be a share in [0, 1)" in refused.line


def test_a_policy_becomes_a_model_of_mlflow(equipoise, shipped, tmp_path):
    pytest.importorskip("mlflow")
    done = equipoise("export", shipped.folder, "--to", "mlflow", "-o", tmp_path / "model")
    assert done.code == 0
    assert done.out.strip() == str(tmp_path / "model")
    assert (tmp_path / "model" / "MLmodel").is_file()
    refused = equipoise("export", tmp_path, "--to", "mlflow", "-o", tmp_path / "other")
    assert refused.code == 2
    assert "a run must have a policy/" in refused.line
