"""Response table: what every arm did in each part of a ranking, from the largest scores down.

In a bin the response of an arm is the mean outcome of its rows, weighted by 1 / e where chances
differ; the uplift of a candidate is its response less that of control.  Both come with errors by
independent units of each arm.  It is the plain table that a reader checks a ranking by; scores that
lean on a model of levels are in `calibration_deciles`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import pyarrow as pa

from equipoise.core.arrays import Floats, Ints
from equipoise.core.display import shown
from equipoise.core.errors import InputError
from equipoise.core.estimates import Estimates
from equipoise.evaluation.calibration import rank_bins
from equipoise.evaluation.data import EvaluationData
from equipoise.evaluation.off_policy import Decisions, snips
from equipoise.evaluation.score_ranking import ScoreRanking


@shown
@dataclass(frozen=True)
class ResponseTable:
    """What every arm did in each bin of a ranking; b bins, K = 1 + k arms, control first.

    Attributes
    ----------
    bin : array of int, (b,)
        1 has the largest scores; 0 is all rows together.
    score : array, (b,)
        The mean score.
    rows : array of int, (b, K)
        How many rows of each arm.
    response : Estimates, (b, K)
        The mean outcome of each arm, in the outcome's unit; NaN where it has no rows.
    uplift : Estimates, (b, k)
        The response of each candidate less that of control.

    Examples
    --------
    >>> from equipoise.evaluation import evaluation_data, rank_by_score
    >>> rows = evaluation_data([3, 1, 1, 1], cell=[1, 0, 1, 0], propensity=[0.5, 0.5])
    >>> table = response_table(rank_by_score([2.0, 2.0, 0.0, 0.0], rows), bins=2)
    >>> table.response.value.tolist(), table.uplift.value.tolist()
    ([[1.0, 3.0], [1.0, 1.0]], [[2.0], [0.0]])
    """

    bin: Ints
    score: Floats
    rows: Ints
    response: Estimates
    uplift: Estimates

    def to_table(self) -> pa.Table:
        """The same as one table, a row a bin and arm.

        Returns
        -------
        pyarrow.Table
            Columns ``bin``, ``score``, ``cell`` (0 is control), ``rows``, ``response`` with
            ``response_error``, and ``uplift`` with ``uplift_error``, ``uplift_low`` and
            ``uplift_high``, null for control.
        """
        b, K = self.rows.shape
        up = {name: np.column_stack([np.full(b, np.nan), part]) for name, part in self._uplift()}
        columns = {
            "bin": np.repeat(self.bin, K),
            "score": np.repeat(self.score, K),
            "cell": np.tile(np.arange(K), b),
            "rows": self.rows.ravel(),
            "response": self.response.value.ravel(),
            "response_error": self.response.std_error.ravel(),
        }
        control = columns["cell"] == 0
        nullable = {name: pa.array(part.ravel(), mask=control) for name, part in up.items()}
        return pa.table({**columns, **nullable})

    def _uplift(self) -> list[tuple[str, Floats]]:
        own = self.uplift
        parts = [own.value, own.std_error, own.low, own.high]
        return list(
            zip(("uplift", "uplift_error", "uplift_low", "uplift_high"), parts, strict=True)
        )


def response_table(
    ranking: ScoreRanking, *, bins: int = 10, total: bool = False, level: float = 0.95
) -> ResponseTable:
    """The response of every arm, and the uplift of every candidate, by bins of a score.

    Parameters
    ----------
    ranking : ScoreRanking
        Rows ranked by a score that was not learnt from them, of one metric.
    bins : int, default 10
        How many bins of equal weight; units of equal scores stay together, so bins may differ in
        size and be fewer.
    total : bool, default False
        Whether all rows together follow as bin 0.
    level : float, default 0.95
        Of the intervals.

    Returns
    -------
    ResponseTable
        With bins from the largest scores to the smallest.

    Notes
    -----
    With two arms, one chance for all, no weights and no ties the responses and the uplift are those
    of scikit-uplift's ``uplift_by_percentile`` with ``strategy="overall"``.

    Examples
    --------
    >>> from equipoise.evaluation import evaluation_data, rank_by_score
    >>> rows = evaluation_data([3, 1, 1, 1], cell=[1, 0, 1, 0], propensity=[0.5, 0.5])
    >>> table = response_table(rank_by_score([2.0, 2.0, 0.0, 0.0], rows), bins=2)
    >>> table.to_table().column("rows").to_pylist()
    [1, 1, 1, 1]
    """
    if bins < 1 or bins > len(ranking):
        raise InputError("bins", f"lie in 1..{len(ranking)}", bins)
    of, order = rank_bins(ranking, bins), ranking.columns.ranked.order
    parts = [(int(index) + 1, np.flatnonzero(of == index)) for index in np.unique(of)]
    if total:
        parts.append((0, np.arange(len(ranking))))
    metric, rows = ranking.metric, ranking.columns.rows
    score, counts, response, uplift = [], [], [], []
    for _, ranks in parts:
        weight = ranking.weight[ranks]
        score.append(float(weight @ ranking.score[ranks] / weight.sum()))
        part = _some(rows, order[ranks], metric, weight)
        counts.append(np.bincount(part.cell, minlength=1 + rows.candidates))
        values = _arm_values(part, counts[-1])
        response.append(part.means(values, level))
        uplift.append(part.means(values[:, 1:] - values[:, :1], level))
    numbers = np.array([index for index, _ in parts])
    tables = _stacked(response), _stacked(uplift)
    return ResponseTable(numbers, np.array(score), np.stack(counts), *tables)


def _some(rows: EvaluationData, index: Ints, metric: int, weight: Floats) -> EvaluationData:
    """Some rows and one metric."""
    e, mu = rows.propensity, rows.levels
    groups = rows.groups
    if groups is not None:
        groups = np.unique(groups[index], return_inverse=True)[1]
    return replace(
        rows,
        y=np.ascontiguousarray(rows.y[index, metric : metric + 1]),
        cell=rows.cell[index],
        propensity=e if len(e) == 1 else e[index],
        levels=(mu if len(mu) == 1 else mu[index])[:, :, metric : metric + 1],
        weight=weight,
        groups=groups,
    )


def _arm_values(rows: EvaluationData, counts: Ints) -> Floats:
    """Row values whose means are the responses of the arms, (n, K); NaN of an arm without rows."""
    values = np.full((len(rows), len(counts)), np.nan)
    for a in np.flatnonzero(counts):
        values[:, a] = snips(Decisions(np.full(len(rows), a)), rows)[:, 0]
    return values


def _stacked(parts: list[Estimates]) -> Estimates:
    return Estimates(
        *(np.stack([getattr(one, f.name) for one in parts]) for f in fields(Estimates))
    )
