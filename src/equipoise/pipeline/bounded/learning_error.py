"""The error that comes of learning the propensity from a sample, in the values that all other rows
tell.

A doubly robust score is biased by the product of the errors of its propensity and its levels,

    b_a = E (e_a / e^_a - 1)(m_a - m^_a)

Both were learnt from the sample alone, so b does not fall with the rows that judge: of a hundred
times the sample it is a few standard errors of their mean, where the propensity must be learnt.
(Where it is known, b is 0 whatever the levels are.)  Its size is measured in the sample, which is
cut in G parts.  Each learns both anew, and each pair of parts g, h judges the rows of the other
parts, the same rows with the same outcomes, so that their means differ by b_g - b_h:

    cov b_part = mean over pairs of (b_g - b_h)(b_g - b_h)' / 2        cov b <= cov b_part / G

The variance of b falls with the rows at least, where both errors fall with their fourth root, as
doubly robust intervals ask for anyhow; where both fall with the root it is 1 / G^2 of that of a
part, so intervals are rather wide.  What all parts have in common, as trees that are flat where a
propensity bends, is not seen.

The sample's own values hold as far as b is small beside their standard errors, so b is never taken
for larger than these, which parts with a few wild weights would say; where parts are too small to
learn from, it is taken for as large.

References
----------
Chernozhukov et al. (2018), Double/debiased machine learning, Econometrics J. 21: the product of
errors.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import NamedTuple

import numpy as np

from equipoise.artifacts.model import Model
from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.errors import InputError
from equipoise.core.estimates import Estimates, around, sum_df
from equipoise.core.log import Log
from equipoise.core.parallel import in_order
from equipoise.core.progress import Progress, silent
from equipoise.pipeline.bounded.blocks import row_weights, usual_weight
from equipoise.pipeline.bounded.judging import Judged
from equipoise.pipeline.bounded.kept import Arrays
from equipoise.pipeline.bounded.keys import BLOCK, unit_draws
from equipoise.pipeline.bounded.mean_covariance import mean_covariance
from equipoise.pipeline.bounded.open_arms import open_to
from equipoise.pipeline.bounded.rankings import (
    RankedGaps,
    add_ranked,
    binned_gains,
    empty_ranked,
)
from equipoise.pipeline.study.cross_fit import fit_model, fitted_metrics, log_folds
from equipoise.pipeline.study.evaluator import Judge, make_judge
from equipoise.pipeline.study.study import Study

PARTS, BATCH = 4, 65_536  # G; rows at a time


@dataclass(frozen=True)
class LearningError:
    """How far values may be off since propensities were learnt from a sample.

    Attributes
    ----------
    covariance : array, (1 + k, m + 1, 1 + k, m + 1)
        Of the gains and the spend of the rule, and of each candidate for everybody.
    ceiling : array, (1 + k, m + 1, 1 + k, m + 1)
        That of the sample's own values.
    rankings : RankedGaps or None
        The same of gains by bin of predictions.
    df : float
        Degrees of freedom of the covariance.
    """

    covariance: Floats
    ceiling: Floats
    rankings: RankedGaps | None = None
    df: float = PARTS - 1.0

    def widened(
        self, estimates: Estimates, mix: Floats, worth: Floats, level: float, share: float = 1.0
    ) -> Estimates:
        """Estimates with this error.

        Parameters
        ----------
        estimates : Estimates, (q,)
            Of means over rows.
        mix : array, (1 + k,)
            The policy as a sum of the rule and of candidates for everybody.
        worth : array, (m + 1, q)
            The estimates as sums of the gains and the spend.
        level : float
            Of the intervals.
        share : float, default 1.0
            Of the rows that the estimates are of; fewer rows of the sample tell about them.

        Returns
        -------
        Estimates
            The same values with wider intervals.
        """
        most = _variances(self.ceiling, mix, worth)
        own = _variances(self.covariance, mix, worth)
        variances = np.stack([estimates.std_error**2, np.minimum(own, most) / share])
        known = np.broadcast_to(estimates.df, most.shape)
        df = sum_df(variances, np.stack([known, np.where(own < most, self.df, np.inf)]))
        return around(estimates.value, np.sqrt(variances.sum(axis=0)), df, level=level)


def _variances(covariance: Floats, mix: Floats, worth: Floats) -> Floats:
    """Of the estimates, (q,)."""
    own = np.einsum("p,piqj,q->ij", mix, covariance, mix)
    variances: Floats = np.maximum(np.einsum("iq,ij,jq->q", worth, own, worth), 0.0)
    return variances


def learning_error(
    study: Study, judged: Judged, progress: Progress = silent
) -> LearningError | None:
    """The error of what the other rows tell; None where every row's own propensity is known."""
    if judged.chances.model is None or study.log.roles.action_propensity is not None:
        return None
    ceiling, sample = _of_sample(study, judged), _ranked_sample(study, judged)
    part = log_folds(study.log, PARTS, study.plan.run.seed)
    try:
        case = study, judged, part
        told = [*in_order(_by_part, range(PARTS), case, progress=progress, what="propensities")]
    except InputError:  # a part has too few rows of an arm
        none = np.zeros((0, len(judged.bins.edges), judged.bins.count))
        return LearningError(ceiling, ceiling, RankedGaps(none, PARTS, sample))
    size = np.bincount(part, row_weights(study.log, usual_weight(study.log)), PARTS)
    gaps, ranked = [], []
    for g, h in combinations(range(PARTS), 2):
        others = np.setdiff1d(np.arange(PARTS), (g, h))
        gaps.append(np.average(told[g].means[others] - told[h].means[others], 0, size[others]))
        apart = (told[g].gains[others] - told[h].gains[others]).sum(axis=0)
        mass = told[g].mass[others].sum(axis=0)[:, None]
        ranked.append(np.divide(apart, mass, out=np.zeros_like(apart), where=mass > 0))
    covariance = np.mean([np.multiply.outer(gap, gap) for gap in gaps], axis=0) / (2 * PARTS)
    return LearningError(covariance, ceiling, RankedGaps(np.stack(ranked), PARTS, sample))


