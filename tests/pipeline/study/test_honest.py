"""One call from a log to a policy: it ships what `run` ships, and fits nothing twice."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression

from equipoise.allocation import decide
from equipoise.artifacts.policy import read_scorer
from equipoise.core.effects import Effects
from equipoise.core.errors import InputError, PlanError
from equipoise.data import make_coupon_world, read_log
from equipoise.estimators import BoostedTrees, Bootstrapped, DRLearner, LinearDML, TLearner
from equipoise.pipeline import run
from equipoise.pipeline.plan.read import make_plan
from equipoise.pipeline.study.cross_fit import (
    SHIPPED,
    cross_fit_effects,
    log_folds,
    with_space,
)
from equipoise.pipeline.study.honest import HonestPolicy, honest_policy
from equipoise.pipeline.study.study import make_study
from equipoise.treatments import Arms

TREES = TLearner(BoostedTrees(5))
BUDGET = {"cost": 2.0, "paid": "always", "budget": 0.5}


@pytest.fixture(scope="module")
def world():
    return make_coupon_world(1650, metrics=("conversion",), seed=0)


@pytest.fixture(scope="module")
def policy(world) -> HonestPolicy:
    return honest_policy(world[0], TREES, **BUDGET)


class Counting(TLearner):
    """A T-learner that counts its fits and the rows of each."""

    rows: list[int] = []

    def _learn(self, data):
        self.rows.append(len(data.X))
        super()._learn(data)


@pytest.fixture
def counting():
    Counting.rows.clear()
    return Counting(BoostedTrees(2))


def test_an_estimator_or_its_effects_give_the_same_policy(world, policy):
    log = world[0]
    effects = cross_fit_effects(log, TREES)
    for other in (
        honest_policy(log, effects, **BUDGET),
        honest_policy(log, effects=effects, **BUDGET),
    ):
        assert other.policy == policy.policy
        assert np.array_equal(other.choice, policy.choice)
        assert other.values["conversion"][0] == policy.values["conversion"][0]
        assert other.shipped == policy.shipped
        assert other.scorer is None, "effects hold no model"


def test_a_wrapped_estimator_needs_no_space(world):
    plain = TLearner(LinearRegression())
    one, two = (honest_policy(world[0], e, **BUDGET) for e in (plain, Bootstrapped(plain, 2)))
    assert str(two) == str(one)
    with pytest.raises(InputError, match="estimator of effects; got LinearRegression"):
        honest_policy(world[0], LinearRegression(), **BUDGET)


def test_it_ships_what_run_ships(world, tmp_path):
    """The same plan as a run: the prices, and what strangers get, bit for bit."""
    log, _ = world
    plan = make_plan(
        {
            "log": {"dataset": "-"},
            "estimator": {"name": "t-learner", "params": {"outcome": {}}},
            "policy": {"cost": 2.0, "paid": "always", "budget": {"per_head": 0.5}},
            "report": {"currency": "USD"},
        }
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("equipoise.pipeline.study.study.open_log", lambda _: log)
        patch.setattr(
            "equipoise.pipeline.study.study.make_estimator", lambda *_: with_space(TREES, log.space)
        )
        run(plan, tmp_path / "run")
    shipped = read_scorer(tmp_path / "run" / "policy")
    ours = honest_policy(log, TREES, **BUDGET).scorer
    strangers, _ = make_coupon_world(500, metrics=("conversion",), seed=7)
    assert ours.policy.prices == shipped.policy.prices
    assert ours.assign(strangers.table).equals(shipped.assign(strangers.table))


def test_the_shipped_rule_is_judged_by_the_rows_that_chose_nothing_for_it():
    """Doubly robust scores by hand: of fold 0 alone, under the choices of its own prices."""
    log, truth = make_coupon_world(300, arms=2, metrics=("conversion",), seed=1)
    effects = cross_fit_effects(log, TREES)
    honest = honest_policy(log, effects, offers=0.25, propensity=truth.propensity)
    fold = log_folds(log, 3, 0)
    rows, levels = np.flatnonzero(fold == SHIPPED), effects.levels()
    offered = decide(honest.policy, effects.take(rows), units=np.arange(len(rows))).choice == 0
    y, cell = log.y[rows, 0], log.cells[rows]
    own = levels[rows, :, 0]
    for a in (0, 1):
        hit = cell == a
        own[hit, a] += (y - own[:, a])[hit] / truth.propensity[rows[hit], a]
    gain = np.where(offered, own[:, 1] - own[:, 0], 0.0).mean()
    assert honest.shipped["conversion"][0] == pytest.approx(gain)
    widths = [interval[2] - interval[1] for interval in (honest.shipped_spend, honest.spend)]
    assert widths[0] > widths[1]


def test_nothing_is_fitted_twice(world, counting):
    honest_policy(world[0], counting, **BUDGET, cv=3)
    assert counting.rows == [1100, 1100, 1100]


def test_lower_fits_each_fold_once_whole_and_once_a_replicate(world, counting, monkeypatch):
    """20 replicates of 3 folds beside the 3 fits: 63, where there were 66 and one more to ship."""
    log = world[0]
    honest_policy(log, counting, **BUDGET, lower=1.0)
    assert len(counting.rows) == 3 * 21
    counting.rows.clear()
    monkeypatch.setattr("equipoise.pipeline.study.study.open_log", lambda _: log)
    monkeypatch.setattr(
        "equipoise.pipeline.study.study.make_estimator", lambda *_: with_space(counting, log.space)
    )
    plan = make_plan(
        {
            "log": {"dataset": "-"},
            "policy": {"lower": 1.0, "offers": {"share": 0.2}},
            "run": {"replicates": 4},
        }
    )
    assert make_study(plan).effects.std_error is not None
    assert len(counting.rows) == 3 * 5


def test_standard_errors_of_its_own_need_no_bootstrap(world):
    honest = honest_policy(world[0], LinearDML(), **BUDGET, lower=1.0)
    assert type(honest.scorer.model.estimator) is LinearDML


def spends(seed: int) -> float:
    """What 4,000 strangers are expected to cost each under a budget of 0.5."""
    log, _ = make_coupon_world(1500, metrics=("conversion",), seed=seed)
    strangers, _ = make_coupon_world(4000, metrics=("conversion",), seed=1000 + seed)
    scorer = honest_policy(log, TLearner(BoostedTrees(20)), **BUDGET).scorer
    return float(scorer.assign(strangers.table)["expected_cost"].to_numpy().mean())


def test_strangers_cost_about_the_budget():
    """Over seeds 0..11: 0.46 to 0.56, mean 0.501, standard deviation 0.033; a third of it is the
    noise of 500 priced rows.
    """
    spent = np.array([spends(seed) for seed in range(6)])
    assert abs(spent.mean() - 0.5) < 0.03
    assert (np.abs(spent - 0.5) < 0.1).all()


def test_wrong_keys_are_refused_before_anything_is_fitted(world, counting):
    log = world[0]
    with pytest.raises(PlanError, match="did you mean 'budget'"):
        honest_policy(log, counting, bugdet=1.0)
    with pytest.raises(PlanError, match="did you mean 'conversion'"):
        honest_policy(log, counting, weights={"convesion": 1.0})
    assert counting.rows == []


@pytest.mark.parametrize(("given", "got"), [((), "neither"), ((TREES,), "both")])
def test_an_estimator_or_effects_but_one_of_them(world, given, got):
    effects = world[1].effects() if given else None
    with pytest.raises(InputError, match=f"one of them; got {got}; give an estimator"):
        honest_policy(world[0], *given, effects=effects)
    if given:
        with pytest.raises(InputError, match="effects must be given once"):
            honest_policy(world[0], effects, effects=effects)


def test_plain_numbers_are_short_forms():
    log, truth = make_coupon_world(300, metrics=("conversion",), seed=0)
    assert honest_policy(log, truth.effects(), offers=0.25).shares["none"] == pytest.approx(
        0.75, abs=0.01
    )


def test_old_argument_names_still_work(world):
    log, truth = world
    effects = truth.effects()
    with pytest.warns(FutureWarning) as caught:
        old = honest_policy(log, effects, folds=2, seed=5, offers=0.2)
    assert {str(one.message).split(" since")[0] for one in caught} == {
        "folds= is called cv=",
        "seed= is called random_state=",
    }
    assert np.array_equal(
        old.choice, honest_policy(log, effects, cv=2, random_state=5, offers=0.2).choice
    )


def test_the_table_has_every_figure_once(policy):
    rows = {(row["what"], row["name"]): row for row in policy.to_table().to_pylist()}
    assert len(rows) == policy.to_table().num_rows == 2 * (1 + 1) + 3 + 1
    assert rows["shipped gain", "conversion"]["low"] == policy.shipped["conversion"][1]
    value, low, high = policy.values["conversion"]
    gain = rows["gain", "conversion"]
    assert (gain["value"], gain["low"], gain["high"], gain["bound"]) == (value, low, high, None)
    budget = rows["demand", "budget"]
    assert (budget["bound"], budget["value"]) == (0.5, policy.demands[0]["used"])
    assert budget["binding"]
    assert sum(row["value"] for (what, _), row in rows.items() if what == "share") == pytest.approx(
        1
    )


def test_frames_are_the_table(policy):
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    rows = policy.to_table().to_pylist()
    assert policy.to_polars().to_dicts() == rows
    assert isinstance(policy.to_pandas(), pandas.DataFrame)
    assert isinstance(policy.to_polars(), polars.DataFrame)
    assert policy.to_pandas()["name"].tolist() == [row["name"] for row in rows]


def test_it_shows_itself_in_words_and_escaped(policy):
    text = repr(policy)
    assert text.splitlines()[0] == "HonestPolicy of 1,650 units, with a scorer"
    assert "at most 0.5" in text
    assert "array" not in text
    page = policy._repr_html_()
    assert page.count("<tr>") == len(text.splitlines()) - 1
    assert "<script" not in page


def ramp(seed, n=4000):
    """Three arms whose shares drift from 8:1:1 to 3:3:4 over four weeks while the level rises."""
    g = np.random.default_rng(seed)
    day = g.integers(0, 28, n)
    late = day / 27
    p = np.column_stack([0.8 - 0.5 * late, 0.1 + 0.2 * late])
    arm = (g.random(n)[:, None] > np.cumsum(p, axis=1)).sum(axis=1)
    x = g.normal(size=n)
    y = 0.5 * x + 1.5 * late + g.normal(size=n)
    when = pd.Timestamp("2024-01-01") + pd.to_timedelta(day, "D")
    return pd.DataFrame({"x": x, "day": when, "arm": np.array(list("abc"))[arm], "y": y})


@pytest.mark.filterwarnings("ignore::equipoise.pipeline.DesignWarning")  # of one log in 20
@pytest.mark.parametrize("learner", [DRLearner, TLearner])
@pytest.mark.parametrize("design", ["shares", None])
def test_a_ramp_up_gains_nothing(learner, design):
    """Without periods the gain is 0.14 and no interval of any seed holds the truth, 0."""
    hits, estimator = [], learner(LinearRegression())
    for seed in range(8):
        log = read_log(
            ramp(seed),
            treatment="arm",
            outcomes={"y": "continuous"},
            features=["x"],
            time="day",
            design=design,
            space=Arms(list("abc")),
        )
        effects = cross_fit_effects(log, estimator)
        assert np.abs(effects.values.mean(axis=0)).max() < 0.15  # 0.27 without periods
        _, low, high = honest_policy(log, effects, weights={"y": 1}, offers=0.5).values["y"]
        hits.append(low <= 0 <= high)
    assert sum(hits) >= 7


def test_what_time_did_is_no_noise_of_the_interval():
    """A level that doubles: the interval is that of a log without time, not that of the levels."""
    table = ramp(0)
    table["y"] += 10 * (table["day"] > "2024-01-14")
    roles = {"treatment": "arm", "outcomes": {"y": "continuous"}, "features": ["x"]}
    widths = []
    for frame in (ramp(0), table):
        log = read_log(frame, time="day", design="shares", space=Arms(list("abc")), **roles)
        learner = DRLearner(LinearRegression(), LinearRegression())
        _, low, high = honest_policy(log, learner, weights={"y": 1}, offers=0.5).values["y"]
        widths.append(high - low)
    assert widths[1] < 1.3 * widths[0]


def everyday(n=600):
    rng = np.random.default_rng(3)
    z, a, arm = rng.normal(size=n), rng.normal(size=n).round(1), rng.choice(list("abc"), n)
    table = {"z": z, "city": rng.choice(list("uvw"), n), "a": a, "arm": arm}
    table |= {"user": rng.permutation(n) + 7, "store": rng.integers(0, 40, n)}
    return pd.DataFrame(table | {"y": z + (arm == "b") * a + rng.normal(size=n)})


@pytest.mark.parametrize("learner", [TLearner, LinearDML])
@pytest.mark.parametrize("roles", [{}, {"id": "user"}, {"group": "store"}])
def test_rows_and_columns_in_another_order_give_the_same_effects_and_choices(learner, roles):
    rng, frame = np.random.default_rng(0), everyday()
    frame = frame.drop(columns=list({"user", "store"} - {*roles.values()}))
    order, estimator = rng.permutation(len(frame)), learner()
    if learner is TLearner:
        estimator = learner(BoostedTrees(n_estimators=5, num_leaves=4))  # many ties
    results = []
    for table in (frame, frame.iloc[order][frame.columns[rng.permutation(frame.shape[1])]]):
        log = read_log(
            table,
            treatment="arm",
            outcomes={"y": "continuous"},
            space=Arms(list("abc")),
            design=[1 / 3] * 3,
            **roles,
        )
        effects = cross_fit_effects(log, estimator)
        keys = {"weights": {"y": 1}, "cost": {"b": 1.0, "c": 2.0}, "budget": 0.3}
        results.append((effects.values, honest_policy(log, estimator, **keys)))
    (straight, policy), (turned, other) = results
    np.testing.assert_allclose(turned, straight[order], rtol=0, atol=1e-12)
    assert (other.choice == policy.choice[order]).all()
    np.testing.assert_allclose(other.values["y"], policy.values["y"], rtol=0, atol=1e-12)


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
WORDS = st.one_of(TEXTS, st.sampled_from(["baseline", "spend", "a|b", "y=1", "missing", "share"]))


@settings(max_examples=15, deadline=None)
@given(
    st.lists(WORDS, min_size=2, max_size=4, unique=True),
    st.lists(WORDS, min_size=1, max_size=2, unique=True),
)
@example(["none", "baseline", "a|b"], ["spend", "spend|baseline"])
def test_the_shares_of_any_names_sum_to_1(arms, metrics):
    roles = {"x": "\0x", "arm": "\0arm"}  # names that no metric has
    g = np.random.default_rng(0)
    cells = np.arange(120) % len(arms)
    y = {name: g.normal(size=120) + cells * (j + 1) for j, name in enumerate(metrics)}
    columns = {roles["x"]: g.normal(size=120), roles["arm"]: [arms[i] for i in cells], **y}
    log = read_log(
        columns,
        treatment=roles["arm"],
        outcomes=dict.fromkeys(metrics, "continuous"),
        features=[roles["x"]],
        space=Arms(arms),
        design="shares",
    )
    effect = np.tile(np.arange(1.0, len(arms))[:, None], (120, 1, len(metrics)))
    effects = Effects(effect, np.zeros((120, len(metrics))), log.cell_names[1:], log.metrics)
    effects = Effects.from_table(effects.to_table())
    result = honest_policy(log, effects=effects, offers=0.5)
    assert set(result.shares) == set(arms)
    assert sum(result.shares.values()) == pytest.approx(1, abs=1e-12)
    assert set(result.values) == set(metrics)
    rows = result.to_table().to_pylist()
    assert [row["name"] for row in rows if row["what"] == "share"] == list(log.cell_names)
    assert result.plot() is not None


def test_a_metric_that_is_called_cost_is_drawn_beside_the_money():
    g = np.random.default_rng(0)
    rows = {"x": g.normal(size=80), "t": [0, 1] * 40, "cost": g.normal(size=80)}
    log = read_log(rows, treatment="t", outcomes={"cost": "continuous"}, design="shares")
    effects = Effects(np.ones((80, 1, 1)), np.zeros((80, 1)), ("1",), ("cost",))
    figure = honest_policy(log, effects=effects, offers=0.5).plot()
    assert "cost_" in str(figure.to_dict())
