"""The engine: decides, and takes what came of it.

    kill -> the same request before -> override -> known? -> eligible, cadence -> holdout -> which
    policy -> rule -> exploration -> budget -> log -> answer

Whatever fails on the way ends in control with a reason; only what the client sent wrongly is an
error.  One thread runs an engine; all that must last or be shared is in the log, the book, and the
tables of `SharedState`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from equipoise.core.errors import EquipoiseError
from equipoise.serving.config import ServeConfig
from equipoise.serving.engine.answers import NAMES, answer_json
from equipoise.serving.engine.asked import check
from equipoise.serving.engine.chance import CONTROL, NEW, NO_SCORES, Outcome
from equipoise.serving.engine.deciding import (
    NOTHING,
    Money,
    PendingDecision,
    RequestInHand,
    UnitDecision,
    pending,
    record_of,
)
from equipoise.serving.engine.facts import StoredFacts
from equipoise.serving.engine.idempotency import FULL, KeyedAnswer, key_hash
from equipoise.serving.engine.in_force import InForce
from equipoise.serving.engine.paced import Paced
from equipoise.serving.engine.part import ServedSnapshot
from equipoise.serving.engine.reading import fetch, read_all
from equipoise.serving.engine.recent import unit_hash
from equipoise.serving.engine.rewards import MILLION, Rewards
from equipoise.serving.engine.shared import SharedState
from equipoise.serving.errors import LogUnavailable
from equipoise.serving.messages import (
    DecideAnswer,
    DecideRequest,
    ExposureAnswer,
    ExposureRequest,
    RewardAnswer,
    RewardRequest,
)
from equipoise.serving.protocols import Budget, Counters, DecisionSink, NoCounters, Pacing
from equipoise.serving.reasons import REASONS
from equipoise.serving.records import DecisionRecord

LOOK = 250_000_000  # ns between looks at what an operator set
FLUSH = 200_000_000  # ns after which a decision writes what was noted, where no tick has done so
MOST_NOTED = 128  # decisions, which take a third of a millisecond to write
LOG_GONE = REASONS["log_unavailable"].code
_answer = msgspec.json.Decoder(DecideAnswer).decode
Answer = bytes | Exception  # the JSON of a `DecideAnswer`, or why there is none


class Engine:
    """The engine of one worker.

    Parameters
    ----------
    live : ServedSnapshot
        The snapshot that answers.
    config : ServeConfig
        Of the service.
    sink : DecisionSink
        The log.
    shared : SharedState
        What all workers share.
    seed : int
        Of the service's own draws, >= 0; the same for all workers, and for good.
    candidate : ServedSnapshot, optional
        A snapshot that shares the traffic.
    shadows : sequence of ServedSnapshot, default ()
        Snapshots that decide beside.
    budget : Budget, optional
        Money.
    pacing : Pacing, optional
        The price of the live policy's budget.
    counters : Counters, optional
        What is counted.
    clock : callable, default `time.time_ns`
        Nanoseconds since 1970.

    Attributes
    ----------
    soon : callable
        How what no answer waits for is done: at once, unless an event loop puts its own way here,
        which calls a function with a number after the answers are sent.

    Raises
    ------
    InputError
        Where a snapshot cannot be served, or does not go with the live one.
    """

    def __init__(
        self,
        live: ServedSnapshot,
        config: ServeConfig,
        sink: DecisionSink,
        shared: SharedState,
        *,
        seed: int,
        candidate: ServedSnapshot | None = None,
        shadows: Sequence[ServedSnapshot] = (),
        budget: Budget | None = None,
        pacing: Pacing | None = None,
        counters: Counters | None = None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self.config, self.sink, self.shared, self.budget = config, sink, shared, budget
        self.counters: Counters = counters or NoCounters()
        self._clock = clock
        self._seed = seed
        self.rewards = Rewards(shared, sink, config, budget, self.counters, self._metrics)
        self._money = Money(budget, self.rewards.claimed is not None)
        self.paced = Paced(pacing, self.counters)
        self._next_look = self._next_flush = 0
        self.soon: Callable[[Callable[[int], None], int], object] = _now
        self._behind = False  # whether what an operator set is not in force yet
        self._names: set[str] = set()  # of metrics, of all snapshots since the start
        self.now: InForce
        self._set(InForce(live, candidate, shadows, config, shared.controls.now, self._seed), None)

    # ---- what is in force ----

    @property
    def quick(self) -> bool:
        """Whether `decide` may be called; else `decide_async`."""
        return self.now.quick

    def swap(
        self,
        live: ServedSnapshot | None = None,
        candidate: ServedSnapshot | None = None,
        shadows: Sequence[ServedSnapshot] = (),
    ) -> list[ServedSnapshot]:
        """Put other snapshots in force, all at once.

        Parameters
        ----------
        live : ServedSnapshot, optional
            None: it stays.
        candidate : ServedSnapshot, optional
            None: nobody shares the traffic.
        shadows : sequence of ServedSnapshot, default ()
            In place of those before.

        Returns
        -------
        list of ServedSnapshot
            Snapshots that no later decision uses; one in hand may still read them for a moment.

        Raises
        ------
        InputError
            Where they do not go together; nothing has then changed.
        LogUnavailable
            Where the change cannot be logged; likewise.
        """
        old = self.now
        new_live = old.loaded[0] if live is None else live
        control = self.shared.controls.now
        new = InForce(
            new_live, candidate, shadows, self.config, control, self._seed, self.paced.prices
        )
        self._set(new, old)
        kept = {id(one) for one in (new_live, candidate, *shadows)}
        before = (old.loaded[0], old.loaded[1], *old.loaded[2])
        return [one for one in before if one is not None and id(one) not in kept]

    def configure(self, config: ServeConfig) -> None:
        """Take other settings: those of shares, rewards and deadlines.

        Parameters
        ----------
        config : ServeConfig
            Of the service.

        Raises
        ------
        InputError
            Where they do not go together; nothing has then changed.
        LogUnavailable
            Where the change cannot be logged; likewise.
        """
        rewards = Rewards(self.shared, self.sink, config, self.budget, self.counters, self._metrics)
        self._set(self._again(config), self.now)
        self.config, self.rewards = config, rewards
        self._money = Money(self.budget, rewards.claimed is not None)

    def look(self, now_ns: int | None = None) -> InForce:
        """Take what an operator set since the last look, and give what is in force; every decision
        does so in time.
        """
        self._next_look = (self._clock() if now_ns is None else now_ns) + LOOK
        try:
            self._behind = self.shared.controls.look() or self._behind
            while self.shared.controls.newly_erased:
                self.shared.recent.forget(self.shared.controls.newly_erased.pop())
            if self._behind:
                self._set(self._again(self.config), self.now)
                self._behind = False
        except (EquipoiseError, OSError):
            self.counters.failed("settings")
        return self.now

    def take_controls(self) -> None:
        """Put in force what was just set by this worker."""
        self._behind = True
        self.look()

    def _again(self, config: ServeConfig) -> InForce:
        live, candidate, shadows = self.now.loaded
        control = self.shared.controls.now
        return InForce(live, candidate, shadows, config, control, self._seed, self.paced.prices)

    def _set(self, new: InForce, old: InForce | None) -> None:
        if old is not None and new.same_context(old):
            new.context = old.context
        else:
            context = msgspec.structs.replace(new.context, ns=self._clock())
            new.context = context
            new.begun(self.sink.context(context))
        self.now = new
        for part in new.parts.values():
            self._names.update(part.metrics, part.weights)

    def _metrics(self) -> set[str]:
        names = {*self._names, *self.config.rewards}
        return names if self.rewards.claimed is None else names | {self.rewards.claimed}

    # ---- decide ----

    def decide(self, request: DecideRequest, now_ns: int) -> DecideAnswer:
        """Decide what a unit gets, and log it.

        Parameters
        ----------
        request : DecideRequest
            As it came.
        now_ns : int
            When, in nanoseconds since 1970.

        Returns
        -------
        DecideAnswer
            Of the request that came before with the same key, if there was one.

        Raises
        ------
        InputError
            Where the request is wrong.
        ConflictError
            Where its key was used with another body; `InFlight`, where it is in use.
        """
        return _one(self.decide_batch([request], now_ns))

    async def decide_async(self, request: DecideRequest, now_ns: int) -> DecideAnswer:
        """As `decide`, with stores over a network, by their deadline; under durability "disk" the
        answer waits for the disk.

        Parameters
        ----------
        request : DecideRequest
            As it came.
        now_ns : int
            When.

        Returns
        -------
        DecideAnswer
            As `decide`.
        """
        return _one(await self.decide_batch_async([request], now_ns))

    def decide_batch(
        self,
        requests: Sequence[DecideRequest],
        now_ns: int,
        unsynced: list[KeyedAnswer] | None = None,
    ) -> list[Answer]:
        """Decide for many units, with one write to the log.

        Parameters
        ----------
        requests : sequence of DecideRequest
            One a unit.
        now_ns : int
            When.
        unsynced : list, optional
            Takes the answers of keys, for `keep` once the disk has their decisions or has failed;
            where it is not given they are kept at once.

        Returns
        -------
        list of bytes or Exception
            One a unit, in order: the JSON of a `DecideAnswer`, or why there is none.
        """
        now = self.now if now_ns < self._next_look else self.look(now_ns)
        answers, every = self._begin_all(requests, now_ns)
        stored: Sequence[StoredFacts] = [None] * len(every)
        keyed: list[KeyedAnswer] = [] if unsynced is None else unsynced
        try:
            if not self._killed:
                stored = read_all(now, [self._asked_for(requests[at]) for at, _ in every])
            told = self._finish_all(now, requests, answers, every, stored, now_ns, keyed)
        except BaseException:
            self._give_up(every)
            raise
        if unsynced is None:
            self.keep(keyed)
        return told

    async def decide_batch_async(
        self, requests: Sequence[DecideRequest], now_ns: int
    ) -> list[Answer]:
        """As `decide_batch`, with stores over a network; under durability "disk" the answers wait
        for the disk.

        Parameters
        ----------
        requests : sequence of DecideRequest
            One a unit.
        now_ns : int
            When.

        Returns
        -------
        list of bytes or Exception
            As `decide_batch`.
        """
        now = self.now if now_ns < self._next_look else self.look(now_ns)
        answers, every = self._begin_all(requests, now_ns)
        stored: Sequence[StoredFacts] = [None] * len(every)
        if not self._killed:
            try:
                stored = await asyncio.gather(*(self._fetch(now, requests[at]) for at, _ in every))
            except BaseException:
                for _, key in every:
                    self.shared.idempotency.release(key)
                raise
        keyed: list[KeyedAnswer] = []
        since = self.sink.failed_syncs
        try:
            told = self._finish_all(now, requests, answers, every, stored, now_ns, keyed)
            await self.sink.acknowledged(since)
        except BaseException:
            self._give_up(every)
            raise
        self.keep(keyed)
        return told

    def keep(self, keyed: Sequence[KeyedAnswer], lost: bool = False) -> None:
        """Keep the answers of keys, for requests that come again; what fails is tried again by
        `tick`.

        Parameters
        ----------
        keyed : sequence of KeyedAnswer
            As `decide_batch` gave them.
        lost : bool, default False
            Whether the disk failed before it had their decisions: the keys are then refused.
        """
        try:
            self.shared.idempotency.finish(keyed, lost)
        except LogUnavailable:
            self.counters.failed("index")

    def _give_up(self, every: Sequence[tuple[int, bytes]]) -> None:
        """Refuse keys in hand from now on: nobody knows whether their decisions are on disk."""
        self.keep([KeyedAnswer(key, b"") for _, key in every], lost=True)

    def _begin_all(
        self, requests: Sequence[DecideRequest], now_ns: int
    ) -> tuple[list[Any], list[tuple[int, bytes]]]:
        """What is answered already, None elsewhere; and the places and keys of the others."""
        answers: list[Any] = [None] * len(requests)
        every: list[tuple[int, bytes]] = []
        keyed: list[tuple[int, bytes]] = []
        killed, live = self._killed, self.now.live
        for at, request in enumerate(requests):
            if request.key is None or request.dry_run or killed:
                every.append((at, b""))
                continue
            try:
                check(request, live)
                keyed.append((at, key_hash(request)))
            except EquipoiseError as error:
                answers[at] = error
        if keyed:
            keys, writer = [key for _, key in keyed], self.sink.writer
            found = self.shared.idempotency.begin(keys, writer, self._clock)
            for (at, key), answers[at] in zip(keyed, found, strict=True):
                if answers[at] is None:
                    every.append((at, key))
                elif answers[at] is FULL:  # a request with a key is done once, or not at all
                    answers[at] = self._nothing(requests[at], now_ns)
            every.sort()
        return answers, every

    def _nothing(self, request: DecideRequest, now_ns: int) -> bytes:
        """Control, and no trace of it."""
        now, outcome = self.now, Outcome(CONTROL, CONTROL, 1.0, LOG_GONE, 0, NO_SCORES)
        settled = UnitDecision(outcome, now.live, NOTHING, NEW, None, (), None)
        record = record_of(now, RequestInHand(request, now_ns, None, b""), settled, b"", 0)
        self.counters.decided(now.live.cells[0], "log_unavailable", 0.0)
        return answer_json(record, now.context, now.live, logged=False)

    @property
    def _killed(self) -> bool:
        """Whether the kill switch is on, in force whether the log can say so or not."""
        return self.shared.controls.now.kill

    def _asked_for(self, request: DecideRequest) -> str | None:
        """The unit that stores are asked for; None where they are not."""
        is_out = request.effects is not None or self.is_erased(request.unit)
        return None if is_out else request.unit

    async def _fetch(self, now: InForce, request: DecideRequest) -> StoredFacts:
        """What stores over a network know of a unit, by snapshot."""
        if self._asked_for(request) is None:
            return {}
        began = time.perf_counter()
        stored = await fetch(now, request.unit, self.config.store.deadline)
        self.counters.store_read(time.perf_counter() - began)
        return stored

    def is_erased(self, unit: str) -> bool:
        """Whether a unit asked to be forgotten."""
        erased = self.shared.controls.erased
        return bool(erased) and unit_hash(unit) in erased

    def _finish_all(
        self,
        now: InForce,
        requests: Sequence[DecideRequest],
        answers: list[Any],
        every: Sequence[tuple[int, bytes]],
        stored: Sequence[StoredFacts],
        now_ns: int,
        keyed: list[KeyedAnswer],
    ) -> list[Answer]:
        """Decide for those that are left, reserve, log with one write, answer; what was logged of
        requests with a key goes to ``keyed``, too.
        """
        made: list[PendingDecision] = []
        live = now.live.id
        asked_for = [own[live] is not None for own in stored if own and live in own]
        self.counters.looked_up(found := sum(asked_for), len(asked_for) - found)
        ids, killed = self.sink.new_ids(len(every)), self._killed
        latency = self._clock() - now_ns
        for (at, key), own, id in zip(every, stored, ids, strict=True):
            asked = RequestInHand(requests[at], now_ns, own, key, at)
            try:
                one = pending(now, asked, killed, self._money, self.counters, id, latency)
            except Exception as error:  # noqa: BLE001 - of this request alone
                self.shared.idempotency.release(key)
                answers[at] = error
                continue
            if asked.request.dry_run:
                part, context = one.settled.part, now.context
                answers[at] = answer_json(one.record, context, part, logged=False, dry_run=True)
            else:
                made.append(one)
        if made:
            records = [one.record for one in made]
            spends = [one.spend for one in made if one.spend is not None]
            try:
                written = self.sink.append(*records, *spends)
            except LogUnavailable:
                for one in made:
                    answers[one.asked.at] = self._unlogged(now, one)
            else:
                noted = self.shared.recent.add(records, now.context, written)
                for one in made:
                    answer = answers[one.asked.at] = self._logged(now, one)
                    if one.asked.key:
                        keyed.append(KeyedAnswer(one.asked.key, answer))
                if noted > MOST_NOTED or now_ns >= self._next_flush:
                    self._next_flush = now_ns + FLUSH
                    self.soon(self.flush, now_ns)
                self._count(now, records, now_ns)
        return answers

    def _logged(self, now: InForce, made: PendingDecision) -> bytes:
        """The answer of what was logged."""
        settled, record = made.settled, made.record
        if made.spend is not None and settled.hold is not None and self.budget is not None:
            self.budget.settle(settled.hold, made.spend.spent / MILLION, record.id)
        if made.held is not None:
            self.shared.note_hold(record.id, made.held)
        if self.paced.pacing is not None:
            self.paced.seen(settled)
        return answer_json(record, now.context, settled.part, settled.outcome.scores.tolist())

    def _count(self, now: InForce, records: Sequence[DecisionRecord], now_ns: int) -> None:
        """Count what was logged."""
        seconds = (self._clock() - now_ns) / 1e9
        counted: dict[tuple[int, int], int] = {}
        for record in records:
            what = record.served, record.reason
            counted[what] = counted.get(what, 0) + 1
        for (served, reason), times in counted.items():
            self.counters.decided(now.live.cells[served + 1], NAMES[reason][0], seconds, times)

    def _unlogged(self, now: InForce, made: PendingDecision) -> bytes:
        """What cannot be logged is not done: control, and its money goes back."""
        if made.settled.hold is not None and self.budget is not None:
            self.budget.settle(made.settled.hold, 0.0)
        self.shared.idempotency.release(made.asked.key)
        record = msgspec.structs.replace(
            made.record, served=CONTROL, probability=1.0, reason=LOG_GONE
        )
        self.counters.decided(now.live.cells[0], "log_unavailable", 0.0)
        return answer_json(record, now.context, made.settled.part, logged=False)

    # ---- what comes of it ----

    def reward(self, request: RewardRequest, now_ns: int) -> RewardAnswer:
        """Take a reward; see `Rewards`.

        Parameters
        ----------
        request : RewardRequest
            What came.
        now_ns : int
            When.

        Returns
        -------
        RewardAnswer
            What became of it.
        """
        return self.rewards.reward(request, now_ns)

    async def reward_async(self, request: RewardRequest, now_ns: int) -> RewardAnswer:
        """As `reward`; a claim of another node's decision is handed over to it before.

        Parameters
        ----------
        request : RewardRequest
            What came.
        now_ns : int
            When.

        Returns
        -------
        RewardAnswer
            As `reward`.
        """
        handed = await self.rewards.hand_over(request, now_ns)
        return self.rewards.reward(request, now_ns, handed)

    def exposure(self, request: ExposureRequest, now_ns: int) -> ExposureAnswer:
        """Take note that a decision was shown; see `Rewards`.

        Parameters
        ----------
        request : ExposureRequest
            Which.
        now_ns : int
            When.

        Returns
        -------
        ExposureAnswer
            What became of it.
        """
        return self.rewards.exposure(request, now_ns)

    def flush(self, now_ns: int) -> None:
        """Write what was noted, for all workers."""
        self._next_flush = now_ns + FLUSH
        try:
            self.shared.flush()
        except LogUnavailable:
            self.counters.failed("index")

    def tick(self, now_ns: int) -> None:
        """What is due beside decisions: to be called some ten times a second.

        Parameters
        ----------
        now_ns : int
            The time.
        """
        self.look(now_ns)
        self.flush(now_ns)
        self.keep(())
        try:
            self.rewards.tick(now_ns)
        except LogUnavailable:
            self.counters.failed("rewards")
        if self.paced.follow(self.now.live):
            self.take_controls()

    def close(self) -> None:
        """Write what is not written; the log, the book and the snapshots are closed by who opened
        them.
        """
        self.shared.close()


def _now(do: Callable[[int], None], now_ns: int) -> None:
    """Do it at once."""
    do(now_ns)


def _one(answers: Sequence[Answer]) -> DecideAnswer:
    """The only answer."""
    (answer,) = answers
    if isinstance(answer, Exception):
        raise answer
    return _answer(answer)
