"""Ranking a request by HarmonRank without torch: 200 candidates, six base scores, a profile of five
numbers, default width.

    ranking_us_per_request          time of the forward (`ranking.nets.forward`) over that of a bare
                                    chain of matrix products of the same sizes: queries, keys and
                                    values of 1,200 tokens, their projection, and two layers a row
    ranking_predict_over_chain      the same of `predict`, which checks its input and reads profiles
    formula_predict_over_chain      `predict` of a searched weighted sum

CPU time of the process, one thread, contenders in turn; ratios of medians, with the range of the
rounds' own ratios.  Quick: 15 rounds of 50 requests; FULL=1: 61 rounds.
"""

from __future__ import annotations

from benchmarks.record import figure, full, one_thread, record, versions

one_thread()

import statistics  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

from equipoise.ranking import HarmonRank, WeightedSum  # noqa: E402

ROUNDS = 61 if full() else 15
REQUESTS, CANDIDATES, SCORES, PROFILE = 50, 200, 6, 5
SEED = 0


def contenders() -> dict[str, Callable[[], Any]]:
    """What ranks one request, by name, and the bare chain."""
    rng = np.random.default_rng(SEED)
    X, viewers = rng.random((2_000, SCORES)), rng.normal(size=(2_000, PROFILE))
    y = (rng.random((2_000, SCORES)) < X).astype(float)
    net = HarmonRank(epochs=2).fit(X, y, profile=viewers)
    formula = WeightedSum(20).fit(X, y, profile=viewers)
    request, viewer = X[:CANDIDATES], viewers[:1]
    z, u = net._standard(request), net._positions(viewer)
    forward = net._forward()
    width = net.width
    tokens = rng.normal(size=(CANDIDATES * SCORES, width))
    wide, square = rng.normal(size=(width, 3 * net.heads * width)), rng.normal(size=(width, width))

    def chain() -> Any:
        rows = (tokens @ wide, tokens @ square)[1][:CANDIDATES]
        return rows @ square @ square

    return {
        "chain": chain,
        "ranking_us_per_request": lambda: forward(z, u),
        "ranking_predict_over_chain": lambda: net.predict(request, profile=viewer),
        "formula_predict_over_chain": lambda: formula.predict(request, profile=viewer),
    }


def seconds(rank: Callable[[], Any]) -> float:
    """CPU time of some requests, each."""
    began = time.process_time()
    for _ in range(REQUESTS):
        rank()
    return (time.process_time() - began) / REQUESTS


def main() -> None:
    """Time in turn, record."""
    every = contenders()
    for rank in every.values():
        rank()
    rounds = [{name: seconds(rank) for name, rank in every.items()} for _ in range(ROUNDS)]
    figures = []
    for name in list(every)[1:]:
        ratios = [one[name] / one["chain"] for one in rounds]
        medians = [statistics.median(one[key] for one in rounds) for key in (name, "chain")]
        value = medians[0] / medians[1]
        figures.append(
            figure(name, value, low=min(ratios), high=max(ratios), unit="x", against="chain")
        )
        print(name, round(value, 2), round(min(ratios), 2), round(max(ratios), 2))
    protocol = " ".join((__doc__ or "").split())
    record("ranking_speed", protocol, versions("equipoise", "numpy", "numba"), [SEED], figures)


if __name__ == "__main__":
    main()
