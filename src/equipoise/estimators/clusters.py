"""Clusters of users, by k-means or by deep contrastive clustering (SCCL).

    kmeans    on standardised features: scikit-learn's, ten starts               Lloyd (1982)
    sccl      on the representation of a net that learns to tell rows apart under corruption and to
    gather them around centres
              (`neural.contrastive`)                                             Zhang et al.
              (2021), NAACL

Labels are 0..k-1 by falling size, so that they stay for the eye.  Fits are the same for any number
of threads, and a row is answered in float64 one sum at a time: neither its company nor the order of
columns by name changes a digit of it.  The order of rows and columns in fit does count, as a seed
does: first centres and first weights are drawn by place.
"""

from __future__ import annotations

import logging
import math
import warnings
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits

from equipoise.core.arrays import Floats, Ints
from equipoise.core.deprecation import renamed_arguments
from equipoise.core.errors import InputError
from equipoise.core.features import FittedColumns
from equipoise.core.folds import check_seed
from equipoise.core.kernels import njit
from equipoise.core.weights import check_weights
from equipoise.estimators.base import complete
from equipoise.neural import require_torch

log = logging.getLogger(__name__)
METHODS = ("kmeans", "sccl")
STARTS, CHUNK = 10, 65_536


@renamed_arguments(k="n_clusters", seed="random_state")
class Clusters(FittedColumns, ClusterMixin, BaseEstimator):  # type: ignore[misc]
    """Clusters of rows.

    Parameters
    ----------
    method : str, default "kmeans"
        "kmeans", or "sccl" for deep contrastive clustering, which needs torch.
    n_clusters : int, default 8
        How many, from 2 to the number of rows.
    random_state : int, default 0
        Of first centres, and of the net.

    Attributes
    ----------
    sizes_ : array, (k,)
        Shares of the weight of fit, falling; 0 for an empty cluster.
    rows_ : array of int, (k,)
        How many rows of fit are in each.
    empty_ : array of int
        The labels of empty clusters, which are also logged; mostly of length 0.
    labels_ : array of int, (n,)
        The cluster of each row of fit.
    centres_ : array, (k, d)
        The means of the clusters' features in their own units; NaN for an empty one.
    seats_ : array, (k, s)
        The clusters' centres in the representation, from which distances are taken.

    References
    ----------
    Lloyd (1982), "Least squares quantization in PCM"; Zhang et al. (2021), "Supporting
    clustering with contrastive learning", NAACL.

    Examples
    --------
    >>> X = np.array([[0.0], [0.1], [0.2], [5.0], [5.1]])
    >>> Clusters(n_clusters=2).fit(X).labels_.tolist()
    [0, 0, 0, 1, 1]
    """

    def __init__(
        self, method: str = "kmeans", n_clusters: int = 8, *, random_state: int = 0
    ) -> None:
        self.method = method
        self.n_clusters = n_clusters
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, *, sample_weight: Any = None) -> Self:
        """Learn the clusters of rows.

        Parameters
        ----------
        X : frame, array, sparse matrix or list of rows, (n, d)
            Features without missing values: numbers, and in a frame also text and categories,
            encoded as `FeatureMap` does.
        y : None, default None
            Ignored; scikit-learn's pipelines pass it.
        sample_weight : array-like, (n,), optional
            Weights > 0; None weighs all rows alike.

        Returns
        -------
        Clusters
            Itself.

        Raises
        ------
        InputError
            An argument is not as above, or a feature has a missing value.
        """
        check_seed(self.random_state, "random_state")
        values, names = self._fit_columns(X)
        if self.method not in METHODS:
            raise InputError("method", f"be one of {', '.join(METHODS)}", repr(self.method))
        if (
            isinstance(self.n_clusters, bool)
            or not isinstance(self.n_clusters, int | np.integer)
            or not 2 <= self.n_clusters <= len(values)
        ):
            fix = "ask for fewer clusters, or log more"
            raise InputError(
                "n_clusters",
                f"be a whole number from 2 to the number of rows, {len(values)}",
                self.n_clusters,
                fix=fix,
            )
        complete(values, names)
        rows = len(values)
        given = check_weights(sample_weight, rows)
        weight = np.ones(rows) if given is None else given
        self.middle_ = np.average(values, axis=0, weights=weight)
        spread = np.sqrt(np.average((values - self.middle_) ** 2, axis=0, weights=weight))
        # of a constant, the spread is what rounding left
        self.scale_ = np.where(np.ptp(values, axis=0) > 0, spread, 1.0)
        self.layers_, self.seats_ = self._learn_seats((values - self.middle_) / self.scale_, weight)
        label = self._nearest(values)
        size = np.bincount(label, weight, minlength=self.n_clusters)
        self.seats_ = self.seats_[np.argsort(-size, kind="stable")]
        self._describe(values, weight)
        return self

    def _describe(self, values: Floats, weight: Floats) -> None:
        """Who is in the clusters."""
        self.labels_ = self._nearest(values)
        self.rows_ = np.bincount(self.labels_, minlength=self.n_clusters)
        self.empty_ = np.flatnonzero(self.rows_ == 0)
        if len(self.empty_):
            log.warning(
                "%d of %d clusters are empty: ask for fewer", len(self.empty_), self.n_clusters
            )
        size = np.bincount(self.labels_, weight, minlength=self.n_clusters)
        self.sizes_ = size / weight.sum()
        sums = np.stack(
            [
                np.bincount(self.labels_, weight * column, minlength=self.n_clusters)
                for column in values.T
            ],
            axis=1,
        )
        self.centres_ = np.full(sums.shape, np.nan)
        np.divide(sums, size[:, None], out=self.centres_, where=size[:, None] > 0)

    def predict(self, X: Any) -> Ints:
        """The cluster of each row: that of the nearest seat.

        Parameters
        ----------
        X : array-like, (n, d)
            The features of fit.

        Returns
        -------
        array of int, (n,)
            Labels in 0..k-1.
        """
        return self._nearest(self._features(X))

    def distances(self, X: Any) -> Floats:
        """How far each row is from each seat.

        Parameters
        ----------
        X : array-like, (n, d)
            The features of fit.

        Returns
        -------
        array, (n, k)
            Euclidean distances: k-means in standard deviations of features, SCCL in its
            representation.
        """
        return np.sqrt(self._apart(self._features(X)))

    def _features(self, X: Any) -> Floats:
        check_is_fitted(self, "seats_")
        values = self._in_order(X)
        complete(values, self._encoded_names)
        return values

    def _learn_seats(self, standard: Floats, weight: Floats) -> tuple[list[list[Floats]], Floats]:
        """The layers of a representation, none for k-means, and the seats of the clusters in it."""
        if self.method == "kmeans":
            return [], k_means(standard, weight, self.n_clusters, self.random_state)
        require_torch()
        from equipoise.neural.contrastive import learn_clusters

        representation = learn_clusters(
            standard, weight, self.n_clusters, self.random_state, k_means
        )
        return [list(layer) for layer in representation.layers], representation.centres

    def _nearest(self, values: Floats) -> Ints:
        """The nearest seat of each row; of equals, the first."""
        nearest: Ints = self._apart(values).argmin(axis=1)
        return nearest

    def _apart(self, values: Floats) -> Floats:
        """Squared distances (n, k) to the seats."""
        d = values.shape[1]
        for name in ("middle_", "scale_"):  # a snapshot may have been forged
            if np.shape(getattr(self, name)) != (d,):
                raise InputError(f"the clusters' {name}", f"be ({d},) numbers", getattr(self, name))
        distance = np.empty((len(values), self.n_clusters))
        for start in range(0, len(values), CHUNK):
            part = slice(start, start + CHUNK)
            e = through(self.layers_, (values[part] - self.middle_) / self.scale_)
            distance[part] = apart(e, np.ascontiguousarray(self.seats_, np.float64))
        return distance


