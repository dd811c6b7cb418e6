"""The final regression of linear double machine learning with two penalties: the second and third
pass.

Columns are in standard units of their residuals, so that an amount's unit changes nothing; columns
that are 0 or 1 share one unit, so that a rare treatment is shrunk more than a frequent one.
"""

from __future__ import annotations

import numpy as np

from equipoise.core.arrays import Bools, Floats
from equipoise.core.errors import InputError
from equipoise.estimators.dml import gram, penalties
from equipoise.estimators.dml.passes import (
    Normal,
    Ridges,
    Sums,
    Walk,
    blocks,
    encoding_spread,
    fold_sums,
    residual_scale,
    spread_out,
)

SAME = 1e-12  # of a column's mean: what rounding leaves of a constant


def learn(
    walk: Walk, ridges: Ridges, layout: gram.Layout, switches: Bools, own: int
) -> tuple[Normal, dict[str, Floats], Floats]:
    """The coefficients under the penalties that held-out rows choose, the penalties, and the
    moments of [1, z] with y - phi' Theta z, (1 + d, m), y shifted.   switches: (p,) which columns
    of the encoding are 0 or 1; the last ``own`` are own deviations.

    The bread is empty: a shrunk coefficient has a bias that no sandwich tells.
    """
    p, m = (
        len(layout.columns),
        len(ridges.sums.shift) - len(ridges.sums.centre) - len(layout.columns),
    )
    idle = _idle(ridges.sums, layout, p)
    every = layout.q == 1 + len(ridges.sums.centre)  # then the level needs no walk of its own
    sums, moments, squares = fold_sums(walk, ridges, layout, idle, every)
    m = moments.shape[2]
    rows, mean = ridges.sums.rows, ridges.sums.weight
    grams = np.stack([each.grams()[0] for each in sums]) / mean
    square = np.diagonal(grams, axis1=1, axis2=2).sum(axis=0)[layout.constants] / rows
    scale, deviation = residual_scale(square, ridges.sums, idle), np.arange(p) >= p - own
    scale[idle] = 1.0
    for alike in (switches & ~deviation & ~idle, deviation & ~idle):
        if alike.any():
            scale[alike] = np.sqrt(square[alike].mean())
    unit = 1 / scale[layout.slots[:, 0]]
    products = penalties.Products(
        grams * unit[:, None] * unit, moments / mean * unit[:, None], squares / mean, rows
    )
    kinds = penalties.Kinds(layout.slots[:, 1] > 0, deviation[layout.slots[:, 0]])
    chosen = penalties.choose(products, kinds)
    theta = penalties.solve(products, kinds, chosen)
    normal = Normal(theta, np.zeros((0, 0)), scale, len(theta), rows)
    full = spread_out(theta, layout.slots, p, layout.q) / scale[:, None, None]
    if every:
        gain = np.einsum("pab,pbm->am", sum(each.singles()[0] for each in sums), full)
    else:
        gain = _gain(walk, ridges, full)
    level = ridges.sums.grams.sum(axis=0)[: 1 + len(ridges.sums.centre), -m:] - gain / mean
    return normal, dict(vars(chosen)), level


def _idle(sums: Sums, layout: gram.Layout, p: int) -> Bools:
    """Products of switches that were never on together, (p,), whose coefficients are 0; any other
    column must vary.
    """
    mean = (
        sums.shift[len(sums.centre) :][:p]
        + sums.grams[:, 0, 1 + len(sums.centre) :][:, :p].sum(axis=0) / sums.grams[:, 0, 0].sum()
    )
    same: Bools = encoding_spread(sums, p) <= np.square(SAME * np.abs(mean))
    alone = np.setdiff1d(np.flatnonzero(same), layout.crossed)
    if alone.size:
        what = f"column {alone[0]} of the encoded treatment"
        got, fix = "one value in every row", "log more of it, or leave it out of the space"
        raise InputError(what, "vary, for the log to say what it does", got, fix=fix)
    return same


def _gain(walk: Walk, ridges: Ridges, full: Floats) -> Floats:
    """sum_i [1, z_i] phi_i' Theta z_i, (1 + d, m), by a walk.   full: (p, q, m)."""
    p, q, m = full.shape
    rows = full.transpose(2, 0, 1).reshape(m * p, q)
    gain = np.zeros((1 + len(ridges.sums.centre), m))
    for block in blocks(walk):
        every = ridges.standard(block)
        phi = block.plain(block.part.phi)
        if block.weight is not None:
            phi *= block.weight
        slopes = (rows @ ridges.effect_features(every)).reshape(m, p, -1)
        gain += every @ np.einsum("mpb,pb->bm", slopes, phi)
    return gain
