"""The metrics of scikit-uplift and causalml against their formulas written out as loops over
rows.
"""

import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.evaluation import (
    auuc_causalml,
    auuc_causalml_raw,
    auuc_sklift,
    evaluation_data,
    qini_causalml,
    qini_causalml_raw,
    qini_sklift,
    rank_by_score,
)


def ranking_of(score, y, t):
    return rank_by_score(score, evaluation_data(y, cell=t, propensity=[0.5, 0.5]))


def sklift_points(score, y, t, kind):
    """[(k, curve(k))] from (0, 0), one point a distinct score."""
    points = [(0.0, 0.0)]
    for cut in sorted(set(score), reverse=True):
        top = [i for i in range(len(y)) if score[i] >= cut]
        treated, control = [y[i] for i in top if t[i] == 1], [y[i] for i in top if t[i] == 0]
        if kind == "uplift":
            means = [sum(part) / len(part) if part else 0.0 for part in (treated, control)]
            points.append((len(top), len(top) * (means[0] - means[1])))
        else:
            points.append(
                (
                    len(top),
                    sum(treated) - sum(control) * (len(treated) / len(control) if control else 0.0),
                )
            )
    return points


def area(points):
    return sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in zip(points, points[1:], strict=False))


def sklift_score(score, y, t, kind):
    if kind == "qini":
        perfect = [yi * ti - yi * (1 - ti) for yi, ti in zip(y, t, strict=True)]
    else:
        control_responders = sum(yi == 1 and ti == 0 for yi, ti in zip(y, t, strict=True))
        treated_others = sum(yi == 0 and ti == 1 for yi, ti in zip(y, t, strict=True))
        second = y if control_responders > treated_others else t
        perfect = [2 * (yi == ti) + extra for yi, ti, extra in zip(y, t, second, strict=True)]
    actual, best = sklift_points(score, y, t, kind), sklift_points(perfect, y, t, kind)
    line = area([(0, 0), best[-1]])
    return (area(actual) - line) / (area(best) - line)


def causalml_curve(score, y, t, kind):
    """gain(k) or qini(k) for k = 0..N; where it is 0/0 the lift (or qini) is interpolated from
    0.
    """
    order = sorted(range(len(y)), key=lambda i: -score[i])
    raw = [0.0]
    for k in range(1, len(y) + 1):
        treated, control = [[y[i] for i in order[:k] if t[i] == arm] for arm in (1, 0)]
        defined = bool(control) and (bool(treated) or kind == "qini")
        if not defined:
            raw.append(None)
        elif kind == "gain":
            raw.append(sum(treated) / len(treated) - sum(control) / len(control))
        else:
            raw.append(sum(treated) - sum(control) * len(treated) / len(control))
    first = next(k for k in range(1, len(raw)) if raw[k] is not None)
    filled = [raw[first] * k / first if k < first else raw[k] for k in range(len(raw))]
    return [k * value for k, value in enumerate(filled)] if kind == "gain" else filled


def case(seed, *, ties=False, binary=True, effect=0.2, n=60, share=0.5):
    rng = np.random.default_rng(seed)
    score = rng.standard_normal(n)
    t = (rng.random(n) < share).astype(int)
    y = effect * t + 0.5 * score * t + rng.standard_normal(n)
    t[:4], score = [0, 1, 0, 1], np.round(score, 1) if ties else score
    y = (y > 0.3).astype(float) if binary else y
    y[:4] = [0, 0, 1, 1] if binary else y[:4]
    return score, y, t


CASES = [
    {"seed": seed, "effect": effect, "share": share}
    for seed in range(4)
    for effect in (0.4, -0.4)
    for share in (0.5, 0.1, 0.9)
]


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("setting", CASES, ids=str)
def test_sklift_by_its_formulas(setting, ties):
    score, y, t = case(**setting, ties=ties)
    ranking = ranking_of(score, y, t)
    assert qini_sklift(ranking).value == pytest.approx(sklift_score(score, y, t, "qini"), abs=1e-9)
    assert auuc_sklift(ranking).value == pytest.approx(
        sklift_score(score, y, t, "uplift"), abs=1e-9
    )


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("setting", CASES, ids=str)
def test_causalml_by_its_formulas(setting, binary):
    score, y, t = case(**setting, binary=binary)
    ranking = ranking_of(score, y, t)
    gain, curve = (np.array(causalml_curve(score, y, t, kind)) for kind in ("gain", "qini"))
    want = {auuc_causalml_raw: gain.mean(), auuc_causalml: (gain / abs(gain[-1])).mean()}
    want |= {
        qini_causalml_raw: curve.mean() - curve[-1] / 2,
        qini_causalml: (curve.mean() - curve[-1] / 2) / abs(curve[-1]),
    }
    for metric, value in want.items():
        assert metric(ranking).value == pytest.approx(value, rel=1e-9, abs=1e-9), metric.name


