"""The findings of a run whose rows were judged by sums: what the sample told of the value of the
policy, of average effects, rankings and checks is replaced by what all rows tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from equipoise.core.arrays import Floats
from equipoise.core.checks import Check
from equipoise.core.columns import free_name
from equipoise.core.estimates import Estimates
from equipoise.core.log import Log
from equipoise.evaluation.average import AverageEffects, stacked
from equipoise.evaluation.lift import relative_lift
from equipoise.pipeline.bounded.blocks import BlockMeans, add_rows, whole_numbers
from equipoise.pipeline.bounded.checks import (
    HERE,
    AllRows,
    balance_of,
    checks_of_all,
    tells_balance,
)
from equipoise.pipeline.bounded.judging import Judged
from equipoise.pipeline.bounded.kept import Arrays
from equipoise.pipeline.bounded.keys import BLOCK, unit_draws, unit_of
from equipoise.pipeline.bounded.learning_error import LearningError
from equipoise.pipeline.bounded.open_arms import open_to
from equipoise.pipeline.bounded.rankings import rankings_of
from equipoise.pipeline.bounded.sample import Sample
from equipoise.pipeline.findings.diagnostics import POINTS, average_rows
from equipoise.pipeline.findings.profile import profile_of
from equipoise.pipeline.next_experiment import power_rows
from equipoise.pipeline.study.overlap import BEHIND, behind_check
from equipoise.pipeline.study.population import POPULATION
from equipoise.pipeline.study.study import Study
from equipoise.report.findings import Arm, DemandRow, Findings, GroupShare, Interval, Rival
from equipoise.report.findings_read import ReadFindings
from equipoise.report.headline import answers, headline
from equipoise.report.sentences import risks
from equipoise.report.verdict import verdict_of


@dataclass(frozen=True)
class Judgement:
    """What sums over the judged rows say of policies.   sums : as `judging` makes them;  error :
    what values may be off by since propensities were learnt from the sample.
    """

    judged: Judged
    sums: Arrays
    error: LearningError | None = None

    @property
    def cells(self) -> int:
        """K."""
        return len(self.judged.log.cell_names)

    @property
    def values(self) -> Floats:
        """(C, K, width)."""
        layout = self.judged.layout
        return self.sums["values"].reshape(layout.blocks, self.cells, layout.width)

    @property
    def means(self) -> BlockMeans:
        """Of the judged rows."""
        return BlockMeans(self.values[:, :, 0], self.values[:, :, 1], self.judged.level)

    @property
    def rows(self) -> int:
        """How many were judged."""
        return int(self.sums["counts"][0])

    @property
    def shares(self) -> Floats:
        """The share of rows that each cell is given to, (K,)."""
        share: Floats = self.sums["counts"][1 : 1 + self.cells] / max(self.rows, 1)
        return share

    @property
    def expected(self) -> tuple[Floats, float]:
        """The mean expected cost of each candidate where it is open, (k,), and of the rule's
        choices.
        """
        cost = self.sums["counts"][1 + self.cells :][: self.cells] / max(self.rows, 1)
        return cost[:-1], float(cost[-1])

    @property
    def open(self) -> Floats:
        """The share of rows that each candidate is open to, (k,)."""
        share: Floats = self.sums["counts"][1 - self.cells :] / max(self.rows, 1)
        return share

    @property
    def gap(self) -> float | None:
        """The share of the best objective that may be missing; None where nothing bounds it."""
        bound, worth = self.judged.bound, float(self.sums["counts"][1 + 2 * self.cells])
        if bound is None or not bound > 0:
            return None
        return max(bound - worth, 0.0) / bound

    @property
    def chosen(self) -> Floats:
        """Sums of the rule's gains and its spend, (C, K, m + 1)."""
        return self.values[:, :, self.judged.layout.chosen]

    def constant(self, share: Floats) -> tuple[Floats, BlockMeans, Floats]:
        """The same sums of candidates given at random, in each slot each in its share of those whom
        it is open to, (s, k); and of the rule, in as many blocks, and what their means are made by.
        """
        layout, patterns = self.judged.layout, self.judged.patterns
        if patterns is not None:
            few = self.values.reshape(patterns.blocks, -1, *self.values.shape[1:]).sum(axis=1)
            means = BlockMeans(few[:, :, 0], few[:, :, 1], self.judged.level)
            return patterns.given(self.sums, share), means, few[:, :, layout.chosen]
        scores = self.values[:, :, layout.scores].reshape(*self.values.shape[:2], self.cells, -1)
        gains = np.einsum("cfam,a->cfm", scores[:, :, 1:] - scores[:, :, :1], share[0])
        spend = self.values[:, :, layout.spend] @ share[0]
        sums = np.concatenate([gains, spend[:, :, None]], axis=2)
        return sums, self.means, self.chosen

    def everybody(self, candidate: int) -> Floats:
        """The shares of a candidate for everybody whom it is open to, (s, k)."""
        slots = 1 if self.judged.patterns is None else self.judged.patterns.slots
        return np.repeat(np.eye(self.cells - 1)[[candidate]], slots, axis=0)

    def at_equal_spend(self) -> tuple[Floats, float]:
        """The shares of the rule's candidates in each slot, (s, k), of those whom each is open to,
        given at random at its expected spend, or to everybody; and who gets one in all.
        """
        price, spent = self.expected
        share = self.shares[1:] / np.maximum(self.open, np.finfo(np.float64).tiny)
        at_random = float(price @ share)
        given = share * (spent / at_random if at_random > 0 else 1.0)
        patterns = self.judged.patterns
        if patterns is None:
            given = given / max(float(given.sum()), 1.0)
            return given[None], float(given.sum())
        shares = patterns.within(self.sums, given)
        each = (patterns.sets * shares[patterns.slot]).sum(axis=1)
        return shares, float(self.sums["patterns"] @ each / max(self.rows, 1))

    @property
    def rule(self) -> Floats:
        """The rule among the policies of `LearningError`, (1 + k,)."""
        rule: Floats = np.eye(1, self.cells)[0]
        return rule

    def estimates(
        self, gains: Floats, worth: Floats, mix: Floats, means: BlockMeans | None = None
    ) -> Estimates:
        """Means of sums of gains and of spend, (C, K, m + 1), in the columns of worth, (m + 1, q).
        mix: (1 + k,) the policy as one of `LearningError`.
        """
        made_by = self.means if means is None else means
        estimates = made_by.means(gains @ worth)
        if self.error is None:
            return estimates
        share = float(made_by.weight.sum() / self.means.weight.sum())
        return self.error.widened(estimates, mix, worth, self.judged.level, share)

    def intervals(
        self, gains: Floats, mix: Floats, means: BlockMeans | None = None
    ) -> tuple[dict[str, Interval], Interval]:
        """Means of gains and of spend, (C, K, m + 1) sums: of each metric, behind them of the net
        worth where the objective is money, and of the spend.   mix: as of `estimates`.
        """
        worth, metrics = self.worth, self.judged.log.metrics
        every = np.eye(len(metrics) + 1)
        every = every if worth is None else np.column_stack([every, worth])
        estimates = self.estimates(gains, every, mix, means)
        values = {name: estimates[j].interval for j, name in enumerate(metrics)}
        if worth is not None:
            values[free_name("net", metrics)] = estimates[len(metrics) + 1].interval
        return values, estimates[len(metrics)].interval

    @property
    def worth(self) -> Floats | None:
        """What metrics and spend are worth, (m + 1,); None where the objective is no money."""
        objective = self.judged.objective
        if not objective.is_money:
            return None
        weights = [objective.weights[name] for name in self.judged.log.metrics]
        return np.array([*weights, -objective.cost_weight])

    def weighted(self, weights: dict[str, float]) -> Interval | None:
        """The weighted sum of the gains, where it has several metrics and is no money."""
        if self.worth is not None or sum(map(bool, weights.values())) < 2:
            return None
        worth = np.array([*(weights[name] for name in self.judged.log.metrics), 0.0])
        return self.estimates(self.chosen, worth[:, None], self.rule)[0].interval


