"""HMUM's closed loop in worlds whose truth is known: lifts of both metrics under each policy, and
the gain over fixed weights.

    hmum_lift_time, hmum_lift_views   relative change of the totals over none, mean over worlds with
    its 95 % interval
    lift_*                            the same of each other policy; *_ranking: of the ranking
    stage, *_drift: with drift 0.5,
                                      *_value: weights by policy value, *_trees: effects by the
                                      X-learner on boosted trees
    hmum_hypervolume_gain             what HMUM's point adds to the area that fixed weights
    dominate, as a share of it

Worlds of the seeds 0 to 19 (FULL=1: 0 to 49), from the stated prior, none left out; development
used other seeds (100 to 103).
"""

from __future__ import annotations

from typing import Any

from benchmarks.record import figure, full, one_thread, record, versions

one_thread()

from equipoise.reproduce.closed_loop import HMUM, METRICS, Loop, play  # noqa: E402

VARIANTS: dict[str, dict[str, Any]] = {
    "": {},
    "_ranking": {"stage": "ranking"},
    "_drift": {"drift": 0.5},
    "_value": {"target": "policy-value"},
    "_trees": {"estimator": "x-learner"},
}


def main() -> None:
    """Play and record."""
    worlds = tuple(range(50 if full() else 20))
    rows = []
    for end, settings in VARIANTS.items():
        found = play(Loop(worlds=worlds, **settings))
        for row in found["rows"]:
            if end and row["policy"] != HMUM:
                continue
            name = row["policy"].lower().replace(" ", "_").replace("+", "_and_")
            for metric in METRICS:
                label = (
                    f"hmum_lift_{metric}{end}" if row["policy"] == HMUM else f"lift_{name}_{metric}"
                )
                value, low, high = row[metric]
                rows.append(
                    figure(
                        label,
                        value,
                        low=low,
                        high=high,
                        unit="relative lift",
                        against="none",
                        n=len(worlds),
                    )
                )
        value, low, high = found["hypervolume_gain"]
        label = f"hmum_hypervolume_gain{end}"
        rows.append(
            figure(
                label,
                value,
                low=low,
                high=high,
                unit="share of area",
                against="fixed weights",
                n=len(worlds),
            )
        )
    protocol = (
        "60,000 requests of a randomised log and 100,000 new ones a world; 95 % Student intervals"
        " over worlds."
    )
    print(
        record("short_video", protocol, versions("equipoise", "numpy", "torch"), list(worlds), rows)
    )
    for row in rows:
        print(
            f"{row['name']:34} {100 * row['value']:+.3f} %  [{100 * row['low']:+.3f},"
            f" {100 * row['high']:+.3f}]"
        )


if __name__ == "__main__":
    main()
