"""A snapshot ready to decide: its model and rule compiled, its net of weights read."""

from __future__ import annotations

from typing import NamedTuple

from equipoise.artifacts.unit_scorer import UnitScorer
from equipoise.serving.engine.weight_net import WeightNet, read_weight_net
from equipoise.serving.protocols import EffectStore
from equipoise.serving.snapshots.load import LoadedSnapshot


class CompiledSnapshot(NamedTuple):
    """A snapshot that decides.

    Attributes
    ----------
    id : str
        Of the snapshot; of a run that was not published, of its policy.
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


def compile_snapshot(loaded: LoadedSnapshot) -> CompiledSnapshot:
    """Compile what was loaded; where that fails, its store is closed.

    Parameters
    ----------
    loaded : LoadedSnapshot
        Verified, its self-test passed.

    Returns
    -------
    CompiledSnapshot
        Close it when it decides no more.
    """
    try:
        scorer, net = UnitScorer(loaded.artifact), read_weight_net(loaded.folder)
    except BaseException:
        loaded.close()
        raise
    return CompiledSnapshot(loaded.id, scorer, loaded.store, net)
