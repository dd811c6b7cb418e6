"""Do treatment and outcome bend together, in ways that the ridges of both cannot follow?

Ridge residuals t = phi - E[phi | x] and the errors e = r - t' Theta z of the final regression carry
what lines leave: a(x) of the treatment and b(x) of the outcome.  Effects are then off by about
E[a b] / E[t^2], and no interval knows of it.  Where either is 0 nothing is lost, so both of

    sum_i t_ij q_ik        has the treatment a bend?
    sum_i t_ij e_il q_ik   do both bend at once?  E[t e | x] = a(x) b(x)

must be beyond chance, each over its robust standard error (by cluster where there are groups), the
largest over squares, products and cubes q of the features, encoded treatments j and metrics l
(Bonferroni, 1 % each).  q is what [1, x] leaves of z_k z_l or z_k^3.  The second sum is a score
test of omitted interactions; an effect that bends makes it large too, but not the first.  On a
tenth of the rows, and 10,000 where there are so many, it costs a tenth of the fit.

    Chernozhukov et al. (2018), arXiv:1608.00060; White (1980), Econometrica 48.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from scipy.special import ndtr

from equipoise.core.arrays import Floats, Ints
from equipoise.core.display import shown
from equipoise.estimators.dml import passes

ROWS, PART, MOST_TERMS, FAR = 10_000, 10, 160, 3.0
SURE = 0.01  # of each of both tests


class CurvatureWarning(UserWarning):
    """Treatment and outcome bend with the same features, which the ridges of `LinearDML` miss.

    Examples
    --------
    >>> import warnings
    >>> from equipoise.estimators import LinearDML
    >>> rng = np.random.default_rng(0)
    >>> X, noise = rng.normal(size=(4000, 2)), rng.normal(size=(2, 4000))
    >>> t = (X[:, 0] ** 2 + noise[0] > 1).astype(int)
    >>> with warnings.catch_warnings(action="ignore", category=CurvatureWarning):
    ...     model = LinearDML().fit(X, X[:, 0] ** 2 + noise[1], treatment=t)
    >>> model.curvature_.bends, model.curvature_.term
    (True, 'x0 ^ 2')
    """


@shown
@dataclass(frozen=True)
class Curvature:
    """Whether treatment and outcome bend together.

    Attributes
    ----------
    term : str
        The square or product of features that both bend with most, "" where there are none.
    metric : str
        The outcome.
    treatment_p_value : float
        That nothing of the treatment's bend is left, of all terms together.
    product_p_value : float
        That nothing of both bends at once is left.
    rows : int
        The rows that were looked at.

    Examples
    --------
    >>> Curvature("age ^ 2", "sales", 1e-9, 0.2, 1000).bends
    False
    """

    term: str
    metric: str
    treatment_p_value: float
    product_p_value: float
    rows: int

    @property
    def bends(self) -> bool:
        """Whether both are beyond chance, so that effects may be biased."""
        return max(self.treatment_p_value, self.product_p_value) < SURE

    @property
    def advice(self) -> str:
        """What was found, and what to do."""
        return (
            f"treatment and {self.metric} both bend with {self.term} (p ="
            f" {self.product_p_value:.2g} on {self.rows:,} rows), which ridge nuisances miss, so"
            " effects may be biased and"
            ' intervals miss: say nuisances = "boosted", or give known propensities'
        )

    def to_plain(self) -> dict[str, Any]:
        """Its fields by name, for a snapshot.

        Returns
        -------
        dict
            What `Curvature` is made of.
        """
        return {field.name: getattr(self, field.name) for field in fields(self)}


def curvature(
    walk: passes.Walk,
    ridges: passes.Ridges,
    slopes: Floats,
    features: Sequence[str],
    metrics: Sequence[str],
) -> Curvature:
    """The test on some rows of a walk.   slopes: (p, q, m), Theta of encodings as they stand."""
    rows = _some(walk, max(ROWS, ridges.sums.rows // PART))
    parts = [_columns(block, ridges, slopes) for block in passes.blocks(lambda: rows)]
    z, t, error = (np.concatenate([part[i] for part in parts], axis=1) for i in range(3))
    groups = None
    if parts[0][3] is not None:
        groups = np.concatenate([part[3] for part in parts])
    terms, n = _terms(z), z.shape[1]
    if not terms or n <= 4 * len(terms):
        return Curvature("", "", 1.0, 1.0, n)
    q = _bends(z, terms)
    by_treatment = _scores(t, q, groups)  # (p, P)
    product = (t[:, None] * error).reshape(-1, n)
    by_both = _scores(product, q, groups).reshape(len(t), len(error), len(terms))
    j, metric, k = (int(i) for i in np.unravel_index(np.argmax(by_both), by_both.shape))
    names = [str(features[i]) for i in terms[k]]
    term = f"{names[0]} ^ {len(names)}" if len(set(names)) == 1 else " * ".join(names)
    treatment = min(1.0, len(t) * _p_value(by_treatment[j]))
    return Curvature(term, str(metrics[metric]), treatment, _p_value(by_both), n)


def _some(walk: passes.Walk, most: int) -> list[passes.Part]:
    """At most so many rows: of one part evenly, of many the first parts."""
    parts, left = [], most
    for part in walk():
        step = -(-len(part.X) // left)
        parts.append(part if step == 1 else _strided(part, step))
        left -= len(parts[-1].X)
        if left <= 0:
            break
    return parts


def _strided(part: passes.Part, step: int) -> passes.Part:
    arrays = ("X", "phi", "y", "fold", "weight", "groups", "t", "r")
    cut = {name: getattr(part, name) for name in arrays if getattr(part, name) is not None}
    return replace(part, **{name: array[::step] for name, array in cut.items()})


def _columns(
    block: passes.Block, ridges: passes.Ridges, slopes: Floats
) -> tuple[Floats, Floats, Floats, Ints | None]:
    """Features (d, b), residuals of the encoding (p, b), weighted, errors (m, b), clusters (b,)."""
    every, targets = ridges.standard(block), ridges.targets(block)
    t, r = ridges.residuals(block, every, targets)
    p, q, m = slopes.shape
    z = ridges.effect_features(every)
    effect = (slopes.transpose(2, 0, 1).reshape(m * p, q) @ z).reshape(m, p, -1)
    error = r - (effect * t).sum(axis=1)
    groups = None if block.part.groups is None else block.part.groups[block.rows]
    return every[1:], t if block.weight is None else t * block.weight, error, groups


def _terms(z: Floats) -> list[tuple[int, ...]]:
    """The features of each square and product, and of cubes: of features that vary, and where they
    are many all powers, then products of neighbours.   z: (d, n).
    """
    vary = [int(i) for i in np.flatnonzero(np.ptp(z, axis=1) > 0)]
    powers = [(i,) * power for power in (2, 3) for i in vary]
    pairs = [
        (vary[a], vary[a + step]) for step in range(1, len(vary)) for a in range(len(vary) - step)
    ]
    return (powers + pairs)[:MOST_TERMS]


def _bends(z: Floats, terms: Sequence[tuple[int, ...]]) -> Floats:
    """What [1, z] leaves of products of clipped features, (P, n)."""
    near = np.clip(z, -FAR, FAR)
    lines = np.vstack([np.ones(z.shape[1]), z])
    q = np.stack([np.prod(near[list(term)], axis=0) for term in terms])
    solution = np.linalg.lstsq(lines @ lines.T, lines @ q.T, rcond=None)[0]
    left: Floats = q - solution.T @ lines
    left[left.std(axis=1) < 1e-6] = 0.0  # the square of a switch is a line
    return left


def _scores(u: Floats, q: Floats, groups: Ints | None) -> Floats:
    """|sum u q| over its robust standard error, (r, P); 0 where q is.   u: (r, n); q: (P, n)."""
    if groups is None:
        square = np.square(u) @ np.square(q).T
    else:
        order = np.argsort(groups, kind="stable")
        starts = np.flatnonzero(np.r_[True, np.diff(groups[order]) != 0])
        sums = [np.add.reduceat((q * row)[:, order], starts, axis=1) for row in u]
        square = np.stack([np.square(each).sum(axis=1) for each in sums])
    total = np.abs(u @ q.T)
    z: Floats = np.divide(total, np.sqrt(square), out=np.zeros_like(total), where=square > 0)
    return z


def _p_value(z: Floats) -> float:
    """Of the largest of several two-sided z, by Bonferroni."""
    return min(1.0, float(z.size * 2 * ndtr(-z.max())))
