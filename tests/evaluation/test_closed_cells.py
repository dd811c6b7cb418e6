"""Candidates that are closed to some rows: judged on the rows that they are open to."""

import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.evaluation import (
    average_effects,
    dr,
    evaluation_data,
    ips,
    policy_value,
    qini,
    rank_by_score,
    snips,
)


def partly_closed(seed, n=4000):
    """(x, cell, propensity, y): candidate 1 is closed to x < 0, where all is different."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    p = np.where((x < 0)[:, None], [0.6, 0.4, 0.0], [0.5, 0.3, 0.2])
    cell = (rng.random(n)[:, None] > p.cumsum(axis=1)).sum(axis=1)
    y = x * 5 + (cell == 1) * 1.0 + (cell == 2) * (2 + x) + rng.normal(size=n)
    return x, cell, p, y


@pytest.mark.parametrize("method", [dr, snips, ips])
def test_an_effect_is_that_among_the_rows_it_is_open_to(method):
    x, cell, p, y = partly_closed(0)
    rows = evaluation_data(y, cell=cell, propensity=p)
    effects = average_effects(rows, method=method).effect
    opened = x >= 0
    alone = evaluation_data(y[opened], cell=cell[opened], propensity=p[opened])
    same = average_effects(alone, method=method).effect[1, 0]
    assert effects[1, 0].interval == pytest.approx(same.interval)
    assert abs(effects[1, 0].value - (2 + x[opened].mean())) < 4 * effects[1, 0].std_error
    assert abs(effects[0, 0].value - 1) < 4 * effects[0, 0].std_error


def test_levels_and_groups_of_the_open_rows_are_used():
    x, cell, p, y = partly_closed(1)
    levels = x[:, None] * 5 + np.array([0.0, 1.0, 2.0])
    groups = np.arange(len(x)) // 2
    rows = evaluation_data(y, cell=cell, propensity=p, levels=levels, groups=groups)
    opened = x >= 0
    alone = evaluation_data(
        y[opened],
        cell=cell[opened],
        propensity=p[opened],
        levels=levels[opened],
        groups=groups[opened],
    )
    ours, theirs = (average_effects(each).effect[1, 0] for each in (rows, alone))
    assert ours.interval == pytest.approx(theirs.interval)
    score = x + 0.1 * y
    mine, other = (
        rank_by_score(score, rows, candidate=1),
        rank_by_score(score[opened], alone, candidate=1),
    )
    assert qini(mine).interval == pytest.approx(qini(other).interval)
    assert len(rank_by_score(score, rows, candidate=0)) == len(x)


def test_a_policy_may_not_give_what_is_closed():
    x, cell, p, y = partly_closed(2)
    rows = evaluation_data(y, cell=cell, propensity=p)
    good = np.where(x < 0, 0, 1)
    value = policy_value(good, rows).estimates[0]
    true = np.where(x < 0, 1, 2 + x).mean() + 5 * x.mean()
    assert abs(value.value - true) < 4 * value.std_error
    row = int(np.argmax(x < 0))
    with pytest.raises(InputError, match=f"open to it; got cell 2 at row {row}"):
        policy_value(np.ones(len(x), int), rows)
    lots = np.full((len(x), 3), 1 / 3)
    with pytest.raises(InputError, match=f"open to it; got cell 2 at row {row}"):
        policy_value(lots, rows)


def test_a_candidate_without_control_to_hold_it_against_is_refused():
    p = np.array([[0.5, 0.5, 0.0]] * 4 + [[0.2, 0.4, 0.4]] * 4)
    cell = np.array([0, 0, 1, 1, 1, 1, 2, 2])
    rows = evaluation_data(np.arange(8.0), cell=cell, propensity=p)
    with pytest.raises(InputError, match="control among the rows open to cell 2"):
        average_effects(rows)
