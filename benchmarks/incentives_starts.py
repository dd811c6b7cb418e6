"""New users of red packets: a strong start that decays against one amount for 28 days, at equal
spend.

    start_less_constant_WAY     days there of 28, the start less the constant amount, paired, the
                                mean over five settings of habit and carry; WAY its half-life
    start_best_setting_WAY      the setting that is kindest to it

95 % Student intervals over seeds.  Quick: 8 seeds; FULL=1: 16.
"""

from __future__ import annotations

from benchmarks.record import full, interval, one_thread, record, versions

one_thread()

import statistics  # noqa: E402

from equipoise.reproduce.incentives.starts import HALF_LIVES, SETTINGS, one_seed  # noqa: E402

SEEDS = range(16 if full() else 8)


def main() -> None:
    """Live on every seed, record."""
    runs = [one_seed(seed, False) for seed in SEEDS]
    figures = []
    for way in list(HALF_LIVES)[1:]:
        less = {
            setting: [run[f"{way} {setting}"] - run[f"constant {setting}"] for run in runs]
            for setting in SETTINGS
        }
        name = way.removeprefix("half-life ").replace(" ", "_")
        mean = [statistics.fmean(values) for values in zip(*less.values(), strict=True)]
        kindest = max(less.values(), key=statistics.fmean)
        for what, values in (("start_less_constant", mean), ("start_best_setting", kindest)):
            figures.append(interval(f"{what}_{name}", values, "days", "constant"))
    record("incentives_starts", str(__doc__), versions("equipoise", "numpy"), list(SEEDS), figures)
    for one in figures:
        print(f"{one['name']:32s} {one['value']:8.3f}  [{one['low']:.3f}, {one['high']:.3f}]")


if __name__ == "__main__":
    main()
