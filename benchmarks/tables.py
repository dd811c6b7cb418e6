"""The tables of `equipoise reproduce` as figures, reproduce_WHAT.json among the results, from which
docs/ are generated.

TABLES_OF names the folders of finished runs, with commas; default: every ``runs/reproduce-*``.  A
figure is named KIND_DATA_METHOD; runs of other data in the same file are kept.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from benchmarks.record import RESULTS, figure, record, versions

PACKAGES = ("equipoise", "numpy", "lightgbm")
COLUMNS = {  # of results.json of a simulated study -> the kind of a figure
    "MR": "regret",
    "MR, more than ours": "regret_above_ours",
    "MTSE": "squared_error",
    "AMSE": "squared_error",
    "AMSE, more than ours": "squared_error_above_ours",
}


def simulated(run: dict[str, Any]) -> list[dict[str, Any]]:
    """Figures of `reproduce shares` or `doses`: means over seeds with Student intervals."""
    return [
        figure(f"{kind}_{run['data']}_{row['method']}", mean, low=low, high=high, n=row["seeds"])
        for row in run["rows"]
        for column, kind in COLUMNS.items()
        if column in row
        for mean, low, high in [row[column]]
    ]


def strata(run: dict[str, Any]) -> list[dict[str, Any]]:
    """Figures of `reproduce strata`: counts and rewards, means over seeds with their range."""
    recipe = run["settings"]["recipe"]
    data = run["data"] if recipe == "published" else recipe.replace("-", "_")
    figures = []
    for row in run["rows"]:
        end, n = f"{data}_{row['method']}", len(row["seeds"])
        for kind in ("positive", "negative", "neutral"):
            name = f"{row['scheme']}_{kind}_{end}"
            figures.append(figure(name, row[kind], unit="test pairs", n=n))
        name, low, high = f"{row['scheme']}_reward_{end}", row["least"], row["most"]
        figures.append(figure(name, row["reward"], low=low, high=high, unit="reward", n=n))
        if row["published"] is not None:
            name = f"{row['scheme']}_published_{end}"
            figures.append(figure(name, row["published"], unit="reward", n=1))
    return figures


def main() -> None:
    """Read the runs and write their figures."""
    named = os.environ.get("TABLES_OF", "").split(",")
    folders = [Path(name) for name in named if name] or sorted(Path("runs").glob("reproduce-*"))
    for folder in folders:
        run = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        what = run.get("what", "strata")
        new = strata(run) if what == "strata" else simulated(run)
        path = RESULTS / f"reproduce_{what}.json"
        old = json.loads(path.read_text(encoding="utf-8"))["figures"] if path.exists() else []
        names = {one["name"] for one in new}
        seeds = sorted({one["seed"] for one in run["results"]})
        command = f"equipoise reproduce {what} --data {run['data']} --seeds {len(seeds)}"
        protocol = f"`{command}`: mean over seeds, with 95 % Student interval (strata: range)."
        kept = [one for one in old if one["name"] not in names]
        record(path.stem, protocol, versions(*PACKAGES), seeds, kept + new)
        print(f"{path.name}: {len(new)} figures of {folder}")


if __name__ == "__main__":
    main()
