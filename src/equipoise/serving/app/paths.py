"""Names in paths: an id of a unit is any text, so it may hold slashes and ends of lines."""

from __future__ import annotations

from fastapi import Request
from starlette.convertors import Convertor, register_url_convertor

from equipoise.core.errors import InputError
from equipoise.serving.engine.asked import check_text

UNIT, FLAG = "/units/{unit:rest}", "/ofrep/v1/evaluate/flags/{key:rest}"
REPLACED = "\ufffd"  # what stands for bytes that are no UTF-8


class Rest(Convertor[str]):
    """All of the path from here on; starlette's own ends before the last end of a line."""

    regex = "(?s:.*)"

    def convert(self, value: str) -> str:
        """As it is."""
        return value

    def to_string(self, value: str) -> str:
        """Likewise."""
        return value


register_url_convertor("rest", Rest())


def unit_of(unit: str, request: Request) -> str:
    """A unit's id from a path.

    Parameters
    ----------
    unit : str
        As the router read it.
    request : Request
        That named it.

    Returns
    -------
    str
        The same.

    Raises
    ------
    InputError
        Where no request to decide could have it.
    """
    if REPLACED in unit and b"%EF%BF%BD" not in request.scope["raw_path"].upper():
        fix = "write each byte of its UTF-8 as %XX"
        raise InputError("unit", "be UTF-8", "bytes that are not", fix=fix)
    check_text(unit, "unit")
    return unit
