"""Who could have got what: the propensities of each arm among those who got it and the others, in
the section on the experiment.
"""

from __future__ import annotations

from equipoise.report.findings import ArmOverlap, Overlap
from equipoise.report.formatting import MISSING, number, real, share
from equipoise.report.parts import Block, Figure, Key, Plot, Table, Words
from equipoise.report.plots import mirror
from equipoise.report.view import LEFT_OUT, MOST_PANELS, View

SEEN = 0.01  # a clipped share from which it is the title
WORTH = 0.5  # of an arm's rows: weights that leave fewer are told


def overlapping(view: View) -> list[Block]:
    """The picture of overlap, or why there is none; nothing in findings of before 0.3."""
    facts = view.findings["experiment"].get("overlap")
    if facts is None:
        return []
    if facts["kind"] == "constant":
        return [
            Words(
                "Everybody had the same chance of each arm, so those who got it and those who did"
                " not overlap by design; nothing is drawn.",
                quiet=True,
            )
        ]
    order = sorted(facts["arms"], key=lambda arm: (-arm["clipped"], _worth(arm)))
    shown = order[:MOST_PANELS]
    shown.sort(key=facts["arms"].index)
    left = len(order) - len(shown)
    reading = (
        "Above the line are the people who got an arm, below it those who did not, by how probable"
        " the arm was for them; each side is 100%. Where a side has nobody opposite, what the arm"
        " does to these people is the model's word."
    )
    clipped = any(arm["clipped_below"] is not None for arm in facts["arms"])
    if clipped:
        reading += (
            " In the shaded lane an arm was all but impossible: smaller probabilities are taken for"
            " its edge (clipped)."
        )
    keys = [Key("band", view.mark(arm["arm"])[0], arm["arm"]) for arm in shown]
    figure = Figure(
        _title(facts),
        reading,
        [_panel(view, arm, facts["kind"]) for arm in shown],
        _twin(facts, clipped),
        [*(key for key in keys if key.meaning != view.control), Key("band", "#8a9099", "others")],
        LEFT_OUT.format(left) if left else "",
    )
    return [figure]


def _worth(arm: ArmOverlap) -> float:
    """Effective rows of an arm, as a share of its rows."""
    return real(arm["effective"]) / max(arm["rows"], 1)


def _title(facts: Overlap) -> str:
    word = "Learnt" if facts["kind"] == "learnt" else "Logged"
    worst = max(facts["arms"], key=lambda arm: arm["clipped"])
    if worst["clipped"] >= SEEN:
        return (
            f"{word} propensities: for {share(worst['clipped'])} of the people the arm"
            f" {worst['arm']} was all but impossible"
        )
    least = min(facts["arms"], key=_worth)
    nearly = "nearly " if worst["clipped"] > 0 else ""
    told = f"{word} propensities: every arm was possible for {nearly}everybody it is open to"
    if _worth(least) >= WORTH:
        return told
    rows = f"{number(round(least['effective']))} of its {least['rows']:,} rows"
    return f"{told}, but weights leave {least['arm']} only {rows}"


def _panel(view: View, arm: ArmOverlap, kind: str) -> Plot:
    label = (
        f"{arm['arm']}: {kind} propensities of {arm['rows']:,} people who got it and of the others,"
        f" from {share(arm['least'])} on; {share(arm['clipped'])} clipped; worth"
        f" {number(round(arm['effective']))} equal rows"
    )
    name = arm["arm"] + (f", {share(arm['clipped'])} clipped" if arm["clipped"] > 0 else "")
    axes = ("probability of the arm", "people: got it \u2191, others \u2193")
    sides = arm["edges"], arm["got"], arm["others"]
    return mirror(*sides, view.mark(arm["arm"])[0], axes, arm["clipped_below"], name, label)


def _twin(facts: Overlap, clipped: bool) -> Table:
    columns = ["arm", "rows", "effective rows", "least probability"]
    cells = [
        [
            arm["arm"],
            f"{arm['rows']:,}",
            number(round(real(arm["effective"]))),
            share(arm["least"]),
            *(
                [
                    MISSING if arm["clipped_below"] is None else share(arm["clipped_below"]),
                    share(arm["clipped"]),
                ]
                if clipped
                else []
            ),
        ]
        for arm in facts["arms"]
    ]
    more = ["clipped below", "clipped"] if clipped else []
    caption = "Propensities of the arms; effective rows are what weights by 1 / propensity leave"
    return Table(caption, [*columns, *more], cells)
