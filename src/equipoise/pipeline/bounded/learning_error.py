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
from equipoise.pipeline.bounded.mean_covariance import mean_covariance
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
    df : float
        Degrees of freedom of the covariance.
    """

    covariance: Floats
    ceiling: Floats
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
    ceiling = _of_sample(study, judged)
    part = log_folds(study.log, PARTS, study.plan.run.seed)
    try:
        case = study, judged, part
        means = np.stack(
            [*in_order(_means_by_part, range(PARTS), case, progress=progress, what="propensities")]
        )
    except InputError:  # a part has too few rows of an arm
        return LearningError(ceiling, ceiling)
    size = np.bincount(part, row_weights(study.log, usual_weight(study.log)), PARTS)
    gaps = []
    for g, h in combinations(range(PARTS), 2):
        others = np.setdiff1d(np.arange(PARTS), (g, h))
        gaps.append(np.average(means[g, others] - means[h, others], 0, size[others]))
    covariance = np.mean([np.multiply.outer(gap, gap) for gap in gaps], axis=0) / (2 * PARTS)
    return LearningError(covariance, ceiling)


def _means_by_part(g: int, case: tuple[Study, Judged, Ints]) -> Floats:
    """Mean gains and spend of each policy in the rows of each part by what part g learns,
    (G, 1 + k, m + 1); its own rows' are NaN.
    """
    study, judged, part = case
    log, cost = study.log, study.plan.policy.cost
    own = log.take(np.flatnonzero(part == g))
    learnt = judged.chances.learnt_from(own, study.plan.run.folds)
    model = fit_model(own, study.estimator, study.design.model, fitted_metrics(log, cost))
    means = np.full((PARTS, len(log.cell_names), len(log.metrics) + 1), np.nan)
    by_part = replace(judged, chances=learnt, stack=None)
    for h in range(PARTS):
        if h != g:
            means[h] = _means(log.take(np.flatnonzero(part == h)), by_part, model)
    return means


def _means(rows: Log, judged: Judged, model: Model) -> Floats:
    """The means of some rows, (1 + k, m + 1)."""
    total, weight = np.zeros((len(rows.cell_names), len(rows.metrics) + 1)), 0.0
    usual = usual_weight(rows)
    for start in range(0, len(rows), BATCH):
        batch = rows.take(np.arange(start, min(start + BATCH, len(rows))))
        levels = judged.levels(batch, model.effects(batch.table))
        p = judged.chances.of(batch)
        judge = make_judge(batch, levels, p, judged.costs, judged.level, judged.objective)
        w = row_weights(batch, usual)
        total += np.einsum("n,npc->pc", w, _gains(judge, judged, batch))
        weight += float(w.sum())
    return total / weight


def _gains(judge: Judge, judged: Judged, rows: Log) -> Floats:
    """What each row adds to the gains and the spend of each policy, (n, 1 + k, m + 1)."""
    choice = judged.scorer.decided(rows.table).choice
    return _of_each(judge, choice, rows.eligible, np.arange(len(rows)))


def _of_each(judge: Judge, choice: Ints, eligible: Bools | None, at: Ints) -> Floats:
    """The same of rows ``at``.   choice, eligible: of the rule and of the log, of all rows."""
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
