"""Section on strata, where a plan asks for it: who would have bought anyway, what offers bring, and
what that rests on.
"""

from __future__ import annotations

from typing import Any

from equipoise.core.strata import ALWAYS_BUYER, COUPON_BUYER, STRATA
from equipoise.report.findings import AudienceRow, StrataFindings
from equipoise.report.formatting import GLUE, Unit, apart, number, plural, share
from equipoise.report.parts import (
    Block,
    Bullets,
    Checked,
    Checklist,
    Figure,
    Key,
    Plot,
    Section,
    Table,
    Words,
)
from equipoise.report.plots import (
    LINE,
    MUTED,
    OKABE_ITO,
    OTHER,
    RIVAL,
    add_line,
    add_points,
    curve,
    stacks,
)
from equipoise.report.view import View

NOTHING = 1e-6  # a share below this is rounding
PEOPLE = {
    "never_buyer": "never buy",
    "never_taker": "buy anyway, ignore the offer",
    "coupon_taker": "take the offer, do not buy",
    "coupon_buyer": "buy only with the offer",
    "always_buyer": "buy anyway, take the offer",
    "harm": "are put off by claiming",
    "direct_gain": "buy at the sight of the offer",
    "direct_loss": "are put off by its sight",
}
ASSUME = {
    "A5": "claiming may harm (no A6)",
    "A6": "sight may matter (no A5)",
    "": "neither A5 nor A6",
}
COLOURS = dict(
    zip(STRATA, ("#8a9099", OKABE_ITO[5], OKABE_ITO[1], OKABE_ITO[2], OKABE_ITO[3]), strict=True)
)
CAPPED = {
    "always_buyers": "People who buy anyway and take the offer are, among those offered,",
    "harm": "People who might be put off by claiming are, at worst and of everybody,",
}
STATUS = {"warn": 0, "note": 1, "ok": 2}
SHARE = Unit(100.0, "%", f"{GLUE}pp", "share of people, %")


def anyway(view: View) -> Section:
    """Who would have bought anyway?"""
    found = view.findings["strata"]
    blocks: list[Block] = [
        _who(found),
        *_audience(view, found),
        _budget(view, found),
        _worth(view, found),
    ]
    blocks += (
        [_caps(view, found), _rules(view, found)] if found.get("caps") else [_rules(view, found)]
    )
    if found["segments"]:
        blocks.append(_segments(view, found))
    blocks += [
        Words(ASSUMED),
        _assumptions(found),
        _calibration(found),
        _violations(view, found),
        _ranges(found),
    ]
    return Section(
        "strata", "Bought anyway", "Who would have bought anyway?", _answer(found), blocks
    )


ASSUMED = (
    "No one person shows what they would have done otherwise, so these shares rest on assumptions."
    " Each is named here with what the data say of it; below, what remains when one of them fails."
    " The worth of the offers as profit does not need the last three."
)


