"""What signals say of latent strata: no row shows its stratum, but the mean of its signal is right,
so means over bins are tests.

    restriction    in every bin of x   E[psi_0111] >= 0  (A5, exclusion)   and   E[psi_0101] >= 0
    (A6, no harm)
    calibration    in every bin of p_s  E[psi_s] = E[p_s]

Bins must come from models that did not see their rows, and so must the nuisances of the signals.
n rows, b bins; (n, 5) columns in the order of `equipoise.core.strata.STRATA`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri, stdtr

from equipoise.core.arrays import Floats, Ints
from equipoise.core.effective_size import Assignment, effective_units
from equipoise.core.strata import ALWAYS_BUYER, COUPON_BUYER, STRATA

TINY = 1e-300  # a smaller tail has no normal score
ALPHA = 0.01  # the chance of a false alarm over all bins of both restrictions
RESTRICTIONS = (
    (
        ALWAYS_BUYER,
        "A5",
        "q01 <= m0",
        "units that did not claim bought more than control: the offer alone makes some buy",
    ),
    (
        COUPON_BUYER,
        "A6",
        "m0 <= q01 + q11",
        "the offer lowers purchases: it harms some claimers, or puts some off unclaimed (A5)",
    ),
)


def equal_bins(score: Floats, bins: int) -> Ints:
    """The bin of each row, (n,) in 0..bins-1, by rank of its score; equal scores share a bin, so
    some bins may be empty.
    """
    order = np.sort(score)
    middle = (np.searchsorted(order, score, "left") + np.searchsorted(order, score, "right")) / (
        2 * len(score)
    )
    return np.minimum((middle * bins).astype(np.int64), bins - 1)


@dataclass(frozen=True)
class BinMeans:
    """Weighted means of bins: rows, mean and std_error, each (b,) or (b, m), and degrees of freedom
    df (b,); bins with fewer than two rows are left out.
    """

    rows: Ints
    mean: Floats
    std_error: Floats
    df: Floats

    def z(self, mean: Floats, error: Floats) -> Floats:
        """Normal scores of means over their errors, (b,), as improbable as the ratios are by
        Student's distribution; 0 where the error is.
        """
        ratio = np.divide(mean, error, out=np.zeros_like(mean), where=error > 0)
        tail = stdtr(self.df, -np.abs(ratio))
        return np.where(tail > TINY, np.sign(ratio) * -ndtri(np.maximum(tail, TINY)), ratio)


def bin_means(
    values: Floats, bin_of: Ints, weight: Floats | None = None, groups: Ints | None = None
) -> BinMeans:
    """Means of values (n, m) by bin (n,), with standard errors over rows, or over groups (n,) of
    rows.
    """
    w = np.ones(len(values)) if weight is None else weight
    rows = np.bincount(bin_of)
    mass = np.bincount(bin_of, w)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (
            np.stack([np.bincount(bin_of, w * column) for column in values.T], axis=1)
            / mass[:, None]
        )
    influence = w[:, None] * (values - mean[bin_of])
    unit_bin = bin_of
    if groups is not None:
        unit, unit_of = np.unique(bin_of * (int(groups.max()) + 1) + groups, return_inverse=True)
        influence = np.stack([np.bincount(unit_of, column) for column in influence.T], axis=1)
        unit_bin = unit // (int(groups.max()) + 1)
    units = np.bincount(unit_bin, minlength=len(rows))
    square = np.stack(
        [np.bincount(unit_bin, column, minlength=len(rows)) for column in (influence**2).T], axis=1
    )
    enough = units >= 2
    got = Assignment(bin_of, np.ones(len(values)), len(rows), fixed=False)
    df = effective_units(w, groups=groups, assignment=got).normal
    error = (
        np.sqrt(square[enough] * (units[enough] / (units[enough] - 1))[:, None])
        / mass[enough][:, None]
    )
    return BinMeans(rows[enough], mean[enough], error, df[enough])


def restriction_tests(
    strata: Floats,
    signals: Floats,
    *,
    bins: int = 10,
    weight: Floats | None = None,
    groups: Ints | None = None,
) -> list[dict[str, Any]]:
    """Test both testable restrictions of the strata.

    Parameters
    ----------
    strata : array, (n, 5)
        Held-out estimates that make the bins.
    signals : array, (n, 5)
        Unbiased signals of the strata.
    bins : int, default 10
        How many bins.
    weight : array, (n,), optional
        Of the rows.
    groups : array of int, (n,), optional
        Clusters that standard errors count, in place of rows.

    Returns
    -------
    list of dict
        One per restriction.  ``z`` (b,) is the normal score of each bin's t, its mean over its
        standard error, from the bin with the smallest estimate up; far below 0 speaks against the
        assumption.  ``critical`` is the z below which ``violated`` is set, at most `ALPHA` of false
        alarms over both tests together.
    """
    critical = float(ndtri(ALPHA / (2 * bins)))
    tests = []
    for stratum, assumption, restriction, meaning in RESTRICTIONS:
        means = bin_means(
            signals[:, [stratum]], equal_bins(strata[:, stratum], bins), weight, groups
        )
        mean, error = means.mean[:, 0], means.std_error[:, 0]
        z = means.z(mean, error)
        least = float(z.min()) if len(z) else 0.0
        part = {
            "assumption": assumption,
            "restriction": restriction,
            "stratum": STRATA[stratum],
            "meaning": meaning,
        }
        part |= {
            "z": z.tolist(),
            "mean": mean.tolist(),
            "std_error": error.tolist(),
            "rows": means.rows.tolist(),
        }
        tests.append(part | {"least_z": least, "critical": critical, "violated": least < critical})
    return tests


def latent_calibration(
    strata: Floats,
    signals: Floats,
    *,
    bins: int = 10,
    weight: Floats | None = None,
    groups: Ints | None = None,
) -> list[dict[str, Any]]:
    """Compare estimates of each stratum with the means of its signals, by bins of the estimate.

    Parameters
    ----------
    strata : array, (n, 5)
        Held-out estimates.
    signals : array, (n, 5)
        Unbiased signals of the strata.
    bins : int, default 10
        How many bins.
    weight : array, (n,), optional
        Of the rows.
    groups : array of int, (n,), optional
        Clusters that standard errors count, in place of rows.

    Returns
    -------
    list of dict
        One per stratum: ``said`` and ``seen`` are the means (b,) of estimates and of signals, ``z``
        is of their difference, ``error`` the mean size of it.
    """
    table = []
    for s, name in enumerate(STRATA):
        both = np.column_stack([strata[:, s], signals[:, s], signals[:, s] - strata[:, s]])
        means = bin_means(both, equal_bins(strata[:, s], bins), weight, groups)
        gap, error = means.mean[:, 2], means.std_error[:, 2]
        z = means.z(gap, error)
        part = {
            "stratum": name,
            "said": means.mean[:, 0].tolist(),
            "seen": means.mean[:, 1].tolist(),
        }
        part |= {
            "std_error": means.std_error[:, 1].tolist(),
            "z": z.tolist(),
            "rows": means.rows.tolist(),
        }
        table.append(part | {"error": float(np.average(np.abs(gap), weights=means.rows))})
    return table
