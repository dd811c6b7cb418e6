"""Nets of a dose: what VCNet and DRNet share; a subclass names its net.

Doses are brought to [0, 1] by the bounds of the space, outcomes are standardised, features become
positions (`neural.inputs`). The answer is the mean of a few nets; for each another fifth of the
rows decides when to stop, so that nearly all rows teach. `curve` says the average level at each
dose for all rows or for groups of them.
"""

from __future__ import annotations

import warnings
from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from equipoise.core.arrays import Floats, Ints
from equipoise.core.deprecation import renamed_arguments
from equipoise.core.errors import InputError
from equipoise.core.space import Space
from equipoise.core.user_line import user_level
from equipoise.estimators.base import EffectEstimator
from equipoise.estimators.deep.base import NetTraining, canonical, split
from equipoise.estimators.training_data import Sample
from equipoise.learners.nested_params import NestedParams
from equipoise.neural.piecewise_linear import Inputs
from equipoise.neural.train import device_of, seeded, train
from equipoise.neural.varying_coefficients import DoseNet, levels_at

BINS = 3  # of a feature: curves are learnt from few rows
EPOCHS, WIDTH = 400, 24
RANGE = 0.99  # of the training doses: what lies beyond their middle 99 % is an extrapolation


class ExtrapolationWarning(UserWarning):
    """An answer for a dose that was hardly ever given.

    Examples
    --------
    >>> issubclass(ExtrapolationWarning, UserWarning)
    True
    """


def usual_training(epochs: int = EPOCHS) -> NetTraining:
    """How nets of a dose are trained where nothing is said, for so many epochs at most."""
    return NetTraining(epochs=min(epochs, EPOCHS), batch=512, rate=0.01, decay=0.01, patience=30)


