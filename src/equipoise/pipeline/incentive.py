"""Who should be given an incentive: a log with offer, claim and outcome in; strata, policy, value, audience and doubts out.

    for each fold f:   estimator of strata fitted on the rows outside f, and asked about the rows in f
    policy             the best offers to at most a share of the units, by those rewards
    judged by          doubly robust signals of the same rows around those strata, with the known propensity

so no row is judged by a model that saw it.  All of it is plain numbers and text, to be kept as JSON beside other findings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from sklearn.base import clone

from equipoise.core.arrays import Floats, Ints
from equipoise.core.errors import InputError
from equipoise.core.features import FeatureMap
from equipoise.core.folds import fold_ids
from equipoise.core.latent import latent_calibration, restriction_tests
from equipoise.core.log import Log
from equipoise.core.strata import (
    ASSUMPTIONS,
    STRATA,
    Claims,
    Scheme,
    cells_of,
    dr_signals,
    naive_reward,
    offer_chance,
    offer_threshold,
    uplift_reward,
)
from equipoise.evaluation.base import Estimates, mean_estimates
from equipoise.evaluation.bounds import TYPES, strata_bounds
from equipoise.evaluation.sensitivity import msm_strata
from equipoise.evaluation.strata import audience, offer_curve, offer_value, reward_by_segment

FACTORS = (1.2, 1.5, 2.0)  # of hidden confounding that the findings look at
SETS = {"A5 and A6": ("A5", "A6"), "A5 only": ("A5",), "A6 only": ("A6",), "neither": ()}


@dataclass(frozen=True)
class Terms:
    """What an offer is worth.   scheme: when it is paid; gain: of a coupon buyer, net; cost: of the incentive; share: offered."""

    scheme: Scheme
    gain: float
    cost: float
    share: float


def held_strata(log: Log, claimed: Floats, estimator: Any, fold: Ints) -> Floats:
    """The strata of every row, (n, 5), by clones of the estimator that were fitted on the other folds."""
    strata = np.empty((len(log), len(STRATA)))
    for f in range(int(fold.max()) + 1):
        inside, held = np.flatnonzero(fold != f), np.flatnonzero(fold == f)
        part = log.take(inside)
        features = FeatureMap().fit(part.features)
        model = clone(estimator).set_params(space=log.space)
        model.fit(
            features.transform(part.features),
            part.y[:, 0],
            treatment=part.treatment,
            claimed=claimed[inside],
            propensity=part.propensity,
            sample_weight=part.weight,
            groups=part.groups,
        )
        strata[held] = model.strata(features.transform(log.take(held).features))
    return strata


def incentive_findings(
    log: Log,
    estimator: Any,
    terms: Terms,
    *,
    claimed: Any = None,
    segment: Any = None,
    folds: int = 3,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Any]:
    """What the experiment says of giving the incentive to at most a share of units like these.

    log : two arms, no offer first, one 0/1 outcome, a claim, and a known propensity or design.
    estimator : of strata.   claimed : (n,), in place of the log's role.   segment : (n,) labels for the value by segment.
    """
    claim = _claims(log, claimed)
    known = log.propensity
    if known is None:
        raise InputError("the log", "know its propensity", None, fix='name its columns, or say design="shares" for a lottery')
    fold = fold_ids(len(log), folds, seed, strata=log.cells, groups=log.groups)
    strata = held_strata(log, claim, estimator, fold)
    q, m0 = cells_of(strata)
    rows = Claims(log.cells, claim.astype(np.int64), log.y[:, 0].astype(np.int64), np.asarray(known[:, 1]))
    signals = dr_signals(rows, q, m0)
    reward = terms.scheme.reward(terms.gain, terms.cost)
    worth = strata @ reward
    gamma, tie = offer_threshold(worth, terms.share)
    chance = offer_chance(worth, gamma, tie)
    given: dict[str, Any] = {"groups": log.groups, "level": level}
    value = offer_value(chance, signals, reward, weight=log.weight, **given)
    table = audience(chance, signals, terms.scheme, gain=terms.gain, cost=terms.cost, **given)
    found = {
        "assumptions": [asdict(one) for one in ASSUMPTIONS],
        "restrictions": restriction_tests(strata, signals, weight=log.weight, groups=log.groups),
        "calibration": latent_calibration(strata, signals, weight=log.weight, groups=log.groups),
        "shares": _named(STRATA, mean_estimates(signals, weight=log.weight, **given)),
        "policy": {"share": terms.share, "gamma": gamma, "tie": tie, "offered": float(chance.mean())},
        "value": {"estimate": value.estimate.interval, "lower": value.lower},
        "rivals": _rivals(terms, q, m0, signals, value.rows, log.weight, given),
        "curve": [asdict(point) for point in offer_curve(worth, signals, reward, weight=log.weight, **given)],
        "audience": [asdict(line) | {"words": line.words} for line in table],
        "bounds": _bounds(q, m0),
        "confounding": _confounding(q, m0, rows.propensity),
    }
    if segment is not None:
        parts = reward_by_segment(value.rows, segment, **given)
        found["segments"] = {label: estimate.interval for label, estimate in parts.items()}
    return found


def _claims(log: Log, given: Any) -> Floats:
    if len(log.cell_names) != 2 or len(log.metrics) != 1:
        got = f"{len(log.cell_names)} arms, outcomes {', '.join(log.metrics)}"
        raise InputError("a log of an incentive", "have two arms and one outcome", got, fix="take two arms, and one outcome")
    if given is None and log.roles.claimed is None:
        raise InputError("the log", "say what was claimed", "no such role", fix="give the role claimed=, or the argument")
    return log.numbers(str(log.roles.claimed)) if given is None else np.asarray(given, np.float64)


def _named(names: tuple[str, ...], estimates: Estimates) -> dict[str, list[float]]:
    return {name: estimates[j].interval for j, name in enumerate(names)}


def _rivals(
    terms: Terms, q: Floats, m0: Floats, signals: Floats, rows: Floats, weight: Floats | None, given: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Other ways to spend the same number of offers, each with the gain of the policy over it, paired."""
    buys, reward = q[:, 1] + q[:, 3], terms.scheme.reward(terms.gain, terms.cost)
    scores = {
        "an offer to everybody": None,
        "most likely to buy with an offer": naive_reward(buys, gain=terms.gain, cost=terms.cost),
        "largest uplift, the incentive charged to every offer": uplift_reward(buys, m0, gain=terms.gain, cost=terms.cost),
    }
    found = []
    for name, score in scores.items():
        chance = np.ones(len(m0)) if score is None else offer_chance(score, *offer_threshold(score, terms.share))
        other = offer_value(chance, signals, reward, weight=weight, **given)
        gain = mean_estimates((rows - other.rows)[:, None], weight=weight, **given)[0]
        found.append({"name": name, "value": other.estimate.interval, "policy_gains": gain.interval})
    return found


def _bounds(q: Floats, m0: Floats) -> list[dict[str, Any]]:
    """The mean of the sharp bounds of each type under fewer and fewer assumptions."""
    found = []
    for name, assume in SETS.items():
        bounds = strata_bounds(q, m0, assume=assume)
        ends = zip(TYPES, bounds.low.mean(axis=0).tolist(), bounds.high.mean(axis=0).tolist(), strict=True)
        found.append({"assumed": name, "types": {kind: [low, high] for kind, low, high in ends}})
    return found


def _confounding(q: Floats, m0: Floats, propensity: Floats) -> list[dict[str, Any]]:
    """The mean of each stratum's bounds under hidden confounding."""
    found = []
    for factor in FACTORS:
        low, high = (end.mean(axis=0).tolist() for end in msm_strata(q, m0, propensity, factor))
        found.append({"factor": factor, "strata": {name: [low[s], high[s]] for s, name in enumerate(STRATA)}})
    return found
