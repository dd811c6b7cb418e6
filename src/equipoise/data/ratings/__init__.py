"""Logs of ratings, and the incentive experiments constructed from them."""