def test_both_arms_met_late_by_hand():
    """Two treated rows come first: before the first control row, causalml draws a line from 0."""
    ranking = ranking_of([4, 3, 2, 1], [1, 1, 0, 0], [1, 1, 0, 0])
    # lift: nan, nan, 1, 1 -> 0, 1/3, 2/3, 1, 1;   gain = k lift;   qini: nan, nan, 2, 2 -> 0, 2/3,
    # 4/3, 2, 2
    assert auuc_causalml_raw(ranking).value == pytest.approx((1 / 3 + 4 / 3 + 3 + 4) / 5)
    assert qini_causalml_raw(ranking).value == pytest.approx((2 / 3 + 4 / 3 + 2 + 2) / 5 - 1)


def test_only_rows_of_the_two_arms_count():
    score, y, t = case(1)
    extra = np.r_[t, np.full(30, 2)]
    rows = evaluation_data(np.r_[y, np.ones(30)], cell=extra, propensity=[0.4, 0.4, 0.2])
    among = rank_by_score(np.r_[score, np.linspace(-2, 2, 30)], rows, candidate=0)
    alone = ranking_of(score, y, t)
    for metric in (qini_sklift, auuc_sklift, qini_causalml, auuc_causalml):
        assert metric(among).value == pytest.approx(metric(alone).value)


def test_ties_of_causalml_do_not_depend_on_the_file():
    """A file sorted by outcome gets causalml's own score to 5.8 on a constant score; nothing is
    ranked, so ours stays near 0.
    """
    y, t = np.repeat([1.0, 0.0], 50), np.tile([1, 0], 50)
    t[:10] = 1
    lot = np.random.default_rng(0).permutation(100)
    values = [
        qini_causalml_raw(ranking_of(np.zeros(100), y[rows], t[rows])).value
        for rows in (np.arange(100), np.arange(100)[::-1], lot)
    ]
    assert values == pytest.approx([values[0]] * 3, abs=1e-12)
    # not quite 0: before the first control row the mean over orders is no straight line
    assert values[0] == pytest.approx(-0.000597886, abs=1e-9)


def test_sklift_refuses_amounts_and_says_why():
    score, y, t = case(2, binary=False)
    for metric in (qini_sklift, auuc_sklift):
        with pytest.raises(InputError, match="must be 0 or 1; .* at row .*counts responders"):
            metric(ranking_of(score, y, t))


def test_one_class_only_is_refused_where_nothing_can_be_perfect():
    for metric in (qini_sklift, auuc_sklift):
        with pytest.raises(InputError, match="perfect curve"):
            metric(ranking_of([3, 2, 1, 0], [0, 0, 0, 0], [1, 0, 1, 0]))


def test_causalml_refuses_to_divide_by_an_average_effect_of_zero():
    ranking = ranking_of([3, 2, 1, 0], [1, 1, 0, 0], [1, 0, 1, 0])
    for metric, name in (
        (qini_causalml, "qini_causalml_raw"),
        (auuc_causalml, "auuc_causalml_raw"),
    ):
        with pytest.raises(InputError, match=f"not be 0; got an average effect of 0; use {name}"):
            metric(ranking)


def test_no_interval_is_claimed():
    estimate = qini_sklift(ranking_of(*case(3)))
    assert np.isnan([estimate.low, estimate.high]).all()
    assert not estimate.excludes_zero


@pytest.mark.parametrize("metric", [qini_causalml, auuc_causalml, qini_causalml_raw])
def test_a_replicate_without_control_rows_is_refused(metric):
    """Rows of both arms are there, but a resample may weigh those of one arm with 0."""
    ranking = ranking_of([3.0, 2.0, 1.0], [1.0, 0.0, 1.0], [1, 0, 1])
    assert np.isfinite(metric(ranking).value)
    with pytest.raises(InputError, match="candidate and control must both have rows; got rows of"):
        metric(ranking.reweighted(np.array([2.0, 0.0, 1.0])))
