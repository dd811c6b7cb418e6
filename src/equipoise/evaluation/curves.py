"""Curves with bands: what treating the top share of units brings.

    G(q) = gain of treating the top q instead of nobody, per head of population      TOC(q) = G(q) /
    q - G(1)

At each of at most 200 points the influence value of a unit is (gain_i - m) 1{i in the top q} -
(G(q) - m q), where m is the gain of units at the cut, taken from the curve's slope.  Points are
nested, so their whole covariance follows from second moments of the pieces between them: it gives
the pointwise bands, and the uniform ones by the quantile of the largest of so many correlated
normals.  Both are taken to Student's scale (`equipoise.core.effective_size`): at q = 1 the error
and the degrees of freedom are those of the average effect, which the band has at every point; a
point has as many fewer as there are fewer effective units in its top q.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa
from scipy.sparse import csr_array
from scipy.special import ndtr

from equipoise.core.arrays import Floats, Ints
from equipoise.core.display import Displayed, shown
from equipoise.core.effective_size import critical, student
from equipoise.core.errors import InputError
from equipoise.core.estimates import Estimate
from equipoise.core.kernels import njit
from equipoise.evaluation.score_ranking import ScoreRanking

SLOPE_REACH = 0.05  # the slope at a cut is taken over this share to either side
SUP_DRAWS = 2000  # draws of the largest deviation: its 95 % quantile is then known to about 2 %


@shown
@dataclass(frozen=True)
class Curve(Displayed):
    """A curve over the share treated, p <= points + 1 points.

    Attributes
    ----------
    share : array, (p,)
        The share treated, up to 1.
    value : array, (p,)
        The curve, in the outcome's unit.
    low, high : array, (p,)
        The interval at each point.
    band_low, band_high : array, (p,)
        The band that holds the whole curve.
    random : array, (p,)
        What a random order brings.

    Examples
    --------
    >>> from equipoise.evaluation import evaluation_data, rank_by_score
    >>> rows = evaluation_data([3, 1, 1, 1], cell=[1, 0, 1, 0], propensity=[0.5, 0.5])
    >>> gain_curve(rank_by_score([2.0, 2.0, 0.0, 0.0], rows)).random.tolist()
    [0.0, 0.5, 1.0]
    """

    share: Floats
    value: Floats
    low: Floats
    high: Floats
    band_low: Floats
    band_high: Floats
    random: Floats

    def _frame(self) -> pa.Table:
        return pa.table({field.name: getattr(self, field.name) for field in fields(self)})


def gain_curve(
    ranking: ScoreRanking, *, points: int = 200, level: float = 0.95, seed: int = 0
) -> Curve:
    """The gain per head of population over the share treated, G(q).

    Parameters
    ----------
    ranking : ScoreRanking
        Rows ranked by a score, which must not have been learnt from them.
    points : int, default 200
        The most points after the first, at shares of about equal distance.
    level : float, default 0.95
        Of the intervals and of the band.
    seed : int, default 0
        Of the draws that make the band.

    Returns
    -------
    Curve
        From share 0, where it is 0, to share 1, where it is the average effect; in the outcome's
        unit.

    Examples
    --------
    >>> from equipoise.evaluation import evaluation_data, rank_by_score
    >>> rows = evaluation_data([3, 1, 1, 1], cell=[1, 0, 1, 0], propensity=[0.5, 0.5])
    >>> curve = gain_curve(rank_by_score([2.0, 2.0, 0.0, 0.0], rows))
    >>> curve.share.tolist(), curve.value.tolist()
    ([0.0, 0.5, 1.0], [0.0, 1.0, 1.0])
    """
    return _gain_curve(_curve(ranking, points), level, seed)


def banded_curve(
    weight: Floats,
    gained: Floats,
    second: list[Floats],
    whole: Estimate,
    level: float,
    seed: int,
) -> Curve:
    """`gain_curve` by sums over pieces of the ranks, from the top.

    Parameters
    ----------
    weight, gained : array, (p,)
        Sums of the weights of each piece, and of weight times gain.
    second : list of three arrays, (p, p)
        Second moments of these by independent units: of the gains, of gains and weights, of the
        weights.
    whole : Estimate
        The mean gain of all.
    level : float
        Of the intervals and of the band.
    seed : int
        Of the draws that make the band.

    Returns
    -------
    Curve
        From share 0 to share 1.

    Examples
    --------
    >>> ones = np.ones(2)
    >>> whole = Estimate(1.0, 0.1, 0.8, 1.2, 50.0)
    >>> banded_curve(ones, 2 * ones, [np.eye(2)] * 3, whole, 0.95, 0).value.tolist()
    [0.0, 1.0, 2.0]
    """
    error = (whole.std_error, whole.df)
    total = float(weight.sum())
    return _gain_curve(_from_pieces(weight, gained, second, error, total), level, seed)


def _gain_curve(parts: tuple[Floats, Floats, Floats, Floats], level: float, seed: int) -> Curve:
    share, gain, covariance, df = parts
    return _banded(
        np.r_[0, share],
        np.r_[0, gain],
        np.pad(covariance, ((1, 0), (1, 0))),
        np.r_[df[:1], df],
        level,
        seed,
        share[-1:] * gain[-1],
    )


def toc_curve(
    ranking: ScoreRanking, *, points: int = 200, level: float = 0.95, seed: int = 0
) -> Curve:
    """How much the mean gain among the top share q exceeds that of all, TOC(q).

    Parameters
    ----------
    ranking : ScoreRanking
        Rows ranked by a score, which must not have been learnt from them.
    points : int, default 200
        The most points, at shares of about equal distance.
    level : float, default 0.95
        Of the intervals and of the band.
    seed : int, default 0
        Of the draws that make the band.

    Returns
    -------
    Curve
        Down to share 1, where it is 0; in the outcome's unit.

    References
    ----------
    Yadlowsky, Fleming, Shah, Brunskill & Wager, arXiv:2111.07966.

    Examples
    --------
    >>> from equipoise.evaluation import evaluation_data, rank_by_score
    >>> rows = evaluation_data([3, 1, 1, 1], cell=[1, 0, 1, 0], propensity=[0.5, 0.5])
    >>> curve = toc_curve(rank_by_score([2.0, 2.0, 0.0, 0.0], rows))
    >>> curve.share.tolist(), curve.value.tolist()
    ([0.5, 1.0], [1.0, 0.0])
    """
    share, gain, covariance, df = _curve(ranking, points)
    scale = np.diag(1 / share)
    scale[:, -1] -= 1
    return _banded(
        share, gain / share - gain[-1], scale @ covariance @ scale.T, df, level, seed, np.zeros(1)
    )


def _banded(
    share: Floats,
    value: Floats,
    covariance: Floats,
    df: Floats,
    level: float,
    seed: int,
    at_all: Floats,
) -> Curve:
    """A curve with its bands.   df: (p,) degrees of freedom at each point."""
    error = np.sqrt(np.maximum(np.diag(covariance), 0))
    pointwise = np.where(error > 0, critical(level, df) * error, 0.0)
    normal = _sup_critical(covariance, error, level, seed)
    uniform = np.maximum(student(float(ndtr(normal)), df[-1]) * error, pointwise)
    return Curve(
        share,
        value,
        value - pointwise,
        value + pointwise,
        value - uniform,
        value + uniform,
        share * at_all,
    )


def _sup_critical(covariance: Floats, error: Floats, level: float, seed: int) -> float:
    """The level's quantile of max_j |Z_j| for normal Z with this covariance, no less than the
    pointwise one.
    """
    mask = error > error.max() * 1e-9
    least = float(critical(level))
    if not mask.any():
        return least
    values, vectors = np.linalg.eigh(
        covariance[np.ix_(mask, mask)] / np.outer(error[mask], error[mask])
    )
    root = vectors * np.sqrt(np.maximum(values, 0))
    draws = np.random.default_rng(seed).standard_normal((SUP_DRAWS, len(root))) @ root.T
    return max(least, float(np.quantile(np.abs(draws).max(axis=1), level)))


def _curve(ranking: ScoreRanking, points: int) -> tuple[Floats, Floats, Floats, Floats]:
    """(share (p,), G (p,), covariance of G (p, p), degrees of freedom (p,)) at the ends of p <=
    points pieces of about equal weight.
    """
    if points < 1:
        raise InputError("points", "be a whole number >= 1", points, fix="200 draw a smooth curve")
    total = float(ranking.weight.sum())
    ends, pieces = _pieces(ranking.gain, ranking.weight, ranking.last, total, points)
    gain = np.cumsum(pieces[:, 0])[-1] / total
    alone = ranking.group is None
    second = [np.diag(part) for part in pieces.T[2:]] if alone else _second_moments(ranking, ends)
    whole = tuple(float(part[0]) for part in ranking.units.errors(ranking.gain[:, None] - gain))
    return _from_pieces(pieces[:, 1], pieces[:, 0], second, whole, total)


def _from_pieces(
    weight: Floats, gained: Floats, second: list[Floats], whole: tuple[float, ...], total: float
) -> tuple[Floats, Floats, Floats, Floats]:
    """What `_curve` gives, by the pieces' sums of w and w g, (p,), their second moments by units,
    (p, p) each of w g w g, w g w and w w, and the error and degrees of freedom of the mean gain.
    """
    share, gain = np.cumsum(weight) / total, np.cumsum(gained) / total
    share[-1] = 1.0
    top = [m.cumsum(axis=0).cumsum(axis=1) for m in second]
    covariance = _covariance(share, gain, top) / total**2
    error, most = whole
    at_all, effective = float(covariance[-1, -1]), share**2 / np.diag(top[2])
    small_sample = error**2 / at_all if at_all > 0 else 1.0
    df = np.maximum(most * effective / effective[-1], 1.0)
    return share, gain, covariance * small_sample, df


@njit(cache=True)
def _pieces(gain, weight, last, total, points):  # type: ignore[no-untyped-def]
    """Cut the ranks into pieces that end with ties -> (ends (p,), sums (p, 5) of w g, w, (w g)^2, w
    g w, w w over each piece).
    """
    ends, sums = np.empty(points, np.int64), np.empty((points, 5))
    mass, piece, target, bound = 0.0, 0, 1, total / points
    g1, w1, g2, gw, w2 = 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(len(gain)):
        w, wg = weight[i], weight[i] * gain[i]
        mass += w
        g1 += wg
        w1 += w
        g2 += wg * wg
        gw += wg * w
        w2 += w * w
        if last[i] and (i + 1 == len(gain) or (mass >= bound and target < points)):
            ends[piece] = i + 1
            sums[piece, 0], sums[piece, 1], sums[piece, 2], sums[piece, 3], sums[piece, 4] = (
                g1,
                w1,
                g2,
                gw,
                w2,
            )
            g1, w1, g2, gw, w2 = 0.0, 0.0, 0.0, 0.0, 0.0
            piece += 1
            target = max(target, int(mass / total * points)) + 1
            bound = target * total / points
    return ends[:piece], sums[:piece]


def _second_moments(ranking: ScoreRanking, ends: Ints) -> list[Floats]:
    """Sums over clusters of A_j A_k, A_j B_k, B_j B_k, each (p, p), where A_j, B_j are a cluster's
    w g and w in piece j.
    """
    piece = np.repeat(np.arange(len(ends)), np.diff(np.r_[0, ends]))
    group = np.asarray(ranking.group)
    place, shape = (group, piece), (int(group.max()) + 1, len(ends))
    a = csr_array((ranking.weight * ranking.gain, place), shape=shape)
    b = csr_array((ranking.weight, place), shape=shape)
    return [(x.T @ y).toarray() for x, y in ((a, a), (a, b), (b, b))]


def _covariance(share: Floats, gain: Floats, top: list[Floats]) -> Floats:
    """The covariance of G at the points, times total^2.   top: the second moments of sums over the
    top pieces, (p, p) each.

    The influence of a cluster at point j is A_j - m_j B_j - c_j B, with B its whole weight and c_j
    = G_j - m_j q_j.
    """
    m = _slopes(share, gain)
    c = gain - m * share
    aa, ab, bb = top
    inner = aa - ab * m - (ab * m).T + bb * np.outer(m, m)
    whole = ab[:, -1] - m * bb[:, -1]  # (p,), of A_j - m_j B_j with B
    return np.asarray(inner - np.outer(whole, c) - np.outer(c, whole) + bb[-1, -1] * np.outer(c, c))


def _slopes(share: Floats, gain: Floats) -> Floats:
    """The gain of units at each cut, (p,): the slope of the curve over a window around it."""
    x, y = np.r_[0, share], np.r_[0, gain]
    left, right = np.maximum(share - SLOPE_REACH, 0), np.minimum(share + SLOPE_REACH, 1)
    return np.asarray((np.interp(right, x, y) - np.interp(left, x, y)) / (right - left))
