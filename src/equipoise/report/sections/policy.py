"""Sections 6 and 7, the decision: who gets what, and what the policy is worth against its
rivals.
"""

from __future__ import annotations

from equipoise.report.findings import GroupShare, Rival
from equipoise.report.formatting import MISSING, apart, listed, number, real, share
from equipoise.report.parts import Block, Figure, Key, Section, Table, Words
from equipoise.report.plots import CHOSEN, CONTROL, LINE, RIVAL, dots, forest, stacks
from equipoise.report.sections.shipped_rule import shipped_rule
from equipoise.report.view import View, gets_in_words, shares_in_words, weights_in_words

NOTABLE = 0.1  # a standardised difference from which a feature is worth naming
MOST_FEATURES = 15
FEW = 30  # a smaller group is in the table, but a heading does not speak of it
POINT = 0.01
HAIR = 1e-3  # slack below this share of its bound is none
DEARER = 1.05  # a rival that costs so many times what the chosen policy does is no like for like


def policy(view: View) -> Section:
    """6. Who gets what?"""
    summary = view.findings["policy"]
    blocks: list[Block] = [_who_gets_what(view), *_start(view), *_own_models(view)]
    if not summary["groups"]:
        blocks.append(
            Words(
                "No protected column was named, so who gets what is not broken down by group.",
                quiet=True,
            )
        )
    blocks += [_profile(view), _demands(view), *_carried(view)]
    aim = view.weighted[0] if len(view.weighted) == 1 else weights_in_words(summary["weights"])
    answer = (
        f"Of all people, {gets_in_words(summary['shares'])}. What the policy makes as large as its"
        f" demands allow: {aim}."
    )
    return Section(
        "policy", "Chosen policy", "Who gets what under the chosen policy?", answer, blocks
    )


def _who_gets_what(view: View) -> Block:
    summary = view.findings["policy"]
    every = [view.control, *view.candidates]
    bars = [("Everybody", summary["shares"])] + [
        (f"{g['column']}: {g['group']}", g["shares"]) for g in summary["groups"]
    ]
    colours = [CONTROL, *(view.mark(name)[0] for name in view.candidates)]
    series = [
        (name, colour, [real(s.get(name, 0.0)) for _, s in bars])
        for name, colour in zip(every, colours, strict=True)
    ]
    label = "; ".join(f"{name}: {shares_in_words(s, len(every))}" for name, s in bars)
    metrics = [m for m in view.metrics if all(m in g["values"] for g in summary["groups"])]
    columns = ["group", "people", *every, f"{view.cost_name} per head", *metrics]
    value = view.chosen
    whole = (
        [view.costs(value["spend"][0]), *(view.gain(m, value["values"][m]) for m in metrics)]
        if value
        else []
    )
    first = [
        "Everybody",
        MISSING,
        *(share(summary["shares"].get(name, 0.0)) for name in every),
        *whole,
    ]
    rows = [
        first + [MISSING] * (len(columns) - len(first)),
        *(_group_row(view, g, every, metrics) for g in summary["groups"]),
    ]
    title, reading = (
        _groups_title(view, summary["groups"]),
        "Each bar is all people of a group, split by what the policy gives them.",
    )
    if summary["groups"]:
        reading += (
            " A column that no demand, limit or start names is never seen by the policy: where its"
            " bars differ, features that the policy does see make them differ."
        )
    return Figure(
        title,
        reading,
        [stacks([name for name, _ in bars], series, label)],
        Table("Who gets what", columns, rows),
        view.bar_keys(),
    )


def _start(view: View) -> list[Block]:
    """How many count more because they are new."""
    start = view.findings["policy"].get("start")
    if start is None:
        return []
    text = (
        f"{start['rows']:,} people are in their start, below {number(start['until'])} in"
        f" {start['column']}. In the objective each counts {number(start['factor'])} times on the"
        f" first day, and what is above once halves every {number(start['half_life_days'])} days:"
        " they bid higher for the same budget. Values and costs here count everybody once."
    )
    return [Words(text)]


def _own_models(view: View) -> list[Block]:
    """What groups get by their own models, beside what they would get by the shared one."""
    groups = view.findings["policy"].get("own_models", [])
    if not groups:
        return []
    columns = ["group", "people", "model", "treated", "mean amount", f"{view.cost_name} per head"]
    rows = [
        [
            f"{group['column']}: {group['group']}",
            f"{group['rows']:,}",
            "its own, chosen" if name == "own" else "shared, for comparison",
            share(group[name]["treated"]),
            number(group[name]["amount"]),
            view.costs(group[name]["spend"]),
            *(view.gain(m, group[name]["values"][m]) for m in view.metrics),
        ]
        for group in groups
        for name in ("own", "shared")
    ]
    text = (
        "These groups have models of their own, learnt from their rows alone. Beside what they get"
        " stands what they would get if one model served everybody; both are judged by the same"
        " held-out outcomes."
    )
    return [Words(text), Table("Groups with models of their own", [*columns, *view.metrics], rows)]


