"""Hostile logs and plans: an answer, or an error of ours, and nothing half-written."""

import random
import warnings

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from equipoise.core.errors import EquipoiseError
from equipoise.pipeline import make_plan
from equipoise.pipeline.jobs import run

from .conftest import a_log, tables

LOG = a_log(60, 4)
N = LOG.num_rows
KEYS = ("scores", "objectives", "request", "user", "time", "profile", "weight", "parts", "until",
        "pairs", "method", "rivals", "params", "weights", "floors", "sweep", "segment", "trials",
        "probabilities", "base")  # fmt: skip
COLUMNS = tuple(LOG.column_names)


def value(draw):
    """Something that a key may be given, rightly or wrongly."""
    return draw.choice(
        [
            None, True, 0, -1, 3, 10**400, 1.5, float("nan"), float("inf"), "", "no", "buy",
            "p_buy", "day", "city", "request", [], ["buy"], ["buy", "buy"], ["p_buy"], ["like"],
            ["p_like", "age"], ["day", "city"], {}, {"buy": {}}, {"buy": {"observed": "like"}},
            {"buy": {"score": "p_like"}}, {"buy": 1.0}, {"no": 1}, [0.5, 0.25, 0.25], [0.6, 0.4],
            [3, 6], ["a", "b"], [{"objective": "buy", "lose": 0.1}], "harmonrank", "formula",
            {"features": ["age"]}, {"features": ["age"], "until": 3}, {"models": ["mmoe"]},
            ["formula", "weighted-sum"], ["best-single-score"], {"trials": 9}, "all",
        ]
    )  # fmt: skip


def column(draw, name):
    """A column of the log, as somebody may bring it."""
    rng = np.random.default_rng(draw.randrange(10**6))
    old = LOG[name]
    return draw.choice(
        [
            lambda: pa.array([None] * N),
            lambda: pa.array(np.zeros(N)),
            lambda: pa.array(np.ones(N, np.int8)),
            lambda: pa.array(rng.normal(size=N)),
            lambda: pa.array(np.where(rng.random(N) < 0.1, np.nan, 0.5)),
            lambda: pa.array(rng.integers(0, 2, N).astype(bool)),
            lambda: pa.array([str(x) for x in rng.integers(0, 5, N)]),
            lambda: pa.array([f"mail{i}@x.org" for i in range(N)]),
            lambda: pa.array(rng.integers(0, 9, N).astype("M8[s]")),
            lambda: pa.array([[1.0, 2.0]] * N),
            lambda: pa.array(rng.integers(0, 3, N)).cast(pa.decimal128(25, 1)),
            lambda: pa.array(["a", "b"] * (N // 2)).dictionary_encode(),
            lambda: pa.array([{"x": 1}] * N),
            lambda: pa.array([10**300 * x for x in rng.random(N)]),
            lambda: old.combine_chunks().take(pa.array(rng.permutation(N))),
        ]
    )()


def test_an_answer_or_an_error_of_ours(tmp_path):
    answers = 0
    for seed in range(100):
        draw = random.Random(seed)
        table, place = LOG, tmp_path / str(seed)
        for name in draw.sample(COLUMNS, draw.randrange(3)):
            table = table.set_column(COLUMNS.index(name), name, column(draw, name))
        pq.write_table(table, tmp_path / "log.parquet")
        keys = {name: value(draw) for name in draw.sample(KEYS, draw.randrange(3))}
        settings = tables(tmp_path / "log.parquet", sweep=draw.randrange(3), rivals=["formula"])
        settings["ranking"] |= {name: x for name, x in keys.items() if x is not None}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                run(make_plan(settings), place)
        except EquipoiseError:
            assert not place.exists()
        else:
            answers += 1
            assert (place / "scores.parquet").exists()
    assert answers > 10
