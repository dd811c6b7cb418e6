"""The report of a job with [ranking]: is the log sound, how methods compare, what one objective
costs another, what the scores say, what changes in the first places, the floors.
"""

from __future__ import annotations

from equipoise.report.findings import Interval
from equipoise.report.findings_ranking import Places, RankingFindings
from equipoise.report.formatting import (
    MISSING,
    Unit,
    has_interval,
    listed,
    number,
    plural,
    real,
    share,
)
from equipoise.report.page import render_page
from equipoise.report.parts import (
    Block,
    Bullets,
    Card,
    Figure,
    Key,
    Section,
    Table,
    Words,
)
from equipoise.report.plots import LINE, forest
from equipoise.report.sections.experiment import checklist, counts_of, verdict
from equipoise.report.sections.ranking_front import front
from equipoise.report.sections.ranking_inputs import inputs
from equipoise.report.sections.ranking_methods import methods
from equipoise.report.sections.summary import how_made
from equipoise.report.sentences_ranking import (
    RATE,
    UNIT,
    VERDICTS,
    change_in_words,
    floor_verdict,
    of_method,
    verdict_on,
)

TERMS = (
    "AUC = the chance that of two rows, a positive and a negative, the positive stands first; GAUC"
    " = the same within groups. pp = percentage points."
)
MOST_SCORES = 12  # named in a sentence


def render_ranking(findings: RankingFindings) -> str:
    """The report as one self-contained HTML page.

    Parameters
    ----------
    findings : RankingFindings
        What a job with [ranking] found; see `equipoise.report.findings_ranking`.

    Returns
    -------
    str
        HTML with its style and scripts inside, which asks the network for nothing.

    Examples
    --------
    >>> html = render_ranking(run(plan, "runs/ranking"))  # doctest: +SKIP
    """
    sections = [
        _log(findings),
        methods(findings),
        front(findings),
        inputs(findings),
        *([_places(findings, findings["places"])] if findings["places"] else []),
        *([_floors(findings)] if findings["floors"] else []),
        how_made(dict(findings["made"])),
    ]
    return render_page(findings, _cards(findings), sections, "From scores to one order", TERMS)


def _cards(findings: RankingFindings) -> list[Card]:
    criterion, name = findings["criterion"], findings["method"]
    value = of_method(findings["measures"], criterion, name)
    gain = of_method(findings["gains"], criterion, name)
    interval = f"{100 * findings['level']:g}% interval"
    cards = [
        Card(
            f"Mean {criterion.upper()} of what ships",
            UNIT.bare(value, plus=False),
            "",
            [
                *([f"{interval} {UNIT.span(value, plus=False)}"] if has_interval(value) else []),
                name,
            ],
        )
    ]
    if name != findings["fallback"]:
        notes = [f"{interval} {UNIT.span(gain)}"] if has_interval(gain) else []
        notes.append(VERDICTS[verdict_on(gain)])
        cards.append(Card(f"Gain over {findings['fallback']}", UNIT.bare(gain), "", notes))
    if findings["places"]:
        places = findings["places"]
        notes = ["that what ships puts there and the fallback does not"]
        part = 1 - real(places["same"])
        cards.append(Card(f"First {places['k']} places", share(part), "of rows", notes))
    if findings["floors"]:
        kept = sum(floor_verdict(floor) == "kept" for floor in findings["floors"])
        every = len(findings["floors"])
        cards.append(Card("Floors kept", f"{kept} of {every}", "", ["for sure, on the test rows"]))
    return cards


def _log(findings: RankingFindings) -> Section:
    rows = [
        [
            one["name"],
            share(one["weight"]),
            share(one["rate"]),
            f"{one['positives']:,}",
            share(one["observed"]),
            share(one["coverage"]),
        ]
        for one in findings["objectives"]
    ]
    columns = [
        "objective",
        "weight",
        "rate of positives",
        "positives",
        "rows where it is known",
        "rows in groups of both classes",
    ]
    parts = listed(f"{n:,} {part}" for part, n in findings["rows"].items())
    within = (
        f"Rows are ranked within {plural(findings['requests'], 'group')} of"
        f" \u201c{findings['grouped']}\u201d."
        if findings["grouped"]
        else "No group is named: all rows are ranked against each other, so there is no GAUC."
    )
    blocks: list[Block] = [Words(f"{findings['split']} {within}")]
    if findings["checks"]:
        blocks.append(checklist(findings["checks"]))
    blocks.append(Table("Objectives, in the test rows", columns, rows))
    blocks.append(Words(_inputs_in_words(findings), quiet=True))
    if findings["risks"]:
        blocks.append(Bullets("What could be wrong", findings["risks"]))
    answer = f"{verdict(counts_of(findings['checks']))} Rows: {parts}."
    return Section("log", "The log", "Is the log sound?", answer, blocks)