def rivals_of(judgement: Judgement, names: Sequence[str]) -> list[Rival]:
    """The rule and what it is measured against, as `targeting.rivals`.   names: of the cells."""
    chosen, means, rule = judgement.chosen, judgement.means, judgement.rule
    policies: list[tuple[str, str, tuple[Floats, BlockMeans, Floats], Floats, float]] = [
        ("chosen", "chosen", (chosen, means, chosen), rule, 1 - float(judgement.shares[0])),
        ("nobody", "control", (np.zeros_like(chosen), means, chosen), 0 * rule, 0.0),
    ]
    for a, name in enumerate(names[1:]):
        sums, mix = judgement.constant(judgement.everybody(a)), np.roll(rule, 1 + a)
        policies.append((f"everybody: {name}", "constant", sums, mix, float(judgement.open[a])))
    lots, treated = judgement.at_equal_spend()
    mix = np.r_[0.0, lots.mean(axis=0)]
    policies.append(("random at equal cost", "random", judgement.constant(lots), mix, treated))
    rows: list[Rival] = []
    for policy, kind, (gains, means, own), mix, treated in policies:
        values, spend = judgement.intervals(gains, mix, means)
        against = {} if kind == "chosen" else judgement.intervals(own - gains, rule - mix, means)[0]
        rows.append(
            {
                "policy": policy,
                "kind": kind,
                "values": values,
                "spend": spend,
                "treated": treated,
                "against_chosen": against,
            }
        )
    return rows


