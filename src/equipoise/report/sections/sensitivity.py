"""Could an unmeasured cause have made the effects?  In the section on averages."""

from __future__ import annotations

from equipoise.report.findings import Likened, Sensitivity, Undone
from equipoise.report.formatting import MISSING, apart, number, share
from equipoise.report.parts import Block, Figure, Plot, Table, Words
from equipoise.report.plots import CHOSEN, RIVAL, Mark, forest
from equipoise.report.sentences import strongest, undone_words
from equipoise.report.view import LEFT_OUT, View

MOST_ARMS = 4  # of a panel: two rows each
POLICY = "the policy"


def unmeasured(view: View) -> list[Block]:
    """What an unmeasured cause could do, or why none is shown; nothing in findings before 0.3."""
    facts = view.findings.get("sensitivity")
    if facts is None:
        return []
    if facts["why"]:
        return [Words(facts["why"], quiet=True)]
    rows = [row for row in facts["rows"] if row["likened"]]
    if not rows:
        return []
    metrics = [m for m in view.metrics if any(row["metric"] == m for row in rows)]
    shown = {metric: _of_metric(rows, metric) for metric in metrics}
    left = sum(row["metric"] == m for row in rows for m in metrics) - sum(map(len, shown.values()))
    reading = (
        "Treatment was not given by lot, so something that is not in the log may have moved both"
        " who got what and the outcome. Coloured: each effect as if there were no such cause. Grey:"
        f" what it may be ({view.interval}) if there is one as strong, on both sides, as the"
        " feature named; a hollow mark may be nil. Robustness is the share of what is left of the"
        " outcome, and of the variance of the weights, that a cause must explain to undo the effect"
        " (Chernozhukov et al. 2022)."
    )
    note = LEFT_OUT.format(left) if left else ""
    plots = [_panel(view, metric, shown[metric]) for metric in metrics]
    return [Figure(_title(view, rows), reading, plots, _twin(view, facts), [], note)]


def _of_metric(rows: list[Undone], metric: str) -> list[Undone]:
    """The policy's gain and the effects that are told apart from zero first."""
    mine = [row for row in rows if row["metric"] == metric]
    return sorted(mine, key=lambda r: (r["candidate"] != "", not apart(r["effect"])))[:MOST_ARMS]


def _title(view: View, rows: list[Undone]) -> str:
    """Of the policy on its main metric, else of the first effect that is told apart from zero."""
    main = [row for row in rows if row["metric"] == view.metrics[0]] or rows
    policy = [row for row in rows if row["candidate"] == ""]
    told = [row for row in [*policy, *main, *rows] if apart(row["effect"])]
    if not told:
        return "An unmeasured cause: no effect is told apart from zero, so there is none to undo"
    return undone_words(view.findings, told[0])


def _panel(view: View, metric: str, rows: list[Undone]) -> Plot:
    names, intervals, marks = [], [], list[Mark]()
    for row in rows:
        worst = strongest(row)
        name = row["candidate"] or POLICY
        names += [name, f"\u21b3 like {worst['feature']}"]
        intervals += [row["effect"], worst["left"]]
        marks += [view.mark(row["candidate"]) if row["candidate"] else CHOSEN, RIVAL]
    return forest(names, intervals, marks, view.units[metric], view.best_is(metric), metric)


def _twin(view: View, facts: Sensitivity) -> Table:
    columns = [
        *("metric", "arm", "effect", view.interval, "robustness", "a cause like"),
        *("of the outcome", "of the weights", "leaves", "times as strong to undo it"),
    ]
    cells = []
    for row in facts["rows"]:
        unit = view.units[row["metric"]]
        name = row["candidate"] or POLICY
        head = [row["metric"], name, unit.effect(row["effect"]), unit.span(row["effect"])]
        head.append(share(row["robustness"]) if apart(row["effect"]) else MISSING)
        for one in row["likened"]:
            cells.append([*head, *_like(view, row, one)])
    caption = "What an unmeasured cause as strong as a feature would leave of each effect"
    return Table(caption, columns, cells, (0, 1, 5))


def _like(view: View, row: Undone, one: Likened) -> list[str]:
    times = number(float(f"{one['times']:.2g}")) if one["times"] is not None else MISSING
    return [
        one["feature"],
        share(one["outcome"]),
        share(one["treatment"]),
        view.units[row["metric"]].span(one["left"]),
        times if apart(row["effect"]) else MISSING,
    ]
