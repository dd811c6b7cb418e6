"""The compiled steps against the graph of tensors: the same losses and the same nets, to
float32.
"""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from equipoise.neural.additive import (  # noqa: E402
    CROSS_ENTROPY,
    LIKELIHOOD,
    SQUARED,
    Composite,
    train_joint,
    train_one,
)
from equipoise.neural.fast_math import exponentials, logarithms  # noqa: E402
from equipoise.neural.id_nets import Additive, generator  # noqa: E402
from equipoise.neural.losses import composite, cross_entropy, likelihood, squared  # noqa: E402
from equipoise.neural.strata import LISTED, OFFICIAL, THR, ClaimRows  # noqa: E402
from equipoise.neural.train import Training, numbers, train  # noqa: E402

SIZES, HOW = (40, 30), Training(rate=0.01, decay=1e-3, batch=128, epochs=4)


def rows(n=600, seed=0) -> ClaimRows:
    rng = np.random.default_rng(seed)
    codes = np.column_stack([rng.integers(0, size, n) for size in SIZES])
    t, c, y = rng.integers(0, 2, (3, n))
    return ClaimRows(codes, SIZES, t, c * t, y, rng.uniform(0.5, 2, n))


def pair(outputs: int, seed: int = 0) -> tuple[Additive, Additive]:
    net = Additive(SIZES, 16, outputs, generator(seed))
    return net, copy.deepcopy(net)


def same(one: torch.nn.Module, other: torch.nn.Module) -> None:
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        np.testing.assert_allclose(a.detach(), b.detach(), rtol=0, atol=3e-4)


@pytest.mark.parametrize(("kind", "loss"), [(SQUARED, squared), (CROSS_ENTROPY, cross_entropy)])
def test_one_output(kind, loss):
    data, (ours, theirs) = rows(), pair(1)
    target = numbers(data.y)
    told = train(
        theirs, lambda u, i, y: loss(theirs([u, i]), y), [*data.columns()[:2], target], HOW
    )
    got = train_one(ours, kind, data.codes, data.y, HOW)
    np.testing.assert_allclose(got.losses, told.losses, rtol=2e-6)
    same(ours, theirs)


def test_the_likelihood_of_cells():
    data, (ours, theirs) = rows(), pair(5)
    columns = [*data.columns(), data.weights()]
    told = train(theirs, lambda u, i, c, w: likelihood(theirs([u, i]), c, w), columns, HOW)
    got = train_one(ours, LIKELIHOOD, data.codes, data.cell(), HOW, weight=data.weight)
    np.testing.assert_allclose(got.losses, told.losses, rtol=2e-6)
    same(ours, theirs)


@pytest.mark.parametrize(("weights", "eta"), [(OFFICIAL, 0.5), (LISTED, 0.0)])
def test_the_composite_of_two_nets(weights, eta):
    data, (f, f_), (g, g_) = rows(), pair(5), pair(1, seed=1)
    both, weight = torch.nn.ModuleList([f_, g_]), torch.tensor(weights)[:, None]

    def loss(u, i, cell, t):
        p = torch.sigmoid(g_([u, i])[0]).clamp(THR, 1.0)
        return composite(f_([u, i]), p, cell, weight) + eta * ((p - t) ** 2).sum()

    told = train(both, loss, [*data.columns(), numbers(data.t)], HOW)
    got = train_joint(f, g, data.codes, data.cell(), Composite(weights, eta, THR), HOW)
    np.testing.assert_allclose(got.losses, told.losses, rtol=2e-6)
    same(torch.nn.ModuleList([f, g]), both)


def test_fits_side_by_side_give_the_same_bytes():
    data, nets = rows(), [pair(5)[0] for _ in range(4)]
    alone = pair(5)[0]
    train_one(alone, LIKELIHOOD, data.codes, data.cell(), HOW)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda net: train_one(net, LIKELIHOOD, data.codes, data.cell(), HOW), nets))
    for net in nets:
        assert all(
            torch.equal(a, b) for a, b in zip(net.parameters(), alone.parameters(), strict=True)
        )


def test_elementary_functions_in_float32():
    x, bits = np.linspace(-80, 80, 10_001, dtype=np.float32), np.empty(10_001, np.int32)
    found = x.copy()
    exponentials(found, bits)
    np.testing.assert_allclose(found, np.exp(x.astype(np.float64)), rtol=5e-7)
    for y in np.geomspace(1e-37, 1e30, 200, dtype=np.float32):
        assert logarithms(np.array([y]), bits) == pytest.approx(
            max(np.log(float(y)), -100), rel=5e-7, abs=5e-7
        )
