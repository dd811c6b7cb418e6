"""A book in Redis, for the workers of many machines: each call is one Lua script, so one
transaction.

A lease is a hash, what was settled of it a set until it is closed; each lease that is opened looks
at some others, whether they can go.  Amounts stay below 2^53, which Lua's numbers count exactly.
How safe the money is from a crash of Redis is its ``appendfsync``: "always" where the book must not
lose a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from equipoise.serving.errors import BookLost, LedgerError
from equipoise.serving.ledger.money import (
    CLOSED,
    DROP,
    OFFERS,
    SLICES,
    Entry,
    Lease,
    Rebuilt,
    Sums,
    sums_of,
)
from equipoise.serving.stores.redis_store import connect, redis_package

REDIS = "EQUIPOISE_REDIS_URL"  # of the environment
FIELDS = Lease._fields[1:]  # of a lease's hash; its id is in the key
LIBRARY = """
local p = KEYS[1]
local money = p .. ':money'
local function get(key, field) return tonumber(redis.call('HGET', key, field)) end
local function add(key, field, n) if n ~= 0 then redis.call('HINCRBY', key, field, n) end end
if redis.call('EXISTS', money) == 0 then return redis.error_reply('LOST the book is not there') end
local function done(id)
    local l = p .. ':lease:' .. id
    local spent, lost = get(l, 'spent'), get(l, 'lost')
    if get(l, 'state') == 1 and get(l, 'amount') == spent + lost then
        redis.call('HSET', l, 'state', 2)
        redis.call('SREM', p .. ':live', id)
        redis.call('DEL', p .. ':settled:' .. id)
        if get(l, 'period') == get(money, 'period') then
            add(money, 'spent', spent)
            add(money, 'lost', lost)
        end
    end
end
local function drop(id)
    local l = p .. ':lease:' .. (id or '')
    if get(l, 'state') == 2 and get(l, 'period') < get(money, 'period') - 1 then
        local ns, notes = redis.call('HGET', l, 'ns'), p .. ':notes'
        local last = redis.call('HGET', notes, 'dropped') or ''
        if #ns > #last or (#ns == #last and ns > last) then
            redis.call('HSET', notes, 'dropped', ns)
        end
        redis.call('DEL', l)
    elseif id then
        redis.call('RPUSH', p .. ':leases', id)
    end
end
local function seal(id, back)
    local l = p .. ':lease:' .. id
    if get(l, 'state') ~= 0 then return end
    back = math.min(back, get(l, 'amount') - get(l, 'spent') - get(l, 'lost'))
    redis.call('HSET', l, 'free', 0, 'state', 1)
    add(l, 'amount', -back)
    if get(l, 'period') == get(money, 'period') then add(money, 'left', back) end
    done(id)
end
"""
MAKE = """
local p = KEYS[1]
if redis.call('EXISTS', p .. ':money') == 1 then return 0 end
local book = cmsgpack.unpack(ARGV[1])
redis.call('HSET', p .. ':money', 'period', book.period, 'total', book.total, 'left', book.left,
    'spent', book.spent, 'lost', book.lost)
for _, l in ipairs(book.leases) do
    redis.call('RPUSH', p .. ':leases', l[1])
    if l[2] == 1 then redis.call('SADD', p .. ':live', l[1]) end
    redis.call('HSET', p .. ':lease:' .. l[1], unpack(l[3]))
end
for _, s in ipairs(book.settled) do redis.call('SADD', p .. ':settled:' .. s[1], s[2]) end
return 1
"""
RENEW = """
local period, total = tonumber(ARGV[1]), tonumber(ARGV[2])
local now = get(money, 'period')
if period > now then
    redis.call('HSET', money, 'period', period, 'total', total, 'left', total)
    redis.call('HSET', money, 'spent', 0, 'lost', 0)
elseif period == now then
    local change = math.max(total - get(money, 'total'), -get(money, 'left'))
    add(money, 'total', change)
    add(money, 'left', change)
end
"""
TAKE = f"""
local id, workers, need = ARGV[1], tonumber(ARGV[2]), math.max(tonumber(ARGV[3]), 1)
local l = p .. ':lease:' .. id
if redis.call('EXISTS', l) == 0 then
    local left = get(money, 'left')
    if left < need then return false end
    local share = math.min({OFFERS} * need, math.floor(left / workers))
    local amount = math.max(math.floor(left / ({SLICES} * workers)), share, need)
    amount = math.floor(amount / need) * need
    add(money, 'left', -amount)
    redis.call('HSET', l, 'slot', ARGV[4], 'boot', ARGV[5], 'period', get(money, 'period'),
        'amount', amount, 'spent', 0, 'lost', 0, 'free', amount, 'state', 0, 'ns', ARGV[6])
    for _ = 1, {DROP} do drop(redis.call('LPOP', p .. ':leases')) end
    redis.call('RPUSH', p .. ':leases', id)
    redis.call('SADD', p .. ':live', id)
