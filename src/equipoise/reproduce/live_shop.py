"""The A/B test of ensembles in live shops whose truth is known.

    log        a week for base models, five days for ensembles, two that decide when nets stop and
               which formula is kept (`reproduce.shop_log`)
    ensembles  the searched formula, summed BCE, balanced BCE, HarmonRank: each at its defaults, all
               objectives alike, rows ranked against all others
    A/B test   fresh requests: base scores of all candidates, one score, ten places; what a page
               brings is the simulator's exact expectation
    beside     the platform's old formula, and an oracle that ranks by true chances, one more of a
               metric being worth 1 / (what the searched formula brings of it): its mean lift is
               the largest there is

A lift is the relative change of a metric's total over the searched formula's on the same requests.
The front of a method is its points, in the space of the five lifts, under nine weights of
objectives: all alike; each of five with half of the weight; watch, gift and purchase, which pull
apart, with four fifths.  Its fits have a fifth of the budget each, nets and formulas alike.
`ranking_hypervolume_gain` is the volume that HarmonRank's front dominates above the reference less
the formula's, as a share of the latter.  Intervals are Student's over worlds.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from equipoise.core.arrays import Floats
from equipoise.core.errors import InputError
from equipoise.core.progress import Progress, silent
from equipoise.data.simulators.live_shop import METRICS, ShopRequests, make_live_shop_world
from equipoise.evaluation.base import student_interval
from equipoise.evaluation.ranking.front import hypervolume
from equipoise.ranking import RANKERS
from equipoise.reproduce.checkpoint import each_world
from equipoise.reproduce.closed_loop import percent
from equipoise.reproduce.shop_log import FIRST, LAST, VALIDATION, ShopLog, shop_log

FORMULA, HARMONRANK, OLD, ORACLE = "formula", "harmonrank", "old formula", "oracle"
LEARNT = (FORMULA, "summed-bce", "balanced-bce", HARMONRANK)
FRONTS = (FORMULA, HARMONRANK)
EMPHASES = ((0, 0.5), (1, 0.5), (2, 0.5), (3, 0.5), (4, 0.5), (0, 0.8), (3, 0.8), (4, 0.8))
REFERENCE = -0.5  # of every lift: half of what the formula brings
PART = 5  # a fit of a front has one part of so many of the budget
FRESH = 1_000_003  # seeds of fresh requests begin here: none is that of a log


@dataclass(frozen=True)
class Shop:
    """What is played.   worlds: seeds; requests: of the log; fresh: of the A/B test; trials,
    epochs: at most, of a formula and of a net; sweep: weights of objectives of a front, 0 to 9.
    """

    worlds: tuple[int, ...] = tuple(range(10))
    requests: int = 5_000
    fresh: int = 1_000
    viewers: int = 5_000
    trials: int = 200
    epochs: int = 60
    sweep: int = 9


def play(shop: Shop, out: Path | None = None, progress: Progress = silent) -> dict[str, Any]:
    """What every ranking brings in every world, and what it comes to; with a folder, a stopped run
    goes on where it was.
    """
    if len(shop.worlds) < 2 or not 0 <= shop.sweep <= 1 + len(EMPHASES):
        must = f"be 2 or more, and 0 to {1 + len(EMPHASES)} weights"
        raise InputError("worlds and sweep", must, (len(shop.worlds), shop.sweep))
    settings = asdict(shop)
    worlds = each_world(shop.worlds, settings, one_world, (shop,), out, progress)
    return {"settings": settings, **summary(worlds), "worlds": worlds}


def one_world(seed: int, shop: Shop) -> dict[str, Any]:
    """One world: its log, the ensembles, and what each ranking of fresh requests brings."""
    world = make_live_shop_world(seed=seed, viewers=shop.viewers)
    log = shop_log(world, shop.requests, seed=seed)
    test = FreshRequests.draw(log, shop.fresh, FRESH + seed)
    brought = {OLD: test.brought(world.old_scores(test.requests))}
    for name in LEARNT:
        brought[name] = test.brought(test.ranked(fitted(name, log, shop, seed)))
    brought[ORACLE] = test.brought(world.oracle(test.requests, 1 / brought[FORMULA]))
    weights, part = objective_weights()[: shop.sweep], budget(shop, PART)
    fronts = {
        name: [
            test.brought(test.ranked(fitted(name, log, part, seed, weight))).tolist()
            for weight in weights
        ]
        for name in FRONTS
    }
    plain = {name: values.tolist() for name, values in brought.items()}
    return {"seed": seed, "brought": plain, "fronts": fronts}


@dataclass(frozen=True)
class FreshRequests:
    """Requests that no model saw, with the base scores and profile of every candidate.

    requests : n of them.   X : table (N, 5).   profile : table (N, P).
    """

    log: ShopLog
    requests: ShopRequests
    X: Any
    profile: Any

    @classmethod
    def draw(cls, log: ShopLog, n: int, seed: int) -> FreshRequests:
        """Draw n requests of a shop."""
        requests = log.world.requests(n, seed=seed)
        viewer = requests.asker
        X, profile = log.scores(viewer, requests.room), log.world.profile.take(viewer)
        return cls(log, requests, X, profile)

    def ranked(self, ranker: Any) -> Floats:
        """A ranker's score of every candidate, (N,)."""
        return np.asarray(ranker.predict(self.X, profile=self.profile))

    def brought(self, scores: Floats) -> Floats:
        """The expected number of each metric on a page, over requests, (5,)."""
        lists = self.requests.top(scores)
        return np.asarray(self.log.world.expected(self.requests, lists).mean(axis=0))


