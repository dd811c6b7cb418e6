import pytest

pytest.importorskip("torch")

from equipoise.estimators.strata.cf_mtl_v1 import CFMTLV1, LISTED  # noqa: E402
from equipoise.neural import strata as nets  # noqa: E402


def test_defaults_are_the_listed_ones():
    net = CFMTLV1()
    assert net.weights == LISTED == nets.LISTED == (1, 1, 1, 5, 10, 10)
    assert (net.batch, net.tolerance) == (8192, 1e-5)
