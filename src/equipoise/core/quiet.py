"""Loggers held back for a while, where what they would say stands elsewhere."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def errors_alone(name: str) -> Iterator[None]:
    """Let a logger, and those below it that have no level of their own, say errors alone.

    >>> with errors_alone("equipoise"):
    ...     logging.getLogger("equipoise").isEnabledFor(logging.WARNING)
    False
    """
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
