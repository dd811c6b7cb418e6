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
from equipoise.pipeline.bounded.checks import AllRows, balance_of, checks_of_all
from equipoise.pipeline.bounded.judging import Judged, open_patterns
from equipoise.pipeline.bounded.kept import Arrays
from equipoise.pipeline.bounded.keys import BLOCK, unit_draws, unit_of
from equipoise.pipeline.bounded.rankings import rankings_of
from equipoise.pipeline.bounded.sample import Sample
from equipoise.pipeline.findings.diagnostics import POINTS, average_rows
from equipoise.pipeline.findings.profile import profile_of
from equipoise.pipeline.next_experiment import power_rows
from equipoise.pipeline.study.overlap import BEHIND, behind_check
from equipoise.pipeline.study.study import Study
from equipoise.report.findings import Arm, DemandRow, Findings, GroupShare, Interval, Rival
from equipoise.report.findings_read import ReadFindings
from equipoise.report.headline import answers, headline
from equipoise.report.sentences import risks
from equipoise.report.verdict import verdict_of


@dataclass(frozen=True)
class Judgement:
    """What sums over the judged rows say of policies.   sums : as `judging` makes them."""

    judged: Judged
    sums: Arrays

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

    def constant(self, share: Floats) -> Floats:
        """The same sums of candidates given at random, each in its share of those whom it is open
        to, (k,).
        """
        layout, shape = self.judged.layout, self.values.shape[:2]
        if layout.limited:
            each = self.values[:, :, layout.opened].reshape(*shape, self.cells - 1, -1)
        else:
            scores = self.values[:, :, layout.scores].reshape(*shape, self.cells, -1)
            each = scores[:, :, 1:] - scores[:, :, :1]
        gains = np.einsum("cfam,a->cfm", each, share)
        spend = self.values[:, :, layout.spend] @ share
        return np.concatenate([gains, spend[:, :, None]], axis=2)

    def at_equal_spend(self) -> Floats:
        """The shares (k,) of the rule's candidates, of those whom each is open to, given at random
        at its expected spend, or to everybody.
        """
        price, spent = self.expected
        share = self.shares[1:] / np.maximum(self.open, np.finfo(np.float64).tiny)
        at_random = float(price @ share)
        given = share * (spent / at_random if at_random > 0 else 1.0)
        there = open_patterns(self.judged.scorer)[self.sums["open_to"] > 0]
        most = given @ there.T if len(there) else given.sum()
        return given / max(float(np.max(most)), 1.0)

    def intervals(
        self, gains: Floats, means: BlockMeans | None = None
    ) -> tuple[dict[str, Interval], Interval]:
        """Means of gains and of spend, (C, K, m + 1) sums: of each metric, behind them of the net
        worth where the objective is money, and of the spend.
        """
        worth, metrics = self.worth, self.judged.log.metrics
        every = gains if worth is None else np.concatenate([gains, gains @ worth[:, None]], axis=2)
        estimates = (self.means if means is None else means).means(every)
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
        return self.means.means(self.chosen @ worth[:, None])[0].interval


def rivals_of(judgement: Judgement, names: Sequence[str]) -> list[Rival]:
    """The rule and what it is measured against, as `targeting.rivals`.   names: of the cells."""
    chosen, k = judgement.chosen, judgement.cells - 1
    shares = judgement.shares
    policies: list[tuple[str, str, Floats, float]] = [
        ("chosen", "chosen", chosen, 1 - float(shares[0])),
        ("nobody", "control", np.zeros_like(chosen), 0.0),
    ]
    for a, name in enumerate(names[1:]):
        sums = judgement.constant(np.eye(k)[a])
        policies.append((f"everybody: {name}", "constant", sums, float(judgement.open[a])))
    share = judgement.at_equal_spend()
    lots = judgement.constant(share)
    policies.append(("random at equal cost", "random", lots, float(share @ judgement.open)))
    rows: list[Rival] = []
    for policy, kind, sums, treated in policies:
        values, spend = judgement.intervals(sums)
        against = {} if kind == "chosen" else judgement.intervals(chosen - sums)[0]
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


def sample_sums(study: Study, judged: Judged, sample: Sample) -> Floats:
    """w, w / e and w scores of the sample's rows by models that never saw them, in the columns of
    `judging.Layout`, (C, K, width).
    """
    log, layout = study.log, judged.layout
    named = log.roles.weight
    w = np.ones(len(log)) if named is None else log.numbers(named)
    inverse = w / study.design.propensity[np.arange(len(log)), log.cells]
    scores = study.judge.scores.reshape(len(log), -1)
    columns = np.column_stack([w, inverse, w[:, None] * scores])
    draw = unit_draws(sample.table, judged.asked.roles, judged.asked.seed, BLOCK)
    code = whole_numbers(draw, layout.blocks) * layout.cells + log.cells
    sums = np.zeros((layout.blocks * layout.cells, layout.width))
    add_rows(code, columns, sums[:, : columns.shape[1]])
    return sums.reshape(layout.blocks, layout.cells, -1)


