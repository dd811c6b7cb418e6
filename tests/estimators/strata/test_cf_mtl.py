import pytest

pytest.importorskip("torch")

from equipoise.estimators.strata.cf_mtl import CFMTL, OFFICIAL  # noqa: E402
from equipoise.neural import strata as nets  # noqa: E402


def test_defaults_are_the_published_ones():
    net = CFMTL()
    assert net.weights == OFFICIAL == nets.OFFICIAL == (5, 1, 1, 5, 5, 5)
    assert (net.eta, net.batch, net.tolerance) == (nets.ETA, 8192, 1e-5) == (0.5, 8192, 1e-5)
