"""soak  The service of part `http` under a long load at about two thirds of its peak, by wrk, whose
     connections pause: does memory grow, do latencies?  Quick: two minutes; full: thirty.

soak_mb                 growth of the process's own memory from the second minute on; soak_mb_first:
                        what it was then
soak_mapped_mb          growth of what it maps of files meanwhile, above all the index of decisions:
                        the system's to keep or to drop
soak_p50_ms, soak_p99_ms  the median minute, and the best and the worst one
soak_p99                p99 of the last over that of the second minute
soak_p99_slope          by how much ln p99 changes in the whole time, by all minutes (Theil-Sen),
                        with its 95 % interval
soak_rate, soak_share_of_peak  what was sent; soak_refused: answers other than 200
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy.stats import theilslopes

from benchmarks.record import figure
from benchmarks.serving_http import (
    LUA,
    UNITS,
    Figures,
    by_wrk,
    closed_loop,
    memory,
    served,
    shop,
)

SECONDS = {"test": 6.0, "quick": 120.0, "full": 1800.0}
PAUSE = 10  # milliseconds of each connection
SHARE = 0.7  # of the peak, if answers took a millisecond


def soak(state: Path, seconds: float) -> Figures:
    """The figures of a load."""
    script, each = LUA % (UNITS, "/decide"), max(1, int(min(60, seconds / 6)))
    with served(state) as (url, pid, _):
        _, peak = closed_loop(url, pid, script, 5)
        connections = round(SHARE * peak * (PAUSE + 1) / 1e3)
        parts: list[tuple[float, float, float, float]] = []
        made, refused, began = 0, 0, time.monotonic()
        while time.monotonic() < began + seconds:
            load = by_wrk(url, script, each, connections, PAUSE)
            made, refused = made + load.made, refused + load.refused
            parts.append((*memory(pid), load.p50, load.p99))
            print(f"{time.monotonic() - began:6.0f} s: {parts[-1]}", file=sys.stderr, flush=True)
        rate = made / (time.monotonic() - began)
    own, mapped, p50, p99 = np.array(parts).T
    n = len(parts)
    slope, _, low, high = theilslopes(np.log(p99), np.linspace(0, 1, n))

    def of_minutes(name: str, values: np.ndarray) -> dict[str, object]:
        return figure(
            name, float(np.median(values)), low=min(values), high=max(values), unit="ms", n=n
        )

    return [
        figure("soak_mb", own[-1] - own[1], unit="MB", n=n),
        figure("soak_mb_first", own[1], unit="MB"),
        figure("soak_mapped_mb", mapped[-1] - mapped[1], unit="MB", n=n),
        of_minutes("soak_p50_ms", p50),
        of_minutes("soak_p99_ms", p99),
        figure("soak_p99", p99[-1] / p99[1], against="the second minute", n=n),
        figure("soak_p99_slope", slope, low=low, high=high, n=n),
        figure("soak_rate", rate, unit="1/s"),
        figure("soak_share_of_peak", rate / peak),
        figure("soak_refused", float(refused), n=made),
    ]


def figures(form: str) -> Figures:
    """All of them."""
    with tempfile.TemporaryDirectory() as folder:
        return soak(shop(Path(folder), 2_000 if form == "test" else UNITS), SECONDS[form])
