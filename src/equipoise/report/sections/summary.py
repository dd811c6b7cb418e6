"""The headline (plain sentences and big numbers) and section 8: how the report was made."""

from __future__ import annotations

from typing import Any

from equipoise.report.formatting import MISSING, has_interval, number, real, seconds, share
from equipoise.report.headline import PROVEN, missing_in_words, people_of
from equipoise.report.parts import Block, Card, Code, Section, Table, Words
from equipoise.report.verdict import untold
from equipoise.report.view import View, shares_in_words

LABELS = {
    "version": "Equipoise",
    "seed": "seed",
    "estimator": "estimator",
    "folds": "folds",
    "rows": "rows",
    "sample": "rows learnt from",
    "partitions": "partitions",
    "seconds": "time taken",
    "snapshot": "policy snapshot",
    "python": "Python",
    "cost": "cost of an offer",
    "log_version": "version of the log's table",
}
APART = ("plan", "packages", "command", "method")  # what has a box of its own
PEOPLE = 1000


def cards(view: View) -> list[Card]:
    """Value gained, cost, share treated, certificate."""
    return [_gained(view), *_cost_card(view), _treated(view), _certificate(view)]


def _gained(view: View) -> Card:
    if view.chosen is None or not view.metrics:
        return Card("Gained per head", MISSING, "", ["the policy's value was not measured"])
    if untold(view.findings):
        return Card("Gained per head", "not known", "", ["it cannot be told from this log"])
    values = [
        (name, view.chosen["values"][name])
        for name in view.metrics
        if name in view.chosen["values"]
    ]
    (name, first), rest = values[0], values[1:]
    unit = view.units[name]
    notes = [f"{view.interval} {unit.span(first)}"] if has_interval(first) else []
    if view.money is not None and name == view.money["metric"]:
        people = people_of(view.findings)
        total = [people * real(end) for end in first]
        notes.append(f"{unit.effect(total)} ({unit.span(total)}) for {people:,} people")
    if unit.level == "%":
        notes.append(f"{number(PEOPLE * real(first[0]), 0, plus=True)} for every {PEOPLE:,} people")
    notes += [f"{view.units[m].effect(i)} {m} ({view.units[m].span(i)})" for m, i in rest]
    label = f"Gain in {name} per head"
    if view.money is not None and name == view.money["metric"]:
        label = f"{'Net of cost' if view.money['costs'] else 'Money'} per head"
    return Card(label, unit.bare(first), unit.change.strip(), notes)


def _cost_card(view: View) -> list[Card]:
    if view.chosen is None:
        return []
    cost = view.chosen["spend"]
    binding = [row["name"] for row in view.findings["policy"]["demands"] if row["binding"]]
    notes = [f"held back by: {', '.join(binding)}"] if binding else ["no demand holds it back"]
    label = f"{view.cost_name.capitalize()} per head"
    return [Card(label, number(cost[0]), view.cost.axis, notes)]


def _treated(view: View) -> Card:
    shares = view.findings["policy"]["shares"]
    treated = 1.0 - real(shares.get(view.control, 0.0))
    share_of = {name: shares.get(name, 0.0) for name in view.candidates}
    others = f"the others get {view.control}" if treated < 1 else f"nobody gets {view.control}"
    return Card(
        "People treated", share(treated), "", [shares_in_words(share_of, 3) or "nobody", others]
    )


def _certificate(view: View) -> Card:
    gap = real(view.findings["policy"]["gap"])
    if gap != gap:
        return Card("Certificate", MISSING, "", ["no bound on what is missing was computed"])
    within = "within the demands" if view.findings["policy"]["demands"] else "without demands"
    if gap <= PROVEN:
        return Card(
            "Certificate", "optimal", "", [f"no policy {within} is worth more, as predicted"]
        )
    note = f"{within}, by the predicted effects"
    return Card("No policy is better by more than", missing_in_words(gap), "", [note])


def provenance(view: View) -> Section:
    """8. How was this made?"""
    facts: dict[str, Any] = dict(view.findings["made"])
    if isinstance(facts.get("cost"), dict) and "amount" in facts["cost"]:
        facts["cost"] = _cost(view, facts["cost"])
    return how_made(facts)


def how_made(facts: dict[str, Any]) -> Section:
    """The section of what a run recorded about itself."""
    rows = [
        [LABELS.get(key, key), _fact(key, fact)]
        for key, fact in facts.items()
        if key not in APART and fact is not None
    ]
    blocks: list[Block] = []
    if rows:
        blocks.append(Table("The run", ["what", "value"], rows, (0, 1)))
    if facts.get("method"):
        blocks.insert(0, Words(str(facts["method"])))
    if facts.get("command"):
        blocks.append(Code("Make it again", str(facts["command"])))
    if facts.get("plan"):
        blocks.append(Code("The plan", str(facts["plan"])))
    if facts.get("packages"):
        packages = sorted(dict(facts["packages"]).items())
        blocks.append(
            Code(
                "Versions of packages",
                "\n".join(f"{name}=={version}" for name, version in packages),
                folded=True,
            )
        )
    if not blocks:
        blocks.append(Words("Nothing was recorded about the run.", quiet=True))
    answer = "The same plan, data, seed and versions give the same numbers."
    return Section("made", "How it was made", "How was this made?", answer, blocks)


def _cost(view: View, cost: dict[str, Any]) -> str:
    """``mail 0.05, coupon 1; paid when claimed``: the amount of each offer, and when it is paid."""
    each = ", ".join(
        f"{name} {number(a)}" for name, a in zip(view.candidates, cost["amount"], strict=False)
    )
    times = f", times the column {cost['column']}" if cost.get("column") else ""
    if not cost.get("metric"):
        return f"{each}{times}; always paid"
    return (
        f"{each}{times}; paid when {cost['metric']}"
        if cost["probability"]
        else f"as observed in the column {cost['metric']}"
    )


def _fact(key: str, fact: Any) -> str:
    if key == "seconds":
        return seconds(fact)
    if isinstance(fact, dict):
        return "; ".join(
            f"{name} {_fact('', part)}" for name, part in fact.items() if part is not None
        )
    if isinstance(fact, list | tuple):
        return ", ".join(_fact("", part) for part in fact)
    if isinstance(fact, bool):
        return "yes" if fact else "no"
    if not isinstance(fact, int | float):
        return str(fact)
    return str(fact) if key == "seed" else number(fact)
