"""BanditNet and POEM beside effects: 32 schedules and their base, logged evenly, 30,000 users.

Worth of a choice in points, the true mean over users, against the base: return less 0.06 a yuan of
cost.  Every method learns from the same rewards, 100 (back - 0.06 cost).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from equipoise.core.features import FeatureMap
from equipoise.data.simulators.red_packet import draw_schedules, make_red_packet_world
from equipoise.estimators import PooledDML
from equipoise.neural.banditnet import BanditNet, Setting, poem, translated
from equipoise.reproduce.incentives.table import Family, Table
from equipoise.reproduce.incentives.worlds import PP, PRICE
from equipoise.reproduce.simulated import Scores
from equipoise.treatments import Schedule

ROWS, TEST_ROWS, ARMS = 30_000, 4_000, 32
RIVALS = {"banditnet": translated(), "poem": poem(), "ips": (Setting(),)}


def menu_of(seed: int) -> tuple[Schedule, Any]:
    """The space of a base and 32 schedules, and 32 others."""
    drawn = draw_schedules(2 * ARMS, np.random.default_rng([seed, 7]))
    menu = {"base": [0.2, 2, 4.0]} | {f"s{k}": one.tolist() for k, one in enumerate(drawn[:ARMS])}
    return Schedule(menu, degree=2), drawn[ARMS:]


def worths(outcomes: Any) -> Any:
    """In points.   outcomes: (..., 3)."""
    return PP * (outcomes[..., 0] - PRICE * outcomes[..., 2])


def judged(seed: int, rows_logged: int = ROWS, others: int = TEST_ROWS) -> Scores:
    """What every method makes of one log."""
    space, new = menu_of(seed)
    log, _ = make_red_packet_world(rows_logged, space, seed=seed)
    later, truth = make_red_packet_world(others, space, seed=10_000 + seed)
    features = FeatureMap().fit(log.features)
    X, Z = features.transform(log.features), features.transform(later.features)
    nothing = worths(truth.of(space.control[None]))
    logged = worths(truth.of(space.candidates())) - nothing  # (n, 32)
    unseen = worths(truth.of(new)) - nothing
    rows, cell, reward = np.arange(others), log.cells, worths(log.y)
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
    propensity = np.full(rows_logged, 1 / (1 + ARMS))
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


def one_seed(seed: int, small: bool) -> Scores:
    """Every method."""
    scores = judged(seed, *((400, 100) if small else (ROWS, TEST_ROWS)))
    return scores | {"random_value_logged": scores["random_value"]}


BANDIT = Family(
    "bandit",
    "4.6",
    one_seed,
    (
        Table(
            "BanditNet: worth of picks, pp; held-out SNIPS less the truth, and what it rests on",
            {
                "logged schedules": "{}_value_logged",
                "one for all": "{}_value_one",
                "never logged": "{}_value_new",
                "SNIPS less truth": "{}_snips_less_truth",
                "effective share of rows": "{}_effective_share",
            },
            {
                "IPS": (".61 ± .15", "", ".28-.47", "", ".05-.08"),
                "POEM": (".79 ± .13", "", ".28-.47", "", ".05-.08"),
                "BanditNet": (".72 ± .12", "", ".28-.47", "+1.2", ".05-.08"),
                "DML, own deviations": ("1.16 ± .14", "1.76 ± .35", ".9-1.0", "", ""),
                "largest logged mean": ("", "1.71 ± .29", "", "", ""),
                "at random": (".71", "", ".68", "", ""),
            },
            {},
            ("The reference world's DML shrinks interactions only.",),
            {
                "IPS": "ips",
                "POEM": "poem",
                "BanditNet": "banditnet",
                "DML, own deviations": "dml",
                "largest logged mean": "mean",
                "at random": "random",
            },
        ),
    ),
)
