"""What a job is: how a plan is run into a folder, and how its findings are drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from equipoise.core.progress import Progress
from equipoise.pipeline.plan.schema import Plan


@dataclass(frozen=True)
class Job:
    """What a plan can ask for.

    Attributes
    ----------
    run : (plan, folder, progress) -> findings; fills a folder that is not there yet.   render :
        findings -> HTML.
    findings : the typed dict of its findings, whose keys a ``metrics.json`` must have.
    """

    run: Callable[[Plan, Path, Progress, str], Any]
    render: Callable[[Any], str]
    findings: type
