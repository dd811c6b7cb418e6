"""The losses of contrastive clustering against scalar loops by the formulas; views; the same seed, the same net."""

from __future__ import annotations

import math

import numpy as np
import torch

from equipoise.neural import contrastive
from equipoise.neural.contrastive import Contrastive, assignment, cluster_loss, learn_clusters, nt_xent

RNG = np.random.default_rng(0)


def test_nt_xent_is_the_formula():
    views = torch.nn.functional.normalize(torch.from_numpy(RNG.normal(size=(8, 3))), dim=1)
    weight = torch.from_numpy(RNG.uniform(0.5, 2, 4))
    first, second = views[:4], views[4:]
    total = 0.0
    for i in range(8):
        partner = (i + 4) % 8
        over = sum(math.exp(float(views[i] @ views[j]) / contrastive.HEAT) for j in range(8) if j != i)
        total -= float(weight[i % 4]) * math.log(math.exp(float(views[i] @ views[partner]) / contrastive.HEAT) / over)
    assert math.isclose(float(nt_xent(first, second, weight)), total / (2 * float(weight.sum())), rel_tol=1e-9)


def test_assignment_and_cluster_loss_are_the_formulas():
    e, centres = torch.from_numpy(RNG.normal(size=(5, 2))), torch.from_numpy(RNG.normal(size=(3, 2)))
    q = assignment(e, centres).numpy()
    near = np.array([[1 / (1 + sum((a - b) ** 2 for a, b in zip(row, centre, strict=True))) for centre in centres] for row in e])
    np.testing.assert_allclose(q, near / near.sum(axis=1, keepdims=True))
    p = q**2 / q.sum(axis=0)
    p /= p.sum(axis=1, keepdims=True)
    want = (p * np.log(p / q)).sum(axis=1).mean()
    assert math.isclose(float(cluster_loss(torch.from_numpy(q), torch.ones(5, dtype=torch.float64))), want, rel_tol=1e-9)


def test_a_view_keeps_each_column_and_changes_about_the_share():
    net = Contrastive(4, 2, seed=0)
    x = torch.arange(4000, dtype=torch.float32).reshape(1000, 4)
    view = net.view(x)
    assert abs(float((view != x).float().mean()) - contrastive.CORRUPTED) < 0.03
    assert ((view - torch.arange(4)) % 4 == 0).all()  # what is put in comes from the same column


def test_the_same_seed_learns_the_same():
    X = RNG.normal(size=(600, 3))
    one, two = (learn_clusters(X, np.ones(600), 3, seed=1) for _ in range(2))
    np.testing.assert_array_equal(one.centres, two.centres)
    assert not np.array_equal(one.centres, learn_clusters(X, np.ones(600), 3, seed=2).centres)
