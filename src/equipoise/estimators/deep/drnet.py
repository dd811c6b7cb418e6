"""DRNet: one head for each of five parts of the dose's range, with the dose beside every layer.
Schwab et al. (2020), AAAI.

Q(t, x) = h_s([h'_s([z(x), t]), t]),   s the part of the range that t lies in

A head reads the dose as its place in the head's part, from -1 to 1, and not as t itself, with which
slopes are learnt slowly.
"""

from __future__ import annotations

from equipoise.estimators.deep.dose import DoseNetEstimator
from equipoise.neural.varying_coefficients import DoseNet, StrataNet


class DRNet(DoseNetEstimator):
    """Heads for parts of the dose's range.  Parameters as `DoseNetEstimator`."""

    def _net(self, features: int, slots: int, metrics: int) -> DoseNet:
        return StrataNet(features, slots, self.width, metrics, self.targeted, self.density)
