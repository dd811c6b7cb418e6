"""What a manager takes away: the verdict, and the answers to five questions, in plain sentences.

What?       what the policy does: how many people get an offer, at what cost
How much?   what it brings, per head and in all; then what it does to every other metric
For whom?   how those who get an offer differ from the others
How sure?   chance, the same offers at random, the best possible, the log's own soundness
What next?  bring it to traffic, look longer, or let it be
"""

from __future__ import annotations

import math

from equipoise.core.strata import ALWAYS_BUYER, STRATA
from equipoise.report.findings import Answer, Findings, Interval, MoneyFindings, Rival
from equipoise.report.formatting import Unit, apart, listed, number, real, share
from equipoise.report.formatting import money as money_of
from equipoise.report.sentences import (
    FAMILY,
    amount,
    change,
    is_the_same,
    main_metric,
    plainly,
    span_of,
    surely_apart,
)
from equipoise.report.verdict import (
    DO,
    DO_NOT,
    NOT_KNOWN,
    broken,
    gain_of,
    untold,
    unweighed,
    verdict,
    verdict_of,
)
from equipoise.report.view import shares_in_words

QUESTIONS = ("What?", "How much?", "For whom?", "How sure?", "What next?")
VERBS = {DO: "gains", DO_NOT: "loses", NOT_KNOWN: "may gain or lose:"}
REACH = 2.80  # z at which a two-sided test at 5 % has a power of 80 %
FURTHEST = 100  # to look at so many times as many rows is no advice
TELLING, MOST_TRAITS = 0.2, 2  # the standardised difference worth a word, and how many are told
LEAST_ARMS, MOST_NAMES = 3, 3  # of which it is told how many surely differ; of those named
PROVEN = 1e-9  # a gap below this is rounding


def headline(findings: Findings) -> list[str]:
    """The verdict with what the policy brings, then the other answers.

    Parameters
    ----------
    findings : Findings
        Of a run.

    Returns
    -------
    list of str
        Plain sentences; the first begins with "Do it:", "Do not:" or "Not known:".
    """
    what, how_much, *others = (answer["sentences"] for answer in answers(findings))
    said, first = verdict_of(findings).capitalize(), how_much[0]
    rest = [*what, *how_much[1:], *(sentence for part in others for sentence in part)]
    return [f"{said}: {first[0].lower()}{first[1:]}", *rest]


def answers(findings: Findings) -> list[Answer]:
    """The answers to the five questions.

    Parameters
    ----------
    findings : Findings
        Of a run.

    Returns
    -------
    list of Answer
        One for each of `QUESTIONS`, in their order; each has one sentence or more.
    """
    parts = (_what(findings), _how_much(findings), _whom(findings), _sure(findings))
    every = (*parts, [_next(findings)])
    return [{"question": q, "sentences": a} for q, a in zip(QUESTIONS, every, strict=True)]


def _what(findings: Findings) -> list[str]:
    policy, shares = findings["rivals"][0], findings["policy"]["shares"]
    offers = f"The policy makes an offer to {share(policy['treated'])} of people"
    if policy["treated"] > 0 and len(findings["candidates"]) > 1:
        offers += (
            f" ({shares_in_words({n: shares.get(n, 0.0) for n in findings['candidates']}, 3)})"
        )
    if findings["currency"]:
        cost = f"{amount(policy['spend'][0])} {findings['currency']} per head"
        return [f"{offers} and costs {cost}."]
    return [f"{offers}."]


def _how_much(findings: Findings) -> list[str]:
    """What it brings of what it is for; then of the other metrics."""
    policy, money = findings["rivals"][0], findings.get("money")
    why = untold(findings)
    if why:
        return ["Whether the policy gains cannot be told from this log.", *why]
    if policy["treated"] == 0:
        nobody = f"Nobody is treated (“{findings['control']}” for everybody), so no metric changes."
        return [_why_nobody(findings, money), nobody]
    said, demands = verdict_of(findings), broken(findings)
    name, _ = gain_of(findings)
    first = _in_money(findings, money, said) if money is not None else _in_metric(findings)
    metrics = [metric["name"] for metric in findings["metrics"] if metric["name"] != name]
    if demands:
        names = listed(f"the {row['name']}" for row in demands)
        broke = f"On held-out rows the policy surely breaks {names}."
        return [broke, first, *(_gain(findings, metric, policy) for metric in metrics)]
    return [first, *(_gain(findings, metric, policy) for metric in metrics)]


def people_of(findings: Findings) -> int:
    """How many people amounts in all are for: those that the plan says, or those of the log."""
    return findings.get("people", findings["experiment"]["rows"])


