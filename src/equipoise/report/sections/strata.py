"""Section on strata, where a plan asks for it: who would have bought anyway, what offers bring, and
what that rests on.
"""

from __future__ import annotations

from equipoise.core.strata import ALWAYS_BUYER, COUPON_BUYER, STRATA
from equipoise.report.findings import AudienceRow, StrataFindings
from equipoise.report.formatting import plural, share
from equipoise.report.parts import Block, Bullets, Figure, Key, Section, Table, Words
from equipoise.report.plots import stacks
from equipoise.report.sections.strata_evidence import assumptions, calibration, ranges, violations
from equipoise.report.sections.strata_rules import budget, caps, rules, segments, worth
from equipoise.report.sections.strata_terms import COLOURS, PEOPLE, SHARE, percent, reward_unit
from equipoise.report.view import View

ASSUMED = (
    "No one person shows what they would have done otherwise, so these shares rest on assumptions."
    " Each is named here with what the data say of it; below, what remains when one of them fails."
    " The worth of the offers as profit does not need the last three."
)


def anyway(view: View) -> Section:
    """Who would have bought anyway?"""
    found = view.findings["strata"]
    blocks: list[Block] = [
        _who(found),
        *_audience(view, found),
        budget(view, found),
        worth(view, found),
    ]
    blocks += [caps(view, found), rules(view, found)] if found["caps"] else [rules(view, found)]
    if found["segments"]:
        blocks.append(segments(view, found))
    blocks += [
        Words(ASSUMED),
        assumptions(found),
        calibration(found),
        violations(view, found),
        ranges(found),
    ]
    return Section(
        "strata", "Bought anyway", "Who would have bought anyway?", _answer(found), blocks
    )


def _answer(found: StrataFindings) -> str:
    part = {row["stratum"]: row["share"] for row in found["shares"]}
    only, always, ignore = (
        percent(part[name]) for name in ("coupon_buyer", "always_buyer", "never_taker")
    )
    people = (
        f"In this experiment {only} of people buy only with the offer, {always} would have bought"
        f" anyway and take it, and {ignore} would have bought anyway and ignore it."
    )
    out = (
        f" {plural(found['left_out'], 'row')} of other arms are left out."
        if found["left_out"]
        else ""
    )
    own = found["unoffered"] and (
        f" “{found['claimed']}” also happens without an offer, so a claim here means only: would do"
        " it when offered."
    )
    return (
        f"{people} The offer is “{found['candidate']}”, the claim “{found['claimed']}”, the"
        f" purchase “{found['outcome']}”.{out}" + (own or "")
    )


def _lines(found: StrataFindings) -> dict[str, list[AudienceRow]]:
    lines: dict[str, list[AudienceRow]] = {}
    for row in found["audience"]:
        lines.setdefault(row["rule"], []).append(row)
    return lines


def _parts(amounts: list[float]) -> list[float]:
    """Shares of a whole for drawing; an estimate below 0 is drawn as nothing."""
    kept = [max(amount, 0.0) for amount in amounts]
    total = sum(kept)
    return [amount / total if total else 0.0 for amount in kept]


def _who(found: StrataFindings) -> Figure:
    groups = {"everybody": [row["share"][0] for row in found["shares"]]}
    groups |= {rule: [row["offered"][0] for row in rows] for rule, rows in _lines(found).items()}
    drawn = {name: _parts(amounts) for name, amounts in groups.items() if sum(amounts) > 0}
    series = [
        (PEOPLE[s], COLOURS[s], [parts[i] for parts in drawn.values()])
        for i, s in enumerate(STRATA)
    ]
    part = {row["stratum"]: row["share"] for row in found["shares"]}
    title = (
        f"{percent(part['coupon_buyer'])} of people buy only with the offer; "
        f"{percent(part['always_buyer'])} would have bought anyway and take it too"
    )
    reading = (
        "Each bar splits a group of people by what they would do without and with the offer; money"
        " given to those who buy anyway is lost. The bar of a good rule holds more of those who buy"
        " only with the offer than everybody's bar does."
    )
    told = "; ".join(
        f"{name}: {', '.join(f'{PEOPLE[s]} {share(x)}' for s, x in zip(STRATA, p, strict=True))}"
        for name, p in drawn.items()
    )
    cells = [
        [
            PEOPLE[r["stratum"]],
            percent(r["share"]),
            SHARE.span(r["share"], plus=False),
            share(r["model"]),
        ]
        for r in found["shares"]
    ]
    twin = Table(
        "Shares of the five kinds of people",
        ["kind", "share", "interval", "as the model says"],
        cells,
    )
    keys = [Key("bar", COLOURS[s], PEOPLE[s]) for s in STRATA]
    return Figure(title, reading, [stacks(list(drawn), series, told)], twin, keys)


def _audience(view: View, found: StrataFindings) -> list[Block]:
    """Whom the offers reach and what they are paid; in words for those who would have bought
    anyway.
    """
    money, said, cells = reward_unit(view), [], []
    for rule, rows in _lines(found).items():
        always, buyer = rows[ALWAYS_BUYER], rows[COUPON_BUYER]
        paid = (
            f"; {money.of_level(always['paid'])} is paid for purchases that would have come"
            " without it"
            if found["scheme"]
            else ""
        )
        said.append(
            f"Under {rule}, about {_count(always['offered'])} people who would have bought anyway"
            f" take the offer{paid}. About {_count(buyer['offered'])} buy because of it."
        )
        for row in rows:
            amounts = [
                money.of_level(row["paid"]) if found["scheme"] else "\u2013",
                money.bare(row["reward"]),
            ]
            cells.append(
                [
                    PEOPLE[row["stratum"]],
                    rule,
                    _count(row["units"]),
                    _count(row["offered"]),
                    *amounts,
                ]
            )
    columns = [
        "kind",
        "offers by",
        "people",
        "of them offered",
        "paid to them",
        f"reward, {money.axis}",
    ]
    caption = (
        f"Who gets the offers (totals of {found['rows']:,} people; {view.interval} in brackets)"
    )
    return [
        Bullets("What goes to people who would have bought anyway", said),
        Table(caption, columns, cells, (0, 1)),
    ]


def _count(interval: list[float]) -> str:
    value, low, high = (max(x, 0.0) for x in interval)
    return f"{value:,.0f} ({low:,.0f} to {high:,.0f})"
