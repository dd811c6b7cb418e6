"""Parts: compiled against kinds of units the rows are those of all units together, to the bit."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.allocation import budget, cap, floor, group_budget, parity
from equipoise.allocation.parts import PartBuilder, compile_kinds, unit_part
from equipoise.allocation.solve import compile_problem, expand
from equipoise.core.effects import Effects


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("cuts", [(), (1, 7, 20)])
def test_parts_make_the_problem_of_the_whole(closed, cuts):
    rng = np.random.default_rng(3)
    n, names = 40, ("a", "b", "c")
    worth, cost = rng.normal(1, 1, (n, 3)), rng.uniform(0.5, 1.5, (n, 3))
    values = rng.normal(size=(n, 3, 2))
    groups = {"city": rng.choice(["n", "s", "w"], n), "age": rng.choice(["old", "young"], n)}
    eligible = rng.random((n, 3)) < 0.7 if closed else None
    demands = [
        budget(0.3, per_head=True),
        cap("b", 9),
        floor("plays", 1.0),
        group_budget("city", "s", 0.2, per_head=True),
        parity("age", 0.1),
    ]
    effects = Effects(values, np.zeros((n, 2)), names, ("sales", "plays"))
    rows = expand(demands, groups)
    whole = compile_problem(worth, rows, names, cost, effects, groups, eligible=eligible)

    builder, plays = PartBuilder(), values[:, :, 1:]
    for units in np.split(np.arange(n), cuts):
        own = {name: labels[units] for name, labels in groups.items()}
        open_to = None if eligible is None else eligible[units]
        builder.add(
            unit_part(
                worth[units], cost=cost[units], cube=plays[units], groups=own, eligible=open_to
            )
        )
    part = builder.build()
    counts = dict(zip(part.kinds, part.counts().tolist(), strict=True))
    kinds = compile_kinds(
        demands, part.columns, counts, names, ["plays"], float(np.abs(worth).max())
    )
    got = kinds.problem(part)
    assert got.rows.demands == whole.rows.demands
    for name in ("coefficient", "quantity", "codes", "heads", "bounds"):
        assert getattr(got.rows, name).tolist() == getattr(whole.rows, name).tolist(), name
    assert got.value.tolist() == whole.value.tolist()
    prices = rng.random(len(rows))
    assert got.evaluate(prices)[0] == whole.evaluate(prices)[0]
    choice = whole.choose(prices).choice
    assert got.measure(choice)[1].tolist() == whole.measure(choice)[1].tolist()


def test_costs_that_are_alike_are_kept_once():
    builder = PartBuilder()
    for cost in ([1.0, 2.0], [1.0, 2.0], [1.0, 3.0]):
        builder.add(unit_part([[1.0, 1.0]], cost=cost))
    assert builder.build().cost.tolist() == [[1, 2], [1, 2], [1, 3]]
