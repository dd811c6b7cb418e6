"""The error of what is learnt from a sample: by hand, and against biases that are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.stats import t

from equipoise.core.errors import InputError
from equipoise.core.estimates import around
from equipoise.pipeline.bounded import learning_error as module
from equipoise.pipeline.bounded.learning_error import (
    PARTS,
    LearningError,
    Told,
    learning_error,
)

EYE = np.eye(2)


@dataclass
class Rows:
    """Forty rows without weights."""

    roles: Any

    def __len__(self) -> int:
        return 40


STUDY: Any = SimpleNamespace(
    log=Rows(SimpleNamespace(action_propensity=None, weight=None)),
    plan=SimpleNamespace(run=SimpleNamespace(seed=0)),
)
BINS = SimpleNamespace(edges=[[], []], count=3)
JUDGED: Any = SimpleNamespace(chances=SimpleNamespace(model=object()), bins=BINS)


def error_of(own: float, most: float) -> LearningError:
    """Of a rule and one candidate, of one gain and the spend: all of one variance, alone."""
    return LearningError(*(v * np.eye(4).reshape(2, 2, 2, 2) for v in (own, most)), df=3.0)


@pytest.mark.parametrize(("own", "most", "extra", "df"), [(3, 9, 3, 16 / 3), (9, 2, 2, np.inf)])
def test_an_interval_by_hand(own, most, extra, df):
    """1 + 3 with 3 degrees of freedom behind the 3; or no more than the sample's own."""
    before = around(np.array([5.0, 1.0]), np.ones(2), level=0.95)
    after = error_of(own, most).widened(before, np.array([1.0, 0.0]), EYE, 0.95)
    assert after.value.tolist() == [5.0, 1.0]
    np.testing.assert_allclose(after.std_error, np.sqrt(1 + extra))
    np.testing.assert_allclose(after.high - after.value, t(df).ppf(0.975) * after.std_error)


def test_policies_and_columns_add_up():
    """The rule against a candidate, net of the spend; and a tenth of the rows."""
    before = around(np.zeros(1), np.zeros(1), level=0.95)
    mix, net = np.array([1.0, -1.0]), np.array([[2.0], [-1.0]])
    after = error_of(1.0, 99.0).widened(before, mix, net, 0.95)
    np.testing.assert_allclose(after.std_error**2, 2 * (4 + 1))
    few = error_of(1.0, 99.0).widened(before, mix, net, 0.95, share=0.1)
    np.testing.assert_allclose(few.std_error**2, 100)


def test_the_variance_of_biases_that_are_drawn(monkeypatch):
    """What rows have in common does not count.  Of 400 draws; with means of rows that are not
    paired it would be 20 times as much.
    """
    rng, measured = np.random.default_rng(0), []
    shape = (2, 2)
    monkeypatch.setattr(module, "log_folds", lambda *_: np.arange(40) % PARTS)
    monkeypatch.setattr(module, "_of_sample", lambda *_: np.ones((2, 2, 2, 2)))
    monkeypatch.setattr(module, "_ranked_sample", lambda *_: {})
    for _ in range(400):
        bias, common = rng.normal(size=(PARTS, *shape)), 10 * rng.normal(size=(PARTS, *shape))
        means = bias[:, None] + common
        means[np.arange(PARTS), np.arange(PARTS)] = np.nan
        told = [Told(m, 7 * np.repeat(m, 2, axis=2)[:, :, :3], 0 * m[:, 0] + 7) for m in means]
        monkeypatch.setattr(module, "_by_part", lambda g, case, told=told: told[g])
        error = learning_error(STUDY, JUDGED)
        measured.append(error.covariance)
        for p in (0, 1):  # the bins have the gaps of the first column twice, and of the second
            own = np.square(error.rankings.of_pairs[:, p]).mean(axis=0) / (2 * PARTS)
            of_values = np.diag(error.covariance[p, :, p])[[0, 0, 1]]
            np.testing.assert_allclose(own, of_values)
    mean = np.mean(measured, axis=0).reshape(4, 4)
    np.testing.assert_allclose(mean, np.eye(4) / PARTS, atol=0.06)


def test_where_parts_cannot_learn_it_is_as_large_as_the_samples(monkeypatch):
    def few(g, case):
        raise InputError("cell 1", "have rows outside every fold", 0)

    monkeypatch.setattr(module, "log_folds", lambda *_: np.arange(40) % PARTS)
    monkeypatch.setattr(module, "_of_sample", lambda *_: np.full((2, 2, 2, 2), 7.0))
    monkeypatch.setattr(module, "_ranked_sample", lambda *_: {})
    monkeypatch.setattr(module, "_by_part", few)
    error = learning_error(STUDY, JUDGED)
    assert error.rankings.of_pairs.shape == (0, 2, 3)
    assert (error.covariance == 7).all()
    assert (error.ceiling == 7).all()


def test_what_is_known_has_no_such_error():
    known: Any = SimpleNamespace(chances=SimpleNamespace(model=None))
    assert learning_error(STUDY, known) is None