class Told(NamedTuple):
    """What the rows of each part say by what one part learnt; its own are NaN: mean gains and spend
    of each policy, (G, 1 + k, m + 1), and of `rankings.binned_gains` (G, p, Q) and (G, p).
    """

    means: Floats
    gains: Floats
    mass: Floats


def _by_part(g: int, case: tuple[Study, Judged, Ints]) -> Told:
    """By what part g learns."""
    study, judged, part = case
    log, cost, bins = study.log, study.plan.policy.cost, judged.bins
    own = log.take(np.flatnonzero(part == g))
    learnt = judged.chances.learnt_from(own, study.plan.run.folds)
    model = fit_model(own, study.estimator, study.design.model, fitted_metrics(log, cost))
    shapes = (len(log.cell_names), len(log.metrics) + 1), (len(bins.edges), bins.count)
    told = Told(*(np.full((PARTS, *shape), np.nan) for shape in (*shapes, shapes[1][:1])))
    by_part = replace(judged, chances=learnt, stack=None)
    for h in range(PARTS):
        if h != g:
            rows = log.take(np.flatnonzero(part == h))
            told.means[h], told.gains[h], told.mass[h] = _sums(rows, by_part, model)
    return told


def _sums(rows: Log, judged: Judged, model: Model) -> tuple[Floats, Floats, Floats]:
    """The means of some rows, (1 + k, m + 1), and their gains by bin."""
    total, weight = np.zeros((len(rows.cell_names), len(rows.metrics) + 1)), 0.0
    pairs = len(judged.bins.edges)
    gains, mass = np.zeros((pairs, judged.bins.count)), np.zeros(pairs)
    usual = usual_weight(rows)
    for start in range(0, len(rows), BATCH):
        batch = rows.take(np.arange(start, min(start + BATCH, len(rows))))
        levels = judged.levels(batch, model.effects(batch.table))
        p = judged.chances.of(batch)
        judge = make_judge(batch, levels, p, judged.costs, judged.level, judged.objective)
        w, given = row_weights(batch, usual), judged.scorer.decided(batch.table)
        every = np.arange(len(batch))
        total += np.einsum("n,npc->pc", w, _of_each(judge, given.choice, batch.eligible, every))
        weight += float(w.sum())
        said = given.effects.values, open_to(batch)[:, 1:]
        own = binned_gains(judged.bins, judge.scores, *said, w)
        gains, mass = gains + own[0], mass + own[1]
    return total / weight, gains, mass


def _ranked_sample(study: Study, judged: Judged) -> Arrays:
    """The sums of `rankings.add_ranked` over the sample, by models that never saw its rows."""
    log, asked, sums = study.log, judged.asked, empty_ranked(judged.bins)
    draw = unit_draws(log.table, asked.roles, asked.seed, BLOCK)
    said = study.judge.scores, study.effects.values, open_to(log)[:, 1:]
    add_ranked(sums, judged.bins, *said, row_weights(log, usual_weight(log)), draw)
    return sums


def _of_each(judge: Judge, choice: Ints, eligible: Bools | None, at: Ints) -> Floats:
    """What rows ``at`` add to the gains and the spend of each policy, (r, 1 + k, m + 1).   choice,
    eligible: of the rule and of the log, of all rows.
    """
    rule = judge.gains(choice[at], at)[:, : judge.scores.shape[2] + 1]
    gain = judge.scores[at, 1:] - judge.scores[at, :1]
    each = np.concatenate([gain, judge.spend[at, 1:, None]], axis=2)
    if eligible is not None:
        each = np.where(eligible[at, 1:, None], each, 0.0)
    return np.concatenate([rule[:, None], each], axis=1)


def _of_sample(study: Study, judged: Judged) -> Floats:
    """The covariance of the sample's own values, in the shape of `LearningError.ceiling`."""
    log, judge = study.log, study.judge
    choice = np.zeros(len(log), np.int64)
    for start in range(0, len(log), BATCH):
        some = log.table.slice(start, BATCH)
        choice[start : start + len(some)] = judged.scorer.decided(some, start).choice

    def gains(at: Ints) -> Floats:
        return _of_each(judge, choice, log.eligible, at).reshape(len(at), -1)

    shape = len(log.cell_names), len(log.metrics) + 1
    covariance = mean_covariance(gains, judge.units(np.arange(len(log))), BATCH)
    return covariance.reshape(*shape, *shape)
