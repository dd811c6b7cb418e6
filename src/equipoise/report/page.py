"""The page: one HTML file with its style and scripts inside, which asks the network for nothing."""

from __future__ import annotations

import json
import math
from base64 import b64encode
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

from equipoise.core.deprecation import warn_renamed
from equipoise.core.errors import MissingExtra
from equipoise.report.findings import Findings
from equipoise.report.parts import Card, Chooser, Explorer, Section
from equipoise.report.sections.average_effects import averages
from equipoise.report.sections.budget import buys
from equipoise.report.sections.experiment import sound
from equipoise.report.sections.explore import explores
from equipoise.report.sections.policy import policy, value
from equipoise.report.sections.ranking_quality import ranks
from equipoise.report.sections.read import what_was_read
from equipoise.report.sections.response import responds
from equipoise.report.sections.rules import signed
from equipoise.report.sections.segments import differs
from equipoise.report.sections.strata import anyway
from equipoise.report.sections.summary import cards, provenance
from equipoise.report.sections.timetable import over_the_day
from equipoise.report.sections.variation import varies
from equipoise.report.view import View

TERMS = (
    "pp = percentage points, the unit of a change in a percentage. Per head = averaged over"
    " everybody, treated or not."
)
EXPLORER = ("explorer_dual.js", "explorer.js")
SECTIONS = (sound, averages, responds, ranks, buys, policy, value, provenance)


def render_report(findings: Findings) -> str:
    """The report of a run as one self-contained HTML page.

    Parameters
    ----------
    findings : Findings
        What `run` returns; see `equipoise.report.findings`.

    Returns
    -------
    str
        HTML with its style and scripts inside, which asks the network for nothing.

    Examples
    --------
    >>> html = render_report(run(plan, "runs/mine"))  # doctest: +SKIP
    >>> Path("report.html").write_text(html)  # doctest: +SKIP
    """
    view = View(findings)
    return render_page(findings, cards(view), sections(view), risks=findings["risks"])


def render_page(
    head: Mapping[str, Any],
    cards: list[Card],
    sections: list[Section],
    kicker: str = "Experiment to policy",
    terms: str = TERMS,
    risks: Sequence[str] = (),
) -> str:
    """A page of sections.   head: its title, its headline (sentences), the level of its intervals,
    and what it was made with;  kicker: what stands above the title;  terms: what words mean;
    risks: what could go wrong, the worst first.
    """
    template = report_environment().get_template("template.html.j2")
    blocks = [block for section in sections for block in section.blocks]
    names = ["drawing.js", "hover.js", "page.js"]
    names += ["chooser.js"] if any(isinstance(block, Chooser) for block in blocks) else []
    names += EXPLORER if any(isinstance(block, Explorer) for block in blocks) else []
    scripts = [_resource(name) for name in names]
    page: str = template.render(
        findings=head,
        cards=cards,
        sections=sections,
        kicker=kicker,
        terms=terms,
        risks=list(risks),
        style=_resource("style.css"),
        scripts=scripts,
        allowed=" ".join(map(_fingerprint, scripts)),
        spec_json=spec_json,
    )
    return page


def sections(view: View) -> list[Section]:
    """The sections of a report in order; those of segments and curves stand behind who responds,
    where there are some, the explorer behind what a budget buys, those of a rule that people read
    and of the strata before the last, where the run asked for them, and that of schedules after
    the first, where treatments are such.
    """
    every = [make(view) for make in SECTIONS]
    if "explorer" in view.findings:
        every.insert(SECTIONS.index(buys) + 1, explores(view, view.findings["explorer"]))
    behind = SECTIONS.index(responds) + 1
    if "variation" in view.findings:
        every.insert(behind, varies(view, view.findings["variation"]))
    if "segments" in view.findings:
        every.insert(behind, differs(view, view.findings["segments"]))
    if "rules" in view.findings:
        every.insert(-1, signed(view, view.findings["rules"]))
    if "strata" in view.findings:
        every.insert(-1, anyway(view))
    if "read" in view.findings:
        every.insert(-1, what_was_read(view, view.findings["read"]))
    if "timetable" in view.findings:
        every.insert(1, over_the_day(view, view.findings["timetable"]))
    return every


def spec_json(spec: dict[str, Any]) -> str:
    r"""A drawing as JSON that may stand inside a script element.

    Parameters
    ----------
    spec : dict
        Plotly's {"data", "layout"}, or any part of it.

    Returns
    -------
    str
        Floats to six significant digits; what is not finite is null; "<", ">" and "&" are escaped.

    Examples
    --------
    >>> spec_json({"x": [1.5, float("nan")], "text": "</script>"})
    '{"x":[1.5,null],"text":"\\u003c/script\\u003e"}'
    """
    text = json.dumps(_finite(spec), allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _finite(x: Any) -> Any:
    """x with None for every number that is not finite, and shorter floats."""
    if isinstance(x, dict):
        return {key: _finite(part) for key, part in x.items()}
    if isinstance(x, list | tuple):
        return [_finite(part) for part in x]
    if isinstance(x, float):
        return float(f"{x:.6g}") if math.isfinite(x) else None
    return x


def _fingerprint(script: str) -> str:
    """A script as a page's security policy names it: with those of a page allowed, no other can
    run.
    """
    return f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'"


def _resource(name: str) -> str:
    return files("equipoise.report").joinpath(name).read_text(encoding="utf-8")


def report_environment() -> Any:
    """Jinja's environment of a page.

    Returns
    -------
    jinja2.Environment
        It escapes every value, and refuses names that a template does not define.

    Examples
    --------
    >>> report_environment().from_string("{{ name }}").render(name="a < b")
    'a &lt; b'
    """
    return _environment()


def report_libraries() -> tuple[Any, str]:
    """Jinja's environment and plotly.js; deprecated, since pages hold no plotly.js.

    Returns
    -------
    environment : jinja2.Environment
        That of `report_environment`.
    plotly_js : str
        The script.

    Raises
    ------
    MissingExtra
        Where plotly is not installed.

    Examples
    --------
    >>> environment, plotly_js = report_libraries()  # doctest: +SKIP
    """
    warn_renamed("report.report_libraries", "report.report_environment")
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise not_installed(error) from error
    return report_environment(), get_plotlyjs()


def not_installed(error: ImportError) -> MissingExtra:
    """The error that says how to install what figures of notebooks are drawn with."""
    got, fix = f"no package {error.name!r}", 'pip install "equipoise[report]"'
    return MissingExtra("the extra 'report'", "be installed", got, fix=fix)


@cache
def _environment() -> Any:
    """Jinja's environment; it keeps the templates it compiled."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(_resource),
        auto_reload=False,
    )
    environment.filters["commands"] = _commands
    return environment


def _commands(text: str) -> Any:
    """A sentence, escaped, with what stands in backticks as code."""
    from markupsafe import Markup, escape

    parts = str(text).split("`")
    if len(parts) % 2 == 0:  # a backtick of a user's own
        return escape(text)
    code = [
        Markup("<code>{}</code>").format(p) if i % 2 else escape(p) for i, p in enumerate(parts)
    ]
    return Markup("").join(code)
