"""The losses of contrastive clustering against scalar loops by the formulas; views; one seed, one
net; what each loss is for.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score

from equipoise.data import make_exposure_world
from equipoise.estimators.clusters import k_means, through
from equipoise.neural import contrastive
from equipoise.neural.contrastive import (
    Contrastive,
    assignment,
    cluster_loss,
    learn_clusters,
    nt_xent,
)

RNG = np.random.default_rng(0)


def test_nt_xent_is_the_formula():
    views = torch.nn.functional.normalize(torch.from_numpy(RNG.normal(size=(8, 3))), dim=1)
    weight = torch.from_numpy(RNG.uniform(0.5, 2, 4))
    first, second = views[:4], views[4:]
    total = 0.0
    for i in range(8):
        partner = (i + 4) % 8
        over = sum(
            math.exp(float(views[i] @ views[j]) / contrastive.HEAT) for j in range(8) if j != i
        )
        total -= float(weight[i % 4]) * math.log(
            math.exp(float(views[i] @ views[partner]) / contrastive.HEAT) / over
        )
    assert math.isclose(
        float(nt_xent(first, second, weight)), total / (2 * float(weight.sum())), rel_tol=1e-9
    )


def test_assignment_and_cluster_loss_are_the_formulas():
    e, centres = (
        torch.from_numpy(RNG.normal(size=(5, 2))),
        torch.from_numpy(RNG.normal(size=(3, 2))),
    )
    q = assignment(e, centres).numpy()
    near = np.array(
        [
            [
                1 / (1 + sum((a - b) ** 2 for a, b in zip(row, centre, strict=True)))
                for centre in centres
            ]
            for row in e
        ]
    )
    np.testing.assert_allclose(q, near / near.sum(axis=1, keepdims=True))
    p = q**2 / q.sum(axis=0)
    p /= p.sum(axis=1, keepdims=True)
    want = (p * np.log(p / q)).sum(axis=1).mean()
    assert math.isclose(
        float(cluster_loss(torch.from_numpy(q), torch.ones(5, dtype=torch.float64))),
        want,
        rel_tol=1e-9,
    )


def test_a_view_keeps_each_column_and_changes_about_the_share():
    net = Contrastive(4, 2, seed=0)
    x = torch.arange(4000, dtype=torch.float32).reshape(1000, 4)
    view = net.view(x)
    assert abs(float((view != x).float().mean()) - contrastive.CORRUPTED) < 0.03
    assert ((view - torch.arange(4)) % 4 == 0).all()  # what is put in comes from the same column


def test_rows_of_weight_two_are_rows_twice():
    """In the share f that p divides by, and in the mean over rows."""
    q = assignment(
        torch.from_numpy(RNG.normal(size=(4, 2))), torch.from_numpy(RNG.normal(size=(3, 2)))
    )
    weight = torch.tensor([2.0, 1.0, 1.0, 2.0], dtype=torch.float64)
    twice = torch.cat([q, q[[0, 3]]])
    assert math.isclose(
        float(cluster_loss(q, weight)),
        float(cluster_loss(twice, torch.ones(6, dtype=torch.float64))),
    )


def test_the_same_seed_learns_the_same_on_any_threads(monkeypatch):
    monkeypatch.setattr(contrastive, "WARM", 3)
    monkeypatch.setattr(contrastive, "JOINT", 3)
    X, before = RNG.normal(size=(600, 3)), torch.get_num_threads()
    one, other = (learn_clusters(X, np.ones(600), 3, seed, k_means) for seed in (1, 2))
    try:
        torch.set_num_threads(2)
        two = learn_clusters(X, np.ones(600), 3, 1, k_means)
        assert torch.get_num_threads() == 2  # as it was found
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(one.centres, two.centres)
    for a, b in zip(one.layers, two.layers, strict=True):
        np.testing.assert_array_equal(a[0], b[0])
    assert not np.array_equal(one.centres, other.centres)


@pytest.fixture(scope="module")
def world():
    exposure = make_exposure_world(1000, seed=202)
    return (exposure.X - exposure.X.mean(axis=0)) / exposure.X.std(axis=0), exposure.kind


@pytest.fixture(scope="module")
def whole(world):
    return found(*world)


def found(X, kind, again=False):
    """How well the kinds are found by half the epochs; again: k-means once more on what was learnt,
    so that no seat is out of date.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contrastive, "WARM", 10)
        patch.setattr(contrastive, "JOINT", 10)
        learnt = learn_clusters(X, np.ones(len(X)), 6, 0, k_means)
    e = through([list(layer) for layer in learnt.layers], X)
    seats = k_means(e, np.ones(len(X)), 6, 0) if again else learnt.centres
    return adjusted_rand_score(kind, ((e[:, None] - seats) ** 2).sum(axis=2).argmin(axis=1))


def test_without_the_cluster_loss_kinds_are_found_worse(world, whole, monkeypatch):
    """By .078 in this world; over the seeds 200 to 205 by .032 to .123."""
    monkeypatch.setattr(contrastive, "TOGETHER", 0.0)
    assert whole - found(*world, again=True) > 0.03


def test_with_views_of_other_rows_as_partners_kinds_are_found_worse(world, whole, monkeypatch):
    """By .229 to .413 over the seeds 200 to 205."""
    monkeypatch.setattr(
        contrastive,
        "nt_xent",
        lambda first, second, weight: nt_xent(first, second.roll(1, 0), weight),
    )
    assert found(*world) < whole - 0.1
