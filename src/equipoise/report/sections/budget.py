"""Section 5: what a budget buys, and what one metric costs in another."""

from __future__ import annotations

from dataclasses import replace

from equipoise.report.findings import BudgetPoint, TradeOff
from equipoise.report.formatting import MINUS, MISSING, has_interval, one, plural, real, share
from equipoise.report.parts import Block, Figure, Key, Plot, Section, Table, Words
from equipoise.report.plots import (
    CHOSEN,
    LINE,
    OTHER,
    RIVAL,
    add_line,
    add_points,
    curve,
    line_at,
    name_points,
    plain,
    plane,
)
from equipoise.report.view import View, weights_in_words

MOST_PAIRS = 3  # planes of two metrics
RIGHT = 0.7  # names of points further right than this stand on their left
ROOM_BELOW = 0.2
ENOUGH = 0.8  # the share of the largest gain that the heading speaks of


def buys(view: View) -> Section:
    """5. What does a budget buy?"""
    points = sorted(view.findings["budget"], key=lambda point: real(point["spend"][0]))
    blocks: list[Block] = []
    answer = "Fewer than two budgets were tried, so there is no curve of value against cost."
    if len(points) > 1:
        blocks.append(_budget_figure(view, points))
        answer = _price_in_words(view, points)
    blocks.append(_trade_off(view))
    return Section("budget", "Budget", "What does a budget buy?", answer, blocks)


def _near_chosen(view: View, points: list[BudgetPoint]) -> BudgetPoint:
    """The point whose cost is nearest to the chosen policy's."""
    cost = real(view.chosen["spend"][0]) if view.chosen else real(points[-1]["spend"][0])
    return min(points, key=lambda point: abs(real(point["spend"][0]) - cost))


def _stop(view: View, points: list[BudgetPoint]) -> BudgetPoint | None:
    """The point at which the next offer stops paying; None where worth and cost are not told in
    one money.
    """
    stops = None if view.money is None else view.money["stops"]
    if stops is None:
        return None
    return min(points, key=lambda point: abs(point["budget"] - stops))


def _stop_in_words(view: View, stop: BudgetPoint) -> str:
    money = one(view.findings["currency"])
    if not stop["budget"] > 0:
        return f"No offer pays: the first {money} of cost already brings less than one {money}."
    return (
        f"The next offer stops paying at a cost of {view.costs(stop['budget'])} per head: up to"
        f" there one more {money} brings more than one {money}, beyond it less."
    )


def _price_in_words(view: View, points: list[BudgetPoint]) -> str:
    stop = _stop(view, points)
    if stop is not None:
        return _stop_in_words(view, stop)
    here = _near_chosen(view, points)
    price = real(here["price"])
    name, unit = view.price_unit()
    if not price > 0:
        return (
            "At the chosen cost, more budget would buy nothing: another demand, or nobody left to"
            " gain, holds it back."
        )
    kinds = {metric["name"]: metric["kind"] for metric in view.findings["metrics"]}
    if kinds.get(name) in ("binary", "count") and view.findings["currency"]:
        cost = view.costs(abs(view.findings["policy"]["weights"][name]) / price)
        step = "one fewer" if name in view.lower else "one more"
        return (
            f"At the chosen cost, {step} {name} costs {cost}: the price to compare with its worth."
        )
    return (
        f"At the chosen cost, one more {one(view.findings['currency'])} buys"
        f" {unit.effect([price, None, None])} of {name}."
    )


def _enough(view: View, points: list[BudgetPoint], metric: str) -> str:
    """The heading: up to where offers pay, or the smallest budget that buys most of what the
    largest buys.
    """
    stop = _stop(view, points)
    if stop is not None:
        up_to = f"Offers pay up to a {view.cost_name} of {view.costs(stop['budget'])} per head"
        return up_to if stop["budget"] > 0 else "No offer brings what it costs"
    values = [
        real(point["values"][metric][0]) if metric in point["values"] else 0.0 for point in points
    ]
    if not values[-1] > 0:
        return f"How {metric} grows with {view.cost_name}"
    first = next(i for i, value in enumerate(values) if value >= ENOUGH * values[-1])
    cost, most = (
        f"{view.costs(point['spend'][0])} per head" for point in (points[first], points[-1])
    )
    if first == len(points) - 1:
        return f"More budget keeps buying more {metric}, up to {most}"
    return (
        f"{cost} buys {share(values[first] / values[-1])} of the gain in {metric} that {most} buys"
    )


