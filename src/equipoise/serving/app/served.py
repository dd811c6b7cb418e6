"""A snapshot as the engine takes it: its model and rule compiled, its net of weights read."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from equipoise.artifacts.unit_scorer import UnitScorer
from equipoise.serving.engine.weight_net import WeightNet, read_weight_net
from equipoise.serving.protocols import EffectStore
from equipoise.serving.snapshots.load import load_snapshot


class Served(NamedTuple):
    """A snapshot that decides.

    Attributes
    ----------
    id : str
        Of the snapshot.
    scorer : UnitScorer
        Its model, costs and rule.
    store : EffectStore or None
        Its known units; None where it knows none.
    net : WeightNet or None
        Its net of weights.
    """

    id: str
    scorer: UnitScorer
    store: EffectStore | None
    net: WeightNet | None

    def close(self) -> None:
        """Close the store."""
        if self.store is not None:
            self.store.close()


def load_served(state: Path, id: str, redis: str | None, deadline: float) -> Served:
    """Verify a snapshot, let it pass its self-test, and compile it.

    Parameters
    ----------
    state : Path
        The service's folder.
    id : str
        Of the snapshot.
    redis : str or None
        The address of the Redis that has its units; None: its own files have them.
    deadline : float
        By when Redis must answer, in seconds.

    Returns
    -------
    Served
        Close it when it decides no more.

    Raises
    ------
    SnapshotError
        Where it is not as it was published, or decides differently here.
    """
    loaded = load_snapshot(state, id, redis=redis, deadline=deadline)
    try:
        scorer, net = UnitScorer(loaded.artifact), read_weight_net(loaded.folder)
    except BaseException:
        loaded.close()
        raise
    return Served(loaded.id, scorer, loaded.store, net)
