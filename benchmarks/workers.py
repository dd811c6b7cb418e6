"""Workers that benchmarks start and kill, and the money that their logs tell of."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from equipoise.serving.records import DecisionRecord, SpendRecord


def forked(work: Callable[..., None], *arguments: Any) -> int:
    """The process of ``work(*arguments)``, made by a fork while nothing else runs here."""
    child = os.fork()
    if not child:
        code = 1
        try:
            work(*arguments)
            code = 0
        except Exception:
            traceback.print_exc()
        finally:
            os._exit(code)
    return child


def money_moves(records: Sequence[Any]) -> list[tuple[int, int]]:
    """When money was reserved (above 0) and came back (below it), in millionths, by the log."""
    moves = [(one.ns, one.amount) for one in records if isinstance(one, DecisionRecord)]
    moves += [(one.ns, one.spent - one.reserved) for one in records if isinstance(one, SpendRecord)]
    return sorted(moves)


def most_at_a_time(moves: Sequence[tuple[int, int]]) -> int:
    """The most that was reserved and spent at a time."""
    now = most = 0
    for _, amount in moves:
        now += amount
        most = max(most, now)
    return most
