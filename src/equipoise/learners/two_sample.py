"""Can a model tell from the features who got which arm?  A classifier two-sample test.

Means that are alike in all arms say nothing of squares, thresholds or products: logging by x^2
leaves every SMD at 0.  Trees learn each arm against the rest, and are asked about rows that they
did not see.  Rows (whole clusters) come in blocks B_1, B_2, B_3 of a quarter, a quarter and a half,
and block b is asked with what was learnt on the blocks before it alone:

    u_ia = 1{A_i = a} - e_ia        e the logged propensity, else the share of a in the row's
                                    stratum and block
    R_ia = midrank of the model's score of arm a in the row's stratum and block, over its rows
    T_a  = sum_i (R_ia - mean) u_ia            over blocks 2 and 3
    AUC_a = 1/2 + T_a / sum_i e_ia (1 - e_ia)   with one share for all: Mann and Whitney's
    z_a  = T_a / sqrt(V_a)

Given the blocks before, T of a block has mean 0 if the design is what it is said to be, whatever
was learnt: V is the variance of its permutations (Hoeffding 1951), or sum R^2 e (1 - e) where e is
known, or with clusters the sum of their squared sums.  So T over blocks is a martingale and z_a
normal.  Ordinary cross-fitting is not: its folds learn from each other, and where nothing is to be
learnt the variance of the sum over folds is twice that of the permutations.  All fits together cost
about one on all rows (1.3 measured).  The p-value is one-sided (rows that were not seen are told
apart, not confused), times the number of arms (Bonferroni).

    Lopez-Paz & Oquab (2017), Revisiting classifier two-sample tests, ICLR; Dawid (1984),
    Prequential analysis, JRSS A 147; Hoeffding (1951), A combinatorial central limit theorem.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy.special import ndtr
from scipy.stats import rankdata

from equipoise.core.arrays import Floats, Ints
from equipoise.core.display import Displayed, shown
from equipoise.core.errors import InputError
from equipoise.core.features import FeatureMap, matrix
from equipoise.core.folds import check_seed, fold_ids
from equipoise.core.log import Log
from equipoise.learners.base_learners import BoostedTrees
from equipoise.learners.sample_order import sample_order
from equipoise.learners.tables import Rows, Table

QUARTERS = 4  # block 0, block 1, and two more as block 2
MOST_ROWS, MOST_ARMS = 100_000, 8  # that are looked at: more would say no more
LEVEL = 0.05  # a smaller p-value says that the design is not what it is said to be


@shown
@dataclass(frozen=True)
class TwoSampleTest(Displayed):
    """Whether a model can tell each arm's rows from the others by their features.

    Attributes
    ----------
    arms : tuple of str
        The arms tested, (a,): all, or control and the largest.
    auc : array, (a,)
        Of each arm against the rest on rows that were not seen, within strata; 0.5 says that
        nothing can be told.
    z : array, (a,)
        In standard errors under the design.
    p_values : array, (a,)
        One-sided, of each arm alone.
    rows : int
        Rows that were told apart.

    Examples
    --------
    >>> test = TwoSampleTest(("a",), np.array([0.5]), np.array([0.0]), np.array([0.5]), 100)
    >>> test.p_value, test.rejects, test
    (0.5, False, TwoSampleTest(a AUC 0.500, p = 0.5; 100 rows))
    """

    arms: tuple[str, ...]
    auc: Floats
    z: Floats
    p_values: Floats
    rows: int

    @property
    def p_value(self) -> float:
        """Of all arms together, by Bonferroni."""
        return min(1.0, len(self.arms) * float(self.p_values.min()))

    @property
    def rejects(self) -> bool:
        """Whether arms follow the features beyond chance, at 5 %."""
        return self.p_value < LEVEL

    @property
    def worst(self) -> int:
        """The place of the arm that is told apart most surely."""
        return int(np.argmin(self.p_values))

    def _frame(self) -> pa.Table:
        return pa.table({"arm": self.arms, "auc": self.auc, "z": self.z, "p_value": self.p_values})

    def __repr__(self) -> str:
        a = self.worst
        auc = f"{self.arms[a]} AUC {self.auc[a]:.3f}"
        return f"TwoSampleTest({auc}, p = {self.p_value:.3g}; {self.rows:,} rows)"


def two_sample_test(log: Log, random_state: int = 0) -> TwoSampleTest:
    """Test whether who got which arm of a log follows its features beyond what the design says.

    The design is the logged propensity of each row, else the shares of the arms: of all rows, of
    those of a period, of those with the same open arms.

    Parameters
    ----------
    log : Log
        The experiment.
    random_state : int, default 0
        Of the blocks.

    Returns
    -------
    TwoSampleTest
        AUC, z and p-value of each arm.

    References
    ----------
    Lopez-Paz & Oquab (2017), "Revisiting classifier two-sample tests", ICLR.

    Examples
    --------
    >>> import equipoise as eq
    >>> log, truth = eq.datasets.make_coupon_world(400)
    >>> two_sample_test(log).rejects
    False
    """
    check_seed(random_state, "random_state")
    X, _ = matrix(FeatureMap().fit(log.features).table(log.features))
    known = log.propensity if log.roles.propensity else None
    return arm_test(
        X,
        log.cells,
        log.cell_names,
        propensity=known,
        strata=_strata(log) if known is None else None,
        groups=log.groups,
        seed=random_state,
    )


def _strata(log: Log) -> Ints | None:
    """Codes of the rows that a design without propensities treats alike, (n,): of one period, with
    the same open arms.
    """
    keys = [] if log.periods is None else [log.periods]
    keys += [] if log.eligible is None else list(log.eligible[:, 1:].T)
    if not keys:
        return None
    codes: Ints = np.unique(np.column_stack(keys).astype(np.int64), axis=0, return_inverse=True)[1]
    return codes.reshape(len(log))


def arm_test(
    X: Floats,
    cell: Ints,
    names: tuple[str, ...],
    *,
    propensity: Floats | None = None,
    strata: Ints | None = None,
    groups: Ints | None = None,
    seed: int = 0,
) -> TwoSampleTest:
    """The test of arrays.   X: (n, d); cell: (n,) in 0..K-1 of K names; propensity: (n, K) or None
    for the shares within strata; strata, groups: codes, (n,).
    """
    if len(X) < 2 * QUARTERS:
        raise InputError("the rows of a two-sample test", f"be {2 * QUARTERS} or more", len(X))
    order = _some_rows(sample_order(X, cell, groups), groups, seed)
    X, cell = X[order], cell[order]
    propensity = None if propensity is None else propensity[order]
    strata = np.zeros(len(X), np.int64) if strata is None else strata[order]
    groups = None if groups is None else groups[order]
    quarter = fold_ids(len(X), QUARTERS, seed, strata=cell, groups=groups)
    block = np.minimum(quarter, 2)
    count = np.bincount(cell, minlength=len(names))
    arms = _tested(count)
    expected = (
        _shares(cell, 3 * strata + block, arms) if propensity is None else propensity[:, arms]
    )
    excess = (cell[:, None] == arms) - expected
    scores = _scores(X, excess, block)
    asked = np.flatnonzero(block > 0)
    within = np.unique((3 * strata + block)[asked], return_inverse=True)[1]
    sums = _statistics(
        scores[asked],
        excess[asked],
        expected[asked],
        within,
        None if groups is None else groups[asked],
        propensity is not None,
    )
    total, variance, size = sums
    z = np.divide(total, np.sqrt(variance), out=np.zeros_like(total), where=variance > 0)
    auc = 0.5 + np.divide(total, size, out=np.zeros_like(total), where=size > 0)
    labels = tuple(names[a] for a in arms)
    return TwoSampleTest(labels, np.clip(auc, 0, 1), z, ndtr(-z), len(asked))


def _tested(count: Ints) -> Ints:
    """The arms to test: the candidate of two, else control and the largest, in order."""
    if len(count) == 2:
        return np.asarray([1])
    largest = 1 + np.argsort(-count[1:], kind="stable")[: MOST_ARMS - 1]
    arms: Ints = np.sort(np.r_[0, largest])
    present: Ints = arms[(count[arms] > 0) | (arms == 0)]
    return present


def _some_rows(order: Ints, groups: Ints | None, seed: int) -> Ints:
    """At most `MOST_ROWS` of the rows in their order, in whole clusters."""
    if len(order) <= MOST_ROWS:
        return order
    if groups is None:
        return order[:MOST_ROWS]
    size = np.bincount(groups)
    drawn = np.random.default_rng(seed).permutation(len(size))
    kept = np.zeros(len(size), np.bool_)
    kept[drawn[np.cumsum(size[drawn]) <= MOST_ROWS]] = True
    return order[kept[groups[order]]]


def _shares(cell: Ints, stratum: Ints, arms: Ints) -> Floats:
    """The share of each arm in the stratum of each row, (n, a)."""
    size = np.bincount(stratum)
    share = [np.bincount(stratum, cell == a) / np.maximum(size, 1) for a in arms]
    return np.stack(share, axis=1)[stratum]


def _scores(X: Floats, excess: Floats, block: Ints) -> Floats:
    """The score of each arm in each row of blocks 1 and 2 by models of the blocks before, (n, a);
    0 in block 0.   excess: (n, a).
    """
    table = Table(X, [f"x{j}" for j in range(X.shape[1])])
    scores = np.zeros_like(excess)
    for b in (1, 2) if X.shape[1] else ():
        rows, asked = Rows(table, np.flatnonzero(block < b)), np.flatnonzero(block == b)
        model = _trees(len(rows.of(block)))
        for a, target in enumerate(rows.of(excess).T):
            if np.ptp(target) > 0:
                scores[asked, a] = model.learn(rows, target, None).predict(X[asked])
    return scores


def _trees(rows: int) -> BoostedTrees:
    """Trees that overfit little with so many rows."""
    leaves = int(np.clip(rows // 250, 4, 15))
    least = int(np.clip(rows // 100, 10, 50))
    return BoostedTrees(60, 0.1, num_leaves=leaves, min_child_samples=least)


def _statistics(
    scores: Floats,
    excess: Floats,
    expected: Floats,
    stratum: Ints,
    groups: Ints | None,
    known: bool,
) -> tuple[Floats, Floats, Floats]:
    """T, V and the sum of e (1 - e) of each arm, (a,) each.   scores, excess, expected: (n, a);
    stratum: codes of stratum and block, (n,); known: whether expected is a logged propensity.
    """
    size = np.bincount(stratum).astype(np.float64)
    spread = expected * (1 - expected)
    rank = np.stack([_ranks(column, stratum, size) for column in scores.T], axis=1)
    product = rank * excess
    if groups is not None:
        code = np.unique(groups, return_inverse=True)[1]
        variance = np.stack([np.square(np.bincount(code, p)).sum() for p in product.T])
    elif known:
        variance = (rank**2 * spread).sum(axis=0)
    else:  # permutations: ranks are centred in a stratum
        inner = np.stack([np.bincount(stratum, column**2) for column in rank.T], axis=1)
        bernoulli = np.stack([np.bincount(stratum, column) for column in spread.T], axis=1)
        variance = (inner * bernoulli / np.maximum(size - 1, 1)[:, None]).sum(axis=0)
    return product.sum(axis=0), variance, spread.sum(axis=0)


def _ranks(score: Floats, stratum: Ints, size: Floats) -> Floats:
    """Midranks in (0, 1) within strata, less their mean 1/2, (n,).

    >>> _ranks(np.array([3.0, 1.0, 1.0, 7.0]), np.array([0, 0, 0, 1]), np.array([3.0, 1.0]))
    array([ 0.33333333, -0.16666667, -0.16666667,  0.        ])
    """
    place = np.unique(score, return_inverse=True)[1]
    first = np.r_[0, np.cumsum(size)[:-1]]
    rank = rankdata(stratum * (int(place.max()) + 1) + place) - first[stratum]
    centred: Floats = (rank - 0.5) / size[stratum] - 0.5
    return centred
