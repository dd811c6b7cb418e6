"""What the console's pages need of a service: small structs, and a protocol that gives them.

Times are in seconds since 1970, money in the budget's currency.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from equipoise.serving.explorer.states import ExplorerState


class Status(msgspec.Struct, kw_only=True):
    """What is served.

    Attributes
    ----------
    policy : str
        Its name.
    snapshot : str
        The id of what is live; "" where nothing is.
    candidate : str, default ""
        The id of what shares the traffic.
    since : float, default 0.0
        When the live one was published.
    killed : bool, default False
        Whether everybody gets control.
    shares : dict of str to float, default {}
        Of the holdout, the candidate and exploration.
    """

    policy: str
    snapshot: str
    candidate: str = ""
    since: float = 0.0
    killed: bool = False
    shares: dict[str, float] = {}


class LiveDecision(msgspec.Struct, frozen=True):
    """A decision as a line: when (``at``), for whom (``unit``), what it got (``candidate``), why
    (``reason``, in words ``text``), with what chance, by which score, and whether it is in an
    estimate (``counts``).
    """

    at: float
    unit: str
    candidate: str
    reason: str
    text: str
    probability: float
    score: float | None
    counts: bool
    id: str


class Minute(msgspec.Struct):
    """What was decided in a minute: how many got each cell (``cells``) and why (``reasons``), and
    what was ``spent`` and ``reserved``.
    """

    at: float
    cells: dict[str, int] = {}
    reasons: dict[str, int] = {}
    spent: float = 0.0
    reserved: float = 0.0
    slow: float = 0.0  # the longest from a request to its record, in seconds


class Live(msgspec.Struct, kw_only=True):
    """What happens now: the last decisions, the newest first, and the last minutes, the oldest
    first; ``cells``: control and the candidates, in the policy's order; ``now``: when.
    """

    now: float
    cells: list[str]
    decisions: list[LiveDecision]
    minutes: list[Minute]


class Money(msgspec.Struct, kw_only=True):
    """The budget of the present period: its money, and its ``start`` and length in ``seconds``."""

    total: float
    left: float
    leased: float
    reserved: float
    spent: float
    currency: str = ""
    start: float = 0.0
    seconds: float = 0.0


class Alarm(msgspec.Struct, frozen=True):
    """What a monitor says: which (``monitor``), of what (``column``), in words, since when."""

    monitor: str
    column: str
    text: str
    since: float = 0.0


class WatchedRow(msgspec.Struct, frozen=True):
    """A figure that a monitor looks at: which (``monitor``), of what (``column``), over which
    ``span``, its ``value``, what it is without a change (``expected``), the chance of one so far
    off, of how many (``n``), and whether that is an alarm.
    """

    monitor: str
    column: str
    span: str
    value: float
    expected: float
    p: float
    n: int
    alarm: bool


class Watched(msgspec.Struct, kw_only=True):
    """What monitors say: alarms, the figures behind them, and up to when they looked."""

    alarms: list[Alarm] = []
    rows: list[WatchedRow] = []
    until: float = 0.0


class Version(msgspec.Struct, kw_only=True):
    """A snapshot that is there: its id, when it was made, of how many known units, and the
    ``channel`` that it is on, "" for none.
    """

    snapshot: str
    made: float
    units: int = 0
    version: str = ""
    channel: str = ""


class Change(msgspec.Struct, kw_only=True):
    """A line of the audit: a change of a channel, or, without one, something else that was set."""

    at: float
    action: str
    by: str
    channel: str = ""
    snapshot: str = ""
    previous: str = ""
    sequence: int = 0


class UnitLine(msgspec.Struct, frozen=True):
    """Something of a unit's history, in words: what happened (``what``) and ``details``."""

    at: float
    what: str
    details: str
    id: str = ""


class UnitView(msgspec.Struct, kw_only=True):
    """A unit: whether its effects are known ahead, what an operator set for it, and its history,
    the newest first.
    """

    unit: str
    known: bool | None = None
    override: str | None = None
    lines: list[UnitLine] = []


class ConsoleData(Protocol):
    """What a service tells the console, and lets it change; every call may block for a while, and
    may raise an `EquipoiseError`, which the page shows.
    """

    def status(self) -> Status:
        """What is served."""

    def live(self) -> Live:
        """What happens now."""

    def money(self) -> Money | None:
        """The budget; None without one."""

    def watched(self) -> Watched | None:
        """What monitors say; None where none runs."""

    def versions(self) -> list[Version]:
        """The snapshots that are there, the newest first."""

    def changes(self) -> list[Change]:
        """The audit, the newest first."""

    def unit(self, unit: str) -> UnitView:
        """A unit's history; nothing is decided or enrolled by asking."""

    def explorer(self) -> ExplorerState | None:
        """The explorer of the live snapshot; None where its run left no units."""

    def promote(self, expect: str, by: str) -> None:
        """Make the candidate live, if it still is ``expect``."""

    def rollback(self, to: str, by: str) -> None:
        """Make a snapshot live that was so before."""

    def kill(self, on: bool, by: str) -> None:
        """Give everybody control, or no longer."""
