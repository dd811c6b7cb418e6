"""A small log whose two objectives want different orders, and a run of it."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from equipoise.pipeline import make_plan
from equipoise.pipeline.jobs import run


def logistic(x):
    return 1 / (1 + np.exp(-x))


def a_log(requests=400, size=6, seed=0):
    """Requests of some candidates; `buy` follows one score, `like` mostly the other."""
    rng = np.random.default_rng(seed)
    n = requests * size
    request = np.repeat(np.arange(requests), size)
    a, b = rng.normal(size=(2, n))
    buy = rng.random(n) < logistic(1.5 * a - 1.5)
    like = rng.random(n) < logistic(1.2 * b - 0.4 * a - 1)
    city = np.array(["Oslo", "Rome", "Lima"])[request % 3]
    return pa.table(
        {
            "request": [f"{r:05d}" for r in request],
            "user": [f"u{r // 2}" for r in request],
            "day": request * 10 // requests,
            "city": city,
            "age": 20.0 + (request % 40),
            "p_buy": logistic(1.5 * a - 1.5),
            "p_like": logistic(1.2 * b - 1),
            "buy": buy,
            "like": like.astype(int),
        }
    )


def tables(path, **keys):
    """A plan's tables: the formula and the best single score alone, which are quick."""
    return {
        "ranking": {
            "path": str(path),
            "scores": ["p_buy", "p_like"],
            "objectives": ["buy", "like"],
            "request": "request",
            "user": "user",
            "time": "day",
            "profile": ["city", "age"],
            "rivals": ["best-single-score", "formula"],
            "sweep": 3,
            "trials": 12,
        }
        | keys
    }


@pytest.fixture(scope="package")
def log_file(tmp_path_factory):
    file = tmp_path_factory.mktemp("ranking") / "log.parquet"
    pq.write_table(a_log(), file)
    return file


@pytest.fixture(scope="package")
def ranked(log_file):
    """The findings and the folder of a run whose net is small."""
    place = log_file.parent / "run"
    plan = make_plan(
        tables(
            log_file,
            method="balanced-bce",
            params={"epochs": 3, "width": 4},
            floors=[{"objective": "like", "lose": 0.2}],
        )
    )
    return run(plan, place), place
