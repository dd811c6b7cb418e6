"""``equipoise design``: what it prints, and what it refuses."""

from __future__ import annotations

import json

import pytest
from fixtures.example_findings import bare_findings


def test_the_verb(ran, equipoise):
    said = equipoise("design", ran.out, "--daily", "500", "--looks", "3")
    assert said.code == 0
    assert "Draw everybody at random: none" in said.out
    assert "Looks: stop at the first claim" in said.out
    plan = json.loads(equipoise("design", ran.out, "--metric", "visits", "--json").out)
    assert plan["metric"] == "visits"
    assert sum(plan["share"].values()) == pytest.approx(1)
    numbers = equipoise("design", "--rate", "0.01", "--effect", "0.002", "--arms", "3")
    assert numbers.code == 0
    assert "214,210" in numbers.out


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("--rate", "0.1"), "design must know the effect to tell"),
        (("--effect", "0.1"), "the outcome must have a rate or a standard deviation"),
        (("--effect", "much", "--rate", "0.1"), "--effect must be a number"),
        (("--effect", "0.1", "--rate", "0.1", "--arms", "0"), "--arms must be 1 or more"),
        (("RUN", "--metric", "visit"), "the metric must be one of the run"),
        (("RUN", "--effect", "pols=1"), "an arm to tell must be one of the run"),
        (("RUN", "--rate", "0.1"), "--rate and --std-dev must stand without a run"),
        (("RUN", "--daily", "0"), "people a day must be > 0"),
        (("RUN", "--control-share", "half"), "--control-share must be a number"),
        (("RUN", "--looks", "100"), "looks must be a whole number from 1 to 60"),
        (("nowhere",), "a run folder must have a readable metrics.json"),
    ],
)
def test_bad_input_ends_in_words(ran, equipoise, asked, said):
    result = equipoise("design", *(ran.out if word == "RUN" else word for word in asked))
    assert result.code == 2
    assert said in result.err


def test_a_run_without_arms_says_what_to_give(tmp_path, equipoise):
    (tmp_path / "metrics.json").write_text(json.dumps(bare_findings()))
    result = equipoise("design", tmp_path)
    assert result.code == 2
    assert "run with average effects" in result.err
