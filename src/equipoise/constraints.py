"""What a policy must obey: the constraints of `equipoise.allocation`, in a room of their own.

>>> import equipoise as eq
>>> eq.constraints.budget(0.5, per_head=True).demand.bound
0.5
"""

from typing import TYPE_CHECKING

from equipoise.core.lazy import lazy

if TYPE_CHECKING:
    from equipoise.allocation.constraints import budget as budget
    from equipoise.allocation.constraints import cap as cap
    from equipoise.allocation.constraints import ceiling as ceiling
    from equipoise.allocation.constraints import floor as floor
    from equipoise.allocation.constraints import group_budget as group_budget
    from equipoise.allocation.constraints import offers as offers
    from equipoise.allocation.constraints import parity as parity

_ROOM = "equipoise.allocation.constraints"
NAMES = dict.fromkeys(
    ("budget", "cap", "ceiling", "floor", "group_budget", "offers", "parity"), _ROOM
)
__getattr__, __dir__ = lazy(__name__, NAMES)
__all__ = [*NAMES]
