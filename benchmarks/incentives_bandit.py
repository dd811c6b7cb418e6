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

from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

from equipoise.core.features import FeatureMap  # noqa: E402
from equipoise.data.simulators.red_packet import (  # noqa: E402
    draw_schedules,
    make_red_packet_world,
)
from equipoise.estimators import PooledDML  # noqa: E402
from equipoise.neural.banditnet import BanditNet, Setting, poem, translated  # noqa: E402
from equipoise.treatments import Schedule  # noqa: E402

SEEDS = range(8 if full() else 3)
ROWS, TEST_ROWS, ARMS, PRICE = 30_000, 4_000, 32, 0.06
RIVALS = {"banditnet": translated(), "poem": poem(), "ips": (Setting(),)}


def menu_of(seed: int) -> tuple[Schedule, Any]:
    """The space of a base and 32 schedules, and 32 others."""
    drawn = draw_schedules(2 * ARMS, np.random.default_rng([seed, 7]))
    menu = {"base": [0.2, 2, 4.0]} | {f"s{k}": one.tolist() for k, one in enumerate(drawn[:ARMS])}
    return Schedule(menu, degree=2), drawn[ARMS:]


def worths(outcomes: Any) -> Any:
    """In points.   outcomes: (..., 3)."""
    return 100 * (outcomes[..., 0] - PRICE * outcomes[..., 2])


def one_seed(seed: int) -> dict[str, float]:
    """What every method makes of one log."""
    space, new = menu_of(seed)
    log, _ = make_red_packet_world(ROWS, space, seed=seed)
    later, truth = make_red_packet_world(TEST_ROWS, space, seed=10_000 + seed)
    features = FeatureMap().fit(log.features)
    X, Z = features.transform(log.features), features.transform(later.features)
    nothing = worths(truth.of(space.control[None]))
    logged = worths(truth.of(space.candidates())) - nothing  # (n, 32)
    unseen = worths(truth.of(new)) - nothing
    rows, cell, reward = np.arange(TEST_ROWS), log.cells, worths(log.y)
    model = PooledDML(space=space, own=True).fit(X, reward, treatment=log.treatment)
    effects, beyond = model.effects(Z).values[..., 0], model.effects(Z, new).values[..., 0]
    means = [reward[cell == k].mean() for k in range(1, ARMS + 1)]
    out = {
        "dml_value_logged": logged[rows, effects.argmax(axis=1)].mean(),
        "dml_value_one": logged[:, effects.mean(axis=0).argmax()].mean(),
        "dml_value_new": unseen[rows, beyond.argmax(axis=1)].mean(),
        "dml_value_new_one": unseen[:, beyond.mean(axis=0).argmax()].mean(),
        "mean_value_one": logged[:, int(np.argmax(means))].mean(),
        "random_value": logged.mean(),
        "random_value_new": unseen.mean(),
    }
    arms = space.encode(np.vstack([space.control, space.candidates()]))
    propensity = np.full(ROWS, 1 / (1 + ARMS))
    for name, settings in RIVALS.items():
        net = BanditNet(settings, seed=seed).fit(X, cell, reward, propensity, arms)
        score = net.scores(Z)[:, 1:]
        out[f"{name}_value_logged"] = logged[rows, score.argmax(axis=1)].mean()
        choice = net.choose(Z, space.encode(new)).arm
        out[f"{name}_value_new"] = unseen[rows, choice].mean()
        out[f"{name}_effective_share"] = net.chosen_.effective_share
        share = net.probabilities(Z)
        own = (share[:, 1:] * logged).sum(axis=1).mean() + nothing.mean()
        out[f"{name}_snips_less_truth"] = net.chosen_.snips - own
        out[f"{name}_less_dml"] = out[f"{name}_value_logged"] - out["dml_value_logged"]
        out[f"{name}_less_dml_new"] = out[f"{name}_value_new"] - out["dml_value_new"]
    return {name: float(value) for name, value in out.items()}


def main() -> None:
    """Learn on every seed, record."""
    runs = [one_seed(seed) for seed in SEEDS]
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
