import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.core.truth import Truth

LEVELS = np.array([[[1.0], [3.0], [0.0]], [[2.0], [2.0], [5.0]]])  # 2 units, 3 cells, 1 metric
TRUTH = Truth(
    LEVELS,
    np.full((2, 3), 1 / 3),
    np.array([[1.0, 2.0], [3.0, 4.0]]),
    ("spend",),
    ("none", "a", "b"),
)


def test_two_units_by_hand():
    effects = TRUTH.effects()
    assert effects.values[:, :, 0].tolist() == [[2, -1], [0, 3]]
    assert effects.baseline[:, 0].tolist() == [1, 2]
    assert effects.candidates == ("a", "b")
    assert TRUTH.outcomes([0, 1])[:, 0].tolist() == [3, 5]
    assert TRUTH.outcomes([-1, 0])[:, 0].tolist() == [1, 2]
    assert TRUTH.spend([-1, 1]).tolist() == [0, 4]
    assert TRUTH.take([1]).levels[:, :, 0].tolist() == [[2, 2, 5]]


def test_shapes_must_agree():
    with pytest.raises(InputError, match="truth.cost"):
        Truth(LEVELS, np.full((2, 3), 1 / 3), np.zeros((2, 3)), ("spend",), ("none", "a", "b"))
