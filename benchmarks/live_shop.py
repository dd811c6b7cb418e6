"""Ensembles in live shops whose truth is known: what HarmonRank brings over the searched formula.

    harmonrank_lift_<metric>      relative change of the metric's expected total over the searched
                                  formula, on the same fresh requests; _mean: of the five
    balanced_bce_lift_<metric>, summed_bce_lift_<metric>, oracle_lift_<metric>   the same of others
    ..._long                      the same lifts after a log of 30,000 requests (FULL=1)
    ranking_hypervolume_gain      volume of HarmonRank's front of nine weights less the formula's,
                                  as a share of it, above a lift of -50 % of every metric

Logs have 5,000 requests.  95 % Student intervals over worlds: seeds 0 to 3 (FULL=1: 0 to 9), none
left out; development used other seeds (100 to 107).
"""

from __future__ import annotations

import sys
from typing import Any

from benchmarks.record import figure, full, one_thread, record, versions

one_thread()

from equipoise.reproduce.live_shop import METRICS, Shop, play  # noqa: E402

LONG = 30_000  # requests of the longer log
METHODS = {
    "harmonrank": "harmonrank",
    "balanced-bce": "balanced_bce",
    "summed-bce": "summed_bce",
    "oracle": "oracle",
}


def lift_figures(results: dict[str, Any], ending: str = "") -> list[dict[str, Any]]:
    """The lifts of an A/B test as figures."""
    figures, n = [], len(results["settings"]["worlds"])
    for row in results["rows"]:
        for metric in (*METRICS, "mean") if row["method"] in METHODS else ():
            value, low, high = row[metric]
            name = f"{METHODS[row['method']]}_lift_{metric}{ending}"
            ends = {"low": low, "high": high, "unit": "relative lift", "against": "formula"}
            figures.append(figure(name, value, **ends, n=n))
    return figures


def main() -> None:
    """Play and record."""
    shop = Shop(tuple(range(10 if full() else 4)))

    def say(what: str, done: int, total: int) -> None:
        print(what, done, "of", total, file=sys.stderr, flush=True)

    results = play(shop, progress=say)
    figures = lift_figures(results)
    value, low, high = results["ranking_hypervolume_gain"]
    ends = {"low": low, "high": high, "unit": "share of volume", "against": "formula"}
    figures.append(figure("ranking_hypervolume_gain", value, **ends, n=len(shop.worlds)))
    if full():
        long = play(Shop(shop.worlds, requests=LONG, sweep=0), progress=say)
        figures += lift_figures(long, "_long")
    for one in figures:
        print(
            f"{one['name']:32} {100 * one['value']:+.2f} %  [{100 * one['low']:+.2f},"
            f" {100 * one['high']:+.2f}]"
        )
    protocol = (
        f"{shop.requests:,} requests of a log ({LONG:,}: _long) and {shop.fresh:,} fresh ones;"
        " 95 % Student intervals over worlds."
    )
    packages = versions("equipoise", "numpy", "lightgbm", "torch", "optuna")
    record("live_shop", protocol, packages, list(shop.worlds), figures)


if __name__ == "__main__":
    main()
