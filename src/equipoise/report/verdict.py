"""The verdict on a policy: whether to do it, in one word of three.

    do it       the interval of what it brings lies above nothing
    do not      it lies below nothing, or nobody gets an offer, or a demand is surely broken
    not known   it holds nothing; or the log cannot tell; or offers have a cost that nothing weighs

Nothing is what nobody gets: 0, where values are told against control for everybody.  What a policy
brings is its net worth where the objective is money, else the weighted sum that it is for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from equipoise.report.formatting import real

if TYPE_CHECKING:
    from equipoise.report.findings import DemandRow, Interval

DO, DO_NOT, NOT_KNOWN = "do it", "do not", "not known"
# checks without which no value is honest
BEHIND = ("arm shares over time", "arms by features", "learnt propensity", "rows behind the policy")


def verdict(net: Sequence[float], treated: float = 1.0) -> str:
    """Whether to do what a policy says.

    Parameters
    ----------
    net : sequence of float, [value, low, high]
        What it brings over nobody, net of all it costs.
    treated : float, default 1.0
        The share of people who get an offer.

    Returns
    -------
    str
        "do it", "do not" or "not known"; never the first where the interval reaches 0.

    Examples
    --------
    >>> verdict([0.2, 0.1, 0.3]), verdict([-0.2, -0.3, -0.1]), verdict([0.2, 0.0, 0.4])
    ('do it', 'do not', 'not known')
    >>> verdict([0.0, 0.0, 0.0], treated=0.0)
    'do not'
    """
    if treated == 0 or real(net[2]) < 0:
        return DO_NOT
    return DO if real(net[1]) > 0 else NOT_KNOWN


def verdict_of(findings: Mapping[str, Any]) -> str:
    """The verdict on the chosen policy of findings.

    Parameters
    ----------
    findings : Findings
        Of a run.

    Returns
    -------
    str
        "do it", "do not" or "not known".
    """
    if untold(findings):
        return NOT_KNOWN
    treated, said = findings["rivals"][0]["treated"], DO_NOT
    if treated > 0 and not broken(findings):
        said = verdict(gain_of(findings)[1], treated)
    return NOT_KNOWN if said == DO and unweighed(findings) else said


def gain_of(findings: Mapping[str, Any]) -> tuple[str, Interval]:
    """What the chosen policy is for, and what it brings of it per head: larger is better.

    Parameters
    ----------
    findings : Findings
        Of a run.

    Returns
    -------
    name : str
        Of a metric, or of the net worth; "" for a weighted sum of several.
    gain : list of float, [value, low, high]
        Its sign turned where lower is better.
    """
    values, money = findings["rivals"][0]["values"], findings.get("money")
    if money is not None:
        return money["metric"], values[money["metric"]]
    weights = {name: w for name, w in findings["policy"]["weights"].items() if w}
    if len(weights) > 1 and "objective" in findings["policy"]:
        return "", findings["policy"]["objective"]
    name = max(weights, key=lambda metric: abs(weights[metric]))
    value, low, high = values[name]
    return name, [value, low, high] if weights[name] > 0 else [-value, -high, -low]


def untold(findings: Mapping[str, Any]) -> list[str]:
    """Why the log cannot tell what the policy is worth; empty where it can.

    Parameters
    ----------
    findings : Findings
        Of a run.

    Returns
    -------
    list of str
        The summaries of the checks that failed among those that stand behind its value.

    Examples
    --------
    >>> sound = {"name": "learnt propensity", "status": "ok", "summary": "", "rows": []}
    >>> untold({"experiment": {"checks": [sound]}})
    []
    """
    checks = findings["experiment"]["checks"]
    return [c["summary"] for c in checks if c["name"] in BEHIND and c["status"] == "fail"]


def unweighed(findings: Mapping[str, Any]) -> list[str]:
    """That nothing weighs the cost of offers, where that is so; else empty."""
    checks = findings["experiment"]["checks"]
    return [c["summary"] for c in checks if c["name"] == "cost" and c["status"] == "warn"]


def broken(findings: Mapping[str, Any]) -> list[DemandRow]:
    """The demands on metrics and on the budget that held-out rows say are surely not kept; the
    budget counts rows, so the cost by weights is held against it by weights, too.
    """
    chosen, rows = findings["rivals"][0], []
    weighing = findings["policy"].get("weighing", 1.0)
    for row in findings["policy"]["demands"]:
        if row["metric"] is None and row["kind"] != "budget":
            continue
        _, low, high = chosen["spend"] if row["metric"] is None else chosen["values"][row["metric"]]
        bound = row["bound"] * (weighing if row["metric"] is None else 1.0)
        over, under = real(low) > bound, real(high) < bound
        if under if row["rule"] == "at least" else over:
            rows.append(row)
    return rows
