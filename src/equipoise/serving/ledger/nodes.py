"""Nodes that share a book in Redis: which decisions are whose, and claims that reach another node
than the one that decided.

A decision's id names its writer, and each worker says here of which node it is.  A claim that comes
to another node is handed over by one script before it is answered; the node that decided looks for
such claims twice a second, settles each by its own log, and then takes it away.  Before it gives
back what nobody claimed it closes that time, in the same script that collects: a claim is either
collected before, or told "late".  So no clock of another node matters, and what was told "joined"
is spent.

    writer:W   the node of a writer, as long as its decisions can be claimed
    claims:N   decision -> whether it was taken, until node N has settled it
    closed     node -> the milliseconds before which its decisions can be claimed no more
    owner:O    the place of the worker that has slot O of its node, as long as it lives
"""

from __future__ import annotations

import threading
from typing import Any

from equipoise.serving.errors import LedgerError
from equipoise.serving.ledger.redis_book import RedisBook

ALIVE = 5  # seconds after its last word that a worker's place is kept for it
SPARE = 172_800  # seconds beyond the window that a writer and its claims are kept
MOST = 1_000  # claims that are collected at once
MILLISECOND = 1_000_000  # ns
WRITER = slice(6, 12)  # of a decision's id: the slot and the start of who wrote it
OWN, OTHER, LATE, UNKNOWN = "own", "other", "late", "unknown"

HAND_OVER = f"""
local decision, taken, node, keep = unpack(ARGV)
local owner = redis.call('GET', p .. ':writer:' .. string.sub(decision, 13, 24))
if not owner then return '{UNKNOWN}' end
if owner == node then return '{OWN}' end
local closed = tonumber(redis.call('HGET', p .. ':closed', owner) or '0')
if tonumber(string.sub(decision, 1, 12), 16) < closed then return '{LATE}' end
local claims = p .. ':claims:' .. owner
redis.call('HSETNX', claims, decision, taken)
redis.call('EXPIRE', claims, keep)
return '{OTHER}'
"""
LOOK = f"""
local owner, place, node, writer, keep, cut, cursor = unpack(ARGV)
local key, claims = p .. ':owner:' .. owner, p .. ':claims:' .. node
local other = redis.call('GET', key)
if other and other ~= place then return {{-1}} end
redis.call('SET', key, place, 'EX', {ALIVE})
if writer ~= '' then redis.call('SET', p .. ':writer:' .. writer, node, 'EX', keep) end
for i = 8, #ARGV do redis.call('HDEL', claims, ARGV[i]) end
if tonumber(cut) > tonumber(redis.call('HGET', p .. ':closed', node) or '0') then
    redis.call('HSET', p .. ':closed', node, cut)
end
if redis.call('HLEN', claims) <= {MOST} then return {{0, redis.call('HGETALL', claims)}} end
return redis.call('HSCAN', claims, cursor, 'COUNT', {MOST})
"""
LEAVE = """
local key = p .. ':owner:' .. ARGV[1]
if redis.call('GET', key) == ARGV[2] then redis.call('DEL', key) end
"""


class Nodes:
    """What one worker has to do with the other nodes.

    Parameters
    ----------
    book : RedisBook
        That all share.
    node : int
        The number of this one.
    owner : int
        Of this worker, as its leases have it: the node and the slot.
    writer : bytes
        What the ids of its decisions have in common: 6 bytes; none where it makes none.
    place : str
        Where this worker is, the same after a restart: another one of the same number, as of a
        copied folder, is refused.
    window : float
        Seconds in which a decision can be claimed.
    """

    def __init__(
        self, book: RedisBook, node: int, owner: int, writer: bytes, place: str, window: float
    ) -> None:
        self.book, self._node, self._owner = book, node, owner
        self._writer, self._place, self._keep = writer.hex(), place, int(window) + SPARE
        self._cut = self._closed = 0  # ns: asked for; done
        self._cursor, self._since = 0, 0  # in the claims; the cut as its round began
        self._claims: dict[bytes, bool] = {}
        self._settled: list[bytes] = []
        self._lock = threading.Lock()

    def hand_over(self, decision: bytes, taken: bool) -> str:
        """Tell the node that decided of a claim; any thread may do so, again and again.

        Parameters
        ----------
        decision : bytes
            Its id.
        taken : bool
            Whether the offer was taken.

        Returns
        -------
        str
            "other": it will be settled; "late": what was reserved is given back already; "own":
            this node decided; "unknown": none of these nodes did.

        Raises
        ------
        LedgerError
            Where the book cannot be reached: nothing is then handed over, or all.
        """
        asked = decision.hex(), int(taken), self._node, self._keep
        return bytes(self.book.call(HAND_OVER, *asked)).decode()

    def look(self) -> None:
        """Say that this worker is there, take away what is settled, and collect.

        Raises
        ------
        LedgerError
            Where the book cannot be reached, or another worker of the same number is there.
        """
        with self._lock:
            settled, cut = self._settled[:MOST], self._cut // MILLISECOND
        self._since = self._since if self._cursor else cut
        about = self._owner, self._place, self._node, self._writer, self._keep, cut, self._cursor
        cursor, *rest = self.book.call(LOOK, *about, *(decision.hex() for decision in settled))
        if not rest:
            must, got = "be one service's alone", "that of one that runs elsewhere"
            fix = "of a copied state folder keep its snapshots and channels only"
            raise LedgerError("the number of this node", must, got, self.book.name, fix)
        with self._lock:
            del self._settled[: len(settled)]
            self._claims |= {bytes.fromhex(k.decode()): v == b"1" for k, v in _pairs(rest[0])}
            for decision in self._settled:  # meanwhile
                self._claims.pop(decision, None)
            self._cursor = int(cursor)
            if not self._cursor:
                self._closed = self._since * MILLISECOND

    def close_before(self, ns: int) -> None:
        """Ask that decisions before this moment can be claimed no more."""
        with self._lock:
            self._cut = max(self._cut, ns)

    def collected(self) -> tuple[dict[bytes, bool], int]:
        """Claims that other nodes took, whether each was taken, and before which moment, in
        nanoseconds since 1970, there are no others.
        """
        with self._lock:
            return dict(self._claims), self._closed

    def settled(self, decision: bytes) -> None:
        """Take a claim away: it is settled."""
        with self._lock:
            if self._claims.pop(decision, None) is not None:
                self._settled.append(decision)

    def leave(self) -> None:
        """Give the place free: this worker stops."""
        self.book.call(LEAVE, self._owner, self._place)


def _pairs(flat: list[Any]) -> zip[tuple[Any, Any]]:
    """The names and values of a hash, as Redis gives them."""
    return zip(flat[::2], flat[1::2], strict=True)
