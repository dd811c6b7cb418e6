"""AUC, GAUC and NDCG against scikit-learn, loops and hands."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score, roc_auc_score

from equipoise.core.errors import InputError
from equipoise.evaluation import OneClassWarning, auc, gauc, ndcg_at_k

pytestmark = pytest.mark.filterwarnings("ignore::equipoise.evaluation.OneClassWarning")


def drawn(seed, n=60, objectives=3, levels=5, groups=9):
    """Labels with a rare last objective, tied scores, groups, mask, weights."""
    rng = np.random.default_rng(seed)
    rate = np.array([0.4, 0.6, 0.03])[:objectives]
    labels = (rng.random((n, objectives)) < rate).astype(int)
    mask = rng.random((n, objectives)) < 0.8
    score = rng.integers(0, levels, n) / levels
    return labels, score, rng.integers(0, groups, n), mask, rng.integers(1, 4, n).astype(float)


def pairs_loop(labels, score, weight):
    """(pairs ranked rightly, positives, negatives), from the definition."""
    right = 0.0
    for i in np.flatnonzero(labels == 1):
        for j in np.flatnonzero(labels == 0):
            order = float(score[i] > score[j]) + 0.5 * float(score[i] == score[j])
            right += weight[i] * weight[j] * order
    return right, weight[labels == 1].sum(), weight[labels == 0].sum()


def gauc_loop(labels, score, group, weight, how):
    """(value, groups that count, of how many, their rows) of one objective."""
    total = mass = rows = 0.0
    counts = 0
    for g in np.unique(group):
        own = group == g
        right, p, n = pairs_loop(labels[own], score[own], weight[own])
        if p * n > 0:
            w = {"size": p + n, "uniform": 1.0, "pairs": p * n}[how]
            total, mass, counts = total + w * right / (p * n), mass + w, counts + 1
            rows += own.sum()
    value = total / mass if mass else np.nan
    return value, counts, len(np.unique(group)), rows


def test_the_texts_example_is_ranked_ascending():
    """Of 6 pairs of a buyer and another 5 are in order: .7 < .8 is the one that is not."""
    assert auc([1, 0, 0, 0, 1], [0.7, 0.2, 0.8, 0.1, 0.9]).tolist() == [5 / 6]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6), st.booleans(), st.booleans())
def test_auc_is_scikit_learns_with_ties_weights_and_masks(seed, levels, masked, weighted):
    labels, score, _, mask, weight = drawn(seed, levels=levels)
    value = auc(
        labels,
        score,
        label_mask=mask if masked else None,
        sample_weight=weight if weighted else None,
    )
    for m, mine in enumerate(value):
        rows = mask[:, m] if masked else np.ones(len(mask), bool)
        if len(np.unique(labels[rows, m])) < 2:
            assert np.isnan(mine)
        else:
            w = weight[rows] if weighted else None
            theirs = roc_auc_score(labels[rows, m], score[rows], sample_weight=w)
            assert mine == pytest.approx(theirs, abs=1e-12)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["size", "uniform", "pairs"]), st.integers(1, 40))
def test_gauc_is_the_loop_over_groups(seed, how, groups):
    labels, score, group, mask, weight = drawn(seed, groups=groups)
    mean = gauc(labels, score, group, weight=how, label_mask=mask, sample_weight=weight)
    weight = weight / weight.mean()
    for m in range(3):
        rows = mask[:, m]
        value, counts, of, covered = gauc_loop(
            labels[rows, m], score[rows], group[rows], weight[rows], how
        )
        np.testing.assert_allclose(mean.value[m], value, atol=1e-12)
        assert mean.groups[m] == counts
        assert mean.coverage[m] == counts / of
        assert mean.row_coverage[m] == covered / rows.sum()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 6))
def test_ndcg_is_scikit_learns_of_every_group(seed, k, levels):
    labels, score, group, mask, _ = drawn(seed, levels=levels, groups=5)
    mean = ndcg_at_k(labels, score, group, k=k, label_mask=mask)
    for m in range(3):
        each = []
        for g in np.unique(group):
            own = (group == g) & mask[:, m]
            if labels[own, m].any():
                alone = own.sum() == 1  # which scikit-learn refuses
                each.append(1.0 if alone else ndcg_score([labels[own, m]], [score[own]], k=k))
        np.testing.assert_allclose(mean.value[m], np.mean(each) if each else np.nan, atol=1e-12)
        assert mean.groups[m] == len(each)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_only_order_counts_and_rows_may_stand_in_any_order(seed):
    labels, score, group, mask, weight = drawn(seed)
    turn = np.random.default_rng(seed).permutation(len(score))
    names = np.array([f"user {g}" for g in group], dtype=object)
    one = gauc(labels, score, group, label_mask=mask, sample_weight=weight)
    other = gauc(
        labels[turn],
        np.exp(3 * score[turn]) - 7,
        names[turn],
        label_mask=mask[turn],
        sample_weight=2 * weight[turn],
    )
    np.testing.assert_allclose(one.value, other.value, atol=1e-12)
    np.testing.assert_array_equal(one.coverage, other.coverage)
    whole = auc(labels, score, label_mask=mask) + auc(labels, -score, label_mask=mask)
    np.testing.assert_allclose(whole[~np.isnan(whole)], 1)


@pytest.mark.parametrize(
    "ids",
    [
        np.array([7, 7, -1, -1, -1]),
        ["a", "a", "b", "b", "b"],
        np.array([b"a", b"a", b"b", b"b", b"b"]),
        np.array(["2022-05-01", "2022-05-01", "2022-05-02", "2022-05-02", "2022-05-02"], "M8[D]"),
        np.array([0.5, 0.5, np.inf, np.inf, np.inf]),
        np.array([True, True, False, False, False]),
    ],
    ids=lambda ids: getattr(ids, "dtype", "list"),
)
def test_groups_are_ids_of_any_type(ids):
    mean = gauc([1, 0, 0, 1, 0], [3, 1, 2, 5, 5], ids)
    assert mean.value.tolist() == pytest.approx([0.85])


def test_groups_of_one_row_are_legal_and_say_nothing():
    mean = gauc([1, 0, 1], [1, 2, 3], [0, 1, 2])
    assert np.isnan(mean.value[0])
    assert (mean.groups[0], mean.coverage[0], mean.row_coverage[0]) == (0, 0.0, 0.0)
    assert ndcg_at_k([1, 0, 1], [1, 2, 3], [0, 1, 2]).value.tolist() == [1.0]


def test_one_class_is_said():
    with pytest.warns(OneClassWarning, match=r"all 2 labels of y1 are 0: no score") as caught:
        value = auc([[1, 0], [0, 0]], [2, 1])
    assert caught[0].filename == __file__
    assert value[0] == 1.0
    assert np.isnan(value[1])
    with pytest.warns(OneClassWarning, match="y0 was not observed in any row") as caught:
        gauc([[1, 1], [0, 0]], [2, 1], [0, 0], label_mask=[[False, True]] * 2)
    assert caught[0].filename == __file__


def test_what_is_not_observed_may_hold_anything():
    labels = np.array([[1.0, np.nan], [0.0, 17.0], [1.0, 1.0], [0.0, 0.0]])
    mask = ~np.isnan(labels) & (labels < 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert auc(labels, [4, 3, 2, 1], label_mask=mask).tolist() == [0.75, 1.0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels": [0, 3, 1]}, r"labels must be 0 or 1; got 3 at row 1, objective y0; a count"),
        ({"labels": [0, np.nan, 1]}, r"labels must be 0 or 1; got nan at row 1.*label_mask"),
        ({"labels": ["yes", "no", "no"]}, "labels must be numbers"),
        ({"labels": np.zeros((0, 2))}, "labels must have shape"),
        ({"scores": [1, np.nan, 2]}, r"scores must be a number; got nan at row 1"),
        ({"scores": [1, 2]}, r"scores must be one number per row of labels, \(3,\)"),
        ({"scores": ["high", "low", "low"]}, "scores must be numbers"),
        ({"groups": [1, 2]}, r"groups must be one id per row"),
        ({"groups": ["a", None, "b"]}, "groups must be known; got nothing at row 1"),
        ({"groups": [1.0, 2.0, np.nan]}, "groups must be known; got nothing at row 2"),
        ({"groups": np.array([1, "a", 2.5], object)}, "groups must be of one type"),
        ({"groups": [2**70, 2**70, 1]}, "groups must be of one type"),
        ({"groups": [("a", 1), ("a", 2), ("b", 1)]}, "groups must be one id.*join the parts"),
        ({"labels": np.ma.masked_array([1, 0, 1], [0, 1, 0])}, "labels must be 0 or 1; got nan"),
        ({"scores": np.ma.masked_array([1, 0, 1], [0, 1, 0])}, "scores must be a number; got nan"),
        ({"label_mask": [[True, False]] * 3}, r"label_mask must have the labels' shape \(3, 1\)"),
        ({"label_mask": [False] * 3}, "label_mask must leave some label observed"),
        ({"label_mask": [1, 0, 2]}, "label_mask must be true or false; got 2 at row 2"),
        ({"sample_weight": [1, -1, 1]}, "sample_weight must be a finite number > 0"),
        ({"weight": "rows"}, "weight must be one of size, uniform, pairs; got 'rows'"),
    ],
)
def test_bad_input_names_the_row(arguments, message):
    good = {"labels": [1, 0, 1], "scores": [1, 2, 3], "groups": ["a", "a", "b"]}
    with pytest.raises(InputError, match=message):
        gauc(**(good | arguments))


@pytest.mark.parametrize("k", [0, 2.0, True, "10"])
def test_places_are_a_whole_number(k):
    with pytest.raises(InputError, match="k must be a whole number >= 1"):
        ndcg_at_k([1, 0], [1, 2], [0, 0], k=k)
