from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import BSpline

torch = pytest.importorskip("torch")

from equipoise.neural.varying import CELLS, StrataNet, Varying, VaryingNet, spline  # noqa: E402


def test_splines_are_scipys():
    t = torch.linspace(0, 1, 41, dtype=torch.float64)
    inner = np.linspace(0, 1, 4)
    want = BSpline.design_matrix(t.numpy()[:-1], np.r_[[0, 0], inner, [1, 1]], 2).toarray()
    np.testing.assert_allclose(spline(t, 2)[:-1], want, atol=1e-12)
    assert spline(t, 2)[-1].tolist() == pytest.approx([0, 0, 0, 0, 1])


def test_a_varying_layer_by_its_formula():
    layer, x, basis = Varying(3, 2, 4), torch.randn(5, 3), torch.rand(5, 4)
    want = torch.stack(
        [sum(basis[i, b] * (x[i] @ layer.weight.view(3, 4, 2)[:, b] + layer.bias[b]) for b in range(4)) for i in range(5)]
    )
    np.testing.assert_allclose(layer(x, basis).detach(), want.detach(), atol=1e-5)


@pytest.mark.parametrize("made", [VaryingNet, StrataNet])
def test_the_density_integrates_to_one_and_the_dose_reaches_the_level(made):
    net, u = made(3, 4, 8, 2, True, 0.1, 2), torch.rand(6, 3) * 4
    z = net.represent(u)
    grid = torch.linspace(0, 1, 20 * CELLS + 1)
    heights = torch.stack([net.density(z, torch.full((6,), float(t))) for t in grid])
    np.testing.assert_allclose(torch.trapezoid(heights, grid, dim=0).detach(), 1, atol=1e-4)
    first, second = (net.level(u, torch.full((6,), t)) for t in (0.1, 0.9))
    assert float((first - second).detach().abs().max()) > 1e-3
    net.loss(u, torch.rand(6), torch.randn(6, 2), torch.ones(6)).backward()
    assert [name for name, p in net.named_parameters() if p.grad is None or float(p.grad.abs().sum()) == 0] == []
