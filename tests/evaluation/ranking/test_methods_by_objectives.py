"""The table of methods and objectives: its replicates by a loop, its seeds, its notes."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.core.errors import InputError
from equipoise.evaluation import auc, front_hypervolumes, gauc, ndcg_at_k, ranking_metrics
from equipoise.evaluation.resampling import replicate_seeds, resample

pytestmark = pytest.mark.filterwarnings("ignore::equipoise.evaluation.OneClassWarning")


def world(seed, users=40, noise=1.0, levels=8):
    """Rows of users with two requests each, two objectives, two scores with ties."""
    rng = np.random.default_rng(seed)
    size = rng.integers(1, 7, 2 * users)
    group = np.repeat(np.arange(2 * users), size)
    taste = rng.standard_normal((users, 2)).repeat(2, axis=0)[group]
    signal = taste + rng.standard_normal((len(group), 2))
    labels = (signal + rng.logistic(size=signal.shape) > 1).astype(int)
    good = np.round(levels * (signal.sum(axis=1) + noise * rng.standard_normal(len(group))))
    return labels, {"good": good, "noise": rng.integers(0, levels, len(group))}, group, group // 2


def repeated(user, count):
    """The rows of a replicate, users written out as often as they stand in it."""
    copies = [np.flatnonzero(user == u) for u in np.unique(user)]
    rows = [np.tile(copy, int(c)) for copy, c in zip(copies, count, strict=True)]
    clone = [np.repeat(np.arange(c), len(copy)) for copy, c in zip(copies, count, strict=True)]
    return np.concatenate(rows).astype(int), np.concatenate(clone).astype(int)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.booleans(), st.sampled_from(["size", "uniform", "pairs"]))
def test_replicates_are_the_measures_of_the_resampled_rows(seed, masked, weight):
    labels, scores, group, user = world(seed % 1000, users=12)
    rng = np.random.default_rng(seed)
    w = rng.integers(1, 3, len(user)).astype(float)
    mask = rng.random(labels.shape) < (0.8 if masked else 2)
    table = ranking_metrics(
        scores, labels, groups=group, users=user, label_mask=mask, sample_weight=w,
        weight=weight, k=3, draws=34, seed=seed,
    )  # fmt: skip
    for b in (0, 1, 33):
        count = resample(np.arange(12), np.ones(12), replicate_seeds(34, seed)[b])
        rows, clone = repeated(user, count)
        own = group[rows] * 100 + clone
        for k, score in enumerate(scores.values()):
            given_ = {"label_mask": mask[rows], "sample_weight": w[rows]}
            expected = {
                "auc": auc(labels[rows], score[rows], **given_),
                "gauc": gauc(labels[rows], score[rows], own, weight=weight, **given_).value,
                "ndcg@3": ndcg_at_k(labels[rows], score[rows], own, k=3, **given_).value,
            }
            for name, values in expected.items():
                np.testing.assert_allclose(table.measures[name].draws[k, b, :2], values, atol=1e-12)


def test_the_table_holds_values_coverage_and_paired_gains():
    labels, scores, group, user = world(1, users=300)
    frame = pa.table({"buy": labels[:, 0], "like": labels[:, 1]})
    table = ranking_metrics(scores, frame, groups=group, users=user, against="noise")
    assert table.objectives == ("buy", "like")
    mean = gauc(labels, scores["good"], group)
    for m, name in enumerate(table.objectives):
        assert table.estimate("gauc", "good", name).value == mean.value[m]
        assert table.coverage.coverage[m] == mean.coverage[m]
    both = table.estimate("gauc", "good")
    assert both.value == pytest.approx(mean.value.mean())
    assert table.gain("gauc", "good").low > 0
    assert table.gain("gauc", "good").p_value < 1e-6
    assert table.gain("auc", "noise", "buy").interval == [0, 0, 0]
    assert table.gain("auc", "noise", "buy").p_value == 1
    rows = table.rows()
    assert len(rows) == 3 * 2 * 3
    assert json.loads(json.dumps(rows)) == rows
    assert rows[0]["value"] == auc(labels, scores["good"])[0]
    assert table.positives.tolist() == labels.sum(axis=0).tolist()


def test_the_mean_counts_objectives_by_their_weights():
    labels, scores, group, user = world(3)
    arguments = {"groups": group, "users": user, "seed": 1}
    even, one = (
        ranking_metrics(scores, labels, **arguments, objective_weight=weight)
        for weight in ([2, 2], [1, 3])
    )
    plain = ranking_metrics(scores, labels, **arguments)
    assert even.estimate("auc", "good") == plain.estimate("auc", "good")
    cells = [one.estimate("auc", "good", name).value for name in ("y0", "y1")]
    assert one.estimate("auc", "good").value == pytest.approx(np.dot(cells, [0.25, 0.75]))
    alone = ranking_metrics(scores, labels, **arguments, objective_weight=[0, 1])
    mean, cell = alone.estimate("auc", "good"), alone.estimate("auc", "good", "y1")
    assert (mean.value, mean.low, mean.high) == pytest.approx((cell.value, cell.low, cell.high))
    for wrong in ([1], [-1, 2], [0, 0], [np.nan, 1]):
        with pytest.raises(InputError, match="objective_weight must be 2 numbers >= 0"):
            ranking_metrics(scores, labels, **arguments, objective_weight=wrong)


def test_pairing_narrows_the_difference_of_like_scores():
    labels, scores, group, user = world(2, users=300)
    near = scores["good"] + np.random.default_rng(0).integers(0, 2, len(group))
    table = ranking_metrics({"a": scores["good"], "b": near}, labels, groups=group, users=user)
    for name in table.measures:
        assert table.gain(name, "b").std_error < table.estimate(name, "b").std_error / 2


def test_users_are_drawn_whole():
    """Every user five times over: the same intervals, where users are named as such."""
    labels, scores, group, user = world(3, users=60)
    copies = np.tile(np.arange(len(user)), 5)
    once = ranking_metrics(scores, labels, groups=group, users=user)
    more = ranking_metrics(
        {name: score[copies] for name, score in scores.items()},
        labels[copies],
        groups=group[copies] + 1000 * np.repeat(np.arange(5), len(user)),
        users=user[copies],
    )
    for name in once.measures:
        first, second = once.estimate(name, "good", "y0"), more.estimate(name, "good", "y0")
        assert second.interval == pytest.approx(first.interval)


def test_seeds_are_averaged_and_widen_the_interval():
    labels, scores, group, user = world(4, users=400)
    rng = np.random.default_rng(0)
    wild = scores["good"][:, None] + np.array([0, 10, 20, 80.0]) * rng.standard_normal(
        (len(group), 4)
    )
    table = ranking_metrics(
        {"one": scores["good"], "four": wild}, labels, groups=group, users=user, draws=400
    )
    each = np.array([auc(labels, column)[0] for column in wild.T])
    estimate = table.estimate("auc", "four", "y0")
    assert estimate.value == pytest.approx(each.mean())
    of_seeds = each.var(ddof=1) / 4
    of_users = np.var(
        ranking_metrics({"a": wild[:, 0]}, labels, groups=group, users=user)
        .measures["auc"]
        .draws[0, :, 0]
    )
    assert estimate.std_error**2 == pytest.approx(of_seeds + of_users, rel=0.25)
    assert 3 <= estimate.df < 8  # seeds rule: near 4 - 1
    same = ranking_metrics(
        {"a": wild[:, [1] * 3], "b": wild[:, 1]}, labels, groups=group, users=user
    )
    assert same.gain("auc", "b").interval == [0, 0, 0]
    assert same.estimate("auc", "a").interval == same.estimate("auc", "b").interval


def test_an_objective_without_positives_kills_nothing():
    labels, scores, group, user = world(5, users=40)
    none, one = np.zeros(len(user)), np.zeros(len(user))
    one[7] = 1
    table = ranking_metrics(
        scores,
        np.column_stack([labels, none, one]),
        groups=group,
        users=user,
        objectives=["buy", "like", "gift", "share"],
    )
    gift = table.estimate("gauc", "good", "gift")
    assert np.isnan([gift.value, gift.low]).all()
    assert table.coverage.coverage[2] == 0
    assert np.isfinite(table.estimate("auc", "good", "share").value)
    assert np.isnan(table.estimate("auc", "good", "share").low)
    assert (
        f"all {len(user)} labels of gift are 0: no score ranks them better or worse" in table.notes
    )
    assert "auc of share rests on fewer than two users' cases: no interval" in table.notes
    three = [table.estimate("auc", "good", name).value for name in ("buy", "like", "share")]
    assert table.estimate("auc", "good").value == pytest.approx(np.mean(three))
    assert table.rows()[2]["value"] is None
    nothing = ranking_metrics(scores, none, groups=group)
    assert np.isnan(nothing.estimate("auc", "good").value)


def test_same_seed_same_table_and_all_scores_equal_are_a_half():
    labels, scores, group, user = world(6)
    one, two = (ranking_metrics(scores, labels, groups=group, users=user, seed=3) for _ in "ab")
    assert one.rows() == two.rows()
    assert one.rows() != ranking_metrics(scores, labels, groups=group, users=user, seed=4).rows()
    flat = ranking_metrics({"flat": np.ones(len(user))}, labels, groups=group)
    for name in ("auc", "gauc"):
        assert flat.estimate(name, "flat").interval == [0.5, 0.5, 0.5]


def test_volumes_of_fronts_are_paired():
    labels, scores, group, user = world(7, users=300)
    names = {f"w{j}": scores["good"] + j * scores["noise"] for j in range(4)}
    table = ranking_metrics(names, labels, groups=group, users=user)
    fronts = {"narrow": ["w3"], "wide": ["w0", "w1", "w2", "w3"]}
    volumes = front_hypervolumes(table, fronts)
    corner = table.of("gauc").estimates.value[3, :2] - 0.5
    assert volumes["narrow"].value == pytest.approx(corner.prod())
    gain = front_hypervolumes(table, fronts, against="narrow")
    assert gain["narrow"].interval == [0, 0, 0]
    assert gain["wide"].low > 0
    assert gain["wide"].value == pytest.approx(volumes["wide"].value - volumes["narrow"].value)
    line = front_hypervolumes(table, fronts, objectives=["y1"], measure="auc")
    assert line["narrow"].interval == pytest.approx(
        (np.array(table.estimate("auc", "w3", "y1").interval) - 0.5).tolist()
    )
    for bad, message in (
        ({"a": "w1"}, "the front a must be a list of names"),
        ({"a": ["w9"]}, "a setting of a must be one of w0, w1, w2, w3; got 'w9'"),
    ):
        with pytest.raises(InputError, match=message):
            front_hypervolumes(table, bad)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scores": {}}, "scores must be named, one method at least"),
        ({"scores": [1, 2, 3, 4]}, "scores must be named"),
        ({"scores": {1: [1] * 4, "1": [2] * 4}}, "names of scores must differ as texts"),
        ({"scores": pa.table({"a": ["x"] * 4})}, "scores of a must be numbers"),
        ({"scores": {"a": [1, 2, np.nan, 4]}}, "scores of a must be a number; got nan at row 2"),
        (
            {"scores": {"a": np.ones((4, 2)), "b": np.ones((4, 3))}},
            "scores of b must be of 2 seeds",
        ),
        ({"users": ["u", "v", "v", "v"]}, "every group must be of one user; got two users at rows"),
        ({"against": "best"}, "against must be one of a; got 'best'"),
        ({"objectives": ["x", "y"]}, "objectives must be 1 different names"),
        ({"draws": 1}, "draws must be a whole number >= 2"),
        ({"level": 1.5}, "level must lie strictly between 0 and 1"),
        ({"label_mask": np.zeros(4, bool)}, "label_mask must leave some label observed"),
    ],
)
def test_bad_input(arguments, message):
    good = {"scores": {"a": [1, 2, 3, 4]}, "labels": [1, 0, 1, 0], "groups": [0, 0, 1, 1]}
    with pytest.raises(InputError, match=message):
        ranking_metrics(**(good | arguments))


def test_scores_may_be_columns_of_a_frame():
    scores = {"a": [3, 1, 2, 5], "b": [1, 2, 3, 4]}
    one, two = (
        ranking_metrics(table, [1, 0, 1, 0], groups=[0, 0, 1, 1], against="b")
        for table in (scores, pa.table(scores))
    )
    assert one.rows() == two.rows()


def test_a_name_that_is_not_in_the_table():
    table = ranking_metrics({"a": [2, 1]}, [1, 0], groups=[0, 0])
    for call in (("area", "a"), ("auc", "b"), ("auc", "a", "y9")):
        with pytest.raises(InputError, match="must be one of"):
            table.estimate(*call)
