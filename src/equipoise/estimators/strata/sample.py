"""What a strata estimator learns from, checked once at the door: an offer, a claim and an outcome,
all of them 0 or 1.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from equipoise.core.arrays import Floats, Ints
from equipoise.core.errors import InputError, UnsupportedSpace
from equipoise.core.space import Space
from equipoise.core.strata import CLAIM_CELLS, AssumptionWarning, Claims, claim_cell
from equipoise.core.user_line import user_level
from equipoise.core.weights import check_propensities
from equipoise.estimators.base import finite_cells
from equipoise.estimators.training_data import Sample, sample

SHOWN = 5  # rows that an error names
CELL_WORDS = (
    "neither claims nor buys",
    "buys without a claim",
    "claims and does not buy",
    "claims and buys",
)


@dataclass(frozen=True)
class StrataSample:
    """Checked rows.   rows: features, weights, groups, propensity;  offered, claimed, y: (n,) of 0
    and 1.
    """

    rows: Sample
    offered: Ints
    claimed: Ints
    y: Ints

    @property
    def cell(self) -> Ints:
        """The claim cell of each row, (n,) in 0..3: q00, q01, q10, q11."""
        return claim_cell(self.claimed, self.y)

    def claims(self, propensity: Floats) -> Claims:
        """What signals are made of.   propensity: (n,), P(offered | x)."""
        return Claims(self.offered, self.claimed, self.y, propensity)

    def __len__(self) -> int:
        return len(self.y)

    def take(self, rows: Ints) -> StrataSample:
        """Some of the rows, in the order of ``rows``."""
        return StrataSample(
            self.rows.take(rows), self.offered[rows], self.claimed[rows], self.y[rows]
        )


def strata_sample(
    X: Any,
    y: Any,
    space: Space,
    treatment: Any,
    claimed: Any,
    propensity: Any = None,
    sample_weight: Any = None,
    groups: Any = None,
    *,
    least: int = 2,
    names: tuple[str, ...] | None = None,
) -> StrataSample:
    """Check what fit was given.   least: the fewest rows with, and without, an offer; names: of the
    columns of X.
    """
    if len(space.candidates()) != 1:
        fix = "choose two treatments of the log: no offer and one offer"
        raise UnsupportedSpace(
            "the space of strata", "be two arms: no offer, offer", space.describe(), fix=fix
        )
    rows = sample(X, y, space, treatment, propensity, sample_weight, groups, names=names)
    if isinstance(rows.propensity, np.ndarray):
        check_propensities(rows.propensity)  # strata are of units that could get the offer
    if rows.y.shape[1] != 1:
        raise InputError(
            "y",
            "be one outcome of strata",
            f"{rows.y.shape[1]} columns",
            fix="fit one estimator an outcome",
        )
    offered = finite_cells(space, rows, least=least)
    claim = zeros_and_ones(claimed, "claimed", len(rows))
    outcome = zeros_and_ones(rows.y[:, 0], f"outcome {rows.metrics[0]!r}", len(rows))
    _no_claim_without_offer(offered, claim)
    _empty_cells(offered, claim_cell(claim, outcome))
    return StrataSample(rows, offered, claim, outcome)


def zeros_and_ones(column: Any, what: str, n: int) -> Ints:
    """A column of 0 and 1 (or False and True) as (n,) integers."""
    try:
        values = np.asarray(column, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(what, "be 0 or 1 in every row", str(error)) from error
    if values.shape != (n,):
        raise InputError(what, f"have one entry per row of X ({n})", f"shape {values.shape}")
    good = (values == 0) | (values == 1)
    if not good.all():
        row = int(np.argmin(good))
        raise InputError(
            what,
            "be 0 or 1",
            f"{values[row]:g}",
            f"row {row}",
            "strata need yes or no: say what counts as yes",
        )
    return values.astype(np.int64)


def _no_claim_without_offer(offered: Ints, claimed: Ints) -> None:
    """A4: refuse a claim in a row that was offered nothing."""
    bad = np.flatnonzero((offered == 0) & (claimed == 1))
    if len(bad) == 0:
        return
    rows = ", ".join(map(str, bad[:SHOWN])) + (", ..." if len(bad) > SHOWN else "")
    share = len(bad) / int((offered == 0).sum())
    fix = (
        "strata rest on A4, no claim without offer: if such a claim is not one of this incentive,"
        " pass claimed * offered, which counts claims of the offer only; if it is one, control got"
        " the incentive too and strata do not apply"
    )
    raise InputError(
        "claimed",
        "be 0 in every row without an offer",
        f"1 in {len(bad)} rows ({share:.1%})",
        f"rows {rows}",
        fix,
    )


def _empty_cells(offered: Ints, cell: Ints) -> None:
    """Say which claim cells nobody fills; a single filled one leaves nothing to learn."""
    count = np.bincount(cell[offered == 1], minlength=4)
    if np.count_nonzero(count) < 2:
        word = CELL_WORDS[int(np.argmax(count))]
        raise InputError(
            "the offered rows",
            "differ in claim or outcome",
            f"only a unit that {word}",
            fix="check the columns",
        )
    for name, word in ((CLAIM_CELLS[c], CELL_WORDS[c]) for c in np.flatnonzero(count == 0)):
        text = (
            f"no offered unit {word}: {name} is taken to be 0 for everybody, which is right only if"
            " it cannot happen"
        )
        warnings.warn(text, AssumptionWarning, stacklevel=user_level())
