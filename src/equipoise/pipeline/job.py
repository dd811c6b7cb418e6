"""What a job is: how a plan is run into a folder, and how its findings are drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import Any

import pyarrow as pa

from equipoise.artifacts.kinds import Artifact
from equipoise.core.display import Displayed
from equipoise.core.errors import InputError
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

    run: Callable[..., Any]
    render: Callable[[Any], str]
    findings: type
    values: Callable[[Any], Mapping[str, Mapping[str, Interval]]]
    untold: Callable[[Any], list[str]] = lambda findings: []


@dataclass(frozen=True)
class Outputs:
    """What a run leaves beside its findings.

    Attributes
    ----------
    policy : Artifact
        What ships.
    tables : dict of str to pyarrow.Table
        The tables of its folder, by name.
    """

    policy: Artifact
    tables: dict[str, pa.Table]


def no_outputs() -> Outputs:
    """Of findings alone."""
    fix = "read its folder, or run the plan again"
    raise InputError("the outputs of a run", "be beside its findings", "findings alone", fix=fix)


class RunFindings(Displayed, dict[str, Any]):
    """The findings of a run, as ``metrics.json`` keeps them, for a notebook.

    ``to_pandas()`` and ``to_polars()`` give what each policy is worth, `plot` every drawing of the
    report; a notebook shows the headline.  ``verdict`` ("" of a job without one), ``headline``,
    ``findings`` (a plain dict), ``report()``, ``policy``, what ships and assigns units never seen,
    and ``tables``, as ``effects``, ``assignments``, ``mixes`` or ``scores``, are the rest of the
    run.

    Parameters
    ----------
    findings : mapping
        Plain JSON.
    values : mapping
        What each policy that was compared is worth, [value, low, high] by metric.
    render : callable, optional
        Findings -> the report.
    outputs : callable, optional
        () -> `Outputs`, asked once, when first wanted.

    Examples
    --------
    >>> findings = RunFindings({"headline": ["A gain."]}, {"chosen": {"sales": [2.0, 1.0, 3.0]}})
    >>> findings["headline"], findings.to_pandas()["low"].tolist()
    (['A gain.'], [1.0])
    """

    def __init__(
        self,
        findings: Mapping[str, Any],
        values: Mapping[str, Mapping[str, Interval]],
        render: Callable[[Any], str] | None = None,
        outputs: Callable[[], Outputs] = no_outputs,
    ) -> None:
        super().__init__(findings)
        self._values, self._render, self._read = values, render, outputs

    @property
    def findings(self) -> dict[str, Any]:
        """All that was found, as a plain dict."""
        return dict(self)

    @property
    def headline(self) -> list[str]:
        """The answer, in sentences."""
        return list(self["headline"])

    @property
    def verdict(self) -> str:
        """ "do it", "do not" or "not known"; "" of a job without a verdict."""
        return str(self.get("verdict", ""))

    @property
    def policy(self) -> Any:
        """What ships: ``policy.assign(frame)`` assigns units never seen."""
        return self._outputs.policy

    @property
    def tables(self) -> dict[str, pa.Table]:
        """The run's tables, by the names of their files."""
        return self._outputs.tables

    def report(self) -> str:
        """The report as one page of HTML.

        Returns
        -------
        str
            As ``report.html`` has it.
        """
        if self._render is None:
            no_outputs()
            return ""
        return self._render(self.findings)

    @cached_property
    def _outputs(self) -> Outputs:
        return self._read()

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
