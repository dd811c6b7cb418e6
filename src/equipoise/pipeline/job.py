"""What a job is: how a plan is run into a folder, and how its findings are drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import pyarrow as pa

from equipoise.core.display import Displayed
from equipoise.core.progress import Progress
from equipoise.pipeline.plan.schema import Plan
from equipoise.report.findings import Interval

NAMES = ("policy", "metric", "value", "low", "high")


@dataclass(frozen=True)
class Job:
    """What a plan can ask for.

    Attributes
    ----------
    run : callable
        (plan, folder, progress, command) -> findings; fills a folder that is not there yet.
    render : callable
        Findings -> HTML.
    findings : type
        The typed dict of its findings, whose keys a ``metrics.json`` must have.
    values : callable
        Findings -> what each policy that was compared is worth: {policy: {metric: interval}}.
    untold : callable
        Findings -> why the log cannot tell what the policy is worth; empty where it can.
    """

    run: Callable[[Plan, Path, Progress, str], Any]
    render: Callable[[Any], str]
    findings: type
    values: Callable[[Any], Mapping[str, Mapping[str, Interval]]]
    untold: Callable[[Any], list[str]] = lambda findings: []


class RunFindings(Displayed, dict[str, Any]):
    """The findings of a run, as ``metrics.json`` keeps them, for a notebook.

    ``to_pandas()`` and ``to_polars()`` give what each policy is worth, `plot` every drawing of the
    report; a notebook shows the headline.

    Parameters
    ----------
    findings : mapping
        Plain JSON.
    values : mapping
        What each policy that was compared is worth, [value, low, high] by metric.

    Examples
    --------
    >>> findings = RunFindings({"headline": ["A gain."]}, {"chosen": {"sales": [2.0, 1.0, 3.0]}})
    >>> findings["headline"], findings.to_pandas()["low"].tolist()
    (['A gain.'], [1.0])
    """

    def __init__(
        self, findings: Mapping[str, Any], values: Mapping[str, Mapping[str, Interval]]
    ) -> None:
        super().__init__(findings)
        self._values = values

    def _frame(self) -> pa.Table:
        rows = [
            (policy, metric, *map(float, interval))
            for policy, metrics in self._values.items()
            for metric, interval in metrics.items()
        ]
        columns = list(zip(*rows, strict=True)) or [()] * len(NAMES)
        return pa.table(dict(zip(NAMES, columns, strict=True)))

    def _repr_html_(self) -> str:
        return "".join(f"<p>{escape(sentence)}</p>" for sentence in self["headline"])
