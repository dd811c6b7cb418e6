"""Nets of a dose: what VCNet and DRNet share; a subclass names its net.

Doses are brought to [0, 1] by the bounds of the space, outcomes are standardised, features become positions (`neural.inputs`).
A fifth of the rows decides when to stop.  `curve` says the average level at each dose for all rows or for groups of them.
"""

from __future__ import annotations

import warnings
from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from equipoise.core.arrays import Floats
from equipoise.core.errors import InputError
from equipoise.core.space import Space
from equipoise.estimators.base import EffectEstimator
from equipoise.estimators.deep.base import NetTraining, canonical, split
from equipoise.estimators.sample import Sample
from equipoise.neural.inputs import Inputs
from equipoise.neural.train import device_of, train
from equipoise.neural.varying import DoseNet, levels_at

BINS = 4  # of a feature: curves are learnt from few rows
EPOCHS = 400
RANGE = 0.99  # of the training doses: what lies beyond their middle 99 % is an extrapolation


class ExtrapolationWarning(UserWarning):
    """An answer for a dose that was hardly ever given."""


def usual_training(epochs: int = EPOCHS) -> NetTraining:
    """How nets of a dose are trained where nothing is said, for so many epochs at most."""
    return NetTraining(epochs=min(epochs, EPOCHS), batch=512, rate=0.01, decay=0.02, patience=30)


class DoseNetEstimator(EffectEstimator):
    """Base of the nets of a dose.

    Parameters
    ----------
    width : of the layers.   targeted : whether functional targeted regularisation is used.   density : weight of the dose's
        log-density.   training : see `NetTraining`; amounts are not learnt as logarithms.
    space : a Dose.   seed : of first weights, batches and the held-out rows.
    """

    takes = "an interval of amounts: Dose"
    joint = True

    def __init__(
        self,
        width: int = 48,
        targeted: bool = False,
        density: float = 0.05,
        *,
        training: NetTraining | None = None,
        space: Space | None = None,
        seed: int = 0,
    ) -> None:
        self.width, self.targeted, self.density = width, targeted, density
        self.training, self.space, self.seed = training, space, seed

    @abstractmethod
    def _net(self, features: int, slots: int, metrics: int) -> DoseNet:
        """The net for a shape."""

    def curve(self, X: Any, doses: Any = None, groups: Any = None) -> dict[Any, Floats]:
        """The average dose-response of groups of rows, label -> (doses, m); "all" where no groups are given."""
        values, asked = self._asked(X, doses)
        labels = np.full(len(values), "all") if groups is None else np.asarray(groups)
        if labels.shape != (len(values),):
            raise InputError("groups", f"have one label a row of X ({len(values)})", labels.shape)
        self._flag(asked)
        level = self._levels(values, self.space_.dose(asked))
        return {label: level[labels == label].mean(axis=0) for label in np.unique(labels).tolist()}

    def supported(self, doses: Any) -> NDArray[np.bool_]:
        """Whether each dose lies in the middle 99 % of what was given: any other is an extrapolation."""
        asked = self.space_.dose(self.space_.check(doses))
        inside: NDArray[np.bool_] = (asked >= self.range_[0]) & (asked <= self.range_[1])
        return inside

    def _flag(self, doses: Any) -> None:
        """Warn of doses that were hardly ever given."""
        far = ~self.supported(doses)
        if far.any():
            low, high = self.range_
            named = ", ".join(self.space_.names(np.asarray(doses)[far])[:5])
            message = (
                f"{named} lie outside of [{low:.4g}, {high:.4g}], where 99 % of the doses were: the answer is an extrapolation"
            )
            warnings.warn(message, ExtrapolationWarning, stacklevel=3)

    def _learn(self, data: Sample) -> None:
        dose = self.space_.dose(data.treatment)
        if dose.min() == dose.max():
            raise InputError("the dose", "vary", f"{dose[0]:g} in every row", fix="log at least two amounts")
        how = self.training or usual_training()
        order = np.arange(len(data)) if data.groups is None else np.argsort(data.groups, kind="stable")
        self.order_ = canonical(data.X)
        X, y, t = data.X[order][:, self.order_], data.y[order], dose[order]
        w = np.ones(len(y)) if data.weight is None else data.weight[order] / data.weight.mean()
        self.range_ = np.quantile(dose, [(1 - RANGE) / 2, (1 + RANGE) / 2])
        ends = self.space_.dose(np.append(self.space_.candidates(), [self.space_.control]))
        low, high = min(float(dose.min()), float(ends.min())), max(float(dose.max()), float(ends.max()))
        self.scale_ = {"low": low, "wide": high - low, "middle": y.mean(axis=0), "spread": y.std(axis=0)}
        inputs = Inputs.learn(X, BINS)
        self.inputs_ = inputs.parts()
        parts = (inputs.positions(X), (t - low) / (high - low), (y - self.scale_["middle"]) / self.scale_["spread"], w)
        columns = [torch.from_numpy(np.ascontiguousarray(part, np.float32)) for part in parts]
        groups = None if data.groups is None else np.unique(data.groups[order], return_inverse=True)[1]
        inside, outside = split(np.zeros(len(y), np.int64), how.held, self.seed, groups)
        held, kept = ([column[torch.from_numpy(rows)] for column in columns] for rows in (outside, inside))
        held = [column.to(device_of(how.device)) for column in held]
        net = self._built(X.shape[1], inputs.slots)

        def judge() -> torch.Tensor:
            return (held[3][:, None] * (net.level(held[0], held[1]) - held[2]) ** 2).mean()

        plan = how.plan(len(kept[0]), self.seed)
        self.losses_ = list(train(net, net.loss, kept, plan, judge=judge).losses)
        self.weights_ = {name: value.detach().cpu().numpy().copy() for name, value in net.state_dict().items()}

    def _built(self, features: int, slots: int) -> DoseNet:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            return self._net(features, slots, len(self.metrics_))

    def _levels(self, X: Floats, doses: Floats) -> Floats:
        """Levels at doses, (n, doses, m), in the metrics' units."""
        inputs = Inputs(**self.inputs_)
        net = self._built(X.shape[1], inputs.slots)
        net.load_state_dict({name: torch.from_numpy(np.asarray(value)) for name, value in self.weights_.items()})
        net = net.double()  # so that a row's answer does not depend on its company
        u = torch.from_numpy(inputs.positions(X[:, self.order_]).astype(np.float64))
        scaled = ((doses - self.scale_["low"]) / self.scale_["wide"]).tolist()
        level: Floats = levels_at(net, u, scaled).numpy() * self.scale_["spread"] + self.scale_["middle"]
        return level

    def _answer(self, X: Floats, treatment: NDArray[Any]) -> tuple[Floats, Floats, None]:
        self._flag(treatment)
        amounts = np.append(self.space_.dose(np.asarray([self.space_.control])), self.space_.dose(treatment))
        level = self._levels(X, amounts)
        return level[:, 1:] - level[:, :1], level[:, 0].copy(), None
