"""The trade-off front of a job with [ranking]: sliders of weights, the plane of the two objectives
that conflict most, hypervolumes.
"""

from __future__ import annotations

import math
from itertools import combinations

from equipoise.report.findings_ranking import FrontPoint, RankingFindings
from equipoise.report.formatting import MINUS, MISSING, has_interval, plural, real
from equipoise.report.parts import (
    Block,
    Figure,
    Key,
    Section,
    Table,
    Words,
)
from equipoise.report.plots import (
    CHOSEN,
    OKABE_ITO,
    SYMBOLS,
    Mark,
    add_line,
    levels,
    plain,
    plane,
    short,
)
from equipoise.report.sections.ranking_chooser import (
    chooser,
    objectives_of,
    value_of,
    weights_in_words,
)
from equipoise.report.sections.ranking_methods import mark_of, ordered
from equipoise.report.sentences_ranking import UNIT, level_in_words

COLOURS = [colour for colour in OKABE_ITO if colour != CHOSEN[0]]
SHAPES = [symbol for symbol in SYMBOLS if symbol not in ("circle", "star")]


def front(findings: RankingFindings) -> Section:
    """What does one objective cost another?"""
    title, nav = "What does one objective cost another?", "Trade-off"
    if not findings["front"]:
        words = "Other weights of objectives were not tried, so there is no front to draw."
        return Section("front", nav, title, words, [])
    blocks: list[Block] = [chooser(findings), *_conflict(findings), *_volumes(findings)]
    points = findings["front"]
    efficient = sum(point["efficient"] for point in points)
    names = {point["method"] for point in points}
    answer = (
        f"{plural(len(points), 'setting')} of weights by {plural(len(names), 'method')}: on the"
        f" test rows {efficient} {'is' if efficient == 1 else 'are'} efficient, that is, no other"
        " is as good on every objective and better on one."
    )
    return Section("front", nav, title, answer, blocks)


def _conflict(findings: RankingFindings) -> list[Block]:
    every = findings["front"]
    names = [name for name in objectives_of(findings) if any(_finite(p, name) for p in every)]
    points = [p for p in every if all(_finite(p, name) for name in names)]
    if len(names) < 2 or len(points) < 2:
        words = "Fewer than two objectives or settings have values, so no plane of two is drawn."
        return [Words(words, quiet=True)]
    pairs = {pair: _correlation(points, *pair) for pair in combinations(names, 2)}
    x, y = min(pairs, key=lambda pair: pairs[pair])
    best = _best_of(points, x, y)
    marks = _marks(findings)
    dots = [
        {
            "x": value_of(p, x) if p["shipped"] else [value_of(p, x)[0], None, None],
            "y": value_of(p, y) if p["shipped"] else [value_of(p, y)[0], None, None],
            "mark": CHOSEN if p["shipped"] else marks[p["method"]],
            "size": 18 if p["shipped"] else 11 if p["efficient"] else 7,
            "said": _said(findings, p, (x, y)),
        }
        for p in sorted(points, key=lambda p: (p["shipped"], p["efficient"]))
    ]
    criterion = findings["criterion"].upper()
    axes = (f"{criterion} of {short(x)}", f"{criterion} of {short(y)}")
    label = f"{y} against {x}: {plural(len(points), 'setting')}; all are in the table"
    plot = plane(dots, (UNIT, UNIT), axes, "", label, joined=False)
    add_line(plot, [real(value_of(p, x)[0]) for p in best], [real(value_of(p, y)[0]) for p in best])
    reading = (
        "Each mark is a method with one setting of weights; right is better for"
        f" {x}, up is better for {y}: the two objectives that conflict most. Large marks are"
        " efficient over all objectives; the dotted line joins those that none beats on these two."
        " Whiskers: what ships."
    )
    keys = [Key("star", CHOSEN[0], "what ships")]
    role = {findings["fallback"]: f"{findings['fallback']}, the fallback"}
    keys += [Key(symbol, colour, role.get(n, n)) for n, (colour, symbol) in marks.items()]
    rows = [
        [
            p["method"],
            weights_in_words(findings, p),
            *(level_in_words(value_of(p, n)) for n in (x, y)),
        ]
        for p in best
    ]
    twin = Table(
        f"Settings that none beats on both {x} and {y}", ["method", "weights", x, y], rows, (0, 1)
    )
    return [Figure(_plane_title(best, x, y), reading, [plot], twin, keys)]


