"""Findings in plain sentences: the words that all of them share, and the risks, the worst first.
`report.headline` says the rest.
"""

from __future__ import annotations

from equipoise.report.findings import (
    Average,
    Findings,
    GroupShare,
    Interval,
    Likened,
    PeriodEffects,
    Rival,
    Undone,
)
from equipoise.report.formatting import GLUE, MINUS, apart, number, unit_of
from equipoise.report.verdict import BEHIND, untold

WIDE = 1.0  # an interval wider than this many times its middle says little
FEW = 30  # rows of an arm below which an average is shaky
OVER = 1.05  # a cost on new people that may come to so many times the budget is worth a word
DEARER = 1.05  # a rival that costs so many times as much is no like for like
FAMILY = 0.05  # chance that any effect that is nil is told from 0, of all effects together
GAP = 0.01  # a certificate above this is worth a word


def _held(findings: Findings) -> list[str]:
    """Offers that are held back in some folds."""
    money = findings.get("money")
    if money is None or not 0 < money["held"] < money["folds"]:
        return []
    return [
        f"In {money['held']} of {money['folds']} folds the offers are held back: by the other folds"
        " they do not bring what they cost."
    ]


def risks(findings: Findings) -> list[str]:
    """What would go wrong, the worst first."""
    checks = findings["experiment"]["checks"]
    sentences = [
        f"The check '{c['name']}' failed: {c['summary']}"
        for c in checks
        if c["status"] == "fail" and c["name"] not in BEHIND  # these are the headline
    ]
    sentences += (
        _overspent(findings)
        + _harm(findings)
        + _floors(findings)
        + _carried(findings)
        + _held(findings)
        + _no_better(findings)
        + _uncertain(findings)
        + [over_time_words(findings, row) for row in changed_over_time(findings)]
        + _unmeasured(findings)
    )
    sentences += _assumptions(findings)
    sentences += [
        f"The check '{c['name']}' warns: {c['summary']}" for c in checks if c["status"] == "warn"
    ]
    return sentences + _small_arms(findings) + _gap(findings)


def metrics_of(findings: Findings) -> list[dict[str, str]]:
    """The metrics, and behind them the net worth where the objective is money."""
    money = findings.get("money")
    if money is None:
        return findings["metrics"]
    net = {"name": money["metric"], "unit": money["currency"], "kind": "amount", "better": "higher"}
    return [*findings["metrics"], net]


def change(findings: Findings, metric: str, interval: Interval, plus: bool = True) -> str:
    """A change of a metric in words, in as many digits as its interval supports: points for a 0/1
    outcome, else its unit.
    """
    about = next(m for m in metrics_of(findings) if m["name"] == metric)
    unit = unit_of(about)
    behind = "percentage points" if about["kind"] == "binary" else about["unit"]
    return f"{plainly(unit.bare(interval, plus))} {behind}".rstrip()


def span_of(findings: Findings, metric: str, interval: Interval) -> str:
    """The interval of a change in words: ``95% interval +2.0 to +8.0``."""
    unit = unit_of(next(m for m in metrics_of(findings) if m["name"] == metric))
    return f"{findings['level']:.0%} interval {plainly(unit.span(interval))}"


def plainly(text: str) -> str:
    """A text as terminals show it: plain spaces and minus signs."""
    return text.replace(GLUE, " ").replace(MINUS, "-")


def _assumptions(findings: Findings) -> list[str]:
    """Assumptions of the strata that the data speak against."""
    strata = findings.get("strata")
    rows = (
        [] if strata is None else [row for row in strata["assumptions"] if row["status"] == "warn"]
    )
    return [
        f"The strata rest on {row['name']} ({row['title']}), which fails: {row['found']}"
        for row in rows
    ]


def _overspent(findings: Findings) -> list[str]:
    """The cost is an outcome too: on held-out rows it may come out above the plan."""
    cost, weighing = findings["rivals"][0]["spend"], findings["policy"].get("weighing", 1.0)
    bounds = [row["bound"] for row in findings["policy"]["demands"] if row["kind"] == "budget"]
    if not bounds or cost[1] <= bounds[0]:
        return []
    measured, bound = amount(cost[0]), amount(bounds[0])
    if cost[1] <= bounds[0] * weighing:
        return [
            f"By the weights of the rows the policy costs {measured} {findings['currency']} per"
            f" head; the budget of {bound} holds row by row, whatever they weigh."
        ]
    return [
        f"The cost measured on held-out rows, {measured} {findings['currency']} per head, is above"
        f" the budget of {bound}."
    ]


