"""Findings in plain sentences: the headline for a manager, and the risks, the worst first."""

from __future__ import annotations

from equipoise.core.strata import ALWAYS_BUYER, STRATA
from equipoise.report.findings import Findings, GroupShare, Interval, Rival

WIDE = 1.0  # an interval wider than this many times its middle says little
FEW = 30  # rows of an arm below which an average is shaky
OVER = 1.05  # spend on new people that may come to so many times the budget is worth a word
DEARER = 1.05  # a rival that spends so many times as much is no like for like
GAP = 0.01  # a certificate above this is worth a word


def headline(found: Findings) -> list[str]:
    """What a manager takes away."""
    chosen = found["rivals"][0]
    if chosen["treated"] == 0:
        return [
            _what_it_does(found, chosen),
            f"Nobody is treated (“{found['control']}” for everybody), so no metric changes.",
        ]
    said = [_what_it_does(found, chosen)]
    said += [
        _gain(found, metric["name"], chosen["values"][metric["name"]])
        for metric in found["metrics"]
    ]
    return said + _against(found) + _anyway(found)


def risks(found: Findings) -> list[str]:
    """What would go wrong, the worst first."""
    checks = found["experiment"]["checks"]
    said = [
        f"The check '{c['name']}' failed: {c['summary']}" for c in checks if c["status"] == "fail"
    ]
    said += (
        _overspent(found)
        + _harm(found)
        + _floors(found)
        + _carried(found)
        + _no_better(found)
        + _uncertain(found)
    )
    said += _assumptions(found)
    said += [
        f"The check '{c['name']}' warns: {c['summary']}" for c in checks if c["status"] == "warn"
    ]
    return said + _small_arms(found) + _gap(found)


def change(found: Findings, metric: str, x: float, plus: bool = True) -> str:
    """A change of a metric in words: points for a 0/1 outcome, else its unit."""
    about = next(m for m in found["metrics"] if m["name"] == metric)
    sign = "+" if plus else ""
    if about["kind"] == "binary":
        return f"{100 * x:{sign}.3g} percentage points"
    return f"{x:{sign}.3g} {about['unit']}".rstrip()


def _span(found: Findings, metric: str, interval: Interval) -> str:
    binary = any(m["name"] == metric and m["kind"] == "binary" for m in found["metrics"])
    scale = 100 if binary else 1
    return f"{found['level']:.0%} interval {scale * interval[1]:+.3g} to {scale * interval[2]:+.3g}"


def _what_it_does(found: Findings, chosen: Rival) -> str:
    offers = f"The policy makes an offer to {chosen['treated']:.0%} of people"
    if not found["currency"]:
        return f"{offers}."
    return f"{offers} and spends {_number(chosen['spend'][0])} {found['currency']} per head."


def _gain(found: Findings, metric: str, gain: Interval) -> str:
    doubt = "" if _apart(gain) else "; chance alone could make that"
    by = change(found, metric, gain[0])
    return (
        f"It changes “{metric}” by {by} per head against {found['control']}"
        f" ({_span(found, metric, gain)}){doubt}."
    )


def _against(found: Findings) -> list[str]:
    """How it compares with lots at equal spend; a winner is named only where the interval excludes
    0.
    """
    main, said = _main_metric(found), []
    for rival in found["rivals"][1:]:
        if rival["kind"] == "random":
            lead = rival["against_chosen"][main]
            by = change(found, main, abs(lead[0]), plus=False)
            more = "more" if lead[0] > 0 else "less"
            span = _span(found, main, lead)
            apart = (
                f"On “{main}” that is {by} {more} than the same offers given at random at equal"
                f" spend ({span})."
            )
            alike = (
                f"On “{main}” the same offers given at random at equal spend may do as well"
                f" (difference: {span})."
            )
            said.append(apart if _apart(lead) else alike)
    return said


def _anyway(found: Findings) -> list[str]:
    """How many of those treated would have bought anyway, where the plan asked for strata."""
    asked = found.get("strata")
    if asked is None:
        return []
    # the plan's own policy
    rows = [row for row in asked["audience"] if row["rule"] == asked["audience"][-1]["rule"]]
    offers = sum(row["offered"][0] for row in rows)
    always = next(row["offered"][0] for row in rows if row["stratum"] == STRATA[ALWAYS_BUYER])
    if not offers > 0:
        return []
    return [
        f"About {max(always / offers, 0):.1%} of those it offers {asked['candidate']} would have"
        " bought anyway and take it."
    ]


def _assumptions(found: Findings) -> list[str]:
    """Assumptions of the strata that the data speak against."""
    asked = found.get("strata")
    rows = [] if asked is None else [row for row in asked["assumptions"] if row["status"] == "warn"]
    return [
        f"The strata rest on {row['name']} ({row['title']}), which fails: {row['found']}"
        for row in rows
    ]


