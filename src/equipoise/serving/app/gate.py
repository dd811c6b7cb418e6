"""Who gets in: token, scope, rate, and how many requests a worker has in hand.

Without tokens the service is for this machine alone, and a page in a browser of this machine is not
let in: it cannot name another host (DNS rebinding), send an ``Origin`` of its own, or a body that
is not declared as JSON, for which a browser would ask first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic, time

from equipoise.serving.app.problems import Refusal
from equipoise.serving.app.tokens import LOOPBACK, Token, Tokens, unauthorised
from equipoise.serving.config import LimitsConfig

JSON = b"application/json"
Headers = Sequence[tuple[bytes, bytes]]
MANY = 64  # spellings of this machine


class Gate:
    """Lets requests in, one worker's.

    Parameters
    ----------
    tokens : Tokens
        Of the service.
    limits : LimitsConfig
        Rate, and requests in hand.
    clock : callable, default time.monotonic
        Seconds, for the rate.
    """

    def __init__(
        self, tokens: Tokens, limits: LimitsConfig, clock: Callable[[], float] = monotonic
    ) -> None:
        self.tokens, self.limits, self.clock = tokens, limits, clock
        self.in_flight = 0  # counted by who lets a request go on
        self.at_door = 0  # likewise, of paths without a token: they take no place of the others
        self._hosts: set[bytes] = set()  # names of this machine that were asked for
        self._left: dict[bytes, tuple[float, float]] = {}  # digest -> (requests left, when)

    def admit(self, method: str, headers: Headers, needed: str) -> Token:
        """The token of a request that may go on.

        Parameters
        ----------
        method : str
            Of the request.
        headers : sequence of (bytes, bytes)
            Names in lower case, and values.
        needed : str
            The scope that its route needs.

        Returns
        -------
        Token
            Whose it is.

        Raises
        ------
        Refusal
            401, 403, 415, 429 or 503.
        """
        authorization = kind = host = origin = b""
        for name, value in headers:
            if name == b"authorization":
                authorization = value
            elif name == b"content-type":
                kind = value
            elif name == b"host":
                host = value
            elif name == b"origin":
                origin = value
        if not self.tokens and (origin or host not in self._hosts):
            self._from_here(host, origin)
        token = self.tokens.find(authorization, time())
        if needed not in token.scopes:
            got = f"one with {', '.join(sorted(token.scopes))}"
            fix = "use a token with that scope"
            raise Refusal(403, "the token", f"have the scope {needed!r}", got, fix=fix)
        if method == "POST" and not kind.lower().startswith(JSON):
            got = kind.decode("latin-1") or "none"
            fix = "send the header 'Content-Type: application/json'"
            raise Refusal(415, "the content type", "be application/json", got, fix=fix)
        self.again(token)
        return token

    def again(self, token: Token) -> None:
        """Let in a request more of a token, with headers that were admitted before; see `admit`."""
        if time() >= token.expires:
            raise unauthorised("one that has expired", "ask the operator for a new one")
        if self.limits.rate:
            self.count(token)
        if self.in_flight >= self.limits.in_flight:
            raise self._full()

    def look(self, headers: Headers) -> None:
        """Refuse a request of a path without a token that comes from elsewhere, or is one too many:
        see `admit`.
        """
        if not self.tokens:
            named = dict(headers)
            self._from_here(named.get(b"host", b""), named.get(b"origin", b""))
        if self.at_door >= self.limits.in_flight:
            raise self._full()

    def _full(self) -> Refusal:
        must = f"have at most {self.limits.in_flight} requests in hand"
        fix, again = "try again in a moment", {"retry-after": "1"}
        return Refusal(503, "a worker", must, "one more", fix=fix, headers=again)

    def _from_here(self, host: bytes, origin: bytes) -> None:
        from_here_alone(host, origin)
        if len(self._hosts) < MANY:
            self._hosts.add(host)

    def count(self, token: Token) -> None:
        """Take one request off what a token has left: a bucket of one second's requests.

        Parameters
        ----------
        token : Token
            Whose.

        Raises
        ------
        Refusal
            429.
        """
        rate, now = self.limits.rate, self.clock()
        if not rate:
            return
        most = max(rate, 1.0)
        left, before = self._left.get(token.digest, (most, now))
        left = min(most, left + rate * (now - before))
        if left < 1:
            self._left[token.digest] = (left, now)
            wait = max(1, round((1 - left) / rate))
            must, fix = f"send at most {rate:g} requests a second", f"wait {wait} s"
            again = {"retry-after": str(wait)}
            raise Refusal(429, "a token", must, "more", fix=fix, headers=again)
        self._left[token.digest] = (left - 1, now)


def from_here_alone(host: bytes, origin: bytes) -> None:
    """Refuse what a page of somebody else makes a browser of this machine ask."""
    name = host.decode("latin-1").lower()
    if not name.endswith("]"):
        name = name.rpartition(":")[0] or name
    asked = origin.decode("latin-1").lower().partition("://")[2]
    if name not in LOOPBACK or (origin and asked != host.decode("latin-1").lower()):
        got = origin.decode("latin-1") or name or "none"
        must = "be this machine while the service has no tokens"
        fix = "make a token by `equipoise serve --new-token decide,reward`"
        raise Refusal(403, "the host or origin", must, got, fix=fix)
