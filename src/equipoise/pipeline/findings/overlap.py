"""How alike the people are who got an arm and who did not, by how probable the arm was for them."""

from __future__ import annotations

import numpy as np

from equipoise.core.arrays import Floats
from equipoise.core.log import Log
from equipoise.learners.propensity import overlap
from equipoise.pipeline.study.propensity import Design
from equipoise.report.findings import ArmOverlap, Overlap

BINS = 25
WIDTHS = (0.001, 0.002, 0.004, 0.01, 0.02, 0.04)  # of a bin: the least that reaches all
SAME = 1e-9  # propensities as close as this are one number


def overlap_findings(log: Log, design: Design) -> Overlap:
    """The propensities of each arm among the rows that got it and those that did not, of the rows
    it is open to; nothing but the kind where each arm has one probability for all.
    """
    p = design.propensity
    open_to = p > 0
    spread = np.where(open_to, p, -np.inf).max(axis=0) - np.where(open_to, p, np.inf).min(axis=0)
    if open_to.all() and spread.max() < SAME:
        return {"kind": "constant", "arms": []}
    facts = overlap(p, log.cells)
    learnt = design.learnt
    clips = {} if learnt is None else {row["arm"]: row for row in learnt.check["rows"]}
    weight = np.ones(len(log)) if log.weight is None else log.weight
    arms: list[ArmOverlap] = []
    for a, name in enumerate(log.cell_names):
        got, others = log.cells == a, open_to[:, a] & (log.cells != a)
        edges = _edges(float(p[:, a].max()))
        clip = clips.get(name, {})
        arms.append(
            {
                "arm": name,
                "rows": int(got.sum()),
                "effective": float(facts["effective_rows"][a]),
                "least": float(facts["least"][a]),
                "clipped_below": clip.get("clipped below"),
                "clipped": float(clip.get("clipped share", 0.0)),
                "edges": edges.round(6).tolist(),
                "got": _shares(p[got, a], weight[got], edges),
                "others": _shares(p[others, a], weight[others], edges),
            }
        )
    return {"kind": "known" if learnt is None else "learnt", "arms": arms}


def _edges(largest: float) -> Floats:
    """Edges of equal bins from 0 to the largest propensity or a little above, (BINS + 1,)."""
    width = next((width for width in WIDTHS if width * BINS >= largest), WIDTHS[-1])
    edges: Floats = width * np.arange(BINS + 1.0)
    return edges


def _shares(values: Floats, weight: Floats, edges: Floats) -> list[float]:
    """The share of the weight in each bin; zeros where there are no rows.

    >>> _shares(np.array([0.1, 0.6, 0.7, 1.0]), np.ones(4), np.array([0.0, 0.5, 1.0]))
    [0.25, 0.75]
    """
    bins = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    count = np.bincount(bins, weight, len(edges) - 1)
    shares: list[float] = (count / max(float(count.sum()), 1e-300)).round(6).tolist()
    return shares
