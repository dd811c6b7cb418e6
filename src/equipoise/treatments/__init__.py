"""What can be done to a unit: the treatment spaces (numpy only)."""

from equipoise.treatments.arms import Arms
from equipoise.treatments.base import SPACES, space_from_json
from equipoise.treatments.bits import Bits
from equipoise.treatments.dose import Dose

__all__ = ["SPACES", "Arms", "Bits", "Dose", "space_from_json"]
