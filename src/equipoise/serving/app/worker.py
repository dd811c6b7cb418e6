"""One worker: its slot of the log, its snapshots, its money, its engine; opened before the first
request, looked after while it runs, closed so that nothing is left open.

It is not ready before a snapshot passed its self-test and the kernels have run once, and not ready
any more once it was told to stop.
"""

from __future__ import annotations

import asyncio
import fcntl
import gc
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path

from equipoise.core.errors import DataError, EquipoiseError
from equipoise.serving.app.counting import Counts
from equipoise.serving.app.gate import Gate
from equipoise.serving.app.meters import ROWS, Meters
from equipoise.serving.app.money import open_ledger, settle_dead
from equipoise.serving.app.problems import kind_of
from equipoise.serving.app.settings import Settings, must_go_on
from equipoise.serving.app.strict_json import key_twice
from equipoise.serving.app.wire import Bodies
from equipoise.serving.config import ServeConfig
from equipoise.serving.engine.engine import Engine
from equipoise.serving.engine.idempotency import KeyedAnswer
from equipoise.serving.engine.refill import refill
from equipoise.serving.engine.shared import SharedState
from equipoise.serving.errors import ConflictError
from equipoise.serving.ledger.redis_book import REDIS
from equipoise.serving.log.segments import segments_of, unended
from equipoise.serving.log.upkeep import keep_up
from equipoise.serving.log.writer import DecisionLog
from equipoise.serving.messages import DecideAnswer, DecideRequest
from equipoise.serving.monitors.beside import Beside
from equipoise.serving.snapshots.channels import Channels
from equipoise.serving.snapshots.compiled import CompiledSnapshot, compile_snapshot
from equipoise.serving.snapshots.load import load_snapshot
from equipoise.serving.snapshots.state import State
from equipoise.serving.stores.redis_units import RedisUnits

TICK = 0.1  # seconds between looks at what is due
LOOK = 0.5  # seconds between looks at the channels
LATEST, NEVER = 30.0, float("inf")  # seconds until what could not be loaded is tried again
UPKEEP = 3600.0  # seconds between looks at what is due in the log
REST = 1.0  # seconds that a snapshot stays open after a swap: a request in hand may still read it
logger = logging.getLogger(__name__)


