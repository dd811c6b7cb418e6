"""Soft ranks against a dense oracle, against hard ranks, and against their own gradient."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from fixtures.rank_oracle import dense_ranks  # noqa: E402

from equipoise.core.errors import InputError  # noqa: E402
from equipoise.neural import soft_rank  # noqa: E402
from equipoise.neural.rank_kernels import block_starts, score_order  # noqa: E402

TEXT = torch.tensor([0.7, 0.2, 0.8, 0.1, 0.9])
ENGINES = ("numba", "scipy", "torch")
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def scores_of(seed: int, n: int, ties: bool) -> np.ndarray:
    s = np.random.default_rng(seed).normal(size=n)
    return np.round(s, 1) if ties else s


def test_the_largest_score_has_the_largest_rank():
    assert soft_rank(TEXT, strength=0).tolist() == [3, 2, 4, 1, 5]
    assert soft_rank(TEXT, strength=0, direction="descending").tolist() == [3, 4, 2, 5, 1]


def test_a_strength_over_every_gap_gives_a_line():
    s = TEXT.double()
    torch.testing.assert_close(soft_rank(s, strength=1.0), s - s.mean() + 3)


@given(
    seed=st.integers(0, 10**6),
    n=st.integers(1, 12),
    strength=st.sampled_from([0.0, 0.013, 0.11, 0.37, 2.3]),
    ties=st.booleans(),
)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_every_engine_projects(seed, n, strength, ties):
    s = scores_of(seed, n, ties)
    for engine in ENGINES:
        got = soft_rank(torch.from_numpy(s), strength=strength, backend=engine).numpy()
        np.testing.assert_allclose(got, dense_ranks(s, strength), atol=1e-9, err_msg=engine)


@given(seed=st.integers(0, 10**6), sizes=st.lists(st.integers(0, 6), min_size=1, max_size=5))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_groups_by_id_by_offset_padded_and_one_by_one_agree(seed, sizes):
    rng = np.random.default_rng(seed)
    parts = [torch.from_numpy(np.round(rng.normal(size=n), 1)) for n in sizes]
    whole, offsets = torch.cat(parts), np.concatenate([[0], np.cumsum(sizes)])
    single = torch.cat([soft_rank(part) for part in parts])
    ids = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    width = max(2, *sizes)
    padded = torch.full((len(sizes), width), torch.nan, dtype=torch.float64)
    mask = torch.arange(width) < torch.tensor(sizes)[:, None]
    padded[mask] = whole
    for engine in ENGINES:
        if len(offsets) != len(whole):
            torch.testing.assert_close(soft_rank(whole, groups=offsets, backend=engine), single)
        rows = torch.from_numpy(rng.permutation(len(whole)))
        mixed = soft_rank(whole[rows], groups=ids[rows] * 10**9, backend=engine)
        torch.testing.assert_close(mixed, single[rows])
        framed = soft_rank(padded, mask=mask, backend=engine)
        torch.testing.assert_close(framed[mask], single)
        assert (framed[~mask] == 0).all()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("direction", ["ascending", "descending"])
def test_the_gradient_is_that_of_finite_differences(engine, direction):
    s = torch.from_numpy(scores_of(3, 14, False)).requires_grad_()
    mask = torch.arange(14) != 5

    def ranks(x):
        return soft_rank(
            x.reshape(2, 7),
            mask=mask.reshape(2, 7),
            strength=0.31,
            direction=direction,
            backend=engine,
        )

    assert torch.autograd.gradcheck(ranks, (s,))
    ranks(s).square().sum().backward()
    assert s.grad[5] == 0
    assert s.grad.abs().max() > 1


def test_the_automatic_strength_ignores_shift_and_scale_and_holds_small_groups():
    s = torch.from_numpy(scores_of(1, 50, False))
    torch.testing.assert_close(soft_rank(7 + 1e3 * s), soft_rank(s))
    eps = 3 * s.std(correction=0) / 50
    torch.testing.assert_close(soft_rank(s), soft_rank(s, strength=float(eps)))
    tied = soft_rank(torch.tensor([0.1, 0.1, 0.1, 5.0]), groups=[2, 2, 2, 7])
    assert tied.tolist() == [2, 2, 2, 1]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("device", DEVICES)
def test_any_float_keeps_its_type_and_is_ranked_in_64_bits(dtype, device):
    s = torch.randn(4096, generator=torch.Generator().manual_seed(0)).to(device, dtype)
    s.requires_grad_()
    ranks = soft_rank(s)
    exact = soft_rank(s.detach().double().cpu())
    assert (ranks.dtype, ranks.device) == (dtype, s.device)
    torch.testing.assert_close(ranks.detach().cpu(), exact.to(dtype))
    ranks.float().square().mean().backward()
    assert torch.isfinite(s.grad).all()
    assert s.grad.dtype == dtype


def test_float32_keeps_the_ranks_of_many_rows():
    s = torch.randn(100_000, generator=torch.Generator().manual_seed(1))
    for strength in ("auto", 1e-4, 1.0):
        far = soft_rank(s, strength=strength).double() - soft_rank(s.double(), strength=strength)
        assert far.abs().max() <= 2**-8  # half a unit in the last place of ranks over 65,536


def test_a_long_chain_of_merges_leaves_the_device_with_the_right_blocks():
    s = torch.cat([torch.arange(200.0) * 1.00001, torch.full((200,), 199.0 * 1.00001)]).double()
    torch.testing.assert_close(
        soft_rank(s, strength=1.0, backend="torch"), soft_rank(s, strength=1.0), rtol=0, atol=1e-9
    )


def test_nothing_to_rank_is_no_error():
    assert soft_rank(torch.zeros(0)).shape == (0,)
    assert soft_rank(torch.zeros(0, 5)).shape == (0, 5)
    hidden = soft_rank(
        torch.full((3,), torch.nan, requires_grad=True), mask=torch.zeros(3, dtype=torch.bool)
    )
    assert hidden.tolist() == [0, 0, 0]
    assert soft_rank(torch.tensor([[4.0]])).tolist() == [[1]]


def test_weights_are_repetitions():
    s, w = np.array([0.1, 0.2, 0.9]), np.array([1.0, 3.0, 2.0])
    for eps in (0.0, 0.04, 0.3):
        starts = block_starts(s, w, np.array([0, 3]), np.array([eps]))
        again = block_starts(np.repeat(s, [1, 3, 2]), np.ones(6), np.array([0, 6]), np.array([eps]))
        below = np.concatenate([[0], np.cumsum(w)]).astype(int)
        assert below[starts].tolist() == again.tolist()


def test_the_order_of_floats_is_that_of_numbers():
    s = np.array([0.0, -0.0, -np.float32(1e-45), 1e-45, -3e38, 3e38, -1, 1], np.float32)
    assert score_order(s).tolist() == np.argsort(s, kind="stable").tolist()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: soft_rank(TEXT.reshape(5, 1)), r"scores must be \(N,\).*shape \(5, 1\).*\[:, 0\]"),
        (
            lambda: soft_rank(torch.tensor([[1.0, 2], [3, torch.nan]])),
            r"finite; got nan at \[1, 1\]",
        ),
        (lambda: soft_rank(torch.tensor([1, 2])), "tensor of floats; got torch.int64"),
        (lambda: soft_rank(torch.tensor(1.0)), r"scores must be \(N,\)"),
        (lambda: soft_rank(TEXT, groups=[0, 2, 4]), r"end at 5; got 3 numbers from \[0\] to \[4\]"),
        (lambda: soft_rank(TEXT, groups=[0, 4, 2, 5]), "never fall"),
        (lambda: soft_rank(TEXT[:3], groups=[0, 1, 3]), "told apart"),
        (lambda: soft_rank(TEXT, groups=torch.rand(5)), "whole number"),
        (lambda: soft_rank(TEXT.reshape(1, 5), groups=[0, 5]), "groups must come with"),
        (lambda: soft_rank(TEXT, mask=torch.ones(4, dtype=torch.bool)), r"shape \(5,\)"),
        (lambda: soft_rank(TEXT, mask=[True] * 5), "mask must be a tensor of bools"),
        (lambda: soft_rank(TEXT, strength=-1), "strength must be >= 0"),
        (lambda: soft_rank(TEXT, strength="large"), 'strength must be "auto"'),
        (lambda: soft_rank(TEXT, k=0), "k must be > 0"),
        (lambda: soft_rank(TEXT, direction="ascend"), "did you mean 'ascending'"),
        (lambda: soft_rank(TEXT, backend="nunba"), "did you mean 'numba'"),
        (lambda: soft_rank(torch.zeros(65505).half()), "at most 65504"),
    ],
)
def test_bad_input_says_what_to_do(call, words):
    with pytest.raises(InputError, match=words):
        call()