def _answer(found: StrataFindings) -> str:
    part = {row["stratum"]: row["share"] for row in found["shares"]}
    only, always, ignore = (
        _percent(part[name]) for name in ("coupon_buyer", "always_buyer", "never_taker")
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


def _percent(interval: list[float]) -> str:
    """A share; an estimate below 0 is none, and so is one that no interval tells from 0 by a
    millionth.
    """
    if max(map(abs, interval)) < NOTHING:
        return "0%"
    return SHARE.of_level([max(interval[0], 0.0), *interval[1:]])


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
        f"{_percent(part['coupon_buyer'])} of people buy only with the offer; "
        f"{_percent(part['always_buyer'])} would have bought anyway and take it too"
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
            _percent(r["share"]),
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
    money, said, cells = _money(view), [], []
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


def _money(view: View) -> Unit:
    currency = view.findings["currency"]
    behind = f"{GLUE}{currency}" if currency else ""
    return Unit(1.0, behind, behind, currency or "units of reward")


def _budget(view: View, found: StrataFindings) -> Figure:
    money, points, (best, *others) = _money(view), found["curve"], found["rules"]
    title = (
        f"Offers to the best {share(best['offered'])} of people bring {money.effect(best['value'])}"
        f" per head{'' if apart(best['value']) else ', which may be nothing'}"
    )
    reading = (
        "The line is the reward per head when the best share of people by predicted reward gets"
        f" the offer, with its {view.interval}; it lies above the dotted line with that confidence."
        " Grey marks are other rules."
    )
    x = [100 * point["offered"] for point in points]
    said = [f"{share(p['offered'])} offered: {money.effect(p['value'])} per head" for p in points]
    band = tuple([money.scaled(p["value"][end]) for p in points] for end in (1, 2))
    axes = ("people offered, %", f"reward per head, {money.axis}")
    y = [money.scaled(p["value"][0]) for p in points]
    plot = curve(
        x, y, (band[0], band[1]), LINE, axes, said, "", f"Reward by offers: {'; '.join(said)}"
    )
    add_line(plot, x, [money.scaled(p["lower"]) for p in points])
    names = [f"{r['rule']}: {money.effect(r['value'])}" for r in others]
    add_points(
        plot,
        [100 * r["offered"] for r in others],
        [r["value"] for r in others],
        money,
        RIVAL,
        names,
        9,
    )
    cells = [
        [
            share(p["share"]),
            share(p["offered"]),
            money.effect(p["value"]),
            money.span(p["value"]),
            money.effect([p["lower"], *p["value"][1:]]),
        ]
        for p in points
    ]
    columns = ["budget of offers", "offered", "reward per head", view.interval, "surely above"]
    keys = [
        Key("line", LINE[0], "best offers by strata"),
        Key("band", LINE[0], view.interval),
        Key("dots", MUTED, "lower bound"),
        Key("circle", RIVAL[0], "other rules"),
    ]
    return Figure(title, reading, [plot], Table("Reward by budget of offers", columns, cells), keys)


def _worth(view: View, found: StrataFindings) -> Words:
    """Whether choosing people is better than a lot."""
    lot = next((row for row in found["rules"] if row["kind"] == "random"), None)
    if lot is None:
        return Words("The best offers were not compared with a lot.", quiet=True)
    lead = view.gain_of(_money(view), lot["lead"])
    if not apart(lot["lead"]):
        return Words(
            f"Choosing people by their strata is not told apart from as many offers by lot: {lead}"
            " per head."
        )
    better = "better" if lot["lead"][0] > 0 else "worse"
    return Words(
        f"Choosing people by their strata is {better} than as many offers by lot: {lead} per head."
    )


def _caps(view: View, found: StrataFindings) -> Bullets:
    """Whether the caps hold, whether they bind, and what they cost."""
    said = []
    for cap in found["caps"]:
        what, bound = CAPPED[cap["cap"]], share(cap["bound"])
        binds = (
            "It decides who is left out."
            if cap["binding"]
            else "It is not reached: without it nothing would change."
        )
        seen = (
            f"; the held-out rows show {_percent(cap['seen'])}"
            f" ({SHARE.span(cap['seen'], plus=False)})"
            if cap["seen"]
            else ""
        )
        said.append(f"{what} at most {bound}: predicted {share(cap['used'])}{seen}. {binds}")
    free = next(row for row in found["rules"] if row["kind"] == "uncapped")
    lead = view.gain_of(_money(view), free["lead"])
    said.append(
        f"What the caps cost: with them the best offers bring {lead} per head, against the best"
        " offers without caps."
    )
    return Bullets("Caps on whom the offers reach", said)


def _rules(view: View, found: StrataFindings) -> Table:
    money = _money(view)
    cells = []
    for row in found["rules"]:
        lead = view.gain_of(money, row["lead"]) if row["lead"] else "\u2013"
        low = money.effect([row["lower"], *row["value"][1:]])
        cells.append(
            [
                row["rule"],
                share(row["offered"]),
                money.effect(row["value"]),
                money.span(row["value"]),
                low,
                lead,
            ]
        )
    columns = [
        "rule",
        "offered",
        "reward per head",
        view.interval,
        "surely above",
        "best offers minus this",
    ]
    return Table(
        "What other rules for the same offer bring (held-out rows; the profit uplift needs no"
        " strata)",
        columns,
        cells,
    )


def _segments(view: View, found: StrataFindings) -> Table:
    money = _money(view)
    cells = [
        [
            f"{r['column']}: {r['group']}",
            f"{r['rows']:,}",
            money.effect(r["reward"]),
            money.span(r["reward"]),
        ]
        for r in found["segments"]
    ]
    return Table(
        "Reward per head of the best offers, by group",
        ["group", "people", "reward per head", view.interval],
        cells,
    )


def _assumptions(found: StrataFindings) -> Checklist:
    tests = {str(test["assumption"]): test for test in found["restrictions"]}
    checks = []
    for row in sorted(found["assumptions"], key=lambda one: STATUS[one["status"]]):
        evidence = _bins(tests[row["name"]]) if row["name"] in tests else None
        checks.append(
            Checked(
                row["status"],
                f"{row['name']}: {row['title']}",
                f"{row['sentence']} {row['found']}",
                evidence,
            )
        )
    return Checklist(checks)


def _bins(test: dict[str, Any]) -> Table:
    parts = zip(test["rows"], test["mean"], test["std_error"], test["z"], strict=True)
    cells = [
        [str(i + 1), f"{n:,}", number(m, 4), number(e, 4), number(z, 2)]
        for i, (n, m, e, z) in enumerate(parts)
    ]
    people = PEOPLE[str(test["stratum"])]
    return Table(
        f"Share of those who {people}, in bins: none may be below 0",
        ["bin", "rows", "share", "std. error", "z"],
        cells,
    )


def _calibration(found: StrataFindings) -> Figure:
    rows = {row["stratum"]: row for row in found["calibration"]}
    plots = []
    for name in (STRATA[COUPON_BUYER], STRATA[ALWAYS_BUYER]):
        row = rows[name]
        seen = [
            [v, v - 2 * e, v + 2 * e] for v, e in zip(row["seen"], row["std_error"], strict=True)
        ]
        said = [
            f"said {share(a)}, seen {share(b)}"
            for a, b in zip(row["said"], row["seen"], strict=True)
        ]
        x = [100 * a for a in row["said"]]
        plot = curve(
            x,
            [None] * len(x),
            None,
            LINE,
            ("predicted share, %", "seen, %"),
            said,
            PEOPLE[name],
            f"{PEOPLE[name]}: {'; '.join(said)}",
        )
        add_line(plot, [min(x), max(x)], [min(x), max(x)])
        add_points(plot, x, seen, SHARE, LINE, said, 9)
        plots.append(plot)
    off = rows[STRATA[ALWAYS_BUYER]]["error"]
    title = (
        f"Predicted shares of people who would buy anyway are off by {number(100 * off, 1)}{GLUE}pp"
        " on average"
    )
    reading = (
        "People are sorted by the predicted chance to be of a kind; each mark is the share seen in"
        " a bin, with two standard errors: good predictions lie on the dotted line."
    )
    cells = [
        [PEOPLE[row["stratum"]], share(a), share(b), number(100 * e, 2), number(z, 2)]
        for row in found["calibration"]
        for a, b, e, z in zip(row["said"], row["seen"], row["std_error"], row["z"], strict=True)
    ]
    twin = Table(
        "Predicted and seen shares by bin",
        ["kind", "predicted", "seen", "std. error, pp", "z"],
        cells,
    )
    return Figure(title, reading, plots, twin, [Key("dots", MUTED, "predicted = seen")])


def _violations(view: View, found: StrataFindings) -> Figure:
    plots = [_violation(found, of) for of in ("harm", "direct_gain")]
    always = [row["always_buyer"] for row in found["violations"]]
    title = (
        f"If claiming harmed some, or sight alone sold, {share(min(always))} to"
        f" {share(max(always))} of people would be buyers anyway who take the offer"
    )
    reading = (
        "From left to right more people break the assumption, up to the most that the data allow;"
        " the lines are the shares of people who buy only with the offer and of those who buy"
        " anyway and take it."
    )
    money = _money(view)
    cells = [
        [
            PEOPLE[r["of"]],
            share(r["share"]),
            share(r["coupon_buyer"]),
            share(r["always_buyer"]),
            number(r["reward"]),
            number(r["cautious"]),
        ]
        for r in found["violations"]
    ]
    rewards = [f"reward per head, {money.axis}", "a lost sale counted twice"]
    columns = ["people who", "share", PEOPLE["coupon_buyer"], PEOPLE["always_buyer"], *rewards]
    keys = [
        Key("line", LINE[0], PEOPLE["always_buyer"]),
        Key("line", OTHER[0], PEOPLE["coupon_buyer"]),
    ]
    note = (
        "Rewards are the model's own, under the best offers. As profit the reward does not move:"
        " only how it comes about does."
    )
    return Figure(
        title,
        reading,
        plots,
        Table("When an assumption gives way", columns, cells),
        keys,
        note if found["scheme"] else "",
    )


def _violation(found: StrataFindings, of: str) -> Plot:
    rows = [row for row in found["violations"] if row["of"] == of]
    x = [100 * row["share"] for row in rows]
    said = [
        f"{share(r['share'])}: {PEOPLE['always_buyer']} {share(r['always_buyer'])}" for r in rows
    ]
    axes = (f"people who {PEOPLE[of]}, %", SHARE.axis)
    plot = curve(
        x,
        [100 * r["always_buyer"] for r in rows],
        None,
        LINE,
        axes,
        said,
        "",
        f"{PEOPLE[of]}: {'; '.join(said)}",
    )
    add_line(plot, x, [100 * r["coupon_buyer"] for r in rows], "solid", OTHER[0])
    return plot


def _ranges(found: StrataFindings) -> Table:
    cells = [
        [
            PEOPLE[r["stratum"]],
            _assumption(r["assume"]),
            share(max(r["low"], 0.0)),
            share(max(r["high"], 0.0)),
        ]
        for r in found["ranges"]
        if r["high"] > r["low"] + 1e-9
    ]
    columns = ["people who", "what is given up", "at least", "at most"]
    return Table(
        "How many there could be when less is assumed; a kind not listed stays as it is",
        columns,
        cells,
        (0, 1),
    )


def _assumption(name: str) -> str:
    if name in ASSUME:
        return ASSUME[name]
    return f"hidden reasons may move the odds of an offer {name.split()[-1]}-fold (A2)"
