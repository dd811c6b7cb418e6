"""What answers the explorer: state by snapshot, and pure functions from a question to an answer.

An answer depends on the question and the snapshot alone: workers share nothing and agree.  While a
slider moves, a sample of 5,000 units is looked at where all of them would take too long; when it is
let go, all of them.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from equipoise.allocation import Explorer
from equipoise.artifacts.explorer import ExplorerUnits, read_explorer
from equipoise.artifacts.explorer_terms import answer_of, explorer_terms
from equipoise.artifacts.plan_settings import policy_settings, with_settings
from equipoise.artifacts.policy import PLAN_PART
from equipoise.core.errors import InfeasibleError, InputError
from equipoise.serving.explorer.units import units_file
from equipoise.serving.snapshots.state import POLICY, SHOWN, State

KEPT = 2  # snapshots in memory
AT_ONCE = 120_000  # units; of more, a question while a slider moves is answered by the sample
HEAD = "# A plan with other settings, from the explorer of snapshot {id}: equipoise run PLAN.toml\n"


class ExploreRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Ask what other settings give.

    Attributes
    ----------
    weights : dict of str to float
        The worth of one unit of each metric; those of the plan where it is empty.
    bounds : dict of str to float or None
        The bound of each demand, as it was asked; None leaves it out.  Others keep their own, and
        those that the plan does not have are off.
    exact : bool, default True
        Whether all units are looked at; False while a slider moves.
    """

    weights: dict[str, float] = {}
    bounds: dict[str, float | None] = {}
    exact: bool = True


class DemandUse(msgspec.Struct):
    """A demand in the words it was asked in, and what the choice makes of it."""

    name: str
    kind: str
    unit: str
    rule: str
    bound: float
    used: float
    used_error: float
    price: float
    binding: bool


class ExploreAnswer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What other settings give, per unit.

    Attributes
    ----------
    snapshot : str
        Whose units.
    infeasible : str, default ""
        Why no choice meets the demands; nothing else is said then.
    units, of : int
        How many units were looked at, and of how many.
    value, bound, gap : float
        The worth, the most that any choice within the demands is worth, and how far the first is
        from it at most, as a share.
    counts : list of int
        How many units get control and each candidate.
    groups : dict of str to list of list of int
        The same by the labels of each audited column.
    values : dict of str to [mean, standard error]
        What is gained over control in everything that is scored.
    demands : list of DemandUse
        Each demand that counts.
    """

    snapshot: str
    infeasible: str = ""
    units: int = 0
    of: int = 0
    value: float = 0.0
    bound: float = 0.0
    gap: float = 0.0
    counts: list[int] = []
    groups: dict[str, list[list[int]]] = {}
    values: dict[str, list[float]] = {}
    demands: list[DemandUse] = []


@dataclass(frozen=True)
class ExplorerState:
    """What one snapshot's explorer needs.

    Attributes
    ----------
    snapshot : str
        The id.
    units : ExplorerUnits
        On which it looks.
    explorer : Explorer
        What answers.
    plan : str
        The text of the run's plan; "" where the snapshot has none.
    """

    snapshot: str
    units: ExplorerUnits
    explorer: Explorer
    plan: str = ""

    @cached_property
    def terms(self) -> dict[str, Any]:
        """What a page needs besides the answers."""
        return explorer_terms(self.units, self.explorer)


def read_state(state: Path | str, snapshot: str) -> ExplorerState | None:
    """The explorer of a snapshot.

    Parameters
    ----------
    state : path
        The state folder.
    snapshot : str
        The id.

    Returns
    -------
    ExplorerState or None
        None where its run left no units.

    Raises
    ------
    DataError
        Where the units cannot be read.
    """
    file = units_file(state, snapshot)
    if not file.is_file():
        return None
    units = read_explorer(file)
    plan = State(Path(state)).snapshot(snapshot) / POLICY / PLAN_PART
    text = plan.read_text(encoding="utf-8") if plan.is_file() else ""
    return ExplorerState(snapshot, units, units.explorer(), text)


class ExplorerStates:
    """The explorers of a service, those of the last snapshots that were asked for.

    Parameters
    ----------
    state : path
        The state folder.

    Examples
    --------
    >>> ExplorerStates("nowhere").get("ab12") is None
    True
    """

    def __init__(self, state: Path | str) -> None:
        self._state = Path(state)
        self._kept: OrderedDict[str, ExplorerState] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, snapshot: str) -> ExplorerState | None:
        """The explorer of a snapshot; None where its run left no units.

        Parameters
        ----------
        snapshot : str
            The id.

        Returns
        -------
        ExplorerState or None
            Read once, and kept while it is among the last that were asked for.
        """
        with self._lock:
            known = self._kept.pop(snapshot, None) or read_state(self._state, snapshot)
            if known is not None:
                self._kept[snapshot] = known
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
            return known


def explore(state: ExplorerState, request: ExploreRequest) -> ExploreAnswer:
    """Answer a question.

    Parameters
    ----------
    state : ExplorerState
        Of a snapshot.
    request : ExploreRequest
        The settings.

    Returns
    -------
    ExploreAnswer
        Demands that cannot hold together are an answer, too.

    Raises
    ------
    InputError
        Where a metric or a demand is unknown, or a bound is no finite number.
    """
    exact = request.exact or len(state.units) <= AT_ONCE
    weights, bounds = _asked(state, request)
    try:
        cost_weight = state.units.cost_weight_of(weights)
        point = state.explorer.point(weights, bounds, exact=exact, cost_weight=cost_weight)
    except InfeasibleError as error:
        return ExploreAnswer(snapshot=state.snapshot, infeasible=str(error))
    plain = answer_of(point) | {"snapshot": state.snapshot, "of": state.units.of or point.of}
    return msgspec.convert(plain, ExploreAnswer)


def plan_of(state: ExplorerState, request: ExploreRequest) -> str:
    """The run's plan with other settings, that ``equipoise run`` reads.

    Parameters
    ----------
    state : ExplorerState
        Of a snapshot.
    request : ExploreRequest
        The settings.

    Returns
    -------
    str
        TOML.

    Raises
    ------
    DataError
        Where the snapshot has no plan, or one in another form.
    InputError
        As `explore`, and where the demands cannot hold together.
    """
    if infeasible := explore(state, request).infeasible:
        raise InputError("a plan", "have demands that hold together", infeasible)
    weights, bounds = _asked(state, request)
    settings = policy_settings(state.units, state.explorer, weights, bounds)
    return HEAD.format(id=state.snapshot[:SHOWN]) + with_settings(state.plan, settings)


def _asked(
    state: ExplorerState, request: ExploreRequest
) -> tuple[dict[str, float], dict[str, float | None]]:
    """The weights and bounds of a question, with the plan's own where it says none."""
    weights = {name: float(w) for name, w in (request.weights or state.units.weights).items()}
    return weights, {**state.units.start(), **request.bounds}
