"""The decision log: append-only segments with a sum per record, one writer each.

segments     the format
writer       `DecisionLog`; disk: its syncing thread; recovery: what a dead writer left
reader       `read_records`, which reads nothing that is not whole
erasure      a unit that asks to be forgotten; retention: segments that are old enough; upkeep: both
compaction   `compact_log`: decisions and what came of them, as an experiment log
             (spill: by day; joining: windows and defaults; columns; plan_text)
"""
