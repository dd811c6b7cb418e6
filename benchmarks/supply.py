"""Supply and demand: mixes of twenty video categories for clusters of users, judged by the truth of
the exposure world.

    supply_<way>_<clusters>       change of the objective (minutes less 50 times the skips) of new
    users over what they were shown
                                  ways: binary, vector, doses (DML per category), shares, forest;
                                  clusters: none, kmeans, sccl
    .._over_today                 the same over today's mean mix of each cluster;
    supply_today_<clusters>: that mix itself
    supply_gain_shares_<rival>    shares less the rival, both with kmeans, paired by world
    supply_gain_sccl              shares with sccl less with kmeans, paired
    supply_gain_crowding          shares with the products of kin less without, paired
    supply_gain_pooled            curves drawn together over clusters less bare ones, paired
    supply_cover_*, supply_off_*  how many intervals of the value on held-out rows hold the truth;
    how far off their middles are supply_minutes, supply_skips  change of each metric, shares with
    kmeans
    supply_mood_*                 where an unrecorded mood drives exposure and minutes (worlds 0 to
    2): truth, and what is said

Logs of 20,000 users; 20,000 new ones.  Twelve clusters, inventory 1.3 of today's exposure, skips
may not rise, kin crowd. World seeds 0 to 9; defaults were chosen on seeds 100 to 103.
"""

from __future__ import annotations

from typing import Any

from benchmarks.record import figure, interval, one_thread, record, versions

one_thread()

import numpy as np  # noqa: E402

from equipoise.core.folds import fold_ids  # noqa: E402
from equipoise.data.simulators.exposure import (  # noqa: E402
    CATEGORIES,
    KIN,
    ExposureWorld,
    make_exposure_world,
)
from equipoise.learners.density_ratio import shifted  # noqa: E402
from equipoise.pipeline.plan.schema import FloorPlan  # noqa: E402
from equipoise.pipeline.plan.supply import SupplyPlan  # noqa: E402
from equipoise.pipeline.supply import curve_methods as ways  # noqa: E402
from equipoise.pipeline.supply import value as judged  # noqa: E402
from equipoise.pipeline.supply.exposures import Exposures  # noqa: E402
from equipoise.pipeline.supply.optimise import ClusterMixes, SupplyTask, learn, learn_clusters  # noqa: E402
from equipoise.treatments import Shares  # noqa: E402

SEEDS, MOODS, ROWS, NEW, FOLDS = range(10), range(3), 20_000, 20_000, 3
WEIGHTS = np.array([1.0, -50.0])
WAYS, CLUSTERS = ("binary", "vector", "doses", "shares", "forest"), ("none", "kmeans", "sccl")


def task_of(world: ExposureWorld, **settings: Any) -> SupplyTask:
    """The plan of `equipoise simulate exposure`."""
    plan = SupplyPlan(**{"crowding": KIN, **settings})
    space = Shares(CATEGORIES, move=0.15)
    return SupplyTask(
        plan,
        space,
        world.log().roles.outcomes,
        WEIGHTS,
        (FloorPlan(metric="skips", per_head=0.0),),
        0,
    )


def exposures_of(world: ExposureWorld) -> Exposures:
    """The rows of a world."""
    return Exposures(
        world.X,
        tuple(f"u{j + 1}" for j in range(world.X.shape[1])),
        world.T,
        world.y,
        np.ones(len(world.X)),
        None,
    )


def worth(new: ExposureWorld, mixes: Any) -> Any:
    """Minutes and skips over what was shown, (2,)."""
    return (new.level(mixes) - new.level(new.T)).mean(axis=0)


def one_world(seed: int) -> dict[str, Any]:
    """Every way with every clustering."""
    world, new = make_exposure_world(ROWS, seed=seed), make_exposure_world(NEW, seed=5_000 + seed)
    rows, found = exposures_of(world), dict[str, Any]()
    for kind in CLUSTERS:
        clusters = learn_clusters(task_of(world, clusters=kind), rows)
        for way in WAYS:
            limits: dict[str, Any] = {} if way == "forest" else {"inventory": 1.3}
            task = task_of(world, way=way, clusters=kind, estimator="dml", **limits)
            learnt = learn(task, rows, way, clusters)
            found[f"{way}_{kind}"] = worth(new, learnt.mixes(new.X)) @ WEIGHTS
            if way == "shares":
                today = np.stack([reach.today for reach in learnt.reach])[learnt.labels(new.X)]
                found[f"today_{kind}"] = worth(new, today) @ WEIGHTS
                found[f"metrics_{kind}"] = worth(new, learnt.mixes(new.X))
    plain = learn(
        task_of(world, clusters="kmeans", crowding=(), inventory=1.3),
        rows,
        "shares",
        learn_clusters(task_of(world), rows),
    )
    found["plain"] = worth(new, plain.mixes(new.X)) @ WEIGHTS
    found["bare"] = worth(new, bare(world, rows).mixes(new.X)) @ WEIGHTS
    return found


def bare(world: ExposureWorld, rows: Exposures) -> ClusterMixes:
    """Shares with the curves of each cluster as they were estimated."""
    drawn, ways._pooled_over_clusters = (
        ways._pooled_over_clusters,
        lambda theta, covariance, blocks: (np.stack(theta), np.stack(covariance)),
    )
    try:
        task = task_of(world, inventory=1.3)
        return learn(task, rows, "shares", learn_clusters(task, rows))
    finally:
        ways._pooled_over_clusters = drawn


