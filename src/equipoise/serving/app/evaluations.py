"""The routes of OpenFeature's remote protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request, Response

from equipoise.serving.app.flags import (
    BulkEvaluation,
    Decide,
    Evaluation,
    EvaluationRequest,
    Flags,
    configuration,
)
from equipoise.serving.app.openapi import Route
from equipoise.serving.app.paths import FLAG
from equipoise.serving.app.views import reply

if TYPE_CHECKING:
    from equipoise.serving.app.worker import Worker

EXAMPLE = {"context": {"targetingKey": "user-1", "age": 34}}
EVALUATIONS = (
    Route(
        "/ofrep/v1/evaluate/flags/{key}",
        "post",
        "decide",
        "One flag, by OpenFeature's remote protocol",
        EvaluationRequest,
        Evaluation,
        EXAMPLE,
        (404,),
        "The flags are the policy's name (text), NAME.amount (number) and NAME.decision (object)."
        "  400 and 404 have the protocol's own body: key, errorCode, errorDetails.",
    ),
    Route(
        "/ofrep/v1/evaluate/flags",
        "post",
        "decide",
        "All flags, by one decision",
        EvaluationRequest,
        BulkEvaluation,
        EXAMPLE,
    ),
    Route(
        "/ofrep/v1/configuration",
        "get",
        "decide",
        "What a provider may know of the service",
        None,
        dict[str, Any],
    ),
)


def add_evaluations(app: FastAPI, worker: Worker, decide: Decide) -> None:
    """Add these routes."""
    flags = Flags(decide, lambda: worker.engine.now.live.amounts[0] is not None)

    @app.post(FLAG)
    async def one(key: str, request: Request) -> Response:
        return reply(*await flags.one(key, worker.config.policy, await request.body()))

    @app.post("/ofrep/v1/evaluate/flags")
    async def all_of_them(request: Request) -> Response:
        return reply(*await flags.all(worker.config.policy, await request.body()))

    @app.get("/ofrep/v1/configuration")
    async def config() -> Response:
        return reply(configuration(worker.config.policy))
