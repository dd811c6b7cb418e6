"""A small benchmark of strata, constructed once a session."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.data.ratings.ratings import Ratings


@pytest.fixture(scope="session")
def ratings():
    """Ratings of 60 users and 50 items, liked by an additive taste."""
    rng = np.random.default_rng(0)
    keys = rng.choice(3_000, 1_200, replace=False)
    u, i = keys // 50, keys % 50
    p = 1 / (1 + np.exp(-(rng.normal(size=60)[u] + rng.normal(size=50)[i])))
    return Ratings(
        "taste", np.column_stack([u, i]), (rng.random(len(u)) < p).astype(np.int64), (60, 50)
    )


@pytest.fixture(scope="session")
def data(ratings):
    """The benchmark."""
    pytest.importorskip("torch")
    from equipoise.data.ratings.constructed import construct

    return construct(ratings, seed=1)
