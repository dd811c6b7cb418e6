"""The headline and the risks of a job with [ranking], in words."""

from __future__ import annotations

from collections.abc import Mapping

from equipoise.report.findings import Interval
from equipoise.report.findings_ranking import (
    MEAN,
    Calibration,
    FloorUse,
    FrontPoint,
    Objective,
    RankingFindings,
)
from equipoise.report.formatting import (
    MISSING,
    Unit,
    apart,
    has_interval,
    listed,
    plural,
    real,
    unit_of,
)
from equipoise.report.formatting import share as percent

UNIT = Unit(1.0, "", "", "")  # of AUC, GAUC and NDCG
RATE = unit_of({"kind": "binary"})
NOTHING: Interval = [float("nan")] * 3
LOW_COVERAGE = 0.1  # share of rows in groups of both classes below which GAUC is of a few
FEW = 100  # positives; the standard error of an AUC by fewer is above .5 / sqrt(3 * 100) = .03
VERDICTS = {
    "better": "better",
    "worse": "worse",
    "alike": "not told apart from it",
    "unsure": "how sure that is was not computed",
}

TOLD = ("labels", "requests")  # checks of which the sentences on objectives say more


def level_in_words(interval: Interval) -> str:
    """``0.652 (0.641 to 0.663)``."""
    span = f" ({UNIT.span(interval, plus=False)})" if has_interval(interval) else ""
    return UNIT.of_level(interval) + span


def change_in_words(interval: Interval) -> str:
    """``+0.012 (+0.004 to +0.019)``."""
    return UNIT.effect(interval) + (f" ({UNIT.span(interval)})" if has_interval(interval) else "")


def verdict_on(gain: Interval) -> str:
    """What a difference with its interval says; a key of `VERDICTS`."""
    if not has_interval(gain):
        return "unsure"
    if not apart(gain):
        return "alike"
    return "better" if real(gain[1]) > 0 else "worse"


def of_method(
    table: Mapping[str, Mapping[str, Mapping[str, Interval]]],
    measure: str,
    method: str,
    objective: str = MEAN,
) -> Interval:
    """An entry of ``measures`` or ``gains``; NaN where there is none."""
    return table.get(measure, {}).get(method, {}).get(objective, NOTHING)


def floor_verdict(floor: FloorUse) -> str:
    """Whether the test rows say that a floor is kept."""
    value, low, high = (real(x) for x in floor["test"])
    if not has_interval(floor["test"]):
        low = high = value
    if low >= -floor["lose"]:
        return "kept"
    if high < -floor["lose"]:
        return "missed"
    return "probably kept" if value >= -floor["lose"] else "probably missed"


def promised(calibration: Calibration) -> float:
    """What a score predicts over what is observed, over all rows; NaN where nothing is."""
    rows = calibration["rows"]
    predicted = sum(n * real(p) for n, p in zip(rows, calibration["predicted"], strict=True))
    observed = sum(n * real(o[0]) for n, o in zip(rows, calibration["observed"], strict=True))
    return predicted / observed if observed > 0 else float("nan")


def tenths_off(calibration: Calibration) -> tuple[int, int]:
    """In how many tenths of a score the interval excludes the prediction, of how many that have an
    interval.
    """
    pairs = [
        (real(predicted), observed)
        for predicted, observed in zip(
            calibration["predicted"], calibration["observed"], strict=True
        )
        if has_interval(observed)
    ]
    return sum(not real(o[1]) <= p <= real(o[2]) for p, o in pairs), len(pairs)


def is_off(calibration: Calibration) -> bool:
    """Whether a score disagrees with its objective in more than half of its tenths."""
    off, of = tenths_off(calibration)
    return 2 * off > of


def shipped_point(findings: RankingFindings) -> FrontPoint | None:
    """What ships, as a point of the front."""
    return next((point for point in findings["front"] if point["shipped"]), None)


def headline_of(findings: RankingFindings) -> list[str]:
    """What a manager reads first.

    Parameters
    ----------
    findings : RankingFindings
        All but its headline and risks is read.

    Returns
    -------
    list of str
        What ships and how well it ranks, what that gains over the fallback, what floors did.

    Examples
    --------
    >>> headline_of(findings)[1]  # doctest: +SKIP
    'Against formula, the fallback, that is +0.012 (95% interval +0.004 to +0.019): better.'
    """
    name, fallback, criterion = findings["method"], findings["fallback"], findings["criterion"]
    interval = f"{100 * findings['level']:g}% interval "
    value = level_in_words(of_method(findings["measures"], criterion, name))
    objectives = plural(len(findings["objectives"]), "objective")
    sentences = [
        f"What ships is {name}: on the test rows its mean {criterion.upper()} over {objectives} is"
        f" {value.replace('(', '(' + interval)}."
    ]
    if name == fallback:
        sentences.append("It is the fallback itself, so there is no gain over that.")
    else:
        gain = of_method(findings["gains"], criterion, name)
        words = change_in_words(gain).replace("(", "(" + interval)
        sentences.append(
            f"Against {fallback}, the fallback, that is {words}: {VERDICTS[verdict_on(gain)]}."
        )
    return sentences + _floors(findings)


