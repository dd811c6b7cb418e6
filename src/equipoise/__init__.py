"""Equipoise: from an experiment log to a budgeted, multi-metric treatment policy."""

__version__ = "0.1.0"
