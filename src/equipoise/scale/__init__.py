"""Beyond one machine's memory, and beyond one machine: the rows of a log in partitions, and the
engines that work on them, which all give the same bits.
"""

from typing import TYPE_CHECKING

from equipoise.core.lazy import lazy

if TYPE_CHECKING:
    from equipoise.scale.dual import PartitionedAllocation as PartitionedAllocation
    from equipoise.scale.dual import solve_partitions as solve_partitions

NAMES = {
    "PartitionedAllocation": "equipoise.scale.dual",
    "solve_partitions": "equipoise.scale.dual",
}
__getattr__, __dir__ = lazy(__name__, NAMES)
__all__ = [*NAMES]
