"""Two penalties for a treatment's effect, chosen on held-out rows from Gram matrices alone.

With G, g and s the sums of squares and products of the rows r_i of the final regression and of an
outcome's residuals, the coefficients under penalties a and b are

    theta = (G + D)^-1 g,    D = a on averages, b on interactions with x

and c, c b / a on the averages and interactions of own deviations, which is the same problem where
these columns are divided by sqrt(c / a).  The squared error on a fold is s - 2 theta' g + theta' G
theta of that fold's sums, with theta from the sums of the others, so that no row is read again.

One eigendecomposition of the interactions' block serves every b, and one of what is left of the
averages' block every a:

    G_II = V diag(l) V',    S_b = G_AA - G_AI V diag(1 / (l + b)) V' G_IA = Q diag(w) Q'
    theta_A = Q diag(1 / (w + a)) Q' (g_A - G_AI V diag(1 / (l + b)) V' g_I)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from equipoise.core.arrays import Bools, Floats, Ints

GRID = 10.0 ** np.arange(8)  # of a and of b; b may also be infinite: no interactions
RATIOS = 10.0 ** np.arange(-3, 6)  # of c to a; it may also be infinite: no own deviations
REFUTED = 3.84  # of the deviance: 95 % of chi-square with one degree of freedom
COARSE = slice(1, None, 2)  # the ratios asked first; those beside the best one follow


@dataclass(frozen=True)
class Products:
    """Sums over the rows of each fold, of columns in standard units.

    Attributes
    ----------
    grams : (folds, P, P).   moments : (folds, P, m) with the outcomes.   squares : (folds, m) of
        the outcomes.   rows : how many there are.
    """

    grams: Floats
    moments: Floats
    squares: Floats
    rows: int


@dataclass(frozen=True)
class Kinds:
    """What each of the P coefficients is.

    Attributes
    ----------
    interaction : (P,) whether it varies with a feature.   own : (P,) whether it is one logged
        treatment's own.
    """

    interaction: Bools
    own: Bools


@dataclass(frozen=True)
class Penalties:
    """The penalties of each metric, (m,) each: of averages, of interactions (infinite: none), and
    of own deviations' averages (infinite: none).
    """

    average: Floats
    interaction: Floats
    own: Floats


def choose(products: Products, kinds: Kinds) -> Penalties:
    """The penalties of each metric by the squared error on held-out rows.

    Of the penalties whose deviance is within `REFUTED` of the best, those that shrink averages
    least: nearly all of them predict alike, but a policy lives on the contrast between treatments.
    """
    ratios = np.append(RATIOS, np.inf) if kinds.own.any() else np.array([np.inf])
    asked: dict[int, Floats] = {}  # (a, b, m) by the place of the ratio
    places = np.r_[np.arange(len(ratios))[COARSE], len(ratios) - 1]
    for _ in range(2 if len(ratios) > 1 else 1):
        for place in np.setdiff1d(places, list(asked)):
            asked[int(place)] = held_out(products, kinds, float(ratios[place]))
        order = np.array(sorted(asked))
        errors = np.stack([asked[place] for place in order])  # (ratios, a, b, m)
        near = order[errors.min(axis=(1, 2)).argmin(axis=0)]
        places = np.clip(np.concatenate([near - 1, near + 1]), 0, len(ratios) - 1)
    least = errors.min(axis=(0, 1, 2))
    noise = (products.squares.sum(axis=0) + least) / products.rows
    fine = errors <= least + REFUTED * noise
    i = fine.any(axis=(0, 2)).argmax(axis=0)  # (m,), of the smallest a
    at = np.where(fine, errors, np.inf)[:, i, :, np.arange(len(i))]  # (m, ratios, b)
    ratio, j = np.unravel_index(at.reshape(len(i), -1).argmin(axis=1), at.shape[1:])
    return Penalties(GRID[i], np.append(GRID, np.inf)[j], GRID[i] * ratios[order[ratio]])


def held_out(products: Products, kinds: Kinds, ratio: float) -> Floats:
    """The squared error on held-out rows of every a, b and metric, less the outcomes' own squares,
    (a, b, m); the last b is infinite.
    """
    unit = np.where(kinds.own, 1 / np.sqrt(ratio), 1.0)
    averages = np.flatnonzero((unit > 0) & ~kinds.interaction)
    index = np.r_[averages, np.flatnonzero((unit > 0) & kinds.interaction)]
    grams = products.grams[:, index[:, None], index] * np.outer(unit[index], unit[index])
    moments = products.moments[:, index] * unit[index, None]
    total, moment = grams.sum(axis=0), moments.sum(axis=0)
    out: Floats = np.zeros((len(GRID), len(GRID) + 1, moment.shape[1]))
    for inside, part in zip(grams, moments, strict=True):
        theta = path(total - inside, moment - part, len(averages))
        flat = np.moveaxis(theta, 2, 0).reshape(len(index), -1)  # (P, a b m)
        out += (flat * (inside @ flat)).sum(axis=0).reshape(out.shape)
        out -= 2 * np.einsum("abpm,pm->abm", theta, part)
    return out


def path(gram: Floats, moment: Floats, averages: int) -> Floats:
    """The coefficients of every a and b, (a, b, P, m); the first ``averages`` columns are averages.

    gram : (P, P).   moment : (P, m).
    """
    value, vector = np.linalg.eigh(gram[averages:, averages:])  # (I,), (I, I)
    cross, u = gram[:averages, averages:] @ vector, vector.T @ moment[averages:]
    out = np.zeros((len(GRID), len(GRID) + 1, len(gram), moment.shape[1]))
    for j, b in enumerate((*GRID, np.inf)):
        share = 1 / (np.maximum(value, 0.0) + b)  # (I,)
        left, basis = np.linalg.eigh(gram[:averages, :averages] - (cross * share) @ cross.T)
        right = basis.T @ (moment[:averages] - (cross * share) @ u)
        theta = basis @ (right / (np.maximum(left, 0.0) + GRID[:, None])[:, :, None])  # (a, A, m)
        out[:, j, :averages] = theta
        if np.isfinite(b):
            rest = u - np.einsum("ai,gam->gim", cross, theta, optimize=True)
            out[:, j, averages:] = np.einsum("pi,gim->gpm", vector * share, rest, optimize=True)
    return out


def solve(products: Products, kinds: Kinds, penalties: Penalties) -> Floats:
    """The coefficients of all rows under the penalties of each metric, (P, m)."""
    total, moment = products.grams.sum(axis=0), products.moments.sum(axis=0)
    out: Floats = np.zeros(moment.shape)
    for j in range(moment.shape[1]):
        average, interaction = penalties.average[j], penalties.interaction[j]
        ridge = np.where(kinds.interaction, interaction, average)
        ridge[kinds.own] *= penalties.own[j] / average
        used: Ints = np.flatnonzero(np.isfinite(ridge))
        out[used, j] = np.linalg.solve(
            total[np.ix_(used, used)] + np.diag(ridge[used]), moment[used, j]
        )
    return out
