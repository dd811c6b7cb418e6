"""A client of the service: typed, with retries that cannot decide twice, and control if asked.

A decision gets an idempotency key, so that a retry of what was answered already gets the same
answer.  Retried are connections that failed, timeouts, the statuses 429, 502, 503 and 504, and 409
of a key whose first request has no answer yet, as late as the service asks for; everything else is
an error at once.  With ``fallback`` a decision
that cannot be had is control, `logged` False: a shop goes on selling.
"""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

from equipoise.core.errors import EquipoiseError, InputError, MissingExtra

try:
    import httpx
    import msgspec
except ImportError as error:
    FIX = 'pip install "equipoise[client]"'
    raise MissingExtra("the client", "have httpx and msgspec", str(error), fix=FIX) from error

from equipoise.serving.errors import ConflictError
from equipoise.serving.messages import (
    DecideAnswer,
    DecideRequest,
    DecisionStatus,
    ExposureAnswer,
    Problem,
    RewardAnswer,
    RewardRequest,
    UnitHistory,
)
from equipoise.serving.sent_values import encode, plain_values, unit_text

T = TypeVar("T")
AGAIN, IN_HAND = (429, 502, 503, 504), 409
FIRST_WAIT, LONGEST_WAIT = 0.05, 2.0  # seconds
UNREACHABLE = "unreachable"
JSON = {"content-type": "application/json"}
ADDRESS = 'be as "http://127.0.0.1:8080"'


class ServiceError(EquipoiseError):
    """The service refused a request, or could not be reached.

    Attributes
    ----------
    status : int
        Of HTTP; 0 where nobody answered.
    """

    status = 0


class _Answers(msgspec.Struct):
    answers: list[msgspec.Raw]


class _Calls:
    """What both clients share: requests as bytes, answers as structs, when to try again."""

    def __init__(
        self, url: str, token: str, timeout: float, retries: int, fallback: str | None
    ) -> None:
        self.retries, self.fallback = retries, fallback
        try:
            address = httpx.URL(url)
        except (httpx.InvalidURL, TypeError) as error:
            raise InputError("url", ADDRESS, url) from error
        host, port = address.host, address.port
        if (
            address.scheme not in ("http", "https")
            or not host
            or " " in host
            or (port or 0) > 65535
        ):
            raise InputError("url", ADDRESS, repr(url))  # else it is control for ever, by fallback
        self.options: dict[str, Any] = {
            "base_url": address,
            "timeout": timeout,
            "headers": {"accept": "application/json"},
        }
        token = token.strip()  # as a file has it, with the end of its line
        if not (token.isascii() and token.isprintable()):
            raise InputError("a token", "be as `equipoise serve --new-token` shows it", "another")
        if token:
            self.options["headers"]["authorization"] = f"Bearer {token}"

    def keyed(self, request: DecideRequest) -> DecideRequest:
        """The request as it is sent, with a key, so that it can be sent again."""
        if request.features:
            sent = plain_values(request.features)
            request = msgspec.structs.replace(request, features=sent)
        if request.key is not None or request.dry_run or not self.retries:
            return request
        return msgspec.structs.replace(request, key=uuid.uuid4().hex)

    def instead(self, request: DecideRequest, error: ServiceError) -> DecideAnswer:
        """Control, where that was asked for and nobody could answer."""
        if self.fallback is None or error.status not in (0, IN_HAND, *AGAIN):
            raise error
        return DecideAnswer(
            decision="",
            unit=request.unit,
            candidate=self.fallback,
            probability=1.0,
            reason=UNREACHABLE,
            text="the service could not be reached, so control",
            scores={},
            weights={},
            prices={},
            snapshot="",
            policy="",
            logged=False,
            dry_run=request.dry_run,
        )

    def wait(self, attempt: int, reply: httpx.Response | None) -> float | None:
        """Seconds until the next attempt; None: there is none."""
        if attempt >= self.retries:
            return None
        if reply is not None and not _is_late(reply):
            return None
        asked = "" if reply is None else reply.headers.get("retry-after", "")
        if asked.isdigit():
            return min(float(asked), LONGEST_WAIT)
        longest = min(LONGEST_WAIT, FIRST_WAIT * 2**attempt)
        return random.uniform(longest / 2, longest)