end
return redis.call('HMGET', l, unpack(ARGV, 7))
"""
FLOW = """
local b = cmsgpack.unpack(ARGV[1])
local touched = {}
for _, e in ipairs(b.entries) do
    local id, decision, reserved, spent = unpack(e)
    local l = p .. ':lease:' .. id
    local state = get(l, 'state')
    if state and state < 2 and reserved <= get(l, 'amount') - get(l, 'spent') - get(l, 'lost') and
            redis.call('SADD', p .. ':settled:' .. id, decision) == 1 then
        add(l, 'spent', spent)
        add(l, 'amount', spent - reserved)
        if get(l, 'period') == get(money, 'period') then add(money, 'left', reserved - spent) end
        touched[id] = true
    end
end
for _, f in ipairs(b.free) do
    local l = p .. ':lease:' .. f[1]
    if get(l, 'state') == 0 then redis.call('HSET', l, 'free', f[2]) end
end
for _, s in ipairs(b.seal) do seal(s[1], s[2]) end
for id, _ in pairs(touched) do done(id) end
"""
CLOSE_DEAD = """
local b = cmsgpack.unpack(ARGV[1])
local l = p .. ':lease:' .. b.lease
if get(l, 'state') ~= 0 then return end
local reserved = 0
for _, h in ipairs(b.holds) do
    if redis.call('SISMEMBER', p .. ':settled:' .. b.lease, h[1]) == 0 then
        reserved = reserved + h[2]
    end
end
local free = math.max(get(l, 'amount') - get(l, 'spent') - get(l, 'lost') - reserved, 0)
if b.lost then add(l, 'lost', free) free = 0 end
seal(b.lease, free)
"""
SUMS = """
local period = get(money, 'period')
local rest, free, spent, lost = 0, 0, get(money, 'spent'), get(money, 'lost')
for _, id in ipairs(redis.call('SMEMBERS', p .. ':live')) do
    local l = p .. ':lease:' .. id
    if get(l, 'period') == period then
        local own = get(l, 'amount') - get(l, 'spent') - get(l, 'lost')
        rest, spent, lost = rest + own, spent + get(l, 'spent'), lost + get(l, 'lost')
        if get(l, 'state') == 0 then free = free + math.min(get(l, 'free'), own) end
    end
