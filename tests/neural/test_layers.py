"""Grouped layers, attention and experts against loops written from their formulas."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from equipoise.neural.attention import SelfAttention, TargetAttention  # noqa: E402
from equipoise.neural.balance import DISTANCES  # noqa: E402
from equipoise.neural.layers import Embed, Experts, Grouped, Towers, mlp, weighted_sum  # noqa: E402


def close(a: torch.Tensor, b: torch.Tensor) -> None:
    np.testing.assert_allclose(a.detach(), b.detach(), rtol=1e-4, atol=1e-5)


def test_an_embedding_is_piecewise_linear_in_the_position():
    embed = Embed(2, 3, 4)
    u = torch.tensor([[0.0, 1.5], [3.0, 9.0]])
    basis = torch.tensor([[[0, 0, 0], [1, 0.5, 0]], [[1, 1, 1], [1, 1, 1.0]]])
    want = torch.stack(
        [
            torch.stack([basis[i, j] @ embed.weight[j] + embed.bias[j] for j in range(2)])
            for i in range(2)
        ]
    )
    close(embed(u), want)


@pytest.mark.parametrize(
    "layers",
    [mlp(12, (5,), 2), Grouped(3, 12, 5), Towers(3, 12, (5,), 2)],
    ids=["mlp", "grouped", "towers"],
)
def test_a_layer_on_the_basis_is_the_layer_on_the_embeddings(layers):
    """The same answer, and the same gradient of every parameter."""
    embed, u, found = Embed(3, 4, 4), 5 * torch.rand(7, 3), []
    for x in (embed.flat(u), embed(u).flatten(1)):
        made = layers(x)
        grads = torch.autograd.grad((made**2).sum(), [*embed.parameters(), *layers.parameters()])
        found.append([made, *grads])
    for one, other in zip(*found, strict=True):
        close(one, other)


def test_a_weighed_sum_by_hand_and_its_gradients_by_differences():
    share, x = (
        torch.tensor([[[0.5, 1.0]], [[2.0, 0.0]]]),
        torch.tensor([[[1.0, 3.0]], [[10.0, 20.0]]]),
    )
    assert weighted_sum(share, x).tolist() == [[[20.5, 41.5]], [[1.0, 3.0]]]
    rng = torch.Generator().manual_seed(0)
    parts = [
        torch.rand(3, 4, n, generator=rng, dtype=torch.float64).requires_grad_() for n in (2, 5)
    ]
    assert torch.autograd.gradcheck(weighted_sum, parts)


@pytest.mark.parametrize("shared", [True, False])
def test_a_grouped_layer_is_a_layer_a_group(shared):
    layer, x = Grouped(3, 5, 2), torch.randn(7, 5) if shared else torch.randn(3, 7, 5)
    want = torch.stack(
        [(x if shared else x[g]) @ layer.weight[g] + layer.bias[g] for g in range(3)]
    )
    close(layer(x), want)


def test_towers_end_in_a_linear_layer():
    towers = Towers(2, 5, (4,), 3)
    x = torch.randn(6, 5)
    assert towers(x).shape == (2, 6, 3)
    close(towers(x), towers.end(torch.nn.functional.elu(towers.first(x))))


def test_target_attention_by_its_formula():
    look, e = TargetAttention(2, 4), torch.randn(5, 3, 4)
    for k in range(2):
        for i in range(5):
            score = (
                torch.stack([look.query[k] @ (look.key.weight @ e[i, j]) for j in range(3)])
                / 4**0.5
            )
            share = torch.softmax(score, dim=0)
            close(look.shares(e)[:, i, k], share)
            close(look(e)[k, i], sum(share[j] * look.value(e[i, j]) for j in range(3)))


def test_self_attention_by_its_formula():
    mix, e = SelfAttention(4), torch.randn(2, 3, 4)
    score = (
        torch.stack(
            [
                torch.stack([mix.query(e[0, i]) @ mix.key(e[0, j]) for j in range(3)])
                for i in range(3)
            ]
        )
        / 2
    )
    close(mix(e)[0], torch.softmax(score, dim=1) @ mix.value(e[0]))


@pytest.mark.parametrize("shared", [True, False])
def test_experts_are_mixed_by_a_gate_a_group(shared):
    experts, x, f = (
        Experts(2, 5, 3, 4, gate=6, shared=shared),
        torch.randn(7, 5),
        torch.randn(2, 7, 6),
    )
    gates = torch.softmax(experts.gates(f), dim=-1)
    for g in range(2):
        want = sum(
            gates[g, :, m, None]
            * torch.nn.functional.elu(
                x @ experts.bodies.weight[m if shared else 3 * g + m]
                + experts.bodies.bias[m if shared else 3 * g + m]
            )
            for m in range(3)
        )
        close(experts(x, f)[g], want)


@pytest.mark.parametrize("name", DISTANCES)
def test_a_distance_is_nothing_between_equal_samples_and_grows_with_a_shift(name):
    a = torch.randn(40, 3)
    assert float(DISTANCES[name](a, a.clone())) == pytest.approx(0, abs=1e-5)
    near, far = (float(DISTANCES[name](a + shift, a)) for shift in (0.5, 2.0))
    assert 0 < near < far
    assert float(DISTANCES[name](a[:0], a)) == 0


@pytest.mark.parametrize("name", DISTANCES)
def test_a_distance_does_not_depend_on_the_share_of_an_arm_and_has_a_gradient_in_both(name):
    """Twice the same rows are the same sample: unequal arms with equal means are not apart."""
    a, b = torch.randn(20, 3).requires_grad_(), torch.randn(20, 3).requires_grad_()
    once, twice = DISTANCES[name](a, b), DISTANCES[name](torch.cat([a, a]), b)
    assert float(once.detach()) == pytest.approx(float(twice.detach()), rel=0.02, abs=1e-4)
    once.backward()
    assert float(a.grad.abs().sum()) > 0 < float(b.grad.abs().sum())
