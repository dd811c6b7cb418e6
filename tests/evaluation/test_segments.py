"""Effects by segment: by hand, as averages of the segments' own rows, Welch's test, and what is
claimed where nothing differs.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from equipoise.core.errors import InputError
from equipoise.evaluation import average_effects, evaluation_data, segment_effects
from equipoise.evaluation.average import candidate_effect
from equipoise.evaluation.off_policy import dr
from equipoise.evaluation.segments import LEAST_ROWS


def make_log(seed, n=900, lift=None, *, features=3, levels=4, arms=2, rate=0.2):
    """A log of sales, and labels of its segments; ``lift`` (levels,) is what arm 1 adds by x0."""
    rng = np.random.default_rng(seed)
    cell, x = rng.integers(0, arms + 1, n), rng.integers(0, levels, (features, n))
    chance = rate * (1 + 0.2 * x[0])
    chance = chance if lift is None else chance + (cell == 1) * np.asarray(lift)[x[0]]
    sale = (rng.random(n) < chance).astype(float)
    design = np.full(arms + 1, 1 / (arms + 1))
    return evaluation_data(sale, cell=cell, propensity=design), {
        f"x{j}": labels for j, labels in enumerate(x)
    }


def test_effects_are_averages_of_the_segments_own_rows():
    rows, segments = make_log(0)
    found = segment_effects(rows, segments)
    assert (found.features, len(found), found.labels[:4]) == (("x0", "x1", "x2"), 12, tuple("0123"))
    for s, (f, label) in enumerate(zip(found.feature, found.labels, strict=True)):
        inside = segments[found.features[f]] == int(label)
        own = average_effects(rows.take(inside)).effect
        assert found.rows[s] == inside.sum()
        assert found.effect.value[s] == pytest.approx(own.value)
        assert found.effect.low[s] == pytest.approx(own.low)
        assert found.difference.value[s, 0, 0] == pytest.approx(
            own.value[0, 0]
            - np.average(
                [
                    found.effect.value[t, 0, 0]
                    for t in range(12)
                    if t != s and found.feature[t] == f
                ],
                weights=[found.rows[t] for t in range(12) if t != s and found.feature[t] == f],
            )
        )


def test_a_candidate_that_no_control_of_a_segment_could_get_is_not_told():
    """Of segment b all whom arm 2 is open to got it, but for a few of arm 1."""
    rng = np.random.default_rng(0)
    segment, opens = np.repeat(["a", "b"], 100), np.tile([True, False], 100)
    cell = np.where(opens, np.tile([0, 0, 1, 0, 2, 1], 34)[:200], np.tile([0, 0, 1, 1], 50))
    cell[100:][opens[100:]] = np.tile([2, 2, 2, 2, 1], 10)
    p = np.where(opens[:, None], [[0.4, 0.3, 0.3]], [[0.5, 0.5, 0.0]])
    rows = evaluation_data(rng.normal(size=200), cell=cell, propensity=p)
    found = segment_effects(rows, {"s": segment}).effect.value[:, :, 0]
    assert np.isfinite(found).tolist() == [[True, True], [True, False]]
    own = candidate_effect(rows.take(segment == "b"), 0, dr, 0.95)
    assert found[1, 0] == own.value[0]


def test_two_segments_are_told_apart_by_welchs_t():
    rng = np.random.default_rng(1)
    half = rng.integers(0, 2, 60)
    cell = rng.integers(0, 2, 60)
    y = rng.normal(size=60) + cell * half
    rows = evaluation_data(y, cell=cell, propensity=[0.5, 0.5])
    found = segment_effects(rows, {"half": half})
    p = found.difference.p_value[:, 0, 0]
    assert p[0] == p[1] == pytest.approx(found.heterogeneity[0, 0, 0], rel=1e-6)
    means = [average_effects(rows.take(half == s)).effect[0, 0] for s in (0, 1)]
    t = (means[1].value - means[0].value) / np.hypot(*(one.std_error for one in means))
    v = [one.std_error**2 for one in means]
    df = sum(v) ** 2 / sum(part**2 / one.df for part, one in zip(v, means, strict=True))
    assert p[0] == pytest.approx(2 * stats.t.sf(abs(t), df))


def test_of_many_rows_it_is_cochrans_chi_square():
    rows, segments = make_log(2, 60_000)
    found = segment_effects(rows, segments)
    for f in range(3):
        own = found.feature == f
        value, error = found.effect.value[own, 0, 0], found.effect.std_error[own, 0, 0]
        w = error**-2
        q = (w * (value - (w @ value) / w.sum()) ** 2).sum()
        assert found.heterogeneity[f, 0, 0] == pytest.approx(stats.chi2.sf(q, 3), rel=0.01)


@pytest.fixture(scope="module")
def nothing():
    """What 250 logs of no difference between segments show."""
    return [segment_effects(*make_log(seed, features=2)) for seed in range(250)]


def test_where_nothing_differs_one_log_in_twenty_says_so_at_most(nothing):
    claims = np.mean([np.nanmin(found.adjusted_heterogeneity) <= 0.05 for found in nothing])
    by_segment = np.mean([np.nanmin(found.adjusted) <= 0.05 for found in nothing])
    assert claims <= 0.05 + 0.03  # .044 of 5,000 logs; two standard errors
    assert by_segment <= 0.05 + 0.03


def test_without_holm_it_would_be_many_more(nothing):
    assert np.mean([np.nanmin(found.heterogeneity) <= 0.05 for found in nothing]) > 0.12
    assert np.mean([np.nanmin(found.difference.p_value) <= 0.05 for found in nothing]) > 0.3


def test_a_difference_is_found_with_its_segment():
    hits, covered = [], []
    lift = np.array([0.0, 0.0, 0.0, 0.25])
    for seed in range(20):
        found = segment_effects(*make_log(seed, 3000, lift, features=2))
        hits.append(
            found.adjusted[3, 0, 0] <= 0.05 and found.adjusted_heterogeneity[0, 0, 0] <= 0.05
        )
        covered.append((found.effect.low[:4, 0, 0] <= lift) & (lift <= found.effect.high[:4, 0, 0]))
    assert np.mean(hits) > 0.9  # 1.0
    assert np.mean(covered) > 0.88  # .95 of 2,000 logs; two standard errors


def test_shrunk_effects_are_nearer_the_truth():
    raw, shrunk, covered = [], [], []
    for seed in range(40):
        found = segment_effects(*make_log(seed, 600, features=1))
        drawn = found.shrunk()
        raw.append((found.effect.value[:, 0, 0] ** 2).mean())
        shrunk.append((drawn.value[:, 0, 0] ** 2).mean())
        covered.append((drawn.low[:, 0, 0] <= 0) & (drawn.high[:, 0, 0] >= 0))
    assert np.mean(shrunk) < 0.6 * np.mean(raw)  # .33
    assert np.mean(covered) > 0.85


def test_clusters_across_segments_count_together():
    """Visits of one person in both halves of the day: what is common to them falls out of the
    difference, though of a mean it is most of the error.
    """
    rng = np.random.default_rng(3)
    person, half = np.repeat(np.arange(500), 2), np.tile([0, 1], 500)
    cell, own = rng.integers(0, 2, 500)[person], rng.normal(size=500)[person]
    y = own + 0.1 * rng.normal(size=1000)
    rows = evaluation_data(y, cell=cell, propensity=[0.5, 0.5], groups=person)
    found = segment_effects(rows, {"half": half})
    alone = np.hypot(*found.effect.std_error[:, 0, 0])
    assert found.difference.std_error[0, 0, 0] < 0.2 * alone
    by_person = np.where(cell[::2] == 1, 2, -2) * (y[1::2] - y[::2])
    assert found.difference.std_error[1, 0, 0] == pytest.approx(
        by_person.std() / np.sqrt(500), rel=0.1
    )


def test_too_few_rows_are_not_told():
    rows, segments = make_log(4, 400)
    rare = np.where(np.arange(400) < 2 * LEAST_ROWS, "rare", "others")
    found = segment_effects(rows, {"kind": rare, "x1": segments["x1"]})
    assert np.isnan(found.effect.value[1]).all()
    assert np.isnan(found.heterogeneity[0]).all()
    assert found.questions == 2
    assert np.isnan(found.adjusted[1]).all()
    assert np.isfinite(found.adjusted[2:]).all()


def test_some_candidates_alone():
    rows, segments = make_log(5)
    found = segment_effects(rows, segments)
    one = found.of([1])
    assert one.effect.value[:, 0] == pytest.approx(found.effect.value[:, 1])
    assert one.questions == 3
    assert (one.adjusted <= found.adjusted[:, 1:]).all()


def test_wrong_labels_are_told():
    rows, _ = make_log(6, 100)
    with pytest.raises(InputError, match=r"segments 'x' must be one label per row, \(100,\)"):
        segment_effects(rows, {"x": [1, 2]})
    with pytest.raises(InputError, match=r"segments 'x' must have at most 50 labels; got 100"):
        segment_effects(rows, {"x": np.arange(100)})