def _budget_figure(view: View, points: list[BudgetPoint]) -> Figure:
    metrics = [name for name in view.metrics if all(name in point["values"] for point in points)]
    plots = [_value_plot(view, points, metric) for metric in metrics]
    if len(plots) > 1:
        plots[0] = replace(plots[0], wide=True)
    plots.append(_price_plot(view, points))
    reading = (
        f"The line is the gain per head over {view.control} for everybody, at each"
        f" {view.cost_name} per head, with its {view.interval}; the star is the chosen policy, grey"
        " marks are simpler policies: below the line they waste money."
    )
    keys = [
        Key("line", LINE[0], f"best policy at that {view.cost_name}"),
        Key("band", LINE[0], view.interval),
        Key("star", CHOSEN[0], "chosen policy"),
        Key("circle", RIVAL[0], "simpler policies"),
    ]
    stop = _stop(view, points)
    columns = [
        "budget per head",
        view.cost_name,
        "people treated",
        *metrics,
        f"price ({view.price_unit()[0]})",
    ]
    if stop is not None:
        keys.append(Key("dots", CHOSEN[0], "where the next offer stops paying"))
        columns.append("the next offer")
    twin = Table(
        f"What each budget buys (gain per head, {view.interval} in brackets)",
        columns,
        [_budget_row(view, p, metrics, stop) for p in points],
    )
    return Figure(
        _enough(view, points, metrics[0]) if metrics else f"Value against {view.cost_name}",
        reading,
        plots,
        twin,
        keys,
    )


def _budget_row(
    view: View, point: BudgetPoint, metrics: list[str], stop: BudgetPoint | None
) -> list[str]:
    gains = [view.gain(name, point["values"][name]) for name in metrics]
    return [
        view.costs(point["budget"]),
        view.costs(point["spend"][0]),
        share(point["treated"]),
        *gains,
        view.per_cost(point["price"]),
        *([] if stop is None else [_next_offer(point, stop)]),
    ]


def _next_offer(point: BudgetPoint, stop: BudgetPoint) -> str:
    """Whether the next offer at a budget pays."""
    if point is stop:
        return "stops paying here"
    return "pays" if point["budget"] < stop["budget"] else "does not pay"


def _value_plot(view: View, points: list[BudgetPoint], metric: str) -> Plot:
    unit = view.units[metric]
    intervals = [point["values"][metric] for point in points]
    cost = [view.cost.scaled(point["spend"][0]) for point in points]
    hover = [
        f"at {view.costs(p['spend'][0])}: {view.gain(metric, i)}"
        for p, i in zip(points, intervals, strict=True)
    ]
    ends = [i if has_interval(i) else [i[0], i[0], i[0]] for i in intervals]
    band = ([unit.scaled(i[1]) for i in ends], [unit.scaled(i[2]) for i in ends])
    axes = (view.cost_axis, f"gain per head, {unit.axis}")
    plot = curve(
        cost,
        [unit.scaled(i[0]) for i in intervals],
        band,
        LINE,
        axes,
        hover,
        metric,
        f"{metric}: " + "; ".join(hover),
    )
    _mark_stop(view, plot, points)
    most = max(real(point["spend"][0]) for point in points)
    # for the name of a policy that stands at zero
    room = -ROOM_BELOW * max(real(i[0]) * unit.scale for i in intervals)
    plot.spec["layout"]["yaxis"]["autorangeoptions"] = {"include": room}
    rivals = [rival for rival in view.findings["rivals"] if metric in rival["values"]]
    for rival in rivals[1:] + rivals[:1]:
        mark, size = (CHOSEN, 16) if rival is view.chosen else (RIVAL, 8)
        value = rival["values"][metric]
        costs = view.costs(rival["spend"][0])
        words = f"<b>{plain(rival['policy'], 60)}</b><br>{view.gain(metric, value)} at {costs}"
        at = real(rival["spend"][0])
        add_points(plot, [at], [value], unit, mark, [words], size)
        if rival is not view.chosen:
            name_points(plot, [rival["policy"]], left=at > RIGHT * most)
    return plot


def _mark_stop(view: View, plot: Plot, points: list[BudgetPoint]) -> None:
    """A line where the next offer stops paying."""
    stop = _stop(view, points)
    if stop is not None:
        plot.spec["layout"]["shapes"].append(line_at(real(stop["spend"][0]), "dash", CHOSEN[0]))


