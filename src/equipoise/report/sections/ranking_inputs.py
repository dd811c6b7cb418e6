"""What the scores of a job with [ranking] say: their calibration, and what a gate makes of them."""

from __future__ import annotations

from equipoise.report.findings_ranking import Calibration, Gate, RankingFindings
from equipoise.report.formatting import has_interval, listed, number, plural, real, share
from equipoise.report.parts import Block, Figure, Key, Plot, Section, Table, Words
from equipoise.report.plots import (
    LINE,
    MUTED,
    OKABE_ITO,
    RIVAL,
    add_line,
    add_points,
    stacks,
)
from equipoise.report.plots.axes import PANEL, axis_of, drawing
from equipoise.report.sentences_ranking import RATE, is_off, promised, tenths_off

MOST_PANELS = 6
MOST_SEGMENTS = 12  # bars of a figure
MOST_SCORES = len(OKABE_ITO)  # colours of a bar; the smallest of more scores are taken together


def inputs(findings: RankingFindings) -> Section:
    """What do the scores say, and what is made of them?"""
    blocks = [_calibration(findings), *_gates(findings)]
    bad = [one["score"] for one in findings["calibration"] if is_off(one)]
    answer = (
        "No score is named for an objective as its probability."
        if not findings["calibration"]
        else f"Not as they stand: {listed(bad)} {'is' if len(bad) == 1 else 'are'} off."
        if bad
        else "Yes: every score agrees with its objective in most of its tenths."
    )
    title = "Do the scores mean what they say?"
    return Section("scores", "Scores", title, answer, blocks)


def _calibration(findings: RankingFindings) -> Block:
    every = sorted(findings["calibration"], key=_badness)
    drawn = [one for one in every if any(_finite_tenths(one))][:MOST_PANELS]
    if not drawn:
        return Words(
            "Scores are not compared with what happened: none is a probability of an objective,"
            " or nothing of them was observed.",
            quiet=True,
        )
    reading = (
        "Each mark is a tenth of the test rows by the score: right is what the score promises, up"
        f" is what happened, with its {100 * findings['level']:g}% interval. On the dotted line"
        " they are the same; below it the score promises too much."
    )
    keys = [Key("circle", LINE[0], "a tenth of the rows"), Key("dots", MUTED, "as promised")]
    rows = [
        [
            f"{one['score']} \u2192 {one['objective']}",
            f"{n:,}",
            RATE.of_level([predicted, None, None]),
            RATE.of_level(observed),
            RATE.span(observed, plus=False),
        ]
        for one in every
        for predicted, observed, n in zip(
            one["predicted"], one["observed"], one["rows"], strict=True
        )
    ]
    columns = ["score \u2192 objective", "rows", "predicted", "observed", "interval"]
    left = len(every) - len(drawn)
    note = f"{plural(left, 'score')} more: in the table." if left else ""
    plots = [_tenths(one) for one in drawn]
    twin = Table("Tenths of each score", columns, rows)
    return Figure(_calibration_title(every), reading, plots, twin, keys, note)


def _badness(one: Calibration) -> float:
    """The score that is off in most tenths comes first."""
    off, of = tenths_off(one)
    return -off / of if of else 1.0


def _calibration_title(every: list[Calibration]) -> str:
    bad = [one for one in every if is_off(one)]
    if not bad:
        return f"All of {plural(len(every), 'score')} promise what happens in most tenths"
    worst = max(bad, key=lambda one: abs(real(promised(one)) - 1) if promised(one) > 0 else 0.0)
    factor = promised(worst)
    words = (
        f"; {worst['score']} promises {number(factor, 2)} times what happens"
        if factor == factor
        else ""
    )
    return f"{len(bad)} of {plural(len(every), 'score')} {_verb(bad)} what happens{words}"


def _verb(bad: list[Calibration]) -> str:
    return "misstates" if len(bad) == 1 else "misstate"


def _finite_tenths(one: Calibration) -> list[bool]:
    """In which tenths both prediction and observation are numbers."""
    pairs = zip(one["predicted"], one["observed"], strict=True)
    return [real(p) == real(p) and real(o[0]) == real(o[0]) for p, o in pairs]


