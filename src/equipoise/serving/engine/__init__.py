"""The order of a decision: what is asked, in which order, and what happens where something fails.

chance      the mechanism, pure: a replay decides again by it
"""
