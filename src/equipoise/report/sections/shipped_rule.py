"""What the rule that ships is worth by itself, beside the value of the procedure that made it."""

from __future__ import annotations

from equipoise.report.formatting import has_interval, listed, share
from equipoise.report.parts import Block, Words
from equipoise.report.view import View


def shipped_rule(view: View) -> list[Block]:
    """One sentence; none where findings are of an earlier version."""
    shipped = view.findings["policy"].get("shipped")
    if shipped is None:
        return []
    if "read" in view.findings:
        text = (
            f"All of this is of the rule that ships, by the {shipped['rows']:,} people outside the"
            " sample that it was learnt from."
        )
        return [Words(text)]
    values = [
        f"{view.units[m].effect(i)} of {m} ({view.units[m].span(i)})"
        for m in view.metrics
        if has_interval(i := shipped["values"].get(m, [0.0] * 3))
    ]
    if not values:
        return []
    text = (
        "The chosen policy is the mean of the folds' rules; one of these ships. By the"
        f" {shipped['rows']:,} people whose outcomes had no part in it, the shipped rule"
        f" {view.gains} {listed(values)} per head of new people, treats {share(shipped['treated'])}"
        f" and costs {view.costs(shipped['spend'][0])}"
        f" ({view.cost.span(shipped['spend'], plus=False)})."
    )
    return [Words(text)]
