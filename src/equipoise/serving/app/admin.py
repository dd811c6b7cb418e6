"""What an operator does over HTTP, and a row of the audit for each: who, what and when."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from fastapi import FastAPI, Request, Response

from equipoise.core.errors import InputError
from equipoise.serving.app.openapi import Route
from equipoise.serving.app.operations import Operation, Operations
from equipoise.serving.app.strict_json import Body
from equipoise.serving.app.views import reply
from equipoise.serving.engine import operator
from equipoise.serving.engine.controls import Control, set_shares
from equipoise.serving.engine.recent import unit_hash
from equipoise.serving.messages import Number
from equipoise.serving.snapshots.audit import read_audit
from equipoise.serving.snapshots.publish import promote, publish, rollback
from equipoise.serving.snapshots.state import State

if TYPE_CHECKING:
    from equipoise.serving.app.worker import Worker

LONG = 200  # rows of the audit


class PublishRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Publish a snapshot that was built in the state folder.

    Attributes
    ----------
    snapshot : str
        Its id, or its first digits.
    channel : {"live", "candidate"}
        For everybody, or for the share of traffic that a candidate has.
    expect_sequence : int, optional
        That of the channel as the caller saw it: 409 where somebody else was first.
    replace_candidates : bool
        Whether it may have other candidates than what is live.
    """

    snapshot: str
    channel: Literal["live", "candidate"] = "live"
    expect_sequence: int | None = None
    replace_candidates: bool = False


class PromoteRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Make live what is tried beside it.

    Attributes
    ----------
    replace_candidates : bool
        Whether it may have other candidates than what is live.
    """

    replace_candidates: bool = False


class RollbackRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Go back.

    Attributes
    ----------
    to : str, optional
        The id of an older snapshot, or its first digits; by default what was live before.
    """

    to: str | None = None


class KillRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Give everybody control (``on``), or stop doing so."""

    on: bool


class OverrideRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Set what one unit gets.

    Attributes
    ----------
    unit : str
        Whom.
    candidate : str or None
        Control's name or a candidate's; None: what the policy says.
    """

    unit: str
    candidate: str | None


