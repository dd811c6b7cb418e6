import numpy as np
import pytest

from equipoise.core.errors import SpaceError
from equipoise.treatments import Dose


def test_equal_steps_above_control():
    assert Dose(0, 1, levels=4).levels.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert Dose(0, 3, levels=[3, 0, 1]).candidates().tolist() == [1.0, 3.0]


def test_a_row_belongs_to_its_nearest_candidate_and_only_control_to_control():
    dose = Dose(0, 3, levels=[1, 2, 3])
    assert dose.cells([0.0, 0.01, 1.49, 1.51, 3.0]).tolist() == [0, 1, 1, 2, 3]
    assert dose.cells(dose.candidates()).tolist() == [1, 2, 3]


def test_encode_is_a_polynomial_around_control():
    assert Dose(0, 4, degree=2, control=1).encode([1, 3]).tolist() == [[0, 0], [2, 4]]


def test_waves_of_fixed_frequency_follow_the_powers():
    encoded = Dose(0, 4, waves=[1, 0.5]).encode([0, 1, 4])
    np.testing.assert_allclose(encoded[0], 0, atol=0)
    # a quarter and an eighth turn
    np.testing.assert_allclose(encoded[1], [1, 1, np.sqrt(0.5), -1, np.sqrt(0.5) - 1], atol=1e-15)
    np.testing.assert_allclose(encoded[2], [4, 0, 0, 0, -2], atol=1e-15)
    assert Dose(0, 4, degree=0, waves=[1], control=2).encode([2, 3]).shape == (2, 2)
    assert not Dose(0, 4, degree=0, waves=[1], control=2).encode([2]).any()


@pytest.mark.parametrize(
    ("values", "row"), [([0.5, 2.0], 1), ([-0.1], 0), ([0.2, np.nan], 1), ([np.inf], 0)]
)
def test_an_amount_outside_is_named_with_its_row(values, row):
    with pytest.raises(SpaceError, match=f"row {row}"):
        Dose(0, 1).check(values)


@pytest.mark.parametrize(
    "wrong",
    [
        dict(low=1, high=0),
        dict(control=2),
        dict(degree=0),
        dict(degree=-1, waves=[1]),
        dict(waves=[0]),
        dict(waves=[1, 1.0]),
        dict(waves=[np.nan]),
        dict(levels=[0]),
        dict(levels=[5]),
        dict(levels=[]),
        dict(high=np.inf),
    ],
)
def test_settings_that_are_no_dose(wrong):
    with pytest.raises(SpaceError):
        Dose(**wrong)


def test_labels_are_no_amounts():
    with pytest.raises(SpaceError, match="use Arms"):
        Dose(0, 1).check(["much"])
