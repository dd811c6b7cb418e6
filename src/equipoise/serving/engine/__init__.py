"""The order of a decision: what is asked, in which order, and what happens where something fails.

engine      decides, logs, takes rewards; operator and history: what people do and read
deciding    one decision, from request to record; asked, facts, part, in_force: what it hangs on
chance      the mechanism, pure: a replay decides again by it
rewards     the join; shared: what workers share (recent, idempotency, controls; tables: LMDB)
refill      the tables from the log, after a death
"""
