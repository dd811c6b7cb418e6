"""The job of a plan with [ranking]: from a log of base scores to an ensemble that ranks candidates
for several objectives, and a report.
"""
