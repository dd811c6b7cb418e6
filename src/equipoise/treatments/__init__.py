"""What can be done to a unit: the treatment spaces (numpy only)."""

from equipoise.treatments.arms import Arms
from equipoise.treatments.base import SPACES, space_from_json
from equipoise.treatments.bits import Bits
from equipoise.treatments.dose import Dose
from equipoise.treatments.shares import Shares

__all__ = ["SPACES", "Arms", "Bits", "Dose", "Shares", "space_from_json"]