def _is_late(reply: httpx.Response) -> bool:
    """Whether the same request may be answered in a moment."""
    status = reply.status_code
    return status in AGAIN or (status == IN_HAND and "retry-after" in reply.headers)


def problem_error(problem: Problem, late: bool = False) -> EquipoiseError:
    """The error that a problem document tells of; ``late``: it may pass by itself."""
    words = (
        problem.what or "the request",
        problem.must or "be one that the service takes",
        problem.got or problem.title or problem.status,
        problem.where,
        problem.fix,
    )
    if problem.status in (400, 422):
        return InputError(*words)
    if problem.status == 409 and not late:
        return ConflictError(*words)
    error = ServiceError(*words)
    error.status = problem.status
    return error


def _unreachable(error: Exception) -> ServiceError:
    fix = "see whether it runs, and whether the address is right"
    return ServiceError("the service", "answer", type(error).__name__, fix=fix)


def _read(reply: httpx.Response, kind: type[T]) -> T:
    try:
        if reply.status_code < 300:
            return msgspec.json.decode(reply.content, type=kind)
        problem = msgspec.json.decode(reply.content, type=Problem)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        problem = Problem(title=f"{reply.status_code} {reply.reason_phrase} of another kind")
    problem.status = reply.status_code
    raise problem_error(problem, _is_late(reply))


