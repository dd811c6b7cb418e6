"""A unit alone gets what `Scorer.assign` gives it in a table, to the bit, by every way there is."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow as pa
import pytest
from sklearn.linear_model import LinearRegression

from equipoise.allocation import budget, cap, floor, group_budget
from equipoise.artifacts.costs import Costs
from equipoise.artifacts.model import Model, OwnModel
from equipoise.artifacts.policy import Scorer
from equipoise.artifacts.staying import Staying
from equipoise.artifacts.unit_columns import UnitColumns
from equipoise.artifacts.unit_scorer import UnitScorer
from equipoise.core.column_types import column_type
from equipoise.core.eligibility import Eligibility
from equipoise.core.errors import InputError
from equipoise.core.features import FeatureMap
from equipoise.core.limits import Limit
from equipoise.core.policy import Policy
from equipoise.core.start import Start
from equipoise.estimators import (
    BoostedTrees,
    Bootstrapped,
    CausalForest,
    DoseSLearner,
    DRLearner,
    LinearDML,
    RLearner,
    SLearner,
    TLearner,
    XLearner,
)
from equipoise.treatments import Arms, Dose

FEATURES = ["city", "street", "age", "income", "member"]
TREES = BoostedTrees(6, min_child_samples=20)
NAMES = ("none", "a", "b")
ARMS, DOSE = Arms(NAMES), Dose(0, 2)


def some_units(n, seed=0):
    """Text of few and of many levels, numbers of 64 and 32 bits with gaps, true and false; a region
    in whole numbers, a price, a tenure, and what is open.
    """
    rng = np.random.default_rng(seed)
    gap = rng.random((2, n)) < 0.1
    rare = np.where(rng.random(n) < 0.005, "secret", rng.choice(["Oslo", "Rome", "missing"], n))
    return pa.table(
        {
            "city": pa.array(rare, mask=gap[0]),
            "street": rng.choice([f"street {i}" for i in range(20)], n),
            "age": rng.integers(18, 90, n),
            "income": pa.array(rng.lognormal(size=n).astype(np.float32), mask=gap[1]),
            "member": rng.random(n) < 0.5,
            "region": rng.integers(0, 4, n),
            "price": rng.random(n),
            "tenure": rng.integers(0, 60, n).astype(float),
            "b_open": rng.random(n) < 0.7,
            "seen": pa.array([date(2026, 1, 1 + i % 28) for i in range(n)]),
        }
    )


UNITS = some_units(600)
TREATMENT = np.random.default_rng(1).integers(0, 3, 600)
AGE = UNITS["age"].to_numpy() / 40
Y = pa.table(
    {
        "sales": 2 * (AGE - 1.3) * TREATMENT + np.random.default_rng(2).normal(size=600),
        "claimed": (np.random.default_rng(3).random(600) < 0.2 + 0.2 * TREATMENT).astype(float),
    }
)
TYPES = {name: column_type(UNITS[name]) for name in UNITS.column_names}


def model_of(learner, features=FEATURES, rows=slice(None)):
    """A learner fitted on some of the units."""
    index = pa.array(np.arange(600)[rows])
    part, treatment = UNITS.take(index), TREATMENT[rows]
    encoding = FeatureMap().fit(part.select(features))
    given = treatment.astype(float) if learner.space == DOSE else np.array(NAMES)[treatment]
    return Model(encoding, learner.fit(encoding.table(part), Y.take(index), treatment=given))


def scorer_of(model, **more):
    """A policy with demands of all kinds, prices and ties; costs that are paid when claimed."""
    space = getattr(model.estimator, "whole_", model.estimator).space_
    names = tuple(space.names(space.candidates()))
    demands = (
        budget(1.0, per_head=True),
        cap(names[0], 0.3, per_head=True),
        floor("sales", -1.0, per_head=True),
        group_budget("region", "2", 0.5, per_head=True),
    )
    rule = Policy(
        names,
        "none",
        ("sales", "claimed"),
        (1.0, 0.5),
        tuple(one.demand for one in demands),
        (0.3, 0.1, 0.05, 0.2),
        tie_penalty=0.01,
    )
    amounts = tuple(np.linspace(0.5, 1.0, len(names)).tolist())
    costs = Costs(amounts, column="price", metric="claimed", sending=amounts)
    return Scorer(model, costs, rule, **({"columns": UnitColumns(TYPES)} | more))


def as_asked(table, row):
    """A row as it comes in a request: text, numbers, true or false, or nothing."""
    asked = {}
    for name in table.column_names:
        value = table[name][row].as_py()
        plain = value is None or isinstance(value, str | bool)
        asked[name] = value if plain else str(value) if name == "seen" else float(value)
    return asked


def assert_same(scorer, way, units=None, at_once=True):
    """Choice, score and expected cost of each row are those of a table: of all rows, or, where
    numbers of a row hang on the others by rounding, of one.
    """
    units = NEW if units is None else units
    alone = UnitScorer(scorer)
    assert alone.way == way
    cells = (alone.control, *alone.candidates)
    every = scorer.assign(units).to_pylist() if at_once else []
    for row in range(units.num_rows):
        one = every[row] if at_once else scorer.assign(units.slice(row, 1)).to_pylist()[0]
        facts = alone.facts(as_asked(units, row))
        assert facts.values.flags.c_contiguous
        decision = alone.decide(row if at_once else 0, facts)
        cost = 0.0 if decision.choice < 0 else facts.cost[decision.choice]
        got = (cells[1 + decision.choice], decision.score, cost)
        assert got == (one["chosen"], one["score"], one["expected_cost"]), row
    assert len({one["chosen"] for one in every}) > 1 or not at_once
    return alone


NEW = some_units(150, seed=7)
LEARNERS = {
    "t": TLearner(TREES, space=ARMS),
    "x": XLearner(TREES, TREES, space=ARMS),
    "dr": DRLearner(TREES, TREES, modifiers=["age", "city"], space=ARMS),
    "r": RLearner(TREES, TREES, space=ARMS),
    "s": SLearner(TREES, space=ARMS),
    "dose": DoseSLearner(TREES, space=DOSE),
    "native": TLearner(BoostedTrees(6, categories="native"), space=ARMS),
}
OTHERS = {
    "dml": LinearDML(space=ARMS),
    "lines": DRLearner(LinearRegression(), LinearRegression(), space=ARMS),
    "forest": CausalForest(8, space=ARMS),
    "errors": Bootstrapped(TLearner(BoostedTrees(3), space=ARMS), 3),
}


@pytest.mark.parametrize("name", LEARNERS)
def test_sums_of_trees_have_the_bits_of_a_table(name):
    assert_same(scorer_of(model_of(LEARNERS[name])), "trees")


@pytest.mark.parametrize("name", OTHERS)
def test_other_models_have_the_bits_of_a_table_of_one_row(name):
    features = ["member", "region", "age"] if name in ("lines", "dml") else FEATURES
    scorer = scorer_of(model_of(OTHERS[name], features))
    policy = replace(scorer.policy, lower=0.3 if name == "errors" else 0.0)
    assert_same(replace(scorer, policy=policy), "numbers", NEW.slice(0, 20), at_once=False)


@pytest.fixture(scope="module")
def model():
    return model_of(TLearner(TREES, space=ARMS))


def test_what_is_open_what_new_units_count_and_models_of_groups(model):
    own = tuple(
        OwnModel(
            "region", str(g), model_of(TLearner(TREES, space=ARMS), FEATURES, slice(g, None, 3))
        )
        for g in (1, 3)
    )
    scorer = scorer_of(
        replace(model, own=own),
        eligibility=Eligibility((("b", "b_open"),)),
        limits=(Limit("region", "0", ("a",)),),
        start=Start("tenure", until=30, factor=3, half_life_days=7),
    )
    alone = assert_same(scorer, "trees")
    facts = alone.facts(as_asked(NEW, 0) | {"region": 0, "b_open": False, "tenure": 7})
    assert (facts.eligible.tolist(), facts.importance) == ([False, False], 2.0)
    assert facts.labels == {"region": "0"}


@pytest.mark.parametrize(
    "costs",
    [Costs((0.5, 1.0)), Costs((1.0, 1.0), metric="sales", probability=False, sending=(0.1, 0.0))],
)
def test_costs_that_are_always_paid_or_observed(model, costs):
    scorer = replace(scorer_of(model), costs=costs)
    assert_same(scorer, "trees", NEW.slice(0, 40))


@pytest.mark.parametrize(
    "drawing", [{"mode": "random", "shares": (0.3, 0.4)}, {"tie_penalty": 2.0}]
)
@pytest.mark.parametrize("kind", ["int64", "uint64"])
def test_a_unit_draws_by_its_id_as_text_whatever_the_files_type(model, kind, drawing):
    least, most = np.iinfo(kind).min, np.iinfo(kind).max
    ids = np.random.default_rng(5).integers(least, most, 150, dtype=kind)
    ids[:4] = least, 7, most, most // 2 + 1
    units = NEW.append_column("user", pa.array(ids))
    types = UnitColumns(TYPES | {"user": column_type(units["user"])})
    scorer = scorer_of(model, id="user", columns=types)
    scorer = replace(scorer, policy=replace(scorer.policy, seed=3, **drawing))
    want, alone = scorer.assign(units)["chosen"].to_pylist(), UnitScorer(scorer)
    for row, id in enumerate(ids.tolist()):
        facts = alone.facts(as_asked(NEW, row))
        got = {NAMES[1 + alone.decide(name, facts).choice] for name in (id, str(id), ids[row])}
        assert got == {want[row]}, id
    assert want != scorer.numbered().assign(units)["chosen"].to_pylist()


def test_labels_of_numbers_are_those_of_the_policy_however_they_are_written(model):
    """A column of decimals says 2.50 of what a request, a CSV and a column of floats say 2.5."""
    share = pa.array([f"{i % 3}.50" for i in range(150)]).cast(pa.decimal128(6, 2))
    units, types = (
        NEW.append_column("share", share),
        TYPES | {"share": column_type(pa.chunked_array([share]))},
    )
    limits = (Limit("share", "2.50", ("a",)),)
    scorer = scorer_of(model, columns=UnitColumns(types), limits=limits)
    rule = replace(scorer.policy, segment="share", segment_weights=(("0.50", (5.0, 0.5)),))
    scorer = replace(scorer, policy=rule)
    alone = assert_same(scorer, "table", units)
    floats = units.set_column(units.column_names.index("share"), "share", share.cast(pa.float64()))
    want = scorer.assign(units)
    assert scorer.assign(floats).equals(want)
    closed = np.array([i % 3 == 2 for i in range(150)])
    assert "a" not in np.array(want["chosen"].to_pylist())[closed]
    assert "a" in want["chosen"].to_pylist()
    assert [alone.label("share", value) for value in (2.5, 0.5, 3.0)] == ["2.50", "0.50", "3"]
    assert alone.open_to({"share": 2.5}).tolist() == [False, True]
    assert alone.open_to({"share": 1.5}).tolist() == [True, True]
    with pytest.raises(InputError, match=r"features\['share'\] must be there"):
        alone.open_to({})


def test_a_label_is_read_as_its_column(model):
    alone = UnitScorer(scorer_of(model))
    for name, value, label in (
        ("city", "missing", '"missing"'),
        ("city", None, "missing"),
        ("region", 2.0, "2"),
        ("member", True, "true"),
    ):
        assert alone.label(name, value) == label
    assert alone.open_to({}) is None
    with pytest.raises(InputError, match="must be whole numbers as in the log"):
        alone.label("region", "two")


def test_gaps_close_everything(model):
    scorer = scorer_of(model, staying=Staying(gaps=0.2))
    alone, asked = UnitScorer(scorer), as_asked(NEW, 0)
    for gaps in ({"city": None}, {"city": None, "age": None}):
        facts = alone.facts(asked | gaps)
        want = scorer.assign(alone._table(asked | gaps))["chosen"].to_pylist()
        assert [("none", *alone.candidates)[1 + alone.decide(0, facts).choice]] == want
        assert facts.eligible.all() == (len(gaps) == 1)
    by_class = UnitScorer(replace(scorer, staying=Staying("region", {"1": 7})))
    assert by_class.way == "trees"
    assert by_class.facts(asked).labels == {"region": str(int(asked["region"]))}
    with pytest.raises(InputError, match="policy must decide each unit by itself"):
        UnitScorer(replace(scorer, staying=Staying(average_days=7)))


def test_times_and_snapshots_without_types_go_by_the_table():
    alone = assert_same(
        scorer_of(model_of(TLearner(TREES, space=ARMS), ["seen", "age"])), "table", NEW.slice(0, 10)
    )
    assert alone.columns["seen"] == "date"
    with pytest.raises(InputError, match="feature 'seen' must be dates as in the log; got string"):
        alone.facts(as_asked(NEW, 0) | {"seen": "yesterday"})
    old = scorer_of(model_of(TLearner(TREES, space=ARMS), ["age", "city"]), columns=UnitColumns())
    assert_same(
        replace(old, policy=replace(old.policy, demands=(), prices=())), "table", NEW.slice(0, 10)
    )


def test_times_of_day_and_lengths_of_time_come_as_text():
    minutes = UNITS["age"].to_numpy() * 10
    units = UNITS.append_column("opens", pa.array(60 * minutes, pa.int32()).cast(pa.time32("s")))
    units = units.append_column("stay", pa.array(minutes % 97, pa.duration("s")))
    encoding = FeatureMap().fit(units.select(["opens", "stay"]))
    learner = TLearner(TREES, space=ARMS).fit(
        encoding.table(units), Y, treatment=np.array(NAMES)[TREATMENT]
    )
    types = {name: column_type(units[name]) for name in units.column_names}
    scorer = scorer_of(Model(encoding, learner), columns=UnitColumns(types))
    alone = UnitScorer(scorer)
    for row in range(8):
        asked = as_asked(units.drop_columns(["opens", "stay"]), row)
        asked["opens"] = units["opens"][row].as_py().isoformat()
        asked["stay"] = f"PT{units['stay'][row].as_py().total_seconds():.0f}S"
        decision = alone.decide(row, alone.facts(asked))
        assert decision.score == scorer.assign(units).to_pylist()[row]["score"]
    with pytest.raises(InputError, match="feature 'stay' must be durations as in the log"):
        alone.facts(asked | {"stay": 90.0})


def test_what_is_missing_extra_or_unseen_is_counted(model):
    alone, asked = UnitScorer(scorer_of(model)), as_asked(NEW, 0)
    del asked["seen"], asked["tenure"], asked["b_open"]
    for change in (
        {},
        {"city": None},
        {"city": "moon", "age": None},
        {"shoe": 9.0},
        {"street": "x"},
    ):
        alone.facts(asked | change)
    counts = alone.counts
    assert counts.units == 5
    assert counts.missing == {"city": 1, "age": 1}
    assert counts.unseen == {"city": 1, "street": 1}
    assert counts.extra == {"shoe": 1}
    alone.facts(asked | {f"column {i}": 1.0 for i in range(1000)})
    assert len(counts.extra) == 64
    assert alone.columns["city"] == "text"
    assert "id" not in alone.columns


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"age": "forty"}, "feature 'age' must be numbers as in the log; got string, e.g. forty"),
        ({"age": True}, "feature 'age' must be numbers as in the log; got bool"),
        ({"age": 1e300}, "feature 'age' must lie within"),
        ({"city": 3.0}, "feature 'city' must be text as in the log; got double, e.g. 3.0"),
        ({"member": 1.0}, "feature 'member' must be true or false as in the log; got double"),
        ({"region": 2.5}, "group 'region' must be whole numbers|group 'region' must be numbers"),
        ({"region": "02"}, "group 'region' must be"),
        ({"price": -1.0}, "cost column 'price' must be a finite amount >= 0; got -1"),
        ({"price": None}, "cost column 'price' must be a finite amount"),
        ({"city": [1]}, "column 'city' must be text, a number, true, false or nothing; got list"),
        ({"city": "\ud800"}, "column 'city' must be text"),
    ],
)
def test_what_is_wrong_is_said_in_the_words_of_score(model, change, words):
    alone = UnitScorer(scorer_of(model))
    with pytest.raises(InputError, match=words):
        alone.facts(as_asked(NEW, 0) | change)
    assert alone.counts.units == 0


def test_a_missing_column_is_named_with_the_nearest(model):
    alone, asked = UnitScorer(scorer_of(model)), as_asked(NEW, 0)
    asked["Age"] = asked.pop("age")
    with pytest.raises(InputError, match="feature 'age' must be among .*did you mean 'Age'"):
        alone.facts(asked)


def test_a_quicker_way_that_differs_is_not_taken(model, monkeypatch):
    monkeypatch.setattr(
        TLearner, "_tree_sums", lambda self: replace(_TREE_SUMS(self), baseline=_OTHER(self))
    )
    assert UnitScorer(scorer_of(model)).way == "numbers"


_TREE_SUMS = TLearner._tree_sums


def _OTHER(learner):
    return [replace(one, shift=1e-9) for one in _TREE_SUMS(learner).baseline]
