"""The verdict on a policy: whether to do it, in one word of three.

    do it       the interval of what it brings lies above nothing
    do not      it lies below nothing, or nobody gets an offer
    not known   it holds nothing

Nothing is what nobody gets: 0, where values are told against control for everybody.
"""

from __future__ import annotations

from collections.abc import Sequence

from equipoise.report.formatting import real

DO, DO_NOT, NOT_KNOWN = "do it", "do not", "not known"


def verdict(net: Sequence[float], treated: float = 1.0) -> str:
    """Whether to do what a policy says.

    Parameters
    ----------
    net : sequence of float, [value, low, high]
        What it brings over nobody, net of all it costs.
    treated : float, default 1.0
        The share of people who get an offer.

    Returns
    -------
    str
        "do it", "do not" or "not known"; never the first where the interval reaches 0.

    Examples
    --------
    >>> verdict([0.2, 0.1, 0.3]), verdict([-0.2, -0.3, -0.1]), verdict([0.2, 0.0, 0.4])
    ('do it', 'do not', 'not known')
    >>> verdict([0.0, 0.0, 0.0], treated=0.0)
    'do not'
    """
    if treated == 0 or real(net[2]) < 0:
        return DO_NOT
    return DO if real(net[1]) > 0 else NOT_KNOWN