def _carried(findings: Findings) -> list[str]:
    """Fixed prices carry the budget on average only; one new population may cost more."""
    cost = findings["policy"].get("carried")
    bounds = [row["bound"] for row in findings["policy"]["demands"] if row["kind"] == "budget"]
    if cost is None or not bounds or cost[2] <= OVER * bounds[0]:
        return []
    high, bound = f"{amount(cost[2])} {findings['currency'] or 'offers'}", amount(bounds[0])
    lead = (
        f"At fixed prices, one new population may cost up to {high} per head, where the budget is"
        f" {bound}"
    )
    return [f"{lead}; `equipoise score --hold` keeps the budget on the units of a file."]


def _harm(findings: Findings) -> list[str]:
    """Audited groups that lose on a metric; those that lose for sure come first."""
    sentences = []
    for group in findings["policy"]["groups"]:
        for metric in metrics_of(findings):
            sign = 1.0 if metric["better"] == "higher" else -1.0
            gain = group["values"][metric["name"]]
            if sign * gain[0] < 0 and group["shares"].get(findings["control"], 0.0) < 1:
                verb = "loses" if apart(gain) else "may lose"
                by = change(findings, metric["name"], gain)
                sentences.append(
                    (
                        not apart(gain),
                        f"{_name(group)} {verb} on “{metric['name']}”: {by} per head.",
                    )
                )
    return [text for _, text in sorted(sentences, key=lambda item: item[0])]


def _floors(findings: Findings) -> list[str]:
    """Guardrails that hold by the model but are not sure on held-out rows: floors, and ceilings
    where lower is better.
    """
    values, sentences = findings["rivals"][0]["values"], []
    for row in findings["policy"]["demands"]:
        if row["metric"] is None:
            continue
        is_floor = row["kind"] == "floor"
        worst = values[row["metric"]][1 if is_floor else 2]
        if (worst < row["bound"]) if is_floor else (worst > row["bound"]):
            whole = values[row["metric"]]
            bound = change(findings, row["metric"], [row["bound"]] * 3)
            reach = change(findings, row["metric"], [worst, *whole[1:]])
            doubt = (
                f"on held-out rows the change may be as {'low' if is_floor else 'high'} as {reach}"
            )
            sentences.append(
                f"The {row['kind']} of “{row['metric']}”, {bound}, holds by the model; {doubt}."
            )
    return sentences


def _no_better(findings: Findings) -> list[str]:
    """Simple policies that cost no more and that the chosen one does not surely beat on the metric
    that matters most.
    """
    main, most = main_metric(findings), DEARER * findings["rivals"][0]["spend"][0]
    alike = [r for r in findings["rivals"][1:] if r["treated"] > 0 and r["spend"][0] <= most]
    alike = [r for r in alike if not apart(r["against_chosen"][main])]
    rivals = [r["policy"] for r in alike if not is_the_same(r)]
    return (
        [f"On “{main}” the chosen policy is not surely different from: {'; '.join(rivals)}."]
        if rivals
        else []
    )


def is_the_same(rival: Rival) -> bool:
    """Whether a rival makes the very offers of the chosen policy, as when everybody gets one."""
    return not any(any(difference) for difference in rival["against_chosen"].values())


def _uncertain(findings: Findings) -> list[str]:
    sentences: list[str] = []
    if findings["rivals"][0]["treated"] == 0:
        return sentences
    net = findings["money"]["metric"] if "money" in findings else None
    for name, gain in findings["rivals"][0]["values"].items():
        word = "loss" if name == net and gain[0] < 0 else "gain"
        if not apart(gain):
            sentences.append(f"The {word} on “{name}” may be nil: {span_of(findings, name, gain)}.")
        elif gain[2] - gain[1] > WIDE * abs(gain[0]):
            sentences.append(
                f"The {word} on “{name}” is uncertain: {span_of(findings, name, gain)}."
            )
    return sentences


def _small_arms(findings: Findings) -> list[str]:
    small = [arm["name"] for arm in findings["experiment"]["arms"] if arm["rows"] < FEW]
    return (
        [f"Fewer than {FEW} rows had {', '.join(small)}: effects there lean on the model."]
        if small
        else []
    )


