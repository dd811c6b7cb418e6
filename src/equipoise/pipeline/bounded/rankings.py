"""How well predicted effects order rows that no model has seen, by bins: Qini, AUTOC, the gain
curve, observed effects by tenths, and the slope of the effect on its prediction.

Bins end at quantiles of the predicted effects of the sample's held-out fold, which the model that
ships never saw: a hundredth of the rows each, and finer at the top, down to 1 in 8,192.  A bin
counts as a tie, so every figure is that of `evaluation` for the binned prediction:

    qini    = 1/W sum_b G_b (1/2 - q_b)       G_b: sum of w gain in bin b; q_b: the share of weight
                                              above its middle; W: all weight
    block c:  sum_b (1/2 - q_b) A_cb + m_b W_cb - (2 qini + tau / 2) W_c      its influence

The order within a bin is lost.  If effects are slope times their prediction, which is spread evenly
within each bin, that takes off Qini

    loss = |slope| / 12 sum_b (W_b / W)^2 (width of bin b)

of which the findings tell the largest, in parts of the Qini.

Where propensities were learnt from a sample, gains are biased by what `learning_error` measures
between its parts, here by bin: d_gh (Q,), the mean over rows of w times the difference of gains by
what the parts g and h learnt.  A figure that is c . (sums of gains by bin) / W has the variance

    mean over pairs of (c . d_gh)^2 / (2 G)      no more than that of the sample's own figure

more, by the reasons there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.special import digamma

from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.effects import Effects
from equipoise.core.estimates import Estimate, around, sum_df
from equipoise.evaluation.curves import Curve, banded_curve
from equipoise.pipeline.bounded.blocks import BlockMeans, add_rows, block_count, whole_numbers
from equipoise.pipeline.bounded.kept import Arrays
from equipoise.report.findings import Decile, Ranking, Slope

TOP = 2.0 ** -np.arange(13, 6, -1)  # shares from the largest prediction, where AUTOC looks most
EVEN = np.arange(1, 100) / 100
TENTHS = 10


@dataclass(frozen=True)
class Bins:
    """Bins of predicted effects, larger ones better.

    edges : for each metric and candidate, in that order, rising edges between bins.   signs : (m,)
    -1 where lower is better.   candidates, metrics : k, m.
    """

    edges: tuple[Floats, ...]
    signs: Floats
    candidates: int
    metrics: int

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """(metric, candidate) in the order of the edges."""
        return [(j, a) for j in range(self.metrics) for a in range(self.candidates)]

    @property
    def count(self) -> int:
        """The most bins that a pair has, Q."""
        return 1 + max(map(len, self.edges))

    @property
    def blocks(self) -> int:
        """C."""
        return block_count(len(self.edges) * 2 * self.count)


def bins_of(effects: Effects, signs: Sequence[float], metrics: int, opens: Bools) -> Bins:
    """The bins by the effects of rows that the model never saw, those that a candidate is open to.
    signs: of the first m metrics;  opens: (n, k).
    """
    shares = 1 - np.unique(np.r_[TOP, EVEN])[::-1]
    rows = [np.flatnonzero(own) if own.any() else np.arange(len(own)) for own in opens.T]
    edges = [
        np.unique(np.quantile(signs[j] * effects.values[rows[a], a, j], shares))
        for j in range(metrics)
        for a in range(len(effects.candidates))
    ]
    return Bins(tuple(edges), np.asarray(signs, float), len(effects.candidates), metrics)


def empty_ranked(bins: Bins) -> Arrays:
    """The sums over no rows: by pair, block and bin of w and w gain; by pair and bin rows, and w
    times the prediction; by pair and block w, w g, w s, w g s, w s s; the ends of predictions.
    """
    pairs, Q, C = len(bins.edges), bins.count, bins.blocks
    return {
        "ranked": np.zeros((pairs, C * Q, 2)),
        "ranked_bins": np.zeros((pairs, Q, 2)),
        "ranked_slopes": np.zeros((pairs, C, 5)),
        "least_ranked": np.full(pairs, np.inf),
        "most_ranked": np.full(pairs, -np.inf),
    }


def add_ranked(
    sums: Arrays,
    bins: Bins,
    scores: Floats,
    effects: Floats,
    opens: Bools,
    weight: Floats,
    draw: Floats,
) -> None:
    """Add rows, to each candidate those that it is open to.   scores: (n, K, m); effects: (n, k, m
    or more); opens: (n, k); weight, draw: (n,).
    """
    every = whole_numbers(draw, bins.blocks)
    for p, (j, a) in enumerate(bins.pairs):
        at = np.flatnonzero(opens[:, a])
        w, block, s = weight[at], every[at], bins.signs[j] * effects[at, a, j]
        g = bins.signs[j] * (scores[at, 1 + a, j] - scores[at, 0, j])
        bin = np.searchsorted(bins.edges[p], s, side="right")
        add_rows(block * bins.count + bin, np.column_stack([w, w * g]), sums["ranked"][p])
        add_rows(bin, np.column_stack([np.ones(len(s)), w * s]), sums["ranked_bins"][p])
        columns = np.column_stack([w, w * g, w * s, w * g * s, w * s * s])
        add_rows(block, columns, sums["ranked_slopes"][p])
        if len(s):
            sums["least_ranked"][p] = min(sums["least_ranked"][p], s.min())
            sums["most_ranked"][p] = max(sums["most_ranked"][p], s.max())


def binned_gains(
    bins: Bins, scores: Floats, effects: Floats, opens: Bools, weight: Floats
) -> tuple[Floats, Floats]:
    """Sums of w gain by pair and bin, (p, Q), and of w by pair, (p,); rows as of `add_ranked`."""
    gains, mass = np.zeros((len(bins.edges), bins.count)), np.zeros(len(bins.edges))
    for p, (j, a) in enumerate(bins.pairs):
        w = np.where(opens[:, a], weight, 0.0)
        bin = np.searchsorted(bins.edges[p], bins.signs[j] * effects[:, a, j], side="right")
        gain = bins.signs[j] * (scores[:, 1 + a, j] - scores[:, 0, j])
        gains[p], mass[p] = np.bincount(bin, w * gain, bins.count), w.sum()
    return gains, mass


@dataclass(frozen=True)
class Gaps:
    """By how much gains differ by what parts of the sample learnt, from the largest prediction.

    of_pairs : (g, Q) d of each pair of parts; none where parts cannot learn.   parts : G.
    sample : the ranking of the sample's own rows.
    """

    of_pairs: Floats
    parts: int
    sample: BinnedRanking

    def variance(self, slope: Floats) -> float:
        """Of a figure whose slope in the gain of each bin is (Q,); infinite where unknown."""
        if not len(self.of_pairs):
            return np.inf
        return float(np.square(self.of_pairs @ slope).mean()) / (2 * self.parts)

    def of_pieces(self, starts: Ints, most: float) -> Floats:
        """The covariance of the means of gains in pieces of bins, (p, p), at most so large in all
        together.
        """
        of_bins = self.of_pairs / np.sqrt(2 * self.parts * max(len(self.of_pairs), 1))
        if not len(of_bins):  # the sample's own
            of_bins = self.sample.gained - self.sample.tau * self.sample.weight
            of_bins = of_bins / self.sample.total
        pieces = np.add.reduceat(of_bins, starts, axis=1)
        covariance = pieces.T @ pieces
        whole = float(covariance.sum())
        covariance *= min(1.0, most / whole) if whole > 0 else 1.0
        return np.asarray(covariance)


@dataclass(frozen=True)
class BinnedRanking:
    """Rows of one candidate on one metric, from the largest prediction: bins are ties.

    weight, gained : (C, Q) sums of w and of w gain by block and bin.   rows : (Q,).   predicted :
    (Q,) sums of w times the prediction.   slopes : (C, 5) as of `slope_of`.   level : of the
    intervals.   gaps : where propensities were learnt.
    """

    weight: Floats
    gained: Floats
    rows: Floats
    predicted: Floats
    slopes: Floats
    level: float
    gaps: Gaps | None = None
    means: BlockMeans = field(init=False)

    def __post_init__(self) -> None:
        block = self.weight.sum(axis=1)[:, None]
        object.__setattr__(self, "means", BlockMeans(block, block, self.level))

    @property
    def total(self) -> float:
        """W."""
        return float(self.weight.sum())

    @property
    def bins(self) -> tuple[Floats, Floats]:
        """The weight and the weighted gain of each bin, (Q,)."""
        return self.weight.sum(axis=0), self.gained.sum(axis=0)

    @property
    def tau(self) -> float:
        """The mean gain."""
        return float(self.gained.sum()) / self.total

    def _estimate(self, value: float, influence: Floats) -> Estimate:
        """An estimate whose influence sums are (C,)."""
        return self.means.around(np.array([value]), influence[:, None, None])[0]

    def _widened(
        self, estimate: Estimate, slope: Floats, own: Callable[[BinnedRanking], Estimate]
    ) -> Estimate:
        """A figure with the error of learning.   slope : (Q,) in the mean gain of each bin.   own :
        the figure of the sample's ranking.
        """
        if self.gaps is None:
            return estimate
        variance, most = self.gaps.variance(slope), own(self.gaps.sample).std_error ** 2
        variances = np.array([estimate.std_error**2, np.fmin(variance, most)])
        df = np.array([estimate.df, self.gaps.parts - 1.0 if variance < most else np.inf])
        error = np.sqrt(variances.sum(keepdims=True))
        return around(np.array([estimate.value]), error, sum_df(variances, df), level=self.level)[0]

    def qini(self) -> Estimate:
        """See `evaluation.uplift`."""
        b, s = self.bins
        half = 0.5 - (np.cumsum(b) - b / 2) / self.total
        middle = (np.cumsum(s) - s / 2) / self.total
        value = float(s @ half) / self.total
        rest = 2 * value + self.tau / 2
        influence = self.gained @ half + self.weight @ middle - rest * self.weight.sum(axis=1)
        return self._widened(self._estimate(value, influence), half, BinnedRanking.qini)

    def autoc(self) -> Estimate:
        """See `evaluation.uplift`: every rank of a bin has the bin's mean gain."""
        b, s = self.bins
        full = b > 0
        above, each = np.cumsum(b) - b, np.divide(b, self.rows, out=np.ones_like(b), where=full)
        first = np.divide(above, each)
        h = np.where(full, digamma(first + self.rows + 1) - digamma(first + 1), 0.0)
        mean = np.divide(s, b, out=np.zeros_like(s), where=full)
        brought = np.cumsum(s) - s
        value = float((brought * h + mean * (b - above * h)).sum()) / self.total - self.tau
        own = np.where(full, 1 - np.divide(above * h, b, out=np.zeros_like(b), where=full), 0.0)
        later = np.cumsum(h[::-1])[::-1] - h
        cost = np.cumsum((mean * h)[::-1])[::-1] - mean * h
        slope, level = own + later - 1, -(cost + mean * own) + self.tau - value
        estimate = self._estimate(value, self.gained @ slope + self.weight @ level)
        return self._widened(estimate, slope, BinnedRanking.autoc)

    def slope(self) -> Estimate:
        """Of the gain on the prediction."""
        w, _, s, _, ss = self.slopes.sum(axis=0)
        b, _ = self.bins
        mean = np.divide(self.predicted, b, out=np.zeros_like(b), where=b > 0)
        spread = ss / w - (s / w) ** 2
        by_gain = (mean - s / w) / spread if spread > 0 else 0 * mean
        return self._widened(slope_of(self.slopes, self.level), by_gain, BinnedRanking.slope)

    def mean(self, bins: Bools) -> Estimate:
        """The mean gain of some bins, (Q,)."""
        weight, gained = self.weight[:, bins].sum(axis=1), self.gained[:, bins].sum(axis=1)
        block = weight[:, None]
        estimate = BlockMeans(block, block, self.level).means(gained[:, None, None])[0]
        by_gain = bins * (self.total / max(weight.sum(), np.finfo(float).tiny))
        return self._widened(estimate, by_gain, lambda sample: sample.mean(bins))

    def curve(self, points: int, seed: int) -> Curve:
        """The gain over the share treated, at the ends of bins of about equal weight."""
        ends = self._ends(points)
        starts = np.array([0, *ends[:-1]], np.int64)
        weight = np.add.reduceat(self.weight, starts, axis=1)
        gained = np.add.reduceat(self.gained, starts, axis=1)
        second = [x.T @ y for x, y in ((gained, gained), (gained, weight), (weight, weight))]
        whole = self.mean(np.ones(len(self.rows), np.bool_))
        if self.gaps is not None:
            most = self.gaps.sample.mean(np.ones(len(self.rows), np.bool_)).std_error ** 2
            second[0] = second[0] + self.total**2 * self.gaps.of_pieces(starts, most)
        return banded_curve(weight.sum(axis=0), gained.sum(axis=0), second, whole, self.level, seed)

    def _ends(self, points: int) -> list[int]:
        """Where pieces of bins end, (p <= points,), about as far apart in weight; the last is Q."""
        reached = np.cumsum(self.bins[0]) / self.total
        wanted = np.arange(1, points) / points
        places = np.unique(np.searchsorted(reached, wanted - 1e-9) + 1)
        last = int(np.flatnonzero(self.bins[0] > 0).max()) + 1
        return [*(int(p) for p in places if p < last and reached[p - 1] > 0), len(reached)]

    def tenths(self) -> list[tuple[int, float, Estimate, int]]:
        """(number, mean prediction, observed effect, rows) of the tenths that there are."""
        b, _ = self.bins
        middle = (np.cumsum(b) - b / 2) / self.total
        tenth = np.minimum((middle * TENTHS).astype(np.int64), TENTHS - 1)
        groups = []
        for t in np.unique(tenth[self.rows > 0]):
            mine = (tenth == t) & (self.rows > 0)
            predicted = float(self.predicted[mine].sum() / b[mine].sum())
            groups.append((int(t) + 1, predicted, self.mean(mine), int(self.rows[mine].sum())))
        return groups


