import numpy as np
import pytest

pytest.importorskip("torch")

from equipoise.neural.id_probability import additive, cross_entropy, fit_pairs, product, squared  # noqa: E402
from equipoise.neural.train import Training  # noqa: E402

SIZES = (30, 20)


def world(n=20_000, interaction=0.0, seed=0):
    """Rows of two ids and P(y = 1), additive in the ids on the logit scale, plus an interaction."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=SIZES[0]), rng.normal(size=SIZES[1])
    codes = np.column_stack([rng.integers(0, size, n) for size in SIZES])
    u, i = codes.T
    p = 1 / (1 + np.exp(-(a[u] + b[i] + interaction * np.sign(a[u] * b[i]))))
    return codes, p, (rng.random(n) < p).astype(np.float64)


@pytest.mark.parametrize("loss", [squared, cross_entropy])
def test_recovers_an_additive_probability(loss):
    codes, p, y = world()
    model = fit_pairs(additive, loss, codes, y, SIZES, Training(batch=1024, seed=1))
    assert np.abs(model.predict(codes) - p).mean() < 0.04  # worst of 5 seeds: 0.031
    assert model.history.converged


def test_only_a_product_sees_an_interaction():
    codes, p, y = world(interaction=3.0)
    how = Training(batch=1024, epochs=30, seed=1)
    errors = [
        np.abs(fit_pairs(net, cross_entropy, codes, y, SIZES, how).predict(codes) - p).mean()
        for net in (additive, product)
    ]
    assert errors[1] < 0.2 * errors[0]  # worst of 5 seeds: 0.11


def test_an_unseen_id_gets_a_middling_answer():
    codes, _, y = world()
    model = fit_pairs(additive, squared, codes, y, SIZES, Training(batch=1024, epochs=10, seed=1))
    unseen = model.predict(np.array([SIZES]))[0]
    assert 0.2 < unseen < 0.8
