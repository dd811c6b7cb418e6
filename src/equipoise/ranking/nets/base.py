"""NetRanker: the base of the nets, which differ by their loss and by the parts they have.

fit      scores -> logits, standardised; profile -> positions; rows that stop, held out; one
         training loop, judged by the mean AUC of the held-out rows, whatever the loss
predict  the same function by numpy (`ranking.nets.forward`)
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from equipoise.core.arrays import Floats
from equipoise.core.errors import InputError
from equipoise.core.folds import fold_ids
from equipoise.neural import require_torch
from equipoise.ranking.base import Ranker
from equipoise.ranking.nets.forward import RankForward
from equipoise.ranking.profile import ProfileColumns
from equipoise.ranking.rows import RankingRows
from equipoise.ranking.scale import centre_and_spread, logits, standardise

if TYPE_CHECKING:
    from torch import Tensor

    from equipoise.ranking.nets.training import Batch

FEWEST = 50  # rows, below which none are held out


class NetRanker(Ranker):
    """Base of the nets.  A subclass writes ``_loss``, and says which parts it leaves out.

    Parameters
    ----------
    width : int, default 16
        Of a token.
    heads : int, default 2
        Of each attention.
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

    Attributes
    ----------
    weights_ : dict of str to array
        The net's.
    inputs_ : dict
        How profiles become positions; empty where there is no profile.
    centre_, spread_ : array, (S,)
        Of the scores' logits.
    losses_ : list of float
        One an epoch: 1 less the mean AUC of held-out rows.
    """

    kind = "net"
    self_attention: ClassVar[bool] = True
    cross_attention: ClassVar[bool] = True
    gate: ClassVar[bool] = True

    def __init__(
        self,
        width: int = 16,
        heads: int = 2,
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
        self.width = width
        self.heads = heads
        self.epochs = epochs
        self.batch = batch
        self.rate = rate
        self.decay = decay
        self.patience = patience
        self.held = held
        self.objective_weight = objective_weight
        self.scores = scores
        self.device = device
        self.random_state = random_state

    @abstractmethod
    def _loss(self, batch: Batch) -> Tensor:
        """What training makes small."""

    def _first_level(self, prior: Floats) -> float:
        """What the net's scores are on average at the start.   prior: (M,), shares of positives."""
        return 0.0

    def _learn(self, rows: RankingRows, held: RankingRows | None) -> None:
        require_torch()
        self._check_shape()
        from equipoise.neural.piecewise_linear import Inputs
        from equipoise.ranking.nets.training import train_net

        if held is None:
            rows, held = self._hold_out(rows)
        self.centre_, self.spread_ = centre_and_spread(self._raw(rows.scores))
        inputs = Inputs.learn(rows.profile) if rows.profile.shape[1] else None
        self.inputs_ = {} if inputs is None else inputs.parts()
        self.weights_, self.losses_ = train_net(self, rows, held)

    def _check_shape(self) -> None:
        for name in ("width", "heads", "epochs", "patience"):
            value = getattr(self, name)
            if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 1:
                raise InputError(name, "be a whole number >= 1", repr(value))
        if not 0 < self.held < 1:
            raise InputError("held", "be a share in (0, 1)", self.held)

    def _hold_out(self, rows: RankingRows) -> tuple[RankingRows, RankingRows | None]:
        """The rows that train, and those that stop; None of few."""
        units = len(rows) if rows.groups is None else int(rows.groups.max()) + 1
        folds = round(1 / self.held)
        if len(rows) < FEWEST or units < 2 * folds:
            return rows, None
        apart = fold_ids(len(rows), max(folds, 2), self.random_state, groups=rows.groups) == 0
        training = rows.take(~apart)
        if training.one_class.any():  # too rare to be shared
            return rows, None
        return training, rows.take(apart)

    def _raw(self, scores: Floats) -> Floats:
        return logits(scores) if self.scores == "probability" else scores

    def _standard(self, scores: Floats) -> Floats:
        """The scores as the net reads them, (n, S)."""
        return standardise(self._raw(scores), self.centre_, self.spread_)

    def _positions(self, profile: Floats) -> Floats:
        """Profiles as the net reads them, (n, d)."""
        from equipoise.neural.piecewise_linear import Inputs

        if not self.inputs_:
            return np.empty((len(profile), 0))
        return Inputs(**self.inputs_).positions(profile).astype(np.float64)

    def _fused(self, scores: Floats, profile: Floats) -> Floats:
        if profile.strides[0] == 0:  # one viewer asks for all rows
            profile = profile[:1]
        return self._forward()(self._standard(scores), self._positions(profile))

    def _forward(self) -> RankForward:
        """The learnt net's function, made once: a request has no time for it."""
        ready = vars(self).get("_ready")
        if ready is None or ready.weights is not self.weights_:
            ready = self._ready = RankForward(self.weights_)
        return ready

    def gates(self, profile: Any = None) -> Floats:
        """What the relation-agnostic part weighs each score by, for each viewer.

        Parameters
        ----------
        profile : frame or array, (n, P), default None
            The columns of fit; None where it had none.

        Returns
        -------
        array, (n, S)
            Weights of the standardised scores; they sum to 1.

        Examples
        --------
        >>> ranker.gates(viewers).mean(axis=0)  # doctest: +SKIP
        array([0.61, 0.39])
        """
        n = 1 if profile is None else len(profile)
        values = ProfileColumns.from_json(self.profile_).read(profile, n)
        forward = self._forward()
        return forward.gates(forward.viewers(self._positions(values)))
