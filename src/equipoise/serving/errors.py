"""What can fail while a service runs; each ends in control with a reason, or in a refusal."""

from __future__ import annotations

from equipoise.core.errors import EquipoiseError


class StoreError(EquipoiseError):
    """A store did not answer, or not in time."""


class LogUnavailable(EquipoiseError):
    """The decision log cannot be written."""


class ConflictError(EquipoiseError):
    """Somebody else was first: another publish, or a request with the same key."""


class KeyReuse(ConflictError):
    """A key came before, with another body."""


class InFlight(ConflictError):
    """A request with this key is in hand and has no answer yet."""


class LedgerError(EquipoiseError):
    """The book of a budget cannot be read or written, or does not add up."""


class BookLost(LedgerError):
    """The book of a budget is not there any more: it is made anew from the log, with all workers
    stopped.
    """
