"""What the strata of a study say: how many there are of each, what offers to them are worth, and
how sure that is.

Shares, values and audiences are means of doubly robust signals of rows that no model of theirs has
seen.  Ranges and violations are means of what the out-of-fold model says, and have no interval.
"""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from equipoise.core.arrays import Floats
from equipoise.core.audit_groups import audit_groups
from equipoise.core.effects import Effects
from equipoise.core.progress import Progress, silent
from equipoise.core.strata import (
    ALWAYS_BUYER,
    ASSUMPTIONS,
    COUPON_BUYER,
    STRATA,
    Scheme,
    cells_of,
    naive_reward,
    uplift_reward,
)
from equipoise.estimators.strata.base import OutOfFold, diagnose
from equipoise.evaluation import mean_estimates
from equipoise.evaluation.bounds import TYPES, strata_bounds
from equipoise.evaluation.sensitivity import msm_strata, with_direct_gain, with_harm
from equipoise.evaluation.strata import OfferValue, audience, reward_by_segment
from equipoise.pipeline.plan.schema import StrataPlan
from equipoise.pipeline.study.propensity import LEARN
from equipoise.pipeline.study.strata import Case, StrataStudy, learn_strata, make_case
from equipoise.pipeline.study.strata_targeting import (
    Moves,
    best_offers,
    cap_uses,
    capped,
    judged,
    moves_by_score,
    moves_of_plan,
    widen,
    within_folds,
)
from equipoise.pipeline.study.study import Study
from equipoise.pipeline.study.swaps import Swaps
from equipoise.report.findings import (
    Assumed,
    AudienceRow,
    OfferPoint,
    OfferRule,
    Range,
    SegmentReward,
    StrataFindings,
    StratumShare,
    Violation,
)

BEST, PLAN, FREE = (
    "best offers by strata",
    "the policy of this plan",
    "best offers without the caps",
)
RANDOM, ALL = "at random, as many offers", "everybody"
# others rank by a score
KIND_OF_RULE = {BEST: "best", PLAN: "plan", FREE: "uncapped", RANDOM: "random", ALL: "everybody"}
SHARES = tuple(np.linspace(0.1, 1.0, 10).round(2).tolist())  # budgets of the curve
PARTS = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the largest violation
HIDDEN = (1.25, 1.5, 2.0)  # by how much hidden confounding may move the odds of an offer
NOTHING_PAID = Scheme("given", (0, 0, 0, 0))
Rules = dict[str, Floats]
RuleMoves = dict[str, Moves | None]


def strata_findings(
    study: Study,
    plan: StrataPlan,
    policy: Floats,
    progress: Progress = silent,
    swaps: Swaps | None = None,
) -> StrataFindings:
    """All that the strata of a study show.   policy: (n, K), the plan's own, over all rows of its
    log; swaps: of it.
    """
    case = make_case(plan, study.log)
    pair = study.design.propensity[case.rows][:, [0, case.candidate + 1]]
    strata = learn_strata(
        study.plan, case, study.fold[case.rows], pair / pair.sum(axis=1, keepdims=True), progress
    )
    rules = offer_rules(strata) | {PLAN: policy[case.rows, case.candidate + 1]}
    level, of_rules = study.plan.report.level, rule_moves(strata, case.plan.offers, swaps)
    worth = judge_rules(strata, rules, level, of_rules)
    tests = diagnose(
        case.sample,
        OutOfFold(strata.signals, strata.signals, strata.level_scores, strata.propensity),
    )
    return {
        "method": case.plan.method,
        "outcome": case.log.metrics[-1],
        "claimed": study.log.roles.claimed or "",
        "candidate": study.log.cell_names[case.candidate + 1],
        "rows": len(case.log),
        "left_out": len(study.log) - len(case.log),
        "unoffered": case.unoffered,
        "scheme": "" if case.scheme is None else case.scheme.name,
        "reward": case.reward.tolist(),
        "cost": case.cost,
        "shares": stratum_shares(strata, level),
        "assumptions": assumed(case, tests["restrictions"], study.plan.log.design == LEARN),
        "restrictions": tests["restrictions"],
        "calibration": tests["calibration"],
        "share_clipped": tests["share_clipped"],
        "ranges": ranges(strata, study.plan.log.design == LEARN),
        "violations": violations(strata, rules[BEST]),
        "rules": compare_rules(strata, rules, worth, level, of_rules[BEST]),
        "caps": cap_uses(strata, rules[BEST], level),
        "curve": reward_curve(strata, level),
        "audience": [
            row for name in (BEST, PLAN) for row in audience_rows(strata, name, rules[name], level)
        ],
        "segments": segment_rewards(study, case, worth[BEST].rows),
    }


def stratum_shares(study: StrataStudy, level: float) -> list[StratumShare]:
    """The average share of each stratum, by the signals."""
    log = study.case.log
    estimates = mean_estimates(study.signals, weight=log.weight, groups=log.groups, level=level)
    predicted = np.average(study.strata, axis=0, weights=log.weight)
    return [
        {"stratum": name, "share": estimates[s].interval, "model": float(predicted[s])}
        for s, name in enumerate(STRATA)
    ]


