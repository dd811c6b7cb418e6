import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.data import make_voucher_world


def test_means_costs_and_shares_are_those_of_the_truth():
    """Over 20 seeds the largest |z| of a cell was 2.9."""
    log, truth = make_voucher_world(60_000, seed=1)
    np.testing.assert_allclose(np.bincount(log.cells) / len(log), truth.propensity[0], atol=0.006)
    for cell in range(7):
        hit = log.cells == cell
        error = (log.y[hit] - truth.levels[hit, cell]).mean(axis=0)
        assert (np.abs(error) < 4.5 * log.y[hit].std(axis=0) / np.sqrt(hit.sum())).all()
        if cell:
            assert log.numbers("paid")[hit].mean() == pytest.approx(
                truth.cost[hit, cell - 1].mean(), abs=0.05
            )
    assert truth.cells == log.cell_names


def test_a_continuum_of_amounts():
    log, truth = make_voucher_world(60_000, seed=2, continuous=True)
    np.testing.assert_allclose(np.bincount(log.cells) / len(log), truth.propensity[0], atol=0.006)
    assert len(np.unique(log.treatment)) > 40_000
    assert log.treatment.max() <= 3


def test_the_response_rises_and_saturates():
    _, truth = make_voucher_world(1_000)
    steps = np.diff(truth.levels[:, :, 0], axis=1)
    assert (steps > 0).all()
    assert (np.diff(steps, axis=1) < 0).all()
    assert truth.effects().values[:, -1, 0].std() > 0.1


def test_same_seed_same_numbers():
    assert make_voucher_world(300, seed=1)[0].table.equals(make_voucher_world(300, seed=1)[0].table)


@pytest.mark.parametrize(
    "given", [{"levels": ()}, {"levels": (0.0, 1.0)}, {"control": 0.0}, {"control": 1.0}], ids=str
)
def test_bad_settings(given):
    with pytest.raises(InputError):
        make_voucher_world(100, **given)
