"""Any number of models and policies on one log in one call, each against the first, paired.

models      qini, autoc, ... of every candidate and metric, and losses of the predicted effects
policies    gain over control, value, cost and net worth, by doubly robust scores

Differences are means of rows' differences (for rankings, of their influence values), so that what
two share cancels; their p-values are adjusted by Holm's steps for all differences of the call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Literal, NamedTuple

import numpy as np

from equipoise.artifacts.costs import make_costs
from equipoise.core.arrays import Floats
from equipoise.core.balance import Check
from equipoise.core.effects import Effects
from equipoise.core.errors import InputError
from equipoise.core.estimates import Estimate
from equipoise.core.log import Log
from equipoise.core.suggest import among
from equipoise.estimators import SLearner
from equipoise.evaluation import (
    METRICS,
    EvaluationData,
    ScoreRanking,
    compare_rankings,
    effect_loss,
    evaluation_data,
    holm,
    rank_by_score,
)
from equipoise.evaluation.effect_losses import EffectLoss
from equipoise.pipeline.comparison_table import Compared, ComparisonTable
from equipoise.pipeline.evaluate import on_the_log
from equipoise.pipeline.plan.money import objective_of
from equipoise.pipeline.plan.read import policy_keys
from equipoise.pipeline.policy_forms import Shares, effects_or_shares
from equipoise.pipeline.study.cross_fit import cross_fit, fitted_metrics, log_folds
from equipoise.pipeline.study.evaluator import Judge, make_judge
from equipoise.pipeline.study.overlap import rows_behind
from equipoise.pipeline.study.propensity import (
    design_in_python,
    learnt_propensity,
    propensity_of,
)

LOSSES: dict[str, Literal["dr", "r", "plug_in"]] = {
    "dr_loss": "dr",
    "r_loss": "r",
    "plug_in_loss": "plug_in",
}
VALUE, GAIN, COST, NET, TREATED = "value", "gain", "cost", "net", "treated"


def compare(
    things: Mapping[str, Any],
    log: Log,
    *,
    measures: Sequence[str] = ("qini", "autoc", "dr_loss"),
    pairs: str = "first",
    levels: Any = None,
    cost: Any = None,
    sending: Any = None,
    paid: str | None = None,
    weights: Mapping[str, float] | None = None,
    currency: str = "",
    cv: int = 3,
    random_state: int = 0,
    level: float = 0.95,
    undesigned: str = "learn",
) -> ComparisonTable:
    """Models and policies on one log, each with its figures, and paired against the first.

    Parameters
    ----------
    things : mapping of str to anything that is effects or a policy
        By name.  Models: `Effects`; a frame of scores as `Effects.from_frame` reads it; numbers
        (n, k) or (n, k, m); an unfitted estimator, which is cross-fitted on the log.  Policies: an
        arm's name (everybody gets it); labels (n,); whole numbers (n,), -1 control and a candidate
        a, which are names where all arms are named by numbers; probabilities (n, K), or a frame
        with a column for control; a `HonestPolicy`; a `Scorer`; the folder of a run or of a policy;
        a file with a frame.  Frames with the log's id column are put in its order.
    log : Log
        The rows that judge.  Models and policies must not have learnt from their outcomes: effects
        out of fold, a `HonestPolicy` of this very log, or anything made of other rows.
    measures : sequence of str, default ("qini", "autoc", "dr_loss")
        Of models: names in `METRICS` with influence values, and "dr_loss", "r_loss",
        "plug_in_loss", which take predictions in the metric's unit; a score of another scale has a
        ranking only.
    pairs : {"first", "all"}, default "first"
        Which differences: of each from the first of its kind, or of all pairs.
    levels : estimator or Effects, default None
        What predicts the outcomes' levels in the doubly robust scores, out of fold.  None: the
        cells' means, or an `SLearner` where the propensity is learnt.
    cost, sending, paid, weights : default None
        What offers cost, and what metrics are worth, as the keys of a plan's [policy]; without a
        cost there are no costs, and net worth only where metrics are money.
    currency : str, default ""
        As in a plan's [report].
    cv : int, default 3
        Folds of what is fitted here.
    random_state : int, default 0
        Of the folds.
    level : float, default 0.95
        Of the intervals; differences are told where the adjusted p-value is at most 1 - level.
    undesigned : {"learn", "stop", "shares"}, default "learn"
        What to do where nothing says how treatment was given; see `honest_policy`.

    Returns
    -------
    ComparisonTable
        Figures and differences, with ``to_table()``, ``to_pandas()``, ``to_polars()`` and
        ``plot()``.  Of a metric of which less is better, rankings are of its fall.

    Raises
    ------
    InputError
        Where something is neither effects nor a policy of the log's rows and arms, or a name of a
        measure is unknown.

    Notes
    -----
    All differences of a call are one family (Holm 1979): ask for fewer measures to tell more.
    Intervals are not adjusted.

    Examples
    --------
    >>> import equipoise as eq
    >>> log, truth = eq.datasets.make_coupon_world(400, metrics=("conversion",))
    >>> shuffled = truth.effects().values[::-1, :, 0]
    >>> models = {"truth": truth.effects(), "scores": shuffled}
    >>> table = eq.compare(models, log, measures=["qini"])
    >>> [(row.name, row.less) for row in table.differences][:1]
    [('scores', 'truth')]
    >>> policies = {"all": log.cell_names[1], "lots": np.full((400, 3), 1 / 3)}
    >>> sorted({row.measure for row in eq.compare(policies, log, cost=1.0).differences})
    ['cost', 'gain']
    """
    _check_call(things, log, measures, pairs)
    forms = {
        name: effects_or_shares(thing, log, repr(name), cv, random_state)
        for name, thing in things.items()
    }
    said = {"cost": cost, "sending": sending, "paid": paid}
    keys = policy_keys({**said, "weights": None if weights is None else dict(weights)})
    evidence = _evidence(log, levels, cost, cv, random_state, undesigned)
    models = {name: form for name, form in forms.items() if isinstance(form, Effects)}
    policies = {name: form for name, form in forms.items() if not isinstance(form, Effects)}
    figures: list[Compared] = []
    differences: list[tuple[Compared, float]] = []
    untold: dict[str, list[str]] = {}
    if models:
        contest = _contest(models, log, evidence, level)
        figures += contest.figures(measures)
        differences += contest.differences(measures, pairs)
    if policies:
        costs = make_costs(keys.cost, keys.paid, log.space, log, keys.sending)
        objective = objective_of(keys, log, currency)
        judge = make_judge(log, evidence.judged, evidence.propensity, costs, level, objective)
        trial = _Trial(judge, policies, log, cost is not None or sending is not None)
        figures += trial.figures()
        differences += trial.differences(pairs)
        for name, (shares, _) in policies.items():
            behind = rows_behind(log, evidence.propensity, shares)
            checks = [check for check in (evidence.check, behind) if check is not None]
            reasons = [check["summary"] for check in checks if check["status"] == "fail"]
            untold |= {name: reasons} if reasons else {}
    return ComparisonTable(tuple(figures), _told(differences, level), len(log), level, untold)


def _check_call(things: Mapping[str, Any], log: Log, measures: Sequence[str], pairs: str) -> None:
    if not isinstance(things, Mapping) or not things:
        must, fix = "be named: a mapping of name to model or policy", '{"new": ..., "old": ...}'
        raise InputError("what is compared", must, type(things).__name__, fix=fix)
    if not isinstance(log, Log):
        fix = "read_log makes one"
        raise InputError("log", "be a Log", type(log).__name__, fix=fix)
    if pairs not in ("first", "all"):
        raise InputError("pairs", "be 'first' or 'all'", repr(pairs))
    if isinstance(measures, str):
        raise InputError("measures", "be a list of names", repr(measures), fix=f"[{measures!r}]")
    for name in measures:
        if name in LOSSES:
            continue
        if name not in METRICS or METRICS.load(name).influence is None:
            known = [*(m for m in METRICS if METRICS.load(m).influence is not None), *LOSSES]
            fix = among(name, known)
            raise InputError("a measure", "have influence values of rows", repr(name), fix=fix)


class _Evidence(NamedTuple):
    """What judges: probabilities (n, K), levels out of fold, and how learning the first went."""

    propensity: Floats
    judged: Effects
    check: Check | None = None


def _evidence(log: Log, levels: Any, cost: Any, cv: int, seed: int, undesigned: str) -> _Evidence:
    """As `compare` has its arguments."""
    learner, _ = design_in_python(log, undesigned, seed)
    fold = log_folds(log, cv, seed)
    learns = learner is not None or log.roles.action_propensity is not None
    learnt = learnt_propensity(log, fold, seed) if learns else None
    propensity = propensity_of(log) if learnt is None else learnt.propensity
    if levels is None and learnt is not None:
        levels = SLearner()
    if levels is None:
        return _Evidence(propensity, _cell_means(log, propensity, fitted_metrics(log, cost)))
    if isinstance(levels, Effects):
        judged = on_the_log(levels, log, "levels")
    else:
        judged = cross_fit(log, levels, fold, learner, cost=cost).effects
    if learnt is None:
        return _Evidence(propensity, judged)
    return _Evidence(propensity, learnt.judged(log, judged), learnt.check)


def _cell_means(log: Log, propensity: Floats, metrics: tuple[str, ...]) -> Effects:
    """The cells' means as levels of every row."""
    y = np.stack([log.numbers(name) for name in metrics], axis=1)
    rows = evaluation_data(y, cell=log.cells, propensity=propensity, weight=log.weight)
    mean = np.broadcast_to(rows.levels, (len(log), *rows.levels.shape[1:]))
    return Effects(mean[:, 1:] - mean[:, :1], mean[:, 0], log.cell_names[1:], metrics)


