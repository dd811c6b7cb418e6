from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import BSpline

torch = pytest.importorskip("torch")

from equipoise.neural.varying_coefficients import (  # noqa: E402
    CELLS,
    Heads,
    StrataNet,
    VaryingNet,
    levels_at,
    spline,
)


def test_splines_are_scipys():
    t = torch.linspace(0, 1, 41, dtype=torch.float64)
    inner = np.linspace(0, 1, 4)
    want = BSpline.design_matrix(t.numpy()[:-1], np.r_[[0, 0], inner, [1, 1]], 2).toarray()
    np.testing.assert_allclose(spline(t, 2)[:-1], want, atol=1e-12)
    assert spline(t, 2)[-1].tolist() == pytest.approx([0, 0, 0, 0, 1])


def test_splines_of_degree_one_join_a_grid_linearly():
    t, height = torch.rand(50, dtype=torch.float64), torch.rand(CELLS + 1, dtype=torch.float64)
    want = np.interp(t.numpy(), np.linspace(0, 1, CELLS + 1), height.numpy())
    np.testing.assert_allclose(spline(t, CELLS - 1, 1) @ height, want, atol=1e-12)


def by_hand(heads, z, told, bases):
    """Row by row, weights mixed first: W(t) = sum_l b_l(t) W_l."""
    rows = []
    for x, s in zip(z, told, strict=True):
        first = sum(s[b] * heads.first.view(len(x), bases, -1)[:, b] for b in range(bases))
        hidden = torch.relu(x @ first + s @ heads.below)
        last = sum(s[b] * heads.last.view(len(hidden), bases, -1)[:, b] for b in range(bases))
        rows.append(hidden @ last + s @ heads.above)
    return torch.stack(rows)


def test_heads_by_their_formula_with_their_gradients():
    heads = Heads(3, 5, 2, 4, 6).double()
    for bias in (heads.below, heads.above):
        torch.nn.init.normal_(bias)
    z, told = (
        torch.randn(7, 3, dtype=torch.float64, requires_grad=True),
        torch.rand(7, 6, dtype=torch.float64),
    )
    made, want = heads(z, told), by_hand(heads, z, told, 4)
    np.testing.assert_allclose(made.detach(), want.detach(), atol=1e-12)
    leaves, slope = [z, *heads.parameters()], torch.randn(7, 2, dtype=torch.float64)
    found = (torch.autograd.grad((out * slope).sum(), leaves) for out in (made, want))
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-12)


def test_a_head_a_part_with_the_dose_beside_its_input():
    net, z = StrataNet(3, 4, 8, 1, False, 0.1).double(), torch.randn(2, 8, dtype=torch.float64)
    torch.nn.init.normal_(net.heads.below)
    # a quarter into the second part; the end of the fifth
    t = torch.tensor([0.25, 1.0], dtype=torch.float64)
    for row, part, place in ((0, 1, -0.5), (1, 4, 1.0)):
        first = net.heads.first.view(8, 5, 8)[:, part]
        hidden = torch.relu(
            z[row] @ first + net.heads.below[part] + place * net.heads.below[5 + part]
        )
        want = (
            hidden @ net.heads.last[:, part]
            + net.heads.above[part]
            + place * net.heads.above[5 + part]
        )
        assert float(net.plain(z, net.encode(t))[row].detach()) == pytest.approx(
            float(want.detach())
        )


@pytest.mark.parametrize("made", [VaryingNet, StrataNet])
def test_the_density_integrates_to_one_and_the_dose_reaches_the_level(made):
    net, u = made(3, 4, 8, 2, True, 0.1), torch.rand(6, 3) * 4
    z = net.represent(u)
    grid = torch.linspace(0, 1, 20 * CELLS + 1)
    heights = torch.stack([net.density(z, net.encode(torch.full((6,), float(t)))) for t in grid])
    np.testing.assert_allclose(torch.trapezoid(heights, grid, dim=0).detach(), 1, atol=1e-4)
    first, second = (net.level(u, torch.full((6,), t)) for t in (0.1, 0.9))
    assert float((first - second).detach().abs().max()) > 1e-3
    net.loss(u, net.encode(torch.rand(6)), torch.randn(6, 2), torch.ones(6)).backward()
    assert [
        name
        for name, p in net.named_parameters()
        if p.grad is None or float(p.grad.abs().sum()) == 0
    ] == []


def test_the_loss_by_its_formula_and_levels_row_by_row():
    net, u, t = (
        VaryingNet(3, 4, 8, 2, True, 0.3).double(),
        torch.rand(6, 3).double() * 4,
        torch.rand(6).double(),
    )
    torch.nn.init.normal_(net.eps)
    y, weight, told = torch.randn(6, 2).double(), torch.rand(6).double(), net.encode(t)
    z = net.represent(u)
    q, pi = net.plain(z, told), net.density(z, told)
    eps = spline(t, CELLS) @ net.eps
    plain = (weight[:, None] * (y - q) ** 2).mean() - 0.3 * (weight * torch.log(pi + 1e-6)).mean()
    want = plain + (weight[:, None] * (y - eps / pi.clamp_min(0.01)[:, None] - q) ** 2).mean()
    assert float(net.loss(u, told, y, weight).detach()) == pytest.approx(float(want.detach()))
    level = levels_at(net, u, [0.2, 0.7], chunk=4)
    for place, dose in enumerate((0.2, 0.7)):
        np.testing.assert_allclose(
            level[:, place],
            net.level(u, torch.full((6,), dose, dtype=torch.float64)).detach(),
            atol=1e-12,
        )
