"""The console's pages and what they load: Jinja with the report's blocks, style and drawings."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

from equipoise.report import report_environment
from equipoise.report.page import spec_json

REPORT, OWN = "equipoise.report", "equipoise.serving.console"
CSS, JS = "text/css; charset=utf-8", "text/javascript; charset=utf-8"
STATIC = {
    "style.css": CSS,
    "console.css": CSS,
    "drawing.js": JS,
    "hover.js": JS,
    "page.js": JS,
    "explorer.js": JS,
    "console.js": JS,
}
OURS = ("console.css", "console.js")


@cache
def static_file(name: str) -> bytes:
    """A file of `STATIC`."""
    if name in OURS:
        return files(OWN).joinpath("pages", name).read_bytes()
    return files(REPORT).joinpath(name).read_bytes()


# of all files: a page asks for those that it was made with
VERSION = sha256(b"".join(map(static_file, STATIC))).hexdigest()[:12]


def render(name: str, context: dict[str, Any]) -> str:
    """A page as HTML."""
    text: str = (
        _environment().get_template(f"{name}.html.j2").render(spec_json=spec_json, **context)
    )
    return text


@cache
def _environment() -> Any:
    """The report's environment, with the console's templates before its own."""
    from jinja2 import ChoiceLoader, FunctionLoader

    environment = report_environment().overlay()
    environment.loader = ChoiceLoader([FunctionLoader(_own), environment.loader])
    environment.cache = {}
    return environment


def _own(name: str) -> str | None:
    page = files(OWN).joinpath("pages", name)
    return page.read_text(encoding="utf-8") if page.is_file() else None
