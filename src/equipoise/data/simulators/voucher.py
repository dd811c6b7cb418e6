"""A voucher world: cash of 0 to ``high`` for coming, a response that saturates, and the truth.

    P(came | x, t) = base(x) + (0.95 - base(x)) reach(x) (1 - exp(-t / scale(x)))
    base  = 0.5 exp(-distance / 2)      those who live near come anyway
    scale = 0.3 + 0.3 distance  (USD)   those who live far need more
    reach = 0.9 under 40 years, else 0.6
    minutes = 10 + 5 distance + noise where came, else 0        a second, continuous amount
    paid = t where came

Amounts are 0 with probability ``control`` and else uniform over the levels, or over (0, high] where
``continuous``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from equipoise.core.arrays import Floats
from equipoise.core.errors import InputError
from equipoise.core.log import Log, Outcome, Roles
from equipoise.core.truth import Truth
from equipoise.treatments import Dose

LEVELS = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
OUTCOMES = (Outcome("came", "binary"), Outcome("minutes", "amount", unit="min"))
FEATURES = ("distance", "age", "noise")


def make_voucher_world(
    n: int = 10_000,
    *,
    levels: Sequence[float] = LEVELS,
    control: float = 0.2,
    continuous: bool = False,
    seed: int = 0,
) -> tuple[Log, Truth]:
    """Draw rows of the voucher world: cash for coming, a response that saturates, and the truth.

    Parameters
    ----------
    n : int, default 10000
        Rows.
    levels : sequence of float, default (0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
        Amounts > 0 in USD; the largest ends the interval.
    control : float, default 0.2
        The share that is offered nothing, in (0, 1).
    continuous : bool, default False
        Whether amounts are drawn from the whole interval instead of the levels.
    seed : int, default 0
        Of the draw.

    Returns
    -------
    log : Log
        What the experiment recorded.
    truth : Truth
        The expected outcome of every unit at every level.

    Examples
    --------
    >>> log, truth = make_voucher_world(1000)
    >>> log.space.describe(), truth.levels.shape
    ('a dose in [0, 3] USD; candidates 0.5, 1, 1.5, 2, 2.5, 3; control is 0', (1000, 7, 2))
    """
    amounts = np.unique(np.asarray(levels, np.float64))
    if amounts.size == 0 or amounts[0] <= 0 or not 0 < control < 1:
        raise InputError(
            "levels and control",
            "be amounts > 0 and a share in (0, 1)",
            f"{list(levels)} and {control}",
        )
    rng = np.random.default_rng(seed)
    x = {
        "distance": rng.gamma(2, 1, n),
        "age": rng.integers(18, 70, n).astype(np.float64),
        "noise": rng.standard_normal(n),
    }
    offered = amounts[-1] * (1 - rng.random(n)) if continuous else rng.choice(amounts, n)
    dose = np.where(rng.random(n) < control, 0.0, offered)
    came = rng.random(n) < _comes(x, dose[:, None])[:, 0]
    minutes = np.where(came, 10 + 5 * x["distance"] + rng.exponential(5, n), 0.0)
    space = Dose(0, float(amounts[-1]), levels=amounts.tolist(), unit="USD")
    share = _shares(space, continuous, control)
    table = {
        **x,
        "dose": dose,
        "came": came.astype(np.int64),
        "minutes": minutes,
        "paid": dose * came,
    }
    roles = Roles(
        "dose", OUTCOMES, FEATURES, claimed="came", cost="paid", design=tuple(share.tolist())
    )
    cells = np.concatenate([[0.0], amounts])
    comes = _comes(x, cells[None, :])  # (n, K)
    expected = np.stack([comes, comes * (15 + 5 * x["distance"])[:, None]], axis=2)
    names = (*space.names([0.0]), *space.names(amounts))
    truth = Truth(
        expected,
        np.broadcast_to(share, comes.shape),
        comes[:, 1:] * amounts,
        ("came", "minutes"),
        names,
    )
    return Log(pa.table(table), roles, space), truth


def _comes(x: dict[str, Floats], dose: Floats) -> Floats:
    """The probability to come, (n, K).   dose: (n or 1, K)."""
    base = 0.5 * np.exp(-x["distance"] / 2)[:, None]
    scale = (0.3 + 0.3 * x["distance"])[:, None]
    reach = np.where(x["age"] < 40, 0.9, 0.6)[:, None]
    comes: Floats = base + (0.95 - base) * reach * (1 - np.exp(-dose / scale))
    return comes


def _shares(space: Dose, continuous: bool, control: float) -> Floats:
    """The probability of each cell, (K,): equal over levels, or as long as the stretch of amounts
    nearest to each level.
    """
    amounts = space.candidates()
    edges = np.concatenate([[0.0], (amounts[1:] + amounts[:-1]) / 2, [amounts[-1]]])
    parts = np.diff(edges) / amounts[-1] if continuous else np.full(len(amounts), 1 / len(amounts))
    return np.concatenate([[control], (1 - control) * parts])
