"""Findings of earlier versions, brought to the form of today: what was read from names then is said
by kinds now.

``made.version`` decides.  Version 0.1.0 wrote no ``kind`` of demands, rivals and rules of offers,
no ``metric`` of demands, and no ``individual`` and ``today`` in findings with [supply].
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KINDS_SINCE = (0, 2)  # the first version that wrote kinds
DEMANDS = {  # how a name of version 0.1.0 starts -> kind
    "budget of ": "group-budget",
    "floor of ": "floor",
    "ceiling of ": "ceiling",
    "cap on ": "cap",
    "parity of ": "parity",
}
RIVALS = {"chosen": "chosen", "nobody": "control", "random at equal cost": "random"}
RENAMED = {"random at equal spend": "random at equal cost"}  # since 0.3
RULES = {
    "best offers by strata": "best",
    "best offers without the caps": "uncapped",
    "the policy of this plan": "plan",
    "by lot, as many offers": "random",
    "everybody": "everybody",
}
TODAY = "today's mean mix"


def upgrade(findings: Mapping[str, Any]) -> dict[str, Any]:
    """Bring the findings of any version to the form of today.

    Parameters
    ----------
    findings : mapping
        What ``metrics.json`` holds.  It is left as it is.

    Returns
    -------
    dict
        The same findings with the keys that this version reads; those of this version unchanged.

    Examples
    --------
    >>> old = {"made": {"version": "0.1.0"}, "policy": {"demands": [{"name": "floor of plays"}]}}
    >>> upgrade(old)["policy"]["demands"]
    [{'kind': 'floor', 'metric': 'plays', 'name': 'floor of plays'}]
    """
    current = dict(findings)
    if "rivals" in current:
        current["rivals"] = [_renamed(row) for row in current["rivals"]]
    if _version(findings) >= KINDS_SINCE:
        return current
    if current.get("kind") == "supply":
        return {"individual": current.get("way") == "forest", "today": TODAY, **current}
    if "policy" in current:
        demands = [_demand(row) for row in current["policy"].get("demands", [])]
        current["policy"] = {**current["policy"], "demands": demands}
    if "rivals" in current:
        current["rivals"] = [
            {"kind": RIVALS.get(row["policy"], "constant"), **row} for row in current["rivals"]
        ]
    if "strata" in current:
        rules = [{"kind": RULES.get(r["rule"], "score"), **r} for r in current["strata"]["rules"]]
        current["strata"] = {**current["strata"], "rules": rules}
    return current


def _version(findings: Mapping[str, Any]) -> tuple[int, ...]:
    """Major and minor of the version that wrote the findings; that of today where none is said."""
    parts = str(findings.get("made", {}).get("version", "")).split(".")[:2]
    return tuple(int(part) for part in parts) if all(map(str.isdigit, parts)) else KINDS_SINCE


def _renamed(rival: dict[str, Any]) -> dict[str, Any]:
    """A rival by its name of today: "spend" is a metric's name, not that of a cost."""
    now = RENAMED.get(str(rival["policy"]))
    return rival if now is None else {**rival, "policy": now}


def _demand(row: dict[str, Any]) -> dict[str, Any]:
    name = str(row["name"])
    kind = next((kind for start, kind in DEMANDS.items() if name.startswith(start)), "row")
    kind = name if name in ("budget", "offers") else kind
    metric = name.partition(" of ")[2] if kind in ("floor", "ceiling") else None
    return {"kind": kind, "metric": metric, **row}
