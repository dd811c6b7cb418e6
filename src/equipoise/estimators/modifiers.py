"""Modifiers: the features that an effect varies with.  All others are controls: models of levels
and of the propensity count them, the model of the effect does not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from equipoise.core.arrays import Floats, Ints
from equipoise.core.errors import InputError


def feature_places(
    names: Sequence[str] | Sequence[int], features: Sequence[str], role: str = "modifiers"
) -> Ints:
    """The places of some features among all, in order, (q,).   names: of columns, a column of text
    for all its levels, or places.

    >>> feature_places(["zip", 0], ["age", "sex", "zip=a", "zip=b"]).tolist()
    [0, 2, 3]
    """
    places: set[int] = set()
    for name in names:
        own = [j for j, feature in enumerate(features) if feature == name]
        levels = [j for j, feature in enumerate(features) if feature.startswith(f"{name}=")]
        if isinstance(name, int | np.integer) and 0 <= name < len(features):
            own = [int(name)]
        if not own and not levels:
            fix = f"features: {', '.join(map(str, features[:20]))}"
            raise InputError(role, "be features by name or position", repr(name), fix=fix)
        places.update(own or levels)
    return np.asarray(sorted(places), np.int64)


def effect_features(
    names: Sequence[str] | Sequence[int] | None, features: Sequence[str]
) -> Ints | None:
    """The places of the features that an effect model learns from, (q,), q >= 1; None for all."""
    if names is None:
        return None
    places = feature_places(names, features)
    if len(places) == 0:
        fix = "leave modifiers out for all; dml takes () for a constant effect"
        raise InputError("modifiers", "name one feature or more", "none", fix=fix)
    return None if len(places) == len(features) else places


def columns_of(X: Floats, places: Ints | None) -> Floats:
    """The columns of X (n, d) at some places, None for all, as in snapshots without any."""
    return X if places is None else np.ascontiguousarray(X[:, places])
