"""Rules as flags, asked by the readers of those who made the formats: flagd's evaluator and
GrowthBook's SDK.
"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from growthbook import GrowthBook
from openfeature.contrib.tools.flagd.core import FlagdCore
from openfeature.evaluation_context import EvaluationContext

from equipoise.allocation import PolicyTree, Scorecard
from equipoise.allocation.rules.questions import Question
from equipoise.allocation.rules.tree import Node
from equipoise.artifacts.flags import FORMATS, export_rules, flagd_flags, growthbook_features
from equipoise.core.errors import InputError

CELLS = ("none", "mail", "call")


def people(n, seed=0, unseen=False):
    """Numbers with gaps, text with gaps and a level of the name "missing", booleans."""
    rng = np.random.default_rng(seed)
    towns = ["Oslo", "Rome", "missing", "Bern", *(["Lima"] if unseen else [])]
    frame = pd.DataFrame(
        {
            "age": rng.integers(18, 80, n) / 2,
            "visits": rng.integers(0, 9, n),
            "town": rng.choice(towns, n),
            "member": rng.random(n) < 0.5,
        }
    )
    frame.loc[rng.random(n) < 0.2, "age"] = np.nan
    frame.loc[rng.random(n) < 0.2, "town"] = None
    return frame


@pytest.fixture(scope="module")
def trees():
    """A tree for each kind of question at its root, of depth 3."""
    frame, rng = people(3000), np.random.default_rng(1)
    signs = {
        "age": frame["age"].fillna(60) < 25,
        "town": frame["town"].isin(["Rome", "missing"]) | frame["town"].isna(),
        "member": frame["member"],
    }
    each = []
    for name, sign in signs.items():
        other = (frame["visits"] >= 4) ^ frame["town"].isin(["Oslo"])
        gains = np.column_stack([np.where(sign, 3.0, -2.0), np.where(other ^ sign, 2.5, -2.0)])
        gains += rng.normal(scale=0.1, size=gains.shape)
        tree = PolicyTree(depth=3).fit(frame, gains, candidates=CELLS)
        assert name in tree.columns
        each.append(tree)
    return each


def asked(trees):
    """500 units: missing values, unseen levels, numbers at each tree's cuts."""
    frame = people(500, seed=2, unseen=True)
    questions = [q for tree in trees for path, _ in tree.root_.leaves() for q, _ in path]
    cuts = {q.column: q.cut for q in questions if q.cut is not None}
    for place, (column, cut) in enumerate(cuts.items()):
        frame.loc[frame.index[place::7], column] = cut
    return frame


def contexts(frame):
    """The attributes of each unit: what is missing is null in every other row, else absent."""
    for i, row in enumerate(frame.astype(object).to_dict("records")):
        plain = {k: v.item() if isinstance(v, np.generic) else v for k, v in row.items()}
        absent = {k for k, v in plain.items() if v is None or v != v}
        yield {k: None if k in absent else v for k, v in plain.items() if i % 2 or k not in absent}


def growthbook(payload, attributes):
    """What GrowthBook's SDK answers: the value, and whether it is an experiment's."""
    bandits = payload.get("contextualBandits")
    book = GrowthBook(
        attributes=dict(attributes), features=payload["features"], contextual_bandits=bandits
    )
    try:
        return book.eval_feature("policy")
    finally:
        book.destroy()


def flagd(flags):
    """A function that asks flagd's evaluator by key and attributes."""
    core = FlagdCore()
    core.set_flags(json.dumps(flags))
    return lambda key, attributes: core.resolve_string_value(
        "policy", "wrong", EvaluationContext(key, attributes)
    )


def test_flagd_gives_every_unit_what_the_tree_does(trees):
    frame = asked(trees)
    for tree in trees:
        ask, expected = flagd(flagd_flags(tree)), tree.predict(frame)
        assert [ask("unit", one).value for one in contexts(frame)] == expected
        assert len(set(expected)) > 1


