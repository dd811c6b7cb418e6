"""What can be done to a unit: the treatment spaces (numpy only)."""

from equipoise.treatments.arms import Arms
from equipoise.treatments.base import SPACES, space_from_json
from equipoise.treatments.bits import Bits
from equipoise.treatments.dose import Dose
from equipoise.treatments.menu import read_menu
from equipoise.treatments.schedule import Schedule
from equipoise.treatments.shares import Shares
from equipoise.treatments.strategy import Strategy

__all__ = ["SPACES", "Arms", "Bits", "Dose", "Schedule", "Shares", "Strategy"]
__all__ += ["read_menu", "space_from_json"]
