"""DeepEstimator: what all nets of effects share; a subclass names its net.

    fit      features -> positions (`neural.inputs`); outcomes -> scale; rows split, arm by arm,
    into those that train and
             those that stop; one training loop
    effects  levels of every arm, back in the metrics' units; their differences

Outcomes are standardised by control rows.  An amount (never negative, spread wider than its mean)
is learnt as the logarithm of 1 + 10 y / mean under control, the same in any unit, and brought back
by exp.  Then levels are calibrated, arm by arm: what the arm's own rows show on average is what
they are said to show.  That takes one number per arm and metric, a shift, or for an amount a
factor: Duan's (1983) smearing.  In an experiment the average effect is then the regression-adjusted
one (Lin, 2013), however wrong the net.  Every arm weighs alike, however few its rows.  Rows and
columns go in a canonical order (by groups where given; by what they hold), so that their order does
not matter.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import asdict
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.deprecation import renamed_arguments
from equipoise.core.errors import InputError
from equipoise.core.space import Space
from equipoise.estimators.base import EffectEstimator, finite_cells
from equipoise.estimators.training_data import Sample
from equipoise.learners.nested_params import NestedParams
from equipoise.neural.nets import Net, Rows, Shape, ask, build, fit, weights_of, with_weights
from equipoise.neural.piecewise_linear import Inputs
from equipoise.neural.train import Diverged, NoGain, Training

MOST_STEPS = 100  # in an epoch, about, where the batch is not said
SMALLEST, LARGEST = 128, 4096  # of such a batch
# the mean amount of control in units of the logarithm: it is ten times what counts as nearly none
STRETCH = 10.0
BLOCK = 65_536  # rows that are asked at once


class NetTraining(BaseEstimator):  # type: ignore[misc]
    """How a net is trained: Adam on batches, until a held-out loss stops falling.

    Parameters
    ----------
    epochs : int, default 100
        At most so many passes over the training rows.
    batch : int, optional
        Rows per step; None gives about 100 steps per epoch, of 128 to 4096 rows.
    rate : float, default 2e-3
        The step size of Adam.
    decay : float, default 1e-3
        The L2 penalty of Adam.
    patience : int, default 8
        Epochs without a better held-out loss before training stops; the best weights stay.
    held : float, default 0.2
        The share of rows held out to decide that, in (0, 1).
    amounts : bool, default True
        Whether amounts (never negative, spread wider than their mean) are learnt as log(1 + y).
    device : str, default "cpu"
        "cpu", "cuda", or "auto" for what there is.

    Examples
    --------
    >>> NetTraining(epochs=20).plan(rows=50_000, seed=0).batch
    512
    """

    def __init__(
        self,
        epochs: int = 100,
        batch: int | None = None,
        rate: float = 2e-3,
        decay: float = 1e-3,
        patience: int = 8,
        held: float = 0.2,
        amounts: bool = True,
        device: str = "cpu",
    ) -> None:
        self.epochs = epochs
        self.batch = batch
        self.rate = rate
        self.decay = decay
        self.patience = patience
        self.held = held
        self.amounts = amounts
        self.device = device

    def plan(self, rows: int, seed: int) -> Training:
        """The settings of one training on a number of rows.

        Parameters
        ----------
        rows : int
            How many rows train.
        seed : int
            Of the batches.

        Returns
        -------
        Training
            What the training loop takes.

        Raises
        ------
        InputError
            ``held`` is no share in (0, 1).
        """
        if not 0 < self.held < 1:
            raise InputError("held", "be a share in (0, 1)", self.held)
        batch = (
            int(np.clip(2 ** round(np.log2(max(rows / MOST_STEPS, 1))), SMALLEST, LARGEST))
            if self.batch is None
            else self.batch
        )
        return Training(
            self.rate, self.decay, batch, self.epochs, NoGain(self.patience), seed, self.device
        )


@renamed_arguments(seed="random_state")
class DeepEstimator(EffectEstimator):
    """Base of the nets of effects.

    A subclass makes a net, and stores further arguments where it has some.

    Parameters
    ----------
    width : int, default 16
        Width of an embedding and of the last layers.
    training : NetTraining, optional
        How the net is trained; None for the defaults of `NetTraining`.
    space : Space, optional
        What can be done to a unit; None for labels 0 and 1.
    random_state : int, default 0
        Of first weights, batches and the held-out rows.
    transform : transformer or Pipeline, optional
        Scikit-learn's, of the features; a clone is fitted on each fold's training rows.
    """

    takes = "finite: Arms, or Dose by its bins"
    slots = NestedParams.slots | {"training": NetTraining}
    unit_free = True
    joint = True  # metrics are learnt together, so that one may move another

    def __init__(
        self,
        width: int = 16,
        *,
        training: NetTraining | None = None,
        space: Space | None = None,
        random_state: int = 0,
        transform: Any = None,
    ) -> None:
        self.width = width
        self.training = training
        self.space = space
        self.random_state = random_state
        self.transform = transform

    @abstractmethod
    def _net(self, shape: Shape) -> Net:
        """The net for a shape."""

    def _learn(self, data: Sample) -> None:
        how = self._how
        cell = finite_cells(self.space_, data, least=2)
        order = (
            np.arange(len(data)) if data.groups is None else np.argsort(data.groups, kind="stable")
        )
        self.order_ = canonical(data.X)
        X, cell = data.X[order][:, self.order_], cell[order]
        weight = arm_weights(cell, None if data.weight is None else data.weight[order])
        inputs = Inputs.learn(X)
        self.inputs_ = inputs.parts()
        # an amount has its zero, which standard units have not
        amount = amounts(data.y if data.levels is None else data.levels) & how.amounts
        y = data.y if data.levels is None else np.where(amount, data.levels, data.y)
        y = y[order]
        self.scale_ = learn_scale(y, cell, amount)
        rows = Rows(inputs.positions(X), cell, scaled(y, self.scale_), weight, self.metrics_)
        groups = (
            None if data.groups is None else np.unique(data.groups[order], return_inverse=True)[1]
        )
        keep, holdout = split(cell, how.held, self.random_state, groups)
        self.shape_ = asdict(
            Shape(X.shape[1], inputs.slots, int(cell.max()), y.shape[1], self.width)
        )
        try:
            self._hold(
                self._train_net(
                    rows.take(keep), rows.take(holdout), how.plan(len(keep), self.random_state)
                ),
                rows,
                y,
            )
        except Diverged as error:
            # the error is raised all the same; whoever catches it may ask what was good so far
            if error.has_weights:
                self._hold(cast(Net, error.net), rows, y)
            raise

    def _hold(self, net: Net, rows: Rows, y: Floats) -> None:
        """Keep what was learnt."""
        self.weights_ = weights_of(net)
        self._calibrate(net, rows, y)

    def _train_net(self, rows: Rows, holdout: Rows, how: Training) -> Net:
        """A net that has learnt."""
        net = build(self._net, Shape(**self.shape_), self.random_state)
        history = fit(net, rows, holdout, how)
        self.losses_ = list(history.losses)
        return net

    def _calibrate(self, net: Net, rows: Rows, y: Floats) -> None:
        """What is added to the levels of an arm, or multiplies them, (1 + k, m) each."""
        log, level = self.scale_["log"], ask(net, rows.u, self._how.device)
        self.scale_ |= {"factor": np.ones(level.shape[1:]), "shift": np.zeros(level.shape[1:])}
        for a in range(level.shape[1]):
            inside, one = rows.arm == a, {"factor": np.ones(y.shape[1]), "shift": 0.0}
            pair = unscaled(level[inside, a], self.scale_ | one), y[inside]
            predicted_mean, mean = (
                np.average(part, axis=0, weights=rows.weight[inside]) for part in pair
            )
            self.scale_["factor"][a] = np.where(
                log, (self.scale_["unit"] + mean) / (self.scale_["unit"] + predicted_mean), 1.0
            )
            self.scale_["shift"][a] = np.where(log, 0.0, mean - predicted_mean)

    @property
    def _how(self) -> NetTraining:
        return self.training or NetTraining()

    def _answer(self, X: Floats, treatment: NDArray[Any]) -> tuple[Floats, Floats, None]:
        net = with_weights(build(self._net, Shape(**self.shape_), self.random_state), self.weights_)
        inputs, cell = Inputs(**self.inputs_), self.space_.cells(treatment)
        values, baseline = (
            np.empty((len(X), len(cell), len(self.metrics_))),
            np.empty((len(X), len(self.metrics_))),
        )
        for low in range(0, len(X), BLOCK):
            part = slice(low, low + BLOCK)
            level = unscaled(
                ask(net, inputs.positions(X[part][:, self.order_]), self._how.device), self.scale_
            )
            level = np.where(self.scale_["log"], self.outcome_units.standard(level), level)
            values[part], baseline[part] = level[:, cell] - level[:, :1], level[:, 0]
        return values, baseline, None


def canonical(X: Floats) -> Ints:
    """An order of the features that depends on what they hold, and neither on their names nor on
    where they stand.
    """
    values = np.where(np.isnan(X), 0.0, X)
    return np.lexsort((values.std(axis=0), values.mean(axis=0)))


def arm_weights(cell: Ints, weight: Floats | None) -> Floats:
    """Weights of rows, (n,), of mean 1, such that every arm weighs alike."""
    each = np.ones(len(cell)) if weight is None else weight
    total = np.bincount(cell, each)
    weights: Floats = each / total[cell] * (len(cell) / len(total))
    return weights


def split(cell: Ints, share: float, seed: int, groups: Ints | None) -> tuple[Ints, Ints]:
    """Rows that train and rows that stop: a share of each arm, at least one row and never all;
    clusters stay whole.
    """
    rng = np.random.default_rng(seed)
    if groups is not None and groups.max() + 1 < len(cell):
        holdout = rng.random(int(groups.max()) + 1)[groups] < share
        return np.flatnonzero(~holdout), np.flatnonzero(holdout)
    draw, holdout = rng.permutation(len(cell)), np.zeros(len(cell), np.bool_)
    for a in range(int(cell.max()) + 1):
        rows = draw[cell[draw] == a]
        holdout[rows[: max(1, int(share * len(rows)))]] = True
    return np.flatnonzero(~holdout), np.flatnonzero(holdout)


def amounts(y: Floats) -> Bools:
    """Which metrics are amounts, (m,): never negative, spread wider than their mean, more than two
    values.   y: (n, m), in its own units.
    """
    between = ((y > y.min(axis=0)) & (y < y.max(axis=0))).any(axis=0)  # two values have no tail
    amount: Bools = (y.min(axis=0) >= 0) & (y.std(axis=0) > y.mean(axis=0)) & between
    return amount


def learn_scale(y: Floats, cell: Ints, log: Bools) -> dict[str, Any]:
    """Per metric, by control rows: whether it is learnt as a logarithm, (m,), the unit of that, its
    middle and its spread.
    """
    mean = np.where(y[cell == 0].any(axis=0), y[cell == 0].mean(axis=0), y.mean(axis=0))
    scale = {"log": log, "unit": np.where(log, mean / STRETCH, 1.0), "middle": 0.0, "spread": 1.0}
    z = scaled(y, scale)
    spread = np.where(np.ptp(z[cell == 0], axis=0) > 0, z[cell == 0].std(axis=0), z.std(axis=0))
    return scale | {
        "middle": z[cell == 0].mean(axis=0),
        "spread": np.where(spread > 0, spread, 1.0),
    }


def scaled(y: Floats, scale: dict[str, Any]) -> Floats:
    """Outcomes (n, m) as a net learns them."""
    z = np.where(scale["log"], np.log1p(np.where(scale["log"], y, 0.0) / scale["unit"]), y)
    standard: Floats = (z - scale["middle"]) / scale["spread"]
    return standard


def unscaled(level: Floats, scale: dict[str, Any]) -> Floats:
    """Levels (n, 1 + k, m) in the metrics' units."""
    values: Floats = level * scale["spread"] + (scale["middle"] + scale["shift"])
    log = scale["log"]
    if log.any():
        values[..., log] = (np.exp(values[..., log]) * scale["factor"][..., log] - 1) * scale[
            "unit"
        ][log]
    return values