def test_growthbook_gives_every_unit_what_the_tree_does(trees):
    frame = asked(trees)
    for tree in trees:
        expected = tree.predict(frame)
        for bandit in (False, True):  # a bandit without a key, or of no exploration
            payload = json.loads(json.dumps(growthbook_features(tree, bandit=bandit)))
            keyed = {"id": "unit"} if bandit else {}
            answers = [growthbook(payload, one | keyed).value for one in contexts(frame)]
            assert answers == expected


def test_a_share_explores_and_a_unit_keeps_what_it_got(trees):
    tree, n, explore = trees[0], 3000, 0.3
    unit = next(contexts(asked(trees).tail(1)))
    own = CELLS.index(tree.predict(pd.DataFrame([unit], columns=people(1).columns))[0])
    expected = np.full(3, explore / 3) + (1 - explore) * np.eye(3)[own]
    ask = flagd(flagd_flags(tree, explore=explore))
    plain, bandit = (growthbook_features(tree, explore=explore, bandit=b) for b in (False, True))
    draws = {
        "flagd": lambda key: ask(key, unit).value,
        "growthbook": lambda key: growthbook(plain, unit | {"id": key}).value,
        "bandit": lambda key: growthbook(bandit, unit | {"id": key}).value,
    }
    for name, draw in draws.items():
        count = np.array([[draw(f"user {i}") == cell for cell in CELLS] for i in range(n)]).mean(0)
        error = np.sqrt(expected * (1 - expected) / n)
        assert (np.abs(count - expected) < 4 * error).all(), (name, count)
        assert len({draw("user 7") for _ in range(3)}) == 1
    # who has no key does not explore
    assert ask("", unit).value == growthbook(plain, unit).value == CELLS[own]
    exposure = growthbook(bandit, unit | {"id": "user 1"}).experiment.contextualBandit
    assert exposure["variationWeights"] == pytest.approx(expected.tolist())


def test_a_tree_of_one_leaf_gives_everybody_the_same():
    tree = PolicyTree(depth=1).fit({"age": [20, 50] * 50}, [[1.0]] * 100)
    assert flagd(flagd_flags(tree))("unit", {}).value == "candidate 1"
    assert growthbook(growthbook_features(tree), {}).value == "candidate 1"


def tree_of(question):
    tree = PolicyTree(depth=1)
    tree.candidates_ = CELLS
    tree.root_ = Node(question=question, yes=Node(0), no=Node(1))
    return tree


@pytest.mark.parametrize(
    ("question", "message"),
    [
        (Question("since", 1e15, time=True), "'since' must be of numbers, text or booleans"),
        (Question("user.age", 30.0), "must have a column without"),
    ],
)
def test_a_question_that_flags_cannot_ask_is_refused(question, message):
    for write in (flagd_flags, growthbook_features):
        with pytest.raises(InputError, match=message):
            write(tree_of(question))


def test_a_share_that_is_none_and_a_scorecard_are_refused():
    with pytest.raises(InputError, match=r"explore must be a share in \[0, 1\)"):
        flagd_flags(tree_of(Question("age", 30.0)), explore=1.0)
    card = Scorecard().fit({"age": [20, 50] * 50}, [[1.0], [-1.0]] * 50)
    with pytest.raises(InputError, match='must be a tree; got Scorecard.*kind = "tree"'):
        flagd_flags(card)


def test_a_run_is_exported_with_the_value_that_its_rule_loses(tmp_path):
    rule = tree_of(Question("age", 30.0)).to_json()
    lost = {"sales": [0.02, -0.01, 0.05], "visits": [0.1, None, None]}
    (tmp_path / "rules.json").write_text(json.dumps({"rule": rule, "text": [], "lost": lost}))
    for to in FORMATS:
        written = export_rules(tmp_path, tmp_path / "flags.json", to=to, explore=0.1)
        content = json.loads((tmp_path / "flags.json").read_text())
        assert content == written
        about = content.get("metadata") or content["flags"]["policy"]["metadata"]
        told = {name: about[name] for name in about if name.startswith("value lost")}
        assert told == {
            "value lost, sales": 0.02,
            "value lost, sales, low": -0.01,
            "value lost, sales, high": 0.05,
            "value lost, visits": 0.1,
        }
    with pytest.raises(InputError, match="key must be left out for flagd"):
        export_rules(tmp_path, tmp_path / "flags.json", key="user")
