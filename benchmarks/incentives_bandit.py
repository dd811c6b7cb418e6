"""BanditNet and POEM beside effects: 32 schedules of red packets and their base, logged evenly,
30,000 users a seed.

Worth of a choice in points, the true mean over users, against the base: return less 0.06 a yuan of
cost.  Every method learns from the same rewards, 100 (back - 0.06 cost).

    banditnet_value_logged, poem_, ips_     the arm of the largest score, of the 32; settings chosen
                                            by SNIPS on a quarter of the rows
    dml_value_logged                        the largest effect by `PooledDML` (log-vector, degree 2,
                                            own deviations), user by user
    dml_value_one                           its best one schedule for all
    mean_value_one                          the schedule of the largest logged mean, for all
    ..._value_new                           choices among 32 schedules that no log has
    banditnet_less_dml, poem_less_dml       paired difference of the two, on logged schedules
    banditnet_snips_less_truth              what held-out SNIPS said less the truth of its policy
    ..._effective_share                     effective sample over the rows held out

95 % Student intervals over seeds.  Quick: 3 seeds; FULL=1: 8.
"""

from __future__ import annotations

from benchmarks.record import full, interval, one_thread, record, versions

one_thread()

from equipoise.reproduce.incentives.bandit import judged  # noqa: E402

SEEDS = range(8 if full() else 3)


def main() -> None:
    """Learn on every seed, record."""
    runs = [judged(seed) for seed in SEEDS]
    figures = []
    for name in runs[0]:
        unit = "share of rows" if name.endswith("share") else "points"
        against = "DML" if "less_dml" in name else ""
        figures.append(interval(name, [run[name] for run in runs], unit, against))
    packages = versions("equipoise", "numpy", "torch")
    record("incentives_bandit", str(__doc__), packages, list(SEEDS), figures)
    for one in figures:
        print(f"{one['name']:32s} {one['value']:8.3f}  [{one['low']:.3f}, {one['high']:.3f}]")


if __name__ == "__main__":
    main()
