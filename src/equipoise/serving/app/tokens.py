"""Bearer tokens: only their hashes are kept; each has scopes, and may expire.

`EQUIPOISE_TOKENS` holds entries with ``;`` or line ends between them, `EQUIPOISE_TOKENS_FILE` names
a file of lines (``#`` begins a comment).  An entry is ``HASH SCOPES [expires=DAY]``:
the sha256 of the token in hex, scopes with commas between them, the last day of its use in UTC.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from equipoise.core.errors import InputError
from equipoise.serving.app.problems import Refusal

SCOPES = ("decide", "reward", "read", "operate", "erase")
EVERY_SCOPE = frozenset(SCOPES)
VARIABLE, FILE_VARIABLE = "EQUIPOISE_TOKENS", "EQUIPOISE_TOKENS_FILE"
PREFIX = "eq_"  # so that scanners for leaked secrets can know one
LOOPBACK = ("127.0.0.1", "localhost", "::1", "[::1]")
FORM = "HASH SCOPES [expires=2027-01-31]"


class Token(NamedTuple):
    """What a token allows.

    Attributes
    ----------
    digest : bytes
        The sha256 of the token.
    scopes : frozenset of str
        Some of `SCOPES`.
    expires : float, default inf
        In seconds since 1970.

    Examples
    --------
    >>> Token(b"", frozenset({"read"})).name
    'e3b0c442'
    """

    digest: bytes
    scopes: frozenset[str]
    expires: float = float("inf")

    @property
    def name(self) -> str:
        """What logs and the audit call it: the first digits of its hash."""
        return (self.digest or hashlib.sha256().digest()).hex()[:8]


ANYBODY_HERE = Token(b"", EVERY_SCOPE)  # without tokens, on this machine alone


class Tokens:
    """The tokens of a service.

    Parameters
    ----------
    tokens : iterable of Token
        None: whoever reaches the service may do all.

    Examples
    --------
    >>> entry, secret = new_token(["read"])
    >>> tokens = Tokens([token_of(entry)])
    >>> sorted(tokens.find(f"Bearer {secret}".encode(), 0.0).scopes)
    ['read']
    """

    def __init__(self, tokens: Iterable[Token] = ()) -> None:
        self._by_start = {token.digest[:8]: token for token in tokens}
        self.taken = 0  # how many times it had those of another

    def __len__(self) -> int:
        return len(self._by_start)

    def entries(self) -> list[str]:
        """What `token_of` makes them of.

        Returns
        -------
        list of str
            One a token.
        """
        return [_entry(token) for token in self._by_start.values()]

    def take(self, other: Tokens) -> None:
        """Have those of another from now on, for all who hold this object."""
        self._by_start = other._by_start
        self.taken += 1

    def find(self, authorization: bytes, now: float) -> Token:
        """The token of an ``Authorization`` header.

        Parameters
        ----------
        authorization : bytes
            The header's value; b"" without one.
        now : float
            In seconds since 1970.

        Returns
        -------
        Token
            Valid now.

        Raises
        ------
        Refusal
            401 where it is none.
        """
        if not self._by_start:
            return ANYBODY_HERE
        kind, _, secret = authorization.partition(b" ")
        if kind.lower() != b"bearer" or not secret:
            raise unauthorised("no bearer token", "send it as 'Authorization: Bearer TOKEN'")
        digest = hashlib.sha256(secret.strip()).digest()
        token = self._by_start.get(digest[:8])
        if token is None or not hmac.compare_digest(token.digest, digest):
            raise unauthorised("an unknown one", "ask the operator for a token")
        if now >= token.expires:
            raise unauthorised("one that has expired", "ask the operator for a new one")
        return token


def unauthorised(got: str, fix: str) -> Refusal:
    """A 401."""
    headers = {"www-authenticate": "Bearer"}
    return Refusal(401, "the token", "be valid", got, fix=fix, headers=headers)


def token_of(entry: str, where: str = "") -> Token:
    """The token of an entry.

    Parameters
    ----------
    entry : str
        ``HASH SCOPES [expires=DAY]``.
    where : str, default ""
        Where it stands, for errors.

    Returns
    -------
    Token
        The same.

    Raises
    ------
    InputError
        Without showing the entry: it may hold a secret by mistake.

    Examples
    --------
    >>> token_of(f"{'0' * 64} read,operate expires=2027-01-31").expires
    1801440000.0
    """
    digest, *rest = entry.split()
    scopes = rest[0].split(",") if rest else []
    fix = f"write {FORM}, or let `equipoise serve --new-token decide,reward` write it"
    try:
        options = dict(option.split("=", 1) for option in rest[1:])
        hashed = bytes.fromhex(digest)
        last = options.pop("expires", None)
        day = datetime.fromisoformat(last).replace(tzinfo=UTC) if last else None
    except ValueError as error:
        raise InputError("an entry of tokens", f"be {FORM}", "another form", where, fix) from error
    if len(hashed) != 32 or options:
        raise InputError("an entry of tokens", f"be {FORM}", "another form", where, fix)
    unknown = sorted(set(scopes) - EVERY_SCOPE)
    if unknown or not scopes:
        got = ", ".join(unknown) or "none"
        raise InputError("the scopes of a token", f"be of {', '.join(SCOPES)}", got, where, fix)
    expires = (day + timedelta(days=1)).timestamp() if day else float("inf")
    return Token(hashed, frozenset(scopes), expires)


def _entry(token: Token) -> str:
    """The entry of a token.

    >>> entry = f"{'0' * 64} operate,read expires=2027-01-31"
    >>> _entry(token_of(entry)) == entry
    True
    """
    words = [token.digest.hex(), ",".join(sorted(token.scopes))]
    if token.expires < float("inf"):
        last = datetime.fromtimestamp(token.expires, UTC) - timedelta(days=1)
        words.append(f"expires={last.date()}")
    return " ".join(words)


def read_tokens(environment: Mapping[str, str] | None = None) -> Tokens:
    """The tokens that the environment names.

    Parameters
    ----------
    environment : mapping, optional
        In place of the process's own.

    Returns
    -------
    Tokens
        Maybe none.

    Raises
    ------
    InputError
        Where an entry is wrong, or the file cannot be read.

    Examples
    --------
    >>> len(read_tokens({"EQUIPOISE_TOKENS": f"{'0' * 64} read; {'1' * 64} decide,reward"}))
    2
    """
    known = os.environ if environment is None else environment
    entries = known.get(VARIABLE, "").replace("\n", ";").split(";")
    named = [(entry, f"entry {i} of {VARIABLE}") for i, entry in enumerate(entries, 1)]
    if path := known.get(FILE_VARIABLE):
        try:
            lines = Path(path).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            fix = "name a file that this user may read"
            raise InputError(FILE_VARIABLE, "be a file", type(error).__name__, path, fix) from error
        own = [(line.split("#")[0], f"line {i} of {path}") for i, line in enumerate(lines, 1)]
        if not any(entry.strip() for entry, _ in own):
            fix = f"write one, or leave out {FILE_VARIABLE}: without tokens anybody here may ask"
            raise InputError(FILE_VARIABLE, "name a file with an entry", "an empty one", path, fix)
        named += own
    return Tokens(token_of(entry, where) for entry, where in named if entry.strip())


def new_token(scopes: Iterable[str], expires: str = "") -> tuple[str, str]:
    """A new token.

    Parameters
    ----------
    scopes : iterable of str
        Some of `SCOPES`.
    expires : str, default ""
        As in an entry.

    Returns
    -------
    entry, secret : str
        What the service keeps, and what the client sends.

    Raises
    ------
    InputError
        Where a scope is unknown.

    Examples
    --------
    >>> entry, secret = new_token(["decide", "reward"])
    >>> secret[:3], entry.split()[1]
    ('eq_', 'decide,reward')
    """
    secret = PREFIX + secrets.token_urlsafe(32)
    words = [hashlib.sha256(secret.encode()).hexdigest(), ",".join(scopes)]
    words += [f"expires={expires}"] * bool(expires)
    entry = " ".join(words)
    token_of(entry)
    return entry, secret


def must_be_safe(host: str, tokens: Tokens) -> None:
    """Refuse to listen to other machines without tokens.

    Raises
    ------
    InputError
        Saying how to make one.
    """
    if host not in LOOPBACK and not len(tokens):
        fix = (
            "make a token by `equipoise serve --new-token decide,reward` and put what it prints"
            f" into {VARIABLE}, or listen on 127.0.0.1"
        )
        must = "be this machine alone while there are no tokens"
        raise InputError("the host", must, host, fix=fix)
