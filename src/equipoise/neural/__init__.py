"""Neural blocks, losses and the one training loop.  Only this folder imports torch, and only when
something is trained.

What was learnt is plain arrays (`equipoise.neural.id_scores`): it predicts, is saved and is loaded
without torch.
"""

from __future__ import annotations

from importlib.util import find_spec

from equipoise.core.errors import MissingExtra


def require_torch() -> None:
    """Say what to install where torch is missing."""
    if find_spec("torch") is None:
        raise MissingExtra(
            "torch", "be installed to train a net", "no torch", fix="pip install 'equipoise[deep]'"
        )
