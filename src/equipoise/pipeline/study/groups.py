"""Groups stay whole, so there must be as many of them as folds: of the run, and outside a fold of
each model and check that cuts its rows anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from equipoise.core.folds import FewGroups
from equipoise.pipeline.plan.schema import Plan


@contextmanager
def enough_groups(plan: Plan) -> Iterator[None]:
    """An error that groups do not fill folds says which groups, and what a plan can do."""
    try:
        yield
    except FewGroups as error:
        what = f"the groups by {plan.log.group!r}"
        must = f"{error.must}, in every step that learns or checks and keeps them whole"
        raise FewGroups(what, must, error.got, fix="have a finer [log] group") from error
