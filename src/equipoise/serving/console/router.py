"""The console over HTTP: pages that are whole without a script, forms that change something, and
one stream of events that keeps the overview alive.

`console_router(data, tokens, secret)` is mounted into the app; nothing in it knows where the data
come from.  Pages allow scripts and styles of their own only.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, quote

import msgspec

from equipoise.core.errors import EquipoiseError
from equipoise.serving.app.problems import Refusal, status_of
from equipoise.serving.app.tokens import Token, Tokens
from equipoise.serving.console import views
from equipoise.serving.console.data import ConsoleData
from equipoise.serving.console.session import COOKIE, OPERATE, check_form, form_number, signed_in
from equipoise.serving.console.templates import STATIC, VERSION, render, static_file
from equipoise.serving.explorer.states import ExploreRequest, explore, plan_of
from equipoise.serving.extra import serving_extra

with serving_extra():
    from fastapi import APIRouter, Request
    from fastapi.concurrency import run_in_threadpool
    from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
}
LONGEST_FORM, LONGEST_QUESTION = 4096, 1 << 16  # bytes
EVERY, STREAM, RETRY = 1.0, 30.0, 1000  # seconds between events, of a stream; ms to the next
SIGNED_IN = 12 * 3600  # seconds
PAGES = {
    "overview": "Now",
    "explore": "Explore",
    "versions": "Versions",
    "watch": "Drift and alarms",
    "units": "One unit",
}
_question = msgspec.json.Decoder(ExploreRequest).decode


def console_router(
    data: ConsoleData,
    tokens: Callable[[], Tokens],
    secret: bytes,
    *,
    prefix: str = "/console",
    clock: Callable[[], float] = time.time,
    stopping: Callable[[], bool] = lambda: False,
    count: Callable[[Token], None] = lambda token: None,
) -> APIRouter:
    """The console, to be mounted by ``app.include_router``.

    Parameters
    ----------
    data : ConsoleData
        What the pages show, and what they change.
    tokens : callable
        () -> who may see it now: scope "read" sees, "operate" changes.
    secret : bytes
        The same in all workers of a service; forms are numbered by it.
    prefix : str, default "/console"
        Where it is mounted.
    clock : callable, default `time.time`
        In seconds since 1970.
    stopping : callable, optional
        Whether the service is about to stop, so that streams end.
    count : callable, optional
        Counts a request of a token, and refuses it where there are too many.

    Returns
    -------
    APIRouter
        Not in the OpenAPI: it is for people.
    """
    console = Console(data, tokens, secret, prefix, clock, stopping, count)
    router = APIRouter(prefix=prefix, include_in_schema=False)
    for name in PAGES:
        path = "" if name == "overview" else f"/{name}"
        router.add_api_route(path, _of(name, console.page), methods=["GET"])
    router.add_api_route("/login", console.login, methods=["GET", "POST"])
    router.add_api_route("/logout", console.logout, methods=["POST"])
    router.add_api_route("/events", console.events, methods=["GET"])
    for name in ("promote", "rollback", "kill"):
        router.add_api_route(f"/{name}", _of(name, console.change), methods=["POST"])
    router.add_api_route("/explore/point", console.point, methods=["POST"])
    router.add_api_route("/explore/plan", console.plan, methods=["POST"])
    router.add_api_route("/static/{name}", static, methods=["GET"])
    return router


def _of(
    name: str, handler: Callable[[str, Request], Awaitable[Response]]
) -> Callable[[Request], Awaitable[Response]]:
    """The handler of one name, whose annotations every FastAPI reads."""

    async def named(request: Request) -> Response:
        return await handler(name, request)

    return named


class Console:
    """The handlers of one console; arguments as of `console_router`."""

    def __init__(
        self,
        data: ConsoleData,
        tokens: Callable[[], Tokens],
        secret: bytes,
        prefix: str,
        clock: Callable[[], float],
        stopping: Callable[[], bool],
        count: Callable[[Token], None],
    ) -> None:
        self.data, self.tokens, self.secret = data, tokens, secret
        self.prefix, self.clock, self.stopping, self.count = prefix, clock, stopping, count

    async def page(self, name: str, request: Request) -> Response:
        """A page."""
        token = self._token(request)
        if token is None:
            return self._to(f"/login?to={name}")
        asked = request.query_params.get("unit", "")
        makes: dict[str, Callable[[], dict[str, Any]]] = {
            "overview": self._overview,
            "explore": self._explore,
            "versions": self._versions,
            "watch": self._watch,
            "units": partial(self._units, asked),
        }
        return await self._answer(partial(self._page, name, token, makes[name]), token)

    async def login(self, request: Request) -> Response:
        """Sign in: GET shows the form, POST takes the token."""
        to = request.query_params.get("to", "")
        to = to if to in PAGES and to != "overview" else ""
        if request.method == "GET":
            return self._html("login", {"title": "Sign in", "to": to, "wrong": False})
        given = (await self._form(request)).get("token", "").strip()
        token = signed_in(self.tokens(), given, self.clock(), request.headers.get("host", ""))
        if token is None:
            context = {"title": "Sign in", "to": to, "wrong": True}
            return self._html("login", context, status=401)
        answer = self._to(f"/{to}" if to else "")
        answer.set_cookie(
            COOKIE,
            given,
            max_age=SIGNED_IN,
            path=self.prefix,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return answer

    async def logout(self, request: Request) -> Response:
        """Sign out."""
        answer = self._to("/login")
        answer.delete_cookie(COOKIE, path=self.prefix, httponly=True, samesite="strict")
        return answer

    async def change(self, name: str, request: Request) -> Response:
        """Promote, roll back, or pull the kill switch."""
        token = self._token(request)
        if token is None:
            return self._to("/login")

        async def changed() -> Response:
            form = await self._form(request)
            origin, host = (request.headers.get(key, "") for key in ("origin", "host"))
            check_form(self.secret, token, form.get("form", ""), origin, host)
            snapshot, by = form.get("snapshot", ""), f"console {token.name}"
            do: Callable[[], None] = {
                "promote": partial(self.data.promote, snapshot, by),
                "rollback": partial(self.data.rollback, snapshot, by),
                "kill": partial(self.data.kill, form.get("on") == "yes", by),
            }[name]
            await run_in_threadpool(do)
            return self._to("" if name == "kill" else "/versions")

        return await self._shown(changed, token)

    async def events(self, request: Request) -> Response:
        """What the overview shows, again and again; the page asks anew when a stream ends."""
        if self._token(request) is None:
            return Response(status_code=401, headers=HEADERS)

        async def stream() -> AsyncIterator[bytes]:
            until, last = time.monotonic() + STREAM, b""
            yield f"retry: {RETRY}\n\n".encode()
            while time.monotonic() < until and not self.stopping():
                try:
                    now = await run_in_threadpool(self._now)
                except EquipoiseError as error:
                    now = msgspec.json.encode({"error": str(error)})
                if now != last:
                    yield b"data: " + now + b"\n\n"
                else:
                    yield b": still\n\n"
                last = now
                await asyncio.sleep(EVERY)
                if await request.is_disconnected():
                    return

        headers = {**HEADERS, "x-accel-buffering": "no"}
        return StreamingResponse(stream(), media_type="text/event-stream", headers=headers)

    async def point(self, request: Request) -> Response:
        """What other settings give."""

        async def answered() -> Response:
            question = _question(await self._body(request))
            answer = await run_in_threadpool(lambda: explore(self._state(), question))
            body = msgspec.json.encode(answer)
            return Response(body, media_type="application/json", headers=HEADERS)

        return await self._asked(request, answered)

    async def plan(self, request: Request) -> Response:
        """Other settings as a plan."""

        async def answered() -> Response:
            question = _question(await self._body(request))
            text = await run_in_threadpool(lambda: plan_of(self._state(), question))
            headers = {**HEADERS, "content-disposition": 'attachment; filename="plan.toml"'}
            return Response(text, media_type="application/toml", headers=headers)

        return await self._asked(request, answered)

    # ---- pages

    def _page(self, name: str, token: Token, make: Callable[[], dict[str, Any]]) -> Response:
        status = self.data.status()
        context = {
            "title": PAGES[name],
            "page": name,
            "pages": PAGES,
            "status": status,
            "form": form_number(self.secret, token),
            "operates": OPERATE in token.scopes,
            "signed": len(self.tokens()) > 0,
            "who": token.name,
            "moment": views.moment,
            **make(),
        }
        return self._html(name, context)

    def _overview(self) -> dict[str, Any]:
        live, budget, watched = self.data.live(), self.data.money(), self.data.watched()
        figures = [views.mix_figure(live)]
        figures += [] if budget is None else [views.money_figure(live, budget)]
        return {
            "cards": views.cards(live, budget, watched),
            "figures": figures,
            "decisions": views.decisions_table(live),
            "reasons": views.reasons_table(live.minutes),
        }

    def _now(self) -> bytes:
        """The overview as an event."""
        status = self.data.status()
        live, budget, watched = self.data.live(), self.data.money(), self.data.watched()
        figures = [views.mix_figure(live)]
        figures += [] if budget is None else [views.money_figure(live, budget)]
        now = {
            "killed": status.killed,
            "snapshot": status.snapshot,
            "cards": views.cards(live, budget, watched),
            "plots": [{"spec": f.plots[0].spec, "label": f.plots[0].label} for f in figures],
            "decisions": views.decisions_table(live).rows,
            "reasons": views.reasons_table(live.minutes).rows,
        }
        return msgspec.json.encode(now)

    def _explore(self) -> dict[str, Any]:
        state = self.data.explorer()
        return {"block": None if state is None else views.explorer_of(state)}

    def _versions(self) -> dict[str, Any]:
        versions, changes = self.data.versions(), self.data.changes()
        before = list(dict.fromkeys(c.snapshot for c in changes if c.channel == "live"))
        live = self.data.status().snapshot
        there = {version.snapshot for version in versions}
        return {
            "listed": views.versions_table(versions),
            "audit": views.changes_table(changes),
            "earlier": [id for id in before if id and id != live and id in there][:3],
        }

    def _watch(self) -> dict[str, Any]:
        watched = self.data.watched()
        rows = None if watched is None else views.watched_table(watched)
        return {"watched": watched, "rows": rows}

    def _units(self, unit: str) -> dict[str, Any]:
        view = self.data.unit(unit) if unit else None
        history = None if view is None else views.history_table(view)
        return {"unit": unit, "view": view, "history": history}

    # ---- requests and answers

    def _token(self, request: Request) -> Token | None:
        cookie, host = request.cookies.get(COOKIE, ""), request.headers.get("host", "")
        token = signed_in(self.tokens(), cookie, self.clock(), host)
        if token is not None:
            self.count(token)
        return token

    def _state(self) -> Any:
        state = self.data.explorer()
        if state is None:
            fix = "publish a run whose policy has demands"
            raise Refusal(404, "the explorer", "have units", "none", fix=fix)
        return state

    async def _body(self, request: Request, longest: int = LONGEST_QUESTION) -> bytes:
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > longest:
                raise Refusal(413, "the body", f"be at most {longest:,} bytes", "more")
        return body

    async def _form(self, request: Request) -> dict[str, str]:
        body = await self._body(request, LONGEST_FORM)
        return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))

    def _html(self, name: str, context: dict[str, Any], status: int = 200) -> Response:
        text = render(name, {"prefix": self.prefix, "version": VERSION, **context})
        return HTMLResponse(text, status, HEADERS)

    def _to(self, path: str) -> RedirectResponse:
        return RedirectResponse(self.prefix + quote(path, safe="/?="), 303, HEADERS)

    async def _answer(self, make: Callable[[], Response], token: Token) -> Response:
        async def made() -> Response:
            return await run_in_threadpool(make)

        return await self._shown(made, token)

    async def _shown(self, do: Callable[[], Awaitable[Response]], token: Token) -> Response:
        """An answer, or a page that says what is wrong."""
        try:
            return await do()
        except EquipoiseError as error:
            context: dict[str, Any] = {"title": "That did not work", "page": "", "pages": PAGES}
            context |= {"signed": len(self.tokens()) > 0, "who": token.name, "sentence": str(error)}
            return self._html("wrong", context, status_of(error))

    async def _asked(self, request: Request, do: Callable[[], Awaitable[Response]]) -> Response:
        """An answer to a script, or what is wrong as text."""
        if self._token(request) is None:
            return Response("sign in first", 401, HEADERS)
        try:
            return await do()
        except (EquipoiseError, msgspec.DecodeError, UnicodeDecodeError) as error:
            status = status_of(error) if isinstance(error, EquipoiseError) else 400
            return Response(str(error), status, HEADERS, media_type="text/plain")


async def static(name: str) -> Response:
    """A style sheet or a script."""
    if name not in STATIC:
        return Response(status_code=404, headers=HEADERS)
    headers = {**HEADERS, "cache-control": "public, max-age=31536000, immutable"}
    return Response(static_file(name), media_type=STATIC[name], headers=headers)
