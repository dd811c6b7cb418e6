"""The budget of a service: money moves from one book to the leases of its workers, and back.

money         whole millionths; what a lease is worth; the structs of a book
sqlite_book   one file, for the workers of one machine
redis_book    scripts in Redis, for many machines
ledger        what one worker spends from
logged_money  what the decision log says of leases: a dead worker's, a lost book's, a check of both
pace          one price for all workers, so that the money lasts the period

    left + leased + reserved + spent = budget

holds in every book at all times.  A decision reserves the most that it can cost; settling only ever
frees money, so it may be late, repeated or lost without overspend.
"""
