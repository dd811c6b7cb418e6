"""The trade-off explorer of a service: other budgets, weights, floors and caps on the units of the
run that a snapshot was built of.

units      where these units are kept, one file a snapshot
states     what answers: state by snapshot, pure functions from a question to an answer
"""
