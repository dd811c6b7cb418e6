"""`equipoise reproduce shares` and `doses`: methods judged on simulators whose truth is known, over
many seeds.

    (data, method, seed) -> scores, each in a file -> means with Student intervals, and paired
    differences from our method

Every score is the smaller the better.  A run that was stopped goes on where it was.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from equipoise.core.errors import InputError
from equipoise.core.progress import Progress, silent
from equipoise.evaluation.base import student_interval
from equipoise.reproduce.checkpoint import kept_or_found, same_settings, write_text

NETS = ("vcnet", "drnet")  # of a dose: they take a most number of epochs
Scores = dict[str, float]
Method = Callable[[str, int, int], Scores]  # data, seed, most epochs of a net


@dataclass(frozen=True)
class Study:
    """A table.

    name : of the verb.   data : names of the simulators, the first by default.   methods : by name.
        ours : the one that the
    others are compared with.   published : (data, method) -> what was measured with the published
    code, as text.
    """

    name: str
    data: tuple[str, ...]
    methods: Mapping[str, Method]
    ours: str
    published: Mapping[tuple[str, str], str]
    notes: tuple[str, ...]
    recipe: str = "published"
    first_seed: int = 0

    def folder(self, data: str, recipe: str) -> str:
        """Its own folder's name."""
        return f"reproduce-{self.name}-{data}"

    def __call__(
        self, settings: Any, out: Path, *, path: Path | None = None, progress: Progress = silent
    ) -> dict[str, Any]:
        """Judge every method on every seed and write results.json and results.md."""
        names = settings.methods or tuple(self.methods)
        for what, names_of, allowed in (
            ("method", names, self.methods),
            ("simulator", (settings.data,), self.data),
        ):
            unknown = [name for name in names_of if name not in allowed]
            if unknown:
                raise InputError(
                    f"a {what} of {self.name}", f"be one of {', '.join(allowed)}", repr(unknown[0])
                )
        if path is not None or settings.recipe != self.recipe:
            raise InputError(
                "path and recipe",
                "be left out",
                (path, settings.recipe),
                fix=f"{self.name} are simulated",
            )
        same_settings(out, {"data": settings.data, "epochs": settings.epochs})
        asked = [(name, seed) for name in names for seed in settings.seeds]
        files = [
            out / "results" / f"{re.sub('[^a-z0-9]+', '-', name.lower())}-{seed}.json"
            for name, seed in asked
        ]
        shared = self.methods, settings.data, settings.epochs
        parts = list(zip(asked, files, strict=True))
        kept_or_found(scores_of, parts, shared, progress, "methods and seeds")
        results = [
            {"method": name, "seed": seed, "scores": json.loads(file.read_text(encoding="utf-8"))}
            for (name, seed), file in parts
        ]
        results_of = self._summary(settings.data, names, results)
        write_text(out / "results.json", json.dumps(results_of, indent=1) + "\n")
        write_text(out / "results.md", as_markdown(results_of))
        return results_of

    def _summary(
        self, data: str, names: Sequence[str], results: list[dict[str, Any]]
    ) -> dict[str, Any]:
        by = {name: [one["scores"] for one in results if one["method"] == name] for name in names}
        rows = []
        for name, each in by.items():
            row: dict[str, Any] = {
                "method": name,
                "seeds": len(each),
                "published": self.published.get((data, name)),
            }
            for score in each[0]:
                values = np.array([one[score] for one in each])
                row[score] = interval(values)
                if name != self.ours and self.ours in by:
                    row[f"{score}, more than ours"] = interval(
                        values - [one[score] for one in by[self.ours]]
                    )
            rows.append(row)
        return {
            "what": self.name,
            "data": data,
            "ours": self.ours,
            "rows": rows,
            "notes": list(self.notes),
            "results": results,
        }


def scores_of(
    asked: tuple[str, int], methods: Mapping[str, Method], data: str, epochs: int
) -> Scores:
    """The scores of a method and a seed."""
    name, seed = asked
    return methods[name](data, seed, epochs)


def interval(values: Any) -> list[float | None]:
    """The mean with its 95 % Student interval, without one where there is a single value."""
    if len(values) < 2:
        return [float(np.mean(values)), None, None]
    return [*student_interval(np.asarray(values))]


def as_markdown(results: dict[str, Any]) -> str:
    """The table with its notes."""
    columns = [
        key for key in max(results["rows"], key=len) if key not in ("method", "seeds", "published")
    ]
    head = ["method", *columns, "published code, measured", "seeds"]
    lines = [
        f"### {results['what']}: {results['data']}",
        "",
        f"| {' | '.join(head)} |",
        "|---" * len(head) + "|",
    ]
    for row in results["rows"]:
        cells = [
            row["method"],
            *(_cell(row.get(key)) for key in columns),
            row["published"] or "",
            str(row["seeds"]),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    notes = (
        (
            "Smaller is better; mean over seeds, 95 % Student interval; differences are paired"
            f" with {results['ours']}."
        ),
    )
    return "\n".join([*lines, "", *(f"- {note}" for note in (*notes, *results["notes"]))]) + "\n"


def _cell(value: Sequence[float | None] | None) -> str:
    if value is None:
        return ""
    mean, low, high = value
    return f"{mean:.4g}" if low is None else f"{mean:.4g} [{low:.4g}, {high:.4g}]"
