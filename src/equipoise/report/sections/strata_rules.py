"""What offers by strata bring: budgets of offers, caps, other rules, groups."""

from __future__ import annotations

from equipoise.report.findings import StrataFindings
from equipoise.report.formatting import apart, share
from equipoise.report.parts import Bullets, Figure, Key, Table, Words
from equipoise.report.plots import LINE, MUTED, RIVAL, add_line, add_points, curve
from equipoise.report.sections.strata_terms import SHARE, percent, reward_unit
from equipoise.report.view import View

CAPPED = {
    "always_buyers": "People who buy anyway and take the offer are, among those offered,",
    "harm": "People who might be put off by claiming are, at worst and of everybody,",
}


def budget(view: View, findings: StrataFindings) -> Figure:
    """What the best offers to each share of people bring."""
    money, points, (best, *others) = reward_unit(view), findings["curve"], findings["rules"]
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
    hover = [f"{share(p['offered'])} offered: {money.effect(p['value'])} per head" for p in points]
    band = tuple([money.scaled(p["value"][end]) for p in points] for end in (1, 2))
    axes = ("people offered, %", f"reward per head, {money.axis}")
    y = [money.scaled(p["value"][0]) for p in points]
    plot = curve(
        x, y, (band[0], band[1]), LINE, axes, hover, "", f"Reward by offers: {'; '.join(hover)}"
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


def worth(view: View, findings: StrataFindings) -> Words:
    """Whether choosing people is better than offers at random."""
    lot = next((row for row in findings["rules"] if row["kind"] == "random"), None)
    if lot is None:
        return Words("The best offers were not compared with offers at random.", quiet=True)
    lead = view.gain_of(reward_unit(view), lot["lead"])
    if not apart(lot["lead"]):
        return Words(
            f"Choosing people by their strata is not told apart from as many offers at random:"
            f" {lead} per head."
        )
    better = "better" if lot["lead"][0] > 0 else "worse"
    return Words(
        f"Choosing people by their strata is {better} than as many offers at random:"
        f" {lead} per head."
    )


def caps(view: View, findings: StrataFindings) -> Bullets:
    """Whether the caps hold, whether they bind, and what they cost."""
    sentences = []
    for cap in findings["caps"]:
        what, bound = CAPPED[cap["cap"]], share(cap["bound"])
        binds = (
            "It decides who is left out."
            if cap["binding"]
            else "It is not reached: without it nothing would change."
        )
        evidence = (
            f"; the held-out rows show {percent(cap['seen'])}"
            f" ({SHARE.span(cap['seen'], plus=False)})"
            if cap["seen"]
            else ""
        )
        sentences.append(
            f"{what} at most {bound}: predicted {share(cap['used'])}{evidence}. {binds}"
        )
    free = next(row for row in findings["rules"] if row["kind"] == "uncapped")
    lead = view.gain_of(reward_unit(view), free["lead"])
    sentences.append(
        f"What the caps cost: with them the best offers bring {lead} per head, against the best"
        " offers without caps."
    )
    return Bullets("Caps on whom the offers reach", sentences)


def rules(view: View, findings: StrataFindings) -> Table:
    """What other rules for the same offer bring."""
    money = reward_unit(view)
    cells = []
    for row in findings["rules"]:
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


def segments(view: View, findings: StrataFindings) -> Table:
    """The reward of the best offers, by group."""
    money = reward_unit(view)
    cells = [
        [
            f"{r['column']}: {r['group']}",
            f"{r['rows']:,}",
            money.effect(r["reward"]),
            money.span(r["reward"]),
        ]
        for r in findings["segments"]
    ]
    return Table(
        "Reward per head of the best offers, by group",
        ["group", "people", "reward per head", view.interval],
        cells,
    )
