"""The decision service: what a run found, served, logged, watched and replayed.

decide    engine (the order of a decision), chance, reasons
data      snapshots and stores of known units, the decision log, the budget's ledger
web       app (HTTP), auth, console, flags by OFREP
after     replay, monitors, explorer
"""
