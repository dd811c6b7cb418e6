import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.data import make_placebo_world


@pytest.mark.parametrize("confounding", [0.0, 1.0])
def test_nothing_does_anything(confounding):
    log, truth = make_placebo_world(2_000, arms=3, confounding=confounding)
    assert (truth.effects().values == 0).all()
    assert len(log.cell_names) == 3


def test_arms_differ_by_chance_only():
    """Over 100 worlds a t-test at 5 % rejects for 4 % of the 300 differences; 10 % is far out."""
    reject = []
    for seed in range(100):
        log, _ = make_placebo_world(1_000, seed=seed)
        one, none = log.y[log.cells == 1], log.y[log.cells == 0]
        se = np.sqrt(one.var(axis=0) / len(one) + none.var(axis=0) / len(none))
        reject.append(np.abs(one.mean(axis=0) - none.mean(axis=0)) > 1.96 * se)
    assert 0.01 < np.mean(reject) < 0.1


def test_margin_is_no_metric():
    with pytest.raises(InputError, match="coupons cost margin"):
        make_placebo_world(metrics=("margin",))
