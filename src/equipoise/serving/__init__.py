"""The decision service: what a run found, served, logged, watched and replayed.

engine       the order of a decision, its chances, rewards, and what an operator sets
snapshots    what decides: built, tested, published, rolled back;  stores: units known ahead
log          the decision log, and the experiment that it is;  ledger: the money of a period
app          HTTP, tokens, workers;  console and explorer: pages of it;  client: who asks
replay       decisions made again;  monitors: whether anything has changed

At the top stand what these share: messages, records, reasons, settings, errors and protocols.
"""