def _told(differences: list[tuple[Compared, float]], level: float) -> tuple[Compared, ...]:
    """With adjusted p-values, and the better one where these tell.   differences: with 1 where more
    is better, -1 where less is.
    """
    adjusted = holm([row.estimate.p_value for row, _ in differences])
    told = []
    for (row, sign), p in zip(differences, adjusted.tolist(), strict=True):
        wins = row.name if sign * row.estimate.value > 0 else row.less
        told.append(replace(row, adjusted=p, better=wins if p <= 1 - level else None))
    return tuple(told)


def _pairs(names: Sequence[str], pairs: str) -> list[tuple[str, str]]:
    """(name, whose figure is taken from it)."""
    if pairs == "all":
        return [(b, a) for a, b in combinations(names, 2)]
    return [(name, names[0]) for name in names[1:]]


@dataclass(frozen=True)
class _Contest:
    """Models on the rows that judge them; metrics of which less is better are turned round."""

    rankings: Mapping[str, Mapping[tuple[str, str], ScoreRanking]]
    values: Mapping[str, Floats]
    rows: EvaluationData
    metrics: tuple[str, ...]
    level: float

    def figures(self, measures: Sequence[str]) -> Iterator[Compared]:
        for measure in measures:
            if measure in LOSSES:
                for name, loss in self.losses(measure).items():
                    for j, metric in enumerate(self.metrics):
                        yield Compared(name, None, measure, None, metric, loss.estimates[j])
                continue
            judge = METRICS.load(measure)
            for name, rankings in self.rankings.items():
                for (candidate, metric), ranking in rankings.items():
                    estimate = judge(ranking, level=self.level)
                    yield Compared(name, None, measure, candidate, metric, estimate)

    def differences(self, measures: Sequence[str], pairs: str) -> Iterator[tuple[Compared, float]]:
        for measure in measures:
            losses = self.losses(measure) if measure in LOSSES else {}
            for name, other in _pairs(list(self.rankings), pairs):
                if losses:
                    less = losses[name].minus(losses[other])
                    for j, metric in enumerate(self.metrics):
                        yield Compared(name, other, measure, None, metric, less[j]), -1.0
                    continue
                for (candidate, metric), ranking in self.rankings[name].items():
                    against = self.rankings[other][candidate, metric]
                    judge, level = METRICS.load(measure), self.level
                    found = compare_rankings(ranking, against, judge, draws=0, level=level)
                    row = Compared(name, other, measure, candidate, metric, found.difference)
                    yield row, 1.0

    def losses(self, measure: str) -> dict[str, EffectLoss]:
        kind = LOSSES[measure]
        return {
            name: effect_loss(values, self.rows, kind=kind, level=self.level)
            for name, values in self.values.items()
        }