def _group_row(view: View, group: GroupShare, every: list[str], metrics: list[str]) -> list[str]:
    shares = [share(group["shares"].get(name, 0.0)) for name in every]
    gains = [view.gain(m, group["values"][m]) for m in metrics]
    return [
        f"{group['column']}: {group['group']}",
        f"{group['rows']:,}",
        *shares,
        view.costs(group["spend"]),
        *gains,
    ]


def _groups_title(view: View, groups: list[GroupShare]) -> str:
    """The largest difference between two groups of one column in the share that gets the same
    thing.
    """
    if not groups:
        return (
            f"{share(1 - real(view.findings['policy']['shares'].get(view.control, 0.0)))} of people"
            " are treated"
        )
    widest, text = 0.0, ""
    for column in dict.fromkeys(g["column"] for g in groups):
        large = [g for g in groups if g["column"] == column and g["rows"] >= FEW]
        for cell in [view.control, *view.candidates] if large else []:
            order = sorted(large, key=lambda g: real(g["shares"].get(cell, 0.0)))
            least, most = (real(g["shares"].get(cell, 0.0)) for g in (order[0], order[-1]))
            if most - least > widest:
                widest = most - least
                who, others = (f"{column}: {g['group']}" for g in (order[-1], order[0]))
                text = f"{share(most)} of {who} get {cell}, {share(least)} of {others}"
    return (
        f"Largest gap between groups: {text}"
        if widest >= POINT
        else "Groups get the same, to within a percentage point"
    )


def _profile(view: View) -> Block:
    rows = sorted(
        view.findings["policy"]["profile"],
        key=lambda row: -abs(real(row["smd"])) if row["smd"] is not None else 0.0,
    )
    if not rows:
        return Words(
            "Nobody or everybody is treated, so there is no profile of the treated to compare.",
            quiet=True,
        )
    shown = rows[:MOST_FEATURES]
    names = [row["feature"] for row in shown]
    far = [row for row in shown if abs(real(row["smd"])) > NOTABLE]
    how = [f"{'higher' if row['smd'] > 0 else 'lower'} {row['feature']}" for row in far[:3]]
    title = (
        f"Those treated have {listed(how)}" if far else "Those treated look like those not treated"
    )
    reading = (
        "Each mark is a feature's mean among the treated minus that among the untreated, in"
        " standard deviations: right of the lane the treated have more of it, left of it less."
    )
    plot = dots(
        names,
        [("treated minus untreated", LINE, [row["smd"] for row in shown])],
        "difference, standard deviations",
        NOTABLE,
        title,
    )
    cells = [
        [
            row["feature"],
            number(row["treated"]),
            number(row["untreated"]),
            number(row["smd"], 3, plus=True),
        ]
        for row in rows
    ]
    return Figure(
        title,
        reading,
        [plot],
        Table(
            "Profile of the treated", ["feature", "treated", "untreated", "difference (SD)"], cells
        ),
    )


def _demands(view: View) -> Block:
    rows = view.findings["policy"]["demands"]
    if not rows:
        return Words("No demand was put on the policy: whoever gains is treated.", quiet=True)
    name, unit = view.price_unit()
    cells = []
    for row in rows:
        least = row["rule"] == "at least"
        slack = (real(row["bound"]) - real(row["used"])) * (-1 if least else 1)
        price = unit.effect([row["price"], None, None]) if row["price"] else "0"
        cells.append(
            [
                row["name"],
                number(row["used"]),
                ("\u2265 " if least else "\u2264 ") + number(row["bound"]),
                number(slack) if abs(slack) > HAIR * abs(real(row["bound"])) else "0",
                price,
                "binding" if row["binding"] else "slack",
            ]
        )
    columns = ["demand", "used", "bound", "slack", f"price ({name} per unit)", "state"]
    return Table(
        "Demands on the policy: what one more unit of each would buy is its price",
        columns,
        cells,
        (0, 5),
    )


def _carried(view: View) -> list[Block]:
    """What the budget becomes on people who did not set the prices."""
    cost = view.findings["policy"].get("carried")
    if cost is None:
        return []
    text = (
        f"At prices set without them, offers cost {view.costs(cost[0])} per head; for a large new"
        f" population, the {view.interval} of their cost is {view.cost.span(cost, plus=False)} per"
        " head."
    )
    return [Words(text)]


