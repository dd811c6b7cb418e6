"""A plan for decisions as an experiment log, with comments that say what the roles rest on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from equipoise.serving.log.joining import Counts

HEAD = """\
# What a service decided, as an experiment: {rows:,} decisions.
#   equipoise check plan.toml
#   equipoise run plan.toml
# The probabilities are those of what was served, over holdout, shares, exploration and lots.
# In {certain:,} rows ({share:.0%}) it is 1: nothing was drawn, so they say little of other choices.
"""
MEANING = {
    "treatment": "what was served",
    "outcomes": "rewards within their windows; their kinds are inferred",
    "features": "as they were when it was decided",
    "action_propensity": "of what was served",
    "propensity": "of each arm, by the policies that decided",
    "claimed": "whether the offer was taken",
    "cost": "as settled by the ledger, else as reserved or expected",
    "time": "of the decision",
    "group": "decisions on one unit belong together",
    "id": "of the decision: rewards name it",
}


def plan_text(columns: Mapping[str, Any], counts: Counts, path: str) -> str:
    """The text of the plan; ``path`` is that of the rows beside it."""
    rows = counts.rows
    share = counts.certain / rows if rows else 0.0
    lines = [HEAD.format(rows=rows, certain=counts.certain, share=share), "[log]"]
    lines.append(f"path = {_toml(path)}")
    for role, meaning in MEANING.items():
        if role in columns:
            lines.append(f"{role} = {_toml(columns[role])}  # {meaning}")
    if columns["unique"]:
        lines.append(f"# left out of the features, nearly unique text: {_toml(columns['unique'])}")
    lines += ["", "[space]", 'kind = "arms"', f"labels = {_toml(columns['arms'])}  # control first"]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