def _contest(
    models: Mapping[str, Effects], log: Log, evidence: _Evidence, level: float
) -> _Contest:
    """Models on the metrics that all of them know."""
    metrics = tuple(m for m in log.metrics if all(m in e.metrics for e in models.values()))
    if not metrics:
        got = "; ".join(f"{name!r}: {', '.join(e.metrics)}" for name, e in models.items())
        must = f"know one of the log's metrics in common: {', '.join(log.metrics)}"
        raise InputError("the models", must, got)
    place = [log.metrics.index(name) for name in metrics]
    sign = np.array([log.roles.outcomes[j].sign for j in place])
    rows = evaluation_data(
        log.y[:, place] * sign,
        cell=log.cells,
        propensity=evidence.propensity,
        levels=evidence.judged.levels()[:, :, place] * sign,
        weight=log.weight,
        groups=log.groups,
    )
    candidates = log.cell_names[1:]
    values = {name: _values(e, log, name, metrics) * sign for name, e in models.items()}
    rankings = {
        name: {
            (candidate, metric): rank_by_score(own[:, a, j], rows, candidate=a, metric=j)
            for a, candidate in enumerate(candidates)
            for j, metric in enumerate(metrics)
        }
        for name, own in values.items()
    }
    return _Contest(rankings, values, rows, metrics, level)


