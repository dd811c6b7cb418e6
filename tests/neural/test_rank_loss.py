"""The loss of ranks against loops over pairs, scikit-learn's AUC, autograd, finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

torch = pytest.importorskip("torch")

from fixtures.rank_oracle import objective_loss  # noqa: E402

from equipoise.core.errors import InputError  # noqa: E402
from equipoise.neural import RankAUCLoss, rank_auc_loss, soft_rank  # noqa: E402
from equipoise.neural.rank_loss import SURROGATES  # noqa: E402

TEXT = torch.tensor([0.7, 0.2, 0.8, 0.1, 0.9])
BUYS = torch.tensor([[1], [0], [0], [0], [1]])
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
OPTIONS = st.fixed_dictionaries(
    {
        "surrogate": st.sampled_from(SURROGATES),
        "strength": st.sampled_from(["auto", "auto", 0.0, 0.11, 0.73]),
        "k": st.sampled_from([0.7, 3.0, 11.0]),
        "standardize": st.booleans(),
        "scale": st.sampled_from(["gradient", "auc"]),
    }
)


def batch(seed: int, n: int = 60, m: int = 3):
    """Scores, labels, weights and groups of 64 bits."""
    rng = np.random.default_rng(seed)
    s, y = rng.normal(size=n), (rng.random((n, m)) < 0.4).astype(float)
    return torch.from_numpy(s), torch.from_numpy(y), rng.integers(0, 4, n), rng.integers(0, 3, n)


def gradient(scores, labels, **options):
    s = scores.clone().requires_grad_()
    (slope,) = torch.autograd.grad(rank_auc_loss(s, labels, **options).loss, s)
    return slope


def assert_the_text(loss):
    assert float(loss(TEXT, BUYS, strength=0.0).hard_auc) == pytest.approx(5 / 6)
    assert float(loss(TEXT, BUYS, strength=0.0).soft_auc) == pytest.approx(5 / 6)
    assert loss(TEXT, BUYS).loss < loss(TEXT, 1 - BUYS).loss


def test_the_example_of_the_text_ascends():
    assert_the_text(rank_auc_loss)


def test_ranks_from_the_largest_score_would_be_noticed():
    with pytest.raises(AssertionError):
        assert_the_text(lambda s, *others, **options: rank_auc_loss(-s, *others, **options))


@given(
    seed=st.integers(0, 10**6),
    n=st.integers(1, 16),
    groups=st.integers(1, 3),
    ties=st.booleans(),
    count=st.sampled_from(["uniform", "size", "pairs", "own"]),
    options=OPTIONS,
)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_every_form_is_that_of_slow_loops(seed, n, groups, ties, count, options):
    rng = np.random.default_rng(seed)
    m, s = 3, rng.normal(size=n)
    s = np.round(s, 1) if ties else s
    y, mask = rng.integers(0, 2, (n, m)).astype(float), rng.random((n, m)) < 0.8
    mask[:, 1] = mask[:, 0]
    w, group, importance = rng.integers(0, 4, n), rng.integers(0, groups, n), rng.random(m)
    group[: min(n, groups)] = np.arange(groups)[:n]
    own = rng.random(group.max() + 1)
    slow = []
    for j in range(m):
        again = np.repeat(np.flatnonzero(mask[:, j]), w[mask[:, j]])
        by = own if count == "own" else count
        slow.append(objective_loss(s[again], y[again, j], group[again], by, options))
    loss, soft, hard, valid = map(np.array, zip(*slow, strict=True))
    y[~mask] = np.nan
    got = rank_auc_loss(
        torch.from_numpy(s),
        torch.from_numpy(y),
        label_mask=torch.from_numpy(mask),
        sample_weight=torch.from_numpy(w),
        groups=group,
        group_weight=torch.from_numpy(own) if count == "own" else count,
        objective_weight=importance,
        **options,
    )
    assert got.n_valid_groups.tolist() == valid.tolist()
    weight = importance * (valid > 0)
    mean = (weight * np.nan_to_num(loss)).sum() / (weight.sum() or 1)
    assert float(got.loss) == pytest.approx(mean, abs=1e-9)
    np.testing.assert_allclose(got.soft_auc, soft, atol=1e-9)
    np.testing.assert_allclose(got.hard_auc, hard, atol=1e-9)


@given(seed=st.integers(0, 10**6), ties=st.booleans(), options=OPTIONS)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_the_closed_form_is_the_finite_difference(seed, ties, options):
    rng = np.random.default_rng(seed)
    s, y, w, group = batch(seed, n=12)
    s = s.mul(10).round() / 10 if ties else s
    mask = torch.from_numpy(rng.random(y.shape) < 0.8)
    options |= {"label_mask": mask, "sample_weight": torch.from_numpy(w), "groups": group}
    if not options["standardize"] and options["strength"] == "auto":
        options["strength"] = 0.29  # the automatic one is held fixed in the gradient
    way, h = torch.from_numpy(rng.normal(size=12)), 1e-6
    up, down = (rank_auc_loss(s + h * step * way, y, **options).loss for step in (1, -1))
    if options["strength"] != 0:
        slope = float(gradient(s, y, **options) @ way)
        assert slope == pytest.approx(float(up - down) / (2 * h), abs=1e-6)


def test_the_closed_form_is_autograd_through_soft_ranks():
    s, y, _, group = batch(5)
    leaf = s.clone().requires_grad_()
    ranks = soft_rank(leaf, strength=0.07, groups=group)
    total = torch.zeros(())
    for g in range(3):
        mine = torch.from_numpy(group == g)
        p = y[mine].sum(0)
        won = ranks[mine] @ y[mine] - p * (p + 1) / 2
        total = total - (won / (p * (mine.sum() - p))).mean() / 3
    (slow,) = torch.autograd.grad(total, leaf)
    form = {"groups": group, "strength": 0.07, "standardize": False, "scale": "auc"}
    torch.testing.assert_close(gradient(s, y, **form), slow)
    torch.testing.assert_close(rank_auc_loss(s, y, **form).loss, total.detach())


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("strength", [0.0, "auto"])
def test_hard_auc_is_scikit_learns(strength, weighted):
    s, y, w, _ = batch(2, n=400)
    s = s.mul(5).round()
    w = w if weighted else np.ones(len(s))
    got = rank_auc_loss(s, y, sample_weight=torch.from_numpy(w), strength=strength)
    want = [roc_auc_score(y[:, j], s, sample_weight=w) for j in range(3)]
    np.testing.assert_allclose(got.hard_auc, want, atol=1e-12)
    if strength == 0:
        np.testing.assert_allclose(got.soft_auc, want, atol=1e-12)


def test_scores_of_very_unequal_size_are_not_tied():
    s = torch.tensor([2e-30, 1e-30, 0.5, 0.7], dtype=torch.float64)
    y = torch.tensor([[1], [0], [1], [1]])
    for strength in ("auto", 0.0):
        assert float(rank_auc_loss(s, y, strength=strength).hard_auc) == 1
    assert float(rank_auc_loss(s, y, strength=0.0).soft_auc) == 1
    assert soft_rank(s, strength=0.0).tolist() == [2, 1, 3, 4]


def test_the_literal_strength_of_the_text_is_a_difference_of_means():
    s = torch.rand(500, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    y = torch.arange(500)[:, None] % 7 == 0
    got = rank_auc_loss(s, y, strength=1.0, standardize=False, scale="auc")
    gap = s[y[:, 0]].mean() - s[~y[:, 0]].mean()
    assert float(got.soft_auc) == pytest.approx(0.5 + float(gap) / 500, abs=1e-12)
    scaled = rank_auc_loss(s, y, strength=1.0, standardize=False).loss
    line = rank_auc_loss(s, y, k=torch.inf, standardize=False).loss
    assert float(scaled) == pytest.approx(float(line), abs=1e-9)


@pytest.mark.parametrize("surrogate", SURROGATES)
def test_shift_scale_and_the_order_of_rows_and_groups_do_not_matter(surrogate):
    s, y, w, group = batch(7)
    form = {"surrogate": surrogate, "group_weight": "size"}
    plain = rank_auc_loss(s, y, sample_weight=torch.from_numpy(w), groups=group, **form)
    other = torch.from_numpy(np.random.default_rng(1).permutation(len(s)))
    moved = rank_auc_loss(
        1e3 * s[other] - 40,
        y[other],
        sample_weight=torch.from_numpy(w)[other],
        groups=(5 - group)[other.numpy()],
        **form,
    )
    for a, b in zip(plain, moved, strict=True):
        torch.testing.assert_close(a, b, equal_nan=True)
    assert float(gradient(s, y, **form) @ s) == pytest.approx(0, abs=1e-12)


def test_offsets_are_the_mean_of_calls_one_by_one():
    s, y, _, _ = batch(9)
    form = {"standardize": False, "strength": 0.05}
    whole = rank_auc_loss(s, y, groups=[0, 20, 60], **form)
    parts = [rank_auc_loss(s[a:b], y[a:b], **form) for a, b in ((0, 20), (20, 60))]
    torch.testing.assert_close(whole.loss, (parts[0].loss + parts[1].loss) / 2)
    torch.testing.assert_close(whole.hard_auc, (parts[0].hard_auc + parts[1].hard_auc) / 2)


def test_an_objective_ranks_the_rows_that_it_observes():
    s, y, _, _ = batch(4)
    mask = torch.rand(60, 3, generator=torch.Generator().manual_seed(0)) < 0.6
    each = rank_auc_loss(s, y, label_mask=mask, reduction="none")
    for j in range(3):
        alone = rank_auc_loss(s[mask[:, j]], y[mask[:, j]][:, [j]])
        torch.testing.assert_close(each.loss[j], alone.loss)
        torch.testing.assert_close(each.hard_auc[j], alone.hard_auc[0])


def test_padding_may_hold_anything():
    s, y, _, _ = batch(4)
    padded = torch.cat([s, torch.full((4,), torch.nan)]).requires_grad_()
    labels = torch.cat([y, torch.full((4, 3), torch.nan)])
    got = rank_auc_loss(padded, labels, label_mask=~labels.isnan())
    torch.testing.assert_close(got.loss.detach(), rank_auc_loss(s, y).loss)
    got.loss.backward()
    torch.testing.assert_close(padded.grad, torch.cat([gradient(s, y), torch.zeros(4)]))


def test_the_losses_of_objectives_keep_their_own_gradients():
    s, y, _, _ = batch(6)
    leaf = s.clone().requires_grad_()
    losses = rank_auc_loss(leaf, y, reduction="none").loss
    for j in range(3):
        (slope,) = torch.autograd.grad(losses[j], leaf, retain_graph=True)
        torch.testing.assert_close(slope, gradient(s, y[:, [j]]))
    total = rank_auc_loss(s, y, reduction="sum", objective_weight=[1.0, 2, 0])
    torch.testing.assert_close(total.loss, losses[0] + 2 * losses[1])


@pytest.mark.parametrize("surrogate", SURROGATES)
def test_an_objective_without_positives_has_no_part_and_is_counted(surrogate):
    s, y, _, _ = batch(8)
    both = torch.cat([y, torch.zeros(60, 1), torch.ones(60, 1)], dim=1)
    got = rank_auc_loss(s, both, surrogate=surrogate)
    torch.testing.assert_close(got.loss, rank_auc_loss(s, y, surrogate=surrogate).loss)
    assert got.n_valid_groups.tolist() == [1, 1, 1, 0, 0]
    assert got.hard_auc[3:].isnan().all()


@pytest.mark.parametrize("surrogate", SURROGATES)
@pytest.mark.parametrize(
    "empty",
    [
        {"labels": torch.zeros(5, 1)},
        {"label_mask": torch.zeros(5, 1, dtype=torch.bool)},
        {"sample_weight": torch.zeros(5)},
        {"groups": torch.arange(5)},
        {"objective_weight": [0.0]},
        {"scores": torch.full((5,), 0.1)},
    ],
    ids=lambda empty: next(iter(empty)),
)
def test_nothing_to_learn_from_is_a_loss_of_zero_with_its_graph(surrogate, empty):
    options = {"scores": TEXT, "labels": BUYS} | empty
    scores = options.pop("scores").clone().requires_grad_()
    got = rank_auc_loss(scores, options.pop("labels"), surrogate=surrogate, **options)
    got.loss.backward()
    assert got.loss.item() == 0
    assert scores.grad.tolist() == [0] * 5
    assert "objective_weight" in options or got.n_valid_groups.tolist() == [0]


def test_equal_scores_have_no_spread_to_stand_on():
    tied = torch.full((5,), 0.3)
    for strength, scale in (("auto", "auc"), (0.5, "auc"), (0.5, "gradient")):
        got = rank_auc_loss(tied, BUYS, strength=strength, scale=scale)
        assert (float(got.loss), got.n_valid_groups.tolist(), float(got.hard_auc)) == (0, [0], 0.5)
    raw = rank_auc_loss(tied, BUYS, strength=0.5, standardize=False)
    assert raw.n_valid_groups.tolist() == [1]


def test_a_batch_of_no_rows_is_a_loss_of_zero():
    scores = torch.zeros(0, requires_grad=True)
    got = rank_auc_loss(scores, torch.zeros(0, 2))
    got.loss.backward()
    assert got.loss.item() == 0
    assert rank_auc_loss(TEXT[:1], BUYS[:1]).n_valid_groups.tolist() == [0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("surrogate", SURROGATES)
@pytest.mark.parametrize("device", DEVICES)
def test_half_precision_has_no_nan(dtype, surrogate, device):
    s = torch.randn(4096, generator=torch.Generator().manual_seed(0)).to(device, dtype)
    y = (torch.arange(4096, device=device)[:, None] % 50 == 0).to(dtype)
    got = rank_auc_loss(s.requires_grad_(), y, surrogate=surrogate)
    got.loss.backward()
    exact = rank_auc_loss(s.detach().double().cpu(), y.cpu(), surrogate=surrogate)
    assert got.loss.dtype == torch.float32
    assert got.loss.item() == pytest.approx(float(exact.loss), rel=1e-5, abs=1e-6)
    assert torch.isfinite(s.grad).all()
    assert s.grad.dtype == dtype
    assert s.grad.count_nonzero() > 1000


def test_the_step_depends_neither_on_the_size_nor_on_k():
    rng = np.random.default_rng(0)
    pulls = []
    for n, k in ((500, 3.0), (5000, 3.0), (5000, 30.0)):
        y = torch.from_numpy(rng.random((n, 1)) < 0.3)
        s = torch.from_numpy(rng.normal(size=n)) + 0.5 * y[:, 0]
        pulls.append(float(gradient(s, y, k=k).abs().sum()))
    assert max(pulls) < 2 * min(pulls)


def test_the_logistic_loss_of_many_pairs_is_that_of_every_pair():
    rng = np.random.default_rng(3)
    s = np.concatenate([rng.normal(size=900), [-70.0, 90.0, 60.0]])
    y = rng.random((903, 1)) < 0.4
    gaps = s[:, None][~y[:, 0]] - s[y[:, 0]]  # (negatives, positives)
    slope = np.empty(903)
    slope[y[:, 0]] = -(1 / (1 + np.exp(-gaps))).sum(axis=0) / gaps.size
    slope[~y[:, 0]] = (1 / (1 + np.exp(-gaps))).sum(axis=1) / gaps.size
    form = {"surrogate": "logistic", "standardize": False}
    got = rank_auc_loss(torch.from_numpy(s), torch.from_numpy(y), **form).loss
    assert float(got) == pytest.approx(np.logaddexp(0, gaps).mean(), rel=1e-12)
    np.testing.assert_allclose(
        gradient(torch.from_numpy(s), torch.from_numpy(y), **form), slope, rtol=1e-9, atol=1e-15
    )


def test_a_line_learns_to_rank_by_any_surrogate():
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.normal(size=(400, 3)))
    y = (
        x @ torch.tensor([[1.0], [-1], [0]]).double() + torch.from_numpy(rng.normal(size=(400, 1)))
    ) > 1
    for surrogate in SURROGATES:
        beta = torch.zeros(3, dtype=torch.float64).index_fill_(0, torch.tensor([2]), 1.0)
        loss = RankAUCLoss(surrogate=surrogate)
        for _ in range(30):
            beta.requires_grad_()
            (slope,) = torch.autograd.grad(loss(x @ beta, y).loss, beta)
            beta = (beta - 0.5 * slope).detach()
        assert float(rank_auc_loss(x @ beta, y).hard_auc) > 0.85, surrogate


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scores": TEXT[:, None]}, r"scores must be \(N,\); got shape \(5, 1\); scores\[:, 0\]"),
        ({"scores": TEXT.log() * torch.nan}, "scores must be finite; got nan at"),
        ({"labels": BUYS[:, 0]}, r"labels must be \(N, M\).*labels\[:, None\]"),
        ({"labels": BUYS[:4]}, r"N = 5.*shape \(4, 1\)"),
        ({"labels": 3 * BUYS}, "labels must be 0 or 1.*got 3 at row 0, objective 0; labels > 0"),
        ({"labels": torch.nan * BUYS}, "0 or 1 where they are observed; got nan"),
        ({"labels": [[1]]}, "labels must be a tensor"),
        ({"label_mask": torch.ones(5, 2, dtype=torch.bool)}, r"label_mask must.*\(5, 1\)"),
        (
            {"sample_weight": [1.0, 1, -1, 1, 1]},
            "sample_weight must be finite and >= 0; got -1.0 at row 2",
        ),
        ({"sample_weight": [1.0]}, r"one number of each row \(5\)"),
        ({"objective_weight": [1.0, 1]}, r"one number of each objective \(1\)"),
        ({"group_weight": torch.ones(2)}, r"one number of each group \(1\)"),
        ({"group_weight": "pair"}, "did you mean 'pairs'"),
        ({"groups": [0, 2, 4]}, "offsets that start at 0, never fall and end at 5"),
        ({"surrogate": "softrank"}, "did you mean 'soft_rank'"),
        ({"scale": "grad"}, "did you mean 'gradient'"),
        ({"reduction": "avg"}, "mean, sum, none"),
        ({"k": -1.0}, "k must be > 0"),
    ],
    ids=lambda change: next(iter(change)) if isinstance(change, dict) else "",
)
def test_bad_input_says_what_to_do(change, words):
    options = {"scores": TEXT, "labels": BUYS} | change
    with pytest.raises(InputError, match=words):
        rank_auc_loss(options.pop("scores"), options.pop("labels"), **options)
