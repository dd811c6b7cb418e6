"""What a decision may depend on beside the data: the versions that decided, and this machine's
present start.
"""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import version
from pathlib import Path

from equipoise.core.version import __version__

BOOT = Path("/proc/sys/kernel/random/boot_id")
CPU = Path("/proc/cpuinfo")


@cache
def boot_id() -> str:
    """This start of the machine: another one after every boot; "" where the system names none.

    Returns
    -------
    str
        Text without a meaning.
    """
    try:
        return BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return ""


@cache
def versions() -> dict[str, str]:
    """The versions and the processor that the bits of a score come from.

    Returns
    -------
    dict of str to str
        ``equipoise``, ``numpy``, ``numba`` and ``cpu``.
    """
    packages = {name: version(name) for name in ("numpy", "numba")}
    return {"equipoise": __version__, **packages, "cpu": _processor()}


def _processor() -> str:
    try:
        lines = CPU.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
