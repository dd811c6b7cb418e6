"""Options of verbs that can work on partitions: which engine does, and where it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
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


@contextmanager
def pieces_by(engine: str | None, address: str | None, workers: int | None) -> Iterator[None]:
    """Have pieces of work done as options ask for; by this process where they are not given."""
    from equipoise.core.errors import InputError
    from equipoise.core.parallel import worked_by
    from equipoise.scale.executor import pieces_of

    if engine is None and address is None and workers is None:
        yield
        return
    with executor_asked_for(engine or "ray", address, workers) as executor:
        if not executor.apart:
            must, fix = "be processes of their own", "say --engine ray, or leave the engine out"
            raise InputError("what plays worlds and seeds", must, f"the engine {engine}", fix=fix)
        with worked_by(pieces_of(executor)):
            yield


def executor_asked_for(
    engine: str | None, address: str | None, workers: int | None
) -> AbstractContextManager[Executor]:
    """The executor that options ask for."""
    from equipoise.scale.executor import executor_of

    return executor_of(engine or ("local" if address is None else "ray"), address, workers)
