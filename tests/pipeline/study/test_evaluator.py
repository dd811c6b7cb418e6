"""The judge: values by hand, right on average, and paired."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from equipoise.artifacts.costs import Costs
from equipoise.core.effects import Effects
from equipoise.data import make_coupon_world, read_log
from equipoise.evaluation import constant_policy, evaluation_data, policy_value
from equipoise.pipeline.study.evaluator import make_judge, one_hot

FREE = Costs((1.0,))


def judge_of(y, t, level=0.95):
    log = read_log(
        pa.table({"t": t, "y": y, "x": list(range(len(y)))}),
        treatment="t",
        outcomes={"y": "amount"},
    )
    zero = Effects(np.zeros((len(y), 1, 1)), np.zeros((len(y), 1)), ("1",), ("y",))
    return make_judge(log, zero, np.full((len(y), 2), 0.5), FREE, level)


def test_value_by_hand():
    judge = judge_of([1.0, 3.0, 2.0, 4.0], [0, 1, 0, 1])
    values, spend = judge.value(one_hot(np.array([0, 0, -1, -1]), 1))
    # scores: row 0 control 2, row 1 treated 6; units 0 and 1 are treated, so gains are 0 - 2 and 6
    # - 0
    assert values["y"][0] == (0 - 2 + 6 - 0) / 4
    assert spend[0] == 0.5


def test_nobody_gains_nothing_for_sure():
    values, spend = judge_of([1.0, 3.0, 2.0, 4.0], [0, 1, 0, 1]).value(constant_policy(0, 4, 2))
    assert values["y"] == [0, 0, 0]
    assert spend == [0, 0, 0]


def test_a_policy_against_itself_is_nothing_for_sure():
    judge = judge_of([1.0, 3.0, 2.0, 4.0], [0, 1, 0, 1])
    policy = one_hot(np.array([0, -1, -1, 0]), 1)
    assert judge.difference(policy, policy)["y"] == [0, 0, 0]


def test_agrees_with_the_policy_value_of_evaluation():
    log, truth = make_coupon_world(2000, seed=5)
    effects = truth.effects()
    judge = make_judge(log, effects, truth.propensity, Costs((2.0, 4.0)), 0.9)
    choice = np.argmax(np.column_stack([np.zeros(len(log)), effects.values[:, :, 2]]), axis=1) - 1
    rows = evaluation_data(
        log.y, cell=log.cells, propensity=truth.propensity, levels=effects.levels()
    )
    gain = policy_value(choice, rows, level=0.9).minus(
        policy_value(np.full(len(log), -1), rows, level=0.9)
    )
    values, _ = judge.value(one_hot(choice, 2))
    for j, name in enumerate(log.metrics):
        assert np.allclose(values[name], gain[j].interval)


def test_finds_the_true_value_on_a_simulator():
    log, truth = make_coupon_world(20_000, seed=2)
    blind = Effects(
        np.zeros_like(truth.effects().values),
        np.zeros((len(log), 3)),
        log.cell_names[1:],
        log.metrics,
    )
    judge = make_judge(log, blind, truth.propensity, Costs((2.0, 4.0)), 0.999)
    choice = np.where(log.numbers("sensitivity") > 0.5, 1, -1)
    true = truth.outcomes(choice).mean(axis=0) - truth.levels[:, 0].mean(axis=0)
    values, _ = judge.value(one_hot(choice, 2))
    for j, name in enumerate(log.metrics):
        assert values[name][1] <= true[j] <= values[name][2]
