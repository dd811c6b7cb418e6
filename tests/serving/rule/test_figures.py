"""The figures of one decision are made of decisions that agree, in their smallest form."""

from __future__ import annotations

from benchmarks.serving_rule import different, in_turn, rule_ways


def test_a_row_and_a_batch_decide_alike_and_every_way_is_timed():
    assert different(400) == 0
    ways = {name: (call, 1) for name, (call, _) in rule_ways(50).items()}
    spent = in_turn(ways, 1)
    assert set(spent) == set(ways)
    assert all(each >= 0 for of_way in spent.values() for each in of_way)
