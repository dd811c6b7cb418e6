"""The form of the effect: which columns of the encoding vary with which features, and whether the
encoding says all that a space's cells say.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from equipoise.core.arrays import Floats, Ints
from equipoise.core.errors import InputError, UnsupportedSpace
from equipoise.core.space import Space
from equipoise.estimators.base import finite_cells
from equipoise.estimators.dml import gram
from equipoise.estimators.modifiers import feature_places
from equipoise.estimators.training_data import Sample

AUTO = "auto"  # penalties chosen on held-out rows


def modifier_columns(
    modifiers: Sequence[str] | Sequence[int] | None, features: tuple[str, ...], role: str
) -> Ints:
    """The columns of [1, x] that the effect varies with, (q,)."""
    if modifiers is None:
        return np.arange(1 + len(features))
    return np.append(0, 1 + feature_places(modifiers, features, role))


def slots_of(space: Space, p: int, modifiers: Ints, narrow: Ints) -> gram.Layout:
    """Which coefficients to learn: products of switches, where a space says which they are, vary
    with fewer features.
    """
    crossed = np.zeros(p, np.bool_)
    if hasattr(space, "degrees"):  # own deviations, which follow, are no products
        degrees = space.degrees()
        crossed[: len(degrees)] = degrees > 1
    return gram.Layout(
        np.flatnonzero(~crossed),
        np.flatnonzero(crossed),
        len(modifiers),
        np.searchsorted(modifiers, narrow),
    )


def exact_cells(space: Space, data: Sample, phi: Floats, least: bool) -> tuple[Ints | None, bool]:
    """The cell of each row where it says all that the encoding says, else None; and whether each
    cell has a column of its own and rows.   least: whether effects are least squares; shrunk ones
    need rows only where no other column speaks of a cell.  Columns of a space that extrapolates
    are none of a cell's own.
    """
    table = np.vstack([np.zeros(phi.shape[1]), space.encode(space.candidates())])
    try:
        space.cells(data.treatment[:64])  # vectors that are no candidates show at once
        cell = space.cells(data.treatment)
    except UnsupportedSpace:
        return None, False
    if not np.array_equal(table[cell], phi):
        return None, False
    own = np.array_equal(table[1:], np.eye(len(table) - 1))
    every = phi.shape[1] >= len(table) - 1 and not getattr(space, "extrapolates", False)
    if not (own or (least and every)):
        return cell, False
    return finite_cells(space, data, 2), True


def coefficient_units(
    slots: Ints, modifiers: Ints, centre: Floats, scale: Floats, encoding_scale: Floats
) -> Floats:
    """What turns coefficients on standardised columns into those on the columns themselves, (P, P).

    slots: (P, 2), the columns of the encoding and of the modifiers; modifiers: (q,) among [1, x].
    """
    column, feature = slots[:, 0], slots[:, 1]
    place = modifiers[feature]  # in [1, x]
    spread = np.where(place > 0, scale[place - 1], 1.0)
    units = np.diag(1 / spread / encoding_scale[column])
    for i in np.flatnonzero(place == 0):
        others = (column == column[i]) & (place > 0)
        units[i, others] = -(centre[place - 1] / spread)[others] / encoding_scale[column[i]]
    return units


def check_shrink(shrink: str | None, own: bool) -> None:
    """Refuse a way to shrink that is none, or that leaves own deviations unshrunk."""
    if shrink not in (None, AUTO, "lasso"):
        fix = '"auto" chooses the penalties on held-out rows'
        raise InputError("shrink", 'be None, "auto" or "lasso"', repr(shrink), fix=fix)
    if own and shrink != AUTO:
        fix = 'say shrink="auto", or leave own out'
        raise InputError("own deviations", "be shrunk", f"shrink={shrink!r}", fix=fix)
