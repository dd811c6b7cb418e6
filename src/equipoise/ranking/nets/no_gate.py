"""HarmonRank without the relation-agnostic part: an ablation."""

from __future__ import annotations

from typing import ClassVar

from equipoise.ranking.nets.harmonrank import HarmonRank


class NoGate(HarmonRank):
    """HarmonRank without the relation-agnostic part: an ablation.

    The arguments are those of `HarmonRank`.

    Examples
    --------
    >>> NoGate().gate
    False
    """

    gate: ClassVar[bool] = False
