"""Search for schedules of red packets: 64 trials of 2,000 users, five candidates on 8,000 fresh
users each, and what the pick is said to be worth.

The worth of a schedule is its effect on tomorrow's return less 0.06 a yuan, in points, against the
smallest schedule of the world (`data/simulators/red_packet.py`); a trial sees it with normal noise
of 50 / sqrt(users) points.  Bounds: total 0.3-3 yuan, 1-8 packets, 0.5-4 hours, waves to 0.65.

    search_checked_value_WAY    true worth of the pick: `Search` by each way, `shortlist` of 5,
                                `confirm` on fresh traffic
    search_unchecked_value_WAY  true worth of the trial with the largest value; ..._said: that value
    search_claim_gap            the claim less the truth, over all ways; ..._fresh_alone: of the
                                largest fresh value
    search_proposed_value       64 random trials, then `propose` (genetic, 600 tries, 5 candidates)
                                and the check of these
    search_spread_less_top      the same with spread 1 less without spread
    search_overhead_ms_WAY      CPU time of ask and tell in a trial

95 % Student intervals over seeds.  Quick: 8 seeds; FULL=1: 40.
"""

from __future__ import annotations

from benchmarks.record import figure, full, interval, one_thread, record, versions

one_thread()

import numpy as np  # noqa: E402

from equipoise.operations.ways import WAYS  # noqa: E402
from equipoise.reproduce.incentives.search import proposed, searched  # noqa: E402

SEEDS = range(40 if full() else 8)


def main() -> None:
    """Search by every way, record."""
    figures, runs = [], {way: [searched(way, seed) for seed in SEEDS] for way in WAYS}

    def column(way: str, key: str) -> list[float]:
        return [one[key] for one in runs[way]]

    for way in WAYS:
        for name, key in (
            ("checked_value", "checked"),
            ("unchecked_value", "unchecked"),
            ("unchecked_said", "said"),
        ):
            figures.append(interval(f"search_{name}_{way}", column(way, key), "points"))
        slow = float(np.median(column(way, "overhead")))
        figures.append(figure(f"search_overhead_ms_{way}", slow, unit="CPU ms a trial"))
    for name, key in (("", "gap"), ("_fresh_alone", "fresh gap")):
        gaps = np.mean([column(way, key) for way in WAYS], axis=0)
        figures.append(interval(f"search_claim_gap{name}", gaps, "points", "the truth"))
    pairs = np.array([proposed(seed) for seed in SEEDS])
    figures.append(interval("search_proposed_value", pairs[:, 0], "points"))
    difference = pairs[:, 0] - pairs[:, 1]
    figures.append(interval("search_spread_less_top", difference, "points", "no spread"))
    packages = versions("equipoise", "numpy", "scikit-learn", "optuna", "cmaes")
    record("incentives_search", str(__doc__), packages, list(SEEDS), figures)
    for one in figures:
        print(f"{one['name']:36s} {one['value']:7.3f}  {one['low']}  {one['high']}")


if __name__ == "__main__":
    main()
