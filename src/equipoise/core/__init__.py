"""The nouns that cross floors: Log, Space, Effects, Policy, snapshots; errors and registries."""

from typing import TYPE_CHECKING

from equipoise.core.lazy import lazy

if TYPE_CHECKING:
    from equipoise.core.effects import Effects as Effects
    from equipoise.core.features import FeatureMap as FeatureMap
    from equipoise.core.log import Log as Log
    from equipoise.core.log import Outcome as Outcome
    from equipoise.core.log import Roles as Roles
    from equipoise.core.space import Space as Space

NAMES = {
    "Effects": "equipoise.core.effects",
    "FeatureMap": "equipoise.core.features",
    "Log": "equipoise.core.log",
    "Outcome": "equipoise.core.log",
    "Roles": "equipoise.core.log",
    "Space": "equipoise.core.space",
}
__getattr__, __dir__ = lazy(__name__, NAMES)
__all__ = ["Effects", "FeatureMap", "Log", "Outcome", "Roles", "Space"]
