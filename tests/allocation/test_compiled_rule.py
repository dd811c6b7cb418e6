"""One rule alone, in a batch and by the definition in numpy: the same bits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from equipoise.allocation import compile_rule, decide, scores
from equipoise.allocation.hashing import draw, uniform
from equipoise.allocation.rule import LOW_STREAM
from equipoise.core.effects import Effects
from equipoise.core.errors import InputError
from equipoise.core.policy import Demand, Policy

COLUMNS = {"city": ["a", "b", "c"], "plan": ["x", "y"]}


def some_demands(rng, names, metrics):
    """Up to five, of every kind, with prices; half of them of a group column."""
    demands = []
    for d in range(int(rng.integers(0, 6))):
        quantity = str(rng.choice(["cost", "offers", "effect"]))
        column = str(rng.choice(["", *COLUMNS]))
        labels = rng.permutation(COLUMNS.get(column, []))[: rng.integers(1, 3)].tolist()
        factors = tuple((label, float(rng.choice([1, 0, 2, -0.5]))) for label in labels)
        demands.append(
            Demand(
                f"demand {d}",
                quantity,
                float(rng.choice([0.0, 1.0, 0.3])),
                float(rng.choice([-1.0, 1.0])),
                str(rng.choice(metrics)) if quantity == "effect" else None,
                str(rng.choice(names)) if rng.random() < 0.4 else None,
                column or None,
                factors,
                float(rng.choice([0.0, 1.0, -1.0])),
            )
        )
    return tuple(demands)


def ways_to_draw(rng, k, prices):
    """None, shares, a tie penalty or lower prices."""
    way = int(rng.integers(0, 6))
    if way == 0:
        shares = rng.dirichlet(np.ones(k + 1))[:k] * rng.integers(0, 2)
        return {"mode": "random", "shares": tuple(shares.tolist())}
    if way < 3:
        return {"tie_penalty": float(rng.choice([1e-4, 0.1, 1.0, 3.0]))}
    if way == 3:
        return {"low_share": float(rng.choice([0.3, 1.0])), "low_prices": prices}
    return {}


def world(seed, n=130):
    """A policy of any kind, effects, and what else `decide` takes; in half of them whole numbers,
    of which many are equal.
    """
    rng = np.random.default_rng(seed)
    whole, k, M = rng.random() < 0.5, int(rng.integers(1, 12)), int(rng.integers(1, 5))

    def signed(*shape):
        return rng.integers(-2, 4, shape).astype(float) if whole else rng.normal(size=shape)

    def positive(*shape):
        return rng.integers(0, 3, shape).astype(float) if whole else rng.random(shape)

    names, every = tuple(f"c{a}" for a in range(k)), tuple(f"m{j}" for j in range(M))
    metrics = tuple(rng.permutation(every)[: rng.integers(1, M + 1)].tolist())
    demands = some_demands(rng, names, metrics)
    prices, low = (tuple(positive(len(demands)).tolist()) for _ in range(2))
    segments = {
        "segment": "plan",
        "segment_weights": (("x", tuple(signed(len(metrics)).tolist())),),
    }
    policy = Policy(
        names,
        "none",
        metrics,
        tuple(signed(len(metrics)).tolist()),
        demands,
        prices,
        threshold=float(rng.choice([0.0, 0.5, -1.0])),
        lower=float(rng.choice([0.0, 0.0, 1.0, 0.3])),
        keep=float(rng.choice([0.0, 1.0, 0.2])),
        cost_weight=float(rng.choice([0.0, 1.0, 0.5])),
        seed=int(rng.integers(0, 9)),
        **ways_to_draw(rng, k, low),
        **(segments if rng.random() < 0.4 else {}),
    )
    effects = Effects(signed(n, k, M), np.zeros((n, M)), names, every, positive(n, k, M))
    facts = {
        "cost": positive(n, k),
        "groups": {name: rng.choice([*own, "other"], n) for name, own in COLUMNS.items()},
        "units": np.array([f"unit {i}" for i in rng.integers(0, 10**6, n)]),
    }
    more = {
        "previous": rng.integers(-2, k, n),
        "weights": signed(n, len(metrics)),
        "eligible": rng.random((n, k)) < 0.7,
    }
    return policy, effects, facts | {name: more[name] for name in more if rng.random() < 0.4}


def priced(policy, effects, facts, prices, draws):
    """Scores (n, k), and the usage (n, k) that parts equal ones, by the definition."""
    n, k, _ = effects.values.shape
    weights = facts.get("weights")
    if weights is None:
        weights = np.tile(policy.weights, (n, 1))
        for label, own in policy.segment_weights:
            weights[facts["groups"]["plan"] == label] = own
    score, usage = np.zeros((n, k)), np.zeros((3 + len(effects.metrics), n, k))
    for j, name in enumerate(policy.metrics):
        w, place = weights[:, j, None], effects.metrics.index(name)
        score = score + w * effects.values[:, :, place]
        if policy.lower:
            score = score - policy.lower * np.abs(w) * effects.std_error[:, :, place]
    score = score - policy.cost_weight * facts["cost"]
    if "previous" in facts:
        before = facts["previous"][:, None]
        score = np.where(before == np.arange(k), score + policy.keep, score)
        score = np.where(before == -1, score - policy.keep, score)
    score = score - draws[:, None] * (policy.tie_penalty * ((np.arange(k) + 1.0) / k))
    low = effects.values - policy.lower * effects.std_error if policy.lower else effects.values
    counted, order = {("offers", None): np.ones((n, k)), ("cost", None): facts["cost"]}, []
    for demand in policy.demands:
        if demand.metric is not None:
            key = ("effect", demand.metric)
            counted[key] = low[:, :, effects.metrics.index(demand.metric)]
    order = list(counted)
    price, part = ({key: np.zeros((n, k)) for key in order} for _ in range(2))
    for demand, of_one in zip(policy.demands, prices, strict=True):
        key = (demand.quantity, demand.metric)
        factor = np.ones(n)
        if demand.column is not None:
            own = dict(demand.factors)
            labels = facts["groups"][demand.column]
            factor = np.array([own.get(label, demand.other) for label in labels])
        arms = np.array([demand.candidate in (None, name) for name in policy.candidates], float)
        coefficient = demand.sign * factor[:, None] * arms
        price[key] = price[key] + of_one * coefficient
        part[key] = part[key] + (1 / abs(demand.bound) if demand.bound else 1.0) * coefficient
    usage = np.zeros((n, k))
    for key in order:
        score = score - price[key] * (1.0 if key[0] == "offers" else counted[key])
        usage = usage + part[key] * (1.0 if key[0] == "offers" else counted[key])
    if "eligible" in facts:
        score = np.where(facts["eligible"], score, -np.inf)
    return score, usage


def best(policy, facts, score, usage):
    """The choice and the best score of each unit, by the definition."""
    choice, top = np.full(len(score), -1), score.max(axis=1)
    for u in range(len(score)):
        equal = np.flatnonzero(score[u] == top[u])
        a = min(equal, key=lambda a: (usage[u, a], facts["cost"][u, a], a))
        if top[u] > policy.threshold and np.isfinite(top[u]):
            choice[u] = a
    return choice, np.where(np.isfinite(top), top, 0.0)


def chance(policy, score, draws, choice):
    """How long the interval of draws is that gives each choice."""
    n, k = score.shape
    rates = np.append(policy.tie_penalty * ((np.arange(k) + 1.0) / k), 0.0)
    level = score + draws[:, None] * rates[:-1]
    own = np.where(choice < 0, policy.threshold, level[np.arange(n), choice])
    least, most = np.zeros(n), np.ones(n)
    for rival in range(k + 1):
        lead = own - (level[:, rival] if rival < k else policy.threshold)
        faster = rates[choice] - rates[rival]
        with np.errstate(divide="ignore", invalid="ignore"):
            edge = lead / faster
        most = np.where(faster > 0, np.minimum(most, edge), most)
        least = np.where(faster < 0, np.maximum(least, edge), least)
    return np.clip(most - least, np.finfo(float).eps, 1.0)


def by_definition(policy, effects, facts):
    """choice, score, probability, low and all scores."""
    n, k = effects.values.shape[:2]
    if policy.mode == "random":
        choice, shares = draw(policy, n, facts["units"]).astype(int), np.array(policy.shares)
        open_to = facts.get("eligible", np.ones((n, k), bool))
        choice = np.where(open_to[np.arange(n), choice], choice, -1)
        control = [max(0.0, 1 - sum(shares[row].tolist())) for row in open_to]
        p = np.where(choice >= 0, shares[choice], control)
        return choice, np.zeros(n), p, np.zeros(n, bool), np.zeros((n, k))
    draws = uniform(facts["units"], policy.seed, LOW_STREAM)
    score, usage = priced(policy, effects, facts, policy.prices, draws)
    choice, top = best(policy, facts, score, usage)
    p, low = np.ones(n), np.zeros(n, bool)
    if policy.tie_penalty:
        p = chance(policy, score, draws, choice)
    if policy.low_share:
        low = draws < policy.low_share
        score_low, _ = priced(policy, effects, facts, policy.low_prices, draws)
        choice_low, top_low = best(policy, facts, score_low, usage)
        p = np.where(low, policy.low_share, 1 - policy.low_share)
        p = np.where(choice == choice_low, 1.0, p)
        score = np.where(low[:, None], score_low, score)
        choice, top = np.where(low, choice_low, choice), np.where(low, top_low, top)
    return choice, top, p, low, score


def unit_facts(effects, facts, u):
    """The facts of one unit, and its id, previous choice and weights."""
    labels = {name: str(own[u]) for name, own in facts["groups"].items()}
    open_to = facts["eligible"][u] if "eligible" in facts else None
    one = (effects.values[u], effects.std_error[u], facts["cost"][u], labels, open_to, 1.0)
    before = int(facts["previous"][u]) if "previous" in facts else -2
    weights = facts["weights"][u] if "weights" in facts else None
    return one, str(facts["units"][u]), before, weights


@pytest.mark.parametrize("part", range(4))
def test_a_row_a_batch_and_the_definition_give_the_same_bits(part):
    rows = 0
    for seed in range(200 * part, 200 * part + 200):
        policy, effects, facts = world(seed)
        choice, score, p, low, every = by_definition(policy, effects, facts)
        batch = decide(policy, effects, **facts)
        assert np.array_equal(batch.choice, choice), seed
        assert np.array_equal(batch.score, score), seed
        assert np.array_equal(batch.low, low), seed
        assert np.array_equal(batch.probability, p), seed
        rule = compile_rule(policy, effects.metrics)
        for u in range(len(effects)):
            one = rule.decide_row(*unit_facts(effects, facts, u))
            assert one[:4] == (choice[u], score[u], p[u], low[u]), (seed, u)
            assert np.array_equal(one.scores, every[u]), (seed, u)
        rows += len(effects)
    assert rows == 26_000


def test_chances_are_those_of_all_draws():
    """Over many ids each unit gets each cell as often as is said."""
    checked = 0
    for seed in range(60):
        policy, effects, facts = world(seed, n=1)
        rule, (one, _, *more) = compile_rule(policy, effects.metrics), unit_facts(effects, facts, 0)
        chances = rule.chances(one, "7", *more)
        assert chances.sum() == pytest.approx(1)
        assert (chances >= 0).all()
        decision = rule.decide_row(one, "7", *more)
        assert chances[1 + decision.choice] == decision.probability
        if chances.max() < 0.95:
            got = [rule.decide_row(one, i, *more).choice for i in range(1500)]
            share = np.bincount(np.array(got) + 1, minlength=len(chances)) / 1500
            # five standard errors
            assert np.abs(share - chances).max() < 5 * np.sqrt(0.25 / 1500), seed
            checked += 1
    assert checked > 5


def test_other_prices():
    policy, effects, facts = world(6)
    assert len(policy.demands) > 2
    assert policy.mode == "argmax"
    dear = tuple(3 * price + 0.1 for price in policy.prices)
    rule = compile_rule(policy, effects.metrics).with_prices(dear)
    want = decide(replace(policy, prices=dear), effects, **facts)
    got = rule.decide_rows(effects.values, effects.std_error, facts.pop("cost"), **facts)
    assert got.choice.tolist() == want.choice.tolist()
    with pytest.raises(InputError, match="prices must be finite numbers >= 0"):
        rule.with_prices([-1.0] * len(policy.demands))


ROW = (np.array([[1.0], [2.0]]), None, np.array([1.0, 1.0]), {}, None, 1.0)
PLAIN = Policy(("a", "b"), "none", ("y",), (1.0,))


def test_arrays_of_any_kind_and_place_in_memory():
    rule = compile_rule(PLAIN, ("y",))
    fixed = np.frombuffer(b"\0" + ROW[0].tobytes(), np.uint8)[1:].view(np.float64).reshape(2, 1)
    assert not fixed.flags.aligned
    assert not fixed.flags.writeable
    for values in (fixed, ROW[0].astype(np.float32), np.repeat(ROW[0], 2, axis=0)[::2], [[1], [2]]):
        one = rule.decide_row((values, *ROW[1:]))
        assert (one.choice, one.score, one.scores.tolist()) == (1, 2.0, [1.0, 2.0])


def test_how_often_a_unit_counts_multiplies_its_weights():
    rule = compile_rule(PLAIN, ("y",))
    assert rule.decide_row((*ROW[:5], 3.0)).score == 6.0
    assert rule.decide_row((*ROW[:5], 3.0), weights=np.array([0.5])).score == 1.0


def test_very_many_labels():
    """More combinations than a table of all of them may have."""
    rng, labels = np.random.default_rng(0), [str(label) for label in range(70)]
    demands = tuple(
        Demand(name, "offers", 1.0, column=name, factors=tuple(zip(labels, factors, strict=True)))
        for name, factors in (("city", rng.random(70).tolist()), ("shop", rng.random(70).tolist()))
    )
    policy = replace(PLAIN, demands=demands, prices=(0.3, 0.7))
    rule, some = (
        compile_rule(policy, ("y",)),
        {"city": ["17", "69", "new"], "shop": ["3", "x", "9"]},
    )
    effects = Effects(np.tile(ROW[0], (3, 1, 1)), np.zeros((3, 1)), ("a", "b"), ("y",))
    want = scores(policy, effects, groups={name: np.array(own) for name, own in some.items()})
    for city, shop, score in zip(*some.values(), want, strict=True):
        one = (*ROW[:3], {"city": city, "shop": shop}, None, 1.0)
        assert [rule.decide_row(one).scores.tolist() for _ in range(2)] == [score.tolist()] * 2


def test_what_is_wrong_is_said_as_by_decide():
    rule = compile_rule(replace(PLAIN, keep=1.0), ("y",))
    nan = np.array([[1.0], [np.nan]])
    for facts, more, words in (
        ((nan, *ROW[1:]), {}, "effects must be finite; got nan at row 0, candidate 1"),
        ((*ROW[:2], np.array([1.0, -1.0]), {}, None, 1.0), {}, "cost must be finite and >= 0"),
        (ROW, {"previous": 2}, "previous choice must be one of -2"),
        (ROW, {"weights": np.array([np.inf])}, "weights must be finite"),
        (ROW, {"weights": np.ones(2)}, "weights must be finite and have shape"),
        ((np.ones((3, 1)), *ROW[1:]), {}, "effects must have shape"),
        ((*ROW[:4], np.ones(3, bool), 1.0), {}, "eligible must be true or false, of shape"),
    ):
        with pytest.raises(InputError, match=words):
            rule.decide_row(facts, **more)
    with pytest.raises(InputError, match="std_error for lower > 0"):
        compile_rule(replace(PLAIN, lower=1.0), ("y",)).decide_row(ROW)
    with pytest.raises(InputError, match="one id per unit, 1: this policy splits ties"):
        compile_rule(replace(PLAIN, tie_penalty=1.0), ("y",)).decide_row(ROW)
    half = replace(PLAIN, mode="random", shares=(0.5, 0.0))
    with pytest.raises(InputError, match="units must be given to a policy that draws"):
        compile_rule(half, ("y",)).decide_row(ROW)
    by_city = Demand("budget", "cost", 1.0, column="city", factors=(("a", 1.0),))
    policy = replace(PLAIN, demands=(by_city,), prices=(1.0,))
    with pytest.raises(InputError, match="the unit's labels must have column 'city'"):
        compile_rule(policy, ("y",)).decide_row(ROW)
    with pytest.raises(InputError, match="cost must be given for demand 'budget'"):
        compile_rule(policy, ("y",), cost_known=False)
    with pytest.raises(InputError, match="cost must be known"):
        compile_rule(replace(PLAIN, cost_weight=1.0), ("y",), cost_known=False)
    with pytest.raises(InputError, match="the policy's metric must be one of"):
        compile_rule(PLAIN, ("z",))
    with pytest.raises(InputError, match="call decide_each"):
        compile_rule(replace(PLAIN, mode="each"), ("y",))
