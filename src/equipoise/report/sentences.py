"""Findings in plain sentences: the headline for a manager, and the risks, the worst first."""

from __future__ import annotations

from equipoise.core.strata import ALWAYS_BUYER, STRATA
from equipoise.report.findings import Findings, GroupShare, Interval, MoneyFindings, Rival
from equipoise.report.formatting import GLUE, MINUS, number, unit_of
from equipoise.report.formatting import money as money_of
from equipoise.report.verdict import DO, DO_NOT, NOT_KNOWN

WIDE = 1.0  # an interval wider than this many times its middle says little
FEW = 30  # rows of an arm below which an average is shaky
OVER = 1.05  # a cost on new people that may come to so many times the budget is worth a word
DEARER = 1.05  # a rival that costs so many times as much is no like for like
GAP = 0.01  # a certificate above this is worth a word
VERBS = {DO: "gains", DO_NOT: "loses", NOT_KNOWN: "may gain or lose:"}
# checks without which no value is honest
BEHIND = ("arm shares over time", "arms by features", "learnt propensity", "rows behind the policy")


def headline(findings: Findings) -> list[str]:
    """What a manager takes away."""
    policy = findings["rivals"][0]
    why = untold(findings)
    if why:
        lead = "Whether the policy gains cannot be told from this log."
        return [lead, *why, _what_it_does(findings, policy), *_population(findings)]
    if policy["treated"] == 0:
        return [
            *_money(findings),
            _what_it_does(findings, policy),
            f"Nobody is treated (“{findings['control']}” for everybody), so no metric changes.",
            *_population(findings),
            *_unweighed(findings),
            *_design(findings),
        ]
    sentences = [*_money(findings), _what_it_does(findings, policy)]
    sentences += [
        _gain(findings, metric["name"], policy["values"][metric["name"]])
        for metric in findings["metrics"]
    ]
    told = _against(findings) + _anyway(findings) + _population(findings)
    return sentences + told + _unweighed(findings) + _design(findings)


def untold(findings: Findings) -> list[str]:
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


def _population(findings: Findings) -> list[str]:
    """For whom the answer is, where that is not all rows of the log."""
    checks = findings["experiment"]["checks"]
    return [c["summary"] for c in checks if c["name"] == "population"]


def _money(findings: Findings) -> list[str]:
    """The verdict, with what the policy brings per head and in all, where that is money."""
    money = findings.get("money")
    if money is None:
        return []
    said, net, total = money["verdict"], money["net"], money["total"]
    unit = money_of(money["currency"])
    if findings["rivals"][0]["treated"] == 0:
        return [f"{said.capitalize()}: {_why_nobody(findings, money)}"]

    def amount(interval: Interval) -> str:
        value = [abs(interval[0]) if said == DO_NOT else interval[0], *interval[1:]]
        return unit.bare(value, plus=said == NOT_KNOWN) + unit.level

    sentence = (
        f"{said.capitalize()}: {'net of cost' if money['costs'] else 'in money'} the policy"
        f" {VERBS[said]} {amount(net)} per head ({findings['level']:.0%} interval"
        f" {unit.span(net)}), {amount(total)} in all for {money['people']:,} people"
        f" ({unit.span(total)})."
    )
    return [_plainly(sentence)]


def _why_nobody(findings: Findings, money: MoneyFindings) -> str:
    """Why nobody gets an offer."""
    models, unit = money["models"], money_of(money["currency"])
    if models is None:
        return "no offer is expected to bring what it costs, so nobody gets one."
    text = (
        f"the offers that models expect to pay do not, on people they never saw: net of cost"
        f" {unit.effect(models)} per head ({findings['level']:.0%} interval {unit.span(models)}),"
        " so nobody gets one."
    )
    return _plainly(text)


def _held(findings: Findings) -> list[str]:
    """Offers that are held back in some folds."""
    money = findings.get("money")
    if money is None or not 0 < money["held"] < money["folds"]:
        return []
    return [
        f"In {money['held']} of {money['folds']} folds the offers are held back: by the other folds"
        " they do not bring what they cost."
    ]


def _unweighed(findings: Findings) -> list[str]:
    """That nothing weighs the cost of offers, where that is so."""
    checks = findings["experiment"]["checks"]
    return [c["summary"] for c in checks if c["name"] == "cost" and c["status"] == "warn"]


def _design(findings: Findings) -> list[str]:
    """How a design that nobody stated was taken, and the test of the arms where they do not keep to
    one that was stated.
    """
    checks = {c["name"]: c for c in findings["experiment"]["checks"]}
    told = checks.get("design") or checks.get("arms by features")
    if told is None or (told["name"] != "design" and told["status"] != "warn"):
        return []
    return [told["summary"]]


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
    )
    sentences += _assumptions(findings)
    sentences += [
        f"The check '{c['name']}' warns: {c['summary']}" for c in checks if c["status"] == "warn"
    ]
    return sentences + _small_arms(findings) + _gap(findings)


def _metrics(findings: Findings) -> list[dict[str, str]]:
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
    about = next(m for m in _metrics(findings) if m["name"] == metric)
    unit = unit_of(about)
    behind = "percentage points" if about["kind"] == "binary" else about["unit"]
    return f"{_plainly(unit.bare(interval, plus))} {behind}".rstrip()


