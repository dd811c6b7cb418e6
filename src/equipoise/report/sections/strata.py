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
    findings = view.findings["strata"]
    blocks: list[Block] = [
        _who(findings),
        *_audience(view, findings),
        budget(view, findings),
        worth(view, findings),
    ]
    blocks += (
        [caps(view, findings), rules(view, findings)]
        if findings["caps"]
        else [rules(view, findings)]
    )
    if findings["segments"]:
        blocks.append(segments(view, findings))
    blocks += [
        Words(ASSUMED),
        assumptions(findings),
        calibration(findings),
        violations(view, findings),
        ranges(findings),
    ]
    return Section(
        "strata", "Bought anyway", "Who would have bought anyway?", _answer(findings), blocks
    )


def _answer(findings: StrataFindings) -> str:
    part = {row["stratum"]: row["share"] for row in findings["shares"]}
    only, always, ignore = (
        percent(part[name]) for name in ("coupon_buyer", "always_buyer", "never_taker")
    )
    people = (
        f"In this experiment {only} of people buy only with the offer, {always} would have bought"
        f" anyway and take it, and {ignore} would have bought anyway and ignore it."
    )
    out = (
        f" {plural(findings['left_out'], 'row')} of other arms are left out."
        if findings["left_out"]
        else ""
    )
    own = findings["unoffered"] and (
        f" “{findings['claimed']}” also happens without an offer, so a claim here means only:"
        " would do it when offered."
    )
    return (
        f"{people} The offer is “{findings['candidate']}”, the claim “{findings['claimed']}”, the"
        f" purchase “{findings['outcome']}”.{out}" + (own or "")
    )


def _lines(findings: StrataFindings) -> dict[str, list[AudienceRow]]:
    lines: dict[str, list[AudienceRow]] = {}
    for row in findings["audience"]:
        lines.setdefault(row["rule"], []).append(row)
    return lines


def _parts(amounts: list[float]) -> list[float]:
    """Shares of a whole for drawing; an estimate below 0 is drawn as nothing."""
    positive = [max(amount, 0.0) for amount in amounts]
    total = sum(positive)
    return [amount / total if total else 0.0 for amount in positive]


def _who(findings: StrataFindings) -> Figure:
    groups = {"everybody": [row["share"][0] for row in findings["shares"]]}
    groups |= {rule: [row["offered"][0] for row in rows] for rule, rows in _lines(findings).items()}
    bars = {name: _parts(amounts) for name, amounts in groups.items() if sum(amounts) > 0}
    series = [
        (PEOPLE[s], COLOURS[s], [parts[i] for parts in bars.values()]) for i, s in enumerate(STRATA)
    ]
    part = {row["stratum"]: row["share"] for row in findings["shares"]}
    title = (
        f"{percent(part['coupon_buyer'])} of people buy only with the offer; "
        f"{percent(part['always_buyer'])} would have bought anyway and take it too"
    )
    reading = (
        "Each bar splits a group of people by what they would do without and with the offer; money"
        " given to those who buy anyway is lost. The bar of a good rule holds more of those who buy"
        " only with the offer than everybody's bar does."
    )
    summary = "; ".join(
        f"{name}: {', '.join(f'{PEOPLE[s]} {share(x)}' for s, x in zip(STRATA, p, strict=True))}"
        for name, p in bars.items()
    )
    cells = [
        [
            PEOPLE[r["stratum"]],
            percent(r["share"]),
            SHARE.span(r["share"], plus=False),
            share(r["model"]),
        ]
        for r in findings["shares"]
    ]
    twin = Table(
        "Shares of the five kinds of people",
        ["kind", "share", "interval", "as the model says"],
        cells,
    )
    keys = [Key("bar", COLOURS[s], PEOPLE[s]) for s in STRATA]
    return Figure(title, reading, [stacks(list(bars), series, summary)], twin, keys)


def _audience(view: View, findings: StrataFindings) -> list[Block]:
    """Whom the offers reach and what they are paid; in words for those who would have bought
    anyway.
    """
    money, sentences, cells = reward_unit(view), [], []
    for rule, rows in _lines(findings).items():
        always, buyer = rows[ALWAYS_BUYER], rows[COUPON_BUYER]
        paid = (
            f"; {money.of_level(always['paid'])} is paid for purchases that would have come"
            " without it"
            if findings["scheme"]
            else ""
        )
        sentences.append(
            f"Under {rule}, about {_count(always['offered'])} people who would have bought anyway"
            f" take the offer{paid}. About {_count(buyer['offered'])} buy because of it."
        )
        for row in rows:
            amounts = [
                money.of_level(row["paid"]) if findings["scheme"] else "\u2013",
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
        f"Who gets the offers (totals of {findings['rows']:,} people; {view.interval} in brackets)"
    )
    return [
        Bullets("What goes to people who would have bought anyway", sentences),
        Table(caption, columns, cells, (0, 1)),
    ]


def _count(interval: list[float]) -> str:
    value, low, high = (max(x, 0.0) for x in interval)
    return f"{value:,.0f} ({low:,.0f} to {high:,.0f})"
