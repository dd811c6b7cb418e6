"""The parts that the engine is made of, as it sees them."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from equipoise.artifacts.unit_facts import UnitFacts
from equipoise.core.arrays import Floats
from equipoise.serving.records import Context, Record


class EffectStore(Protocol):
    """Facts of known units, of one snapshot."""

    quick: bool  # whether `get` answers at once; else `fetch` is awaited, by its deadline

    def get(self, unit: str) -> UnitFacts | None:
        """The facts of a unit; None where it is not known.  Raises `StoreError` where the store
        does not answer.
        """

    async def fetch(self, unit: str) -> UnitFacts | None:
        """As `get`, for stores over a network: joined with others of the same moment."""

    def close(self) -> None:
        """Free what is open."""


class DecisionSink(Protocol):
    """Where decisions are written, one writer a slot."""

    @property
    def writer(self) -> bytes:
        """What the ids of its decisions have in common, and no other's: slot and start, 6 bytes."""

    @property
    def failed_syncs(self) -> int:
        """How many syncs failed since the start: to be read before what is to be acknowledged is
        appended.
        """

    def new_ids(self, count: int) -> list[bytes]:
        """Ids of decisions, 16 bytes each."""

    def context(self, context: Context) -> int:
        """Begin a context (its ``number`` is set here), and return its number; it is written
        again at the head of each later segment.
        """

    def append(self, *records: Record) -> list[bytes]:
        """Write whole records at once, and return each as it was encoded.  Raises `LogUnavailable`
        where that cannot be, with nothing of them left in the file.
        """

    def take_back(self, payloads: list[bytes]) -> None:
        """Cut off what the last `append` wrote, as it gave it: what it tells of was not done."""

    async def acknowledged(self, since: int) -> None:
        """Under durability "disk": wait until all that was appended is on disk; else return.
        Raises `LogUnavailable` where a sync failed since there were so many `failed_syncs`.
        """

    def close(self) -> None:
        """Write the end and close."""


class Hold(NamedTuple):
    """Money reserved for a decision: the lease it is on, and the amount in millionths."""

    lease: int
    amount: int


class OtherNodes(Protocol):
    """The nodes that share the book of a budget with this one."""

    def hand_over(self, decision: bytes, taken: bool) -> str:
        """Tell the node that decided of a claim: "other" where it will be settled, "late" where
        what was reserved went back already, "own" where it is a decision of this node, "unknown"
        where it is of none.  It waits for the network.  Raises `LedgerError` where the book cannot
        be reached.
        """

    def close_before(self, ns: int) -> None:
        """Ask that decisions before this moment can be claimed no more."""

    def collected(self) -> tuple[dict[bytes, bool], int]:
        """Claims that other nodes took, whether each was taken, and before which moment there are
        no others.
        """

    def settled(self, decision: bytes) -> None:
        """Take a claim away: it is settled."""


class Budget(Protocol):
    """The money of one worker: leases from a shared book."""

    @property
    def nodes(self) -> OtherNodes | None:
        """Those that share the book; None where it is this machine's alone."""

    def reserve(self, amount: float) -> Hold | None:
        """Reserve what a decision may cost, in money; None where it is not left."""

    def settle(self, hold: Hold, spent: float, decision: bytes = b"") -> None:
        """Say what a hold came to, in money, at most its amount; the rest flows back.  It is told
        once the `SpendRecord` is written; of one ``decision`` only the first counts.  Without a
        decision the hold was never logged, and goes back whole.
        """

    def state(self) -> dict[str, Any]:
        """Budget, left, leased, reserved and spent, in money."""

    def close(self) -> None:
        """Give back what is left of the leases."""


class Pacing(Protocol):
    """The price of the budget, the same for all workers, which follows the spend."""

    def seen(self, value: Floats, cost: Floats, served: int) -> None:
        """One request: each candidate's worth before the budget's price (k,), its expected cost
        (k,), and what was served.
        """

    def tick(self) -> float:
        """The price in force.  Raises `LedgerError` where the book cannot be reached."""


class Counters(Protocol):
    """What the engine counts, for metrics; ids of units never reach it."""

    def decided(self, candidate: str, reason: str, seconds: float, times: int = 1) -> None:
        """Decisions of one moment: what was served, why, how long they took, and how many."""

    def rewarded(self, metric: str, status: str, seconds: float) -> None:
        """One reward: what became of it, and how long after its decision it came."""

    def store_read(self, seconds: float) -> None:
        """One read of a store over a network."""

    def looked_up(self, found: int, missing: int) -> None:
        """Units that the live snapshot's store was asked for."""

    def failed(self, what: str) -> None:
        """Something failed that a decision went on without: "shadow", "candidate", "settings"."""


class NoCounters:
    """Counts nothing."""

    def decided(self, candidate: str, reason: str, seconds: float, times: int = 1) -> None:
        """Decisions."""

    def rewarded(self, metric: str, status: str, seconds: float) -> None:
        """One reward."""

    def store_read(self, seconds: float) -> None:
        """One read of a store."""

    def looked_up(self, found: int, missing: int) -> None:
        """Units that were asked for."""

    def failed(self, what: str) -> None:
        """One failure."""
