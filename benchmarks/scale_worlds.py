"""python -m benchmarks scale worlds: do intervals of runs out of core hold the truth where logs are
not plain?

`run_covered_clusters`: units come in clusters of 1 to 40 that share a level, weights go with a
feature, and spending is rare with heavy tails; arms are drawn at random.
`run_covered_confounded`: arms follow the features by a logistic design which the run must learn,
outcomes follow the same features.
`run_covered_confounded_many`: the same, of a hundred times as many rows as are learnt from, where
errors of what was learnt are larger than those of means.

Of each world 20,000 rows, or 400,000, of which about 4,000 are learnt from.  The truth is the gain
of the rule that ships in 200,000 units of the population, in both metrics (`_spend`, `_visit`), and
how the model that ships orders them (`_qini`, `_autoc`, and `_slope` of the effect on its
prediction, each of two offers and two metrics); an interval is to hold it 95 times of 100.  40
worlds in the quick form, 200 in the full one; of the large ones 100.
"""

from __future__ import annotations

from benchmarks.record import figure, one_thread

one_thread()

import tempfile  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

Figures = list[dict[str, Any]]
ROWS, MANY, LEARN, POPULATION, FEATURES = 20_000, 400_000, 4_000, 200_000, 6
WARM = 0.15  # how far a cluster's lift moves visits
WORLDS = (
    ("clusters", False, ROWS),
    ("confounded", True, ROWS),
    ("confounded_many", True, MANY),
)
METRICS = ("spend", "visit")
LABELS = ("none", "mail", "call")
PLAN = """
[log]
path = "log"
treatment = "arm"
outcomes = {{ spend = "amount", visit = "binary" }}
features = [{features}]
id = "user"
{log}
[space]
kind = "arms"
labels = ["none", "mail", "call"]
[estimator]
name = "t-learner"
params = {{ outcome_model = {{ n_estimators = 40, num_leaves = 8 }} }}
[policy]
weights = {{ spend = 1.0, visit = 1.0 }}
cost = {{ mail = 0.1, call = 0.3 }}
budget = {{ per_head = 0.1 }}
[run]
learn_rows = {learn}
out = "out"
"""


def chances(X: np.ndarray, arm: np.ndarray) -> np.ndarray:
    """Of a visit, (n,)."""
    offered = np.stack([0 * X[:, 0], 0.5 * (X[:, 0] > 0), 0.7 * (X[:, 1] > 0.3) - 0.2])
    logit = -1.5 + 0.6 * X[:, 2] + offered[arm, np.arange(len(arm))]
    return 1 / (1 + np.exp(-logit))


def drawn(n: int, seed: int, confounded: bool) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    """Columns of units, their features (n, d), and their weights."""
    rng = np.random.default_rng((seed, n, confounded))
    X = rng.normal(size=(n, FEATURES))
    lift, cluster, weight = np.zeros(n), np.arange(n), np.ones(n)
    if not confounded:
        sizes = rng.integers(1, 41, n)
        cluster = np.repeat(np.arange(n), sizes)[:n]
        lift = 0.5 * rng.normal(size=n)[cluster]
        X[:, 3] = rng.normal(size=n)[cluster]
        weight = np.exp(0.5 * X[:, 4])
    scores = np.zeros((n, 3))
    if confounded:
        scores[:, 1:] = np.stack([0.8 * X[:, 2], 0.6 * X[:, 0] - 0.4 * X[:, 2]], axis=1)
    arm = (scores + rng.gumbel(size=(n, 3))).argmax(axis=1)
    visit = rng.random(n) < chances(X, arm) * (1 + WARM * np.tanh(lift))
    spend = visit * rng.lognormal(1.0 + 0.2 * X[:, 2] + lift, 1.0)
    columns = {
        "user": np.arange(n),
        "cluster": cluster,
        "weight": weight,
        "arm": np.array(LABELS)[arm],
        "visit": visit.astype(float),
        "spend": spend,
    }
    return columns | {f"x{j}": X[:, j] for j in range(FEATURES)}, X, weight