def _price_plot(view: View, points: list[BudgetPoint]) -> Plot:
    name, unit = view.price_unit()
    cost = [view.cost.scaled(point["spend"][0]) for point in points]
    price = [unit.scaled(point["price"]) for point in points]
    hover = [f"at {view.costs(p['spend'][0])}: {view.per_cost(p['price'])}" for p in points]
    axes = (
        view.cost_axis,
        f"{unit.axis} per {one(view.findings['currency'])}",
    )
    plot = curve(
        cost,
        price,
        None,
        LINE,
        axes,
        hover,
        f"what one more {one(view.findings['currency'])} buys",
        f"Marginal value of {name}: " + "; ".join(hover),
    )
    plot.spec["data"][-1]["mode"] = "lines+markers"
    plot.spec["layout"]["yaxis"]["rangemode"] = "tozero"
    _mark_stop(view, plot, points)
    if _stop(view, points) is not None:  # where one more of cost brings one
        add_line(plot, [cost[0], cost[-1]], [1.0, 1.0])
    if view.chosen:
        plot.spec["layout"]["shapes"].append(
            line_at(real(view.chosen["spend"][0]), "dot", CHOSEN[0])
        )
    return plot


def _trade_off(view: View) -> Block:
    points = view.findings["tradeoff"]
    if len(view.findings["metrics"]) < 2:
        only = view.metrics[-1] if view.metrics else MISSING
        return Words(
            f"There is one metric, {only}, so there is no trade-off between metrics to draw.",
            quiet=True,
        )
    if len(points) < 2:
        return Words(
            "Only one set of metric weights was tried, so there is no trade-off between metrics to"
            " draw.",
            quiet=True,
        )
    pairs = [(view.metrics[0], other) for other in view.metrics[1:]][:MOST_PAIRS]
    columns = ["weights", *view.metrics, "chosen"]
    cells = [
        [
            weights_in_words(p["weights"]),
            *(view.gain(m, p["values"][m]) for m in view.metrics),
            "yes" if p["chosen"] else "",
        ]
        for p in points
    ]
    reading = (
        "Each point is the best policy for one set of metric weights within the same demands, with"
        f" both {view.interval}s; going along the points, one metric is paid for with the other;"
        " the star is the chosen policy."
    )
    keys = [Key("star", CHOSEN[0], "chosen weights"), Key("circle", OTHER[0], "other weights")]
    plots = [_plane(view, points, pair) for pair in pairs]
    return Figure(
        _trade_title(view, points),
        reading,
        plots,
        Table("What each set of weights buys", columns, cells, (0, len(columns) - 1)),
        keys,
    )


def _trade_title(view: View, points: list[TradeOff]) -> str:
    first, second = view.metrics[:2]

    def reached(point: TradeOff, metric: str) -> float:
        return real(point["values"][metric][0])

    def best(metric: str) -> TradeOff:
        sign = -1.0 if metric in view.lower else 1.0
        return max(points, key=lambda point: sign * reached(point, metric))

    a, b = best(first), best(second)
    if a is b:
        return (
            f"The same weights are best for {first} and for {second}: no trade-off between them was"
            " found"
        )
    if not _beyond(a, b, first) and not _beyond(b, a, second):
        return (
            f"Between {first} and {second} there is little to trade: other weights change them by"
            " less than their intervals"
        )
    gain = view.units[second].effect([reached(b, second) - reached(a, second), None, None])
    cost = view.units[first].effect([reached(a, first) - reached(b, first), None, None])
    return f"From end to end, {gain} of {second} costs {cost.lstrip('+' + MINUS)} of {first}"


def _beyond(best: TradeOff, other: TradeOff, metric: str) -> bool:
    """Whether the best reach of a metric lies outside the other point's interval."""
    return (
        not real(other["values"][metric][1])
        <= real(best["values"][metric][0])
        <= real(other["values"][metric][2])
    )


def _plane(view: View, points: list[TradeOff], pair: tuple[str, str]) -> Plot:
    x, y = pair
    dots = []
    for point in sorted(points, key=lambda p: p["chosen"]):
        weights = weights_in_words(point["weights"])
        hover = f"<b>{plain(weights, 60)}</b><br>" + "<br>".join(
            f"{plain(m)} {view.gain(m, point['values'][m])}" for m in pair
        )
        mark = CHOSEN if point["chosen"] else OTHER
        dots.append(
            {
                "x": point["values"][x],
                "y": point["values"][y],
                "mark": mark,
                "size": 18 if point["chosen"] else 10,
                "said": hover,
            }
        )
    units = (view.units[x], view.units[y])
    axes = (f"{x} gained per head, {units[0].axis}", f"{y} gained per head, {units[1].axis}")
    label = f"{y} against {x}: {plural(len(points), 'set')} of weights; all are in the table"
    return plane(dots, units, axes, f"{x} against {y}", label, joined=len(view.metrics) == 2)
