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
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.special import digamma

from equipoise.core.arrays import Bools, Floats
from equipoise.core.effects import Effects
from equipoise.core.estimates import Estimate
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


@dataclass(frozen=True)
class BinnedRanking:
    """Rows of one candidate on one metric, from the largest prediction: bins are ties.

    weight, gained : (C, Q) sums of w and of w gain by block and bin.   rows : (Q,).   predicted :
    (Q,) sums of w times the prediction.   level : of the intervals.
    """

    weight: Floats
    gained: Floats
    rows: Floats
    predicted: Floats
    level: float
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

    def qini(self) -> Estimate:
        """See `evaluation.uplift`."""
        b, s = self.bins
        half = 0.5 - (np.cumsum(b) - b / 2) / self.total
        middle = (np.cumsum(s) - s / 2) / self.total
        value = float(s @ half) / self.total
        rest = 2 * value + self.tau / 2
        influence = self.gained @ half + self.weight @ middle - rest * self.weight.sum(axis=1)
        return self._estimate(value, influence)

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
        return self._estimate(value, self.gained @ slope + self.weight @ level)

    def curve(self, points: int, seed: int) -> Curve:
        """The gain over the share treated, at the ends of bins of about equal weight."""
        ends = self._ends(points)
        starts = np.array([0, *ends[:-1]], np.int64)
        weight = np.add.reduceat(self.weight, starts, axis=1)
        gained = np.add.reduceat(self.gained, starts, axis=1)
        second = [x.T @ y for x, y in ((gained, gained), (gained, weight), (weight, weight))]
        whole = self._estimate(self.tau, self.gained.sum(axis=1) - self.tau * weight.sum(axis=1))
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
            weight, gained = self.weight[:, mine].sum(axis=1), self.gained[:, mine].sum(axis=1)
            block = weight[:, None]
            observed = BlockMeans(block, block, self.level).means(gained[:, None, None])[0]
            predicted = float(self.predicted[mine].sum() / b[mine].sum())
            groups.append((int(t) + 1, predicted, observed, int(self.rows[mine].sum())))
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


def ranked(sums: Arrays, bins: Bins, p: int, level: float) -> BinnedRanking:
    """The ranking of a pair, from the largest prediction."""
    C, Q = bins.blocks, bins.count
    weight, gained = (sums["ranked"][p].reshape(C, Q, 2)[:, ::-1, i] for i in (0, 1))
    rows, predicted = sums["ranked_bins"][p, ::-1].T
    return BinnedRanking(weight, gained, rows, predicted, level)


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
        ranking, sign = ranked(sums, bins, p, level), float(bins.signs[j])
        if not ranking.total > 0:  # open to nobody who judges
            continue
        curve, qini = ranking.curve(points, seed), ranking.qini()
        slope = slope_of(sums["ranked_slopes"][p], level)
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
