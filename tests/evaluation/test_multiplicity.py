"""Holm's steps against the definition, and how often any true null of several is refuted."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.evaluation import holm


def test_steps_by_hand():
    assert holm([0.01, 0.04, 0.03]).tolist() == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.2]).tolist() == [0.2]
    assert holm([]).tolist() == []
    assert holm([0.5, 0.9, np.nan]).tolist() == [1.0, 1.0, 1.0]


def test_refuted_are_those_of_the_definition():
    """Holm refutes the smallest p-values up to the first with p_(i) > alpha / (h - i + 1)."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        p = rng.uniform(size=6) ** 3
        order, refuted = np.argsort(p), set()
        for i, place in enumerate(order):
            if p[place] > 0.05 / (6 - i):
                break
            refuted.add(int(place))
        assert set(np.flatnonzero(holm(p) <= 0.05).tolist()) == refuted


def test_any_true_null_is_refuted_at_most_as_often_as_the_level():
    p = np.random.default_rng(1).uniform(size=(2000, 5))
    false = np.mean([(holm(row) <= 0.05).any() for row in p])
    assert 0.035 < false < 0.062, "measured: .050, standard error .005"
