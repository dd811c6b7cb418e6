"""The section of a run that learnt from a sample: which rows tell what."""

from __future__ import annotations

import json
from typing import Any

from fixtures.example_findings import arms_findings

from equipoise.report.page import sections
from equipoise.report.parts import Words
from equipoise.report.view import View

READ: Any = {
    "rows": 10_000_000,
    "sample": 2_000_000,
    "judged": 8_000_000,
    "drawn_by": "whole groups by 'user'",
    "partitions": 10,
    "blocks": 16_384,
    "binning": 0.0003,
}


def test_a_run_by_a_sample_says_what_was_read():
    plain: Any = json.loads(json.dumps(arms_findings()))
    assert "read" not in [section.id for section in sections(View(plain))]
    plain["read"] = READ
    every = sections(View(plain))
    assert [section.id for section in every][-2:] == ["read", "made"]
    section: Any = every[-2]
    assert "All 10,000,000 rows were read" in section.answer
    assert "2,000,000 of them (20%); the other 8,000,000 judge" in section.answer
    why, table, how = section.blocks
    assert "whole groups by 'user'" in why.text
    assert {row[1] for row in table.rows} == {"all rows", "rows outside the sample", "the sample"}
    assert "16,384 random groups" in how.text


def test_the_shipped_rule_is_the_policy_where_other_rows_judge():
    plain: Any = json.loads(json.dumps(arms_findings()))
    judged: Any = {**plain, "read": READ}
    if judged["policy"].get("shipped") is None:
        values = judged["rivals"][0]["values"]
        shipped = {"rows": 8_000_000, "treated": 0.3, "values": values, "spend": [0.1] * 3}
        judged["policy"] = {**judged["policy"], "shipped": shipped}
    text = " ".join(
        block.text
        for section in sections(View(judged))
        for block in section.blocks
        if isinstance(block, Words)
    )
    assert "outside the sample that it was learnt from" in text
    assert "the mean of the folds' rules" not in text


def test_rows_that_the_answer_is_not_for_are_told():
    plain: Any = json.loads(json.dumps(arms_findings()))
    plain["read"] = READ | {"judged": 7_000_000, "left": 1_000_000, "of_sample": ["balance"]}
    section: Any = sections(View(plain))[-2]
    assert "7,000,000 judge. 1,000,000 are not of the people" in section.answer
    assert "the other" not in section.answer
    rows = section.blocks[1].rows
    assert rows[0] == ["types, ranges, ids, sizes of arms, missing values", "all rows"]
    assert rows[-1] == ["balance", "the sample"]
