"""Units on which a quicker way to score must give the bits of a table: of all kinds, drawn from
what the columns of the log were.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from equipoise.artifacts.policy import Scorer
from equipoise.core import columns
from equipoise.core.column_types import ColumnType

Value = str | float | bool | None
TRIALS = 24  # rows


def unit_trials(scorer: Scorer) -> Iterator[dict[str, Value]]:
    """Units of all kinds: of each group that the policy names, of all levels, with gaps.

    Parameters
    ----------
    scorer : Scorer
        The policy.

    Yields
    ------
    dict of str to text, number, bool or None
        The columns that it needs.
    """
    rng = np.random.default_rng(0)
    reader, own = scorer.units, [(one.column, one.group) for one in scorer.model.own]
    named = {name: ["other"] for name in reader.groups}
    for demand in scorer.policy.demands:
        if demand.column is not None:
            named[demand.column] += [str(label) for label, _ in demand.factors]
    if scorer.policy.segment is not None:
        named[scorer.policy.segment] += [str(one) for one, _ in scorer.policy.segment_weights]
    for column, group in [*((one.column, one.group) for one in scorer.limits), *own]:
        named[column].append(group)
    for row in range(TRIALS + len(own)):
        unit = {name: _trial(rng, name, reader, named) for name in reader.needed}
        if row >= TRIALS:
            column, group = own[row - TRIALS]
            unit[column] = _as_key(group, reader.columns.types.get(column))
        yield unit


def _trial(
    rng: np.random.Generator, name: str, reader: Any, named: Mapping[str, list[str]]
) -> Value:
    """A value of a column."""
    own, levels = reader.columns.types.get(name), reader.features.levels_.get(name)
    if name in named:
        return _as_key(str(rng.choice(named[name])), own)
    if name in reader.eligible:
        return bool(rng.random() < 0.7) if _is(own, "true/false") else float(rng.random() < 0.7)
    if name in (reader.cost, reader.start):
        return float(rng.integers(0, 40))
    if rng.random() < 0.1:
        return None
    if levels is not None:
        return str(rng.choice([*levels, "never seen", columns.MISSING]))
    if _is(own, "true/false"):
        return bool(rng.random() < 0.5)
    size = float(rng.choice([1.0, 10.0, 1000.0]))
    return float(rng.integers(-1, 3)) if rng.random() < 0.4 else float(rng.normal() * size)


def _is(own: ColumnType | None, kind: str) -> bool:
    return own is not None and own.kind == kind


def _as_key(label: str, own: ColumnType | None) -> Value:
    """A label as a value of its column."""
    if _is(own, "true/false"):
        return label == "true"
    if own is not None and own.kind == "number":
        try:
            return float(label)
        except ValueError:
            return 0.0
    return columns.of_label(label)
