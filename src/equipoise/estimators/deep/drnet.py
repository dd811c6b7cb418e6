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
    """Heads for parts of the dose's range; try dose-s-learner first.

    Parameters
    ----------
    width : int, default 24
        Width of the layers.
    targeted : bool, default False
        Whether functional targeted regularisation is used.
    density : float, default 0.05
        Weight of the dose's log-density.
    nets : int, default 3
        How many nets are trained; the answer is their mean.
    training : NetTraining, optional
        How each net is trained; amounts are not learnt as logarithms.
    space : Space, default None
        A Dose, which must be given.
    random_state : int, default 0
        Of first weights, batches and the held-out rows.
    transform : transformer or Pipeline, optional
        Scikit-learn's, of the features; a clone is fitted on each fold's training rows.

    References
    ----------
    Schwab et al. (2020), "Learning counterfactual representations for estimating individual
    dose-response curves", AAAI.

    Examples
    --------
    >>> from equipoise.treatments import Dose
    >>> DRNet(space=Dose(0, 3)).get_params()["nets"]
    3
    """

    def _net(self, features: int, slots: int, metrics: int) -> DoseNet:
        return StrataNet(features, slots, self.width, metrics, self.targeted, self.density)
