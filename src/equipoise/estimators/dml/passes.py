"""The three passes of linear double machine learning over rows that may be too many to hold.

    1  sums     Gram matrix of [1, x, phi, y] in each fold.  The other folds' matrix is the total
    less the fold's own, so one pass
                gives every fold its ridge models of E[phi | x] and E[y | x], and the features their
                standard units
    2  normal   Gram matrix and moments of the final regression on residuals, hence Theta
    3  meat     the sandwich's middle, which needs the errors of Theta; and the moments of the level
    under control

A walk is a function that yields the same `Part`s each time it is called: one part that holds all
rows, or one a record batch. Sums are float64; columns are centred at their mean in the first block,
so that none is a difference of two large numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.errors import InputError
from equipoise.estimators.dml import gram

# a residual smaller than this share of the column's own spread is rounding: features say the
# treatment
DETERMINED = 1e-9


@dataclass(frozen=True)
class Part:
    """Rows as they come.

    Attributes
    ----------
    X : (n, d).   phi : (n, p) encoded treatments.   y : (n, m).   fold : (n,).   weight : (n,) > 0
        or None.
    groups : (n,) clusters that no fold tears, or None.   start : the number of the first row.
    t, r : residuals (n, p) and (n, m) of phi and y by other models than the ridge, or None.
    """

    X: Floats
    phi: Floats
    y: Floats
    fold: Ints
    weight: Floats | None = None
    groups: Ints | None = None
    start: int = 0
    t: Floats | None = None
    r: Floats | None = None


@dataclass(frozen=True)
class Block:
    """Some rows (b,) of a part, all of one fold; ``starts`` (g,) is where its clusters begin, or
    None.
    """

    part: Part
    fold: int
    rows: Ints
    starts: Ints | None

    @property
    def weight(self) -> Floats | None:
        """The weights of the rows, (b,), or None."""
        return None if self.part.weight is None else self.part.weight[self.rows]

    def turned(
        self, parts: Sequence[Floats], centre: Floats, unit: Floats, head: int = 0
    ) -> Floats:
        """(columns - centre) * unit of the rows, columns first, (head + c, b); the first ``head``
        rows are ones.

        parts : (n, .) each, c columns in all.   centre, unit : (c,).
        """
        out = np.empty((head + len(centre), len(self.rows)))
        out[:head] = 1.0
        start = 0
        for part in parts:
            stop = start + part.shape[1]
            gram.turn(
                part,
                self.rows,
                centre[start:stop],
                unit[start:stop],
                out[head + start : head + stop],
            )
            start = stop
        return out

    def plain(self, columns: Floats) -> Floats:
        """The rows as they are, columns first, (c, b).   columns: (n, c)."""
        return self.turned([columns], np.zeros(columns.shape[1]), np.ones(columns.shape[1]))


Walk = Callable[[], Iterable[Part]]


def blocks(walk: Walk) -> Iterator[Block]:
    """All rows, in blocks of one fold each; a cluster is never torn."""
    for part in walk():
        # a stable sort of short integers is one of digits
        fold = part.fold.astype(np.min_scalar_type(part.fold.max(initial=0)))
        order = (
            np.argsort(fold, kind="stable")
            if part.groups is None
            else np.lexsort((part.groups, fold))
        )
        edges = np.searchsorted(fold[order], np.arange(int(fold.max(initial=0)) + 2))
        for f in range(len(edges) - 1):
            member = order[edges[f] : edges[f + 1]]
            starts = None if part.groups is None else _starts(part.groups[member])
            for cut in (
                gram.cuts(len(member)) if starts is None else gram.cluster_cuts(starts, len(member))
            ):
                rows = member[cut]
                yield Block(
                    part, f, rows, None if part.groups is None else _starts(part.groups[rows])
                )


def _starts(groups: Ints) -> Ints:
    """Where each run of equal labels begins."""
    return np.flatnonzero(
        np.concatenate([[True], groups[1:] != groups[:-1]])[: len(groups)]
    ).astype(np.int64)


@dataclass(frozen=True)
class Sums:
    """What the first pass found.

    Attributes
    ----------
    shift : (d + p + m,) what x, phi and y were centred at.   scale : (d,) and centre : (d,) of x,
        its standard units.
    grams : (folds, c, c) of [1, z, phi, y], z standardised, phi and y shifted; a row weighs 1 on
        average.
    rows : their number.   weight : the mean of the weights as given.
    """

    shift: Floats
    centre: Floats
    scale: Floats
    grams: Floats
    rows: int
    weight: float


def first_pass(walk: Walk, folds: int) -> Sums:
    """The Gram matrix of every fold.   Raises `InputError` where a fold has no rows."""
    shift, grams, d = np.empty(0), np.empty(0), 0
    count = np.zeros(folds, np.int64)
    for block in blocks(walk):
        columns = (block.part.X, block.part.phi, block.part.y)
        if shift.size == 0:
            shift, d = (
                np.concatenate([part[block.rows].mean(axis=0) for part in columns]),
                block.part.X.shape[1],
            )
            grams, unit = np.zeros((folds, 1 + len(shift), 1 + len(shift))), np.ones(len(shift))
        both = block.turned(columns, shift, unit, head=1)
        if block.weight is not None:
            both *= np.sqrt(block.weight)
        grams[block.fold] += both @ both.T
        count[block.fold] += len(block.rows)
    if count.min() == 0:
        fix = "use fewer folds or more rows"
        raise InputError(
            "each of the folds", "have rows", f"{int(count.sum())} rows for {folds} folds", fix=fix
        )
    return _standardised(shift, grams, d, int(count.sum()))


def _standardised(shift: Floats, grams: Floats, d: int, rows: int) -> Sums:
    weight = float(grams[:, 0, 0].sum()) / rows
    grams = grams / weight
    total = grams.sum(axis=0)
    mean = total[0, 1 : 1 + d] / total[0, 0]
    square = np.diag(total)[1 : 1 + d] / total[0, 0]
    deviation = np.sqrt(np.maximum(square - mean**2, 0.0))
    # what rounding leaves of a constant
    constant = deviation <= 1e-12 * np.maximum(np.abs(shift[:d] + mean), np.sqrt(square))
    scale = np.where(constant, 1.0, deviation)
    change = np.eye(total.shape[0])
    change[1 : 1 + d, 1 : 1 + d] = np.diag(1 / scale)
    change[1 : 1 + d, 0] = -mean / scale
    return Sums(shift, shift[:d] + mean, scale, change @ grams @ change.T, rows, weight)


@dataclass(frozen=True)
class Ridges:
    """The ridge models of every fold, and the residuals they leave.

    Attributes
    ----------
    sums : of the first pass.   coefficients : (folds, p + m, 1 + d) of [1, z].
    modifiers : (q,) the columns of [1, z] that are effect features.
    """

    sums: Sums
    coefficients: Floats
    modifiers: Ints

    def standard(self, block: Block) -> Floats:
        """[1, (x - centre) / scale], (1 + d, b)."""
        return block.turned([block.part.X], self.sums.centre, 1 / self.sums.scale, head=1)

    def targets(self, block: Block) -> Floats:
        """phi and y, shifted, (p + m, b)."""
        shift = self.sums.shift[len(self.sums.centre) :]
        return block.turned([block.part.phi, block.part.y], shift, np.ones(len(shift)))

    def effect_features(self, z: Floats) -> Floats:
        """The rows of z that effects vary with, (q, b)."""
        return z if len(self.modifiers) == len(z) else z[self.modifiers]

    def residuals(self, block: Block, z: Floats, targets: Floats) -> tuple[Floats, Floats]:
        """phi - E[phi | x], (p, b), and y - E[y | x], (m, b)."""
        part, p = block.part, block.part.phi.shape[1]
        residual = self.coefficients[block.fold] @ z
        np.subtract(targets, residual, out=residual)
        t = residual[:p] if part.t is None else block.plain(part.t)
        return t, residual[p:] if part.r is None else block.plain(part.r)


def learn_ridges(sums: Sums, alpha: float, modifiers: Ints) -> Ridges:
    """Ridge models of phi and y for every fold from the Gram matrices of the others."""
    others = sums.grams.sum(axis=0) - sums.grams
    q = 1 + len(sums.centre)
    return Ridges(sums, np.stack([gram.ridge(other, q, alpha).T for other in others]), modifiers)


@dataclass(frozen=True)
class Normal:
    """The final regression.

    Attributes
    ----------
    theta : (P, m) coefficients and bread (P, P), the inverse Gram matrix, both for encodings in
        units of ``scale`` (p,).
    rank : of the Gram matrix.   rows : their number.
    """

    theta: Floats
    bread: Floats
    scale: Floats
    rank: int
    rows: int


def second_pass(walk: Walk, ridges: Ridges, layout: gram.Layout, support: Floats | None) -> Normal:
    """Least squares of residuals on Kronecker rows.

    support : (1 + p, r) or None; its product with [1, phi] has the leverage of a row as its square,
        which must be below 1.
    """
    sums, rows = gram.KroneckerSums(layout, 1), ridges.sums.rows
    moments = np.zeros(
        (len(layout.slots), len(ridges.sums.shift) - len(ridges.sums.centre) - len(layout.columns))
    )
    for block in blocks(walk):
        z, targets = ridges.standard(block), ridges.targets(block)
        if support is not None:
            check_leverage(block, support, targets[: len(layout.columns)], ridges.sums.weight)
        t, r = ridges.residuals(block, z, targets)
        z, weight = ridges.effect_features(z), block.weight
        moments += gram.moment(t, z, r if weight is None else r * weight, layout)
        sums.add(t, z, np.ones((1, len(block.rows))) if weight is None else weight[None])
    total = sums.grams()[0]
    scale = residual_scale(
        np.diag(total)[layout.constants] / (rows * ridges.sums.weight), ridges.sums
    )
    unit = 1 / scale[layout.slots[:, 0]]
    bread, rank = gram.pseudo_inverse(total * unit[:, None] * unit)
    if rows <= rank:
        raise InputError(
            "the number of rows",
            f"be more than the {rank} coefficients",
            rows,
            fix="use fewer modifiers",
        )
    return Normal(bread @ (moments * unit[:, None]), bread, scale, rank, rows)


def fold_sums(
    walk: Walk,
    ridges: Ridges,
    layout: gram.Layout,
    idle: Bools,
    level: bool,
    support: Floats | None = None,
) -> tuple[list[gram.KroneckerSums], Floats, Floats]:
    """The Gram sums of each fold's Kronecker rows, their moments (folds, P, m) with the outcomes'
    residuals and the squares of these (folds, m).   idle: (p,) columns that are 0; level: whether
    sums of phi z z' stand beside; support: as of `second_pass`.
    """
    p, folds = len(layout.columns), len(ridges.coefficients)
    m = len(ridges.sums.shift) - len(ridges.sums.centre) - p
    sums = [gram.KroneckerSums(layout, 1, p if level else 0) for _ in range(folds)]
    moments, squares = np.zeros((folds, len(layout.slots), m)), np.zeros((folds, m))
    for block in blocks(walk):
        z, targets = ridges.standard(block), ridges.targets(block)
        if support is not None:
            check_leverage(block, support, targets[:p], ridges.sums.weight)
        t, r = ridges.residuals(block, z, targets)
        t[idle], z = 0.0, ridges.effect_features(z)
        weight = np.ones(len(block.rows)) if block.weight is None else block.weight
        moments[block.fold] += gram.moment(t, z, r * weight, layout)
        squares[block.fold] += (np.square(r) * weight).sum(axis=1)
        sums[block.fold].add(t, z, weight[None], block.plain(block.part.phi) if level else None)
    return sums, moments, squares


def encoding_spread(sums: Sums, p: int) -> Floats:
    """The variance of each of the p columns of the encoding, (p,)."""
    d, total = len(sums.centre), sums.grams.sum(axis=0)
    place = np.arange(1 + d, 1 + d + p)
    out: Floats = np.diag(total)[place] / total[0, 0] - np.square(total[0, place] / total[0, 0])
    return out


def residual_scale(square: Floats, sums: Sums, idle: Bools | None = None) -> Floats:
    """The spread of each column's residual, (p,); one that features determine leaves none.   idle:
    (p,) columns that need not vary.
    """
    bare = square <= DETERMINED**2 * encoding_spread(sums, len(square))
    determined = np.flatnonzero(bare if idle is None else bare & ~idle)
    if determined.size:
        what, must = (
            f"column {determined[0]} of the encoded treatment",
            "vary among rows of equal features",
        )
        raise InputError(
            what,
            must,
            "no variation that the features leave",
            fix="drop the feature that decides the treatment",
        )
    return np.sqrt(np.where(square > 0, square, 1.0))


def check_leverage(block: Block, support: Floats, away: Floats, mean_weight: float) -> None:
    """Refuse a direction of the treatment that only one row has.   away: (p, b) phi, shifted."""
    weight = np.ones(len(block.rows)) if block.weight is None else block.weight / mean_weight
    if np.square(support).sum() * (weight * (1 + np.square(away).sum(axis=0))).max() < 0.5:
        return  # a bound that costs little: no row can be alone
    leverage = np.square(support[0] + away.T @ support[1:]).sum(axis=1) * weight
    if leverage.max() > 1 - 1e-9:
        row = int(block.rows[np.argmax(leverage)]) + block.part.start
        raise InputError(
            "a direction of the treatment",
            "be seen in two or more rows",
            1,
            f"row {row}",
            "log more of it",
        )


def third_pass(
    walk: Walk, ridges: Ridges, layout: gram.Layout, normal: Normal
) -> tuple[Floats, Floats, float]:
    """The covariance of theta, (m, P, P), the moments of [1, z] with y - phi' Theta z, (1 + d, m),
    y shifted, and the degrees of freedom of the covariance.

    HC1, or the cluster-robust form with its own small-sample factor where parts have groups.
    """
    m, p = normal.theta.shape[1], len(normal.scale)
    full = spread_out(normal.theta, layout.slots, p, layout.q) / normal.scale[:, None, None]
    full = full.transpose(2, 0, 1).reshape(m * p, layout.q)
    sums, meat = gram.KroneckerSums(layout, m), np.zeros((m, len(layout.slots), len(layout.slots)))
    control, clusters = np.zeros((1 + len(ridges.sums.centre), m)), 0
    shift = ridges.sums.shift[len(ridges.sums.centre) : -m, None]
    for block in blocks(walk):
        every, targets = ridges.standard(block), ridges.targets(block)
        t, r = ridges.residuals(block, every, targets)
        z, weight = ridges.effect_features(every), block.weight
        slopes = (full @ z).reshape(m, p, -1)
        error = r - (slopes * t).sum(axis=1)
        targets[:p] += shift
        level = targets[p:] - (slopes * targets[:p]).sum(axis=1)
        if weight is not None:
            error, level = error * weight, level * weight
        control += every @ level.T
        if block.starts is None:
            sums.add(t, z, np.square(error))
        else:
            clusters += len(block.starts)
            for j, score in enumerate(gram.cluster_scores(t, z, error, block.starts, layout.slots)):
                meat[j] += score @ score.T
    if clusters == 1:
        raise InputError(
            "groups",
            "be two or more clusters",
            1,
            fix="leave groups out where rows are independent",
        )
    free = normal.rows - normal.rank
    correction = (
        normal.rows / free
        if clusters == 0
        else clusters / (clusters - 1) * (normal.rows - 1) / free
    )
    unit = 1 / normal.scale[layout.slots[:, 0]]
    middle = (meat if clusters else sums.grams()) * unit[:, None] * unit
    covariance = correction * (normal.bread @ middle @ normal.bread.T)
    return covariance, control / ridges.sums.weight, float(clusters - 1 if clusters else free)


def spread_out(theta: Floats, slots: Ints, p: int, q: int) -> Floats:
    """Coefficients (P, m) as (p, q, m), 0 where there is none."""
    full = np.zeros((p, q, theta.shape[1]))
    full[slots[:, 0], slots[:, 1]] = theta
    return full
