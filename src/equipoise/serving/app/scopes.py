"""Which scope a path needs: what is not listed needs "read", and so a token."""

from __future__ import annotations

# they say what the service is and whether it is well, and nothing of anybody
OPEN = ("/", "/docs", "/openapi.json", "/health/live", "/health/ready")
OWN_DOOR = "/console"  # it has a cookie of its own, checked there
BY_PATH = (
    ("/admin/", "operate"),
    ("/ofrep/", "decide"),
)


def scope_needed(method: str, path: str) -> str:
    """The scope that a request needs.

    Parameters
    ----------
    method, path : str
        Of the request.

    Returns
    -------
    str
        "" for none.

    Examples
    --------
    >>> scope_needed("DELETE", "/units/user-1"), scope_needed("GET", "/metrics")
    ('erase', 'read')
    """
    if path in OPEN or path == OWN_DOOR or path.startswith(f"{OWN_DOOR}/"):
        return ""
    for start, scope in BY_PATH:
        if path.startswith(start):
            return scope
    return "erase" if method == "DELETE" else "read"
