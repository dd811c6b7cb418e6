"""Findings in plain sentences: the headline for a manager, and the risks, the worst first."""

from __future__ import annotations

from equipoise.pipeline.findings import Findings, GroupShare, Interval

WIDE = 1.0  # an interval wider than this many times its middle says little
FEW = 30  # rows of an arm below which an average is shaky


def headline(found: Findings) -> list[str]:
    """What a manager takes away."""
    chosen = found["rivals"][0]
    said = [_what_it_does(found)]
    said += [_gain(found, metric["name"], chosen["values"][metric["name"]]) for metric in found["metrics"]]
    said += _against(found)
    return said


def _what_it_does(found: Findings) -> str:
    chosen = found["rivals"][0]
    money = (
        f" and spends {_number(chosen['spend'][0])} {found['currency']} per head".replace("  ", " ") if _has_money(found) else ""
    )
    return f"The policy makes an offer to {chosen['treated']:.0%} of people{money}."


def _has_money(found: Findings) -> bool:
    return bool(found["currency"]) or any(row["name"].startswith("budget") for row in found["policy"]["demands"])


def _gain(found: Findings, metric: str, gain: Interval) -> str:
    unit = next(m["unit"] for m in found["metrics"] if m["name"] == metric)
    change = f"changes {metric} by {gain[0]:+.3g} {unit}".rstrip()
    doubt = "" if _apart(gain) else ", which chance alone could make"
    return f"It {change} per head against {found['control']} ({_level(found)} interval {gain[1]:+.3g} to {gain[2]:+.3g}){doubt}."


def _against(found: Findings) -> list[str]:
    """One sentence on the strongest rival that needs no model; a winner is named only where the interval excludes 0."""
    main = _main_metric(found)
    said = []
    for rival in found["rivals"][1:]:
        if not rival["policy"].startswith("random"):
            continue
        lead = rival["against_chosen"][main]
        verb = "more" if lead[0] > 0 else "less"
        if _apart(lead):
            said.append(f"On {main} that is {abs(lead[0]):.3g} {verb} per head than {rival['policy']}.")
        else:
            said.append(f"On {main} it cannot be told apart from {rival['policy']}.")
    return said


def risks(found: Findings) -> list[str]:
    """What would go wrong, the worst first."""
    said = [f"The check {c['name']!r} failed: {c['summary']}" for c in found["experiment"]["checks"] if c["status"] == "fail"]
    said += _harm(found)
    said += _overspend(found)
    said += _no_better(found)
    said += _uncertain(found)
    said += [f"The check {c['name']!r} warns: {c['summary']}" for c in found["experiment"]["checks"] if c["status"] == "warn"]
    said += _small_arms(found)
    said += _gap(found)
    return said


def _harm(found: Findings) -> list[str]:
    """Groups that lose, surely or likely, on a metric."""
    said = []
    for group in found["policy"]["groups"]:
        for metric in found["metrics"]:
            sign = 1.0 if metric["better"] == "higher" else -1.0
            gain = group["values"][metric["name"]]
            if sign * gain[0] < 0 and group["shares"].get(found["control"], 0.0) < 1:
                sure = "loses" if _apart(gain) else "may lose"
                said.append((not _apart(gain), f"{_name(group)} {sure} on {metric['name']}: {gain[0]:+.3g} per head."))
    return [text for _, text in sorted(said, key=lambda item: item[0])]


def _overspend(found: Findings) -> list[str]:
    spend = found["rivals"][0]["spend"]
    said = []
    for row in found["policy"]["demands"]:
        if row["name"] == "budget" and spend[2] > row["bound"]:
            doubt = "measured on held-out rows" if spend[0] > row["bound"] else "at the upper end of its interval"
            said.append(
                f"Spend {doubt} is {_number(max(spend[0], spend[2] if spend[0] <= row['bound'] else spend[0]))} "
                f"{found['currency']} per head, above the budget of {_number(row['bound'])}."
            )
    return said


def _no_better(found: Findings) -> list[str]:
    """Simple policies that the chosen one does not surely beat on the metric that matters most."""
    main = _main_metric(found)
    rivals = [r for r in found["rivals"][1:] if not _apart(r["against_chosen"][main]) and r["treated"] > 0]
    if not rivals:
        return []
    names = "; ".join(r["policy"] for r in rivals)
    return [f"On {main} the chosen policy is not surely different from: {names}."]


def _uncertain(found: Findings) -> list[str]:
    chosen = found["rivals"][0]
    said = []
    for name, gain in chosen["values"].items():
        if not _apart(gain):
            said.append(f"The gain on {name} may be nil: its {_level(found)} interval is {gain[1]:+.3g} to {gain[2]:+.3g}.")
        elif gain[2] - gain[1] > WIDE * abs(gain[0]):
            said.append(f"The gain on {name} is uncertain: {gain[1]:+.3g} to {gain[2]:+.3g} per head.")
    return said


def _small_arms(found: Findings) -> list[str]:
    small = [arm["name"] for arm in found["experiment"]["arms"] if arm["rows"] < FEW]
    return [f"Fewer than {FEW} rows had {', '.join(small)}: effects there lean on the model."] if small else []


def _gap(found: Findings) -> list[str]:
    gap = found["policy"]["gap"]
    return [f"The allocation may miss {gap:.1%} of the best possible objective."] if gap > 0.01 else []


def _name(group: GroupShare) -> str:
    return f"The group {group['column']} = {group['group']} ({group['rows']:,} rows)"


def _main_metric(found: Findings) -> str:
    weights = found["policy"]["weights"]
    return max(weights, key=lambda name: abs(weights[name]))


def _apart(interval: Interval) -> bool:
    return interval[1] > 0 or interval[2] < 0


def _level(found: Findings) -> str:
    return f"{found['level']:.0%}"


def _number(x: float) -> str:
    return f"{x:,.3g}" if abs(x) < 1000 else f"{x:,.0f}"