@renamed_arguments(seed="random_state")
class DoseNetEstimator(EffectEstimator):
    """Base of the nets of a dose.

    Parameters
    ----------
    width : int, default 24
        Width of the layers.
    targeted : bool, default False
        Whether functional targeted regularisation is used.
    density : float, default 0.05
        Weight of the dose's log-density.
    nets : int, default 3
        How many nets are trained; the answer is their mean.
    training : NetTraining, optional
        How each net is trained; amounts are not learnt as logarithms.
    space : Space
        A Dose, which must be given.
    random_state : int, default 0
        Of first weights, batches and the held-out rows.
    transform : transformer or Pipeline, optional
        Scikit-learn's, of the features; a clone is fitted on each fold's training rows.
    """

    takes = "an interval of amounts: Dose"
    slots = NestedParams.slots | {"training": NetTraining}
    unit_free = True
    joint = True

    def __init__(
        self,
        width: int = WIDTH,
        targeted: bool = False,
        density: float = 0.05,
        nets: int = 3,
        *,
        training: NetTraining | None = None,
        space: Space | None = None,
        random_state: int = 0,
        transform: Any = None,
    ) -> None:
        self.width = width
        self.targeted = targeted
        self.density = density
        self.nets = nets
        self.training = training
        self.space = space
        self.random_state = random_state
        self.transform = transform

    @abstractmethod
    def _net(self, features: int, slots: int, metrics: int) -> DoseNet:
        """The net for a shape."""

    def curve(self, X: Any, doses: Any = None, groups: Any = None) -> dict[Any, Floats]:
        """The average dose-response of groups of rows.

        Parameters
        ----------
        X : array-like, (n, d)
            The features of fit.
        doses : array-like, (k,), optional
            Amounts of the space; by default its candidates.
        groups : array-like, (n,), optional
            A label per row; None makes one group, "all".

        Returns
        -------
        dict
            The mean level of each label's rows, (k, m), in the metrics' units.

        Raises
        ------
        InputError
            ``groups`` has another length than X.

        Warns
        -----
        ExtrapolationWarning
            A dose lies beyond the middle 99 % of those given.
        """
        values, treatments = self._inputs(X, doses)
        labels = np.full(len(values), "all") if groups is None else np.asarray(groups)
        if labels.shape != (len(values),):
            raise InputError("groups", f"have one label per row of X ({len(values)})", labels.shape)
        self._flag(treatments)
        level = self.outcome_units.levels(self._levels(values, self.space_.dose(treatments)))
        return {label: level[labels == label].mean(axis=0) for label in np.unique(labels).tolist()}

    def supported(self, doses: Any) -> NDArray[np.bool_]:
        """Whether each dose lies in the middle 99 % of the training doses.

        The answer for any other is an extrapolation.

        Parameters
        ----------
        doses : array-like, (k,)
            Amounts of the space.

        Returns
        -------
        array of bool, (k,)
            False for an extrapolation.
        """
        amounts = self.space_.dose(self.space_.check(doses))
        inside: NDArray[np.bool_] = (amounts >= self.range_[0]) & (amounts <= self.range_[1])
        return inside

    def _flag(self, doses: Any) -> None:
        """Warn of doses that were hardly ever given."""
        far = ~self.supported(doses)
        if far.any():
            low, high = self.range_
            named = ", ".join(self.space_.names(np.asarray(doses)[far])[:5])
            message = (
                f"{named} lie outside of [{low:.4g}, {high:.4g}], where 99 % of the doses were: the"
                " answer is an extrapolation"
            )
            warnings.warn(message, ExtrapolationWarning, stacklevel=user_level())

    def _learn(self, data: Sample) -> None:
        dose = self.space_.dose(data.treatment)
        if dose.min() == dose.max():
            raise InputError(
                "the dose", "vary", f"{dose[0]:g} in every row", fix="log at least two amounts"
            )
        if not isinstance(self.nets, int | np.integer) or self.nets < 1:
            raise InputError("nets", "be a whole number >= 1", self.nets)
        order = (
            np.arange(len(data)) if data.groups is None else np.argsort(data.groups, kind="stable")
        )
        self.order_ = canonical(data.X)
        X, y, t = data.X[order][:, self.order_], data.y[order], dose[order]
        w = np.ones(len(y)) if data.weight is None else data.weight[order] / data.weight.mean()
        self.range_ = np.quantile(
            t, [(1 - RANGE) / 2, (1 + RANGE) / 2], weights=w, method="inverted_cdf"
        )
        ends = self.space_.dose(np.append(self.space_.candidates(), [self.space_.control]))
        low, high = (
            min(float(dose.min()), float(ends.min())),
            max(float(dose.max()), float(ends.max())),
        )
        middle = np.average(y, axis=0, weights=w)
        spread = np.sqrt(np.average((y - middle) ** 2, axis=0, weights=w))
        self.scale_: dict[str, Any] = {
            "low": low,
            "wide": high - low,
            "middle": middle,
            "spread": spread,
        }
        inputs = Inputs.learn(X, BINS)
        self.inputs_ = inputs.parts()
        parts = (inputs.positions(X), (t - low) / (high - low), (y - middle) / spread, w)
        columns = [torch.from_numpy(np.ascontiguousarray(part, np.float32)) for part in parts]
        groups = (
            None if data.groups is None else np.unique(data.groups[order], return_inverse=True)[1]
        )
        seeds: list[int] = (
            np.random.default_rng(self.random_state).integers(2**31, size=self.nets).tolist()
        )
        results = [self._train_net(columns, inputs.slots, groups, seed) for seed in seeds]
        self.weights_, self.losses_ = (
            [weights for weights, _ in results],
            [losses for _, losses in results],
        )

    def _train_net(
        self, columns: list[torch.Tensor], slots: int, groups: Ints | None, seed: int
    ) -> tuple[dict[str, NDArray[Any]], list[float]]:
        """One net: its weights, and its held-out losses.   columns: positions, doses in [0, 1],
        outcomes, weights.
        """
        how, net = self.training or usual_training(), self._build(columns[0].shape[1], slots, seed)
        columns = [columns[0], net.encode(columns[1]), *columns[2:]]
        inside, outside = split(np.zeros(len(columns[0]), np.int64), how.held, seed, groups)
        holdout, rest = (
            [column[torch.from_numpy(rows)] for column in columns] for rows in (outside, inside)
        )
        u, code, y, w = (column.to(device_of(how.device)) for column in holdout)

        def judge() -> torch.Tensor:
            return (w @ (net.answer(net.represent(u), code) - y).square()).mean() / len(y)

        losses = train(
            net, net.loss, rest, how.plan(len(rest[0]), seed), judge=judge, mixed=False
        ).losses
        return {
            name: value.detach().cpu().numpy().copy() for name, value in net.state_dict().items()
        }, list(losses)

    def _build(self, features: int, slots: int, seed: int = 0) -> DoseNet:
        with seeded(seed):
            return self._net(features, slots, len(self.metrics_))

    def _levels(self, X: Floats, doses: Floats) -> Floats:
        """Levels at doses, (n, doses, m), in standard units: the mean of the nets."""
        inputs = Inputs(**self.inputs_)
        # so that a row's answer does not depend on its company
        net = self._build(X.shape[1], inputs.slots).double()
        u = torch.from_numpy(inputs.positions(X[:, self.order_]).astype(np.float64))
        scaled = ((doses - self.scale_["low"]) / self.scale_["wide"]).tolist()
        level: Floats = np.zeros((len(X), len(doses), len(self.metrics_)))
        for weights in self.weights_:
            net.load_state_dict(
                {name: torch.from_numpy(np.asarray(value)) for name, value in weights.items()}
            )
            level += levels_at(net, u, scaled).numpy() / len(self.weights_)
        outcomes: Floats = level * self.scale_["spread"] + self.scale_["middle"]
        return outcomes

    def _answer(self, X: Floats, treatment: NDArray[Any]) -> tuple[Floats, Floats, None]:
        self._flag(treatment)
        amounts = np.append(
            self.space_.dose(np.asarray([self.space_.control])), self.space_.dose(treatment)
        )
        level = self._levels(X, amounts)
        return level[:, 1:] - level[:, :1], level[:, 0].copy(), None