def _inputs_in_words(findings: RankingFindings) -> str:
    scores, profile = findings["scores"], findings["profile"]
    named = listed(scores[:MOST_SCORES]) if scores else "none"
    more = f" and {len(scores) - MOST_SCORES} more" if len(scores) > MOST_SCORES else ""
    kind = "probabilities" if findings["probabilities"] else "numbers of any scale"
    who = f"Of the viewer: {listed(profile)}." if profile else "Nothing of the viewer is used."
    return f"{plural(len(scores), 'score')}, {kind}: {named}{more}. {who}"


def _places(findings: RankingFindings, places: Places) -> Section:
    k, fallback = places["k"], findings["fallback"]
    names = [one["name"] for one in findings["objectives"] if one["name"] in places["rates"]]
    rows = [
        [
            name,
            RATE.of_level([places["fallback"].get(name, float("nan")), None, None]),
            RATE.of_level([places["shipped"].get(name, float("nan")), None, None]),
            _change(RATE, places["rates"][name]),
        ]
        for name in names
    ]
    columns = ["objective", fallback, findings["method"], "change"]
    twin = Table(f"Positives per row in the first {k} places", columns, rows)
    drawn = [name for name in names if real(places["rates"][name][0]) == places["rates"][name][0]]
    blocks: list[Block] = [twin]
    if drawn:
        plot = forest(
            drawn,
            [places["rates"][name] for name in drawn],
            [LINE] * len(drawn),
            RATE,
            f"change of positives per row, {RATE.axis}",
            "",
        )
        reading = (
            "Each row is an objective: how many more of the rows in the first"
            f" {k} places are positive than under {fallback}, with its"
            f" {100 * findings['level']:g}% interval; hollow where that holds zero. Both are"
            " counted in the rows of the log."
        )
        keys = [Key("circle", LINE[0], f"what ships, less {fallback}")]
        blocks = [Figure(_places_title(findings, places, names), reading, [plot], twin, keys)]
    if findings["method"] == fallback:
        blocks.append(Words("What ships is the fallback itself.", quiet=True))
    answer = (
        f"In {plural(places['requests'], 'request')} of more than {k} rows, {share(places['same'])}"
        f" of the first {k} rows stay the same, and {share(places['first'])} of requests keep their"
        " first row."
    )
    title = f"What changes in the first {k} places?"
    return Section("places", "First places", title, answer, blocks)


def _places_title(findings: RankingFindings, places: Places, names: list[str]) -> str:
    found = {name: verdict_on(places["rates"][name]) for name in names}
    more = [name for name in names if found[name] == "better"]
    fewer = [name for name in names if found[name] == "worse"]
    if not more and not fewer:
        return f"Positives in the first {places['k']} places are not told apart from today's"
    words = [
        *([f"more of {listed(more)}"] if more else []),
        *([f"less of {listed(fewer)}"] if fewer else []),
    ]
    return f"The first {places['k']} places hold {listed(words)} than under {findings['fallback']}"


def _change(unit: Unit, interval: Interval) -> str:
    span = f" ({unit.span(interval)})" if has_interval(interval) else ""
    return unit.effect(interval) + span if real(interval[0]) == interval[0] else MISSING


def _floors(findings: RankingFindings) -> Section:
    floors, criterion = findings["floors"], findings["criterion"].upper()
    rows = [
        [
            floor["objective"],
            UNIT.of_level([floor["lose"], None, None]),
            number(floor["validation"], plus=True),
            change_in_words(floor["test"]),
            floor_verdict(floor),
        ]
        for floor in floors
    ]
    columns = ["objective", "may lose", "gain on validation", "gain on test", "on test"]
    results = {floor["objective"]: floor_verdict(floor) for floor in floors}
    every = all(result == "kept" for result in results.values())
    answer = (
        "Yes, on the test rows too."
        if every
        else " ".join(
            f"On the test rows the floor on {name} is {result}."
            for name, result in results.items()
            if result != "kept"
        )
    )
    note = (
        f"A floor bounds how much {criterion} of an objective may be lost against"
        f" {findings['fallback']}; methods that break one on the validation rows are not chosen."
        " \u201cProbably\u201d: the value says so, its interval does not."
    )
    table = Table(f"{criterion} gained over {findings['fallback']}", columns, rows, (0, 4))
    blocks: list[Block] = [table, Words(note, quiet=True)]
    return Section("floors", "Floors", "Are the floors kept?", answer, blocks)