def value(view: View) -> Section:
    """7. What is it worth?"""
    rivals = view.findings["rivals"]
    blocks: list[Block] = []
    answer = "The chosen policy was not compared with others."
    if rivals:
        answer = _victories(view, rivals)
        blocks.append(_value_figure(view, rivals))
        blocks += shipped_rule(view)
        if len(rivals) > 1:
            blocks.append(_paired_figure(view, rivals[1:]))
    return Section("value", "Value", "What is the policy worth?", answer, blocks)


def _victories(view: View, rivals: list[Rival]) -> str:
    """Whom the chosen policy beats on the main metric, by the paired intervals."""
    metric = view.metrics[0]
    sign = -1.0 if metric in view.lower else 1.0
    rivals_by_verb: dict[str, list[str]] = {
        "beats": [],
        "is not told apart from": [],
        "falls short of": [],
    }
    for rival in rivals[1:]:
        paired = rival["against_chosen"].get(metric)
        if paired is not None:
            verb = (
                "is not told apart from"
                if not apart(paired)
                else "beats"
                if sign * real(paired[0]) > 0
                else "falls short of"
            )
            rivals_by_verb[verb].append(_named(view, rival))
    parts = [f"{verb} {listed(names)}" for verb, names in rivals_by_verb.items() if names]
    return (
        f"On {metric}, the chosen policy {'; it '.join(parts)}."
        if parts
        else f"On {metric}, there is nothing to compare it with."
    )


def _named(view: View, rival: Rival) -> str:
    """A rival's name in quotes, with its cost if that is more than the chosen policy's."""
    cost = real(rival["spend"][0])
    more = view.chosen is not None and cost > DEARER * real(view.chosen["spend"][0])
    return f"\u201c{rival['policy']}\u201d" + (
        f" (which costs {view.costs(cost)} per head)" if more else ""
    )


def _value_figure(view: View, rivals: list[Rival]) -> Figure:
    metrics = [m for m in view.metrics if all(m in rival["values"] for rival in rivals)]
    names = [rival["policy"] for rival in rivals]
    marks = [CHOSEN, *([RIVAL] * (len(rivals) - 1))]
    plots = [
        forest(
            names,
            [r["values"][m] for r in rivals],
            marks,
            view.units[m],
            f"gain per head, {view.best_is(m)}",
            m,
        )
        for m in metrics
    ]
    columns = ["policy", "people treated", f"{view.cost_name} per head", *metrics]
    cells = [
        [
            r["policy"],
            share(r["treated"]),
            view.costs(r["spend"][0]),
            *(view.gain(m, r["values"][m]) for m in metrics),
        ]
        for r in rivals
    ]
    gains = listed(f"{view.units[m].effect(rivals[0]['values'][m])} of {m}" for m in metrics)
    title = f"The chosen policy {view.gains} {gains} per head"
    reading = (
        f"Each mark is what a policy gains per head over {view.control} for everybody, with its"
        f" {view.interval}, measured on people whose effects were predicted without them."
    )
    keys = [Key("star", CHOSEN[0], "chosen policy"), Key("circle", RIVAL[0], "simpler policies")]
    return Figure(
        title,
        reading,
        plots,
        Table(f"Value of each policy (gain per head, {view.interval})", columns, cells),
        keys,
    )


def _paired_figure(view: View, rivals: list[Rival]) -> Figure:
    metrics = [m for m in view.metrics if all(m in rival["against_chosen"] for rival in rivals)]
    names = [rival["policy"] for rival in rivals]
    plots, cells = [], []
    for metric in metrics:
        unit = view.units[metric]
        axis = f"difference, {view.best_is(metric)}"
        plots.append(
            forest(
                names,
                [r["against_chosen"][metric] for r in rivals],
                [LINE] * len(rivals),
                unit,
                axis,
                metric,
            )
        )
        cells += [
            [
                metric,
                r["policy"],
                unit.effect(r["against_chosen"][metric]),
                unit.span(r["against_chosen"][metric]),
            ]
            for r in rivals
        ]
    reading = (
        "Each mark is the chosen policy minus another one, on the same people (paired), so that"
        " luck common to both cancels; a hollow mark's interval holds zero: the two are not told"
        " apart."
    )
    twin = Table(
        "Chosen policy minus each other one",
        ["metric", "policy", "difference", view.interval],
        cells,
        (0, 1),
    )
    return Figure("Is the chosen policy really better than a simpler one?", reading, plots, twin)