def _finite(point: FrontPoint, column: str) -> bool:
    return math.isfinite(real(value_of(point, column)[0]))


def _correlation(points: list[FrontPoint], x: str, y: str) -> float:
    """Pearson's correlation of two objectives over settings; 1 where one of them never moves."""
    xs, ys = ([real(value_of(point, name)[0]) for point in points] for name in (x, y))
    a, b = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = math.sqrt(sum((u - a) ** 2 for u in xs) * sum((v - b) ** 2 for v in ys))
    return sum((u - a) * (v - b) for u, v in zip(xs, ys, strict=True)) / spread if spread else 1.0


def _best_of(points: list[FrontPoint], x: str, y: str) -> list[FrontPoint]:
    """The settings that none beats on both, from left to right."""
    order = sorted(points, key=lambda p: (-real(value_of(p, x)[0]), -real(value_of(p, y)[0])))
    best: list[FrontPoint] = []
    for point in order:
        if not best or real(value_of(point, y)[0]) > real(value_of(best[-1], y)[0]):
            best.append(point)
    return best[::-1]


def _marks(findings: RankingFindings) -> dict[str, Mark]:
    """Every method of the front, told apart by colour and by symbol."""
    marks: dict[str, Mark] = {}
    others = 0
    for name in dict.fromkeys(point["method"] for point in findings["front"]):
        if name in (findings["method"], findings["fallback"]):
            marks[name] = (mark_of(findings, name)[0], "circle")
        else:
            marks[name] = (COLOURS[others % len(COLOURS)], SHAPES[others % len(SHAPES)])
            others += 1
    return marks


def _said(findings: RankingFindings, point: FrontPoint, pair: tuple[str, str]) -> str:
    words = f"<b>{plain(point['method'], 60)}</b><br>{plain(weights_in_words(findings, point), 90)}"
    return words + "".join(f"<br>{plain(n)} {level_in_words(value_of(point, n))}" for n in pair)


def _plane_title(best: list[FrontPoint], x: str, y: str) -> str:
    if len(best) < 2:
        return f"One setting is best both on {x} and on {y}: there is nothing to trade"
    left, right = best[0], best[-1]
    gain = real(value_of(right, x)[0]) - real(value_of(left, x)[0])
    cost = real(value_of(left, y)[0]) - real(value_of(right, y)[0])
    inside = all(
        has_interval(value_of(a, name)) and real(value_of(a, name)[1]) <= real(value_of(b, name)[0])
        for a, b, name in ((right, left, x), (left, right, y))
    )
    if inside:
        return f"Between {x} and {y} there is little to trade: less than the intervals"
    return f"From end to end, {gain:+.2g} on {x} costs {cost:.2g} on {y}".replace("-", MINUS)


def _volumes(findings: RankingFindings) -> list[Block]:
    known = {
        name: volume
        for name, volume in findings["hypervolume"].items()
        if math.isfinite(real(volume[0]))
    }
    if not known:
        return [Words("No hypervolume of a front was computed.", quiet=True)]
    order = [m["name"] for m in ordered(findings) if m["name"] in known]
    order += [name for name in known if name not in order]
    against = real(known.get(findings["fallback"], [MISSING])[0])
    marks = [mark_of(findings, name) for name in order]
    volumes = [known[name] for name in order]
    plot = levels(order, volumes, marks, UNIT, "volume", "", against)
    best = max(known, key=lambda name: real(known[name][0]))
    title = (
        f"The front of {best} covers most" if len(known) > 1 else f"What the front of {best} covers"
    )
    reading = (
        "How much of the space of objectives a method's settings cover together (hypervolume): it"
        " grows when one more objective can be had at no cost to the others. Whiskers are"
        f" {100 * findings['level']:g}% intervals, the dashed line is the fallback's."
    )
    rows = [
        [name, level_in_words(findings["hypervolume"][name])] for name in findings["hypervolume"]
    ]
    twin = Table("Hypervolume of each method's front", ["method", "hypervolume"], rows)
    return [Figure(title, reading, [plot], twin)]
