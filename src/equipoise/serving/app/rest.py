"""The FastAPI app behind the hot routes, and the OpenAPI of all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from equipoise.core.errors import EquipoiseError
from equipoise.core.version import __version__
from equipoise.serving.app.admin import ADMIN, add_admin
from equipoise.serving.app.console import add_console
from equipoise.serving.app.evaluations import EVALUATIONS, add_evaluations
from equipoise.serving.app.front import Front, not_allowed
from equipoise.serving.app.openapi import HOT, document
from equipoise.serving.app.problems import Refusal, answer_of
from equipoise.serving.app.views import VIEWS, add_docs, add_views

if TYPE_CHECKING:
    from equipoise.serving.app.worker import Worker

ROUTES = (*HOT, *VIEWS, *ADMIN, *EVALUATIONS)
ABOUT = (
    "Ask what a unit gets, say what came of it.  Every answer has its reason, and is in the log"
    " before it is sent.  Errors are problem documents (RFC 9457): what must be what, what was got"
    " and where, and what to do."
)


def paper_of(policy: str) -> dict[str, Any]:
    """The OpenAPI of the service of a policy.

    Parameters
    ----------
    policy : str
        Its name.

    Returns
    -------
    dict
        The document.

    Examples
    --------
    >>> "/decide" in paper_of("policy")["paths"]
    True
    """
    about = {"title": f"equipoise: {policy}", "version": __version__, "description": ABOUT}
    return {"openapi": "3.1.0", "info": about} | document(ROUTES)


def service(worker: Worker, empty: bool = False) -> Front:
    """The app of a worker for all paths but the hot routes.

    Parameters
    ----------
    worker : Worker
        Open; the app closes it when the server stops.
    empty : bool, default False
        As of `Front`.

    Returns
    -------
    Front
        For an ASGI server.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with worker.running():
            yield

    app = FastAPI(
        lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False
    )
    app.add_exception_handler(HTTPException, _told)
    app.add_exception_handler(EquipoiseError, _told)
    app.add_exception_handler(Exception, _told)
    front = Front(worker, app, empty)
    add_admin(app, worker)
    add_evaluations(app, worker, worker.decide)
    add_docs(app, paper_of(worker.config.policy))
    add_views(app, worker)
    add_console(app, worker)
    return front


async def _told(request: Request, error: Exception) -> Response:
    """The problem document of an error."""
    if isinstance(error, HTTPException):
        error = _refusal(request, error)
    status, body, headers = answer_of(error)
    names = {name.decode(): value.decode("latin-1") for name, value in headers}
    return Response(body, status, headers=names)


def _refusal(request: Request, error: HTTPException) -> Refusal:
    """What the router says, in our grammar."""
    if error.status_code == 405:
        allowed = dict(error.headers or {}).get("Allow", "another one")
        return not_allowed(request.method, allowed)
    fix = "see /docs"
    return Refusal(error.status_code, "the path", "be one that is there", "another one", fix=fix)
