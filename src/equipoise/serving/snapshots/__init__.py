"""Which snapshot is served: built beside, verified, published in one step, and rolled back.

state       the places of a service's state folder
build       a run, and a file of units, as a snapshot
self_test   decisions that every machine must make to the bit
signing     whose snapshot it is
load        a verified snapshot, opened
channels    what is live, and what is tried beside it
audit       who changed that, and when
publish     publish, promote, roll back
removal     snapshots that nothing names any more
"""