def fitted(name: str, log: ShopLog, shop: Shop, seed: int, weight: Any = None) -> Any:
    """An ensemble of a log's base scores.   weight: of objectives; None: all alike."""
    ranker = RANKERS.load(name)(objective_weight=weight, random_state=seed)
    limits = {"trials": shop.trials, "epochs": shop.epochs}
    ranker.set_params(**{k: v for k, v in limits.items() if k in ranker.get_params()})
    learn = log.part(FIRST, VALIDATION - 1)
    return ranker.fit(**learn, eval_set=log.part(VALIDATION, LAST))


def budget(shop: Shop, parts: int) -> Shop:
    """The same with one part of the budget of so many."""
    spent = {"trials": max(9, shop.trials // parts), "epochs": max(1, shop.epochs // parts)}
    return Shop(**{**asdict(shop), **spent})


def objective_weights() -> list[list[float]]:
    """The weights of objectives of a front.

    >>> objective_weights()[0], objective_weights()[1]
    ([0.2, 0.2, 0.2, 0.2, 0.2], [0.5, 0.125, 0.125, 0.125, 0.125])
    """
    m = len(METRICS)
    rows = [[1 / m] * m]
    for j, most in EMPHASES:
        rows.append([most if i == j else (1 - most) / (m - 1) for i in range(m)])
    return [[round(w, 6) for w in row] for row in rows]


def lifts(world: dict[str, Any]) -> dict[str, Floats]:
    """The lift of every metric over the formula, (5,), of every method."""
    base = np.array(world["brought"][FORMULA])
    return {name: np.array(values) / base - 1 for name, values in world["brought"].items()}


def hypervolume_gain(world: dict[str, Any]) -> float:
    """The volume of HarmonRank's front less that of the formula's, as a share of it."""
    base = np.array(world["brought"][FORMULA])
    volume = {
        name: hypervolume(np.array(world["fronts"][name]) / base - 1, REFERENCE) for name in FRONTS
    }
    return volume[HARMONRANK] / volume[FORMULA] - 1


def summary(worlds: list[dict[str, Any]]) -> dict[str, Any]:
    """Intervals over worlds of lifts, of their mean over metrics, and of the gain in volume."""
    each = [lifts(world) for world in worlds]
    rows = []
    for name in each[0]:
        values = np.stack([one[name] for one in each])  # (worlds, 5)
        row = {m: student_interval(values[:, j]) for j, m in enumerate(METRICS)}
        rows.append({"method": name, **row, "mean": student_interval(values.mean(axis=1))})
    gain = None
    if worlds[0]["fronts"][FORMULA]:
        gain = student_interval(np.array([hypervolume_gain(world) for world in worlds]))
    return {"rows": rows, "ranking_hypervolume_gain": gain}


def as_markdown(results: dict[str, Any]) -> str:
    """The table of the A/B test."""
    s, heads = results["settings"], (*METRICS, "mean")
    lines = [
        f"### {len(s['worlds'])} live shops: lift over the searched formula",
        "",
        f"| ranking | {' | '.join(heads)} |",
        "|---" * (1 + len(heads)) + "|",
    ]
    for row in results["rows"]:
        cells = " | ".join(percent(row[head]) for head in heads)
        lines.append(f"| {row['method']} | {cells} |")
    gain = results["ranking_hypervolume_gain"]
    if gain is not None:
        said = f"HarmonRank's front dominates {percent(gain)} more than the formula's"
        lines += ["", f"{said}, above a lift of {100 * REFERENCE:g} % of every metric."]
    return "\n".join([*lines, ""])
