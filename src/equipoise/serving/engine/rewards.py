"""What came of decisions: rewards and exposures, joined to the decision they name.

    known, in its window     summed; told "joined"
    the same key again       nothing changes; "duplicate"
    after its window         logged with a flag, not summed; "late"
    decision not known yet   logged, and kept for an hour to be summed; "waiting"

What is told stands in the log, where also those join it who read the logs of all nodes together.

A reward of the metric that says that an offer was taken settles what the decision reserved, with
one write to the log; it is late by its arrival.  Where none comes by the end of its window, the
offer was not taken; while a worker is dead whose log nobody has read, that waits, for an hour at
most: it may have written a claim that no table has yet.  Where nodes share the book, such a claim
of another node's decision is handed over to that node before it is answered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container
from math import isfinite, isnan
from typing import Any

from equipoise.core.durations import nanoseconds
from equipoise.core.errors import InputError
from equipoise.core.suggest import among
from equipoise.serving.config import RewardWindow, ServeConfig
from equipoise.serving.engine.asked import check_text
from equipoise.serving.engine.recent import add_reward, exposure_name, id_of, key_name, time_of
from equipoise.serving.engine.shared import Early, SharedState, Waiting, waiting_name
from equipoise.serving.engine.tables import HOUR
from equipoise.serving.errors import LogUnavailable
from equipoise.serving.messages import (
    ExposureAnswer,
    ExposureRequest,
    RewardAnswer,
    RewardRequest,
)
from equipoise.serving.protocols import Budget, Counters, DecisionSink, Hold, OtherNodes
from equipoise.serving.records import ExposureRecord, Record, RewardRecord, SpendRecord

PATIENCE = HOUR  # that what came before its decision is kept
GRACE = 1_000_000_000  # ns that money waits beyond its window, for a claim that is in hand
SKEW = HOUR  # by which clocks may differ
MILLION = 1_000_000
OTHER, LATE = "other", "late"  # what came of a claim that was handed over
OPS = ("add", "set")


class Appended:
    """What is written to the log for one change of tables, and taken back where that fails.

    Parameters
    ----------
    sink : DecisionSink
        The log.

    Attributes
    ----------
    kept : bool
        Whether it stays, whatever fails from here on.
    """

    def __init__(self, sink: DecisionSink) -> None:
        self._sink, self._payloads, self.kept = sink, list[list[bytes]](), False

    def append(self, *records: Record) -> None:
        """Write records at once."""
        if records:
            self._payloads.append(self._sink.append(*records))

    def __enter__(self) -> Appended:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, Exception) and not self.kept:
            for payloads in self._payloads:
                self._sink.take_back(payloads)


class Rewards:
    """The join of one worker.

    Parameters
    ----------
    shared : SharedState
        Of all workers.
    sink : DecisionSink
        The log.
    config : ServeConfig
        Windows, and the metric that says that an offer was taken.
    budget : Budget or None
        What is settled.
    counters : Counters
        What is counted.
    names : callable
        Of the metrics that there are, now.
    """

    def __init__(
        self,
        shared: SharedState,
        sink: DecisionSink,
        config: ServeConfig,
        budget: Budget | None,
        counters: Counters,
        names: Callable[[], Container[str]],
    ) -> None:
        self.shared, self.sink, self.budget, self.counters = shared, sink, budget, counters
        self.claimed = None if config.budget is None else config.budget.claimed
        self._on_disk = config.log.durability == "disk"
        self.names = names
        self._windows = {
            name: nanoseconds(own.window, f"[serve.rewards.{name}] window")
            for name, own in config.rewards.items()
        }
        self._window = nanoseconds(RewardWindow().window)
        self._moment = 0  # of the last reward that waits: no two have the same

    def window(self, name: str | None) -> int:
        """How long after a decision a reward counts, in nanoseconds."""
        return self._windows.get(name or "", self._window)

    async def hand_over(self, request: RewardRequest, now_ns: int) -> str:
        """Tell another node of a claim of its decision, before the claim is taken here.

        Parameters
        ----------
        request : RewardRequest
            What came.
        now_ns : int
            When it was received.

        Returns
        -------
        str
            What came of it, for `reward`; "" where it concerns no other node.

        Raises
        ------
        InputError
            As `reward`.
        LedgerError
            Where the book cannot be reached: it is to be sent again.
        """
        nodes = None if self.budget is None else self.budget.nodes
        if nodes is None or request.name != self.claimed:
            return ""
        id = self._id(request.decision, now_ns)
        self._check(request, id, now_ns)
        if self._is_late(id, request, now_ns):
            return LATE
        if self.shared.holds(id) or self.shared.recent.knows(id):
            return ""
        return await asyncio.to_thread(nodes.hand_over, id, request.value > 0)

    def reward(self, request: RewardRequest, now_ns: int, handed: str = "") -> RewardAnswer:
        """Take a reward.

        Parameters
        ----------
        request : RewardRequest
            What came.
        now_ns : int
            When it was received.
        handed : str, default ""
            What came of handing it over.

        Returns
        -------
        RewardAnswer
            What became of it.

        Raises
        ------
        InputError
            Naming the field.
        LogUnavailable
            Where it cannot be logged: nothing of it is kept.
        """
        id = self._id(request.decision, now_ns)
        self._check(request, id, now_ns)
        if self._is_known(id, now_ns) or handed in (OTHER, LATE):
            status = self._join(id, request, now_ns, handed == LATE)
        else:
            status = self._wait(id, request, now_ns)
        if status == "duplicate":
            self._repeated(self._record(id, request, now_ns))
        self.counters.rewarded(request.name, status, (now_ns - time_of(id)) / 1e9)
        return RewardAnswer(request.decision, request.name, status)

    def exposure(self, request: ExposureRequest, now_ns: int) -> ExposureAnswer:
        """Take note that a decision was shown.

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

        Raises
        ------
        InputError
            Where the id is none.
        LogUnavailable
            Where it cannot be logged.
        """
        id = self._id(request.decision, now_ns)
        if self._is_known(id, now_ns):
            status = self._show(id, now_ns)
        elif self.shared.recent.has(exposure_name(id), id):
            status = "duplicate"
        else:
            self._keep(waiting_name(id), Early(now_ns, None, True), ExposureRecord(id, now_ns))
            status = "waiting"
        if status == "duplicate":
            self._repeated(ExposureRecord(id, now_ns))
        return ExposureAnswer(request.decision, status)

    def _repeated(self, record: Record) -> None:
        """Under durability "disk", log what came again, which readers join once: who is told so has
        it on disk, also where the disk failed under the first one.
        """
        if self._on_disk:
            self.sink.append(record)

    def tick(self, now_ns: int) -> None:
        """Join what waited, and settle what nobody claimed."""
        for one in self.shared.waiting():
            known, reward = self._is_known(one.id, now_ns), one.early.reward
            if known or now_ns - one.early.ns >= PATIENCE:
                self._late_join(one)
                if not known and reward is not None:
                    self.counters.rewarded(reward.name, "unknown", 0.0)
        if self.claimed is not None and self.budget is not None:
            self._settle_due(self.budget.nodes, now_ns)

    def _late_join(self, one: Waiting) -> None:
        """Join what waited: once, however often this is done, so it is taken away last."""
        early = one.early
        if early.reward is None:
            self._show(one.id, early.ns, early.logged)
        else:
            reward = self._record(one.id, early.reward, early.ns)
            self._take(reward, early.ns, b"k" + one.name[1:], early.logged)
        self.shared.take_waiting(one.name)

    def _settle_due(self, nodes: OtherNodes | None, now_ns: int) -> None:
        """Settle what was claimed elsewhere, then what nobody claimed."""
        over = now_ns - self.window(self.claimed) - GRACE
        waiting: set[bytes] = set()
        if nodes is not None:
            nodes.close_before(over)
            claims, over = nodes.collected()
            for id, taken in claims.items():
                if not self._is_known(id, now_ns):  # another worker here is about to write it
                    waiting.add(id)
                    continue
                if self.shared.recent.is_unwritten(id):
                    self.shared.flush()
                self.settle(id, taken, now_ns)
                nodes.settled(id)
        for id in self.shared.held_before(over):
            if id in waiting:
                continue
            for one in self.shared.waiting_for(id):  # it came in time
                self._late_join(one)
            patient = over - time_of(id) < PATIENCE
            self.settle(id, False, now_ns, patient)

    def settle(self, id: bytes, taken: bool, now_ns: int, patient: bool = False) -> None:
        """Say what the money that a decision reserved came to; the first word on it counts.
        ``patient`` as of `SharedState.settling`.
        """
        if self.budget is not None:
            with Appended(self.sink) as log:
                self._settle(self.budget, id, taken, now_ns, log, patient=patient)

    def _settle(
        self,
        budget: Budget,
        id: bytes,
        taken: bool,
        ns: int,
        log: Appended,
        *before: Record,
        patient: bool = False,
    ) -> None:
        """Likewise; what came before it is logged in the same write."""
        spends = []
        with self.shared.settling(id, patient) as held:
            if held is not None:
                spent = held.amount if taken else held.sent
                spends.append(SpendRecord(id, ns, held.lease, held.amount, spent))
            log.append(*before, *spends)
        log.kept = True
        for one in spends:
            budget.settle(Hold(one.lease, one.reserved), one.spent / MILLION, id)

    def _id(self, text: str, now_ns: int) -> bytes:
        """A decision's id that can have been given by now."""
        id = id_of(text)
        if time_of(id) > now_ns + SKEW:
            fix = "send the field `decision` of an answer as it is"
            raise InputError("a decision's id", "be of a decision that was made", text, fix=fix)
        return id

    def _check(self, request: RewardRequest, id: bytes, now_ns: int) -> None:
        names = self.names()
        if request.name not in names:
            fix = among(request.name, sorted(names), "metrics")  # type: ignore[call-overload]
            raise InputError("a reward", "be of a known metric", repr(request.name), fix=fix)
        if not isfinite(request.value):
            raise InputError(f"the reward {request.name!r}", "be finite", request.value)
        if request.key is not None:
            check_text(request.key, "key")
        if request.op not in OPS:
            raise InputError("op", f"be one of {', '.join(OPS)}", repr(request.op))
        if request.at is not None:
            first, last = (time_of(id) - SKEW) / 1e9, (now_ns + SKEW) / 1e9
            if not first <= request.at <= last:
                fix = "send seconds since 1970, or leave it out"
                must = "be after the decision, and not in the future"
                raise InputError("at", must, request.at, fix=fix)

    def _is_known(self, id: bytes, now_ns: int) -> bool:
        """Whether a decision is known; one from before the index began is taken to be."""
        recent = self.shared.recent
        return recent.is_older(id, now_ns) or recent.knows(id)

    def _is_late(self, id: bytes, request: RewardRequest, now_ns: int) -> bool:
        """Whether a reward happened after its window; a claim, whether it came after it: what was
        reserved has gone back.
        """
        at = _at(request, now_ns)
        if self._pays(request.name):
            at = max(at, now_ns)
        return at - time_of(id) > self.window(request.name)

    def _pays(self, name: str) -> bool:
        """Whether this reward says what reserved money came to."""
        return name == self.claimed and self.budget is not None

    def _record(
        self, id: bytes, request: RewardRequest, ns: int, late: bool = False
    ) -> RewardRecord:
        late = late or self._is_late(id, request, ns)
        what = request.name, request.value, request.op == "set", request.key or ""
        return RewardRecord(id, ns, _at(request, ns), *what, late)

    def _join(self, id: bytes, request: RewardRequest, now_ns: int, late: bool) -> str:
        reward = self._record(id, request, now_ns, late)
        if reward.key:
            name = waiting_name(id, reward)
            if (early := self.shared.waits(name)) is not None:
                self._late_join(Waiting(name, id, early))
            if self.shared.recent.used_before(reward, now_ns):
                return "duplicate"
        if not self._take(reward, now_ns):
            return "duplicate"
        return "late" if reward.late else "joined"

    def _take(
        self, reward: RewardRecord, now_ns: int, once: bytes = b"", logged: bool = False
    ) -> bool:
        """Sum a reward, settle what it claims, and log both, the reward only where it is not yet:
        all of it or nothing; whether it is new.
        """
        id, recent, budget = reward.decision, self.shared.recent, self.budget
        if reward.late or not self._pays(reward.name):
            budget = None
        elif recent.is_unwritten(id):
            self.shared.flush()
        log, before = Appended(self.sink), [] if logged else [reward]
        try:
            with log, recent.table_for(id, now_ns).write() as change:
                if not add_reward(change, reward, once):
                    return False
                if budget is None:
                    log.append(*before)
                else:
                    self._settle(budget, id, reward.value > 0, reward.ns, log, *before)
        except LogUnavailable:
            if not log.kept:
                raise
            self.counters.failed("index")  # which does not show it; log and money are right
        return True

    def _wait(self, id: bytes, request: RewardRequest, now_ns: int) -> str:
        self._moment = max(now_ns, self._moment + 1)
        reward = self._record(id, request, self._moment)
        if reward.key and self.shared.recent.has(key_name(reward), id):
            return "duplicate"
        self._keep(waiting_name(id, reward), Early(reward.ns, request, True), reward)
        return "waiting"

    def _keep(self, name: bytes, early: Early, record: Record) -> None:
        """Log what came before its decision, and keep it; once."""
        with Appended(self.sink) as log, self.shared.wait(name, early) as is_new:
            if is_new or self._on_disk:  # see `_repeated`
                log.append(record)

    def _show(self, id: bytes, ns: int, logged: bool = False) -> str:
        table = self.shared.recent.table_for(id, ns)
        with Appended(self.sink) as log, table.write() as change:
            if not change.put(exposure_name(id), ns.to_bytes(8, "big"), overwrite=False):
                return "duplicate"
            if not logged:
                log.append(ExposureRecord(id, ns))
        return "joined"

    # ---- after a death ----

    def put_back(self, record: RewardRecord | ExposureRecord, now_ns: int, whole: bool) -> None:
        """Put back what the log has of a worker that died; what is there stays.

        Parameters
        ----------
        record : RewardRecord or ExposureRecord
            In the log.
        now_ns : int
            The time.
        whole : bool
            Whether the tables were empty, and all decisions that there are were put back.
        """
        id, reward = record.decision, record if isinstance(record, RewardRecord) else None
        if not (whole or now_ns - record.ns >= PATIENCE or self._is_known(id, now_ns)):
            early = Early(record.ns, None if reward is None else _request(reward), True)
            with self.shared.wait(waiting_name(id, reward), early):
                return
        if reward is not None and not (whole or reward.key):
            return  # it may be summed already
        with self.shared.recent.table_for(id, now_ns).write() as change:
            if reward is None:
                change.put(exposure_name(id), record.ns.to_bytes(8, "big"), overwrite=False)
            else:
                add_reward(change, reward)

    def settle_logged(self, reward: RewardRecord) -> None:
        """Settle what a logged claim came to, where the log lacks it: a power cut tore it off, or a
        version stopped that wrote it later.
        """
        id = reward.decision
        counts = self._pays(reward.name) and not (reward.late or isnan(reward.value))
        if counts and self.shared.holds(id):
            self.settle(id, reward.value > 0, reward.ns)


def _at(request: RewardRequest, now_ns: int) -> int:
    """When a reward happened, in nanoseconds since 1970."""
    return now_ns if request.at is None else round(request.at * 1e9)


def _request(reward: RewardRecord) -> RewardRequest:
    """What was sent."""
    return RewardRequest(
        decision=reward.decision.hex(),
        name=reward.name,
        value=reward.value,
        at=None if reward.at == reward.ns else reward.at / 1e9,
        op="set" if reward.set else "add",
        key=reward.key or None,
    )
