"""Whether machines of a cluster have what the driver has: equal bits come from equal versions."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from equipoise.core.errors import ClusterError
from equipoise.core.version import __version__

PACKAGES = ("numpy", "scipy", "scikit-learn", "numba", "pyarrow", "lightgbm", "torch")
NONE = "none"


def versions() -> dict[str, str]:
    """The versions here of what numbers depend on.

    Returns
    -------
    dict of str to str
        Of ``equipoise``, ``python`` (without its third part) and `PACKAGES`; "none" of one that is
        not installed.
    """
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return {"equipoise": __version__, "python": python} | {name: _of(name) for name in PACKAGES}


def _of(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return NONE


def check_versions(there: Mapping[str, str], machine: str) -> None:
    """Refuse a machine that has other versions than this one.

    Parameters
    ----------
    there : mapping of str to str
        As of `versions`.
    machine : str
        Its name, for the error.

    Raises
    ------
    ClusterError
        With the first package that differs.

    Examples
    --------
    >>> check_versions(versions(), "node-1")
    """
    for name, own in versions().items():
        other = there.get(name, NONE)
        if other != own:
            must = f"have the {name} of the driver, {own}"
            fix = f'pip install "{name}=={own}" there, or work where both are alike'
            raise ClusterError("every machine of a cluster", must, other, machine, fix)
