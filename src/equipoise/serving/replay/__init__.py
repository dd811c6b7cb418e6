"""Decisions of a log again: bit for bit by the snapshots that made them, or by another policy.

again       one decision again, by the functions that served it
compare     `replay_log`: all of them, and what differs
against     `compare_policies`: who would change, what it would cost, what it would be worth
snapshots   where the snapshots of a log are; another policy, by its id or folder
explain     `explain_decision`: one score, term by term
"""
