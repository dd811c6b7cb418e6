"""Candidates closed to some units: never given, by solver or rule, whatever the demands."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from fixtures.promise_instances import draw_instance
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.allocation import budget, budgeted_policy, decide, offers
from equipoise.allocation.policies import Task, random, single, threshold
from equipoise.allocation.records import decision_of, replay
from equipoise.allocation.rule import decide_each, weighted_value
from equipoise.allocation.solve import allocate, compile_problem, expand
from equipoise.core.effects import Effects
from equipoise.core.errors import InfeasibleError, InputError
from equipoise.core.policy import Decision


def world(seed, n=40, k=3):
    """(effects, cost, open): what is closed is what would be best."""
    rng = np.random.default_rng(seed)
    names = tuple("abcde"[:k])
    values = rng.normal(1, 1, size=(n, k, 1))
    open_to = rng.random((n, k)) < 0.6
    values[~open_to] += 5
    return Effects(values, np.zeros((n, 1)), names, ("y",)), rng.uniform(0.1, 2, (n, k)), open_to


def given_closed(choice, open_to):
    treated = choice >= 0
    return int((~open_to[np.flatnonzero(treated), choice[treated]]).sum())


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 4), st.floats(0.05, 1.0))
def test_what_is_closed_is_never_given(seed, n, k, share):
    effects, cost, open_to = world(seed, n, k)
    demands = [budget(share * n), offers(share, per_head=True)][: 1 + seed % 2]
    more = {"cost": cost, "eligible": open_to}
    policy, allocation = budgeted_policy(effects, weights={"y": 1.0}, constraints=demands, **more)
    assert given_closed(allocation.choice, open_to) == 0
    decisions = decide(policy, effects, units=np.arange(n), **more)
    assert given_closed(decisions.choice, open_to) == 0
    assert np.isfinite(decisions.score).all()
    task = Task(effects, {"y": 1.0}, demands, cost, eligible=open_to)
    for make in (threshold, single, random):
        made = decide(make(task), effects, units=np.arange(n), **more)
        assert given_closed(made.choice, open_to) == 0
    each = decide_each(replace(task.draft(), mode="each"), effects, eligible=open_to)
    assert not each[~open_to].any()


def test_the_mask_is_what_holds_it_back():
    effects, cost, open_to = world(0)
    policy, allocation = budgeted_policy(effects, weights={"y": 1.0}, constraints=[], cost=cost)
    assert given_closed(allocation.choice, open_to) > 0
    assert given_closed(decide(policy, effects, cost=cost).choice, open_to) > 0


@pytest.mark.parametrize("seed", range(3))
def test_the_best_of_what_is_open_by_brute_force(seed):
    effects, cost, open_to = world(seed, n=5, k=2)
    value = effects.values[:, :, 0]
    best = 0.0
    for choice in itertools.product((-1, 0, 1), repeat=5):
        treated = [(i, a) for i, a in enumerate(choice) if a >= 0]
        if all(open_to[i, a] for i, a in treated) and sum(cost[i, a] for i, a in treated) <= 2:
            best = max(best, sum(value[i, a] for i, a in treated))
    for method in ("auto", "highs"):
        got = allocate(value, [budget(2.0)], cost=cost, eligible=open_to, method=method)
        assert got.value == pytest.approx(best)


def test_where_nothing_is_closed_the_bits_are_the_same():
    effects, cost, open_to = world(1)
    arguments = {"weights": {"y": 1.0}, "constraints": [budget(10.0)], "cost": cost}
    policy, allocation = budgeted_policy(effects, **arguments)
    again, other = budgeted_policy(effects, **arguments, eligible=np.ones_like(open_to))
    assert policy == again
    assert allocation.choice.tolist() == other.choice.tolist()


def test_a_record_replays_with_what_was_closed():
    effects, cost, open_to = world(2)
    policy, _ = budgeted_policy(
        effects, weights={"y": 1.0}, constraints=[budget(8.0)], cost=cost, eligible=open_to
    )
    decisions = decide(policy, effects, cost=cost, eligible=open_to, units=np.arange(40))
    row = int(np.argmin(open_to.sum(axis=1)))
    record = decision_of(policy, decisions, row)
    assert set(record.closed) == set(np.array(effects.candidates)[~open_to[row]])
    assert Decision.from_json(record.to_json()) == record
    assert replay(record, policy, effects.take(np.array([row]))) == record


def test_a_mask_of_another_shape_is_refused():
    effects, cost, open_to = world(3)
    with pytest.raises(InputError, match="eligible must be true or false, of shape"):
        decide(Task(effects, {"y": 1.0}).draft(), effects, eligible=open_to[:, :2])


def test_what_the_rule_is_measured_by_is_what_it_decides():
    """Demands of every kind: a rule measured with a closed candidate in it is another rule."""
    for seed in range(30):
        case = draw_instance(seed, largest=40)
        open_to = np.random.default_rng(seed).random(case.effects.values.shape[:2]) < 0.6
        try:
            policy, solution = budgeted_policy(
                case.effects, **case.asked(), eligible=open_to, seed=seed
            )
        except InfeasibleError:
            continue
        choice = decide(policy, case.effects, **case.known(), eligible=open_to).choice
        assert given_closed(choice, open_to) == 0
        demands = expand(case.demands, case.groups)
        worth = weighted_value(policy, case.effects, case.groups)
        names = case.effects.candidates
        problem = compile_problem(worth, demands, names, case.cost, case.effects, case.groups)
        value, usage = problem.measure(choice.astype(np.int16))
        assert value == pytest.approx(solution.rule_value, rel=1e-12, abs=1e-12)
        assert usage == pytest.approx(solution.rule_usage, rel=1e-12, abs=1e-12)
        assert (solution.rule_usage <= solution.bounds).all()
