"""The plain logs on which defaults are compared: two arms, one metric, a cost per offer, real and
simulated, each drawn anew by a seed.

Real, randomised: three mailings of Hillstrom (visits by each mail; any purchase and spend by any
mail), a match for givers (whether and how much), a voucher for a test result, and labour training.
Missing features take their column's median.  The cost is about the average effect, so that neither
everybody nor nobody is the answer; where it is none, offers harm some.

Simulated: those of `benchmarks.worlds`, a promotion that pays with a tenth (`minority`) and steps
of features with six values at a rate of .3 % (`steps`).
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from benchmarks import worlds
from benchmarks.rare import experiment

Data = dict[str, np.ndarray]
TRAIN, SIMULATED, NEW = 15_000, 10_000, 20_000
# log -> cost of an offer, in units of its metric
REAL = {
    "mens_visit": 0.077,
    "womens_visit": 0.045,
    "mail_conversion": 0.005,
    "mail_spend": 0.6,
    "match_gave": 0.0042,
    "match_dollars": 0.15,
    "voucher_got": 0.45,
    "training_earned": 1_800.0,
}
MADE = {
    "A": 0.5,
    "B": 0.8,
    "C": 0.9,
    "D": 0.0,
    "rare": 0.005,
    "arms": 0.3,
    "minority": 0.015,
    "steps": 0.001,
}
LOGS = REAL | MADE
HIDDEN = ("segment", "visit", "conversion", "spend")
MATCH = ("match_ratio", "match_size", "ask", "out_amountgive", "out_gavedum", "out_changeamtgive")


def _table(name: str) -> Any:
    """A published file as a frame."""
    import pandas as pd

    from equipoise.data.public.fetch import data_homes

    paths = [home / name for home in data_homes(None)]
    return pd.read_parquet(next(path for path in paths if path.exists()))


def _numbers(frame: Any) -> np.ndarray:
    """Features as numbers: categories as 0/1 columns, the median for what is missing, (n, d)."""
    import pandas as pd

    X = pd.get_dummies(frame).to_numpy(np.float64)
    return np.where(np.isnan(X), np.nanmedian(X, axis=0), X)


@functools.cache
def real(log: str) -> Data:
    """All rows of a real log: X (n, d), w, y and the propensity e (n,)."""
    kind, metric = log.split("_")
    if kind in ("mens", "womens", "mail"):
        frame = _table("hillstrom/hillstrom.parquet")
        if kind != "mail":
            frame = frame[frame["segment"].isin([f"{kind.title()} E-Mail", "No E-Mail"])]
        w, y = frame["segment"] != "No E-Mail", frame[metric]
        X, e = _numbers(frame.drop(columns=list(HIDDEN))), 2 / 3 if kind == "mail" else 0.5
    elif kind == "match":
        frame = _table("charitable_match/charitable.parquet").dropna(subset=["out_amountgive"])
        w, y = (
            frame["match_ratio"] > 0,
            frame[f"out_{({'gave': 'gavedum'} | {'dollars': 'amountgive'})[metric]}"],
        )
        X, e = _numbers(frame.drop(columns=list(MATCH))), 2 / 3
    elif kind == "voucher":
        frame = _table("thornton_incentive/thornton_hiv.parquet").dropna(subset=["got", "tinc"])
        w, y = frame["tinc"] > 0, frame["got"]
        X, e = _numbers(frame[["distvct", "age", "hiv2004"]]), float(w.mean())
    else:
        frame = _table("lalonde/lalonde.parquet")
        frame = frame[frame["sample"] == "nsw"]
        w, y = frame["treat"], frame["re78"]
        X, e = _numbers(frame.drop(columns=["sample", "treat", "re78"])), 185 / 445
    columns = {"w": w.to_numpy(int), "y": y.to_numpy(np.float64), "e": np.full(len(X), e)}
    return {"X": X, **columns}


def _made(log: str, n: int, seed: int) -> Data:
    """Rows of a simulated log, with the true effect tau (n,)."""
    if log == "steps":
        found = experiment("steps", 0.003, seed)
        return {key: column[:n] for key, column in found.items()} | {"e": np.full(n, 0.5)}
    if log != "minority":
        return worlds.world(log, n, seed)
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 6))
    tau = np.where(X[:, 1] > 1.2816, 0.03, 0.002 + 0.001 * np.tanh(X[:, 2]))
    w = rng.integers(0, 2, n)
    y = (rng.random(n) < 0.01 * np.exp(0.4 * X[:, 0] - 0.08) + w * tau).astype(float)
    return {"X": X, "w": w, "y": y, "tau": tau, "e": np.full(n, 0.5)}


def split(log: str, seed: int) -> tuple[Data, Data]:
    """The rows that teach and those that judge, by a seed."""
    if log in MADE:
        return _made(log, SIMULATED, 2 * seed), _made(log, NEW, 2 * seed + 1)
    data = real(log)
    order = np.random.default_rng(seed).permutation(len(data["y"]))
    size = min(TRAIN, len(order) // 2)
    return tuple(
        {key: column[rows] for key, column in data.items()} for rows in np.split(order, [size])
    )  # type: ignore[return-value]
