"""Can this log tell what the policy is worth?  Checks on what stands behind its value.

    learnt propensity        the share of rows for which an arm was all but impossible, so that its
                             propensity was clipped: there outcomes are the model's word alone
    rows behind the policy   Kish's effective number of the rows whose outcomes judge it: with pi
                             the policy, b control and e the propensity,
                             w_i = (pi(a_i) - b(a_i)) / e(a_i), of the rows where w > 0 (who got
                             what it offers) and of those where w < 0 (who got control instead)

Where one of them fails, no interval is honest, and the headline says that the log cannot tell.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from equipoise.core.arrays import Floats, Ints
from equipoise.core.balance import Check, check
from equipoise.core.effective_size import FEW
from equipoise.core.log import Log
from equipoise.learners.propensity import LearntPropensity

LEARNT, BEHIND = "learnt propensity", "rows behind the policy"  # names of checks
CLIPPED = 0.01  # a clipped share above this is a warning
MOST_CLIPPED = 0.1  # and above this a failure; a plan's `most_clipped`
REMEDIES = {  # by what a plan's overlap says
    "all": 'ask for the people it can tell of: [log] overlap = "trim" or "weights"',
    "trim": 'raise trim_below, or say [log] overlap = "weights"',
    "weights": "only a log in which treatment varies more can tell",
}


def learnt_check(
    log: Log,
    model: LearntPropensity,
    propensity: Floats,
    most_clipped: float = MOST_CLIPPED,
    overlap: str = "all",
) -> Check:
    """How learning the propensities (n, K) went, and whether every arm was possible for enough
    rows, by their weights.   overlap: what the plan says of it already.
    """
    open_to = propensity > 0
    clipped = np.average(open_to & (propensity <= model.least_), axis=0, weights=log.weight)
    rows = [
        {
            "arm": name,
            "least probability": float(model.overlap_["least"][a]),
            "effective rows": float(model.overlap_["effective_rows"][a]),
            "clipped below": float(model.least_[a]),
            "clipped rows": int(model.clipped_rows_[a]),
            "clipped share": float(clipped[a]),
            "calibration error": float(model.calibration_error_[a]),
        }
        for a, name in enumerate(log.cell_names)
    ]
    share, worst = float(clipped.max()), int(clipped.argmax())
    if share > most_clipped:
        summary = (
            f"For {share:.0%} of the people the arm {log.cell_names[worst]} was all but impossible"
            f" (learnt propensity below {model.least_[worst]:.2g}; at most {most_clipped:.0%} may"
            f" be), so what it does to them is the model's word alone; {REMEDIES[overlap]}."
        )
        return check(LEARNT, "fail", summary, rows)
    if not model.clipped_rows_.any():
        summary = "Propensities were learnt from the features; none was clipped."
        return check(LEARNT, "note", summary, rows)
    counts = ", ".join(
        f"{model.clipped_rows_[a]:,} of {name} below {model.least_[a]:.2g}"
        for a, name in enumerate(log.cell_names)
        if model.clipped_rows_[a]
    )
    summary = (
        f"Propensities were learnt from the features, and clipped in {counts}, of {len(log):,}"
        " rows."
    )
    return check(LEARNT, "warn" if share > CLIPPED else "note", summary, rows)


def rows_behind(log: Log, propensity: Floats, policy: Floats, overlap: str = "all") -> Check:
    """How many equal rows judge a policy's gain over control.

    propensity, policy: (n, K).  Few fail where the propensities differ by row, since a few weights
    then rule the value; else they warn, and the interval's degrees of freedom count them.
    """
    sums = sides_of(log.cells, propensity, policy, log.weight)
    uneven = bool(np.ptp(propensity, axis=0).max() > 0)
    return behind_check(sums, bool((policy[:, 1:] > 0).any()), uneven, overlap)


def sides_of(
    cells: Ints, propensity: Floats, policy: Floats, weight: Floats | None = None
) -> Floats:
    """What `behind_check` is made of: of the rows that got what a policy offers, and of those that
    got control in its place, how many there are and the sums of their weights and of the squares,
    (2, 3).   cells: (n,); propensity, policy: (n, K).
    """
    own = np.arange(len(cells)), cells
    w = (policy[own] - (cells == 0)) / propensity[own]
    if weight is not None:
        w = w * weight
    sides = (np.maximum(w, 0), np.maximum(-w, 0))
    return np.array([[np.count_nonzero(side), side.sum(), side @ side] for side in sides])


def behind_check(sums: Floats, offers: bool, uneven: bool, overlap: str = "all") -> Check:
    """The check of `rows_behind` by the sums of `sides_of`.   offers: whether the policy makes
    any; uneven: whether propensities differ by row.
    """
    effective = np.divide(sums[:, 1] ** 2, sums[:, 2], out=np.zeros(2), where=sums[:, 2] > 0)
    rows: list[dict[str, Any]] = [
        {"side": side, "rows": int(part[0]), "effective": round(float(size), 1)}
        for side, part, size in zip(("offered", "not offered"), sums, effective, strict=True)
    ]
    if not offers:
        return check(BEHIND, "ok", "The policy makes no offer, so there is nothing to judge.")
    least = float(effective.min())
    if least >= FEW:
        summary = f"At least {least:,.0f} equal rows of each side judge the policy."
        return check(BEHIND, "ok", summary, rows)
    summary = (
        f"No more than {least:,.0f} equal rows got what the policy gives, or control in its place"
        f" (at least {FEW} are wanted)"
    )
    if not uneven:
        return check(BEHIND, "warn", f"{summary}: its value leans on the model.", rows)
    return check(
        BEHIND, "fail", f"{summary}: a few rows rule its value; {REMEDIES[overlap]}.", rows
    )
