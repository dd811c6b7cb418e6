"""The page of a rollout: where it stands, what every strategy brought, and how it came there."""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from typing import Any

from equipoise.report.formatting import Unit
from equipoise.report.page import render_page
from equipoise.report.parts import Block, Card, Figure, Key, Section, Table, Words
from equipoise.report.plots import CHOSEN, LINE, RIVAL, Mark, forest

WIDE = 1.96
PLAIN = Unit(1.0, "", "", "effect over the base, by day")
TERMS = (
    "An effect is told by day, against the base of the same day; its interval is of one look, 1.96"
    " standard errors. What looks best was chosen for it: its estimate is drawn towards the others."
)


def rollout_page(steps: list[dict[str, Any]], day: Callable[[int], str], state: Any) -> str:
    """The page of a rollout.

    Parameters
    ----------
    steps : list of dict
        Its history, as `pipeline.rollout` keeps it.
    day : callable
        What a day is called.
    state : RolloutState
        Where it stands.

    Returns
    -------
    str
        One HTML file.

    Examples
    --------
    >>> html = rollout_page(rollout.steps, rollout.day, rollout.state)  # doctest: +SKIP
    """
    last = steps[-1]
    head = {
        "title": "Rollout",
        "headline": [last["why"][:1].upper() + last["why"][1:] + "."],
        "level": 0.95,
        "made": {"version": metadata.version("equipoise")},
    }
    estimate = state.estimate
    shrunk = "-" if estimate is None else f"{estimate.effect:.3g} ± {estimate.std_error:.2g}"
    cards = [
        Card("Stage", state.stage, "", [f"{state.number}, since {day(state.since)}"]),
        Card("Policy", state.policy, "", ["what runs for all"]),
        Card("Running", str(len(state.running)), "", [", ".join(state.running) or "none"]),
        Card("Candidate", ", ".join(state.candidates) or "-", "", [f"shrunk effect {shrunk}"]),
    ]
    sections = [_effects(steps, state), _steps(steps, day)]
    return render_page(head, cards, sections, "Strategies on traffic", TERMS)


def _effects(steps: list[dict[str, Any]], state: Any) -> Section:
    """The latest effects of all that were tested, the best first."""
    seen: dict[str, Any] = next(
        (step["effects"] for step in reversed(steps) if step["effects"]), {}
    )
    if not seen:
        words: list[Block] = [Words("No strategy has two days beside the base yet.", quiet=True)]
        return Section(
            "effects", "Effects", "What does each bring?", "Nothing is known yet.", words
        )
    names = sorted(seen, key=lambda name: -seen[name]["effect"])
    intervals = [
        [
            seen[n]["effect"],
            seen[n]["effect"] - WIDE * seen[n]["std_error"],
            seen[n]["effect"] + WIDE * seen[n]["std_error"],
        ]
        for n in names
    ]
    marks = [_mark(name, state) for name in names]
    plot = forest(names, intervals, marks, PLAIN, PLAIN.axis, "effects")
    cells = [
        [
            name,
            f"{seen[name]['effect']:.4g} ± {seen[name]['std_error']:.2g}",
            f"{seen[name]['rows']:,.0f}",
            str(seen[name]["days"]),
        ]
        for name in names
    ]
    twin = Table("Effects over the base", ["strategy", "effect", "rows", "days"], cells)
    keys = [
        Key(CHOSEN[1], CHOSEN[0], "candidate, or policy"),
        Key(LINE[1], LINE[0], "running"),
        Key(RIVAL[1], RIVAL[0], "has left"),
    ]
    figure = Figure("Effects by day", "Right of zero is more than the base.", [plot], twin, keys)
    answer = f"Best so far: {names[0]}, {seen[names[0]]['effect']:.3g} over the base."
    return Section("effects", "Effects", "What does each bring?", answer, [figure])


def _mark(name: str, state: Any) -> Mark:
    if name in state.candidates or name == state.policy:
        return CHOSEN
    return LINE if name in state.running else RIVAL


def _steps(steps: list[dict[str, Any]], day: Callable[[int], str]) -> Section:
    cells = [
        [
            day(step["day"]),
            f"{step['stage']} {step['number']}",
            step["decision"],
            step["why"],
            ", ".join(step["running"]),
            ", ".join(step["leaving"]),
        ]
        for step in reversed(steps)
    ]
    heads = ["day", "stage", "decision", "why", "running", "left"]
    table = Table("Every step, the latest first", heads, cells, text=(0, 1, 2, 3, 4, 5))
    answer = f"{len(steps)} steps since {day(steps[0]['day'])}."
    return Section("steps", "Steps", "How did it come here?", answer, [table])