def covered(seed: int, mood: float = 0.0) -> dict[str, Any]:
    """What the job says of its mixes on held-out rows, and the truth of the same mixes on the same
    rows.
    """
    world = make_exposure_world(ROWS, seed=seed, mood=mood)
    task, rows = task_of(world, inventory=1.3), exposures_of(world)
    said = judged.value(task, rows, ("shares",), FOLDS, 0.95)
    fold, whole = fold_ids(len(rows), FOLDS, task.seed), np.empty(rows.y.shape)
    steps = {part: np.empty(rows.y.shape) for part in judged.PARTS}
    before = world.level(world.T)
    for f in range(FOLDS):
        inside, learnt_on = fold == f, rows.take(np.flatnonzero(fold != f))
        learnt = learn(task, learnt_on, "shares", learn_clusters(task, learnt_on))
        mixes = learnt.mixes(world.X)
        whole[inside] = (world.level(mixes) - before)[inside]
        today = np.stack([reach.today for reach in learnt.reach])[learnt.labels(world.X)]
        for part, store in steps.items():
            moved = shifted(world.T, judged._factor(mixes, today, part))
            store[inside] = (world.level(moved) - before)[inside]
    found: dict[str, Any] = {
        "whole": (np.array(said.whole["shares"].intervals(0.95)), whole.mean(axis=0))
    }
    for part, store in steps.items():
        gain = said.steps[part].gain
        found[f"step_{100 * part:.0f}"] = (
            np.column_stack([gain.value, gain.low, gain.high]),
            store.mean(axis=0),
        )
        found[f"told_{100 * part:.0f}"] = said.steps[part].told
    return found


def main() -> None:
    """Measure and record."""
    worlds = []
    for seed in SEEDS:
        worlds.append(one_world(seed))
        print(
            seed,
            {
                name: round(float(gain), 2)
                for name, gain in worlds[-1].items()
                if np.ndim(gain) == 0
            },
            flush=True,
        )

    def over(name: str) -> Any:
        return np.array([world[name] for world in worlds])

    rows = []
    for kind in CLUSTERS:
        rows.append(
            interval(
                f"supply_today_{kind}",
                over(f"today_{kind}"),
                "objective per user",
                "what was shown",
            )
        )
        for way in WAYS:
            rows.append(
                interval(
                    f"supply_{way}_{kind}",
                    over(f"{way}_{kind}"),
                    "objective per user",
                    "what was shown",
                )
            )
            gain = over(f"{way}_{kind}") - over(f"today_{kind}")
            rows.append(
                interval(
                    f"supply_{way}_{kind}_over_today",
                    gain,
                    "objective per user",
                    "today's mean mix",
                )
            )
    for rival in ("binary", "vector", "doses", "forest"):
        gain = over("shares_kmeans") - over(f"{rival}_kmeans")
        rows.append(
            interval(f"supply_gain_shares_{rival}", gain, "objective per user, paired", rival)
        )
    rows.append(
        interval(
            "supply_gain_sccl",
            over("shares_sccl") - over("shares_kmeans"),
            "objective per user, paired",
            "kmeans",
        )
    )
    rows.append(
        interval(
            "supply_gain_crowding",
            over("shares_kmeans") - over("plain"),
            "objective per user, paired",
            "no products",
        )
    )
    rows.append(
        interval(
            "supply_gain_pooled",
            over("shares_kmeans") - over("bare"),
            "objective per user, paired",
            "bare curves",
        )
    )
    for j, metric in enumerate(("minutes", "skips")):
        rows.append(
            interval(f"supply_{metric}", over("metrics_kmeans")[:, j], metric, "what was shown")
        )
    rows += coverage()
    protocol = (
        "20,000 users and 20,000 new ones a world, 10 worlds; mean with 95 % Student interval;"
        " coverage by counts."
    )
    print(
        record(
            "supply",
            protocol,
            versions("equipoise", "numpy", "scikit-learn", "torch"),
            list(SEEDS),
            rows,
        )
    )
    for row in rows:
        print(f"{row['name']:36} {row['value']:.5g}  [{row['low']}, {row['high']}]  {row['unit']}")


def coverage() -> list[dict[str, Any]]:
    """How many intervals hold the truth, and how far off the middles are."""
    found, rows = [covered(seed) for seed in SEEDS], []
    for name in ("whole", *(f"step_{100 * part:.0f}" for part in judged.PARTS)):
        inside = np.array(
            [
                (said[:, 1] <= true) & (true <= said[:, 2])
                for said, true in (one[name] for one in found)
            ]
        )
        rows.append(
            figure(
                f"supply_cover_{name}",
                float(inside.mean()),
                unit="share of intervals",
                n=inside.size,
            )
        )
        off = np.array([said[:, 0] / true - 1 for said, true in (one[name] for one in found)])
        for j, metric in enumerate(("minutes", "skips")):
            rows.append(
                interval(
                    f"supply_off_{name}_{metric}", off[:, j], "share of the truth", "the truth"
                )
            )
    return rows + hidden()


def hidden() -> list[dict[str, Any]]:
    """The same where a mood that nobody records drives exposure and minutes."""
    found, rows = [covered(seed, mood=0.5)["whole"] for seed in MOODS], []
    inside = np.array([(said[:, 1] <= true) & (true <= said[:, 2]) for said, true in found])
    rows.append(
        figure(
            "supply_mood_cover_whole",
            float(inside.mean()),
            unit="share of intervals",
            n=inside.size,
        )
    )
    rows.append(
        interval(
            "supply_mood_true",
            np.array([true @ WEIGHTS for _, true in found]),
            "objective per user",
            "what was shown",
        )
    )
    rows.append(
        interval(
            "supply_mood_said",
            np.array([said[:, 0] @ WEIGHTS for said, _ in found]),
            "objective per user",
            "what was shown",
        )
    )
    return rows


if __name__ == "__main__":
    main()