end
return {period, get(money, 'total'), get(money, 'left'), rest, free, spent, lost}
"""


class RedisBook:
    """A book in Redis.

    Parameters
    ----------
    url : str
        As "redis://host:6379/0".
    name : str
        Of the budget: the beginning of its keys.
    total : int or None
        The budget of a period, in millionths; None: the book stays as it is, there or not.
    period : int, default 0
        The present one.
    lost : callable, optional
        Called where the book is not there: what the log says (`LoggedMoney.rebuilt`).  Stop all
        workers before a lost book is made anew: what is free on their leases is in no log.
    deadline : float, default 1.0
        Seconds that Redis may take for an answer.

    Raises
    ------
    LedgerError
        Where Redis does not answer, or the book is lost.
    """

    def __init__(
        self,
        url: str,
        name: str,
        total: int | None,
        period: int = 0,
        lost: Callable[[], Rebuilt] = Rebuilt,
        deadline: float = 1.0,
    ) -> None:
        self._error = redis_package().RedisError
        self.name = f"{{{name}}}"
        self._client = connect(url, deadline)
        self._scripts: dict[str, Any] = {}
        if total is None:
            return
        with self._told():
            there = self._client.exists(f"{self.name}:money")
        if not there:
            self.call(MAKE, _packed(_of_log(lost(), total, period)))
        self.renew(period, total)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Redis' errors as ours."""
        try:
            yield
        except self._error as error:
            fix = "see that Redis runs, and make a lost book anew with all workers stopped"
            kind = BookLost if "LOST" in str(error) else LedgerError
            raise kind("the book", "answer", str(error), self.name, fix) from error

    def call(self, script: str, *arguments: Any) -> Any:
        """Run a script of the book: one transaction.

        Parameters
        ----------
        script : str
            In Lua, with the names that `LIBRARY` gives.
        *arguments : object
            Text, bytes or numbers.

        Returns
        -------
        object
            As Redis gives it.

        Raises
        ------
        LedgerError
            Where Redis does not answer, or the book is lost.
        """
        if script not in self._scripts:
            text = script if script is MAKE else LIBRARY + script
            self._scripts[script] = self._client.register_script(text)
        with self._told():
            return self._scripts[script](keys=[self.name], args=arguments)

    def renew(self, period: int, total: int) -> None:
        """Begin a later period, or another total of the present one."""
        self.call(RENEW, period, total)

    def take(self, lease: Lease, workers: int, need: int) -> Lease | None:
        """Open a lease."""
        about = (lease.id, workers, need, lease.slot, lease.boot, lease.ns)
        values = self.call(TAKE, *about, *FIELDS)
        return None if values is None else _lease(lease.id, values)

    def flow(self, entries: Sequence[Entry], free: Mapping[int, int], seal: Iterable[int]) -> None:
        """Settle holds, note what is free, seal leases."""
        batch = {
            "entries": [(str(e.lease), e.decision.hex(), e.reserved, e.spent) for e in entries],
            "free": [(str(lease), amount) for lease, amount in free.items()],
            "seal": [(str(lease), free.get(lease, 0)) for lease in seal],
        }
        self.call(FLOW, _packed(batch))

    def close_dead(self, lease: int, holds: Mapping[bytes, int], lost: bool) -> None:
        """Seal the open lease of a dead worker."""
        reserved = [(decision.hex(), amount) for decision, amount in holds.items()]
        batch = {"lease": str(lease), "holds": reserved, "lost": lost}
        self.call(CLOSE_DEAD, _packed(batch))

    def leases(self) -> list[Lease]:
        """All leases."""
        with self._told():
            ids = self._client.lrange(f"{self.name}:leases", 0, -1)
            pipe = self._client.pipeline(transaction=True)
            for id_ in ids:
                pipe.hmget(f"{self.name}:lease:{id_.decode()}", FIELDS)
            rows = zip(map(int, ids), pipe.execute(), strict=True)
        there = (_lease(id_, row) for id_, row in rows if None not in row)
        return sorted(there, key=lambda one: one.ns)

    def sums(self) -> Sums:
        """The money of the present period."""
        return sums_of(*self.call(SUMS))

    def note(self, key: str, value: bytes, *, first: bool = False) -> bytes:
        """Write down a value; what stands there now."""
        with self._told(), self._client.pipeline(transaction=True) as pipe:
            (pipe.hsetnx if first else pipe.hset)(f"{self.name}:notes", key, value)
            return bytes(pipe.hget(f"{self.name}:notes", key).execute()[1])

    def forget(self, prefix: str) -> None:
        """Take away the values whose keys begin so."""
        old = list(self.notes(prefix))
        if old:
            with self._told():
                self._client.hdel(f"{self.name}:notes", *old)

    def notes(self, prefix: str) -> dict[str, bytes]:
        """The values whose keys begin so."""
        with self._told():
            every = self._client.hgetall(f"{self.name}:notes")
        return {k.decode(): v for k, v in every.items() if k.decode().startswith(prefix)}

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()


def _packed(value: Any) -> bytes:
    """For the scripts, whose reader knows text and numbers, but no bytes."""
    return msgspec.msgpack.encode(value)


def _lease(id_: int, values: Sequence[bytes]) -> Lease:
    """A lease of the values of its hash."""
    text = [value.decode() for value in values]
    slot, boot, *numbers = text
    return Lease(id_, int(slot), boot, *map(int, numbers))


def _of_log(log: Rebuilt, total: int, period: int) -> dict[str, Any]:
    """A whole book of what a log says."""
    own = [lease for lease in log.leases if lease.period == period]
    used = sum(lease.amount for lease in own)
    rows = []
    for lease in log.leases:
        pairs = [str(x) for name in FIELDS for x in (name, getattr(lease, name))]
        rows.append((str(lease.id), int(lease.state < CLOSED), pairs))
    return {
        "period": period,
        "total": max(total, used),
        "left": max(total, used) - used,
        "spent": sum(lease.spent for lease in own if lease.state == CLOSED),
        "lost": 0,
        "leases": rows,
        "settled": [(str(entry.lease), entry.decision.hex()) for entry in log.entries],
    }
