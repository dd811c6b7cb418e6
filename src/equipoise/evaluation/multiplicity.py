"""P-values of several questions asked at once.

    sorted p_1 <= ... <= p_h:   adjusted p_i = max over j <= i of min(1, (h - j + 1) p_j)

Whatever hangs together among the questions, the chance that any true null is refuted at the level
is at most the level.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from equipoise.core.arrays import Floats


def holm(p_values: ArrayLike) -> Floats:
    """P-values adjusted for being several, by Holm's steps down.

    Parameters
    ----------
    p_values : array-like, (h,)
        Of the h questions; NaN, where nothing is known, counts as 1.

    Returns
    -------
    array, (h,)
        Adjusted: to be held against the level as if there were one question.

    References
    ----------
    Holm (1979), A simple sequentially rejective multiple test procedure, Scand. J. Statist. 6.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.nan_to_num(np.asarray(p_values, np.float64), nan=1.0)
    order = np.argsort(p, kind="stable")
    steps = np.minimum(1.0, np.arange(len(p), 0, -1) * p[order])
    adjusted = np.empty(len(p))
    adjusted[order] = np.maximum.accumulate(steps)
    return adjusted
