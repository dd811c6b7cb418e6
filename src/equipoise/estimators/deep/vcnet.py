"""VCNet: the weights of the outcome's layers are splines of the dose.   Nie, Ye, Liu & Nicolae
(2021), ICLR.

Q(t, x) = W2(t) relu(W1(t) z(x)),   W(t) = sum_l b_l(t) W_l
"""

from __future__ import annotations

from equipoise.estimators.deep.dose import DoseNetEstimator
from equipoise.neural.varying_coefficients import DoseNet, VaryingNet


class VCNet(DoseNetEstimator):
    """A net whose weights vary with the dose; try dose-s-learner first.

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
    Nie, Ye, Liu & Nicolae (2021), "VCNet and functional targeted regularization for learning causal
    effects of continuous treatments", ICLR.

    Examples
    --------
    >>> from equipoise.treatments import Dose
    >>> VCNet(targeted=True, space=Dose(0, 3)).get_params()["targeted"]
    True
    """

    def _net(self, features: int, slots: int, metrics: int) -> DoseNet:
        return VaryingNet(features, slots, self.width, metrics, self.targeted, self.density)