@dataclass(frozen=True)
class Counted:
    """The sample's rows that an answer is for.   log : of the whole sample.   rows : these.
    weight : (n,) how much each counts.   crowd : of the whole sample, the sums of `population`.
    """

    log: Log
    rows: Sample
    weight: Floats
    crowd: Arrays


def sample_sums(study: Study, judged: Judged, sample: Counted) -> Floats:
    """w, w / e and w scores of the sample's rows by models that never saw them, in the columns of
    `judging.Layout`, (C, K, width).
    """
    log, layout, w = study.log, judged.layout, sample.weight
    inverse = w / study.design.propensity[np.arange(len(log)), log.cells]
    scores = study.judge.scores.reshape(len(log), -1)
    own = np.column_stack([w, inverse])
    columns = np.column_stack([own, w[:, None] * scores])
    draw = unit_draws(sample.rows.table, judged.asked.roles, judged.asked.seed, BLOCK)
    code = whole_numbers(draw, layout.blocks) * layout.cells + log.cells
    sums = np.zeros((layout.blocks * layout.cells, layout.width))
    add_rows(code, columns, sums[:, : columns.shape[1]])
    for a in layout.closed:
        arm = np.concatenate([study.judge.scores[:, 0], study.judge.scores[:, 1 + a]], axis=1)
        there = open_to(log)[:, 1 + a, None]
        part = np.where(there, np.column_stack([own, w[:, None] * arm]), 0.0)
        add_rows(code, part, sums[:, layout.part(a)])
    return sums.reshape(layout.blocks, layout.cells, -1)


def averages_of(sums: Floats, judgement: Judgement, every: AllRows) -> list[Any]:
    """The average effects by sums over all rows, (C, K, width)."""
    judged = judgement.judged
    log, level, layout = judged.log, judged.level, judged.layout
    scores = sums[:, :, layout.scores].reshape(*sums.shape[:2], layout.cells, -1)
    means = BlockMeans(sums[:, :, 0], sums[:, :, 1], level)
    control = means.means(scores[:, :, 0])
    signed = every.sums["least_y"] < 0
    effects: list[Estimates] = []
    lifts: list[Estimates] = []
    errors: list[Floats] = []
    for a in range(layout.cells - 1):
        part = (
            sums[:, :, layout.part(a)]
            if a in layout.closed
            else np.concatenate([sums[:, :, :2], scores[:, :, 0], scores[:, :, 1 + a]], axis=2)
        )
        nobody, arm, effect = _mean(part, level)
        if judgement.error is not None:
            worth, mix = np.eye(layout.metrics + 1, layout.metrics), np.roll(judgement.rule, 1 + a)
            effect = judgement.error.widened(effect, mix, worth, level)
        effects.append(effect)
        lifts.append(relative_lift(effect, nobody, arm.std_error, signed))
        errors.append(arm.std_error)
    average = AverageEffects(control, stacked(effects), np.stack(errors), stacked(lifts))
    return average_rows(average, (log.metrics, log.cell_names[1:]), signed, level)


