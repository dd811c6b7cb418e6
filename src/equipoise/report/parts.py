"""The parts a report page is made of: plain data between the findings and the template.

A `Section` holds blocks in reading order; ``kind`` names the template's macro that draws a block.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar


@dataclass(frozen=True)
class Table:
    """A table; the first column heads the rows.  ``text`` names the columns that are words (others
    are aligned as numbers).
    """

    kind: ClassVar[str] = "table"
    caption: str
    columns: list[str]
    rows: list[list[str]]
    text: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class Plot:
    """One drawing.  ``spec`` is plotly's {"data", "layout"}; ``label`` says in words what it shows;
    ``name`` heads its panel.
    """

    spec: dict[str, Any]
    label: str
    height: int
    name: str = ""
    wide: bool = False


@dataclass(frozen=True)
class Key:
    """One entry of a legend: a mark ("circle", "square", ..., "line", "dots", "band", "bar"), its
    colour and its meaning.
    """

    mark: str
    colour: str
    meaning: str


@dataclass(frozen=True)
class Figure:
    """Plots under one finding: the title says it, ``reading`` says how to read it, ``twin`` tells
    the same in a table.
    """

    kind: ClassVar[str] = "figure"
    title: str
    reading: str
    plots: list[Plot]
    twin: Table
    keys: list[Key] = field(default_factory=list)
    note: str = ""

    @property
    def columns(self) -> int:
        """How many plots stand side by side where there is room: no row is left with a hole, if
        that can be.
        """
        narrow = sum(not plot.wide for plot in self.plots)
        return 3 if narrow and narrow % 3 == 0 else min(narrow, 2) or 1


@dataclass(frozen=True)
class Meter:
    """A scale of a chooser.  ``signs``: marks that stand on it always, each a key, its value in
    words and its place; places are 0..100, None where there is none.
    """

    name: str
    ends: tuple[str, str]
    signs: list[tuple[Key, str, float | None]]


@dataclass(frozen=True)
class Setting:
    """A setting of a chooser's weights.  ``cells``: on each meter its value, its span, and the
    places of value, low and high.
    """

    group: int
    weights: list[float]
    words: str
    cells: list[tuple[str, str, list[float | None]]]


@dataclass(frozen=True)
class Chooser:
    """Sliders of weights: the page shows the setting of a group that is nearest to them."""

    kind: ClassVar[str] = "chooser"
    title: str
    reading: str
    weights: list[str]
    groups: list[str]
    meters: list[Meter]
    settings: list[Setting]
    start: int
    twin: Table
    keys: list[Key]
    note: str = ""

    @property
    def data(self) -> dict[str, Any]:
        """What the script of the page reads."""
        return {"settings": [asdict(setting) for setting in self.settings], "start": self.start}


@dataclass(frozen=True)
class Dial:
    """A slider of an explorer, for a demand or a weight by its name.   start: None where it is off;
    fixed: whether it cannot be off;  scale, unit: of what is written beside it.
    """

    name: str
    label: str
    low: float
    high: float
    step: float
    start: float | None
    fixed: bool
    scale: float
    unit: str


@dataclass(frozen=True)
class Dials:
    """Sliders of one kind, "weight" or "bound"; ``folded`` away where they are many and off."""

    kind: str
    title: str
    dials: list[Dial]
    folded: bool = False


@dataclass(frozen=True)
class Explorer:
    """Sliders of weights and demands, answered while they move.

    words: what the start gives;  demands: what each demand asked and got there;  mix: who gets
    what;  twin: the same as a table;  data: what the scripts read;  offline: whether the page
    itself answers, from its own sample.
    """

    kind: ClassVar[str] = "explorer"
    title: str
    reading: str
    groups: list[Dials]
    words: str
    demands: Table
    mix: Plot
    columns: list[str]
    twin: Table
    data: dict[str, Any]
    keys: list[Key] = field(default_factory=list)
    note: str = ""
    offline: bool = True


@dataclass(frozen=True)
class Words:
    """A paragraph; ``quiet`` sets it small, for what is missing and why."""

    kind: ClassVar[str] = "words"
    text: str
    quiet: bool = False


@dataclass(frozen=True)
class Bullets:
    """A list of sentences."""

    kind: ClassVar[str] = "bullets"
    title: str
    items: list[str]


@dataclass(frozen=True)
class Checked:
    """One check of the log, with its evidence."""

    status: str
    name: str
    summary: str
    evidence: Table | None


@dataclass(frozen=True)
class Checklist:
    """The checks of the log."""

    kind: ClassVar[str] = "checklist"
    checks: list[Checked]


@dataclass(frozen=True)
class Code:
    """Text in a fixed-width box that scrolls by itself; folded away if ``folded``."""

    kind: ClassVar[str] = "code"
    title: str
    text: str
    folded: bool = False


@dataclass(frozen=True)
class Card:
    """A big number of the headline."""

    label: str
    value: str
    unit: str
    notes: list[str]


Block = Table | Figure | Chooser | Explorer | Words | Bullets | Checklist | Code


@dataclass(frozen=True)
class Section:
    """One question and what answers it: ``answer`` in a sentence, then the blocks."""

    id: str
    nav: str
    title: str
    answer: str
    blocks: list[Block]
