"""HarmonRank: relation-aware and relation-agnostic scores, trained on the AUC by soft ranks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from equipoise.ranking.nets.base import NetRanker

if TYPE_CHECKING:
    from torch import Tensor

    from equipoise.neural.rank_loss import RankLossOutput
    from equipoise.ranking.nets.training import Batch


class HarmonRank(NetRanker):
    """An ensemble of base scores that makes every objective's AUC large at once.

    Self-attention aligns the objectives, the viewer's profile asks them by cross-attention, a gate
    weighs them; the loss is 1 less the mean soft AUC (Xia et al. 2026, arXiv 2601.02955), with
    ascending ranks and a strength that follows the spread of the scores
    (`equipoise.neural.rank_loss`).

    Parameters
    ----------
    width : int, default 16
        Of a token.
    heads : int, default 2
        Of each attention.
    k : float, default 3.0
        How soft ranks are: their strength is k spreads over n.
    epochs : int, default 60
        At most so many passes over the training rows.
    batch : int, optional
        Rows of a step, about; None: of 256 to 8192, some 30 steps an epoch.
    rate : float, default 5e-3
        The step size of Adam.
    decay : float, default 1e-5
        The L2 penalty of Adam.
    patience : int, default 8
        Epochs without a better mean AUC of held-out rows before training stops; the best weights
        stay.
    held : float, default 0.2
        The share of rows, or of groups, held out where there is no ``eval_set``, in (0, 1).
    objective_weight : mapping or array, (M,), default None
        What each objective counts; None: all alike.
    scores : str, default "probability"
        What base scores are: "probability" (their logits are read) or "number".
    device : str, default "cpu"
        "cpu", "cuda", or "auto" for what there is.
    random_state : int, default 0
        Of first weights, batches and the held-out rows.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> p, noise = rng.uniform(size=(400, 2)), rng.uniform(size=(400, 2))
    >>> ranker = HarmonRank(epochs=3).fit(p, (noise < p).astype(int))
    >>> bool(ranker.score(p, (noise < p).astype(int)) > 0.65)
    True
    """

    def __init__(
        self,
        width: int = 16,
        heads: int = 2,
        k: float = 3.0,
        *,
        epochs: int = 60,
        batch: int | None = None,
        rate: float = 5e-3,
        decay: float = 1e-5,
        patience: int = 8,
        held: float = 0.2,
        objective_weight: Any = None,
        scores: str = "probability",
        device: str = "cpu",
        random_state: int = 0,
    ) -> None:
        super().__init__(
            width,
            heads,
            epochs=epochs,
            batch=batch,
            rate=rate,
            decay=decay,
            patience=patience,
            held=held,
            objective_weight=objective_weight,
            scores=scores,
            device=device,
            random_state=random_state,
        )
        self.k = k

    def _loss(self, batch: Batch) -> Tensor:
        return rank_loss(batch, "soft_rank", self.k)


def rank_loss(batch: Batch, surrogate: str, k: float = 3.0) -> Tensor:
    """The loss of `equipoise.neural.rank_loss` of a batch, by one of its surrogates."""
    return rank_losses(batch, surrogate, k, "mean").loss


def rank_losses(
    batch: Batch, surrogate: str, k: float = 3.0, reduction: str = "none"
) -> RankLossOutput:
    """The same of each objective, and what to log beside it."""
    from equipoise.neural.rank_loss import rank_auc_loss

    return rank_auc_loss(
        batch.score,
        batch.labels,
        label_mask=batch.observed,
        sample_weight=batch.weight,
        groups=batch.groups,
        objective_weight=batch.objective_weight,
        surrogate=surrogate,
        k=k,
        reduction=reduction,
    )
