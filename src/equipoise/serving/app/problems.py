"""Errors over HTTP, by RFC 9457 and in our grammar; what nobody foresaw says nothing of itself."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import PurePath
from traceback import extract_tb

import msgspec

from equipoise.core.errors import (
    DataError,
    EquipoiseError,
    InputError,
    MissingExtra,
    SnapshotError,
    UnsupportedSpace,
)
from equipoise.serving.errors import (
    ConflictError,
    InFlight,
    KeyReuse,
    LedgerError,
    LogUnavailable,
    StoreError,
)
from equipoise.serving.messages import Problem

MEDIA = b"application/problem+json"
STATUS: tuple[tuple[type[EquipoiseError], int], ...] = (
    (KeyReuse, 422),
    (ConflictError, 409),
    (InputError, 422),
    (UnsupportedSpace, 422),
    (SnapshotError, 422),
    (DataError, 422),
    (StoreError, 503),
    (LogUnavailable, 503),
    (LedgerError, 503),
    (MissingExtra, 501),
)
SOON = {"retry-after": "1"}
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)
UNFORESEEN = Problem(
    title="Internal Server Error",
    status=500,
    detail="something failed that nobody foresaw; the service's log says of what kind",
)


class Refusal(EquipoiseError):
    """A request that is not served, with its HTTP status.

    Parameters
    ----------
    status : int
        Of the answer.
    what, must : str
        As of `EquipoiseError`.
    got : object
        Likewise.
    where, fix : str, default ""
        Likewise.
    headers : mapping, optional
        Of the answer, as ``{"retry-after": "1"}``.

    Examples
    --------
    >>> problem_of(Refusal(413, "the body", "be at most 8 bytes", "9 bytes")).title
    'Content Too Large'
    """

    def __init__(
        self,
        status: int,
        what: str,
        must: str,
        got: object,
        where: str = "",
        fix: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(what, must, got, where, fix)
        self.status, self.headers = status, dict(headers or {})


def foreseen(error: Exception) -> Exception:
    """An error of a disk that takes nothing, as one of ours; any other as it is."""
    if not isinstance(error, OSError) or error.errno not in NO_ROOM:
        return error
    fix = "free space on its disk, or look after the disk"
    return Refusal(503, "the folder of the service", "be writable", error.strerror, fix=fix)


def status_of(error: Exception) -> int:
    """The HTTP status of an error."""
    if isinstance(error, Refusal):
        return error.status
    return next((status for kind, status in STATUS if isinstance(error, kind)), 500)


def title_of(status: int) -> str:
    """What HTTP calls a status."""
    newer = {413: "Content Too Large", 422: "Unprocessable Content"}
    try:
        return newer.get(status) or HTTPStatus(status).phrase
    except ValueError:
        return ""


def problem_of(error: Exception) -> Problem:
    """The problem document of an error.

    Parameters
    ----------
    error : Exception
        Any; only those of the package say what they are.

    Returns
    -------
    Problem
        Ready to be encoded.

    Examples
    --------
    >>> problem_of(InputError("unit", "be text", 5)).detail
    'unit must be text; got 5'
    >>> problem_of(ZeroDivisionError("secret")).status
    500
    """
    error = foreseen(error)
    status = status_of(error)
    if not isinstance(error, EquipoiseError) or status == 500:
        return UNFORESEEN
    got = "" if error.got is None else str(error.got)
    return Problem(
        title=title_of(status),
        status=status,
        detail=str(error),
        what=error.what,
        must=error.must,
        got=got[:1000].encode(errors="backslashreplace").decode(),
        where=error.where,
        fix=error.fix,
    )


def answer_of(error: Exception) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
    """Status, body and headers of the answer to an error."""
    problem = problem_of(error)
    extra = SOON if isinstance(error, InFlight) else {}
    extra = error.headers if isinstance(error, Refusal) else extra
    headers = [(name.encode(), value.encode("latin-1", "replace")) for name, value in extra.items()]
    return problem.status, msgspec.json.encode(problem), [(b"content-type", MEDIA), *headers]


def kind_of(error: BaseException) -> str:
    """What failed and where in the code, without any value: for the lines of the service.

    >>> kind_of(ZeroDivisionError("of Ann"))
    'ZeroDivisionError'
    """
    frames = extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "equipoise" in frame.filename] or frames
    at = f" at {PurePath(ours[-1].filename).name}:{ours[-1].lineno}" if ours else ""
    return f"{type(error).__name__}{at}"
