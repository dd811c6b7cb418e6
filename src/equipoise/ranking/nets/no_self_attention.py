"""HarmonRank without the alignment of objectives: an ablation."""

from __future__ import annotations

from typing import ClassVar

from equipoise.ranking.nets.harmonrank import HarmonRank


class NoSelfAttention(HarmonRank):
    """HarmonRank without the alignment of objectives: an ablation.

    The arguments are those of `HarmonRank`.

    Examples
    --------
    >>> NoSelfAttention().self_attention
    False
    """

    self_attention: ClassVar[bool] = False
