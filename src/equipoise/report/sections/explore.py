"""The explorer: a reader moves budget, weights, floors and caps, and the page finds the prices anew
on its sample of units.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from equipoise.report.findings_explorer import DialFindings, ExplorerFindings
from equipoise.report.formatting import GLUE, Unit, number, share
from equipoise.report.parts import Dial, Dials, Explorer, Key, Section, Table
from equipoise.report.plots import CHOSEN, CONTROL, Mark, stacks
from equipoise.report.view import View, gets_in_words

FEW = 3  # sliders of a kind that are off and stand open
HERE = "var(--accent)"
TITLES = {
    "weight": "What one unit is worth",
    "budget": "Spend at most, per head",
    "offers": "Treat at most",
    "group-budget": "Spend on a group at most, per head",
    "floor": "Keep at least, per head",
    "ceiling": "Keep at most, per head",
    "cap": "Give to at most",
    "row": "Other demands",
}
DEMANDS = ["demand", "asked", "used", "one more of it is worth"]


def explores(view: View, findings: ExplorerFindings) -> Section:
    """What would another setting do?"""
    units = {**view.units, findings["scored"][len(findings["metrics"])]: view.cost}
    whole = findings["units"] == findings["of"]
    of = f"the {findings['of']:,} people"
    sample = f"all {of}" if whole else f"{findings['units']:,} of {of}, drawn at random"
    band = f"the {view.interval} {'of that' if whole else 'with what the sample adds'}"
    reading = (
        "Move a slider, or tick a demand: the prices are found anew, and everybody gets the best"
        f" candidate at these prices. The ring is what that brings per head, its band {band}; the"
        " star is the plan."
    )
    note = (
        f"On {sample}; nobody's outcome had a part in the effects that choose for them."
        " Prices are found on all of them at once, and within folds for the policy that ships, so"
        " the plan's own point differs a little from the policy above. The page holds their"
        " effects and scores, without ids and protected labels."
    )
    block = explorer_block(findings, units, view.cost, view.marks, reading, note)
    answer = f"Try it: on {sample}, every setting below is priced anew while you move it."
    return Section("explore", "Explore", "What would another setting do?", answer, [block])


def explorer_block(
    findings: ExplorerFindings,
    units: Mapping[str, Unit],
    cost: Unit,
    marks: Mapping[str, Mark],
    reading: str,
    note: str,
    offline: bool = True,
) -> Explorer:
    """The sliders with what they start at.   units: of everything that is scored;  marks: of the
    candidates;  offline: whether the page itself has the units.
    """
    start = findings["start"]
    mix = _mix(findings, marks)
    keys = [Key("ring", HERE, "these settings"), Key("band", HERE, "the interval")]
    keys += [Key("star", CHOSEN[0], "the plan")]
    keys += [Key("bar", CONTROL, findings["control"])]
    keys += [Key("bar", marks[name][0], name) for name in findings["candidates"]]
    written: dict[str, Any] = dict(findings)
    if not offline:
        written.pop("arrays", None)
    written["formats"] = {name: _format(units[name]) for name in findings["scored"]}
    written["demands"] = {
        row["name"]: _format(_unit(row["kind"], _of(row, findings), units, cost))
        for row in findings["rows"]
    }
    words = _words(findings, units, cost)
    return Explorer(
        title=f"{_said(findings)}, moved by hand",
        reading=reading,
        groups=_groups(findings["dials"], units, cost),
        words=words,
        demands=Table(
            "What is asked and what is used", DEMANDS, _demands(start, units, cost), (0,)
        ),
        mix=mix,
        columns=list(findings["labels"]),
        twin=_twin(findings),
        data=written,
        keys=keys,
        note=note,
        offline=offline,
    )


def _said(findings: ExplorerFindings) -> str:
    kinds = dict.fromkeys(dial["kind"] for dial in findings["dials"])
    words = {"weight": "weights", "floor": "floors", "ceiling": "ceilings", "cap": "caps"}
    said = [words.get(kind, kind) for kind in kinds if kind in (*words, "budget")]
    text = (
        ", ".join(said[:-1]) + (" and " if len(said) > 1 else "") + said[-1] if said else "Demands"
    )
    return text.capitalize()


def _of(row: Mapping[str, Any], findings: ExplorerFindings) -> str:
    """The metric of a row, "" without one."""
    quantity = row["quantity"]
    return findings["metrics"][quantity] if isinstance(quantity, int) else str(quantity)


def _unit(kind: str, of: str, units: Mapping[str, Unit], cost: Unit) -> Unit:
    """The unit of a demand's bound."""
    if kind == "weight":
        return Unit(1.0, "", "", "")
    if kind in ("floor", "ceiling"):
        return units[of]
    return cost if kind in ("budget", "group-budget") else Unit(100.0, "%", "%", "%")


