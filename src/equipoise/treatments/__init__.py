"""What can be done to a unit: the treatment spaces (numpy only)."""

from typing import TYPE_CHECKING

from equipoise.core.lazy import lazy

if TYPE_CHECKING:
    from equipoise.treatments.arms import Arms as Arms
    from equipoise.treatments.base import SPACES as SPACES
    from equipoise.treatments.base import space_from_json as space_from_json
    from equipoise.treatments.bits import Bits as Bits
    from equipoise.treatments.dose import Dose as Dose
    from equipoise.treatments.factors import Factors as Factors
    from equipoise.treatments.menu import read_menu as read_menu
    from equipoise.treatments.schedule import Schedule as Schedule
    from equipoise.treatments.shares import Shares as Shares
    from equipoise.treatments.strategy import Strategy as Strategy

FILES = {
    "base": ("SPACES", "space_from_json"),
    "arms": ("Arms",),
    "bits": ("Bits",),
    "dose": ("Dose",),
    "factors": ("Factors",),
    "menu": ("read_menu",),
    "schedule": ("Schedule",),
    "shares": ("Shares",),
    "strategy": ("Strategy",),
}
NAMES = {name: f"{__name__}.{file}" for file, names in FILES.items() for name in names}
__getattr__, __dir__ = lazy(__name__, NAMES)
__all__ = [*NAMES]
