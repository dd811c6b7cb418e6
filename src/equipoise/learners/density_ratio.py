"""How much likelier rows are after a proportional shift of their shares: the weights of a policy
that moves mixes a step.

    d(t) = t r / sum_k t_k r_k        r (K,) > 0: raise or lower each category by a factor, then
    divide by the sum
    ratio(t, x) = density of d(T) at t given x / density of T at t given x

A classifier that tells shifted rows from logged ones gives the ratio as odds (Qin 1998; Diaz et al.
2021, arXiv:2006.01366). Where mixes are Dirichlet the log of the ratio is linear in one number,

    N(t) = log sum_k t_k / r_k

and in the features that their mean follows: a logistic regression on N, x and N x is then the
truth, whatever K.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from equipoise.core.arrays import Floats

Weigh = Callable[[Floats, Floats, Floats], Floats]


def shifted(T: Floats, factor: Floats) -> Floats:
    """Shares after their factors, (n, K).   factor: (K,) or (n, K).

    >>> shifted(np.array([[0.5, 0.5]]), np.array([3.0, 1.0])).tolist()
    [[0.75, 0.25]]
    """
    product = T * factor
    mixes: Floats = product / product.sum(axis=1, keepdims=True)
    return mixes


def learn_ratio(X: Floats, T: Floats, factor: Floats, weight: Floats) -> Weigh:
    """Learn the ratio on logged rows: a function of other rows' (X, T, factor), of mean 1 on the
    rows that it learnt from.
    """
    both = np.vstack([_facts(X, T, factor), _facts(X, shifted(T, factor), factor)])
    after = np.repeat([0, 1], len(X))
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=500))
    model.fit(both, after, logisticregression__sample_weight=np.tile(weight, 2))

    def odds(X: Floats, T: Floats, factor: Floats) -> Floats:
        ratio: Floats = np.exp(np.clip(model.decision_function(_facts(X, T, factor)), -20, 20))
        return ratio

    mean = float(np.average(odds(X, T, factor), weights=weight))
    return lambda X, T, factor: odds(X, T, factor) / mean


def _facts(X: Floats, T: Floats, factor: Floats) -> Floats:
    """N, x and N x, (n, 1 + 2 d)."""
    back = np.log((T / factor).sum(axis=1))[:, None]
    return np.hstack([back, X, back * X])
