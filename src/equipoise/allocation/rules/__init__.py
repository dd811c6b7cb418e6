"""Rules that a person can read and sign: shallow trees and scorecards, within a policy's demands.

Imported by name from the files: `tree`, `scorecard`.
"""
