"""MMoEScores: probabilities of all objectives by one net of shared experts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from equipoise.core.arrays import Bools, Floats
from equipoise.neural import require_torch
from equipoise.neural.id_scores import elu, sigmoid, softmax
from equipoise.ranking.base_scores.base import ScoreModel


class MMoEScores(ScoreModel):
    """Experts shared by the objectives, a gate and a tower for each (Ma et al. 2018).

    Parameters
    ----------
    experts : int, default 4
        How many.
    width : int, default 16
        Of an embedding, an expert and a tower.
    epochs : int, default 30
        At most so many passes over the training rows.
    batch : int, default 2048
        Rows of a step.
    rate : float, default 3e-3
        The step size of Adam.
    patience : int, default 3
        Epochs without a better held-out loss before training stops; the best weights stay.
    random_state : int, default 0
        Of first weights, batches and the held-out users.

    Attributes
    ----------
    weights_ : dict of str to array
        The net's.
    inputs_ : dict
        How features become positions.
    losses_ : list of float
        Held-out, one an epoch.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(400, 2))
    >>> model = MMoEScores(epochs=40, batch=64).fit(X, (X > 0).astype(int))
    >>> (model.predict([[2.0, -2.0]]) > 0.5).tolist()
    [[True, False]]
    """

    def __init__(
        self,
        experts: int = 4,
        width: int = 16,
        *,
        epochs: int = 30,
        batch: int = 2048,
        rate: float = 3e-3,
        patience: int = 3,
        random_state: int = 0,
    ) -> None:
        self.experts = experts
        self.width = width
        self.epochs = epochs
        self.batch = batch
        self.rate = rate
        self.patience = patience
        self.random_state = random_state

    def _learn(
        self, X: Floats, labels: Floats, observed: Bools, weight: Floats, held: Bools
    ) -> None:
        require_torch()
        from equipoise.neural.mmoe import LabelledPositions, MMoEShape, train_mmoe
        from equipoise.neural.piecewise_linear import Inputs
        from equipoise.neural.train import NoGain, Training

        inputs = Inputs.learn(X[~held])
        self.inputs_ = inputs.parts()
        u, judged = inputs.positions(X).astype(np.float64), held if held.any() else ~held
        training, outside = (
            LabelledPositions(u[rows], labels[rows], observed[rows], weight[rows])
            for rows in (~held, judged)
        )
        shape = MMoEShape(X.shape[1], inputs.slots, labels.shape[1], self.experts, self.width)
        how = Training(
            self.rate, 1e-5, self.batch, self.epochs, NoGain(self.patience), self.random_state
        )
        self.weights_, self.losses_ = train_mmoe(shape, training, outside, how)

    def _probabilities(self, X: Floats) -> Floats:
        from equipoise.neural.piecewise_linear import Inputs

        u = Inputs(**self.inputs_).positions(X).astype(np.float64)
        return sigmoid(_logits(self.weights_, u))


def _logits(weights: Mapping[str, Any], u: Floats) -> Floats:
    """The logits of positions (n, d) by numpy, (n, M)."""
    part = {name: np.asarray(value, np.float64) for name, value in weights.items()}
    embed, bias = part["embed.weight"], part["embed.bias"]  # (d, S, w), (d, w)
    basis = np.clip(u[:, :, None] - np.arange(embed.shape[1]), 0.0, 1.0)
    x = (np.einsum("nds,dsw->ndw", basis, embed) + bias).reshape(len(u), -1)
    bodies = elu(x @ part["experts.bodies.weight"] + part["experts.bodies.bias"])  # (E, n, w)
    logits = x @ part["experts.gates.weight"] + part["experts.gates.bias"]  # (M, n, E)
    mixed = np.einsum("mne,enw->mnw", softmax(logits), bodies)
    hidden = elu(mixed @ part["towers.layers.0.weight"] + part["towers.layers.0.bias"])
    out: Floats = (hidden @ part["towers.end.weight"] + part["towers.end.bias"])[:, :, 0].T
    return out