def _in_money(findings: Findings, money: MoneyFindings, said: str) -> str:
    unit, (_, net) = money_of(money["currency"]), gain_of(findings)

    def signed(interval: Interval) -> str:
        value = [abs(interval[0]) if said == DO_NOT else interval[0], *interval[1:]]
        return unit.bare(value, plus=said == NOT_KNOWN) + unit.level

    total = [people_of(findings) * end for end in net]
    sentence = (
        f"{'Net of cost' if money['costs'] else 'In money'} the policy {VERBS[said]}"
        f" {signed(net)} per head ({findings['level']:.0%} interval {unit.span(net)}),"
        f" {signed(total)} in all for {people_of(findings):,} people ({unit.span(total)})."
    )
    return plainly(sentence)


def _in_metric(findings: Findings) -> str:
    """What it does to the metric that it is for, or to the weighted sum, per head and in all."""
    name, gain = gain_of(findings)
    if not name:
        weights = {n: w for n, w in findings["policy"]["weights"].items() if w}
        terms = " + ".join(f"{number(w)} x {n}" for n, w in weights.items()).replace("+ −", "- ")
        unit = Unit(1.0, "", "", "")
        by, what, span = unit.bare(gain), f"what is to be large, {terms},", unit.span(gain)
        return plainly(
            f"It changes {what} by {by} per head ({findings['level']:.0%} interval {span})."
        )
    value = findings["rivals"][0]["values"][name]
    about = next(metric for metric in findings["metrics"] if metric["name"] == name)
    behind = "" if about["kind"] == "binary" or not about["unit"] else f" {about['unit']}"
    total, unit = [people_of(findings) * end for end in value], Unit(1.0, behind, behind, "")
    return plainly(
        f"It changes “{name}” by {change(findings, name, value)} per head against"
        f" {findings['control']} ({span_of(findings, name, value)}), {unit.effect(total)} in all"
        f" for {people_of(findings):,} people ({unit.span(total)})."
    )


def _gain(findings: Findings, metric: str, policy: Rival) -> str:
    gain = policy["values"][metric]
    doubt = "" if apart(gain) else "; chance alone could make that"
    by = change(findings, metric, gain)
    return f"It changes “{metric}” by {by} per head ({span_of(findings, metric, gain)}){doubt}."


def _why_nobody(findings: Findings, money: MoneyFindings | None) -> str:
    """Why nobody gets an offer."""
    if money is None:
        return "No offer is expected to bring anything within the demands, so nobody gets one."
    models, unit = money["models"], money_of(money["currency"])
    if models is None:
        return "No offer is expected to bring what it costs, so nobody gets one."
    text = (
        f"The offers that models expect to pay do not, on people they never saw: net of cost"
        f" {unit.effect(models)} per head ({findings['level']:.0%} interval {unit.span(models)}),"
        " so nobody gets one."
    )
    return plainly(text)


def _whom(findings: Findings) -> list[str]:
    """Who gets an offer, by how they differ most from the others, and what is known of them."""
    treated = findings["rivals"][0]["treated"]
    if treated == 0:
        first = "Nobody gets an offer."
    elif treated == 1:
        first = "Everybody gets an offer."
    else:
        rows = [row for row in findings["policy"]["profile"] if abs(row["smd"]) >= TELLING]
        traits = [_trait(row) for row in rows[:MOST_TRAITS]]
        first = (
            f"Above all those with {listed(traits)}."
            if traits
            else "Those who get an offer differ little from the others in any one feature."
        )
    checks = findings["experiment"]["checks"]
    population = [c["summary"] for c in checks if c["name"] == "population"]
    return [first, *population, *_anyway(findings)]


def _trait(row: dict[str, float | str]) -> str:
    """``more “history” (312, others 205)``; a category by its share."""
    name, inside, outside = str(row["feature"]), real(row["treated"]), real(row["untreated"])
    column, found, label = name.partition(": ")
    if found and min(inside, outside) >= 0 and max(inside, outside) <= 1:
        often = "more" if inside > outside else "less"
        parts = f"{share(inside)}, of the others {share(outside)}"
        return f"{often} often “{column}” {label} ({parts})"
    size = "larger" if inside > outside else "smaller"
    return plainly(f"{size} “{name}” (mean {number(inside)}, of the others {number(outside)})")


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


def _sure(findings: Findings) -> list[str]:
    """What speaks for the number, and what against."""
    if untold(findings):
        return ["Not at all: the log's own checks fail."]
    if findings["rivals"][0]["treated"] == 0:
        return [_checked(findings), *_arms(findings), *unweighed(findings), *_design(findings)]
    _, gain = gain_of(findings)
    level, side = f"{findings['level']:.0%}", "above" if gain[0] > 0 else "below"
    first = (
        f"Chance alone would not make that: the {level} interval lies {side} 0."
        if apart(gain)
        else f"Chance alone could make that: the {level} interval holds 0."
    )
    told = [*_against(findings), *_certificate(findings), *_arms(findings), _checked(findings)]
    return [first, *told, *unweighed(findings), *_design(findings)]