def _values(effects: Effects, log: Log, name: str, metrics: tuple[str, ...]) -> Floats:
    """Of the log's rows and candidates on some metrics, (n, k, m)."""
    if set(effects.candidates) == set(log.cell_names[1:]):
        order = [effects.candidates.index(candidate) for candidate in log.cell_names[1:]]
        effects = replace(
            effects,
            values=effects.values[:, order],
            candidates=log.cell_names[1:],
            std_error=None,
        )
    others = [m for m in log.metrics if m not in effects.metrics]
    if others:  # a metric that is not judged
        n, k, m = effects.values.shape
        more = np.zeros((n, k, len(others)))
        values = np.concatenate([effects.values, more], axis=2)
        levels = np.concatenate([effects.baseline, np.zeros((n, len(others)))], axis=1)
        effects = Effects(values, levels, effects.candidates, (*effects.metrics, *others))
    effects = on_the_log(effects, log, f"{name!r}")
    return effects.values[:, :, [effects.metrics.index(metric) for metric in metrics]]


@dataclass(frozen=True)
class _Trial:
    """Policies before their judge."""

    judge: Judge
    policies: Mapping[str, Shares]
    log: Log
    has_cost: bool

    def __post_init__(self) -> None:
        open_to = self.log.eligible
        for name, (shares, _) in self.policies.items():
            if open_to is not None and ((shares > 0) & ~open_to).any():
                row, a = (int(i) for i in np.argwhere((shares > 0) & ~open_to)[0])
                must, got = "give each row an arm that is open to it", self.log.cell_names[a]
                raise InputError(f"the policy {name!r}", must, repr(got), f"row {row}")

    def columns(self) -> list[tuple[int, str, str | None, float]]:
        """(column of the judge's gains, measure, metric, 1 where more is better)."""
        m = len(self.judge.metrics)
        signs = (outcome.sign for outcome in self.log.roles.outcomes)
        rows: list[tuple[int, str, str | None, float]] = [
            (j, GAIN, metric, sign)
            for j, (metric, sign) in enumerate(zip(self.judge.metrics, signs, strict=True))
        ]
        rows += [(m, COST, None, -1.0)] if self.has_cost else []
        rows += [(m + 1, NET, None, 1.0)] if self.judge.money is not None else []
        return rows

    def figures(self) -> Iterator[Compared]:
        for name, (shares, swaps) in self.policies.items():
            own = () if swaps is None else (swaps,)
            gains = self.judge.gains(shares)
            estimates = self.judge.estimates(gains, swaps=own)
            for j, measure, metric, _ in self.columns():
                yield Compared(name, None, measure, None, metric, estimates[j])
            m = len(self.judge.metrics)
            gains[:, :m] += self.judge.scores[:, 0]
            levels = self.judge.estimates(gains, swaps=own)
            for j, metric in enumerate(self.judge.metrics):
                yield Compared(name, None, VALUE, None, metric, levels[j])
            share = float(np.average(1 - shares[:, 0], weights=self.log.weight))
            unknown = Estimate(share, np.nan, np.nan, np.nan)
            yield Compared(name, None, TREATED, None, None, unknown)

    def differences(self, pairs: str) -> Iterator[tuple[Compared, float]]:
        for name, other in _pairs(list(self.policies), pairs):
            (first, swaps), (second, theirs) = self.policies[name], self.policies[other]
            own = [part for part in (swaps, theirs) if part is not None]
            less = self.judge.gains(first) - self.judge.gains(second)
            estimates = self.judge.estimates(less, swaps=own)
            for j, measure, metric, sign in self.columns():
                yield Compared(name, other, measure, None, metric, estimates[j]), sign
