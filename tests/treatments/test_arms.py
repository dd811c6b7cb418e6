import numpy as np
import pytest

from equipoise.core.errors import SpaceError, UnsupportedSpace
from equipoise.treatments import Arms


def test_control_is_put_first():
    arms = Arms(["a", "b", "none"], control="none")
    assert arms.labels == ("none", "a", "b")
    assert arms.cells(["b", "none", "a"]).tolist() == [2, 0, 1]
    assert arms.candidates().tolist() == ["a", "b"]


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.bool_, np.float32, object])
def test_binary_labels_of_any_dtype(dtype):
    assert Arms().cells(np.array([0, 1, 1], dtype=dtype)).tolist() == [0, 1, 1]


def test_a_foreign_label_is_named_with_its_row():
    with pytest.raises(SpaceError, match=r"one of \['none', 'mail'\]; got .*'call'.* at row 2"):
        Arms(["none", "mail"]).check(["none", "mail", "call"])
    with pytest.raises(SpaceError, match="row 1"):
        Arms([0, 1]).check([0.0, 0.5])
    with pytest.raises(SpaceError, match="row 0"):
        Arms([0, 1]).check([np.nan, 1.0])


@pytest.mark.parametrize("labels", [["a"], ["a", "a"], ["a", 1], [0.5, 1.5]])
def test_labels_that_are_no_arms(labels):
    with pytest.raises(SpaceError, match="arms must"):
        Arms(labels)


def test_control_must_be_an_arm():
    with pytest.raises(SpaceError, match="control"):
        Arms(["a", "b"], control="c")


def test_arms_have_no_amount():
    with pytest.raises(UnsupportedSpace, match="interval of amounts"):
        Arms().dose([0, 1])