def assumed(case: Case, restrictions: list[dict[str, object]], observed: bool) -> list[Assumed]:
    """Each assumption with what the data say of it.   observed: treatment was not randomised."""
    status = {name: ("note", "It cannot be tested with these data.") for name in ("A1", "A2")}
    if not observed:
        status["A2"] = ("ok", "The offers were made at random, or with known probabilities.")
    status["A3"] = ("ok", "Every row had a probability of an offer strictly between 0 and 1.")
    status["A4"] = ("ok", "Nobody without an offer claimed one.")
    if case.unoffered:
        text = (
            f"{case.unoffered:,} rows without an offer show the same behaviour; it is not counted"
            " as a claim, by the plan's wish."
        )
        status["A4"] = ("note", f"{text} A claim here means: would do it when offered.")
    for test in restrictions:
        violated = bool(test["violated"])
        evidence = (
            f"the lowest of its bins has z = {test['least_z']:.1f}, alarm below"
            f" {test['critical']:.1f}"
        )
        verdict = (
            f"The data speak against it: {test['meaning']} ({evidence})."
            if violated
            else f"No sign against it: {evidence}."
        )
        status[str(test["assumption"])] = ("warn" if violated else "ok", verdict)
    columns = ("name", "title", "sentence")
    rows = [
        {key: value for key, value in asdict(one).items() if key in columns} for one in ASSUMPTIONS
    ]
    return [
        {
            "name": row["name"],
            "title": row["title"],
            "sentence": row["sentence"],
            "status": status[row["name"]][0],
            "found": status[row["name"]][1],
        }
        for row in rows
    ]


def ranges(study: StrataStudy, observed: bool) -> list[Range]:
    """Sharp ranges of the mean shares when less is assumed, and with hidden confounding where
    treatment was not randomised.
    """
    q, m0 = cells_of(study.strata)
    weight = study.case.log.weight
    rows: list[Range] = []

    def add(assume: str, names: tuple[str, ...], low: Floats, high: Floats) -> None:
        means = (
            _rounded(np.average(side, axis=0, weights=weight)).tolist() for side in (low, high)
        )
        rows.extend(
            {"assume": assume, "stratum": s, "low": a, "high": b}
            for s, a, b in zip(names, *means, strict=True)
        )

    for assume in (("A5",), ("A6",), ()):
        bounds = strata_bounds(q, m0, assume=assume)
        add("".join(assume), TYPES, bounds.low, bounds.high)
    for factor in HIDDEN if observed else ():
        add(f"Lambda {factor:g}", STRATA, *msm_strata(q, m0, study.propensity, factor))
    return rows


def violations(study: StrataStudy, chance: Floats) -> list[Violation]:
    """The shares and the reward as functions of harm h and of direct gain e.   chance: (n,), of an
    offer.
    """
    q, m0 = cells_of(study.strata)
    weight, rows = study.case.log.weight, []
    once, twice = type_reward(study.case, 1.0), type_reward(study.case, 2.0)
    for name, of_part in (("harm", with_harm), ("direct_gain", with_direct_gain)):
        for part in PARTS:
            types = of_part(q, m0, part)
            mean = _rounded(np.average(types, axis=0, weights=weight))
            reached = np.average(chance[:, None] * types, axis=0, weights=weight)
            row: Violation = {
                "of": name,
                "part": part,
                "share": float(mean[TYPES.index(name)]),
                "coupon_buyer": float(mean[COUPON_BUYER]),
                "always_buyer": float(mean[ALWAYS_BUYER]),
                "reward": float(reached @ once),
                "cautious": float(reached @ twice),
            }
            rows.append(row)
    return rows


def _rounded(shares: Floats) -> Floats:
    """Mean shares without the dust of rounding, (8,) or (5,)."""
    return np.round(shares, 12) + 0.0  # no -0.0


def type_reward(case: Case, lost: float) -> Floats:
    """The worth of an offer to each of the eight types, (8,).   lost: how often a sale that the
    offer loses counts.

    A sale is worth value + cost; where the reward is five numbers, what a coupon buyer is worth.
    """
    worth = np.zeros(len(TYPES))
    worth[: len(STRATA)] = case.reward
    sale = case.gain + case.cost if case.scheme else case.reward[COUPON_BUYER]
    paid = 0.0 if case.scheme is None else case.cost * case.scheme.paid[2]
    worth[TYPES.index("harm")] = -lost * sale - paid
    worth[TYPES.index("direct_gain")] = sale
    worth[TYPES.index("direct_loss")] = -lost * sale
    return worth


def offer_rules(study: StrataStudy) -> Rules:
    """Rules of who gets an offer within the budget of offers, each the probabilities (n,) of the
    rows; the best obey the caps.
    """
    case, n = study.case, len(study.case.log)
    scores = rule_scores(case, study.strata, study.uplift)
    best = scores.pop(BEST)
    if capped(case.plan):
        scores = {FREE: best, **scores}
    rules = {BEST: best_offers(study, case.plan.offers)}
    rules |= {
        name: within_folds(score, case.plan.offers, study.fold) for name, score in scores.items()
    }
    rules[RANDOM] = np.full(n, float(rules[BEST].mean()))
    rules[ALL] = np.ones(n)
    return rules


