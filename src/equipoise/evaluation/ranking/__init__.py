"""Judging scores that rank candidates for several objectives at once."""