def k_means(X: Floats, weight: Floats, k: int, seed: int) -> Floats:
    """Centres (k, d), the best of ten starts.   Fewer distinct rows than k: some centres are alike,
    their clusters empty.
    """
    with threadpool_limits(1), warnings.catch_warnings():  # several threads add in another order
        # `empty_` says it
        warnings.filterwarnings("ignore", "Number of distinct clusters", ConvergenceWarning)
        centres: Floats = (
            KMeans(k, n_init=STARTS, random_state=seed)
            .fit(X, sample_weight=weight)
            .cluster_centers_
        )
    return centres


def through(layers: list[list[Floats]], x: Floats) -> Floats:
    """Rows (n, d) through layers (weight, bias) with ELU between them, in float64."""
    for place, (weight, bias) in enumerate(layers):
        x = dense(x, np.ascontiguousarray(weight), bias, place < len(layers) - 1)
    return x


@njit(cache=True, nogil=True)
def dense(x, weight, bias, bent):  # type: ignore[no-untyped-def]
    """bias + x @ weight, (n, b), and ELU where ``bent``; each row summed in one order, which
    products of matrices do not keep.
    """
    out = np.empty((len(x), weight.shape[1]))
    for i in range(len(x)):
        out[i] = bias
        for a in range(x.shape[1]):
            for b in range(weight.shape[1]):
                out[i, b] += x[i, a] * weight[a, b]
        if bent:
            for b in range(weight.shape[1]):
                out[i, b] = out[i, b] if out[i, b] > 0 else math.expm1(out[i, b])
    return out


@njit(cache=True, nogil=True)
def apart(e, seats):  # type: ignore[no-untyped-def]
    """Squared distances (n, k) of rows (n, s) from seats (k, s)."""
    distance = np.zeros((len(e), len(seats)))
    for i in range(len(e)):
        for c in range(len(seats)):
            for s in range(e.shape[1]):
                distance[i, c] += (e[i, s] - seats[c, s]) ** 2
    return distance
