"""VCNet: the weights of the outcome's layers are splines of the dose.   Nie, Ye, Liu & Nicolae
(2021), ICLR.

Q(t, x) = W2(t) relu(W1(t) z(x)),   W(t) = sum_l b_l(t) W_l
"""

from __future__ import annotations

from equipoise.estimators.deep.dose import DoseNetEstimator
from equipoise.neural.varying_coefficients import DoseNet, VaryingNet


class VCNet(DoseNetEstimator):
    """A net whose weights vary with the dose.  Parameters as `DoseNetEstimator`."""

    def _net(self, features: int, slots: int, metrics: int) -> DoseNet:
        return VaryingNet(features, slots, self.width, metrics, self.targeted, self.density)
