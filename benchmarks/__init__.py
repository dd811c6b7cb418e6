"""Benchmarks: one file each, `python -m benchmarks NAME`; results as JSON in `results/`, from which
the docs' tables are made.
"""