def _overspent(found: Findings) -> list[str]:
    """Spend is an outcome too: on held-out rows it may come out above the plan."""
    spend = found["rivals"][0]["spend"]
    bounds = [row["bound"] for row in found["policy"]["demands"] if row["kind"] == "budget"]
    if not bounds or spend[1] <= bounds[0]:
        return []
    measured, bound = _number(spend[0]), _number(bounds[0])
    return [
        f"Spend measured on held-out rows, {measured} {found['currency']} per head, is above the"
        f" budget of {bound}."
    ]


def _carried(found: Findings) -> list[str]:
    """Fixed prices carry the budget on average only; one new population may spend more."""
    spend = found["policy"].get("carried")
    bounds = [row["bound"] for row in found["policy"]["demands"] if row["kind"] == "budget"]
    if spend is None or not bounds or spend[2] <= OVER * bounds[0]:
        return []
    high, bound = f"{_number(spend[2])} {found['currency'] or 'offers'}", _number(bounds[0])
    lead = (
        f"At fixed prices, one new population may spend up to {high} per head, where the budget is"
        f" {bound}"
    )
    return [f"{lead}; `equipoise score --hold` keeps the budget on the units of a file."]


def _harm(found: Findings) -> list[str]:
    """Audited groups that lose on a metric; those that lose for sure come first."""
    said = []
    for group in found["policy"]["groups"]:
        for metric in found["metrics"]:
            sign = 1.0 if metric["better"] == "higher" else -1.0
            gain = group["values"][metric["name"]]
            if sign * gain[0] < 0 and group["shares"].get(found["control"], 0.0) < 1:
                verb = "loses" if _apart(gain) else "may lose"
                by = change(found, metric["name"], gain[0])
                said.append(
                    (
                        not _apart(gain),
                        f"{_name(group)} {verb} on “{metric['name']}”: {by} per head.",
                    )
                )
    return [text for _, text in sorted(said, key=lambda item: item[0])]


def _floors(found: Findings) -> list[str]:
    """Guardrails that hold by the model but are not sure on held-out rows: floors, and ceilings
    where lower is better.
    """
    values, said = found["rivals"][0]["values"], []
    for row in found["policy"]["demands"]:
        if row["metric"] is None:
            continue
        is_floor = row["kind"] == "floor"
        worst = values[row["metric"]][1 if is_floor else 2]
        if (worst < row["bound"]) if is_floor else (worst > row["bound"]):
            bound, reach = (
                change(found, row["metric"], row["bound"]),
                change(found, row["metric"], worst),
            )
            doubt = (
                f"on held-out rows the change may be as {'low' if is_floor else 'high'} as {reach}"
            )
            said.append(
                f"The {row['kind']} of “{row['metric']}”, {bound}, holds by the model; {doubt}."
            )
    return said


def _no_better(found: Findings) -> list[str]:
    """Simple policies that spend no more and that the chosen one does not surely beat on the metric
    that matters most.
    """
    main, most = _main_metric(found), DEARER * found["rivals"][0]["spend"][0]
    alike = [r for r in found["rivals"][1:] if r["treated"] > 0 and r["spend"][0] <= most]
    rivals = [r["policy"] for r in alike if not _apart(r["against_chosen"][main])]
    return (
        [f"On “{main}” the chosen policy is not surely different from: {'; '.join(rivals)}."]
        if rivals
        else []
    )


def _uncertain(found: Findings) -> list[str]:
    said: list[str] = []
    if found["rivals"][0]["treated"] == 0:
        return said
    for name, gain in found["rivals"][0]["values"].items():
        if not _apart(gain):
            said.append(f"The gain on “{name}” may be nil: {_span(found, name, gain)}.")
        elif gain[2] - gain[1] > WIDE * abs(gain[0]):
            said.append(f"The gain on “{name}” is uncertain: {_span(found, name, gain)}.")
    return said


def _small_arms(found: Findings) -> list[str]:
    small = [arm["name"] for arm in found["experiment"]["arms"] if arm["rows"] < FEW]
    return (
        [f"Fewer than {FEW} rows had {', '.join(small)}: effects there lean on the model."]
        if small
        else []
    )


def _gap(found: Findings) -> list[str]:
    gap = found["policy"]["gap"]
    if gap is None or gap <= GAP:
        return []
    return [f"The allocation may miss {gap:.1%} of the best possible objective."]


def _name(group: GroupShare) -> str:
    return f"The group {group['column']} = {group['group']} ({group['rows']:,} rows)"


def _main_metric(found: Findings) -> str:
    weights = found["policy"]["weights"]
    return max(weights, key=lambda name: abs(weights[name]))


def _apart(interval: Interval) -> bool:
    return interval[1] > 0 or interval[2] < 0


def _number(x: float) -> str:
    return f"{x:,.3g}" if abs(x) < 1000 else f"{x:,.0f}"
