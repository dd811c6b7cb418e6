"""Arms x metrics in one loop."""

import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.evaluation import METRICS, evaluation_data, qini, rank_by_score, ranking_table


def world(seed=0, n=600):
    rng = np.random.default_rng(seed)
    x, cell = rng.standard_normal(n), np.arange(n) % 3
    # (n, 2, 2)
    effects = np.stack([np.stack([x, -x], axis=1), np.stack([2 * x, 0 * x], axis=1)], axis=1)
    levels = np.concatenate([np.zeros((n, 1, 2)), effects], axis=1)
    y = levels[np.arange(n), cell] + rng.standard_normal((n, 2))
    return effects, evaluation_data(y, cell=cell, propensity=[1 / 3, 1 / 3, 1 / 3])


def test_one_row_a_candidate_outcome_and_metric():
    effects, rows = world()
    table = ranking_table(effects, rows, candidates=("mens", "womens"), outcomes=("visit", "spend"))
    assert [(r.candidate, r.outcome, r.metric) for r in table[:3]] == [
        ("mens", "visit", "qini"),
        ("mens", "visit", "autoc"),
        ("mens", "spend", "qini"),
    ]
    assert len(table) == 8


def test_every_cell_is_the_metric_of_its_own_ranking():
    effects, rows = world()
    for row, (a, j) in zip(
        ranking_table(effects, rows, metrics=["qini"]),
        [(0, 0), (0, 1), (1, 0), (1, 1)],
        strict=True,
    ):
        alone = evaluation_data(rows.y[:, j], cell=rows.cell, propensity=rows.propensity[0])
        assert row.estimate == qini(rank_by_score(effects[:, a, j], alone, candidate=a))


def test_all_registered_metrics_have_the_common_shape():
    effects, rows = world()
    binary = evaluation_data(rows.y > 0, cell=rows.cell, propensity=rows.propensity[0])
    table = ranking_table(effects, binary, metrics=list(METRICS))
    assert len(table) == 4 * len(METRICS)
    assert np.isfinite([row.estimate.value for row in table]).all()
    assert [METRICS.load(name).name for name in METRICS] == list(METRICS)


def test_bad_input():
    effects, rows = world()
    with pytest.raises(InputError, match=r"effects must have shape \(n, k, m\)"):
        ranking_table(effects[:, :1], rows)
    with pytest.raises(InputError, match="did you mean 'autoc'"):
        ranking_table(effects, rows, metrics=["autocc"])
    with pytest.raises(InputError, match="names must be 2 candidates and 2 outcomes"):
        ranking_table(effects, rows, candidates=["one"])
