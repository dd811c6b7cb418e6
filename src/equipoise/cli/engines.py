"""Options of verbs that can work on partitions: which engine does, and where it is."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from equipoise.scale.executor import Executor

Engine = Annotated[
    str | None,
    typer.Option(
        "--engine",
        help="local or ray: work partition by partition, and go on where a run was broken off.",
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address", help="Of a Ray cluster, as 10.0.0.1:6379, or auto; --engine ray is understood."
    ),
]
Workers = Annotated[
    int | None,
    typer.Option("--workers", help="How many partitions at a time.  Default: one a core."),
]


def executor_asked_for(
    engine: str | None, address: str | None, workers: int | None
) -> AbstractContextManager[Executor]:
    """The executor that options ask for."""
    from equipoise.scale.executor import executor_of

    return executor_of(engine or ("local" if address is None else "ray"), address, workers)
