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

import time  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

from equipoise.data.simulators.red_packet import draw_users, expected  # noqa: E402
from equipoise.operations import Bounds, Search, Trials, confirm, propose, shortlist  # noqa: E402
from equipoise.operations.ways import WAYS  # noqa: E402

SEEDS = range(40 if full() else 8)
TRIALS, USERS, FRESH_USERS, CHECKED = 64, 2_000, 8_000, 5
NOISE, FRESH = 50 / np.sqrt(USERS), 50 / np.sqrt(FRESH_USERS)
BOUNDS = Bounds(wave=0.65)
PRICE = 0.06
BASE = np.array([[0.2, 2.0, 4.0, 0.0, 0.0, 0.0, 0.0]])
USERS_OF_TRUTH = draw_users(2_000, np.random.default_rng(0))


def mean_outcomes(schedule: Any) -> Any:
    """Mean return, minutes and cost of all users."""
    return expected(USERS_OF_TRUTH, USERS_OF_TRUTH.mind, np.reshape(schedule, (1, 7))).mean(axis=0)


NOTHING = mean_outcomes(BASE)


def worth(schedule: Any) -> float:
    """What a schedule is worth, in points."""
    gain = mean_outcomes(schedule) - NOTHING
    return float(100 * (gain[0] - PRICE * gain[2]))


def walk(way: str, seed: int) -> tuple[Search, Any, float]:
    """A search, the true worth of its trials, and its own CPU seconds a trial."""
    rng, own, truth = np.random.default_rng([seed, 1]), 0.0, []
    search = Search(BOUNDS, None, way, TRIALS, seed=seed)
    for _ in range(TRIALS):
        began = time.process_time()
        schedule = search.ask()
        own += time.process_time() - began
        truth.append(worth(schedule))
        value = truth[-1] + NOISE * rng.standard_normal()
        began = time.process_time()
        search.tell(value)
        own += time.process_time() - began
    return search, np.array(truth), own / TRIALS


def fresh_values(truth: Any, seed: int) -> Any:
    """Values of candidates on fresh traffic."""
    return truth + FRESH * np.random.default_rng([seed, 2]).standard_normal(len(truth))


def searched(way: str, seed: int) -> dict[str, float]:
    """What one search brings."""
    search, truth, own = walk(way, seed)
    errors = np.full(TRIALS, NOISE)
    rows = shortlist(Trials(search.schedules, search.values, errors), BOUNDS, seed=seed)
    fresh = fresh_values(truth[rows], seed)
    claims = confirm(search.values, errors, rows, fresh, np.full(CHECKED, FRESH))
    loudest = int(np.argmax(search.values))
    return {
        "checked": float(truth[claims.pick]),
        "gap": float(claims.value.max() - truth[claims.pick]),
        "fresh gap": float(fresh.max() - truth[rows[np.argmax(fresh)]]),
        "unchecked": float(truth[loudest]),
        "said": float(search.values[loudest]),
        "overhead": 1000 * own,
    }


def proposed(seed: int) -> list[float]:
    """True worth of the pick among proposals after random trials, with spread 1 and without."""
    search, _, _ = walk("random", seed)
    trials = Trials(search.schedules, search.values, np.full(TRIALS, NOISE))
    out = []
    for spread in (1.0, 0.0):
        found = propose(trials, BOUNDS, take=CHECKED, spread=spread, seed=seed).schedules
        truth = np.array([worth(one) for one in found])
        out.append(float(truth[np.argmax(fresh_values(truth, seed))]))
    return out


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