def _floors(findings: RankingFindings) -> list[str]:
    floors, methods = findings["floors"], findings["methods"]
    if not floors:
        return []
    out = sum(not method["floors"] for method in methods)
    names = listed(floor["objective"] for floor in floors)
    word = "floor" if len(floors) == 1 else "floors"
    test = listed(
        f"{floor_verdict(floor)} ({floor['objective']})"
        if len(floors) > 1
        else floor_verdict(floor)
        for floor in floors
    )
    return [
        f"Of {plural(len(methods), 'method')}, {out or 'none'} broke the {word} on {names} on the"
        f" validation rows; on the test rows {'it is' if len(floors) == 1 else 'they are'} {test}."
    ]


def risks_of(findings: RankingFindings) -> list[str]:
    """What could be wrong.

    Parameters
    ----------
    findings : RankingFindings
        All but its headline and risks is read.

    Returns
    -------
    list of str
        One sentence each.

    Examples
    --------
    >>> risks_of(findings)[0][:40]  # doctest: +SKIP
    'The log holds only what was shown, in th'
    """
    return [
        "The log holds only what was shown, in the order used then: what people do with another is"
        " for an A/B test to tell.",
        *_of_the_choice(findings),
        *(risk for one in findings["objectives"] for risk in _of_an_objective(findings, one)),
        *_of_the_front(findings),
        *_of_the_scores(findings),
        *(
            f"{check['name']}: {check['summary']}"
            for check in findings["checks"]
            if check["status"] in ("fail", "warn") and check["name"] not in TOLD
        ),
    ]


def _of_the_choice(findings: RankingFindings) -> list[str]:
    name, fallback, criterion = findings["method"], findings["fallback"], findings["criterion"]
    risks = []
    verdict = verdict_on(of_method(findings["gains"], criterion, name))
    if name != fallback and verdict == "alike":
        risks.append(
            f"{name} was chosen on the validation rows; the test rows do not tell it apart from"
            f" {fallback}, which is simpler."
        )
    if name != fallback and verdict == "worse":
        risks.append(
            f"{name} was chosen on the validation rows; on the test rows it is worse than"
            f" {fallback}."
        )
    for floor in findings["floors"]:
        result = floor_verdict(floor)
        if result != "kept":
            risks.append(
                f"The floor on {floor['objective']} (may lose {UNIT.of_level([floor['lose']] * 3)})"
                f" is {result} on the test rows: {change_in_words(floor['test'])}."
            )
    return risks


def _of_an_objective(findings: RankingFindings, one: Objective) -> list[str]:
    name, criterion = one["name"], findings["criterion"]
    risks = []
    value = real(of_method(findings["measures"], criterion, findings["method"], name)[0])
    if value != value:
        risks.append(f"The test rows cannot judge {name}: it has no {criterion.upper()} there.")
    elif one["positives"] < FEW:
        risks.append(
            f"{name} has {plural(one['positives'], 'positive')} in the test rows: its figures are"
            " rough."
        )
    if criterion == "gauc" and 0 < one["coverage"] < LOW_COVERAGE:
        risks.append(
            f"Only {percent(one['coverage'])} of the test rows lie in a group that has both classes"
            f" of {name}: its GAUC is of those alone."
        )
    if one["observed"] < 1:
        risks.append(
            f"{name} is known in {percent(one['observed'])} of the test rows; nothing is said of"
            " the others."
        )
    gain = of_method(findings["gains"], criterion, findings["method"], name)
    if findings["method"] != findings["fallback"] and verdict_on(gain) == "worse":
        risks.append(
            f"On {name}, {findings['method']} is worse than {findings['fallback']}:"
            f" {change_in_words(gain)}."
        )
    return risks


def _of_the_front(findings: RankingFindings) -> list[str]:
    points, here = findings["front"], shipped_point(findings)
    if not points:
        return []
    risks = []
    efficient = sum(point["efficient"] for point in points)
    if efficient < 2:
        risks.append(
            f"Of {plural(len(points), 'setting')} of weights only {efficient or 'none'} is"
            " efficient: there is no front to choose from."
        )
    if here is not None and not here["efficient"]:
        risks.append(
            "Another setting of weights is as good as what ships on every objective, and better on"
            " one; chance may do that."
        )
    return risks


def _of_the_scores(findings: RankingFindings) -> list[str]:
    bad = [calibration for calibration in findings["calibration"] if is_off(calibration)]
    if not bad:
        return []
    names = listed(f"{c['score']} ({_times(promised(c))})" for c in bad)
    return [
        f"Badly calibrated as probabilities: {names}. Formulas that add or multiply scores take"
        " them at their word."
    ]


def _times(factor: float) -> str:
    """``1.8 times what happens``."""
    if factor != factor:
        return f"{MISSING} what happens"
    return f"{factor:.2g} times what happens" if factor < 100 else "over 100 times what happens"
