"""Beyond one machine's memory, and beyond one machine: the rows of a log in partitions, and the
engines that work on them, which all give the same bits.

partitions   which rows stand together;  reduction: sums of theirs by a fixed tree
executor     what an engine can do: local (threads) and ray_engine (processes of a cluster, hosts,
             in each of them host, versions that must be alike)
shards       what partitions left on disk, for a driver that comes again
dual         an allocation over partitions: unit_partitions on the driver, unit_worker at each
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