def _one_of(raw: msgspec.Raw, kind: type[T]) -> T | EquipoiseError:
    """One answer of many; a problem as the error it tells of."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError:
        return problem_error(msgspec.json.decode(raw, type=Problem))


def request_of(
    unit: str | int, features: Mapping[str, Any] | None = None, **others: Any
) -> DecideRequest:
    """A request of `DecideRequest`'s fields.

    Parameters
    ----------
    unit : str or int
        Whom; a whole number is sent by its digits.
    features : mapping, optional
        Raw columns of the unit: text, numbers, true or false, times, of numpy and pandas, too.
    **others : object
        Other fields of `DecideRequest`.

    Returns
    -------
    DecideRequest
        To be sent.

    Examples
    --------
    >>> request_of("user-1", {"age": 34}).unit, request_of(7).unit
    ('user-1', '7')
    """
    sent = None if features is None else dict(features)
    return DecideRequest(unit=unit_text(unit), features=sent, **others)


def reward_of(decision: str, name: str, value: float, **others: Any) -> RewardRequest:
    """A reward of `RewardRequest`'s fields, with a key of its own unless one is given.

    Parameters
    ----------
    decision : str
        The id of the decision.
    name : str
        The metric.
    value : float
        In the metric's unit.
    **others : object
        ``at``, ``op`` and ``key``.

    Returns
    -------
    RewardRequest
        To be sent, as often as needed.

    Examples
    --------
    >>> reward_of("0" * 32, "sales", 12.5, key="order-7").key
    'order-7'
    """
    return RewardRequest(
        decision=decision, name=name, value=value, **{"key": uuid.uuid4().hex, **others}
    )


def _quoted(unit: str) -> str:
    """An id as a part of a path."""
    path = quote(unit, safe="")
    return path if path.strip(".") else path.replace(".", "%2E")  # "..": the folder above


class Client:
    """Asks a service.

    Parameters
    ----------
    url : str
        As "http://127.0.0.1:8080".
    token : str, default ""
        A bearer token, where the service has any.
    timeout : float, default 1.0
        Seconds for one attempt.
    retries : int, default 2
        Attempts after the first.
    fallback : str, optional
        Control's name: what `decide` gives where nobody answers.  None: it raises.
    transport : httpx.BaseTransport, optional
        In place of the network.

    Examples
    --------
    >>> with Client("http://127.0.0.1:1", retries=0, fallback="none") as client:
    ...     answer = client.decide("user-1")
    >>> answer.candidate, answer.reason, answer.logged
    ('none', 'unreachable', False)
    """

    def __init__(
        self,
        url: str,
        token: str = "",
        *,
        timeout: float = 1.0,
        retries: int = 2,
        fallback: str | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._calls = _Calls(url, token, timeout, retries, fallback)
        self._http = httpx.Client(transport=transport, **self._calls.options)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def decide(
        self, unit: str | int, features: Mapping[str, Any] | None = None, **others: Any
    ) -> DecideAnswer:
        """What one unit gets.

        Parameters
        ----------
        unit : str or int
            Whom; a whole number is sent by its digits.
        features : mapping, optional
            As of `request_of`; known units need none.
        **others : object
            Other fields of `DecideRequest`: ``cost``, ``previous``, ``weights``, ``key``,
            ``dry_run`` and so on.

        Returns
        -------
        DecideAnswer
            With its reason.

        Raises
        ------
        InputError
            Where the service takes no such request.
        ServiceError
            Where nobody answers, and there is no fallback.
        """
        request = self._calls.keyed(request_of(unit, features, **others))
        try:
            return _read(self._send("POST", "/decide", encode(request)), DecideAnswer)
        except ServiceError as error:
            return self._calls.instead(request, error)

    def decide_many(self, requests: Iterable[DecideRequest]) -> list[DecideAnswer | EquipoiseError]:
        """What many units get: one answer or error each, in order.

        Parameters
        ----------
        requests : iterable of DecideRequest
            As `request_of` makes them.

        Returns
        -------
        list of DecideAnswer or EquipoiseError
            Errors are given back, not raised.

        Raises
        ------
        ServiceError
            Where nobody answers, and there is no fallback.
        """
        units = [self._calls.keyed(request) for request in requests]
        try:
            reply = self._send("POST", "/decide/batch", encode({"units": units}))
            return [_one_of(raw, DecideAnswer) for raw in _read(reply, _Answers).answers]
        except ServiceError as error:
            return [self._calls.instead(request, error) for request in units]

    def reward(self, decision: str, name: str, value: float, **others: Any) -> RewardAnswer:
        """Say what came of a decision.

        Parameters
        ----------
        decision : str
            Its id.
        name : str
            The metric.
        value : float
            In the metric's unit.
        **others : object
            ``at``, ``op`` and ``key``; by default a new key, so that a retry counts once.

        Returns
        -------
        RewardAnswer
            What became of it.
        """
        body = encode(reward_of(decision, name, value, **others))
        return _read(self._send("POST", "/reward", body), RewardAnswer)

    def reward_many(self, rewards: Sequence[RewardRequest]) -> list[RewardAnswer | EquipoiseError]:
        """Say what came of several decisions.

        Parameters
        ----------
        rewards : sequence of RewardRequest
            As `reward_of` makes them.

        Returns
        -------
        list of RewardAnswer or EquipoiseError
            In order; errors are given back, not raised.
        """
        reply = self._send("POST", "/reward", encode(list(rewards)))
        return [_one_of(raw, RewardAnswer) for raw in _read(reply, list[msgspec.Raw])]

    def exposure(self, decision: str) -> ExposureAnswer:
        """Say that a decision was shown.

        Parameters
        ----------
        decision : str
            Its id.

        Returns
        -------
        ExposureAnswer
            What became of it.
        """
        body = encode({"decision": decision})
        return _read(self._send("POST", "/exposure", body), ExposureAnswer)

    def decision(self, decision: str) -> DecisionStatus:
        """A decision, and what came of it.

        Parameters
        ----------
        decision : str
            Its id.

        Returns
        -------
        DecisionStatus
            With its rewards.
        """
        return _read(self._send("GET", f"/decisions/{_quoted(decision)}"), DecisionStatus)

    def unit(self, unit: str | int) -> UnitHistory:
        """The decisions of a unit in the last hours; asking decides nothing.

        Parameters
        ----------
        unit : str or int
            Whom.

        Returns
        -------
        UnitHistory
            The last first.
        """
        return _read(self._send("GET", f"/units/{_quoted(unit_text(unit))}"), UnitHistory)

    def _send(self, method: str, path: str, body: bytes | None = None) -> httpx.Response:
        attempt = 0
        while True:
            reply, failed = None, None
            try:
                reply = self._http.request(method, path, content=body, headers=JSON)
            except httpx.TransportError as error:
                failed = error
            wait = self._calls.wait(attempt, reply)
            if wait is None:
                if reply is None:
                    raise _unreachable(failed or OSError()) from failed
                return reply
            time.sleep(wait)
            attempt += 1


class AsyncClient:
    """As `Client`, for asyncio.

    Parameters
    ----------
    url, token, timeout, retries, fallback, transport
        As of `Client`.
    """

    def __init__(
        self,
        url: str,
        token: str = "",
        *,
        timeout: float = 1.0,
        retries: int = 2,
        fallback: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._calls = _Calls(url, token, timeout, retries, fallback)
        self._http = httpx.AsyncClient(transport=transport, **self._calls.options)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    async def decide(
        self, unit: str | int, features: Mapping[str, Any] | None = None, **others: Any
    ) -> DecideAnswer:
        """As `Client.decide`."""
        request = self._calls.keyed(request_of(unit, features, **others))
        try:
            return _read(await self._send("POST", "/decide", encode(request)), DecideAnswer)
        except ServiceError as error:
            return self._calls.instead(request, error)

    async def decide_many(
        self, requests: Iterable[DecideRequest]
    ) -> list[DecideAnswer | EquipoiseError]:
        """As `Client.decide_many`."""
        units = [self._calls.keyed(request) for request in requests]
        try:
            reply = await self._send("POST", "/decide/batch", encode({"units": units}))
            return [_one_of(raw, DecideAnswer) for raw in _read(reply, _Answers).answers]
        except ServiceError as error:
            return [self._calls.instead(request, error) for request in units]

    async def reward(self, decision: str, name: str, value: float, **others: Any) -> RewardAnswer:
        """As `Client.reward`."""
        body = encode(reward_of(decision, name, value, **others))
        return _read(await self._send("POST", "/reward", body), RewardAnswer)

    async def reward_many(
        self, rewards: Sequence[RewardRequest]
    ) -> list[RewardAnswer | EquipoiseError]:
        """As `Client.reward_many`."""
        reply = await self._send("POST", "/reward", encode(list(rewards)))
        return [_one_of(raw, RewardAnswer) for raw in _read(reply, list[msgspec.Raw])]

    async def exposure(self, decision: str) -> ExposureAnswer:
        """As `Client.exposure`."""
        body = encode({"decision": decision})
        return _read(await self._send("POST", "/exposure", body), ExposureAnswer)

    async def decision(self, decision: str) -> DecisionStatus:
        """As `Client.decision`."""
        return _read(await self._send("GET", f"/decisions/{_quoted(decision)}"), DecisionStatus)

    async def unit(self, unit: str | int) -> UnitHistory:
        """As `Client.unit`."""
        return _read(await self._send("GET", f"/units/{_quoted(unit_text(unit))}"), UnitHistory)

    async def _send(self, method: str, path: str, body: bytes | None = None) -> httpx.Response:
        attempt = 0
        while True:
            reply, failed = None, None
            try:
                reply = await self._http.request(method, path, content=body, headers=JSON)
            except httpx.TransportError as error:
                failed = error
            wait = self._calls.wait(attempt, reply)
            if wait is None:
                if reply is None:
                    raise _unreachable(failed or OSError()) from failed
                return reply
            await asyncio.sleep(wait)
            attempt += 1
