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
from equipoise.serving.engine.controls import Control
from equipoise.serving.engine.recent import unit_hash
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

    prices: dict[str, float] | None | msgspec.UnsetType = msgspec.UNSET
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


def add_admin(app: FastAPI, worker: Worker) -> None:
    """Add these routes."""
    audit = Operations(worker.state / "operations.sqlite")
    publish_body, promote_body = Body(PublishRequest), Body(PromoteRequest)
    rollback_body, kill_body = Body(RollbackRequest), Body(KillRequest)
    override_body, prices_body = Body(OverrideRequest), Body(PricesRequest)

    def who(request: Request) -> str:
        return str(request.state.token.name if request.state.token.digest else "this machine")

    async def moved(request: Request, change: Any) -> Response:
        """Change a channel beside the event loop, then take what it says."""
        channel = await asyncio.to_thread(change, by=who(request), redis=worker.redis_units())
        await worker.take_channels()
        names = ChannelAnswer.__struct_fields__
        return reply(ChannelAnswer(**{name: getattr(channel, name) for name in names}))

    def controlled(
        request: Request, what: str, about: dict[str, Any], control: Control
    ) -> Response:
        audit.add(Operation(at=time.time(), by=who(request), what=what, about=about))
        return reply(
            ControlAnswer(
                sequence=control.sequence,
                kill=control.kill,
                overrides=len(control.overrides),
                prices=control.prices,
                shares=control.shares,
            )
        )

    @app.post("/admin/publish")
    async def publishing(request: Request) -> Response:
        asked = publish_body(await request.body())
        id = State(worker.state).one(asked.snapshot)
        change = partial(
            publish,
            worker.state,
            id,
            channel=asked.channel,
            expect_sequence=asked.expect_sequence,
            replace_candidates=asked.replace_candidates,
        )
        return await moved(request, change)

    @app.post("/admin/promote")
    async def promoting(request: Request) -> Response:
        also = promote_body(await request.body()).replace_candidates
        return await moved(request, partial(promote, worker.state, replace_candidates=also))

    @app.post("/admin/rollback")
    async def rolling_back(request: Request) -> Response:
        to = rollback_body(await request.body()).to
        id = None if to is None else State(worker.state).one(to)
        return await moved(request, partial(rollback, worker.state, to=id))

    @app.post("/admin/kill")
    async def killing(request: Request) -> Response:
        on = kill_body(await request.body()).on
        return controlled(request, "kill", {"on": on}, operator.kill(worker.engine, on))

    @app.post("/admin/override")
    async def overriding(request: Request) -> Response:
        asked = override_body(await request.body())
        control = operator.override(worker.engine, asked.unit, asked.candidate)
        about = {"unit": unit_hash(asked.unit).hex(), "candidate": asked.candidate}
        return controlled(request, "override", about, control)

    @app.post("/admin/prices")
    async def pricing(request: Request) -> Response:
        asked = prices_body(await request.body())
        if asked.prices is msgspec.UNSET and not asked.shares:
            raise InputError("a change of prices", "name prices or shares", "neither")
        about: dict[str, Any] = {}
        control = worker.engine.now.control
        if asked.shares:
            control = operator.change_shares(worker.engine, asked.shares)
            about["shares"] = asked.shares
        if not isinstance(asked.prices, msgspec.UnsetType):
            control = operator.set_prices(worker.engine, asked.prices)
            about["prices"] = asked.prices
        return controlled(request, "prices", about, control)

    @app.get("/admin/audit")
    async def audited() -> Response:
        rows = await asyncio.to_thread(_audit, audit, State(worker.state).audit)
        return reply(rows)


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