def slope_of(sums: Floats, level: float) -> Estimate:
    """The slope of the gain on the prediction.   sums: (C, 5) of w, w g, w s, w g s, w s s."""
    w, g, s, gs, ss = sums.T
    total = float(w.sum())
    tau, centre = float(g.sum()) / total, float(s.sum()) / total
    spread = float((ss - 2 * centre * s + centre**2 * w).sum()) / total
    if not spread > 1e-300:
        return Estimate(np.nan, np.nan, np.nan, np.nan)
    cross = gs - centre * g  # of g with the centred prediction
    value = float(cross.sum()) / total / spread
    square = ss - 2 * centre * s + centre**2 * w
    influence = (cross - tau * (s - centre * w) - value * square) / spread
    block = w[:, None]
    means = BlockMeans(block, block, level)
    return means.around(np.array([value]), influence[:, None, None])[0]


def ranked(
    sums: Arrays, bins: Bins, p: int, level: float, learnt: RankedGaps | None = None
) -> BinnedRanking:
    """The ranking of a pair, from the largest prediction."""
    C, Q = bins.blocks, bins.count
    weight, gained = (sums["ranked"][p].reshape(C, Q, 2)[:, ::-1, i] for i in (0, 1))
    rows, predicted = sums["ranked_bins"][p, ::-1].T
    slopes, gaps = sums["ranked_slopes"][p], None
    if learnt is not None:
        sample = ranked(learnt.sample, bins, p, level)
        if sample.total > 0:  # else of rows that the sample has none of
            gaps = Gaps(learnt.of_pairs[:, p, ::-1], learnt.parts, sample)
    return BinnedRanking(weight, gained, rows, predicted, slopes, level, gaps)


