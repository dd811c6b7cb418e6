"""A rule that a person can read and sign: its picture, its sentences, and what it loses."""

from __future__ import annotations

from equipoise.report.findings_rules import RuleFindings, RuleStep
from equipoise.report.formatting import has_interval, listed, number, share
from equipoise.report.parts import Block, Bullets, Figure, Key, Section, Table, Words
from equipoise.report.plots import CONTROL, MUTED, outline
from equipoise.report.view import View

KINDS = {"tree": "A tree of questions", "scorecard": "A scorecard"}


def signed(view: View, rules: RuleFindings) -> Section:
    """Which rule could a person read and sign?"""
    words = rules["sentences"]
    if rules["points"]:  # they stand in the table
        words = words[-len(rules["bands"]) :]
    blocks: list[Block] = [Bullets("The rule in words", words)]
    blocks += _tree(view, rules) if rules["steps"] else _card(rules)
    blocks.append(_worth(view, rules))
    if rules["demands"]:
        blocks.append(_demands(rules))
    blocks.append(
        Words(
            "What is shown is learnt on all rows, and keeps every demand on them. Its worth is that"
            " of rules made alike for each fold without the outcomes that judge them; to"
            f" {share(rules['agreement'])} of people both give the same. rules.json holds the"
            " rule for machines.",
            quiet=True,
        )
    )
    title = "Which rule could a person read and sign?"
    return Section("rules", "A rule to sign", title, _answer(view, rules), blocks)


def _answer(view: View, rules: RuleFindings) -> str:
    """What it loses on the main metric."""
    kind, main = KINDS[rules["kind"]], view.metrics[0]
    first = f"{kind} would make an offer to {share(rules['treated'])} of people."
    lost = rules["lost"].get(main)
    if lost is None or not has_interval(lost):
        return first
    unit, sign = view.units[main], -1.0 if main in view.lower else 1.0
    span = f"{unit.effect(lost)} of {main} ({unit.span(lost)})"
    if sign * lost[1] > 0 or sign * lost[2] < 0:
        worse = sign * lost[0] > 0
        told = f"brings {'less' if worse else 'more'} than the chosen policy"
    else:
        told = "is not told apart from the chosen policy in worth"
    return f"{first} It {told}: the policy's lead is {span} per head."


def _tree(view: View, rules: RuleFindings) -> list[Block]:
    lines = [(step["depth"], _line(step), _mark(view, step)) for step in rules["steps"]]
    label = "; ".join(text for _, text, _ in lines)
    rows = [
        [
            "\u2003" * step["depth"] + (step["condition"] or "then"),
            step["answer"],
            step["candidate"] or "",
            share(step["share"]),
        ]
        for step in rules["steps"]
    ]
    twin = Table("The tree", ["question", "answer above", "gets", "people"], rows, (0, 1, 2))
    given = dict.fromkeys(step["candidate"] for step in rules["steps"] if step["candidate"])
    keys = [
        Key("circle", CONTROL, name)
        if name == view.control
        else Key(view.mark(name)[1], view.mark(name)[0], name)
        for name in given
    ]
    reading = (
        "Read from above: each question, then what follows yes and what follows no; a mark is what"
        " people who come there get, with their share of all people."
    )
    keys.append(Key("diamond", MUTED, "question"))
    return [Figure("The tree, question by question", reading, [outline(lines, label)], twin, keys)]


def _line(step: RuleStep) -> str:
    """A line of the outline."""
    said = f"{step['answer']}: " if step["answer"] else ""
    what = f"{step['condition']}?" if step["candidate"] is None else step["candidate"]
    return f"{said}{what} \u00b7 {share(step['share'])}"


def _mark(view: View, step: RuleStep) -> tuple[str, str] | None:
    if step["candidate"] is None:
        return None
    return (
        (CONTROL, "circle") if step["candidate"] == view.control else view.mark(step["candidate"])
    )


def _card(rules: RuleFindings) -> list[Block]:
    """The points, and what totals get."""
    rows = [
        [row["feature"], row["where"], str(row["points"]), share(row["share"])]
        for row in rules["points"]
    ]
    least = [row["least"] for row in rules["bands"]]
    bands = [
        [
            _reach(row["least"], None if i == len(least) - 1 else end - 1),
            row["candidate"],
            share(row["share"]),
        ]
        for i, (row, end) in enumerate(zip(rules["bands"], [*least[1:], 0], strict=True))
    ]
    return [
        Table("The points", ["feature", "where", "points", "people"], rows, (0, 1)),
        Table("What so many points get", ["points in all", "gets", "people"], bands, (0, 1)),
    ]


def _reach(least: int, most: int | None) -> str:
    """A band of totals."""
    if most is None:
        return f"{least} or more"
    return str(least) if least == most else f"{least} to {most}"


def _worth(view: View, rules: RuleFindings) -> Block:
    """Its gains beside the policy's, and the paired difference."""
    chosen, metrics = view.chosen, [m for m in view.metrics if m in rules["values"]]
    rows = [
        [
            metric,
            view.gain(metric, rules["values"][metric]),
            view.gain(metric, chosen["values"][metric]) if chosen else "",
            view.gain(metric, rules["lost"][metric]),
        ]
        for metric in metrics
    ]
    rows.append(
        [
            f"{view.cost_name} per head",
            _cost(view, rules["spend"]),
            _cost(view, chosen["spend"]) if chosen else "",
            "",
        ]
    )
    columns = ["per head", "the rule", "the chosen policy", "the policy's lead"]
    return Table(f"What the rule is worth, with {view.interval}s", columns, rows)


def _cost(view: View, spend: list[float]) -> str:
    """A cost with its interval."""
    span = f" ({view.cost.span(spend, plus=False)})" if has_interval(spend) else ""
    return view.costs(spend[0]) + span


def _demands(rules: RuleFindings) -> Block:
    """Every demand is kept."""
    said = [
        f"{row['name']}: {number(row['used'])}, {row['rule']} {number(row['bound'])}"
        for row in rules["demands"]
    ]
    return Words(f"Demands on the rule, per head: {listed(said)}.", quiet=True)