def _mean(sums: Floats, level: float) -> tuple[Estimates, Estimates, Estimates]:
    """The means under control and under an arm, and of the difference, (m,) each, by sums of w,
    w / e and the m scores of both, (C, K, 2 + 2 m).
    """
    means, m = BlockMeans(sums[:, :, 0], sums[:, :, 1], level), (sums.shape[2] - 2) // 2
    nobody, arm = sums[:, :, 2 : 2 + m], sums[:, :, 2 + m : 2 + 2 * m]
    return means.means(nobody), means.means(arm), means.means(arm - nobody)


def groups_of(judgement: Judgement) -> list[GroupShare]:
    """Who gets what in every group of the audited columns, as `findings.profile.group_shares`."""
    judged, K = judgement.judged, judgement.cells
    groups: list[GroupShare] = []
    for i, (column, audit) in enumerate(judged.audited):
        labels = (*audit.labels, free_name("other", audit.labels))
        counts = judgement.sums[f"group_counts_{i}"]
        sums = judgement.sums[f"group_{i}"]
        sums = sums.reshape(len(labels), -1, K, sums.shape[1])
        for label, count, own in zip(labels, counts, sums, strict=True):
            rows = int(count[:K].sum())
            if rows < 2:
                continue
            means = BlockMeans(own[:, :, 0], own[:, :, 1], judged.level)
            shares = dict(zip(judged.log.cell_names, (count[:K] / rows).tolist(), strict=True))
            groups.append(
                {
                    "column": column,
                    "group": label,
                    "rows": rows,
                    "shares": shares,
                    "spend": float(count[K] / rows),
                    "values": judgement.intervals(own[:, :, 2:], judgement.rule, means)[0],
                }
            )
    return groups


def demands_of(judgement: Judgement, rows: Sequence[DemandRow]) -> list[DemandRow]:
    """The demands with what the rule uses of them on the judged rows."""
    usage, heads = judgement.sums["usage"]
    used = {
        demand.name: (demand.sign if demand.metric is not None else 1.0) * use / max(count, 1.0)
        for demand, use, count in zip(
            judgement.judged.scorer.policy.demands, usage, heads, strict=True
        )
    }
    return [{**row, "used": float(used.get(row["name"], row["used"]))} for row in rows]


def tell(
    findings: Findings,
    study: Study,
    sample: Counted,
    every: AllRows,
    judgement: Judgement,
    partitions: int,
) -> Findings:
    """The findings of the sample with what all rows tell in their place."""
    judged, log, plan = judgement.judged, study.log, study.plan
    told: Findings = {**findings}
    of_sample = findings["experiment"]
    facts = _experiment(study, sample, every, judgement, of_sample["checks"])
    told["experiment"] = {**of_sample, **facts}  # type: ignore[typeddict-item]
    sums = judgement.values + sample_sums(study, judged, sample)
    told["averages"] = averages_of(sums, judgement, every)
    names = (log.metrics, log.cell_names[1:])
    told["rankings"], told["deciles"], told["calibration"], loss = rankings_of(
        judgement.sums,
        judged.bins,
        names,
        POINTS,
        judged.level,
        plan.run.seed,
        None if judgement.error is None else judgement.error.rankings,
    )
    told["rivals"] = rivals_of(judgement, log.cell_names)
    told["policy"] = {**findings["policy"], **_policy(findings, judgement)}  # type: ignore[typeddict-item]
    read: ReadFindings = {
        "rows": every.rows,
        "sample": len(log),
        "judged": judgement.rows,
        "drawn_by": unit_of(log.roles),
        "partitions": partitions,
        "blocks": judged.layout.blocks,
        "binning": loss,
        "learnt": judgement.error is not None,
        "left": every.rows - told["experiment"]["rows"],
        "of_sample": [one["name"] for one in facts["checks"] if one["summary"].startswith(HERE)],
    }
    told["read"] = read
    if plan.report.population is None:
        told["people"] = told["experiment"]["rows"]
    told["power"] = power_rows(told)
    told["verdict"], told["answers"] = verdict_of(told), answers(told)
    told["headline"], told["risks"] = headline(told), risks(told)
    return told


