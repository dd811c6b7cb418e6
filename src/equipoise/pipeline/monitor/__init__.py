"""Watching what ran: effects of strategies, their mix, how often units change, missing features."""
