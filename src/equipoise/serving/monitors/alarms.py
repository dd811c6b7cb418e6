"""What monitors say: figures, alarms, and how small a chance is worth an alarm.

The chance of any false alarm in 90 days is spread evenly over the days, over the kinds of questions
and, within a day, over its looks, the k-th of which may spend 1 / (k (k + 1)) of the day's: however
many looks traffic brings, the sum is kept.  Within a look Benjamini-Hochberg is over its columns.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from equipoise.serving.config import MonitorConfig
from equipoise.serving.monitors.chances import adjusted

KINDS = 12  # features, scores, units, mechanism, delays of two metrics: each by block and by day
CALM = 0.01  # of p, above which a drift that was told has ended


class Figure(msgspec.Struct, kw_only=True):
    """One thing that was looked at.

    Attributes
    ----------
    monitor : str
        Which, as "drift".
    column : str
        What of it, as "age".
    span : str
        "block", or "day" for the day so far.
    value : float
        A PSI, a share, a mean.
    expected : float
        What it is without a change; 0 of a PSI.
    low, high : float
        The 95 % interval of ``value``, where there is one.
    p : float
        The chance of a value so far off where nothing changed, by itself.
    n : int
        Of how many decisions or rewards.
    ns : int
        Until when, in nanoseconds since 1970.
    """

    monitor: str
    column: str
    span: str
    value: float
    expected: float = 0.0
    low: float | None = None
    high: float | None = None
    p: float
    n: int
    ns: int


class Alarm(msgspec.Struct, kw_only=True):
    """Something that chance does not explain.

    Attributes
    ----------
    monitor, column, span : str
        Of the figure.
    value, threshold : float
        What it was, and beyond which value it is an alarm: a PSI, or a p-value of a share.
    p : float
        The chance of it, adjusted for all columns of the look.
    since : int
        When it was first told, in nanoseconds since 1970.
    text : str
        For people.
    """

    monitor: str
    column: str
    span: str
    value: float
    threshold: float
    p: float
    since: int
    text: str


class Report(msgspec.Struct, kw_only=True):
    """What monitors say now.

    Attributes
    ----------
    ns : int
        The last record's time.
    decisions, rewards : int
        Records read.
    figures : list of Figure
        The last of each monitor, column and span.
    alarms : list of Alarm
        That stand now.
    reference : dict of str to float
        How much of its reference each kind of question has, in [0, 1].
    """

    ns: int
    decisions: int
    rewards: int
    figures: list[Figure]
    alarms: list[Alarm]
    reference: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """Give the report as plain JSON."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain


def level(config: MonitorConfig, look: int) -> float:
    """The chance of a false alarm that the k-th look of a day may spend.

    Parameters
    ----------
    config : MonitorConfig
        With the chance over all.
    look : int
        k, from 1.

    Returns
    -------
    float
        Small.

    Examples
    --------
    >>> round(sum(level(MonitorConfig(), k) for k in range(1, 9999)) * 90 * KINDS, 3)
    0.05
    """
    return config.false_alarms / config.days / KINDS / (look * (look + 1))


class Board:
    """The figures of the last looks and the alarms that stand."""

    def __init__(self, config: MonitorConfig) -> None:
        self.config = config
        self.figures: dict[tuple[str, str, str], Figure] = {}
        self.alarms: dict[tuple[str, str, str], Alarm] = {}

    def look(self, figures: list[Figure], look: int, *, least: float = 0.0) -> None:
        """Take the figures of a look: of the k-th of its day, each an alarm by its p, where its
        value is at least ``least``.
        """
        if not figures:
            return
        limit = level(self.config, look)
        ps = adjusted(np.array([figure.p for figure in figures]))
        for figure, p in zip(figures, ps.tolist(), strict=True):
            key = figure.monitor, figure.column, figure.span
            self.figures[key] = figure
            if p <= limit and figure.value >= least:
                since = self.alarms[key].since if key in self.alarms else figure.ns
                threshold = least or limit
                text = sentence(figure)
                self.alarms[key] = Alarm(
                    monitor=figure.monitor,
                    column=figure.column,
                    span=figure.span,
                    value=figure.value,
                    threshold=threshold,
                    p=p,
                    since=since,
                    text=text,
                )
            elif key in self.alarms and figure.p > CALM:
                del self.alarms[key]

    def drop(self, *monitors: str) -> None:
        """Take away what some monitors said."""
        for of in (self.figures, self.alarms):
            for key in [key for key in of if key[0] in monitors]:
                del of[key]


def sentence(figure: Figure) -> str:
    """A figure in words."""
    chance = f"by chance once in {1 / figure.p:.2g}" if figure.p > 1e-12 else "not by chance"
    text = WORDS[figure.monitor].format(
        column=figure.column, value=figure.value, expected=figure.expected, n=figure.n
    )
    return f"{text} {'so far today ' if figure.span == 'day' else ''}({chance})"


WORDS = {
    "drift": "{column} is spread otherwise than in the reference: PSI {value:.3f} of {n:,}",
    "scores": "scores of {column} are spread otherwise than in the reference: PSI {value:.3f}",
    "missing": "{column} is missing in another share of decisions: PSI {value:.3f} of {n:,}",
    "unknown": "the share of units that nothing is known of has changed: PSI {value:.3f}",
    "mix": "units get other candidates than in the reference: PSI {value:.3f} of {n:,}",
    "delay": "rewards {column} come sooner or later than in the reference: PSI {value:.3f}",
    "sample_ratio": "{column}: {value:.4f} of {n:,} units, {expected:.4f} were set",
    "propensity": "units that got {column} are {value:.3f} times those that the logged"
    " probabilities say",
}
