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
from contextlib import suppress
from functools import partial

import msgspec

from equipoise.core.errors import EquipoiseError
from equipoise.serving.config import ServeConfig
from equipoise.serving.engine.answers import answer_of
from equipoise.serving.engine.asked import check
from equipoise.serving.engine.chance import CONTROL, NEW, NO_SCORES, Outcome
from equipoise.serving.engine.deciding import (
    NOTHING,
    Money,
    PendingDecision,
    RequestInHand,
    UnitDecision,
    record_of,
    settle,
)
from equipoise.serving.engine.facts import StoredFacts
from equipoise.serving.engine.idempotency import key_hash
from equipoise.serving.engine.in_force import InForce
from equipoise.serving.engine.paced import Paced
from equipoise.serving.engine.part import ServedSnapshot
from equipoise.serving.engine.reading import fetch, read
from equipoise.serving.engine.recent import unit_hash
from equipoise.serving.engine.rewards import MILLION, Rewards
from equipoise.serving.engine.shared import HeldMoney, SharedState
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
from equipoise.serving.records import SpendRecord

LOOK = 250_000_000  # ns between looks at what an operator set
FLUSH = 200_000_000  # ns after which a decision writes what was noted, where no tick has done so
MOST_NOTED = 128  # decisions, which take a third of a millisecond to write
LOG_GONE = REASONS["log_unavailable"].code
_encode = msgspec.json.Encoder().encode
_answer = msgspec.json.Decoder(DecideAnswer).decode
RefusedRequest = EquipoiseError  # in a batch, of the units whose request is wrong


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
        self._behind = False  # whether what an operator set is not in force yet
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
        """Take other settings: those of shares, rewards and deadlines."""
        old, self.config = self.now, config
        self.rewards = Rewards(
            self.shared, self.sink, config, self.budget, self.counters, self._metrics
        )
        self._money = Money(self.budget, self.rewards.claimed is not None)
        self._set(self._again(), old)

    def look(self, now_ns: int | None = None) -> None:
        """Take what an operator set since the last look; every decision does so in time."""
        self._next_look = (self._clock() if now_ns is None else now_ns) + LOOK
        try:
            self._behind = self.shared.controls.look() or self._behind
            while self.shared.controls.newly_erased:
                self.shared.recent.forget(self.shared.controls.newly_erased.pop())
            if self._behind:
                self._set(self._again(), self.now)
                self._behind = False
        except (EquipoiseError, OSError):
            self.counters.failed("settings")

    def take_controls(self) -> None:
        """Put in force what was just set by this worker."""
        self._behind = True
        self.look()

    def _again(self) -> InForce:
        live, candidate, shadows = self.now.loaded
        control = self.shared.controls.now
        return InForce(
            live, candidate, shadows, self.config, control, self._seed, self.paced.prices
        )

    def _set(self, new: InForce, old: InForce | None) -> None:
        if old is not None and new.same_context(old):
            new.context = old.context
        else:
            context = msgspec.structs.replace(new.context, ns=self._clock())
            new.context = context
            new.begun(self.sink.context(context))
        self.now = new

    def _metrics(self) -> set[str]:
        names = {*self.now.live.metrics, *self.now.live.weights, *self.config.rewards}
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
        key, before = self._begin(request, now_ns)
        if before is not None:
            return before
        try:
            now = self.now
            stored = None if self._killed else self._read(now, request)
            return self._finish(now, RequestInHand(request, now_ns, stored, key))
        except BaseException:
            self._release(key, now_ns)
            raise

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
        key, before = self._begin(request, now_ns)
        if before is not None:
            return before
        try:
            now = self.now
            stored = None if self._killed else await self._fetch(now, request)
            answer = self._finish(now, RequestInHand(request, now_ns, stored, key))
        except BaseException:
            self._release(key, now_ns)
            raise
        if answer.logged and not answer.dry_run:
            await self.sink.acknowledged()
        return answer

    def decide_batch(
        self, requests: Sequence[DecideRequest], now_ns: int
    ) -> list[DecideAnswer | RefusedRequest]:
        """Decide for many units, with one write to the log.

        Parameters
        ----------
        requests : sequence of DecideRequest
            One a unit.
        now_ns : int
            When.

        Returns
        -------
        list of DecideAnswer or EquipoiseError
            One a unit, in order: an error where its request is wrong.
        """
        now = self.now
        answers, every = self._begin_all(requests, now_ns)
        stored = [None if self._killed else self._read(now, requests[at]) for at, _ in every]
        return self._merged(now, answers, every, stored, requests, now_ns)

    async def decide_batch_async(
        self, requests: Sequence[DecideRequest], now_ns: int
    ) -> list[DecideAnswer | RefusedRequest]:
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
        list of DecideAnswer or EquipoiseError
            As `decide_batch`.
        """
        now = self.now
        answers, every = self._begin_all(requests, now_ns)
        stored: Sequence[StoredFacts] = [None] * len(every)
        if not self._killed:
            stored = await asyncio.gather(*(self._fetch(now, requests[at]) for at, _ in every))
        merged = self._merged(now, answers, every, stored, requests, now_ns)
        await self.sink.acknowledged()
        return merged

    def _begin_all(
        self, requests: Sequence[DecideRequest], now_ns: int
    ) -> tuple[dict[int, DecideAnswer | RefusedRequest], list[tuple[int, bytes]]]:
        """What is answered already, by its place, and the places and keys of the others."""
        answers: dict[int, DecideAnswer | RefusedRequest] = {}
        every: list[tuple[int, bytes]] = []
        for at, request in enumerate(requests):
            try:
                key, before = self._begin(request, now_ns)
            except EquipoiseError as error:
                answers[at] = error
                continue
            if before is not None:
                answers[at] = before
            else:
                every.append((at, key))
        return answers, every

    def _merged(
        self,
        now: InForce,
        answers: dict[int, DecideAnswer | RefusedRequest],
        every: Sequence[tuple[int, bytes]],
        stored: Sequence[StoredFacts],
        requests: Sequence[DecideRequest],
        now_ns: int,
    ) -> list[DecideAnswer | RefusedRequest]:
        """Decide for those that are left, and put all in order."""
        asked = [
            RequestInHand(requests[at], now_ns, own, key)
            for (at, key), own in zip(every, stored, strict=True)
        ]
        for (at, _), answer in zip(every, self._finish_all(now, asked), strict=True):
            answers[at] = answer
        return [answers[at] for at in range(len(requests))]

    def _begin(self, request: DecideRequest, now_ns: int) -> tuple[bytes, DecideAnswer | None]:
        """Look at what an operator set, check the request, and take its key."""
        if now_ns >= self._next_look:
            self.look(now_ns)
        if request.key is None or request.dry_run or self._killed:
            return b"", None
        check(request, self.now.live)
        key = key_hash(request)
        try:
            before = self.shared.idempotency.begin(key, now_ns)
        except LogUnavailable:  # a request with a key is done once, or not at all
            return b"", self._nothing(request, now_ns)
        return key, None if before is None else _answer(before)

    def _nothing(self, request: DecideRequest, now_ns: int) -> DecideAnswer:
        """Control, and no trace of it."""
        now, outcome = self.now, Outcome(CONTROL, CONTROL, 1.0, LOG_GONE, 0, NO_SCORES)
        settled = UnitDecision(outcome, now.live, NOTHING, NEW, None, (), None)
        record = record_of(now, RequestInHand(request, now_ns, None, b""), settled, b"", 0)
        self.counters.decided(now.live.cells[0], "log_unavailable", 0.0)
        return answer_of(record, now.context, now.live, logged=False)

    @property
    def _killed(self) -> bool:
        """Whether the kill switch is on, in force whether the log can say so or not."""
        return self.shared.controls.now.kill

    def _release(self, key: bytes, now_ns: int) -> None:
        if key:
            with suppress(LogUnavailable):
                self.shared.idempotency.release(key, now_ns)

    def _read(self, now: InForce, request: DecideRequest) -> StoredFacts:
        """What quick stores know of a unit, by snapshot; None where one does not answer."""
        erased = self.shared.controls.erased
        if request.effects is not None or (erased and unit_hash(request.unit) in erased):
            return {}
        return read(now, request.unit)

    async def _fetch(self, now: InForce, request: DecideRequest) -> StoredFacts:
        """`_read` of stores over a network."""
        if request.effects is not None or self.is_erased(request.unit):
            return {}
        began = time.perf_counter()
        stored = await fetch(now, request.unit, self.config.store.deadline)
        self.counters.store_read(time.perf_counter() - began)
        return stored

    def is_erased(self, unit: str) -> bool:
        """Whether a unit asked to be forgotten."""
        erased = self.shared.controls.erased
        return bool(erased) and unit_hash(unit) in erased

    def _finish(self, now: InForce, asked: RequestInHand) -> DecideAnswer:
        """Decide, reserve, log, answer."""
        made = self._make(now, asked)
        if asked.request.dry_run:
            settled = made.settled
            return answer_of(made.record, now.context, settled.part, logged=False, dry_run=True)
        try:
            encoded = self.sink.append(*made.records)
        except LogUnavailable:
            return self._unlogged(now, made)
        return self._logged(now, made, encoded[0])

    def _finish_all(
        self, now: InForce, every: Sequence[RequestInHand]
    ) -> list[DecideAnswer | RefusedRequest]:
        """`_finish` of many, with one write to the log."""
        answers: list[DecideAnswer | RefusedRequest | PendingDecision] = []
        for asked in every:
            try:
                made = self._make(now, asked)
            except EquipoiseError as error:
                self._release(asked.key, asked.now_ns)
                answers.append(error)
                continue
            if asked.request.dry_run:
                part = made.settled.part
                record, context = made.record, now.context
                answers.append(answer_of(record, context, part, logged=False, dry_run=True))
                continue
            answers.append(made)
        pending = [one for one in answers if isinstance(one, PendingDecision)]
        try:
            records = [record for one in pending for record in one.records]
            written = iter(self.sink.append(*records) if records else ())
        except LogUnavailable:
            ends = iter([self._unlogged(now, one) for one in pending])
        else:
            encoded = ([next(written) for _ in one.records][0] for one in pending)
            ends = iter([*map(partial(self._logged, now), pending, encoded)])
        return [next(ends) if isinstance(one, PendingDecision) else one for one in answers]

    def _make(self, now: InForce, asked: RequestInHand) -> PendingDecision:
        """A decision that is to be logged, its money reserved."""
        settled = settle(now, asked, self._killed, self._money, self.counters)
        id = b"" if asked.request.dry_run else self.sink.new_id()
        record = record_of(now, asked, settled, id, self._clock() - asked.now_ns)
        if not record.lease:
            return PendingDecision(asked, settled, record, None, None)
        if self.rewards.claimed is None:
            sums = record.lease, record.amount, record.amount
            return PendingDecision(asked, settled, record, None, SpendRecord(id, record.ns, *sums))
        sent = min(record.amount, round(settled.part.sending[record.served] * MILLION))
        return PendingDecision(
            asked, settled, record, HeldMoney(record.lease, record.amount, sent), None
        )

    def _logged(self, now: InForce, made: PendingDecision, encoded: bytes) -> DecideAnswer:
        """The answer of what was logged."""
        asked, settled, record = made.asked, made.settled, made.record
        if made.spend is not None and settled.hold is not None and self.budget is not None:
            self.budget.settle(settled.hold, made.spend.spent / MILLION, record.id)
        noted = self.shared.note(record, now.context, made.held, encoded)
        self.paced.seen(settled)
        answer = answer_of(record, now.context, settled.part, settled.outcome.scores.tolist())
        if asked.key:
            try:
                self.shared.idempotency.finish(asked.key, _encode(answer), asked.now_ns)
            except LogUnavailable:
                self.counters.failed("index")
        if noted > MOST_NOTED or asked.now_ns >= self._next_flush:
            self.flush(asked.now_ns)
        seconds = (self._clock() - asked.now_ns) / 1e9
        self.counters.decided(answer.candidate, answer.reason, seconds)
        return answer

    def _unlogged(self, now: InForce, made: PendingDecision) -> DecideAnswer:
        """What cannot be logged is not done: control, and its money goes back."""
        if made.settled.hold is not None and self.budget is not None:
            self.budget.settle(made.settled.hold, 0.0)
        self._release(made.asked.key, made.asked.now_ns)
        record = msgspec.structs.replace(
            made.record, served=CONTROL, probability=1.0, reason=LOG_GONE
        )
        answer = answer_of(record, now.context, made.settled.part, logged=False)
        self.counters.decided(answer.candidate, answer.reason, 0.0)
        return answer

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
