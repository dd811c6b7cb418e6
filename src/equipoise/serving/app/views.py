"""What is read, and what is forgotten: decisions, units, the policy in force, counters, docs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from equipoise.core.version import __version__
from equipoise.serving.app.openapi import Route
from equipoise.serving.app.paths import UNIT, unit_of
from equipoise.serving.app.problems import Refusal
from equipoise.serving.app.prometheus import MEDIA, Sums
from equipoise.serving.engine.history import decision_status, forget_unit, unit_history
from equipoise.serving.messages import DecisionStatus, UnitHistory
from equipoise.serving.monitors.beside import gauges as watched

if TYPE_CHECKING:
    from equipoise.serving.app.worker import Worker

_encode = msgspec.json.Encoder().encode


class Forgotten(msgspec.Struct):
    """How many decisions of a unit the index had: ``decisions``; older ones go from the log."""

    decisions: int


class PolicyAnswer(msgspec.Struct, kw_only=True):
    """What decides now.

    Attributes
    ----------
    policy : str
        Its name.
    snapshot : str
        The live one.
    candidate_snapshot : str or None
        The one that shares the traffic.
    published_at : float
        When the live one was, in seconds since 1970.
    cells : list of str
        Control first.
    metrics : list of str
        Of the effects, in order.
    weights : dict of str to float
        The worth of one unit of each metric.
    prices : dict of str to float
        Of each demand.
    holdout, share, explore : float
        Of the units: always control; decided by the candidate snapshot; drawn at random.
    killed : bool
        Whether everybody gets control.
    durability : str
        "process": an answered decision survives the death of the service, a power cut may lose the
        last 50 ms; "disk": it survives both.
    version : str
        Of equipoise.
    """

    policy: str
    snapshot: str
    candidate_snapshot: str | None
    published_at: float
    cells: list[str]
    metrics: list[str]
    weights: dict[str, float]
    prices: dict[str, float]
    holdout: float
    share: float
    explore: float
    killed: bool
    durability: str
    version: str


VIEWS = (
    Route(
        "/decisions/{id}",
        "get",
        "read",
        "A decision, and what came of it",
        None,
        DecisionStatus,
        statuses=(404, 422),
    ),
    Route(
        "/units/{unit}",
        "get",
        "read",
        "The decisions of a unit in the last hours; asking decides nothing",
        None,
        UnitHistory,
        statuses=(422,),
    ),
    Route(
        "/units/{unit}",
        "delete",
        "erase",
        "Forget a unit",
        None,
        Forgotten,
        statuses=(422,),
        text="From now on it is unknown; its records go from the log within the time that the"
        " settings name.",
    ),
    Route("/policy", "get", "read", "What decides now", None, PolicyAnswer),
    Route(
        "/metrics",
        "get",
        "read",
        "Counters of all workers, for Prometheus",
        None,
        str,
        media="text/plain",
    ),
    Route("/health/live", "get", "", "Whether the process answers", None, dict[str, str]),
    Route(
        "/health/ready",
        "get",
        "",
        "Whether requests are welcome",
        None,
        dict[str, str],
        statuses=(503,),
    ),
)


def reply(struct: Any, status: int = 200) -> Response:
    """A struct as an answer."""
    return Response(_encode(struct), status, media_type="application/json")


def policy_of(worker: Worker) -> PolicyAnswer:
    """What decides now."""
    now, live = worker.engine.now, worker.engine.now.live
    channel = worker.channels.live()
    return PolicyAnswer(
        policy=worker.config.policy,
        snapshot=live.id,
        candidate_snapshot=None if now.candidate is None else now.candidate.id,
        published_at=0.0 if channel is None else channel.at,
        cells=list(live.cells),
        metrics=list(live.metrics),
        weights=live.weights,
        prices=live.prices,
        holdout=now.shares.holdout,
        share=now.shares.share,
        explore=now.shares.explore,
        killed=now.control.kill,
        durability=worker.config.log.durability,
        version=__version__,
    )


def gauges(worker: Worker) -> Iterator[tuple[str, dict[str, str], float]]:
    """What is true now, whichever worker is asked."""
    now = worker.engine.now
    for channel, part in (("live", now.live), ("candidate", now.candidate)):
        if part is not None:
            yield "equipoise_snapshot_info", {"channel": channel, "snapshot": part.id}, 1.0
    live = worker.channels.live()
    if live is not None:
        yield "equipoise_snapshot_age_seconds", {}, time.time() - live.at
    yield "equipoise_killed", {}, float(now.control.kill)
    yield "equipoise_log_unsynced_bytes", {}, float(worker.log.unsynced_bytes)
    if worker.ledger is not None:
        money = worker.ledger.state()
        for name in ("left", "leased", "reserved", "spent"):
            yield f"equipoise_budget_{name}", {}, float(money[name])
    yield from watched(worker.state)


def add_views(app: FastAPI, worker: Worker) -> None:
    """Add these routes."""

    @app.get("/decisions/{id}")
    async def decision(id: str) -> Response:
        now = time.time_ns()
        status = decision_status(worker.engine, id, now)
        if status is None:
            log = worker.state / "log"
            status = await asyncio.to_thread(decision_status, worker.engine, id, now, log)
        if status is None:
            raise Refusal(404, "a decision", "be in the log", "none of that id")
        return reply(status)

    @app.get(UNIT)
    async def unit(unit: str, request: Request) -> Response:
        return reply(unit_history(worker.engine, unit_of(unit, request), time.time_ns()))

    @app.delete(UNIT)
    async def forget(unit: str, request: Request) -> Response:
        since = worker.log.failed_syncs
        forgotten = Forgotten(forget_unit(worker.engine, unit_of(unit, request), time.time_ns()))
        await worker.log.acknowledged(since)
        return reply(forgotten)

    @app.get("/policy")
    async def policy() -> Response:
        return reply(policy_of(worker))

    sums = Sums(worker.meters, lambda: gauges(worker))

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(await asyncio.to_thread(sums.page), media_type=MEDIA)


def add_docs(app: FastAPI, paper: dict[str, Any]) -> None:
    """Add the OpenAPI and a page that shows it."""
    from equipoise.serving.app.docs_page import at, docs_page

    text, page = msgspec.json.encode(paper), docs_page(paper)

    @app.get("/openapi.json")
    async def openapi() -> Response:
        return Response(text, media_type="application/json")

    @app.get("/docs")
    async def docs(request: Request) -> HTMLResponse:
        here = at(page, str(request.base_url))
        return HTMLResponse(here, headers={"content-security-policy": POLICY})

    @app.get("/")
    async def begin(request: Request) -> RedirectResponse:
        return RedirectResponse("/console")


POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
