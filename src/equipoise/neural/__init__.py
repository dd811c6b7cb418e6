"""Neural blocks, losses and the one training loop.  Only this folder imports torch, and only when
something is trained.

What was learnt is plain arrays (`equipoise.neural.id_scores`): it predicts, is saved and is loaded
without torch.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from equipoise.core.errors import MissingExtra
from equipoise.core.lazy import lazy

if TYPE_CHECKING:
    from equipoise.neural.rank_loss import RankAUCLoss as RankAUCLoss
    from equipoise.neural.rank_loss import RankLossOutput as RankLossOutput
    from equipoise.neural.rank_loss import rank_auc_loss as rank_auc_loss
    from equipoise.neural.soft_ranks import soft_rank as soft_rank

FILES = {
    "rank_loss": ("RankAUCLoss", "RankLossOutput", "rank_auc_loss"),
    "soft_ranks": ("soft_rank",),
}
NAMES = {name: f"{__name__}.{file}" for file, names in FILES.items() for name in names}
__getattr__, __dir__ = lazy(__name__, NAMES)
__all__ = list(NAMES)


def require_torch() -> None:
    """Say what to install where torch is missing."""
    if find_spec("torch") is None:
        raise MissingExtra(
            "torch", "be installed to train a net", "no torch", fix="pip install 'equipoise[deep]'"
        )
