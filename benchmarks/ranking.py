"""Ensembles of base scores on KuaiRand: what each ranks, and what HarmonRank gains, if anything.

Base scores are of boosted trees, fitted on 25 to 27 April and frozen: nothing later was seen.
Ensembles learn from 28 and 29 April, 30 April decides when nets stop and what formulas keep, and 1
to 8 May, which decides nothing, tests.  Seven objectives (`hate`, of which less is better, is left
out).  All rows are ranked against each other (AUC), and those of a user (GAUC).  Each net has one
setting, its default; formulas have 200 trials.

    auc_<method>, gauc_<method>              means over objectives, intervals over users and seeds
    harmonrank_minus_<method>                of the mean AUC, paired; ..._gauc: of the mean GAUC
    rare_auc_loss                            AUC of objectives under 1 %: of HarmonRank learnt on
                                             that objective alone, less that of all at once

Five seeds.  Quick: 7 methods; FULL=1: every registered ranker, and MMoE's base scores too.
"""

from __future__ import annotations

from typing import Any

from benchmarks.record import figure, full, one_thread, record, versions

one_thread()

import numpy as np  # noqa: E402

OBJECTIVES = ("click", "long_view", "like", "follow", "comment", "forward", "profile_enter")
QUICK = (
    "best-single-score",
    "formula",
    "summed-bce",
    "balanced-bce",
    "pairwise-logistic",
    "squared-hinge",
    "harmonrank",
)
SEEDS = range(5)
RARE = 0.01  # share of positives
Part = dict[str, Any]


def parts() -> tuple[Part, Part, Part]:
    """The rows that teach, those that decide, and those that test: scores, labels, profiles."""
    from equipoise.data import fetch_kuairand
    from equipoise.ranking import BoostedScores, MMoEScores

    log = fetch_kuairand()
    base = log.between("2022-04-25", "2022-04-27")
    columns = [*log.profile, *log.features]
    labels = base.table.select(OBJECTIVES)
    models: list[Any] = [BoostedScores()] + ([MMoEScores()] if full() else [])
    for model in models:
        model.fit(base.table.select(columns), labels, groups=base.users)

    def part(first: str, last: str) -> Part:
        rows = log.between(first, last)
        scores = [model.predict(rows.table.select(columns)) for model in models]
        y = np.column_stack([rows.y[:, rows.labels.index(name)] for name in OBJECTIVES])
        profile = rows.table.select(rows.profile)
        return {"X": np.hstack(scores), "y": y, "profile": profile, "users": rows.users}

    return (
        part("2022-04-28", "2022-04-29"),
        part("2022-04-30", "2022-04-30"),
        part("2022-05-01", "2022-05-08"),
    )


def fitted(name: str, seed: int, learn: Part, held: Part, objective: int | None = None) -> Any:
    """A ranker of all objectives, or of one."""
    from equipoise.ranking import RANKERS

    chosen = slice(None) if objective is None else [objective]
    one = {key: held[key] for key in ("X", "profile")} | {"y": held["y"][:, chosen]}
    ranker = RANKERS.load(name)().set_params(random_state=seed)
    y = learn["y"][:, chosen]
    return ranker.fit(learn["X"], y, profile=learn["profile"], eval_set=one)


def main() -> None:
    """Fit, test, record."""
    from equipoise.evaluation import ranking_metrics
    from equipoise.ranking import RANKERS

    learn, held, test = parts()
    methods = tuple(RANKERS) if full() else QUICK
    scores: dict[str, Any] = {}
    for name in methods:
        ask = [fitted(name, seed, learn, held).predict for seed in SEEDS]
        scores[name] = np.column_stack([one(test["X"], profile=test["profile"]) for one in ask])
        print(name, flush=True)
    rare = np.flatnonzero(learn["y"].mean(axis=0) < RARE)
    alone = {
        f"alone-{OBJECTIVES[j]}": np.column_stack(
            [
                fitted("harmonrank", seed, learn, held, int(j)).predict(
                    test["X"], profile=test["profile"]
                )
                for seed in SEEDS
            ]
        )
        for j in rare
    }
    metrics = ranking_metrics(
        scores | alone,
        test["y"],
        groups=test["users"],
        objectives=OBJECTIVES,
        against="harmonrank",
    )
    figures = []
    for name in methods:
        for measure in ("auc", "gauc"):
            mean = metrics.estimate(measure, name, "mean")
            figures.append(
                figure(f"{measure}_{name}", mean.value, low=mean.low, high=mean.high, n=len(SEEDS))
            )
            if name != "harmonrank":
                gain = metrics.gain(measure, name, "mean")
                label = f"harmonrank_minus_{name}" + ("" if measure == "auc" else "_gauc")
                low, high = -gain.high, -gain.low
                figures.append(
                    figure(label, -gain.value, low=low, high=high, against=name, n=len(SEEDS))
                )
    for j in rare:
        gain = metrics.gain("auc", f"alone-{OBJECTIVES[j]}", OBJECTIVES[j])
        label = f"rare_auc_loss_{OBJECTIVES[j]}"
        figures.append(
            figure(label, gain.value, low=gain.low, high=gain.high, against="that objective alone")
        )
    for item in figures:
        print(item["name"], round(item["value"], 4), item.get("low"), item.get("high"))
    protocol = " ".join((__doc__ or "").split("\n\n")[1].split())
    protocol += "  Base scores of MMoE too." if full() else ""
    record(
        "ranking",
        protocol,
        versions("equipoise", "numpy", "lightgbm", "torch", "optuna"),
        list(SEEDS),
        figures,
        coverage={
            name: float(v) for name, v in zip(OBJECTIVES, metrics.coverage.coverage, strict=True)
        },
    )


if __name__ == "__main__":
    main()