@dataclass(frozen=True)
class RankedGaps:
    """What `Gaps` are made of.   of_pairs : (g, p, Q) in the order of bins.   parts : G.   sample :
    sums of `add_ranked` over the sample.
    """

    of_pairs: Floats
    parts: int
    sample: Arrays


def binning_loss(sums: Arrays, bins: Bins, p: int, slope: float) -> float:
    """What bins may take off a pair's Qini, see above."""
    ends = np.r_[sums["least_ranked"][p], bins.edges[p], sums["most_ranked"][p]]
    C, Q = bins.blocks, bins.count
    weight = sums["ranked"][p].reshape(C, Q, 2)[:, :, 0].sum(axis=0)[: len(ends) - 1]
    share = weight / weight.sum()
    return abs(slope) / 12 * float(share**2 @ np.maximum(np.diff(ends), 0))


def rankings_of(
    sums: Arrays,
    bins: Bins,
    names: tuple[Sequence[str], Sequence[str]],
    points: int,
    level: float,
    seed: int,
    learnt: RankedGaps | None = None,
) -> tuple[list[Ranking], list[Decile], list[Slope], float]:
    """The findings on rankings as `pipeline.findings.diagnostics.rankings` has them, and the
    largest part of a Qini that bins may have taken off.   names: of metrics and candidates.
    """
    curves: list[Ranking] = []
    tenths: list[Decile] = []
    slopes: list[Slope] = []
    losses = [0.0]
    for p, (j, a) in enumerate(bins.pairs):
        metric, candidate = names[0][j], names[1][a]
        ranking, sign = ranked(sums, bins, p, level, learnt), float(bins.signs[j])
        if not ranking.total > 0:  # open to nobody who judges
            continue
        curve, qini, slope = ranking.curve(points, seed), ranking.qini(), ranking.slope()
        curves.append(
            {
                "metric": metric,
                "candidate": candidate,
                "qini": qini.interval,
                "autoc": ranking.autoc().interval,
                "share": curve.share.tolist(),
                "gain": curve.value.tolist(),
                "gain_low": curve.band_low.tolist(),
                "gain_high": curve.band_high.tolist(),
                "random": curve.random.tolist(),
            }
        )
        slopes.append({"metric": metric, "candidate": candidate, "slope": slope.interval})
        for number, predicted, observed, rows in ranking.tenths():
            value, low, high = observed.interval
            tenths.append(
                {
                    "metric": metric,
                    "candidate": candidate,
                    "decile": number,
                    "predicted": sign * predicted,
                    "observed": [value, low, high] if sign > 0 else [-value, -high, -low],
                    "rows": rows,
                }
            )
        if qini.value > 0 and np.isfinite(slope.value):
            losses.append(binning_loss(sums, bins, p, slope.value) / qini.value)
    return curves, tenths, slopes, max(losses)