def _format(unit: Unit) -> dict[str, Any]:
    """How the page writes a number of a unit."""
    return {"scale": unit.scale, "change": unit.change}


def _groups(dials: list[DialFindings], units: Mapping[str, Unit], cost: Unit) -> list[Dials]:
    """The sliders by what they are about."""
    groups = []
    for kind, title in TITLES.items():
        mine = [dial for dial in dials if dial["kind"] == kind]
        if not mine:
            continue
        rows = [_dial(dial, units, cost) for dial in mine]
        folded = len(rows) > FEW and all(dial["start"] is None for dial in mine)
        groups.append(Dials("weight" if kind == "weight" else "bound", title, rows, folded))
    return groups


def _dial(dial: DialFindings, units: Mapping[str, Unit], cost: Unit) -> Dial:
    unit = _unit(dial["kind"], dial["of"], units, cost)
    own = dial["kind"] in ("floor", "ceiling", "cap")
    label = dial["of"] if own and dial["of"] else dial["name"]
    behind = unit.change if dial["kind"] != "cap" else "%"
    return Dial(
        dial["name"],
        label,
        dial["low"],
        dial["high"],
        dial["step"],
        dial["start"],
        dial["kind"] == "weight",
        unit.scale,
        behind,
    )


def _mix(findings: ExplorerFindings, marks: Mapping[str, Mark]) -> Any:
    """Who gets what, of all and by the labels of the first column."""
    start, labels = findings["start"], findings["labels"]
    first = next(iter(labels), None)
    names = ["all", *(labels[first] if first else [])]
    blank = [1] + [0] * len(findings["candidates"])
    counts = [blank] * len(names)
    if start is not None:
        counts = [start["counts"], *(start["groups"][first] if first else [])]
    shares = [[x / max(sum(row), 1) for x in row] for row in counts]
    cells = [(findings["control"], CONTROL), *((n, marks[n][0]) for n in findings["candidates"])]
    series = [(n, colour, [row[i] for row in shares]) for i, (n, colour) in enumerate(cells)]
    label = "Who gets what; every share is in the table"
    return stacks(names, series, label, name="Who gets what")


def _twin(findings: ExplorerFindings) -> Table:
    """Who gets what, as numbers."""
    start, cells = findings["start"], [findings["control"], *findings["candidates"]]
    rows = []
    if start is not None:
        rows.append(["all", *_shares(start["counts"])])
        for column, labels in findings["labels"].items():
            for label, counts in zip(labels, start["groups"][column], strict=True):
                rows.append([f"{column}: {label}", *_shares(counts)])
    if not rows:
        rows = [["all", *("\u2013" for _ in cells)]]
    return Table("Who gets what at these settings", ["people", *cells], rows)


def _shares(counts: list[int]) -> list[str]:
    return [share(count / max(sum(counts), 1)) for count in counts]


def _demands(start: Any, units: Mapping[str, Unit], cost: Unit) -> list[list[str]]:
    """What each demand asked and got."""
    rows = []
    for use in [] if start is None else start["demands"]:
        of = next((name for name in units if use["name"].endswith(f" of {name}")), "")
        unit = _unit(use["kind"], of, units, cost) if use["kind"] != "row" else Unit(1, "", "", "")
        asked, used = (
            number(unit.scale * use[key], None) + unit.change for key in ("bound", "used")
        )
        price = number(use["price"]) if use["binding"] else "nothing"
        rows.append([use["name"], f"{use['rule']} {asked}", used, price])
    return rows or [["none", "", "", ""]]


def _words(findings: ExplorerFindings, units: Mapping[str, Unit], cost: Unit) -> str:
    """What the plan's own settings give on the sample, in a sentence."""
    start, z = findings["start"], findings["z"]
    if start is None:
        return "On this sample the plan's demands cannot hold together: loosen one of them."
    cells = [findings["control"], *findings["candidates"]]
    total = max(sum(start["counts"]), 1)
    shares = {name: n / total for name, n in zip(cells, start["counts"], strict=True)}
    gains = []
    for name in findings["scored"]:
        mean, error = start["values"][name]
        interval = [mean, mean - z * error, mean + z * error]
        said = (
            units[name].effect(interval)
            if units[name] is not cost
            else units[name].of_level(interval)
        )
        gains.append(f"{name}{GLUE}{said}")
    return f"{gets_in_words(shares)}. Per head: {'; '.join(gains)}."
