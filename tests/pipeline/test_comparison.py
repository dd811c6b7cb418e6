"""Any number of models and policies in one call: figures and paired differences are those of the
parts, and the table tells the better one.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import equipoise as eq
from equipoise.core.display import MOST_ROWS
from equipoise.core.errors import InputError
from equipoise.data.simulators.coupon import make_coupon_world
from equipoise.evaluation import (
    compare_rankings,
    effect_loss,
    evaluation_data,
    policy_value,
    qini,
    rank_by_score,
)
from equipoise.pipeline.comparison import compare

N = 2_000


@pytest.fixture(scope="module")
def world():
    return make_coupon_world(N, metrics=("conversion", "spend"), seed=1)


@pytest.fixture(scope="module")
def table(world):
    log, truth = world
    effects = truth.effects()
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(effects.values.shape)
    best = effects.metric("conversion").argmax(axis=1)
    things = {
        "truth": effects,
        "noise": noise,
        "frame": effects.to_table().to_pandas(),
        "best": best,
        "nobody": "none",
        "lots": np.full((N, 3), 1 / 3),
    }
    return compare(things, log, cost=1.0, paid="always", pairs="all")


def row_of(rows, *key):
    return next(r for r in rows if key == (r.name, r.less, r.measure, r.candidate, r.metric))


def test_models_have_the_figures_of_the_parts(world, table):
    log, truth = world
    rows = evaluation_data(log.y, cell=log.cells, propensity=log.propensity)
    j, values = log.metrics.index("spend"), truth.effects().values
    noise = np.random.default_rng(0).standard_normal(values.shape)
    rankings = [rank_by_score(v[:, 1, j], rows, candidate=1, metric=j) for v in (noise, values)]
    own = row_of(table.figures, "noise", None, "qini", "coupon-2", "spend")
    assert own.estimate.interval == pytest.approx(qini(rankings[0]).interval)
    less = row_of(table.differences, "noise", "truth", "qini", "coupon-2", "spend")
    want = compare_rankings(*rankings, qini, draws=0).difference
    assert less.estimate.interval == pytest.approx(want.interval)
    losses = [effect_loss(v, rows) for v in (noise, values)]
    loss = row_of(table.differences, "noise", "truth", "dr_loss", None, "spend")
    assert loss.estimate.interval == pytest.approx(losses[0].minus(losses[1])[j].interval)
    same = row_of(table.differences, "frame", "truth", "autoc", "coupon-1", "conversion")
    assert same.estimate.interval == [0, 0, 0]
    assert same.better is None


def test_policies_have_the_figures_of_the_parts(world, table):
    log, truth = world
    rows = evaluation_data(log.y, cell=log.cells, propensity=log.propensity)
    best = truth.effects().metric("conversion").argmax(axis=1)
    lots = policy_value(np.full((N, 3), 1 / 3), rows)
    j = log.metrics.index("conversion")
    value = row_of(table.figures, "lots", None, "value", None, "conversion")
    assert value.estimate.interval == pytest.approx(lots.estimates[j].interval)
    less = row_of(table.differences, "lots", "best", "gain", None, "conversion")
    want = lots.minus(policy_value(best, rows))[j]
    assert less.estimate.interval == pytest.approx(want.interval)
    cost = row_of(table.figures, "lots", None, "cost", None, None)
    assert cost.estimate.interval == pytest.approx([2 / 3] * 3)
    assert row_of(table.figures, "best", None, "treated", None, None).estimate.value == 1
    assert row_of(table.figures, "nobody", None, "gain", None, "spend").estimate.value == 0


def test_the_better_one_is_told_where_adjusted_p_values_tell(table):
    p = np.array([row.estimate.p_value for row in table.differences])
    adjusted = np.array([row.adjusted for row in table.differences])
    assert (adjusted >= p).all()
    assert (adjusted > p).any()
    loss = row_of(table.differences, "noise", "truth", "dr_loss", None, "conversion")
    assert loss.better == "truth"
    cheaper = row_of(table.differences, "lots", "best", "cost", None, None)
    assert cheaper.better == "lots"
    for row, sure in zip(table.differences, adjusted <= 0.05, strict=True):
        assert (row.better is not None) == sure
    names = {(row.name, row.less) for row in table.differences}
    assert names == {
        ("noise", "truth"),
        ("frame", "truth"),
        ("frame", "noise"),
        ("nobody", "best"),
        ("lots", "best"),
        ("lots", "nobody"),
    }


def test_it_shows_itself(table):
    plain = table.to_table()
    assert isinstance(plain, pa.Table)
    assert plain.num_rows == len(table.figures) + len(table.differences)
    assert plain["value"].null_count == 0
    treated = [row for row in plain.to_pylist() if row["measure"] == "treated"]
    assert treated[0]["low"] is None
    frame = table.to_pandas()
    assert list(frame.columns) == plain.column_names
    text = repr(table)
    assert text.startswith("ComparisonTable of 2,000 rows, 95% intervals")
    assert len(text.splitlines()) <= 42
    assert "less truth" in text
    assert table._repr_html_().count("<tr>") == min(len(table.figures), MOST_ROWS + 1) + 1
    drawn = table.plot()
    assert len(drawn) == len({(row.measure, row.metric) for row in table.differences})


def test_of_a_metric_where_less_is_better_the_fall_is_ranked():
    log, truth = make_coupon_world(500, metrics=("conversion",), seed=2)
    frame = log.table.append_column("lost", pa.array(1 - log.y[:, 0]))
    columns = {"features": log.roles.features, "design": [1 / 3] * 3, "space": log.space}
    lost = eq.read_log(
        frame,
        treatment=log.roles.treatment,
        outcomes={"lost": {"kind": "binary", "better": "lower"}},
        **columns,
    )
    up = eq.read_log(
        frame, treatment=log.roles.treatment, outcomes={"conversion": "binary"}, **columns
    )
    values = truth.effects().values
    fall = compare({"a": -values, "all": "coupon-1", "none": "none"}, lost, measures=["autoc"])
    rise = compare({"a": values, "all": "coupon-1", "none": "none"}, up, measures=["autoc"])
    assert fall.figures[0].estimate.interval == pytest.approx(rise.figures[0].estimate.interval)
    gains = [t.differences[0].estimate.value for t in (fall, rise)]
    assert gains[0] == pytest.approx(-gains[1])


def test_net_worth_where_metrics_are_money():
    log, _ = make_coupon_world(500, metrics=("conversion",), seed=2)
    things = {"nobody": "none", "all": "coupon-1"}
    outcome = {"conversion": {"kind": "binary", "worth": 10.0}}
    log = eq.read_log(
        log.table,
        treatment=log.roles.treatment,
        outcomes=outcome,
        features=log.roles.features,
        design=[1 / 3] * 3,
        space=log.space,
    )
    table = compare(things, log, cost=0.5, paid="always")
    gain, cost, net = (
        row_of(table.differences, "all", "nobody", m, None, x).estimate.value
        for m, x in (("gain", "conversion"), ("cost", None), ("net", None))
    )
    assert cost == pytest.approx(0.5)
    assert net == pytest.approx(10 * gain - cost)


def test_honest_policies_on_their_own_log_keep_their_intervals():
    log, _ = make_coupon_world(600, metrics=("conversion",), seed=0)
    trees = eq.TLearner(eq.BoostedTrees(3))
    policy = eq.honest_policy(log, trees, offers=0.3)
    levels = eq.cross_fit_effects(log, trees)
    table = compare({"it": policy, "nobody": "none"}, log, levels=levels)
    own = row_of(table.figures, "it", None, "gain", None, "conversion")
    assert own.estimate.interval == pytest.approx(policy.values["conversion"])
    less = row_of(table.differences, "nobody", "it", "gain", None, "conversion")
    assert less.estimate.std_error == pytest.approx(own.estimate.std_error)


def test_a_log_that_was_not_randomised_is_judged_by_a_learnt_propensity():
    rng = np.random.default_rng(0)
    x = rng.normal(size=1500)
    t = (rng.uniform(size=1500) < 1 / (1 + np.exp(-x))).astype(int)
    frame = {"x": x, "t": t, "y": x + t + rng.normal(size=1500)}
    log = eq.read_log(frame, treatment="t", outcomes=["y"], features=["x"])
    with pytest.warns(UserWarning, match="follow the features"):
        table = compare({"nobody": "0", "everybody": "1"}, log)
    low, high = table.differences[0].estimate.interval[1:]
    assert low < 1 < high
    assert high < 1.5, "the raw difference is 1.8"


@pytest.mark.parametrize(
    ("things", "arguments", "message"),
    [
        ({}, {}, "be named: a mapping of name"),
        (["none"], {}, "be named"),
        ({"a": "none"}, {"pairs": "some"}, "be 'first' or 'all'"),
        ({"a": "none"}, {"measures": "qini"}, "be a list of names"),
        ({"a": "none"}, {"measures": ["qinni"]}, "did you mean 'qini'"),
        ({"a": "none"}, {"measures": ["qini_sklift"]}, "have influence values"),
        ({"a": {"visits|coupon-1": [1.0] * N, "visits|coupon-2": [1.0] * N}}, {}, "in common"),
        ({"a": {"coupon-1": [1.0] * N}}, {}, "candidates must be coupon-1, coupon-2"),
        ({"a": {"coupon-1": [1.0], "coupon-2": [1.0]}}, {}, "one row per row of the log"),
    ],
)
def test_wrong_calls_end_in_an_error(world, things, arguments, message):
    with pytest.raises(InputError, match=message):
        compare(things, world[0], **arguments)


def test_closed_arms_are_refused():
    log, _ = make_coupon_world(300, metrics=("conversion",), seed=2)
    open_to = np.ones(300, np.bool_)
    open_to[np.flatnonzero(log.cells != 2)[:50]] = False
    frame = log.table.append_column("may", pa.array(open_to))
    closed = eq.read_log(
        frame,
        treatment=log.roles.treatment,
        outcomes={"conversion": "binary"},
        features=log.roles.features,
        space=log.space,
        design="shares",
        eligible={"coupon-2": "may"},
    )
    choice = np.where(open_to, 1, -1)
    assert compare({"a": choice, "b": "coupon-2"}, closed).rows == 300
    with pytest.raises(InputError, match="an arm that is open to it; got 'coupon-2' at row"):
        compare({"a": np.ones(300, int)}, closed)
    values = np.random.default_rng(0).normal(size=(300, 2, 1))
    with pytest.raises(InputError, match="every cell open"):
        compare({"a": values}, closed)
    assert compare({"a": values}, closed, measures=["qini"]).figures
