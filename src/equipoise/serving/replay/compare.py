"""Every decision of a log again, and each bit compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from equipoise.core.errors import DataError, EquipoiseError
from equipoise.serving.log.erasure import tombstones
from equipoise.serving.log.reader import read_records
from equipoise.serving.machine import versions
from equipoise.serving.reasons import BY_CODE
from equipoise.serving.records import Context, DecisionRecord
from equipoise.serving.replay.again import GONE, Again, Load

COLUMNS = (  # those that say most first
    *("source", "features", "effects", "errors", "labels", "eligible", "cost", "weights"),
    *("scores", "choice", "served", "probability", "reason", "flags", "shadows"),
)
SHOWN = 5  # differences


@dataclass(frozen=True)
class LogReplay:
    """What deciding a log again came to.

    Attributes
    ----------
    decisions : int
        Decided again.
    differing : dict of str to int
        Decisions that differ in a bit, by column; empty: every bit is the same.
    first : list of dict
        The first of them: decision, unit, column, then, now, why.
    skipped : dict of str to int
        Decisions that cannot be decided again, by reason.
    missing : list of str
        The ids of snapshots that are not there.

    Examples
    --------
    >>> LogReplay(10).same
    True
    """

    decisions: int
    differing: dict[str, int] = field(default_factory=dict)
    first: list[dict[str, Any]] = field(default_factory=list)
    skipped: dict[str, int] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    @property
    def same(self) -> bool:
        """Whether every bit is."""
        return not self.differing


def replay_log(folder: Path | str, load: Load) -> LogReplay:
    """Decide every decision of a log again by the snapshots that made it, and compare every bit.

    Parameters
    ----------
    folder : path
        Of the log.
    load : callable
        Gives a snapshot by its id, or None where it is not there.

    Returns
    -------
    LogReplay
        What differs, and what could not be decided again.

    Raises
    ------
    DataError
        Where the log is damaged, or nothing in it could be decided again for want of snapshots.
    """
    tally = _Tally(folder)
    for again, record in decisions_again(folder, load):
        try:
            tally.take(again, record)
        except EquipoiseError as error:  # of a model that takes other columns, say
            tally.fails(record, error)
    if not tally.done and tally.missing:
        must, got = "be there for replay", next(iter(tally.missing))
        fix = "name the state folder by --policy"
        raise DataError("the snapshots of a log", must, f"none, such as {got[:12]}", fix=fix)
    counts = dict(tally.differing), tally.first, dict(tally.skipped)
    return LogReplay(tally.done, *counts, list(tally.missing))


class _Tally:
    """What is counted on the way."""

    def __init__(self, folder: Path | str) -> None:
        self.folder, self.done = folder, 0
        self.differing, self.skipped = Counter[str](), Counter[str]()
        self.first: list[dict[str, Any]] = []
        self.missing: dict[str, None] = {}
        self._erased: dict[str, int] | None = None  # of all slots; read where something differs

    def take(self, again: Again, record: DecisionRecord) -> None:
        """Decide one record again."""
        if again.is_same(record):
            self.done += 1
            return
        reason = again.why_not(record)
        if reason:
            self.skipped[reason] += 1
            if reason == GONE:
                self.missing[again.missing] = None
            return
        self._erased = tombstones(self.folder) if self._erased is None else self._erased
        again.erased = self._erased
        now = again.decide(record)
        self.done += 1
        columns = _differing(record, now)
        self.differing.update(columns)
        if columns and len(self.first) < SHOWN:
            self.first.append(_told(again, record, now, columns[0]))

    def fails(self, record: DecisionRecord, error: EquipoiseError) -> None:
        """Note a record that cannot be decided at all."""
        self.done += 1
        self.differing["error"] += 1
        if len(self.first) < SHOWN:
            told = {"decision": record.id.hex(), "unit": record.unit, "column": "error"}
            self.first.append(told | {"now": str(error)})


def decisions_again(folder: Path | str, load: Load) -> Iterator[tuple[Again, DecisionRecord]]:
    """Every decision with what decides it again."""
    kept: dict[str, Any] = {}

    def load_once(id: str) -> Any:
        if id not in kept:
            kept[id] = load(id)
        return kept[id]

    last: Context | None = None
    again: Again | None = None
    for _, context, record, _ in read_records(folder):
        if not isinstance(record, DecisionRecord) or context is None:
            continue
        if context is not last or again is None:
            last = context
            again = Again(context, load_once, {})
        yield again, record


def _same_bits(one: float, other: float) -> bool:
    return np.float64(one).tobytes() == np.float64(other).tobytes()


def _differing(then: DecisionRecord, now: DecisionRecord) -> list[str]:
    """The columns in which a bit differs."""
    columns = [name for name in COLUMNS if getattr(then, name) != getattr(now, name)]
    if "probability" not in columns and not _same_bits(then.probability, now.probability):
        columns.append("probability")
    return columns


def _told(again: Again, then: DecisionRecord, now: DecisionRecord, column: str) -> dict[str, Any]:
    """One difference, for people."""
    told: dict[str, Any] = {"decision": then.id.hex(), "unit": then.unit, "column": column}
    told["then"], told["now"] = _shown(again, then, column), _shown(again, now, column)
    if column == "scores":
        told |= _first_score(again, then, now)
    return told | {"why": "; ".join(_causes(again, then, now))}


def _shown(again: Again, record: DecisionRecord, column: str) -> Any:
    value = getattr(record, column)
    if column in ("choice", "served"):
        return again.now.live.cells[value + 1]
    if column == "reason":
        return BY_CODE[value].name
    if column == "scores":
        return np.frombuffer(value, "<f8").tolist()
    return list(value) if isinstance(value, tuple) else value


def _first_score(again: Again, then: DecisionRecord, now: DecisionRecord) -> dict[str, Any]:
    """The first candidate whose score differs: its two scores, as numbers and as bits."""
    old, new = (np.frombuffer(one.scores, "<f8") for one in (then, now))
    if len(old) != len(new):
        return {"then": f"{len(old)} scores", "now": f"{len(new)} scores"}
    place = int(np.argmax(old.view("<i8") != new.view("<i8")))
    steps = int(old.view("<i8")[place]) - int(new.view("<i8")[place])
    return {
        "candidate": again.now.live.cells[place + 1],
        "then": float(old[place]),
        "now": float(new[place]),
        "bits": f"{old[place].tobytes()[::-1].hex()} {new[place].tobytes()[::-1].hex()}",
        "steps": abs(steps),  # of the last place
    }


def _causes(again: Again, then: DecisionRecord, now: DecisionRecord) -> list[str]:
    """What is not as it was: an input, a version, the processor."""
    context, computed = again.context, again.computed
    names = {"weights": "weights", "low_prices": "lower prices", "cells": "cells"}
    causes = [
        f"input: the snapshot has other {words} than the log says"
        for name, words in names.items()
        if getattr(context, name) != getattr(computed, name)
    ]
    if not causes:
        causes += [f"input: {one}" for one in _inputs(again, then, now)]
    here: Mapping[str, str] = versions()
    for name in sorted({*here, *context.versions}):
        old, new = context.versions.get(name, "?"), here.get(name, "?")
        if old != new:
            causes.append(f"{name}: {old} then, {new} now")
    return causes


def _inputs(again: Again, then: DecisionRecord, now: DecisionRecord) -> list[str]:
    """Which inputs could have made the scores another: those that the record does not hold."""
    own = again.known(then)
    if own.facts is None:
        return ["nothing is known of the unit now"] if then.scores else []
    if not then.scores:
        return ["nothing was known of the unit then"]
    if own.source != then.source:
        words = ("the store", "the model", "the request")
        return [f"effects came from {words[then.source]}, now from {words[own.source]}"]
    if then.labels != own.facts.labels:
        return [f"labels were {then.labels}, now {own.facts.labels}"]
    if then.scores == now.scores:
        return []
    return [("effects of the store", "effects of the model", "the rule")[then.source]]
