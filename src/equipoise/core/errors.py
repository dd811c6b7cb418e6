"""Every error a user can meet, as one tree and one grammar.

    EquipoiseError
    |-- InputError(ValueError)      an argument, a column or a number is not what it must be
    |   |-- LogError                the experiment log: a column, a role, a row
    |   |-- SpaceError              a treatment outside its space
    |   |-- PlanError               the TOML plan: an unknown key, a wrong value
    |   `-- InfeasibleError         demands on a policy that cannot hold together
    |-- UnsupportedSpace(TypeError) an estimator cannot serve this kind of treatment
    |-- DataError                   a file is missing, truncated, or not the one that was published
    |-- ClusterError                a machine of a cluster died, or is not like the driver's
    |-- SnapshotError               a snapshot was changed, is half-written, or of another version
    `-- MissingExtra(ImportError)   an optional dependency is not installed

The grammar, enforced by the constructor: *what* must *be what*; got *value* at *where*; *what to
do*.
"""

from __future__ import annotations

LONGEST = 1000  # letters of a part of a message


class EquipoiseError(Exception):
    """Base of all errors raised for users.

    Parameters
    ----------
    what : str
        The thing that is wrong, e.g. ``"column 'spend'"``.
    must : str
        The rule, read after "must": ``"be finite"``.
    got : object
        The value at fault.
    where : str, default ""
        Its row, column, file or key; may be empty.
    fix : str, default ""
        One sentence that says what to do; may be empty.

    Examples
    --------
    >>> print(InputError("budget", "be a number >= 0", -5, fix="give the money you can spend"))
    budget must be a number >= 0; got -5; give the money you can spend
    """

    exit_code = 2

    def __init__(self, what: str, must: str, got: object, where: str = "", fix: str = "") -> None:
        super().__init__(what, must, got, where, fix)
        self.what, self.must, self.got, self.where, self.fix = what, must, got, where, fix

    def __str__(self) -> str:
        at = f" at {_cut(self.where)}" if self.where else ""
        fix = f"; {_cut(self.fix)}" if self.fix else ""
        return f"{_cut(self.what)} must {_cut(self.must)}; got {_cut(self.got)}{at}{fix}"


def _cut(part: object) -> str:
    """A part of a message that somebody can read: what is too long loses its middle; what cannot be
    printed is escaped.
    """
    text = str(part).encode(errors="backslashreplace").decode().replace("\0", "\\x00")
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"


class InputError(EquipoiseError, ValueError):
    """An argument, a column or a number is not what it must be."""


class LogError(InputError):
    """The experiment log breaks a rule: a column, a role or a row."""


class SpaceError(InputError):
    """A treatment lies outside its space."""


class PlanError(InputError):
    """The plan has an unknown key or a wrong value."""


class InfeasibleError(InputError):
    """Demands on a policy that cannot hold together."""


class UnsupportedSpace(EquipoiseError, TypeError):
    """An estimator cannot serve this kind of treatment."""


class DataError(EquipoiseError):
    """A file is missing, truncated or not the one that was published."""


class ClusterError(EquipoiseError):
    """A cluster cannot be reached, or a machine of it died or is not like the driver's."""


class SnapshotError(EquipoiseError):
    """A snapshot was changed, is half-written or has another version."""


class MissingExtra(EquipoiseError, ImportError):
    """An optional dependency is not installed."""
