"""The places that scores give to the rows of a request."""

from __future__ import annotations

import numpy as np

from equipoise.core.arrays import Floats, Ints


def places(score: Floats, request: Ints) -> Ints:
    """The place of each row in its request, (n,): 1 for the largest score, of equal ones the
    first.

    >>> places(np.array([0.1, 0.9, 0.5, 0.5]), np.array([0, 0, 1, 1])).tolist()
    [2, 1, 1, 2]
    """
    order = np.lexsort((-score, request))
    sorted_requests = request[order]
    first = np.flatnonzero(np.diff(sorted_requests, prepend=-1))
    length = np.diff(np.append(first, len(order)))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order)) - np.repeat(first, length) + 1
    return place
