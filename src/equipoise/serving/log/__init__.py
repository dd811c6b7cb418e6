"""The decision log: append-only segments with a sum for every record, one writer each.

segments     the format
writer       `DecisionLog`; disk: its syncing thread; recovery: what a dead writer left
reader       `read_records`, which reads nothing that is not whole
"""
