"""Search for new schedules: which to try, and which to bring to fresh traffic.

    Search      one schedule after another on live traffic: rules prune a schedule, and none is
                asked for twice, before a trial costs traffic
    propose     a Gaussian process learns values of schedules that were tested, is searched for
                free, and names candidates that are spread out: a harder search finds the
                surrogate's errors, and candidates side by side share them
    shortlist   the same choice among the schedules that were tested

What is proposed is no estimate: `operations.claims.confirm` makes one, with fresh traffic.

    k(u, v) = s^2 exp(-sum_j (u_j - v_j)^2 / (2 l_j^2)),    y_i = f(u_i) + N(0, std_error_i^2)
    u = log total, log count, log interval and the waves, in widths of the bounds
    candidates in order of E[f], each at least `spread` times half of the length scales l from
    those before

Rasmussen & Williams (2006), Gaussian Processes for Machine Learning, algorithm 2.1.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel

from equipoise.core.arrays import Floats, Ints
from equipoise.core.display import shown
from equipoise.core.errors import InputError
from equipoise.core.folds import check_seed
from equipoise.operations.bounds import Bounds, Rules, bounds_of, check_room, rules_of
from equipoise.operations.ways import WAYS, Way
from equipoise.treatments.strategy import NUMBERS, PARTS, as_numbers, check_strategies

ALIKE = 1e-3  # of each bound's width: nearer ones are one schedule
PATIENCE = 200  # points in a row that a way may waste before one is drawn at random
LEAST = 5  # tested schedules of a surrogate
SHORTEST, LONGEST = 0.1, 3.0  # length scales, in widths of the bounds
UNIT = 0.5  # length scales: a spread of 1 is a correlation of 0.88 at most
TINY = 1e-6  # yuan
ROOMS = 12  # halvings of the spread, until enough candidates have room


@shown
@dataclass(frozen=True)
class Trials:
    """Schedules that had traffic of their own, with what they were worth.

    Parameters
    ----------
    schedules : array, (s, 3) or (s, 7)
        Total, count and interval; with the two waves or without.
    value : array, (s,)
        What is to be large, such as the effect on return less a price times the cost.
    std_error : array, (s,)
        Of the values, > 0.
    cost : array, (s,), optional
        Expected yuan a user and day, for the rule ``cost_per_head``.

    Raises
    ------
    InputError
        Where lengths differ, or a number is not finite.

    Examples
    --------
    >>> len(Trials([[1.2, 4, 3.0], [2.4, 4, 3.0]], [0.01, 0.02], [0.01, 0.01]))
    2
    """

    schedules: Floats
    value: Floats
    std_error: Floats
    cost: Floats | None = None

    def __post_init__(self) -> None:
        values = as_numbers(self.schedules)
        check_strategies(values, lambda row: f"row {row}")
        object.__setattr__(self, "schedules", values)
        for name in ("value", "std_error", "cost"):
            if name == "cost" and self.cost is None:
                continue
            column = np.asarray(getattr(self, name), np.float64)
            object.__setattr__(self, name, column)
            if column.shape != (len(values),):
                must = f"have one entry per schedule ({len(values)})"
                raise InputError(f"{name} of tested schedules", must, f"shape {column.shape}")
            bad = ~np.isfinite(column) | ((column <= 0) & (name == "std_error"))
            if bad.any():
                row = int(np.argmax(bad))
                must = "be finite" + (" and > 0" if name == "std_error" else "")
                what = f"{name} of a tested schedule"
                raise InputError(what, must, column[row], f"row {row}", "mend or drop the row")

    def __len__(self) -> int:
        return len(self.value)

    def take(self, rows: Ints) -> Trials:
        """Some of them.

        Parameters
        ----------
        rows : array of int, (r,)
            Which, in this order.

        Returns
        -------
        Trials
            Those.
        """
        cost = None if self.cost is None else self.cost[rows]
        return Trials(self.schedules[rows], self.value[rows], self.std_error[rows], cost)


@shown
@dataclass(frozen=True)
class Proposals:
    """Candidates for fresh traffic; their values are the surrogate's, and no estimates.

    Attributes
    ----------
    schedules : array, (k, 7)
        Total, count, interval and waves.
    value, std_error : array, (k,)
        What the surrogate says of them.
    spread : float
        The least distance between two of them, in halves of length scales, that left room for
        all.
    tries : int
        Schedules that were looked at.
    refusals : dict of str to int
        Points that each rule, or a schedule before, refused.

    Examples
    --------
    >>> one = np.array([[1.2, 4, 3.0, 0, 0, 0, 0]])
    >>> Proposals(one, np.array([0.02]), np.array([0.01]), 1.0, 600, {"last": 3}).menu()
    {'new1': [1.2, 4.0, 3.0, 0.0, 0.0, 0.0, 0.0]}
    """

    schedules: Floats
    value: Floats
    std_error: Floats
    spread: float
    tries: int
    refusals: dict[str, int]

    def menu(self, prefix: str = "new") -> dict[str, list[float]]:
        """Name them, for the menu of a `Schedule` space.

        Parameters
        ----------
        prefix : str, default "new"
            Of the names.

        Returns
        -------
        dict of str to list of float
            Seven numbers each.
        """
        return {f"{prefix}{i + 1}": one.tolist() for i, one in enumerate(self.schedules)}


@shown
class Search:
    """A search that asks for one schedule after another.

    Parameters
    ----------
    bounds : Bounds or mapping
        Where schedules may lie.
    rules : Rules or mapping, optional
        What no schedule may do.
    way : str, default "genetic"
        A name of `WAYS`.
    tries : int, default 600
        How many schedules will be asked for.
    cost : callable, optional
        The expected cost (k,) of schedules (k, 7), for the rule ``cost_per_head``.
    seed : int, default 0
        Of the walk.

    Raises
    ------
    InputError
        Where rules leave nothing within the bounds.

    Examples
    --------
    >>> search = Search({"total": [0.3, 3.0]}, {"last": 20.0}, "random", tries=3)
    >>> for _ in range(3):
    ...     schedule = search.ask()
    ...     search.tell(-abs(schedule[0] - 1.0))
    >>> search.schedules.shape
    (3, 7)
    """

    _shown_names = ("bounds", "rules", "schedules", "values", "refusals")

    def __init__(
        self,
        bounds: Bounds | Mapping[str, Any],
        rules: Rules | Mapping[str, Any] | None = None,
        way: str = "genetic",
        tries: int = 600,
        *,
        cost: Callable[[Floats], Floats] | None = None,
        seed: int = 0,
    ) -> None:
        check_seed(seed)
        if not isinstance(tries, int) or isinstance(tries, bool) or tries < 1:
            raise InputError("tries", "be a whole number >= 1", repr(tries))
        self.bounds, self.rules, self._cost = bounds_of(bounds), rules_of(rules), cost
        check_room(self.bounds, self.rules if cost is None else self._without_cost(), seed)
        self._way: Way = WAYS.load(way)(self.bounds, tries, seed)
        self._rng = np.random.default_rng([seed, 1])
        self._known: set[bytes] = set()
        self._asked: list[Floats] = []
        self._values: list[float] = []
        self._by_way = False
        self.refusals: dict[str, int] = {}

    @property
    def schedules(self) -> Floats:
        """The schedules whose values were told, (s, 7)."""
        return np.array(self._asked[: len(self._values)]).reshape(-1, len(NUMBERS))

    @property
    def values(self) -> Floats:
        """Their values, (s,)."""
        return np.array(self._values)

    def ask(self) -> Floats:
        """The next schedule to try.

        Returns
        -------
        array, (7,)
            One that rules allow and that was not asked for before.

        Raises
        ------
        InputError
            Where the value of the last one was not told, or none is left.
        """
        if len(self._asked) > len(self._values):
            raise InputError("a search", "be told the last value first", "ask() twice")
        for attempt in range(2 * PATIENCE):
            self._by_way = attempt < PATIENCE
            point = self._way.point() if self._by_way else self._rng.random(len(NUMBERS))
            if point is None:
                break
            schedule = self.bounds.schedules(point[None])
            if self._refusal(schedule) is None:
                self._asked.append(schedule[0])
                return self._asked[-1]
            if self._by_way:
                self._way.heard(None)
        must, fix = "leave a schedule that was not tried", "widen the bounds, or ask for fewer"
        raise InputError("the search's bounds", must, f"none after {len(self._asked)}", fix=fix)

    def tell(self, value: float) -> None:
        """Say what the last schedule was worth.

        Parameters
        ----------
        value : float
            Finite; large is good.

        Raises
        ------
        InputError
            Where none was asked for, or the value is not finite.
        """
        if len(self._asked) == len(self._values) or not np.isfinite(value):
            raise InputError("a search", "be told one finite value for each ask()", repr(value))
        self._values.append(float(value))
        if self._by_way:
            self._way.heard(float(value))

    def _refusal(self, schedule: Floats) -> str | None:
        """The rule that refuses a schedule (1, 7), counted, or None."""
        cost = None if self._cost is None else self._cost(schedule)
        refusals = self.rules.refusals(schedule, self.bounds.window, cost)
        key = np.rint(self.bounds.cube(schedule)[0] / ALIKE).astype(np.int64).tobytes()
        why = next((name for name, hit in refusals.items() if hit[0]), None)
        if why is None and key in self._known:
            why = "tried before"
        if why is None:
            self._known.add(key)
        else:
            self.refusals[why] = self.refusals.get(why, 0) + 1
        return why

    def _without_cost(self) -> Rules:
        """The rules that need no model of the cost."""
        return Rules(self.rules.packet, self.rules.last, self.rules.gap, None, self.rules.never)


class Surrogate:
    """A Gaussian process of values over the unit cube of the bounds.

    Parameters
    ----------
    trials : Trials
        What it learns from.
    bounds : Bounds
        Whose cube.
    seed : int
        Of the starts of its settings.
    """

    def __init__(self, trials: Trials, bounds: Bounds, seed: int) -> None:
        self._bounds, self._free = bounds, bounds.free
        self._mean = float(np.average(trials.value, weights=trials.std_error**-2.0))
        self._unit = max(float(trials.value.std()), float(trials.std_error.mean()))
        scales = RBF(np.full(len(self._free), 0.5), (SHORTEST, LONGEST))
        self._model = GaussianProcessRegressor(
            ConstantKernel(0.5, (1e-3, 10.0)) * scales,
            alpha=np.square(trials.std_error / self._unit),
            n_restarts_optimizer=2,
            random_state=seed,
        )
        with warnings.catch_warnings():  # a number that says nothing has the longest scale
            warnings.simplefilter("ignore", ConvergenceWarning)
            self._model.fit(
                self._points(trials.schedules), (trials.value - self._mean) / self._unit
            )
        self.scales = np.atleast_1d(self._model.kernel_.k2.length_scale)

    def __call__(self, schedules: Floats) -> tuple[Floats, Floats]:
        """Mean and standard error of the value of schedules (k, 7), (k,) each."""
        mean, error = self._model.predict(self._points(schedules), return_std=True)
        return self._mean + self._unit * mean, self._unit * error

    def places(self, schedules: Floats) -> Floats:
        """Schedules (k, 7) in units of spread, (k, f)."""
        out: Floats = self._points(schedules) / (UNIT * self.scales)
        return out

    def _points(self, schedules: Floats) -> Floats:
        """In the cube, but total, count and interval by their logs: returns to money diminish."""
        values, (low, high) = np.array(schedules, np.float64), self._bounds.edges
        ratio = np.log(np.where(high > low, high, np.e * low)[:PARTS] / low[:PARTS])
        points = self._bounds.cube(values)
        points[:, :PARTS] = np.log(values[:, :PARTS] / low[:PARTS]) / ratio
        return points[:, self._free]


SURROGATES: dict[str, Callable[[Trials, Bounds, int], Surrogate]] = {"gp": Surrogate}


def propose(
    trials: Trials,
    bounds: Bounds | Mapping[str, Any],
    rules: Rules | Mapping[str, Any] | None = None,
    *,
    way: str = "genetic",
    surrogate: str = "gp",
    tries: int = 600,
    take: int = 16,
    spread: float = 1.0,
    seed: int = 0,
) -> Proposals:
    """Candidates for fresh traffic, found by a search of a surrogate of tested schedules.

    Parameters
    ----------
    trials : Trials
        Schedules with their values on traffic.
    bounds : Bounds or mapping
        Where new ones may lie.
    rules : Rules or mapping, optional
        What none may do; with costs of the tested ones, ``cost_per_head`` is asked of a surrogate
        of the cost.
    way : str, default "genetic"
        A name of `WAYS`.
    surrogate : str, default "gp"
        A name of `SURROGATES`.
    tries : int, default 600
        Schedules that the search looks at.
    take : int, default 16
        Candidates.
    spread : float, default 1.0
        The least distance between two candidates, in halves of the surrogate's length scales;
        halved until all have room.  0 takes the best as they come.
    seed : int, default 0
        Of the search.

    Returns
    -------
    Proposals
        By falling value of the surrogate.

    Raises
    ------
    InputError
        Where too few were tested, or rules leave nothing within the bounds.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> totals = rng.uniform(0.3, 3, 12)
    >>> trials = Trials([[t, 4, 2.0] for t in totals], -np.square(totals - 2), np.full(12, 0.1))
    >>> flat = Bounds(count=(4, 4), interval=(2, 2))
    >>> best = propose(trials, flat, way="random", tries=50, take=1)
    >>> bool(abs(best.schedules[0, 0] - 2) < 0.2)
    True
    """
    model, where = _surrogate(trials, bounds, surrogate, seed)
    cost = None
    if trials.cost is not None:
        spent = Trials(
            trials.schedules, trials.cost, np.full(len(trials), max(trials.cost.std() / 10, TINY))
        )
        expected = Surrogate(spent, where, seed)
        cost = lambda schedules: expected(schedules)[0]  # noqa: E731
    search = Search(where, rules, way, tries, cost=cost, seed=seed)
    if take < 1 or take > tries:
        raise InputError("take", f"lie in 1..{tries}, the tries", take)
    for _ in range(tries):
        search.tell(float(model(search.ask()[None])[0][0]))
    value, error = model(search.schedules)
    rows, room = spread_out(value, model.places(search.schedules), take, spread)
    asked = search.schedules[rows]
    return Proposals(asked, value[rows], error[rows], room, tries, search.refusals)


def shortlist(
    trials: Trials,
    bounds: Bounds | Mapping[str, Any],
    *,
    surrogate: str = "gp",
    take: int = 5,
    spread: float = 0.5,
    seed: int = 0,
) -> Ints:
    """Which tested schedules to check on fresh traffic.

    Parameters
    ----------
    trials : Trials
        Schedules with their values on traffic.
    bounds : Bounds or mapping
        Within which they were searched for.
    surrogate : str, default "gp"
        A name of `SURROGATES`, which smooths their noise.
    take : int, default 5
        How many.
    spread : float, default 0.5
        As of `propose`; they are few, and fresh traffic will tell.
    seed : int, default 0
        Of the surrogate.

    Returns
    -------
    array of int, (take,)
        Rows of ``trials``.

    Examples
    --------
    >>> totals = np.linspace(0.3, 3, 12)
    >>> trials = Trials([[t, 4, 2.0] for t in totals], totals, np.full(12, 0.1))
    >>> int(shortlist(trials, Bounds(count=(4, 4), interval=(2, 2)), take=1)[0])
    11
    """
    model, _ = _surrogate(trials, bounds, surrogate, seed)
    if not 1 <= take <= len(trials):
        raise InputError("take", f"lie in 1..{len(trials)}, the tested schedules", take)
    value, _ = model(trials.schedules)
    return spread_out(value, model.places(trials.schedules), take, spread)[0]


def spread_out(value: Floats, places: Floats, take: int, spread: float) -> tuple[Ints, float]:
    """The ``take`` rows of largest value that are ``spread`` apart, best first, and the distance
    that left room for them.   value: (k,); places: (k, f).
    """
    order = np.argsort(-value, kind="stable")
    for halved in range(ROOMS + 1):
        room = spread / 2**halved if halved < ROOMS else 0.0
        rows: list[int] = []
        for row in order:
            if not rows or np.linalg.norm(places[rows] - places[row], axis=1).min() >= room:
                rows.append(int(row))
            if len(rows) == take:
                return np.array(rows, np.int64), room
    raise InputError("take", f"be at most {len(value)}", take)


def _surrogate(trials: Trials, bounds: Any, name: str, seed: int) -> tuple[Surrogate, Bounds]:
    if name not in SURROGATES:
        raise InputError("surrogate", f"be one of {', '.join(SURROGATES)}", repr(name))
    if len(trials) < LEAST:
        fix = "bring random schedules to traffic first"
        raise InputError("tested schedules", f"be {LEAST} or more", len(trials), fix=fix)
    where = bounds_of(bounds)
    if not where.free:
        raise InputError("the search's bounds", "let some number vary", "none", fix="widen one")
    return SURROGATES[name](trials, where, seed), where
