"""BanditNet and POEM: policies learnt from logged choices by inverse propensities alone.

A rival of effects, not a way we advise: it knows no treatment that was not logged, and its value
rests on the few rows whose choice it repeats, so the effective sample is always told beside it.

    score(x, k) = a(x)' b(phi_k) + c(phi_k),      pi(k | x) = softmax_k score(x, k)
    w_i = pi(t_i | x_i) / e_i
    BanditNet   maximise mean_i w_i (r_i - lambda)  for each lambda of a grid, which solves
                "maximise sum w r subject to mean w = S" for some S
    POEM        maximise mean_i min(w_i, M) r_i - c sqrt(var / n)
    SNIPS = sum w r / sum w on held-out rows chooses;    effective share = (sum w)^2 / (n sum w^2)

Joachims, Swaminathan & de Rijke (2018), Deep learning with logged bandit feedback, ICLR;
Swaminathan & Joachims (2015), The self-normalized estimator for counterfactual learning, NIPS.

n rows, d features, K arms with p features each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.errors import InputError
from equipoise.core.folds import check_seed
from equipoise.neural.layers import mlp
from equipoise.neural.train import Training, limit_threads, numbers, seeded, train

SHIFTS = (-2.0, -1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0)  # of lambda, in deviations of rewards
CLIPS, STRENGTHS = (2.0, 10.0), (0.1, 1.0)  # M and c of POEM
SUPPORTED = "estimate of held-out rows"
UNSUPPORTED = "extrapolation of a scorer, no support"
OWN_STREAM = 2018  # of the seed: whoever drew the rows by the same seed drew other numbers
THIN = 0.2  # an effective share below it decides nothing without fresh traffic


@dataclass(frozen=True)
class Setting:
    """What one scorer maximises.

    Parameters
    ----------
    shift : float, optional
        lambda, in standard deviations from the mean reward; None is lambda = 0, plain inverse
        propensities.
    clip : float, optional
        The most that a row weighs, M; None clips nothing.
    variance : float, default 0.0
        The strength c of POEM's penalty.

    Examples
    --------
    >>> Setting(shift=0.5)
    Setting(shift=0.5, clip=None, variance=0.0)
    """

    shift: float | None = None
    clip: float | None = None
    variance: float = 0.0


def translated() -> tuple[Setting, ...]:
    """The grid of BanditNet.

    Returns
    -------
    tuple of Setting
        One for each lambda.

    Examples
    --------
    >>> len(translated())
    8
    """
    return tuple(Setting(shift) for shift in SHIFTS)


def poem() -> tuple[Setting, ...]:
    """The grid of POEM.

    Returns
    -------
    tuple of Setting
        One for each pair of clip and strength.

    Examples
    --------
    >>> len(poem())
    4
    """
    return tuple(Setting(None, clip, c) for clip in CLIPS for c in STRENGTHS)


@dataclass(frozen=True)
class HeldOut:
    """What held-out rows say of a policy.

    Attributes
    ----------
    setting : Setting
        That it was learnt by.
    snips, std_error : float
        Its value by self-normalised weights, in units of the reward, and the delta method's error.
    weight : float
        The mean weight; far from 1 the policy avoids or seeks what was logged.
    effective_share : float
        The effective sample over the rows held out.

    Examples
    --------
    >>> HeldOut(Setting(), 1.0, 0.5, 1.0, 0.05).thin
    True
    """

    setting: Setting
    snips: float
    std_error: float
    weight: float
    effective_share: float

    @property
    def thin(self) -> bool:
        """Whether so few rows speak for it that only fresh traffic may decide."""
        return self.effective_share < THIN


@dataclass(frozen=True)
class BanditChoice:
    """Arms chosen for units.

    Attributes
    ----------
    arm : array of int, (n,)
        The arm of the largest score.
    supported : array of bool, (n,)
        Whether that arm was logged.
    label : str
        What the choice rests on, for the report.

    Examples
    --------
    >>> BanditChoice(np.array([0]), np.array([True]), SUPPORTED).label
    'estimate of held-out rows'
    """

    arm: Ints
    supported: Bools
    label: str


class Scorer(nn.Module):
    """score(x, k) of rows (B, d) and arms (K, p), (B, K)."""

    def __init__(self, d: int, p: int, width: int) -> None:
        super().__init__()
        self.units, self.arms = mlp(d, [width], width), mlp(p, [width], width + 1)

    def forward(self, x: Tensor, phi: Tensor) -> Tensor:
        """Scores, (B, K)."""
        b = self.arms(phi)
        scores: Tensor = self.units(x) @ b[:, :-1].T + b[:, -1]
        return scores


class BanditNet:
    """A policy from logged choices, by translated inverse propensities.

    Parameters
    ----------
    settings : sequence of Setting, optional
        Those tried, of which held-out SNIPS chooses; None is `translated()`; `poem()` is the other
        published grid, ``[Setting()]`` plain inverse propensities.
    width : int, default 16
        Of both towers of the scorer.
    held_out : float, default 0.25
        The share of rows that choose.
    epochs : int, default 25
        Passes over the rows.
    rate : float, default 0.01
        Of Adam.
    batch : int, default 1024
        Rows a step.
    seed : int, default 0
        Of what is held out, of the weights and of the batches.

    Attributes
    ----------
    held_out_ : list of HeldOut
        Of every setting.
    chosen_ : HeldOut
        Of the best one, whose effective share is to be told beside its value.

    References
    ----------
    Joachims, Swaminathan & de Rijke (2018), "Deep learning with logged bandit feedback", ICLR.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X, t = rng.normal(size=(2000, 1)), rng.integers(2, size=2000)
    >>> r = np.where(t == (X[:, 0] > 0), 1.0, 0.0)
    >>> net = BanditNet([Setting(0.0)], epochs=10).fit(X, t, r, np.full(2000, 0.5), np.eye(2))
    >>> net.choose(np.array([[-1.0], [1.0]])).arm.tolist()
    [0, 1]
    """

    def __init__(
        self,
        settings: Sequence[Setting] | None = None,
        *,
        width: int = 16,
        held_out: float = 0.25,
        epochs: int = 25,
        rate: float = 0.01,
        batch: int = 1024,
        seed: int = 0,
    ) -> None:
        self.settings, self.width, self.held_out = settings, width, held_out
        self.epochs, self.rate, self.batch, self.seed = epochs, rate, batch, seed

    def fit(self, X: Any, choice: Any, reward: Any, propensity: Any, arms: Any) -> Self:
        """Learn a policy by every setting, and keep the one that held-out rows favour.

        Parameters
        ----------
        X : array, (n, d)
            Features of units, finite.
        choice : array of int, (n,)
            The logged arms, in 0..K-1.
        reward : array, (n,)
            What came of it; large is good.
        propensity : array, (n,)
            The probability that the logged arm had, in (0, 1].
        arms : array, (K, p)
            Features of the arms, such as the encoding of a space.

        Returns
        -------
        BanditNet
            Itself.

        Raises
        ------
        InputError
            Naming the argument and the row of a value that is not allowed.
        """
        x, t, r, e, phi = _checked(X, choice, reward, propensity, arms)
        check_seed(self.seed)
        if not 0 < self.held_out < 1:
            raise InputError("held_out", "lie between 0 and 1", self.held_out)
        self.centre_, self.scale_ = x.mean(axis=0), _spread(x)
        self.arm_centre_, self.arm_scale_ = phi.mean(axis=0), _spread(phi)
        self.arms_, self.logged_ = phi, np.bincount(t, minlength=len(phi)) > 0
        out = np.random.default_rng([self.seed, OWN_STREAM]).random(len(x)) < self.held_out
        if out.all() or not out.any():
            raise InputError("rows", "be enough to hold some out", len(x))
        self.held_out_: list[HeldOut] = []
        nets: list[Scorer] = []
        for setting in translated() if self.settings is None else self.settings:
            self.scorer_ = self._learn(x[~out], t[~out], r[~out], e[~out], setting)
            nets.append(self.scorer_)
            weight = self.probabilities(x[out])[np.arange(out.sum()), t[out]] / e[out]
            self.held_out_.append(judge(weight, r[out], setting))
        if not nets:
            raise InputError("settings", "be one or more", 0)
        best = int(np.argmax([one.snips for one in self.held_out_]))
        self.scorer_, self.chosen_ = nets[best], self.held_out_[best]
        return self

    def scores(self, X: Any, arms: Any = None) -> Floats:
        """Scores of arms; only their order says anything.

        Parameters
        ----------
        X : array, (n, d)
            Features of units.
        arms : array, (K, p), optional
            Features of arms; None takes those of fit.

        Returns
        -------
        array, (n, K)
            The largest is chosen.
        """
        phi = self.arms_ if arms is None else np.asarray(arms, np.float64)
        z = (np.asarray(X, np.float64) - self.centre_) / self.scale_
        u = (phi - self.arm_centre_) / self.arm_scale_
        with torch.no_grad(), limit_threads(1):
            return np.asarray(self.scorer_(_tensor(z), _tensor(u)).numpy(), np.float64)

    def probabilities(self, X: Any) -> Floats:
        """The probability of each arm of fit.

        Parameters
        ----------
        X : array, (n, d)
            Features of units.

        Returns
        -------
        array, (n, K)
            Sums to 1.
        """
        score = self.scores(X)
        share = np.exp(score - score.max(axis=1, keepdims=True))
        out: Floats = share / share.sum(axis=1, keepdims=True)
        return out

    def choose(self, X: Any, arms: Any = None) -> BanditChoice:
        """The arm of the largest score for each unit.

        Parameters
        ----------
        X : array, (n, d)
            Features of units.
        arms : array, (K, p), optional
            Features of arms; None takes those of fit.  Arms that fit did not have, or that no row
            had, rest on no evidence, and the label says so.

        Returns
        -------
        BanditChoice
            Arms, and what they rest on.
        """
        arm = self.scores(X, arms).argmax(axis=1)
        known = self.logged_ if arms is None else _known(np.asarray(arms), self.arms_, self.logged_)
        supported = known[arm]
        return BanditChoice(arm, supported, SUPPORTED if supported.all() else UNSUPPORTED)

    def _learn(self, x: Floats, t: Ints, r: Floats, e: Floats, setting: Setting) -> Scorer:
        with seeded(self.seed):
            net = Scorer(x.shape[1], self.arms_.shape[1], self.width)
        unit = float(r.std()) or 1.0
        shift = 0.0 if setting.shift is None else r.mean() + setting.shift * unit
        columns = [
            _tensor((x - self.centre_) / self.scale_),
            torch.from_numpy(t),
            numbers((r - shift) / unit),
            numbers(e),
        ]
        phi = _tensor((self.arms_ - self.arm_centre_) / self.arm_scale_)

        def loss(z: Tensor, arm: Tensor, gain: Tensor, e: Tensor) -> Tensor:
            chance = torch.softmax(net(z, phi), dim=1)
            return objective(chance.gather(1, arm[:, None])[:, 0] / e, gain, setting)

        how = Training(self.rate, 1e-5, self.batch, self.epochs, stop=_never, seed=self.seed)
        train(net, loss, columns, how)
        return net


def objective(weight: Tensor, gain: Tensor, setting: Setting) -> Tensor:
    """What is minimised: minus the mean of weighted gains, and POEM's penalty.   weight, gain:
    (B,).
    """
    if setting.clip is not None:
        weight = weight.clamp(max=setting.clip)
    each = weight * gain
    value = -each.mean()
    if setting.variance > 0:
        value = value + setting.variance * torch.sqrt(each.var() / len(each) + 1e-12)
    return value


def judge(weight: Floats, reward: Floats, setting: Setting) -> HeldOut:
    """SNIPS, its error, the mean weight and the effective share of rows.   weight, reward: (n,)."""
    total, n = weight.sum(), len(weight)
    value = float((weight * reward).sum() / total)
    error = float(np.sqrt(np.square(weight * (reward - value)).sum()) / total)
    share = float(total**2 / (n * np.square(weight).sum()))
    return HeldOut(setting, value, error, float(weight.mean()), share)


def _never(losses: Sequence[float]) -> bool:
    return False


def _spread(columns: Floats) -> Floats:
    """Standard deviations, 1 for a constant, (d,)."""
    deviation = columns.std(axis=0)
    return np.where(deviation > 0, deviation, 1.0)


def _tensor(values: Floats) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))


def _known(arms: Any, known: Floats, logged: Bools) -> Bools:
    """Which arms (K, p) are logged ones of fit, (K,)."""
    same = (arms[:, None] == known[logged]).all(axis=2)
    out: Bools = same.any(axis=1)
    return out


def _checked(
    X: Any, choice: Any, reward: Any, propensity: Any, arms: Any
) -> tuple[Floats, Ints, Floats, Floats, Floats]:
    """The arguments of fit as arrays."""
    x, phi = np.asarray(X, np.float64), np.asarray(arms, np.float64)
    if x.ndim != 2 or phi.ndim != 2 or len(phi) < 2:
        must = "be (n, d), and arms (K, p) of two arms or more"
        raise InputError("X", must, f"shapes {x.shape} and {phi.shape}")
    t, r, e = np.asarray(choice), np.asarray(reward, float), np.asarray(propensity, float)
    for name, column in (("choice", t), ("reward", r), ("propensity", e)):
        if column.shape != (len(x),):
            must = f"have one entry per row of X ({len(x)})"
            raise InputError(name, must, f"shape {column.shape}")
    rules = (
        ("choice", f"be a whole number in 0..{len(phi) - 1}", ~np.isin(t, np.arange(len(phi))), t),
        ("reward", "be finite", ~np.isfinite(r), r),
        ("propensity", "lie in (0, 1]", ~((e > 0) & (e <= 1)), e),
        ("a feature of X", "be finite", ~np.isfinite(x).all(axis=1), x),
    )
    for name, must, bad, values in rules:
        if bad.any():
            row = int(np.argmax(bad))
            raise InputError(name, must, values[row], f"row {row}", "mend or drop the row")
    if not np.isfinite(phi).all():
        raise InputError("arms", "have finite features", "nan or inf")
    return x, t.astype(np.int64), r, e, phi
