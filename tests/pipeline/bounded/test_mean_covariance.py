"""Sums by batches against the same in memory, and what they hold of it."""

from __future__ import annotations

import tracemalloc
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from equipoise.core.effective_size import Assignment
from equipoise.evaluation.base import weighted_means
from equipoise.pipeline.bounded import learning_error as module
from equipoise.pipeline.bounded.mean_covariance import mean_covariance
from equipoise.pipeline.study.evaluator import Judge

K, M = 4, 2


def judge_of(n: int, clusters: str, weights: str, seed: int = 0, rare: int = 0) -> Judge:
    """Of random scores.   rare : rows of the last arm; 0: as many as of others."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(3, 1, size=(n, K, M)) * np.exp(rng.normal(size=(n, 1, 1)))
    spend = np.concatenate([np.zeros((n, 1)), rng.exponential(size=(n, K - 1))], axis=1)
    cell = rng.integers(0, K - (rare > 0), n)
    cell[:rare] = K - 1
    groups = {
        "none": None,
        "few": rng.integers(0, 5, n),
        "many": rng.integers(0, n // 3, n),
        "one large": np.where(rng.random(n) < 0.6, 0, rng.integers(0, n, n)),
        "by arm": K * rng.integers(0, n // 9, n) + cell,
    }[clusters]
    weight = {
        "none": None,
        "any": rng.exponential(size=n),
        "zeros": rng.exponential(size=n) * (rng.random(n) < 0.7),
    }[weights]
    got = Assignment(cell, rng.uniform(0.1, 0.9, n), K, fixed=False)
    return Judge(scores, spend, tuple("xy"), weight, groups, 0.95, got)


def in_memory(psi: np.ndarray, units: Any) -> np.ndarray:
    """The formula on rows that are all there."""
    psi = psi - weighted_means(psi, units.weight)
    error = units.errors(psi)[0]
    weighted = (units.weight / units.weight.max())[:, None] * psi
    together = weighted.T @ weighted
    plain = np.sqrt(np.diag(together))
    scale = np.divide(error, plain, out=np.zeros_like(error), where=plain > 0)
    return together * np.multiply.outer(scale, scale)


@pytest.mark.parametrize("weights", ["none", "any", "zeros"])
@pytest.mark.parametrize("clusters", ["none", "few", "many", "one large", "by arm"])
def test_batches_are_the_whole(clusters, weights):
    n = 700
    units = judge_of(n, clusters, weights).units(np.arange(n))
    psi = np.random.default_rng(1).normal(50, 1, size=(n, 5))
    psi[:, 1] = 7 * (np.arange(n) % 5)
    psi[:, 2] = 0  # known to the last digit
    want = in_memory(psi, units)
    assert (np.diag(want)[[0, 1, 3, 4]] > 0).all()
    for batch in (1, 64, n):
        got = mean_covariance(psi.__getitem__, units, batch)
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-14 * np.abs(want).max())


@pytest.mark.parametrize("clusters", ["none", "many"])
def test_an_arm_of_one_unit_is_unknown_where_it_has_a_part(clusters):
    n = 300
    judge = judge_of(n, clusters, "none", rare=1)
    psi = np.random.default_rng(1).normal(size=(n, 2))
    psi[0, 0], psi[1:, 0] = 0, psi[1:, 0] - psi[1:, 0].mean()
    units = judge.units(np.arange(n))
    got = mean_covariance(psi.__getitem__, units, 50)
    np.testing.assert_allclose(got, in_memory(psi, units), rtol=1e-12)
    assert np.isfinite(np.diag(got)).tolist() == [True, False]


class Rows(SimpleNamespace):
    """A log that knows its rows."""

    def __len__(self) -> int:
        return self.table.num_rows


def case(n: int, clusters: str, closed: bool) -> tuple[Any, Any]:
    """A study of a sample of n rows, and a rule that is a function of their ids."""
    eligible = np.ones((n, K), bool)
    eligible[::3, 2] = False
    table = pa.table({"id": np.arange(n)})
    log = Rows(table=table, eligible=eligible if closed else None, cell_names="abcd", metrics="xy")

    def decided(some: pa.Table, start: int) -> Any:
        ids = some["id"].to_numpy()
        assert ids[0] == start  # by their number in the sample are units without ids told apart
        return SimpleNamespace(choice=ids % K - 1)

    judged = SimpleNamespace(scorer=SimpleNamespace(decided=decided))
    return SimpleNamespace(log=log, judge=judge_of(n, clusters, "any")), judged


@pytest.mark.parametrize("closed", [False, True])
def test_the_sample_s_own_values_in_batches(monkeypatch, closed):
    n = 500
    study, judged = case(n, "many", closed)
    judge, choice = study.judge, np.arange(n) % K - 1
    rule = judge.gains(choice)[:, None]
    each = np.concatenate(
        [judge.scores[:, 1:] - judge.scores[:, :1], judge.spend[:, 1:, None]], axis=2
    )
    if closed:
        each[::3, 1] = 0
    rows = np.concatenate([rule, each], axis=1).reshape(n, -1)
    want = in_memory(rows, judge.units(np.arange(n)))
    monkeypatch.setattr(module, "BATCH", 64)
    got = module._of_sample(study, judged)
    assert got.shape == (K, M + 1, K, M + 1)
    np.testing.assert_allclose(got.reshape(want.shape), want, rtol=1e-12)


@pytest.mark.parametrize("clusters", ["none", "few", "many"])
def test_memory_does_not_grow_with_the_rows(clusters):
    """Row values are 64 numbers of a row, what is kept of one some five."""

    def peak(n: int) -> int:
        units = judge_of(n, clusters, "any").units(np.arange(n))

        def values(at):
            return np.sin(at[:, None] + np.arange(64.0))

        tracemalloc.start()
        try:
            mean_covariance(values, units, 4_096)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(5_000)  # kernels are compiled
    small, large = peak(8_000), peak(32_000)
    assert large < 1.5 * small
