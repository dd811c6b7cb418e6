"""The probability of each cell in rows that none has seen: what they say, or what a model learnt of
the sample, or the shares observed in the whole log.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from sklearn.base import clone

from equipoise.core.arrays import Bools, Floats
from equipoise.core.eligibility import among_open
from equipoise.core.features import FeatureMap, matrix
from equipoise.core.log import Log
from equipoise.learners.propensity import LearntPropensity
from equipoise.pipeline.bounded.open_arms import ArmShares, known_propensity, open_to
from equipoise.pipeline.bounded.periods import periods_by
from equipoise.pipeline.study.cross_fit import log_folds
from equipoise.pipeline.study.propensity import with_own


@dataclass(frozen=True)
class Propensities:
    """How probable each cell was for any row of a log.

    Attributes
    ----------
    model : LearntPropensity or None
        Where it is learnt.
    features : FeatureMap
        Of what it is learnt from.
    starts : array, (P,)
        Where periods begin; none where there are no periods.
    shares : ArmShares
        Where no row says it.
    """

    model: LearntPropensity | None
    features: FeatureMap
    starts: Floats
    shares: ArmShares

    def of(self, rows: Log) -> Floats:
        """The probability of each cell in each row, (n, K)."""
        p = self.modelled(rows)
        if self.model is None or rows.roles.action_propensity is None:
            return p
        return with_own(p, rows.cells, rows.numbers(rows.roles.action_propensity))

    def modelled(self, rows: Log) -> Floats:
        """The same, where it is learnt whatever a row says of its own cell."""
        if self.model is None:
            p = known_propensity(rows)
            return self.shares.of(rows) if p is None else p
        learnt: Floats = self.model.predict(self._causes(rows), self._asked(rows))
        # of a sample in which nothing is closed it knows of none that is
        return learnt if rows.eligible is None else among_open(learnt, rows.eligible)

    def squares(self, rows: Log) -> Floats | None:
        """Squares and products of the features that the model was offered, (n, P)."""
        if self.model is None:
            return None
        squares: Floats | None = self.model.squares(self._causes(rows), self._asked(rows))
        return squares

    def learnt_from(self, rows: Log, folds: int) -> Propensities:
        """The same with a model that is learnt anew from some rows."""
        model = clone(self.model)
        fold = log_folds(rows, folds, model.random_state)
        own = {"fold": fold, "weight": rows.weight, "eligible": rows.eligible}
        model.cross_fit(self._causes(rows), rows.cells, len(rows.cell_names), **own)
        return replace(self, model=model)

    def _causes(self, rows: Log) -> Floats:
        """What a propensity is learnt from, as of `study.propensity.features_of`."""
        X, _ = matrix(self.features.table(rows.features))
        if not len(self.starts):
            return X
        return np.column_stack([X, periods_by(rows, self.starts).astype(np.float64)])

    def _asked(self, rows: Log) -> Bools | None:
        """What is open, where the model asks for it."""
        asks = self.model is not None and self.model.by_eligibility_
        return open_to(rows) if asks else None
