"""Rollouts as files: a folder holds the state, its history, and who gets what until the next
step.
"""
