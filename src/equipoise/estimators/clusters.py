"""Clusters of users, by k-means or by deep contrastive clustering (SCCL).

    kmeans    on standardised features: scikit-learn's, ten starts               Lloyd (1982)
    sccl      on the representation of a net that learns to tell rows apart under corruption and to gather them around centres
              (`neural.contrastive`)                                             Zhang et al. (2021), NAACL

Labels are 0..k-1 by falling size, so that they stay for the eye.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.cluster import KMeans
from sklearn.utils.validation import check_is_fitted

from equipoise.core.arrays import Floats, Ints
from equipoise.core.errors import InputError
from equipoise.core.features import matrix
from equipoise.core.folds import check_seed
from equipoise.estimators.base import as_learnt, complete

METHODS = ("kmeans", "sccl")
STARTS, CHUNK = 10, 65_536


class Clusters(ClusterMixin, BaseEstimator):  # type: ignore[misc]
    """Clusters of rows.

    Parameters
    ----------
    method : "kmeans" or "sccl".   k : how many, >= 2.   seed : of first centres, and of the net.

    Attributes
    ----------
    sizes_ : (k,) shares of the rows of fit, falling; 0 of a cluster that nobody is in.   labels_ : (n,).
    centres_ : (k, d), the means of the clusters' features.   seats_ : (k, s), their places in the representation.

    Examples
    --------
    >>> X = np.array([[0.0], [0.1], [0.2], [5.0], [5.1]])
    >>> Clusters(k=2).fit(X).labels_.tolist()
    [0, 0, 0, 1, 1]
    """

    def __init__(self, method: str = "kmeans", k: int = 8, *, seed: int = 0) -> None:
        self.method, self.k, self.seed = method, k, seed

    def fit(self, X: Any, y: Any = None, *, sample_weight: Any = None) -> Self:
        """Learn k clusters of X, (n, d) without missing values.   sample_weight: (n,) > 0."""
        check_seed(self.seed)
        values, names = matrix(X)
        if self.method not in METHODS:
            raise InputError("method", f"be one of {', '.join(METHODS)}", repr(self.method))
        if isinstance(self.k, bool) or not isinstance(self.k, int | np.integer) or not 2 <= self.k <= len(values):
            fix = "ask for fewer clusters, or log more"
            raise InputError("k", f"be a whole number from 2 to the number of rows, {len(values)}", self.k, fix=fix)
        complete(values, names)
        weight = np.ones(len(values)) if sample_weight is None else np.asarray(sample_weight, np.float64)
        if weight.shape != (len(values),) or not (np.isfinite(weight) & (weight > 0)).all():
            raise InputError("sample_weight", f"be {len(values)} finite numbers > 0", weight.shape)
        self.feature_names_in_, self.n_features_in_ = np.asarray(names, dtype=object), len(names)
        self.middle_ = np.average(values, axis=0, weights=weight)
        spread = np.sqrt(np.average((values - self.middle_) ** 2, axis=0, weights=weight))
        self.scale_ = np.where(spread > 0, spread, 1.0)
        self.layers_, self.seats_ = self._learnt(self._standard(values), weight)
        label = self._nearest(values)
        size = np.bincount(label, weight, minlength=self.k)
        self.seats_ = self.seats_[np.argsort(-size, kind="stable")]
        self.labels_ = self._nearest(values)
        self.sizes_ = np.bincount(self.labels_, weight, minlength=self.k) / weight.sum()
        sums = np.stack([np.bincount(self.labels_, weight * column, minlength=self.k) for column in values.T], axis=1)
        self.centres_ = sums / np.maximum(self.sizes_[:, None] * weight.sum(), 1e-300)
        return self

    def predict(self, X: Any) -> Ints:
        """The cluster of each row, (n,) in 0..k-1."""
        check_is_fitted(self, "seats_")
        values = as_learnt(X, self.feature_names_in_)
        complete(values, tuple(self.feature_names_in_))
        return self._nearest(values)

    def _learnt(self, standard: Floats, weight: Floats) -> tuple[list[list[Floats]], Floats]:
        """The layers of a representation, none for k-means, and the seats of the clusters in it."""
        if self.method == "kmeans":
            return [], KMeans(self.k, n_init=STARTS, random_state=self.seed).fit(standard, sample_weight=weight).cluster_centers_
        from equipoise.neural.contrastive import learn_clusters

        learnt = learn_clusters(standard, weight, self.k, self.seed)
        return [list(layer) for layer in learnt.layers], learnt.centres

    def _standard(self, values: Floats) -> Floats:
        standard: Floats = (values - self.middle_) / self.scale_
        return standard

    def _nearest(self, values: Floats) -> Ints:
        """The nearest seat of each row."""
        found = np.empty(len(values), np.int64)
        half = (self.seats_**2).sum(axis=1) / 2
        for start in range(0, len(values), CHUNK):
            part = slice(start, start + CHUNK)
            e = through(self.layers_, self._standard(values[part]))
            found[part] = (half - e @ self.seats_.T).argmin(axis=1)
        return found


def through(layers: list[list[Floats]], x: Floats) -> Floats:
    """Rows through layers (weight, bias) with ELU between them, in float64."""
    for place, (weight, bias) in enumerate(layers):
        x = x @ weight + bias
        if place < len(layers) - 1:
            x = np.where(x > 0, x, np.expm1(np.minimum(x, 0.0)))
    return x