class PricesRequest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Set prices of demands, or the shares of traffic.

    Attributes
    ----------
    prices : dict of str to float, optional
        By demand, in worth per unit of usage; null: those of the snapshot.
    shares : dict of str to float, optional
        Of "holdout", "share" and "explore", in [0, 1].
    """

    prices: dict[str, Number] | None | msgspec.UnsetType = msgspec.UNSET
    shares: dict[str, float] = {}


class ChannelAnswer(msgspec.Struct, kw_only=True):
    """What a channel says now.

    Attributes
    ----------
    snapshot : str
        The id of what is published on it.
    sequence : int
        How often it was changed.
    previous : str
        Where a rollback goes to.
    by : str
        Who changed it.
    at : float
        When, in seconds since 1970.
    """

    snapshot: str
    sequence: int
    previous: str
    by: str
    at: float


class ControlAnswer(msgspec.Struct, kw_only=True):
    """What is set now.

    Attributes
    ----------
    sequence : int
        How often it was changed.
    kill : bool
        Whether everybody gets control.
    overrides : int
        How many units have one.
    prices, shares : dict
        Those that were set.
    """

    sequence: int
    kill: bool
    overrides: int
    prices: dict[str, dict[str, float]]
    shares: dict[str, float]


def _post(path: str, summary: str, body: Any, answer: Any, example: Any) -> Route:
    return Route(f"/admin/{path}", "post", "operate", summary, body, answer, example, (409,))


ADMIN = (
    _post(
        "publish",
        "Publish a snapshot",
        PublishRequest,
        ChannelAnswer,
        {"snapshot": "3f9a", "channel": "candidate"},
    ),
    _post("promote", "Make what is tried live", PromoteRequest, ChannelAnswer, {}),
    _post("rollback", "Go back to what was live before", RollbackRequest, ChannelAnswer, {}),
    _post("kill", "Control for everybody", KillRequest, ControlAnswer, {"on": True}),
    _post(
        "override",
        "What one unit gets",
        OverrideRequest,
        ControlAnswer,
        {"unit": "user-1", "candidate": None},
    ),
    _post(
        "prices",
        "Prices of demands, shares of traffic",
        PricesRequest,
        ControlAnswer,
        {"prices": {"budget": 0.4}, "shares": {"holdout": 0.05}},
    ),
    Route(
        "/admin/audit",
        "get",
        "operate",
        "Who did what, the newest first",
        None,
        list[Operation],
    ),
)


class Admin:
    """These routes of one worker.

    Parameters
    ----------
    worker : Worker
        That is set.
    """

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.operations = Operations(worker.state / "operations.sqlite")
        self._publish, self._promote = Body(PublishRequest), Body(PromoteRequest)
        self._rollback, self._kill = Body(RollbackRequest), Body(KillRequest)
        self._override, self._prices = Body(OverrideRequest), Body(PricesRequest)

    async def publish(self, request: Request) -> Response:
        """A snapshot that was built."""
        asked = self._publish(await request.body())
        change = partial(
            publish,
            self.worker.state,
            State(self.worker.state).one(asked.snapshot),
            channel=asked.channel,
            expect_sequence=asked.expect_sequence,
            replace_candidates=asked.replace_candidates,
        )
        return await self._moved(request, change)

    async def promote(self, request: Request) -> Response:
        """What is tried becomes live."""
        also = self._promote(await request.body()).replace_candidates
        change = partial(promote, self.worker.state, replace_candidates=also)
        return await self._moved(request, change)

    async def rollback(self, request: Request) -> Response:
        """What was live before."""
        to = self._rollback(await request.body()).to
        id = None if to is None else State(self.worker.state).one(to)
        return await self._moved(request, partial(rollback, self.worker.state, to=id))

    async def kill(self, request: Request) -> Response:
        """Control for everybody."""
        on = self._kill(await request.body()).on
        return self._set(request, "kill", {"on": on}, operator.kill(self.worker.engine, on))

    async def override(self, request: Request) -> Response:
        """What one unit gets."""
        asked = self._override(await request.body())
        control = operator.override(self.worker.engine, asked.unit, asked.candidate)
        about = {"unit": unit_hash(asked.unit).hex(), "candidate": asked.candidate}
        return self._set(request, "override", about, control)

    async def prices(self, request: Request) -> Response:
        """Prices of demands, shares of traffic."""
        asked, engine = self._prices(await request.body()), self.worker.engine
        if isinstance(asked.prices, msgspec.UnsetType) and not asked.shares:
            raise InputError("a change of prices", "name prices or shares", "neither")
        about: dict[str, Any] = {}
        control = set_shares(engine.now.control, asked.shares)  # wrong ones change nothing
        if not isinstance(asked.prices, msgspec.UnsetType):
            control, about["prices"] = operator.set_prices(engine, asked.prices), asked.prices
        if asked.shares:
            control, about["shares"] = operator.change_shares(engine, asked.shares), asked.shares
        return self._set(request, "prices", about, control)

    async def audit(self) -> Response:
        """Who did what."""
        channels = State(self.worker.state).audit
        return reply(await asyncio.to_thread(_audit, self.operations, channels))

    async def _moved(self, request: Request, change: Any) -> Response:
        """Change a channel beside the event loop, then take what it says."""
        redis = self.worker.redis_units()
        channel = await asyncio.to_thread(change, by=_who(request), redis=redis)
        await self.worker.take_channels()
        names = ChannelAnswer.__struct_fields__
        return reply(ChannelAnswer(**{name: getattr(channel, name) for name in names}))

    def _set(
        self, request: Request, what: str, about: dict[str, Any], control: Control
    ) -> Response:
        """Note what was set, and say what is set now."""
        self.operations.add(Operation(at=time.time(), by=_who(request), what=what, about=about))
        return reply(
            ControlAnswer(
                sequence=control.sequence,
                kill=control.kill,
                overrides=len(control.overrides),
                prices=control.prices,
                shares=control.shares,
            )
        )


def add_admin(app: FastAPI, worker: Worker) -> None:
    """Add these routes."""
    admin = Admin(worker)
    for route in ADMIN:
        do = getattr(admin, route.path.rpartition("/")[2])
        app.add_api_route(route.path, do, methods=[route.method.upper()])


def _who(request: Request) -> str:
    """Whose token it was."""
    token = request.state.token
    return str(token.name) if token.digest else "this machine"


def _audit(audit: Operations, channels: Path) -> list[Operation]:
    """Operations and changes of channels as one list, the newest first."""
    changes = [
        Operation(
            at=float(row.pop("at")),
            by=str(row.pop("by")),
            what=str(row.pop("action")),
            about=row,
        )
        for row in read_audit(channels)
    ]
    return sorted([*changes, *audit.last(LONG)], key=lambda one: -one.at)[:LONG]