def _span(findings: Findings, metric: str, interval: Interval) -> str:
    unit = unit_of(next(m for m in _metrics(findings) if m["name"] == metric))
    return f"{findings['level']:.0%} interval {_plainly(unit.span(interval))}"


def _plainly(text: str) -> str:
    """A text as terminals show it: plain spaces and minus signs."""
    return text.replace(GLUE, " ").replace(MINUS, "-")


def _what_it_does(findings: Findings, policy: Rival) -> str:
    offers = f"The policy makes an offer to {policy['treated']:.0%} of people"
    if not findings["currency"]:
        return f"{offers}."
    return f"{offers} and costs {_number(policy['spend'][0])} {findings['currency']} per head."


def _gain(findings: Findings, metric: str, gain: Interval) -> str:
    doubt = "" if _apart(gain) else "; chance alone could make that"
    by = change(findings, metric, gain)
    return (
        f"It changes “{metric}” by {by} per head against {findings['control']}"
        f" ({_span(findings, metric, gain)}){doubt}."
    )


def _against(findings: Findings) -> list[str]:
    """How it compares with lots at equal cost; a winner is named only where the interval excludes
    0.
    """
    main, sentences = _main_metric(findings), []
    for rival in findings["rivals"][1:]:
        if rival["kind"] == "random":
            lead = rival["against_chosen"][main]
            by = change(findings, main, [abs(lead[0]), *lead[1:]], plus=False)
            more = "more" if lead[0] > 0 else "less"
            span = _span(findings, main, lead)
            apart = (
                f"On “{main}” that is {by} {more} than the same offers given at random at equal"
                f" cost ({span})."
            )
            alike = (
                f"On “{main}” the same offers given at random at equal cost may do as well"
                f" (difference: {span})."
            )
            sentences.append(apart if _apart(lead) else alike)
    return sentences


def _anyway(findings: Findings) -> list[str]:
    """How many of those treated would have bought anyway, where the plan asked for strata."""
    strata = findings.get("strata")
    if strata is None:
        return []
    # the plan's own policy
    rows = [row for row in strata["audience"] if row["rule"] == strata["audience"][-1]["rule"]]
    offers = sum(row["offered"][0] for row in rows)
    always = next(row["offered"][0] for row in rows if row["stratum"] == STRATA[ALWAYS_BUYER])
    if not offers > 0:
        return []
    return [
        f"About {max(always / offers, 0):.1%} of those it offers {strata['candidate']} would have"
        " bought anyway and take it."
    ]


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
    cost = findings["rivals"][0]["spend"]
    bounds = [row["bound"] for row in findings["policy"]["demands"] if row["kind"] == "budget"]
    if not bounds or cost[1] <= bounds[0]:
        return []
    measured, bound = _number(cost[0]), _number(bounds[0])
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
    high, bound = f"{_number(cost[2])} {findings['currency'] or 'offers'}", _number(bounds[0])
    lead = (
        f"At fixed prices, one new population may cost up to {high} per head, where the budget is"
        f" {bound}"
    )
    return [f"{lead}; `equipoise score --hold` keeps the budget on the units of a file."]


def _harm(findings: Findings) -> list[str]:
    """Audited groups that lose on a metric; those that lose for sure come first."""
    sentences = []
    for group in findings["policy"]["groups"]:
        for metric in _metrics(findings):
            sign = 1.0 if metric["better"] == "higher" else -1.0
            gain = group["values"][metric["name"]]
            if sign * gain[0] < 0 and group["shares"].get(findings["control"], 0.0) < 1:
                verb = "loses" if _apart(gain) else "may lose"
                by = change(findings, metric["name"], gain)
                sentences.append(
                    (
                        not _apart(gain),
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
    main, most = _main_metric(findings), DEARER * findings["rivals"][0]["spend"][0]
    alike = [r for r in findings["rivals"][1:] if r["treated"] > 0 and r["spend"][0] <= most]
    rivals = [r["policy"] for r in alike if not _apart(r["against_chosen"][main])]
    return (
        [f"On “{main}” the chosen policy is not surely different from: {'; '.join(rivals)}."]
        if rivals
        else []
    )


def _uncertain(findings: Findings) -> list[str]:
    sentences: list[str] = []
    if findings["rivals"][0]["treated"] == 0:
        return sentences
    net = findings["money"]["metric"] if "money" in findings else None
    for name, gain in findings["rivals"][0]["values"].items():
        word = "loss" if name == net and gain[0] < 0 else "gain"
        if not _apart(gain):
            sentences.append(f"The {word} on “{name}” may be nil: {_span(findings, name, gain)}.")
        elif gain[2] - gain[1] > WIDE * abs(gain[0]):
            sentences.append(f"The {word} on “{name}” is uncertain: {_span(findings, name, gain)}.")
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


def _main_metric(findings: Findings) -> str:
    if "money" in findings:
        return findings["money"]["metric"]
    weights = findings["policy"]["weights"]
    return max(weights, key=lambda name: abs(weights[name]))


def _apart(interval: Interval) -> bool:
    return interval[1] > 0 or interval[2] < 0


def _number(x: float) -> str:
    return _plainly(number(x))
