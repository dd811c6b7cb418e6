"""Operations: how strategies of incentives are brought to traffic, measured over time, watched,
replaced and paid for.  Numbers in, numbers out: no clock and no files; time comes as an argument.
"""

from typing import TYPE_CHECKING

from equipoise.core.lazy import lazy

if TYPE_CHECKING:
    from equipoise.operations.carry import CarryOver as CarryOver
    from equipoise.operations.carry import carry_over as carry_over
    from equipoise.operations.epochs import Epochs as Epochs
    from equipoise.operations.epochs import two_way as two_way

NAMES = {
    "CarryOver": "equipoise.operations.carry",
    "Epochs": "equipoise.operations.epochs",
    "carry_over": "equipoise.operations.carry",
    "two_way": "equipoise.operations.epochs",
}
__getattr__, __dir__ = lazy(__name__, NAMES)
__all__ = [*NAMES]
