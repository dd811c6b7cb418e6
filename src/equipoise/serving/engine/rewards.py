"""What came of decisions: rewards and exposures, joined to the decision they name.

    known, in its window     summed; told "joined"
    the same key again       nothing changes; "duplicate"
    after its window         logged with a flag, not summed; "late"
    decision not known yet   kept for an hour; "waiting"; then logged for whoever reads the logs of
                             all nodes together

A reward of the metric that says that an offer was taken settles what the decision reserved; where
none comes by the end of its window, the offer was not taken.  Where nodes share the book, such a
claim of another node's decision is handed over to that node before it is answered.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from math import isfinite

from equipoise.core.durations import nanoseconds
from equipoise.core.errors import InputError
from equipoise.core.suggest import among
from equipoise.serving.config import RewardWindow, ServeConfig
from equipoise.serving.engine.asked import check_text
from equipoise.serving.engine.recent import add_reward, id_of, time_of
from equipoise.serving.engine.shared import Early, SharedState
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
SKEW = HOUR  # by which clocks may differ
MILLION = 1_000_000
OTHER, LATE = "other", "late"  # what came of a claim that was handed over
SALT = 8  # bytes that tell apart what waits for one decision
OPS = ("add", "set")


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
        self.names = names
        self._windows = {
            name: nanoseconds(own.window, f"[serve.rewards.{name}] window")
            for name, own in config.rewards.items()
        }
        self._window = nanoseconds(RewardWindow().window)

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
            self.shared.wait(id, os.urandom(SALT), Early(now_ns, request))
            status = "waiting"
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
            return ExposureAnswer(request.decision, self._show(id, now_ns))
        self.shared.wait(id, os.urandom(SALT), Early(now_ns, None))
        return ExposureAnswer(request.decision, "waiting")

    def tick(self, now_ns: int) -> None:
        """Join what waited, and settle what nobody claimed."""
        for name, id, early in self.shared.waiting():
            known = self._is_known(id, now_ns)
            if not known and now_ns - early.ns < PATIENCE:
                continue
            if not self.shared.take_waiting(name):
                continue
            try:
                self._late_join(id, early)
            except LogUnavailable:
                self.shared.wait(id, name[-SALT:], early)
                raise
            if not known and early.reward is not None:
                self.counters.rewarded(early.reward.name, "unknown", 0.0)
        if self.claimed is not None and self.budget is not None:
            self._settle_due(self.budget.nodes, now_ns)

    def _late_join(self, id: bytes, early: Early) -> None:
        if early.reward is None:
            self._show(id, early.ns)
        else:
            self._join(id, early.reward, early.ns)

    def _settle_due(self, nodes: OtherNodes | None, now_ns: int) -> None:
        """Settle what was claimed elsewhere, then what nobody claimed."""
        over = now_ns - self.window(self.claimed)
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
            if id not in waiting:
                self.settle(id, False, now_ns)

    def settle(self, id: bytes, taken: bool, now_ns: int) -> None:
        """Say what the money that a decision reserved came to; the first word on it counts."""
        if self.budget is None:
            return
        with self._logging() as append, self.shared.settling(id) as held:
            if held is None:
                return
            spent = held.amount if taken else held.sent
            append(SpendRecord(id, now_ns, held.lease, held.amount, spent))
        self.budget.settle(Hold(held.lease, held.amount), spent / MILLION, id)

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
        """Whether a reward happened after its window."""
        return _at(request, now_ns) - time_of(id) > self.window(request.name)

    def _join(self, id: bytes, request: RewardRequest, now_ns: int, late: bool = False) -> str:
        late = late or self._is_late(id, request, now_ns)
        reward = RewardRecord(
            id,
            now_ns,
            _at(request, now_ns),
            request.name,
            request.value,
            request.op == "set",
            request.key or "",
            late,
        )
        recent = self.shared.recent
        if recent.used_before(reward, now_ns):
            return "duplicate"
        with self._logging() as append, recent.table_for(id, now_ns).write() as change:
            if not add_reward(change, reward):
                return "duplicate"
            append(reward)  # an error undoes the transaction
        if request.name == self.claimed and not late:
            if recent.is_unwritten(id):
                self.shared.flush()
            self.settle(id, request.value > 0, now_ns)
        return "late" if late else "joined"

    def _show(self, id: bytes, ns: int) -> str:
        with self._logging() as append, self.shared.recent.table_for(id, ns).write() as change:
            if not change.put(b"e" + id, ns.to_bytes(8, "big"), overwrite=False):
                return "duplicate"
            append(ExposureRecord(id, ns))
        return "joined"

    @contextmanager
    def _logging(self) -> Iterator[Callable[[Record], None]]:
        """A record that stays in the log only where the table changes too, whose transaction is
        within; it may fail when it ends, for want of room.
        """
        written: list[list[bytes]] = []
        try:
            yield lambda record: written.append(self.sink.append(record))
        except LogUnavailable:
            for payloads in written:
                self.sink.take_back(payloads)
            raise


def _at(request: RewardRequest, now_ns: int) -> int:
    """When a reward happened, in nanoseconds since 1970."""
    return now_ns if request.at is None else round(request.at * 1e9)
