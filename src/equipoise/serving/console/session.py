"""Who is signed in, and that a change was meant.

The token is kept in a cookie that scripts cannot read and that no other site's page can send; every
form has a number that follows from the token and a secret of the service, so that a page of others,
which cannot read ours, cannot make it up.  Without tokens whoever is at this machine is signed in.
"""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import urlsplit

from equipoise.serving.app.problems import Refusal
from equipoise.serving.app.tokens import LOOPBACK, Token, Tokens

COOKIE = "equipoise_console"
READ, OPERATE = "read", "operate"
WRITES = "the console's form"
HERE = tuple(name.strip("[]") for name in LOOPBACK)


def signed_in(tokens: Tokens, cookie: str, now: float, host: str) -> Token | None:
    """The token of a cookie; None where it is none, has expired, or may not read.

    Without tokens the page must be asked for by a name of this machine: a site of others whose
    name leads here would else read ours.

    Parameters
    ----------
    tokens : Tokens
        Of the service.
    cookie : str
        Its value; "" without one.
    now : float
        In seconds since 1970.
    host : str
        The request's header.

    Returns
    -------
    Token or None
        Valid now.
    """
    if not len(tokens) and urlsplit(f"//{host}").hostname not in HERE:
        return None
    try:
        token = tokens.find(b"Bearer " + cookie.encode("latin-1", "replace"), now)
    except Refusal:
        return None
    return token if READ in token.scopes or OPERATE in token.scopes else None


def form_number(secret: bytes, token: Token) -> str:
    """What a form of this token's pages must bring along.

    Parameters
    ----------
    secret : bytes
        Of the service, the same in all workers.
    token : Token
        Whose page it is.

    Returns
    -------
    str
        Hex digits.

    Examples
    --------
    >>> number = form_number(b"secret", Token(b"a", frozenset()))
    >>> len(number), number == form_number(b"secret", Token(b"b", frozenset()))
    (64, False)
    """
    return hmac.new(secret, b"console form " + token.digest, hashlib.sha256).hexdigest()


def check_form(secret: bytes, token: Token, number: str, origin: str, host: str) -> None:
    """Refuse a change that no page of ours asked for, or that the token does not allow.

    Parameters
    ----------
    secret : bytes
        Of the service.
    token : Token
        Who asks.
    number : str
        What the form brought.
    origin, host : str
        The request's headers; "" without one.

    Raises
    ------
    Refusal
        403.
    """
    if OPERATE not in token.scopes:
        fix = "sign in with a token that has it"
        raise Refusal(403, "the token", f"have the scope {OPERATE!r}", "none", fix=fix)
    own = form_number(secret, token)
    foreign = bool(origin) and urlsplit(origin).netloc != host
    if foreign or not hmac.compare_digest(own.encode(), number.encode()):
        got = "another site" if foreign else "another number"
        raise Refusal(403, WRITES, "come from this page", got, fix="load the page again")
