"""What serves units never seen: the model and the prices of one fold.

The model never saw the fold's rows, so their effects spread like those of new units, and the prices
found on them carry the demands over.  A model of all rows has none left to price it: its in-sample
effects would leave half of a budget unspent, and effects of the other models miss it by a tenth and
more.
"""

from __future__ import annotations

from dataclasses import replace

from equipoise.artifacts.costs import Costs
from equipoise.artifacts.fingerprint import fingerprint
from equipoise.artifacts.model import Model
from equipoise.artifacts.policy import Scorer
from equipoise.artifacts.unit_columns import unit_columns
from equipoise.core.limits import Limit
from equipoise.core.log import Log
from equipoise.pipeline.study.policy import Solved


def ship(
    log: Log, model: Model, costs: Costs, solved: Solved, limits: tuple[Limit, ...] = ()
) -> Scorer:
    """The scorer of a policy that was solved within folds.

    Parameters
    ----------
    log : Log
        The experiment; its columns' digests go with the model, so that nobody judges it on them.
    model : Model
        `CrossFit.model`: that of fold `SHIPPED`, which it never saw.
    costs : Costs
        What offers cost.
    solved : Solved
        By `solve_folds`: its rule has the prices of the rows of that fold.
    limits : tuple of Limit, default ()
        Of the task that was solved.

    Returns
    -------
    Scorer
        What assigns any unit, and what a policy's snapshot holds.
    """
    model, id = replace(model, seen=fingerprint(log)), log.roles.id
    scorer = Scorer(model, costs, solved.policy, id, eligibility=log.eligibility, limits=limits)
    single = () if log.eligibility is None or log.eligibility.listed else log.eligibility.columns
    known = unit_columns(log, scorer.units.groups, costs.column, id, single)
    return replace(scorer, columns=known)