def _gap(findings: Findings) -> list[str]:
    gap = findings["policy"]["gap"]
    if gap is None or gap <= GAP:
        return []
    return [f"The allocation may miss {gap:.1%} of the best possible objective."]


def _name(group: GroupShare) -> str:
    return f"The group {group['column']} = {group['group']} ({group['rows']:,} rows)"


def main_metric(findings: Findings) -> str:
    """The metric that weighs most; the net worth, where the objective is money."""
    if "money" in findings:
        return findings["money"]["metric"]
    weights = findings["policy"]["weights"]
    return max(weights, key=lambda name: abs(weights[name]))


def surely_apart(findings: Findings) -> list[Average] | None:
    """The average effects that differ from 0 with a family-wise error of `FAMILY`; None where it is
    not known, or there is one only.

    Parameters
    ----------
    findings : Findings
        Of a run.

    Returns
    -------
    list of Average, or None
        In their order.
    """
    rows = findings["averages"]
    if len(rows) < 2 or not all("adjusted" in row for row in rows):
        return None
    return [row for row in rows if row["adjusted"] <= FAMILY]


def changed_over_time(findings: Findings) -> list[PeriodEffects]:
    """The average effects that change over time, with a family-wise error of `FAMILY`.

    Parameters
    ----------
    findings : Findings
        Of a run.

    Returns
    -------
    list of PeriodEffects
        In their order; none where the log has no time.
    """
    facts = findings.get("over_time")
    return [] if facts is None else [row for row in facts["rows"] if row["adjusted"] <= FAMILY]


def over_time_words(findings: Findings, row: PeriodEffects) -> str:
    """How an effect changes over time: whether it fades, and from what to what."""
    length = findings["over_time"]["length"]
    known = [interval for interval in row["effects"] if interval is not None]
    first, last = (change(findings, row["metric"], end) for end in (known[0], known[-1]))
    verb = "changes"
    if apart(row["line"]):
        start = sum(interval[0] for interval in known) / len(known) - row["line"][0] / 2
        away = row["line"][0] * start > 0  # from zero
        over = abs(row["line"][0]) > abs(start) and not away
        verb = "turns" if over and apart(known[-1]) else "grows" if away else "fades"
    p = row["adjusted"]
    told = "p < 0.001" if p < 0.001 else f"p = {plainly(number(p, 3))}"
    unit = length if length.isalpha() else f"period of {length}"
    return (
        f"The effect of {row['candidate']} on “{row['metric']}” {verb}: {first} in the first"
        f" {unit}, {last} in the last ({told})."
    )


def _unmeasured(findings: Findings) -> list[str]:
    """What an unmeasured cause could do to what the policy is for, where there may be one."""
    if "sensitivity" not in findings or untold(findings):
        return []
    rows = findings["sensitivity"]["rows"]
    weights = findings["policy"]["weights"]
    mine = [row for row in rows if row["candidate"] == "" and weights.get(row["metric"])]
    mine.sort(key=lambda row: -abs(weights[row["metric"]]))
    told = [row for row in mine if apart(row["effect"]) and row["likened"]]
    return [undone_words(findings, row) for row in told[:1]]


def strongest(row: Undone) -> Likened:
    """The feature beside which an unmeasured cause would move an effect most."""
    return row["likened"][0]


def undone_words(findings: Findings, row: Undone) -> str:
    """What an unmeasured cause as strong as the strongest feature would leave of an effect, and how
    strong one must be to undo it.
    """
    like, metric = strongest(row), row["metric"]
    whose = f"the effect of {row['candidate']}" if row["candidate"] else "the policy's gain"
    whose += f" on “{metric}”"
    times = like["times"]
    if times is None:
        share = f"{row['robustness']:.0%}"
        return (
            f"No known feature moves both treatment and “{metric}”; an unmeasured cause would have"
            f" to explain {share} of what is left of both to undo {whose}."
        )
    cause, strong = f"An unmeasured cause as strong as “{like['feature']}”", f"{times:.2g}"
    if times <= 1:
        return f"{cause} would undo {whose}: one {strong} times as strong is enough."
    _, low, high = like["left"]
    ends = [change(findings, metric, [end, low, high]) for end in (low, high)]
    return (
        f"{cause} would leave {whose} between {ends[0].split(' ')[0]} and {ends[1]}; it takes one"
        f" {amount(float(strong))} times as strong to undo it."
    )


def amount(x: float) -> str:
    """A number in plain characters."""
    return plainly(number(x))
