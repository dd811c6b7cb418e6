"""Base scores on one scale: probabilities by their logit, each score less its mean over its
spread.
"""

from __future__ import annotations

import numpy as np

from equipoise.core.arrays import Floats

LEAST = 1e-7  # a probability of 0 or 1 counts as one so near
FARTHEST = 12.0  # spreads from the mean; what lies beyond counts as there


def logits(p: Floats) -> Floats:
    """The log odds of probabilities.

    Parameters
    ----------
    p : array
        In [0, 1]; 0 and 1 count as 1e-7 and 1 - 1e-7.

    Returns
    -------
    array
        log(p / (1 - p)).

    Examples
    --------
    >>> logits(np.array([0.5, 1.0])).round(2).tolist()
    [0.0, 16.12]
    """
    inside = np.clip(p, LEAST, 1.0 - LEAST)
    odds: Floats = np.log(inside) - np.log1p(-inside)
    return odds


def centre_and_spread(z: Floats) -> tuple[Floats, Floats]:
    """What makes each column of mean 0 and spread 1; a constant column has spread 1.

    Parameters
    ----------
    z : array, (n, S)
        Finite numbers.

    Returns
    -------
    centre, spread : array, (S,)
        Means and standard deviations.

    Examples
    --------
    >>> centre_and_spread(np.array([[1.0, 5.0], [3.0, 5.0]]))
    (array([2., 5.]), array([1., 1.]))
    """
    centre = z.mean(axis=0)
    spread = np.sqrt(((z - centre) ** 2).mean(axis=0))
    return centre, np.where(spread > 1e-12 * np.maximum(np.abs(centre), 1.0), spread, 1.0)


def standardise(z: Floats, centre: Floats, spread: Floats) -> Floats:
    """Scores less their mean over their spread, none farther than 12.

    Parameters
    ----------
    z : array, (n, S)
        Scores.
    centre, spread : array, (S,)
        Of `centre_and_spread`.

    Returns
    -------
    array, (n, S)
        Standard scores.
    """
    return np.clip((z - centre) / spread, -FARTHEST, FARTHEST)