class Worker:
    """One worker, open until `close`.

    Parameters
    ----------
    state : Path
        The folder of the service.
    settings : callable
        Reads the settings: now, and whenever the service is told to take them again.

    Raises
    ------
    EquipoiseError
        Where something of it cannot be opened; nothing is then left open.
    """

    def __init__(self, state: Path, settings: Callable[[], Settings]) -> None:
        self.state, self._settings = state, settings
        self.ready = False
        self._due = NEVER  # when the channels are looked at, whether they changed or not
        self.config, self.tokens = settings()
        self._old: list[tuple[float, CompiledSnapshot]] = []
        self._taking = asyncio.Lock()
        self._open_things = ExitStack()
        with ExitStack() as opening:
            self._open(opening)
            self._open_things = opening.pop_all()
        self._warm()

    def _open(self, opening: ExitStack) -> None:
        config = self.config
        self.log = first_free(self.state / "log", config)
        opening.callback(self.log.close)
        self.meters = Meters(self.state / "counters", self.log.slot)
        opening.callback(self.meters.close)
        self.counts = Counts(self.meters, config.policy)
        self.channels = Channels(self.state)
        self._in_force: list[CompiledSnapshot] = []
        opening.callback(self._let_go)
        live = self._live()
        policy = live.scorer.rule.policy
        slot, writer = self.log.slot, self.log.writer
        self.ledger, pacing = open_ledger(self.state, config, slot, policy, writer)
        if self.ledger is not None:
            opening.callback(self.ledger.close)
        self.engine = Engine(
            live,
            config,
            self.log,
            SharedState(self.state),
            candidate=self._tried(),
            shadows=self._shadows(),
            budget=self.ledger,
            pacing=pacing,
            seed=State(self.state).seed(),
            counters=self.counts,
            clock=self.log.now_ns,
        )
        opening.callback(self.engine.close)
        refill(self.engine, self.state / "log", self.log.slot, time.time_ns())
        self._adopt()
        self.gate = Gate(self.tokens, config.limits)
        self.bodies = Bodies(config.limits.body_bytes, config.limits.read_seconds)

    def _adopt(self) -> None:
        """End what workers left who died in slots that nobody has taken since: there may be fewer
        workers now, or one took a lower slot; also where somebody had begun, and failed or died.
        """
        log, shared = self.state / "log", self.engine.shared
        last = {segment.slot: segment.writer for segment in segments_of(log)}
        begun = {slot for slot, writer in last.items() if not shared.is_taken_over(writer)}
        for slot in sorted(begun.union(unended(log))):
            try:
                with closing(DecisionLog(log, slot, self.config.log)):
                    settle_dead(self.state, self.config, slot)
                    refill(self.engine, log, slot, self.log.now_ns())
            except ConflictError:
                continue  # it lives, or somebody else is at it
            except EquipoiseError as error:
                self._failed("adoption", error)  # its money stays reserved; this worker serves

    def _live(self) -> CompiledSnapshot:
        channel = self.channels.live()
        if channel is None:
            raise DataError("a service", "have a live snapshot", "none", str(self.state))
        self._in_force.append(self.load(channel.snapshot))
        return self._in_force[0]

    def _tried(self) -> CompiledSnapshot | None:
        """What is tried beside it: the service starts without it where it cannot be loaded."""
        channel = self.channels.candidate()
        if channel is None:
            return None
        try:
            self._in_force.append(self.load(channel.snapshot))
        except EquipoiseError as error:
            self._not_taken(error)
            self._due = 0.0
            return None
        return self._in_force[1]

    def _shadows(self) -> list[CompiledSnapshot]:
        """What decides beside, and is never served; the service starts without what cannot be
        loaded.
        """
        ids = [State(self.state).one(id) for id in self.config.shadows]
        here = {served.id: served for served in self._in_force}
        for id in ids:
            if id not in here:
                try:
                    here[id] = self.load(id)
                except EquipoiseError as error:
                    self._not_taken(error)
                    self._due = 0.0
                else:
                    self._in_force.append(here[id])
        return [here[id] for id in ids if id in here]

    def _failed(self, part: str, error: Exception) -> None:
        logger.error("%s failed: %s", part, kind_of(error))
        self.counts.failed(part)

    def _not_taken(self, error: Exception) -> None:
        if not isinstance(error, EquipoiseError):
            self._failed("channels", error)
            return
        logger.error("a snapshot was not taken: %s must %s", error.what, error.must)
        self.counts.failed("snapshot")

    def load(self, id: str) -> CompiledSnapshot:
        """Verify and open a snapshot."""
        store = self.config.store
        redis = os.environ.get(REDIS) if store.kind == "redis" else None
        loaded = load_snapshot(self.state, id, redis=redis, deadline=store.deadline)
        return compile_snapshot(loaded)

    def redis_units(self) -> RedisUnits | None:
        """Where a publish puts known units, beside the folder."""
        url = os.environ.get(REDIS)
        return RedisUnits(url) if url and self.config.store.kind == "redis" else None

    def _warm(self) -> None:
        """Run once what a request runs, so that no request waits for a compiler."""
        request = DecideRequest(unit="warm", dry_run=True)
        with suppress(EquipoiseError):
            self.engine.decide(request, time.time_ns())
        key_twice(b'{"a":1,"b":2}')
        gc.collect()
        gc.freeze()  # what is here stays: no request waits until it has been looked through again

    @property
    def waits_for_disk(self) -> bool:
        """Whether an answer waits until its record is on disk."""
        return self.config.log.durability == "disk"

    async def decide(self, request: DecideRequest) -> DecideAnswer:
        """Decide for one unit, and wait for the disk where the settings say so."""
        if not self.engine.quick:
            return await self.engine.decide_async(request, time.time_ns())
        since = self.log.failed_syncs
        reply = self.engine.decide(request, time.time_ns())
        await self.log.acknowledged(since)
        return reply

    async def acknowledged(self, unsynced: Sequence[KeyedAnswer], since: int) -> None:
        """Wait for the disk, then keep the answers of keys; ``since`` as of the log."""
        try:
            await self.log.acknowledged(since)
        except BaseException:
            self.engine.keep(unsynced, lost=True)
            raise
        self.engine.keep(unsynced)

    # ---- while it runs ----

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Ready, and looked after; at the end the last requests are answered already."""
        works = self.bodies.watch(), self._tick(), self._follow(), self._keep_up(), self._watch()
        tasks = [asyncio.create_task(work) for work in works]
        self.engine.soon = asyncio.get_running_loop().call_soon
        self.begin_ready()
        try:
            yield
        finally:
            self.end_ready()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.close()

    def begin_ready(self) -> None:
        """Say that requests are welcome."""
        self.ready = True
        self.counts.ready(True)

    def end_ready(self) -> None:
        """Say that no more requests should come; those that do are answered."""
        self.ready = False
        self.counts.ready(False)

    def reload(self) -> None:
        """Take the settings again: all of them, or none and a line in the log."""
        try:
            config, tokens = self._settings()
            must_go_on(self.state, self.config, config)
            self.engine.configure(config)
        except EquipoiseError as error:
            logger.error("settings not taken: %s must %s", error.what, error.must)
            return
        self.config = config
        self.tokens.take(tokens)
        self._due = 0.0  # shadows may be others
        self.log.clear_alarm()
        self.gate.limits = config.limits
        self.bodies.most, self.bodies.seconds = config.limits.body_bytes, config.limits.read_seconds
        logger.info("settings taken")

    async def _tick(self) -> None:
        written, told = 0, ""
        while True:
            await asyncio.sleep(TICK)
            try:
                self.engine.tick(self.log.now_ns())
            except Exception as error:  # noqa: BLE001 - the next one comes in any case
                self._failed("tick", error)
            self.counts.in_hand(self.gate.in_flight)
            self.counts.logged(self.log.bytes_written - written, self.log.disk.took)
            written = self.log.bytes_written
            self.counts.trouble(bool(self.log.alarm), self.log.clock_back / 1e9)
            if self.log.alarm != told and (told := self.log.alarm):
                logger.error("%s", told)
            while self._old and self._old[0][0] < time.monotonic():
                self._old.pop(0)[1].close()

    async def _keep_up(self) -> None:
        """Erased units go from the log, and old segments; one worker at a time."""
        while True:
            try:
                with alone(self.state / "upkeep.lock") as mine:
                    if mine:
                        await asyncio.to_thread(keep_up, self.state / "log", self.config.log)
            except Exception as error:  # noqa: BLE001 - likewise
                self._failed("upkeep", error)
            await asyncio.sleep(UPKEEP)

    async def _watch(self) -> None:
        """Have the log watched by a process beside."""
        beside = Beside(self.state)
        try:
            while True:
                await asyncio.sleep(self.config.monitors.every or UPKEEP)
                await asyncio.to_thread(beside.look_after, self.config)
        finally:
            beside.close()

    async def _follow(self) -> None:
        """Take what was published, and let go of what was."""
        refused, wait = "", LOOK
        while True:
            await asyncio.sleep(LOOK)
            if self.channels.changed():
                self._due, wait = 0.0, LOOK
            if time.monotonic() < self._due:
                continue
            self._due = NEVER
            try:
                await self.take_channels()
                refused, wait = "", LOOK
            except Exception as error:  # noqa: BLE001 - it is tried again
                if str(error) != refused:
                    self._not_taken(error)
                refused = str(error)
                self._due = min(self._due, time.monotonic() + wait)
                wait = min(2 * wait, LATEST)

    async def take_channels(self) -> None:
        """Put the snapshots of the channels in force, loaded beside the event loop; one call after
        the other, and what was published last, also while something loaded.
        """
        async with self._taking:
            here = {served.id: served for served in self._in_force}
            with ExitStack() as new:
                named: tuple[str, ...] = ()
                while (now := self._named()) != named:  # others may be there once these are loaded
                    named = now
                    for id in filter(None, named):
                        if id not in here:
                            here[id] = await asyncio.to_thread(self.load, id)
                            new.callback(here[id].close)
                live, candidate, *shadows = map(here.get, named)
                self.engine.swap(live, candidate, [one for one in shadows if one is not None])
                new.pop_all()
            self._in_force = [here.pop(id) for id in dict.fromkeys(filter(None, named))]
            self._old += [(time.monotonic() + REST, left) for left in here.values()]

    def _named(self) -> tuple[str, ...]:
        """The ids of what is live, what is tried beside it ("": nothing), and the shadows."""
        live, candidate = self.channels.live(), self.channels.candidate()
        return (
            self.engine.now.live.id if live is None else live.snapshot,
            "" if candidate is None else candidate.snapshot,
            *(State(self.state).one(id) for id in self.config.shadows),
        )

    def close(self) -> None:
        """Write what is not written, settle the leases, write the end of the log; once."""
        self._open_things.close()

    def _let_go(self) -> None:
        for served in (*self._in_force, *(old for _, old in self._old)):
            served.close()
        self._in_force.clear()
        self._old.clear()


@contextmanager
def alone(path: Path) -> Iterator[bool]:
    """Whether nobody else is within, among all processes."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(file)


def first_free(folder: Path, config: ServeConfig) -> DecisionLog:
    """The log of the first slot that no other worker has."""
    folder.mkdir(parents=True, exist_ok=True)
    for slot in range(ROWS):
        with suppress(ConflictError):
            return DecisionLog(folder, slot, config.log)
    raise ConflictError("a slot of the log", f"be free below {ROWS}", "none", str(folder))
