"""What stores know of a unit, of every snapshot in force: a store that does not answer for a
snapshot that serves leaves the decision without stores; one of a shadow only leaves out the shadow.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from equipoise.artifacts.unit_facts import UnitFacts
from equipoise.serving.engine.facts import StoredFacts
from equipoise.serving.engine.in_force import InForce
from equipoise.serving.errors import StoreError


def read_all(now: InForce, units: Sequence[str | None]) -> list[StoredFacts]:
    """What quick stores know.

    Parameters
    ----------
    now : InForce
        The snapshots.
    units : sequence of str or None
        Whom; None: nobody is asked for.

    Returns
    -------
    list of dict or None
        Of each by snapshot; None where a store does not answer.
    """
    if not now.alone:
        return [{} if unit is None else _read(now, unit) for unit in units]
    id, get = now.live.id, now.live.get
    try:
        return [{} if unit is None else {id: get(unit)} for unit in units]
    except StoreError:
        return [None] * len(units)


def _read(now: InForce, unit: str) -> StoredFacts:
    """What the stores of several snapshots know of a unit."""
    try:
        stored = {part.id: part.get(unit) for part in now.serving}
    except StoreError:
        return None
    for part in now.shadows:
        if part.id not in stored:
            with suppress(StoreError):
                stored[part.id] = part.get(unit)
    return stored


async def fetch(now: InForce, unit: str, deadline: float) -> StoredFacts:
    """What stores over a network know.

    Parameters
    ----------
    now : InForce
        The snapshots.
    unit : str
        Whom.
    deadline : float
        In seconds.

    Returns
    -------
    dict or None
        By snapshot; None where a store does not answer.
    """
    shadows = {
        part.id: asyncio.ensure_future(part.fetch(unit))
        for part in now.shadows
        if all(part.id != one.id for one in now.serving)
    }
    try:
        async with asyncio.timeout(deadline):
            facts = await asyncio.gather(*(part.fetch(unit) for part in now.serving))
    except (StoreError, TimeoutError):
        return None
    finally:
        for task in shadows.values():
            if not task.done():
                task.cancel()
    stored: dict[str, UnitFacts | None] = {
        part.id: own for part, own in zip(now.serving, facts, strict=True)
    }
    for id, task in shadows.items():
        if task.done() and not task.cancelled() and task.exception() is None:
            stored[id] = task.result()
    return stored
