"""The page of a paced day: budget used against plan, and the price."""

from __future__ import annotations

from importlib import metadata
from typing import Any

from equipoise.report.page import render_page
from equipoise.report.parts import Card, Figure, Key, Section, Table
from equipoise.report.plots import CHOSEN, MUTED, RIVAL
from equipoise.report.plots.curves import add_line, curve

TERMS = "Budget is used in expected cost: what an offer is expected to cost by the policy's model."
EVERY = 4  # points of the drawing for a row of the table


def pacing_page(
    title: str,
    summary: dict[str, Any],
    drawn: dict[str, list[float]],
    currency: str,
    way: str,
    every: str,
) -> str:
    """The page of a paced day.

    Parameters
    ----------
    title : str
        Of the page.
    summary : dict
        What `pipeline.pacing.pace` gives.
    drawn : dict of str to list of float
        ``hour``, and at it ``planned`` and ``real`` use and ``price``.
    currency : str
        Of the money.
    way, every : str
        How the price moves.

    Returns
    -------
    str
        One HTML file.

    Examples
    --------
    >>> html = pacing_page(title, summary, drawn, "yuan", "resolve", "15m")  # doctest: +SKIP
    """
    money = f" {currency}" if currency else ""
    spent, budget = summary["spent"], summary["budget"]
    told = f"{spent:,.6g} of {budget:,.6g}{money} are used, none above the budget."
    head = {
        "title": title,
        "headline": [told],
        "level": 0.95,
        "made": {"version": metadata.version("equipoise")},
    }
    cards = [
        Card("Budget used", f"{spent:,.4g}", currency, [f"of {budget:,.4g}"]),
        Card("Requests", f"{summary['requests']:,}", "", [f"{summary['offers']:,} got an offer"]),
        Card("Worth", f"{summary['worth']:,.4g}", "", ["of what was offered, by the model"]),
        Card("Price", way, "", [f"may move every {every}"]),
    ]
    hour, zipped = drawn["hour"], zip(*drawn.values(), strict=True)
    cells = [[f"{h:04.1f}", *(f"{x:,.5g}" for x in rest)] for h, *rest in zipped]
    twin = Table("By the hour", ["hour", "planned", "used", "price"], cells[::EVERY])
    said = [f"{h:.2f} h: {x:,.5g}{money}" for h, x in zip(hour, drawn["real"], strict=True)]
    axes = ("hour of the day", f"budget used{money}")
    plot = curve(
        hour, drawn["real"], None, CHOSEN, axes, said, "budget used", "Budget used over the day"
    )
    add_line(plot, hour, drawn["planned"])
    worth = [f"{h:.2f} h: {x:,.5g}" for h, x in zip(hour, drawn["price"], strict=True)]
    axes = ("hour of the day", "worth per unit of money")
    price = curve(hour, drawn["price"], None, RIVAL, axes, worth, "price", "Price over the day")
    keys = [Key(CHOSEN[1], CHOSEN[0], "used"), Key("line", MUTED, "planned, dotted")]
    reading = "Above the dotted line money goes faster than planned; the price then rises."
    figure = Figure("Budget used against plan", reading, [plot, price], twin, keys)
    return render_page(
        head, cards, [Section("budget", "Budget", "Does it last?", told, [figure])], "A day", TERMS
    )