def rule_scores(case: Case, strata: Floats, uplift: Effects) -> dict[str, Floats]:
    """What each rule by a score ranks rows by, (n,).   strata: (n, 5); uplift: of n rows."""
    scores = {BEST: strata @ case.reward}
    if case.scheme is not None:
        levels = uplift.levels()[:, :, 1]
        scores["profit uplift"] = uplift.values[:, 0, 0]
        scores["classical uplift"] = uplift_reward(
            levels[:, 1], levels[:, 0], gain=case.gain, cost=case.cost
        )
        scores["naive"] = naive_reward(levels[:, 1], gain=case.gain, cost=case.cost)
    return scores


def rule_moves(study: StrataStudy, share: float, swaps: Swaps | None = None) -> RuleMoves:
    """What each rule gains otherwise where a fold is swapped for another: it widens the intervals
    of its worth (`pipeline.study.swaps`).   swaps: of the plan's own policy.

    A rule within caps counts for what it would be without.
    """
    own = [rule_scores(study.case, study.strata, study.uplift)]
    own += [rule_scores(study.case, part.strata, part.uplift) for part in study.swapped]
    moves = {
        name: moves_by_score(study, [scores[name] for scores in own], share) for name in own[0]
    }
    return moves | {FREE: moves[BEST], PLAN: moves_of_plan(study, swaps)}


def judge_rules(
    study: StrataStudy, rules: Rules, level: float, of_rules: RuleMoves
) -> dict[str, OfferValue]:
    """The worth of each rule.   of_rules: `rule_moves`."""
    return {
        name: judged(study, chance, of_rules.get(name), level) for name, chance in rules.items()
    }


def compare_rules(
    study: StrataStudy,
    rules: Rules,
    worth: dict[str, OfferValue],
    level: float,
    best_moves: Moves | None,
) -> list[OfferRule]:
    """The best offers by strata first, then each other rule with its paired difference from
    them.
    """
    log, rows = study.case.log, []
    for name, value in worth.items():
        gap = (worth[BEST].rows - value.rows)[:, None]
        one = mean_estimates(gap, weight=log.weight, groups=log.groups, level=level)[0]
        lead = widen(study, one, best_moves, level).interval
        row: OfferRule = {
            "rule": name,
            "kind": KIND_OF_RULE.get(name, "score"),
            "offered": float(np.average(rules[name], weights=log.weight)),
            "value": value.estimate.interval,
            "lower": value.lower,
            "lead": [] if name == BEST else lead,
        }
        rows.append(row)
    return rows


def reward_curve(study: StrataStudy, level: float) -> list[OfferPoint]:
    """The worth of the best offers by strata under each budget of offers."""
    points: list[OfferPoint] = []
    for share in SHARES:
        chance, own = best_offers(study, share), rule_moves(study, share)[BEST]
        value = judged(study, chance, own, level)
        points.append(
            {
                "share": share,
                "offered": float(np.average(chance, weights=study.case.log.weight)),
                "value": value.estimate.interval,
                "lower": value.lower,
            }
        )
    return points


def audience_rows(study: StrataStudy, rule: str, chance: Floats, level: float) -> list[AudienceRow]:
    """Who gets the offers of a rule, by stratum, in totals of the case's rows."""
    case, log = study.case, study.case.log
    scheme = case.scheme or NOTHING_PAID
    lines = audience(
        chance,
        study.signals,
        scheme,
        gain=case.gain,
        cost=case.cost,
        weight=log.weight,
        groups=log.groups,
        level=level,
    )
    return [
        {
            "rule": rule,
            "stratum": line.stratum,
            "units": line.units.interval,
            "offered": line.offered.interval,
            "paid": _scaled(line.paid.interval, 1.0),
            "reward": _scaled(line.offered.interval, case.reward[s]),
        }
        for s, line in enumerate(lines)
    ]


def _scaled(interval: list[float], factor: float) -> list[float]:
    value, *ends = (float(factor * end) + 0.0 for end in interval)  # no -0.0
    return [value, *sorted(ends)]


def segment_rewards(study: Study, case: Case, rows: Floats) -> list[SegmentReward]:
    """The reward of the best offers in every audited group with at least two rows.   rows: (n,), of
    that rule's value.
    """
    log, level = case.log, study.plan.report.level
    segments: list[SegmentReward] = []
    for column in dict.fromkeys([*study.log.roles.protected, *study.task.groups]):
        codes, labels = audit_groups(study.log, column)
        inside = codes[case.rows]
        counts = np.bincount(inside, minlength=len(labels))
        large = counts[inside] >= 2
        weight = None if log.weight is None else log.weight[large]
        groups = None if log.groups is None else log.groups[large]
        rewards = reward_by_segment(
            rows[large], inside[large], weight=weight, groups=groups, level=level
        )
        for code, reward in rewards.items():
            place = int(code)
            row: SegmentReward = {
                "column": column,
                "group": labels[place],
                "rows": int(counts[place]),
                "reward": reward.interval,
            }
            segments.append(row)
    return segments
