"""Colours, symbols and text of the drawings.

Colours of candidates are Okabe and Ito's (Color Universal Design, 2008), told apart by symbol too;
ordered levels of a dose take a ramp of rising lightness (viridis).  ``var(--name)`` is a colour of
the style sheet: the page fills it in, so that plots follow light and dark.  Text of users is
escaped here, because plotly reads a little HTML in its labels.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

Mark = tuple[str, str]  # (colour, symbol)
Spec = dict[str, Any]
OKABE_ITO = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9")
VIRIDIS = ("#414487", "#35608D", "#2A788E", "#21908D", "#22A884", "#43BF71", "#7AD151")
SYMBOLS = (
    "circle",
    "square",
    "diamond",
    "triangle-up",
    "triangle-down",
    "pentagon",
    "hexagon",
    "star",
)
CONTROL = "var(--control)"
INK = "var(--ink)"
MUTED = "var(--muted)"
FAINT = "var(--faint)"
PAPER = "var(--card)"
FONT = 12
LONGEST = 30  # letters of a label
CHOSEN: Mark = ("#D55E00", "star")  # the chosen policy
RIVAL: Mark = ("#8a9099", "circle")  # policies it is compared with
LINE: Mark = ("#0072B2", "circle")
OTHER: Mark = ("#56B4E9", "circle")


def marks_of(candidates: Sequence[str]) -> dict[str, Mark]:
    """Each candidate's colour and symbol; names that all start with a number are levels in order.

    Parameters
    ----------
    candidates : sequence of str
        Names, in the order of the log.

    Returns
    -------
    dict of str to Mark
        (colour, symbol) by name.

    Examples
    --------
    >>> marks_of(["mens", "womens"])
    {'mens': ('#0072B2', 'circle'), 'womens': ('#E69F00', 'square')}
    """
    k = len(candidates)
    levels = k > 2 and all(name[:1].isdigit() for name in candidates)
    marks = {}
    for a, name in enumerate(candidates):
        colour = (
            VIRIDIS[round(a * (len(VIRIDIS) - 1) / (k - 1))]
            if levels
            else OKABE_ITO[a % len(OKABE_ITO)]
        )
        marks[name] = (colour, "circle" if levels else SYMBOLS[a % len(SYMBOLS)])
    return marks


def plain(text: str, longest: int = LONGEST) -> str:
    """Text of a user as plotly shows it literally, cut to length.

    Parameters
    ----------
    text : str
        Any text; white space becomes single spaces.
    longest : int, default 30
        The most letters.

    Returns
    -------
    str
        Escaped for HTML.

    Examples
    --------
    >>> plain("letters  <b>")
    'letters &lt;b&gt;'
    """
    return html.escape(short(text, longest), quote=False)


def short(text: str, longest: int = LONGEST) -> str:
    """Text on one line, cut to length; for titles of axes, which are escaped where they are drawn.

    Parameters
    ----------
    text : str
        Any text; white space becomes single spaces.
    longest : int, default 30
        The most letters.

    Returns
    -------
    str
        As it is, not escaped.

    Examples
    --------
    >>> short("a very long name", 6)
    'a ver…'
    """
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= longest else one_line[: longest - 1].rstrip() + "\u2026"


def faded(colour: str, alpha: float = 0.18) -> str:
    """A hex colour made translucent.

    Parameters
    ----------
    colour : str
        "#rrggbb".
    alpha : float, default 0.18
        Opacity in 0..1.

    Returns
    -------
    str
        "rgba(...)", as CSS and plotly read it.

    Examples
    --------
    >>> faded("#0072B2")
    'rgba(0,114,178,0.18)'
    """
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"


def ink_on(colour: str) -> str:
    """Black or white, whichever reads better on a colour (relative luminance of WCAG 2)."""
    if not colour.startswith("#"):
        return INK
    parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "var(--on-dark)" if luminance < 0.18 else "var(--black)"