def _arms(findings: Findings) -> list[str]:
    """Which of several arms surely do anything on average, on the metric that matters most."""
    rows, told = findings["averages"], surely_apart(findings)
    metric = next((name for name in (main_metric(findings), gain_of(findings)[0]) if name), "")
    metrics = [row["metric"] for row in rows]
    metric = metric if metric in metrics else next(iter(metrics), "")
    several = metrics.count(metric)
    if told is None or several < LEAST_ARMS:
        return []
    names = [row["candidate"] for row in told if row["metric"] == metric]
    some = f" ({listed(names[:MOST_NAMES])}{' and others' if len(names) > MOST_NAMES else ''})"
    return [
        f"On average {len(names)} of {several} arms{some if names else ''} surely"
        f" {'differs' if len(names) == 1 else 'differ'} from {findings['control']} on “{metric}”,"
        f" with a family-wise error of {FAMILY:.0%} (Holm)."
    ]


def _against(findings: Findings) -> list[str]:
    """How it compares with lots at equal cost; a winner is named only where the interval excludes
    0.
    """
    main, sentences = main_metric(findings), []
    for rival in findings["rivals"][1:]:
        if rival["kind"] == "random" and not is_the_same(rival):
            difference = rival["against_chosen"][main]
            by = change(findings, main, [abs(difference[0]), *difference[1:]], plus=False)
            more = "more" if difference[0] > 0 else "less"
            span = span_of(findings, main, difference)
            differs = (
                f"On “{main}” that is {by} {more} than the same offers given at random at equal"
                f" cost ({span})."
            )
            alike = (
                f"On “{main}” the same offers given at random at equal cost may do as well"
                f" (difference: {span})."
            )
            sentences.append(differs if apart(difference) else alike)
    return sentences


def _certificate(findings: Findings) -> list[str]:
    """How much better another policy could be, by the same predicted effects."""
    gap, demands = real(findings["policy"]["gap"]), findings["policy"]["demands"]
    if not math.isfinite(gap):
        return []
    within = "within these demands" if demands else "of this kind"
    if gap <= PROVEN:
        return [f"No policy {within} is worth more by the predicted effects."]
    more = missing_in_words(gap)
    return [f"No policy {within} can be worth more than {more} more by the predicted effects."]


def missing_in_words(gap: float) -> str:
    """How much more than a policy the best one may be worth, rounded up.

    Parameters
    ----------
    gap : float
        The share of the best objective that may be missing, in (0, 1).

    Returns
    -------
    str
        In percent of what the policy is worth.

    Examples
    --------
    >>> missing_in_words(9.2e-6), missing_in_words(0.031)
    ('0.00093%', '3.2%')
    """
    if gap >= 1:
        return "any amount"
    more = 100 * gap / (1 - gap)
    size = 10.0 ** (math.floor(math.log10(more)) - 1)  # two significant digits
    return f"{number(size * math.ceil(more / size - 1e-9), max(0, -round(math.log10(size))))}%"


def _checked(findings: Findings) -> str:
    """How many checks of the log passed."""
    every = [check["status"] for check in findings["experiment"]["checks"]]
    bad = {"fail": "failed", "warn": "warned"}
    parts = [f"{every.count(status)} {verb}" for status, verb in bad.items() if status in every]
    return (
        f"Of {len(every)} checks of the log {listed(parts) if parts else 'none failed or warned'}."
    )


def _design(findings: Findings) -> list[str]:
    """How a design that nobody stated was taken, and the test of the arms where they do not keep to
    one that was stated.
    """
    checks = {c["name"]: c for c in findings["experiment"]["checks"]}
    told = checks.get("design") or checks.get("arms by features")
    if told is None or (told["name"] != "design" and told["status"] != "warn"):
        return []
    return [told["summary"]]


def _next(findings: Findings) -> str:
    """What to do now."""
    said, control = verdict_of(findings), findings["control"]
    if untold(findings):
        return (
            "Run an experiment in which everybody may get each arm: `equipoise design` says how"
            " many people it takes."
        )
    if said == DO:
        return (
            f"Bring it to traffic in steps, with some people kept in {control} to see the gain"
            " again: `equipoise rollout`."
        )
    if said == DO_NOT:
        return (
            f"Leave everybody in {control}; `equipoise design` says how many people it takes to"
            " try other offers."
        )
    if unweighed(findings) and verdict(gain_of(findings)[1]) == DO:
        return "Say what the metric is worth, or a budget, and run again."
    return _longer(findings)


def _longer(findings: Findings) -> str:
    """How many rows would tell, if the gain is as large as it looks."""
    (value, low, high), rows = gain_of(findings)[1], findings["experiment"]["rows"]
    z = 2 * 1.96 * value / (high - low) if high > low else math.nan
    times = (REACH / z) ** 2 if z > 0 else math.inf
    if not times <= FURTHEST:
        return (
            "So small a gain no larger log of this kind would tell; try other offers, or a larger"
            " change: `equipoise design` says how many people it takes."
        )
    return (
        f"About {number(float(f'{times * rows:.2g}'))} rows like these, {number(times, 1)} times as"
        " many, would tell (power 80%), if the gain is as large as it looks; `equipoise design`"
        " plans the experiment."
    )