def _tenths(one: Calibration) -> Plot:
    keep = _finite_tenths(one)
    points = [
        (p, o, n)
        for p, o, n, good in zip(one["predicted"], one["observed"], one["rows"], keep, strict=True)
        if good
    ]
    off, of = tenths_off(one)
    hover = [
        f"promised {RATE.of_level([p, None, None])}<br>happened {RATE.of_level(o)}"
        + (f" [{RATE.span(o, plus=False)}]" if has_interval(o) else "")
        + f"<br>{n:,} rows"
        for p, o, n in points
    ]
    most = 100 * max([p for p, _, _ in points] + [real(o[0]) for _, o, _ in points])
    x = axis_of("promised, %", nticks=5, ticks="", rangemode="tozero")
    y = axis_of("happened, %", nticks=5, ticks="", rangemode="tozero")
    name = f"{one['score']} \u2192 {one['objective']}"
    label = f"{name}: off in {off} of {of} tenths; predicted over observed {number(promised(one))}"
    plot = Plot(drawing([], x, y, PANEL), label, PANEL, name)
    add_line(plot, [0.0, most], [0.0, most])
    places = [100 * p for p, _, _ in points]
    add_points(plot, places, [o for _, o, _ in points], RATE, LINE, hover, 8)
    return plot


def _gates(findings: RankingFindings) -> list[Block]:
    gates = findings["gates"]
    if not gates:
        words = "What ships has no gate, so no weights of scores by segment are told."
        return [Words(words, quiet=True)]
    scores = list(dict.fromkeys(score for gate in gates for score in gate["weights"]))
    scores.sort(key=lambda score: -_mean(gates, score))
    shown = scores if len(scores) <= MOST_SCORES else scores[: MOST_SCORES - 1]
    columns = list(dict.fromkeys(gate["column"] for gate in gates))
    plots = []
    for column in columns:
        bars = sorted((g for g in gates if g["column"] == column), key=lambda g: -real(g["share"]))
        plots.append(_bars(column, bars[:MOST_SEGMENTS], shown, len(scores) - len(shown)))
    rows = [
        [
            f"{gate['column']}: {gate['segment']}",
            share(gate["share"]),
            *(share(gate["weights"].get(score)) for score in scores),
        ]
        for gate in gates
    ]
    twin = Table("Weight of each score by segment", ["segment", "rows", *scores], rows)
    keys = [Key("bar", colour, s) for s, colour in zip(shown, OKABE_ITO, strict=False)]
    if len(shown) < len(scores):
        keys.append(Key("bar", RIVAL[0], plural(len(scores) - len(shown), "other score")))
    reading = (
        "Each bar is a segment of viewers, the largest on top: how much the gate of what ships"
        " weighs each score, on average. The other part of the net is not in it."
    )
    cut = sum(max(sum(g["column"] == c for g in gates) - MOST_SEGMENTS, 0) for c in columns)
    note = f"{plural(cut, 'smaller segment')}: in the table." if cut else ""
    return [Figure(_gates_title(gates, scores), reading, plots, twin, keys, note)]


def _mean(gates: list[Gate], score: str) -> float:
    """The weight of a score, on average over segments by their share."""
    total = sum(real(gate["share"]) for gate in gates)
    weighed = sum(real(g["share"]) * real(g["weights"].get(score, 0.0)) for g in gates)
    return weighed / total if total > 0 else 0.0


def _gates_title(gates: list[Gate], scores: list[str]) -> str:
    """The score whose weight moves most between segments of a column."""

    def ends(score: str, column: str) -> tuple[float, float]:
        weights = [real(g["weights"].get(score, 0.0)) for g in gates if g["column"] == column]
        return min(weights), max(weights)

    moves = {
        (score, gate["column"]): ends(score, gate["column"]) for score in scores for gate in gates
    }
    (score, column), (low, high) = max(moves.items(), key=lambda move: move[1][1] - move[1][0])
    if share(low) == share(high):
        return f"The gate weighs {scores[0]} most, and all segments alike"
    return f"The gate weighs {score} by {share(low)} to {share(high)}, by {column}"


def _bars(column: str, gates: list[Gate], shown: list[str], others: int) -> Plot:
    names = [gate["segment"] for gate in gates]
    series = [
        (score, colour, [real(gate["weights"].get(score, 0.0)) for gate in gates])
        for score, colour in zip(shown, OKABE_ITO, strict=False)
    ]
    if others:
        rest = [1 - sum(weights[i] for _, _, weights in series) for i in range(len(gates))]
        series.append((plural(others, "other score"), RIVAL[0], rest))
    words = [
        f"{gate['segment']} "
        + listed(f"{name} {share(gate['weights'].get(name))}" for name in shown)
        for gate in gates
    ]
    label = f"{column}: {'; '.join(words)}"
    return stacks(names, series, label, "weight of each score, %", column)
