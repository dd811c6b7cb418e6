"""The next experiment: sizes from a run's own noise, from numbers, and what the verb says."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest
from fixtures.example_findings import arms_findings

from equipoise.core.errors import InputError
from equipoise.operations import experiment_size
from equipoise.pipeline.next_experiment import (
    POLICY,
    design_of_numbers,
    design_of_run,
    noise_of,
    power_rows,
)


def findings_of_noise(noise, rows=(4000, 1000, 3000), effects=(0.5, 0.1)):
    """Findings whose average effects have the errors of so much noise."""
    findings: Any = copy.deepcopy(arms_findings())
    arms = findings["experiment"]["arms"]
    for arm, n in zip(arms, rows, strict=True):
        arm["rows"] = n
    findings["averages"] = []
    for arm, n, effect in zip(findings["candidates"], rows[1:], effects, strict=True):
        half = 1.959964 * noise * math.sqrt(1 / rows[0] + 1 / n)
        row = {"metric": "visit", "candidate": arm, "control": [1.0, 0.9, 1.1], "p_value": 0.5}
        findings["averages"].append({**row, "effect": [effect, effect - half, effect + half]})
    return findings


def test_the_noise_of_a_run_is_that_of_its_effects():
    findings = findings_of_noise(2.5)
    assert noise_of(findings, "visit") == pytest.approx(2.5, rel=1e-5)
    plan = design_of_run(findings, metric="visit", daily=100)
    right = experiment_size([0.5, 0.1], 2.5)
    assert [row["people"] for row in plan["arms"][:2]] == pytest.approx(right.rows, rel=1e-4)
    assert plan["arms"][0]["days"] == math.ceil(plan["arms"][0]["people"] / 100)
    one = design_of_run(findings, metric="visit", effects=0.3)
    assert {row["effect"] for row in one["arms"]} == {0.3}
    name = findings["candidates"][1]
    assert [row["arm"] for row in design_of_run(findings, effects={name: 0.2})["arms"]] == [name]


def test_the_policy_is_told_by_those_it_treats():
    findings = findings_of_noise(2.5)
    row = design_of_run(findings, metric="visit", daily=10)["arms"][-1]
    chosen = findings["rivals"][0]
    effect = chosen["values"]["visit"][0] / chosen["treated"]
    alone = experiment_size([effect], 2.5, base_share="equal").total
    assert row["arm"] == POLICY
    assert row["people"] == pytest.approx(alone / chosen["treated"], abs=1)
    assert row["days"] == pytest.approx(row["people"] / 10, abs=1 + 1 / chosen["treated"])
    assert row["days"] > 1.1 * alone / 10  # they come among all


def test_power_rows_say_what_the_log_tells():
    findings = findings_of_noise(2.5, effects=(0.5, 0.0))
    first, second = power_rows(findings)
    people = findings["experiment"]["rows"]
    # the least effect takes the people there are
    again = design_of_run(findings, effects={first["candidate"]: first["detectable"]})
    both = experiment_size([first["detectable"]] * 2, 2.5)
    assert both.total == pytest.approx(people, abs=2)
    assert again["people"] < people  # one arm alone takes fewer
    assert second["needed"] is None
    assert first["needed"] == pytest.approx(experiment_size([0.5, 0.5], 2.5).total, rel=1e-3)


def test_a_rate_has_its_own_noise_in_each_arm():
    plan = design_of_numbers([0.05], rate=0.1, base_share="equal")
    noise = np.sqrt([0.1 * 0.9, 0.15 * 0.85])
    assert plan["people"] == experiment_size([0.05], noise, base_share="equal").total
    for wrong in ({"rate": 0.99}, {"rate": 0.1, "std_dev": 1.0}, {}, {"std_dev": -1.0}):
        with pytest.raises(InputError):
            design_of_numbers([0.05], **wrong)
