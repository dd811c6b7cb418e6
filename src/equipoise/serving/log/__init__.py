"""The decision log: append-only segments with a sum for every record, one writer each.

writer       `DecisionLog`; disk: its syncing thread; recovery: what a dead writer left
reader       `read_records`, which reads nothing that is not whole
erasure      a unit that asks to be forgotten; retention: segments that are old enough
compaction   decisions and what came of them, as an experiment log
"""

from typing import TYPE_CHECKING

from equipoise.core.lazy import lazy

if TYPE_CHECKING:
    from equipoise.serving.log.reader import LogEntry as LogEntry
    from equipoise.serving.log.reader import read_records as read_records
    from equipoise.serving.log.recovery import Recovery as Recovery
    from equipoise.serving.log.recovery import money_of as money_of
    from equipoise.serving.log.writer import DecisionLog as DecisionLog

NAMES = {
    "DecisionLog": "equipoise.serving.log.writer",
    "LogEntry": "equipoise.serving.log.reader",
    "Recovery": "equipoise.serving.log.recovery",
    "money_of": "equipoise.serving.log.recovery",
    "read_records": "equipoise.serving.log.reader",
}
__getattr__, __dir__ = lazy(__name__, NAMES)
__all__ = ["DecisionLog", "LogEntry", "Recovery", "money_of", "read_records"]
