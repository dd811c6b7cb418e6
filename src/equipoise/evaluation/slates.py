"""The value of a ranking policy on logged slates: L slots, each with an item and a reward.

w_il = pi(item in slot l of slate i) / e(the same), given the items above it where policies draw
slot after slot, r_il the reward of the slot.  What users do decides what may be assumed, and with
it the variance:

    joint            sum_l r_l prod_all w          anything; variance grows with L
    cascade          sum_l r_l prod_{j <= l} w_j   a slot's reward depends on those above it
                                                   (McInerney et al. 2020, arXiv:2007.12986)
    independent      sum_l r_l w_l                 a slot's reward depends on its own item, with w_l
                                                   of the slot alone (Li et al. 2018)
    pseudo_inverse   (sum_l r_l)(1 + sum_l (w_l - 1))   the slate's reward adds up over slots that
                                                   both policies fill independently (Swaminathan et
                                                   al. 2017, arXiv:1605.04812)

Each is also self-normalised: weights over their mean, slot by slot.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from equipoise.core.arrays import Floats
from equipoise.core.effective_size import effective_units
from equipoise.core.errors import InputError
from equipoise.core.estimates import Estimates, around
from equipoise.core.weights import check_weights

Weights = Callable[[Floats], Floats]


def _joint(w: Floats) -> Floats:
    joint: Floats = np.repeat(w.prod(axis=1, keepdims=True), w.shape[1], axis=1)
    return joint


def _cascade(w: Floats) -> Floats:
    above: Floats = np.cumprod(w, axis=1, dtype=np.float64)
    return above


def _independent(w: Floats) -> Floats:
    return w


def _pseudo_inverse(w: Floats) -> Floats:
    return np.repeat(1 + (w - 1).sum(axis=1, keepdims=True), w.shape[1], axis=1)


SLATE_METHODS: dict[str, Weights] = {
    "joint": _joint,
    "cascade": _cascade,
    "independent": _independent,
    "pseudo_inverse": _pseudo_inverse,
}


def slate_value(
    reward: Any,
    evaluation: Any,
    behaviour: Any,
    *,
    method: str = "cascade",
    self_normalised: bool = False,
    discount: Any = None,
    groups: Any = None,
    weight: Any = None,
    level: float = 0.95,
) -> Estimates:
    """What the slates of another policy would have earned, per slate.

    Parameters
    ----------
    reward : array-like, (n, L)
        The reward of each slot, as clicks.
    evaluation : array-like, (n, L)
        The probability with which the policy to value would put the logged item into the slot:
        given the items above it, or for "independent" and "pseudo_inverse" of the slot alone.
    behaviour : array-like, (n, L)
        The same of the policy that was logged, in (0, 1].
    method : {"joint", "cascade", "independent", "pseudo_inverse"}, default "cascade"
        What a slot's reward may depend on.
    self_normalised : bool, default False
        Weights over their mean, slot by slot: less variance, and a bias that vanishes with n.
    discount : array-like, (L,), optional
        The worth of a reward in each slot; None: 1.
    groups : array-like, (n,), optional
        Labels of clusters, such as users.
    weight : array-like, (n,), optional
        Of the slates, > 0.
    level : float, default 0.95
        Of the intervals.

    Returns
    -------
    Estimates, (L + 1,)
        The value of each slot, discounted, and last that of the slate, which is their sum.

    Raises
    ------
    InputError
        Where shapes differ, or a probability lies outside [0, 1], with its slate and slot.

    References
    ----------
    McInerney et al. (2020), "Counterfactual evaluation of slate recommendations with sequential
    reward interactions", KDD; Swaminathan et al. (2017), "Off-policy evaluation for slate
    recommendation", NeurIPS; Li et al. (2018), "Offline evaluation of ranking policies with click
    models", KDD.

    Examples
    --------
    >>> clicks = [[1, 0], [0, 0], [0, 1], [1, 1]]
    >>> same = [[0.5, 0.5]] * 4
    >>> slate_value(clicks, same, same).value.tolist()
    [0.5, 0.5, 1.0]
    """
    r, pi, e = (np.asarray(part, np.float64) for part in (reward, evaluation, behaviour))
    _check(r, pi, e)
    if method not in SLATE_METHODS:
        raise InputError("method", f"be one of {', '.join(SLATE_METHODS)}", repr(method))
    slots = np.ones(r.shape[1]) if discount is None else np.asarray(discount, np.float64)
    if slots.shape != r.shape[1:]:
        raise InputError("discount", f"have one number per slot, ({r.shape[1]},)", slots.shape)
    given = check_weights(weight, len(r), "weight")
    mass = np.ones(len(r)) if given is None else given
    codes = None if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    w = SLATE_METHODS[method](pi / e)
    rows = w * r
    if self_normalised:
        mean = np.average(w, axis=0, weights=mass)
        if (mean <= 0).any():
            must, fix = "be above 0 on average", "give self_normalised=False"
            raise InputError("the weights of a slot", must, f"{mean.min():g}", fix=fix)
        value = np.average(rows, axis=0, weights=mass) / mean
        rows = value + (rows - w * value) / mean  # linearised: the mean of these is the value
    rows = rows * slots
    rows = np.column_stack([rows, rows.sum(axis=1)])
    mean = np.average(rows, axis=0, weights=mass)
    units = effective_units(mass, groups=None if codes is None else codes.astype(np.int64))
    return around(mean, *units.errors(rows - mean), level=level)


def _check(reward: Floats, evaluation: Floats, behaviour: Floats) -> None:
    """Same shapes (n, L), rewards finite, probabilities in their range."""
    if reward.ndim != 2 or reward.size == 0:
        raise InputError("reward", "have shape (n, L)", reward.shape)
    for name, part in (("evaluation", evaluation), ("behaviour", behaviour)):
        if part.shape != reward.shape:
            raise InputError(name, f"have the shape of reward, {reward.shape}", part.shape)
    rules = (
        ("reward", reward, np.isfinite(reward), "be finite"),
        ("evaluation", evaluation, (evaluation >= 0) & (evaluation <= 1), "lie in [0, 1]"),
        ("behaviour", behaviour, (behaviour > 0) & (behaviour <= 1), "lie in (0, 1]"),
    )
    for name, part, good, must in rules:
        if not good.all():
            row, slot = (int(i) for i in np.argwhere(~good)[0])
            raise InputError(name, must, f"{part[row, slot]:g}", f"slate {row}, slot {slot}")