def effects(X: np.ndarray, confounded: bool) -> np.ndarray:
    """The gain of each offer in spend and visits of units, (n, k, 2)."""
    arm = np.zeros(len(X), np.int64)
    gain = np.stack([chances(X, arm + a) - chances(X, arm) for a in (1, 2)], axis=1)
    amount = np.exp(1.0 + 0.2 * X[:, 2] + 0.5)
    if not confounded:  # a cluster's lift l is N(0, 1/4): E (1 + WARM tanh l) e^l
        at, share = np.polynomial.hermite_e.hermegauss(40)
        amount *= share @ ((1 + WARM * np.tanh(at / 2)) * np.exp(at / 2)) / share.sum()
    return np.stack([gain * amount[:, None], gain], axis=2)


def ranked(said: np.ndarray, gain: np.ndarray, weight: np.ndarray) -> dict[str, float]:
    """How predictions (n,) order units of these gains, as runs tell it."""
    order = np.argsort(-said, kind="stable")
    w, g, s = weight[order] / weight.sum(), gain[order], said[order]
    above = np.cumsum(w)
    autoc = w @ (np.cumsum(w * g) / above) - w @ g
    slope = w @ (g * (s - w @ s)) / (w @ (s - w @ s) ** 2)
    return {"qini": float((w * g) @ (0.5 - above + w / 2)), "autoc": autoc, "slope": slope}


def held(seed: int, confounded: bool, n: int = ROWS) -> dict[str, float]:
    """The share of a run's intervals that hold the truth, by what they are of."""
    from equipoise.artifacts.policy import read_scorer
    from equipoise.pipeline import read_plan, run

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "log").mkdir()
        columns, _, _ = drawn(n, seed, confounded)
        pq.write_table(pa.table(columns), folder / "log" / "0.parquet", row_group_size=n // 4)
        names = ", ".join(f'"x{j}"' for j in range(FEATURES))
        roles = 'design = "learn"' if confounded else 'group = "cluster"\nweight = "weight"\n'
        roles += "" if confounded else 'design = "shares"'
        text = PLAN.format(features=names, learn=LEARN, log=roles)
        (folder / "plan.toml").write_text(text)
        findings = run(read_plan(folder / "plan.toml"), folder / "out")
        people, X, weight = drawn(POPULATION, seed, confounded)
        given = read_scorer(folder / "out" / "policy").decided(pa.table(people))
    true, choice = effects(X, confounded), given.choice.astype(np.int64)
    own = np.where(choice[:, None] >= 0, true[np.arange(len(X)), choice], 0.0)
    values = findings["rivals"][0]["values"]
    hits: dict[str, list[bool]] = {}

    def look(name: str, interval: Any, truth: float) -> None:
        hits.setdefault(name, []).append(bool(interval[1] <= truth <= interval[2]))

    for j, metric in enumerate(METRICS):
        look(metric, values[metric], float(weight @ own[:, j] / weight.sum()))
    slopes = {(one["metric"], one["candidate"]): one["slope"] for one in findings["calibration"]}
    for one in findings["rankings"]:
        j, a = METRICS.index(one["metric"]), LABELS.index(one["candidate"]) - 1
        wanted = ranked(given.effects.values[:, a, j], true[:, a, j], weight)
        for name in ("qini", "autoc"):
            look(name, one[name], wanted[name])  # type: ignore[literal-required]
        look("slope", slopes[one["metric"], one["candidate"]], wanted["slope"])
    return {name: float(np.mean(own)) for name, own in hits.items()}


def figures(form: str) -> Figures:
    """Of all worlds."""
    said = []
    for name, confounded, n in WORLDS:
        worlds = (200 if form == "full" else 40) // (2 if n == MANY and form == "full" else 1)
        every = [held(seed, confounded, n) for seed in range(worlds)]
        for what in every[0]:
            hits = np.array([one[what] for one in every])
            share, reach = float(hits.mean()), 1.96 * float(hits.std()) / worlds**0.5
            label = f"run_covered_{name}_{what}"
            one = figure(label, share, low=share - reach, high=share + reach, n=worlds)
            print(f"{label}: {share:.3f} of {worlds}", flush=True)
            said.append({**one, "against": "95 % intervals"})
    return said
