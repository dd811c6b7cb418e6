"""What every section asks of the findings: units, marks, the main metric, the chosen policy, and
which panels fit on a page.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from equipoise.core.errors import InputError
from equipoise.report.findings import Findings, Rival
from equipoise.report.formatting import (
    GLUE,
    Unit,
    has_interval,
    listed,
    money,
    number,
    one,
    share,
    unit_of,
)
from equipoise.report.parts import Key
from equipoise.report.plots import CONTROL, Mark, marks_of
from equipoise.report.verdict import DO

MOST_PANELS = 6  # more small plots than this are a table
LEFT_OUT = "The other {} are in the table below."


class View:
    """Findings as the sections see them."""

    def __init__(self, findings: Findings) -> None:
        missing = sorted(Findings.__required_keys__ - set(findings))
        if missing:
            fix = "give what `run` returns, or read_findings of a run folder"
            raise InputError("findings", f"hold {', '.join(missing[:4])}", "none", fix=fix)
        self.findings = findings
        self.candidates = list(findings["candidates"])
        self.control = findings["control"]
        self.units: dict[str, Unit] = {
            metric["name"]: unit_of(metric) for metric in findings["metrics"]
        }
        self.lower = {
            metric["name"] for metric in findings["metrics"] if metric.get("better") == "lower"
        }
        self.marks: dict[str, Mark] = marks_of(self.candidates)
        self.cost = money(findings["currency"])
        self.money = findings.get("money")
        if self.money is not None:
            self.units[self.money["metric"]] = money(self.money["currency"])
        self.interval = f"{100 * findings['level']:g}% interval"

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics, the main one first: the net worth, where the objective is money."""
        weights = self.findings["policy"]["weights"]
        first = None if self.money is None else self.money["metric"]
        return sorted(self.units, key=lambda n: (n != first, -abs(weights.get(n, 0.0))))

    @property
    def weighted(self) -> list[str]:
        """The metrics that the policy weighs."""
        weights = self.findings["policy"]["weights"]
        return [name for name in self.metrics if weights.get(name)]

    @property
    def chosen(self) -> Rival | None:
        """The chosen policy's own value."""
        rivals = self.findings["rivals"]
        return rivals[0] if rivals else None

    def ordered(self) -> list[str]:
        """The candidates, those that most people get first; levels of a dose keep their order."""
        shares = self.findings["policy"]["shares"]
        return sorted(self.candidates, key=lambda name: -shares.get(name, 0.0))

    def panels(self, items: Iterable[Any]) -> tuple[list[Any], int]:
        """Items of a (metric, candidate) each that are drawn, in reading order, and how many are
        left to the table.
        """
        rank = {name: place for place, name in enumerate(self.ordered())}
        metric = {name: place for place, name in enumerate(self.metrics)}
        every = sorted(
            items,
            key=lambda item: (metric.get(item["metric"], 99), rank.get(item["candidate"], 99)),
        )
        panels = every[:MOST_PANELS]
        place = {name: i for i, name in enumerate(self.candidates)}
        across = len(self.metrics) % 3 == 0  # a row of panels then holds one candidate's metrics

        def order(item: Any) -> tuple[int, ...]:
            places = (metric.get(item["metric"], 99), place.get(item["candidate"], 99))
            return places[::-1] if across else places

        panels.sort(key=order)
        return panels, len(every) - len(panels)

    def mark(self, candidate: str) -> Mark:
        """Colour and symbol of a candidate; grey for anything else."""
        return self.marks.get(candidate, ("#8a9099", "circle"))

    def keys(self, candidates: Iterable[str] | None = None) -> list[Key]:
        """The legend of candidates."""
        names = self.candidates if candidates is None else list(candidates)
        return [Key(self.mark(name)[1], self.mark(name)[0], name) for name in names]

    def bar_keys(self) -> list[Key]:
        """The legend of stacked bars, control first."""
        return [
            Key("bar", CONTROL, self.control),
            *(Key("bar", self.mark(name)[0], name) for name in self.candidates),
        ]

    def best_is(self, metric: str) -> str:
        """The unit of a metric, with an arrow to where it is better."""
        unit = self.units[metric].axis
        return f"\u2190 better, {unit}" if metric in self.lower else f"{unit}, better \u2192"

    def per_cost(self, price: float) -> str:
        """A price in words: what one more unit of cost per head buys."""
        return (
            f"{self.price_unit()[1].effect([price, None, None])} per"
            f" {one(self.findings['currency'])}"
        )

    def price_unit(self) -> tuple[str, Unit]:
        """What a price counts (the metric, or the weighted sum) and its unit."""
        if self.money is not None:
            return "worth", money(self.money["currency"])
        weights = self.findings["policy"]["weights"]
        if len(self.weighted) != 1:
            return "objective", Unit(1.0, "", "", "objective")
        name = self.weighted[0]
        unit, weight = self.units[name], weights[name]
        return name, Unit(unit.scale / weight, unit.level, unit.change, unit.axis)

    def gain(self, metric: str, interval: list[float]) -> str:
        """An effect with its interval in brackets."""
        return self.gain_of(self.units[metric], interval)

    def gain_of(self, unit: Unit, interval: list[float]) -> str:
        """An effect of a unit with its interval in brackets."""
        return unit.effect(interval) + (
            f" ({unit.span(interval)})" if has_interval(interval) else ""
        )

    @property
    def gains(self) -> str:
        """What the chosen policy does to metrics: "gains" is said of no net worth that may be a
        loss.
        """
        said = self.findings.get("verdict", DO)  # version 0.2 said none
        return "gains" if self.money is None or said == DO else "brings"

    @property
    def cost_name(self) -> str:
        """What the cost of offers is called: never what a metric is."""
        name = "cost" if self.findings["currency"] else "offers"
        return f"{name} of the policy" if name in self.units else name

    @property
    def cost_axis(self) -> str:
        """The cost on an axis: ``cost per head, USD``, or ``offers per head``."""
        unit = f", {self.cost.axis}" if self.findings["currency"] else ""
        return f"{self.cost_name} per head{unit}"

    def costs(self, amount: float) -> str:
        """An amount of cost: ``0.75 USD``."""
        return self.cost.of_level([amount, None, None])


def shares_in_words(shares: dict[str, float], most: int = 4) -> str:
    """``mens 20%, womens 18%``: the largest shares, the rest summed."""
    order = sorted((name for name in shares if shares[name] > 0), key=lambda name: -shares[name])
    rest = sum(shares[name] for name in order[most:])
    shown = [f"{name} {share(shares[name])}" for name in order[:most]]
    return ", ".join(shown + ([f"{len(order) - most} others {share(rest)}"] if rest else []))


def gets_in_words(shares: dict[str, float], most: int = 4) -> str:
    """``58% get control, 26% mens and 16% womens``."""
    order = sorted((name for name in shares if shares[name] > 0), key=lambda name: -shares[name])
    parts = [
        f"{share(shares[name])} {'get ' if i == 0 else ''}{name}"
        for i, name in enumerate(order[:most])
    ]
    rest = order[most:]
    return listed(
        parts
        + (
            [f"{share(sum(shares[name] for name in rest))} one of {len(rest)} others"]
            if rest
            else []
        )
    )


def weights_in_words(weights: dict[str, float]) -> str:
    """``1 x visit + 0.2 x sales``."""
    return (
        " + ".join(
            f"{number(weight)}{GLUE}\u00d7{GLUE}{name}"
            for name, weight in weights.items()
            if weight
        )
        or "none"
    )
