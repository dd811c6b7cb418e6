"""Public experiments, read from a folder of data or fetched from their publishers."""
