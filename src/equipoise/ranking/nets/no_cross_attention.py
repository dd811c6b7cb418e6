"""HarmonRank without the viewer's question to the objectives: an ablation."""

from __future__ import annotations

from typing import ClassVar

from equipoise.ranking.nets.harmonrank import HarmonRank


class NoCrossAttention(HarmonRank):
    """HarmonRank without the viewer's question to the objectives: an ablation.

    The arguments are those of `HarmonRank`.

    Examples
    --------
    >>> NoCrossAttention().cross_attention
    False
    """

    cross_attention: ClassVar[bool] = False