def averages_of(sums: Floats, judged: Judged, every: AllRows) -> list[Any]:
    """The average effects by sums over all rows, (C, K, width)."""
    log, level = judged.log, judged.level
    means = BlockMeans(sums[:, :, 0], sums[:, :, 1], level)
    scores = sums[:, :, judged.layout.scores]
    scores = scores.reshape(*scores.shape[:2], judged.layout.cells, -1)
    each = [means.means(scores[:, :, a]) for a in range(judged.layout.cells)]
    signed = every.sums["least_y"] < 0
    effects: list[Estimates] = []
    lifts: list[Estimates] = []
    for a, arm in enumerate(each[1:], 1):
        effects.append(means.means(scores[:, :, a] - scores[:, :, 0]))
        lifts.append(relative_lift(effects[-1], each[0], arm.std_error, signed))
    own = np.stack([arm.std_error for arm in each[1:]])
    average = AverageEffects(each[0], stacked(effects), own, stacked(lifts))
    return average_rows(average, (log.metrics, log.cell_names[1:]), signed, level)


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
                    "values": judgement.intervals(own[:, :, 2:], means)[0],
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
    sample: Sample,
    every: AllRows,
    judgement: Judgement,
    partitions: int,
) -> Findings:
    """The findings of the sample with what all rows tell in their place."""
    judged, log, plan = judgement.judged, study.log, study.plan
    told: Findings = {**findings}
    of_sample = findings["experiment"]
    facts = _experiment(log, every, judgement, of_sample["checks"])
    told["experiment"] = {**of_sample, **facts}  # type: ignore[typeddict-item]
    sums = judgement.values + sample_sums(study, judged, sample)
    told["averages"] = averages_of(sums, judged, every)
    names = (log.metrics, log.cell_names[1:])
    told["rankings"], told["deciles"], told["calibration"], loss = rankings_of(
        judgement.sums, judged.bins, names, POINTS, judged.level, plan.run.seed
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
    }
    told["read"] = read
    told["power"] = power_rows(told)
    told["verdict"], told["answers"] = verdict_of(told), answers(told)
    told["headline"], told["risks"] = headline(told), risks(told)
    return told


def _experiment(
    log: Log, every: AllRows, judgement: Judgement, of_sample: Sequence[Check]
) -> dict[str, Any]:
    """The parts of the experiment that all rows tell.   of_sample: its checks."""
    counts, n = every.sums["cells"], every.rows
    expected = every.sums.get("expected")
    arms: list[Arm] = [
        {
            "name": name,
            "rows": int(count),
            "share": float(count / n),
            "expected": None if expected is None else float(expected[a] / n),
        }
        for a, (name, count) in enumerate(zip(log.cell_names, counts, strict=True))
    ]
    behind = behind_check(
        judgement.sums["behind"], bool(judgement.shares[0] < 1), judgement.judged.uneven
    )
    checks = checks_of_all(log, every, of_sample)
    checks = [behind if one["name"] == BEHIND else one for one in checks]
    facts = {"rows": n, "arms": arms, "checks": checks}
    return facts if log.periods is not None else {**facts, "balance": balance_of(log, every)}


def _policy(findings: Findings, judgement: Judgement) -> dict[str, Any]:
    """The parts of the policy that the judged rows tell."""
    judged, names = judgement.judged, judgement.judged.log.cell_names
    values, spend = judgement.intervals(judgement.chosen)
    treated = 1 - float(judgement.shares[0])
    features = judged.features.get_feature_names_out().tolist()
    facts: dict[str, Any] = {
        "shares": dict(zip(names, judgement.shares.tolist(), strict=True)),
        "demands": demands_of(judgement, findings["policy"]["demands"]),
        "shipped": {"rows": judgement.rows, "treated": treated, "values": values, "spend": spend},
        "groups": groups_of(judgement),
        "profile": profile_of(features, judgement.sums["profile"], judged.centre),
    }
    if findings["policy"]["carried"] is not None:
        cost = judgement.values[:, :, judged.layout.expected, None]
        facts["carried"] = judgement.means.means(cost)[0].interval
    if judgement.gap is not None:
        facts["gap"] = judgement.gap
    objective = judgement.weighted(findings["policy"]["weights"])
    return facts if objective is None else {**facts, "objective": objective}
