"""Figures of models and policies side by side, and how they show themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from equipoise.core.display import Displayed, html_table, shown
from equipoise.core.estimates import Estimate
from equipoise.report.formatting import MINUS, Unit, number
from equipoise.report.notebook import plot_intervals

MOST_LINES = 40  # of a repr
PLAIN = Unit(1.0, "", "", "")


@shown
@dataclass(frozen=True)
class Compared:
    """One figure of one model or policy, or what it is above another's.

    Attributes
    ----------
    name : str
        Of the model or policy.
    less : str or None
        Whose figure is taken from it; None where it is the figure itself.
    measure : str
        What was measured: a metric of rankings, a loss, "gain", "value", "cost", "net", "treated".
    candidate : str or None
        Whose effects are ranked; None for losses and policies.
    metric : str or None
        The log's metric, in whose unit it is; None for cost, net worth and the share treated.
    estimate : Estimate
        The figure with its interval.
    adjusted : float or None, default None
        The p-value of a difference, adjusted for all differences of the call.
    better : str or None, default None
        The better one of two, where the adjusted p-value tells.

    Examples
    --------
    >>> Compared("b", "a", "qini", "mail", "sales", Estimate(0.1, 0.1, -0.1, 0.3), 0.3, None).less
    'a'
    """

    name: str
    less: str | None
    measure: str
    candidate: str | None
    metric: str | None
    estimate: Estimate
    adjusted: float | None = None
    better: str | None = None


@dataclass(frozen=True, repr=False)
class ComparisonTable(Displayed):
    """Models and policies side by side; `compare` makes it.

    Attributes
    ----------
    figures : tuple of Compared
        Of every model and policy.
    differences : tuple of Compared
        Paired, of each from the first of its kind, or of all pairs.
    rows : int
        Of the log that judged.
    level : float
        Of the intervals.
    untold : dict of str to list of str
        Why the log cannot tell what a policy is worth, by its name; empty where it can.

    Examples
    --------
    >>> import equipoise as eq
    >>> log, truth = eq.datasets.make_coupon_world(400, metrics=("conversion",))
    >>> table = eq.compare({"nobody": "none", "everybody": log.cell_names[1]}, log)
    >>> [row.measure for row in table.differences], table.rows
    (['gain'], 400)
    """

    figures: tuple[Compared, ...]
    differences: tuple[Compared, ...]
    rows: int
    level: float
    untold: dict[str, list[str]]

    def to_table(self) -> pa.Table:
        """All figures, then all differences.

        Returns
        -------
        pyarrow.Table
            Columns name, less (null for a figure itself), measure, candidate, metric, value,
            std_error, low, high, p_value, adjusted_p_value and better; what does not apply is null.
        """
        return pa.Table.from_pylist([_plain(row) for row in self._rows()], SCHEMA)

    def _frame(self) -> pa.Table:
        return self.to_table()

    def plot(self) -> Any:
        """Draw the differences with their intervals, as the report would.

        Returns
        -------
        list of plotly.graph_objects.Figure
            One per measure and metric, a row per difference.
        """
        drawn: dict[tuple[str, str | None], dict[str, list[float]]] = {}
        for row in self.differences:
            about = "" if row.candidate is None else f": {row.candidate}"
            intervals = drawn.setdefault((row.measure, row.metric), {})
            intervals[f"{row.name} less {row.less}{about}"] = row.estimate.interval
        return [
            plot_intervals(intervals, measure, f"{measure} {metric or ''}".strip())
            for (measure, metric), intervals in drawn.items()
        ]

    def _rows(self) -> Iterator[Compared]:
        yield from self.figures
        yield from self.differences

    def _caption(self) -> str:
        return f"ComparisonTable of {self.rows:,} rows, {self.level:.0%} intervals"

    def _lines(self) -> list[tuple[str, str, str, str]]:
        """(what is measured, name, figure, paired differences), one kind after the other."""
        lines = []
        kinds = dict.fromkeys((r.measure, r.candidate, r.metric) for r in self.figures)
        for kind in kinds:
            label = ", ".join(part for part in kind if part is not None)
            for row in self.figures:
                if (row.measure, row.candidate, row.metric) == kind:
                    own = "; ".join(map(_difference, self._of(row)))
                    lines.append((label, row.name, _interval(row.estimate), own))
        return lines

    def _of(self, row: Compared) -> list[Compared]:
        kind = (row.name, row.measure, row.candidate, row.metric)
        return [d for d in self.differences if (d.name, d.measure, d.candidate, d.metric) == kind]

    def __repr__(self) -> str:
        told = [(name, why) for name, reasons in self.untold.items() for why in reasons]
        lines = [self._caption(), *(f"  {name}: the log cannot tell: {why}" for name, why in told)]
        table = self._lines()
        width = max(len(name) for _, name, _, _ in table)
        last = ""
        for label, name, figure, own in table:
            lines += [f"  {label}"] if label != last else []
            lines.append(f"    {name:<{width}}  {figure}{f'; {own}' if own else ''}")
            last = label
        if len(lines) > MOST_LINES:
            more = f"  ... {len(lines) - MOST_LINES} more lines: to_pandas() has all figures"
            lines = [*lines[:MOST_LINES], more]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        heads = ("", "", "figure", "less the other, paired")
        told = [(name, why) for name, reasons in self.untold.items() for why in reasons]
        notes = [(name, "", "the log cannot tell", why) for name, why in told]
        return html_table(self._caption(), [*notes, *self._lines()], heads)


_texts = ("name", "less", "measure", "candidate", "metric")
_numbers = ("value", "std_error", "low", "high", "p_value", "adjusted_p_value")
SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in _texts),
        *((name, pa.float64()) for name in _numbers),
        ("better", pa.string()),
    ]
)


def _plain(row: Compared) -> dict[str, Any]:
    plain = {name: getattr(row, name) for name in (*_texts, "better")}
    parts = ("value", "std_error", "low", "high")
    plain.update({name: getattr(row.estimate, name) for name in parts})
    plain = {name: None if value != value else value for name, value in plain.items()}
    is_difference = row.less is not None
    p_value = row.estimate.p_value if is_difference else None
    return {**plain, "p_value": p_value, "adjusted_p_value": row.adjusted}


def _interval(estimate: Estimate) -> str:
    if np.isnan(estimate.low):
        return number(estimate.value).replace(MINUS, "-")
    ends = estimate.interval
    text = f"{PLAIN.bare(ends, plus=False)} ({PLAIN.span(ends, plus=False)})"
    return text.replace(MINUS, "-")


def _difference(row: Compared) -> str:
    told = f", adjusted p {row.adjusted:.2g}" if row.adjusted is not None else ""
    better = "" if row.better is None else f", {row.better} is better"
    return f"less {row.less} {_interval(row.estimate)}{told}{better}"