def _experiment(
    study: Study,
    sample: Counted,
    every: AllRows,
    judgement: Judgement,
    of_sample: Sequence[Check],
) -> dict[str, Any]:
    """The parts of the experiment that all rows tell.   of_sample: its checks."""
    log, judged, overlap = study.log, judgement.judged, study.plan.log.overlap
    counts = np.bincount(log.cells, minlength=judgement.cells) + judgement.sums["cells"]
    known = log.propensity is not None and log.roles.design != "shares"
    expected = study.design.propensity.sum(axis=0) + judgement.sums["chances"]
    n = len(log) + judgement.rows
    arms: list[Arm] = [
        {
            "name": name,
            "rows": int(count),
            "share": float(count / n),
            "expected": float(expected[a] / n) if known else None,
        }
        for a, (name, count) in enumerate(zip(log.cell_names, counts, strict=True))
    ]
    own = {
        BEHIND: behind_check(
            judgement.sums["behind"], bool(judgement.shares[0] < 1), judged.uneven, overlap
        )
    }
    crowd = {name: judgement.sums[name] + part for name, part in sample.crowd.items()}
    if (people := judged.crowd.check(crowd)) is not None:
        own[POPULATION] = people
    checks = checks_of_all(sample.log, every, of_sample, overlap)
    facts = {"rows": n, "arms": arms, "checks": [own.get(one["name"], one) for one in checks]}
    whole = tells_balance(sample.log, every, overlap)
    return {**facts, "balance": balance_of(sample.log, every)} if whole else facts


def _policy(findings: Findings, judgement: Judgement) -> dict[str, Any]:
    """The parts of the policy that the judged rows tell."""
    judged, names = judgement.judged, judgement.judged.log.cell_names
    values, spend = judgement.intervals(judgement.chosen, judgement.rule)
    treated = 1 - float(judgement.shares[0])
    features = judged.features.get_feature_names_out().tolist()
    facts: dict[str, Any] = {
        "shares": dict(zip(names, judgement.shares.tolist(), strict=True)),
        "demands": demands_of(judgement, findings["policy"]["demands"]),
        "shipped": {"rows": judgement.rows, "treated": treated, "values": values, "spend": spend},
        "groups": groups_of(judgement),
        "profile": profile_of(features, judgement.sums["profile"], judged.centre),
    }
    cost = judgement.means.means(judgement.values[:, :, judged.layout.expected, None])[0].interval
    weighs, row_by_row = judged.log.roles.weight or judged.crowd.rule, judgement.expected[1]
    if weighs and row_by_row > 0:
        facts["weighing"] = cost[0] / row_by_row
    if findings["policy"]["carried"] is not None:
        facts["carried"] = cost
    if (start := findings["policy"].get("start")) is not None:
        new = judgement.sums[f"group_counts_{len(judged.audited) - 1}"][0, : judgement.cells]
        facts["start"] = {**start, "rows": start["rows"] + int(new.sum())}
    if judgement.gap is not None:
        facts["gap"] = judgement.gap
    objective = judgement.weighted(findings["policy"]["weights"])
    return facts if objective is None else {**facts, "objective": objective}
