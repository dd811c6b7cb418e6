"""What a worker counts, in the file of meters: a series is looked up once, then only added to."""

from __future__ import annotations

import time
from collections import deque

from equipoise.serving.app.meters import Histogram, Meters

# seconds: a decision takes tens of microseconds, a reward may take weeks
QUICK = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5)
SLOW = (60.0, 600.0, 3600.0, 21_600.0, 86_400.0, 259_200.0, 604_800.0, 2_419_200.0)


class Counts:
    """The counters of one worker.

    Parameters
    ----------
    meters : Meters
        Where they are kept.
    policy : str
        The label of decisions.
    """

    def __init__(self, meters: Meters, policy: str) -> None:
        self.meters, self.policy = meters, policy
        self._decisions: dict[tuple[str, str], int] = {}
        self._requests: dict[tuple[str, int], int] = {}
        self._duration = Histogram(meters, "equipoise_decision_duration_seconds", QUICK)
        self._store = Histogram(meters, "equipoise_store_duration_seconds", QUICK)
        self._sync = Histogram(meters, "equipoise_log_sync_seconds", QUICK)
        self._reads = [  # of units that were not found, and that were
            meters.column("equipoise_store_reads_total", found=found) for found in ("no", "yes")
        ]
        self._delay = Histogram(meters, "equipoise_reward_delay_seconds", SLOW)
        self._in_flight = meters.column("equipoise_http_in_flight")
        self._ready = meters.column("equipoise_workers")
        self._log_bytes = meters.column("equipoise_log_bytes_total")
        self._trouble = [
            meters.column(name) for name in ("equipoise_log_alarms", "equipoise_clock_back_seconds")
        ]
        self.ready(False)

    def decided(self, candidate: str, reason: str, seconds: float, times: int = 1) -> None:
        """Decisions of one moment."""
        column = self._decisions.get((candidate, reason))
        if column is None:
            labels = {"policy": self.policy, "candidate": candidate, "reason": reason}
            column = self.meters.column("equipoise_decisions_total", **labels)
            self._decisions[candidate, reason] = column
        self.meters.add(column, times)
        self._duration.observe(seconds, times)

    def rewarded(self, metric: str, status: str, seconds: float) -> None:
        """One reward."""
        labels = {"metric": metric, "status": status}
        self.meters.add(self.meters.column("equipoise_rewards_total", **labels))
        self._delay.observe(max(seconds, 0.0))

    def store_read(self, seconds: float) -> None:
        """One read of a store over a network."""
        self._store.observe(seconds)

    def looked_up(self, found: int, missing: int) -> None:
        """Units that the live snapshot's store was asked for."""
        self.meters.add(self._reads[0], missing)
        self.meters.add(self._reads[1], found)

    def failed(self, what: str) -> None:
        """Something that a decision went on without."""
        self.meters.add(self.meters.column("equipoise_failures_total", part=what))

    def requested(self, route: str, status: int, times: int = 1) -> None:
        """Requests that were answered."""
        column = self._requests.get((route, status))
        if column is None:
            labels = {"route": route, "status": str(status)}
            column = self.meters.column("equipoise_http_requests_total", **labels)
            self._requests[route, status] = column
        self.meters.add(column, times)

    def in_hand(self, requests: int) -> None:
        """How many requests are in hand; said ten times a second."""
        self.meters.put(self._in_flight, requests)
        self.meters.beat(time.time())

    def ready(self, now: bool) -> None:
        """Whether the worker is ready."""
        self.meters.put(self._ready, float(now))
        self.in_hand(0)

    def logged(self, size: int, syncs: deque[float]) -> None:
        """Bytes that the log grew by, and the seconds that syncs took, which are taken away."""
        self.meters.add(self._log_bytes, size)
        while syncs:
            self._sync.observe(syncs.popleft())

    def trouble(self, alarm: bool, clock_back: float) -> None:
        """Whether a disk refused to sync the log, and by how many seconds the clock went back."""
        for column, value in zip(self._trouble, (float(alarm), clock_back), strict=True):
            self.meters.put(column, value)
