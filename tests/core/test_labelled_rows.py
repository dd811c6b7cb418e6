"""Labels, masks and ids are checked once, at the door."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from equipoise.core.errors import InputError
from equipoise.core.labelled_rows import codes_of, labelled_rows, score_column


def test_a_label_is_a_positive_a_negative_or_hidden():
    frame = pd.DataFrame({"like": [1, 0, 9], "buy": [0.0, 1.0, np.nan]})
    rows = labelled_rows(frame, [True, True, False], [1, 3, 2])
    assert rows.state.tolist() == [[1, 0], [0, 1], [-1, -1]]
    assert rows.objectives == ("like", "buy")
    np.testing.assert_allclose(rows.weight, [0.5, 1.5, 1.0])
    assert (rows.observed.tolist(), rows.positives.tolist(), rows.one_class) == ([2, 2], [1, 1], [])


def test_one_class_is_said():
    rows = labelled_rows([[1, 0], [1, 0]], [[True, False], [True, False]])
    assert rows.one_class == ["all 2 labels of y0 are 1", "y1 was not observed in any row"]


@pytest.mark.parametrize(
    "ids",
    [
        ["b", "a", "b"],
        [2**40, -1, 2**40],
        [1.5, 0.5, 1.5],
        np.array(["2025", "2024", "2025"], "M8"),
    ],
    ids=str,
)
def test_ids_of_any_type_have_codes(ids):
    code, count = codes_of(ids, 3, "groups")
    assert (code.tolist(), count) == ([1, 0, 1], 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: labelled_rows(["yes", "no"]), "labels must be numbers"),
        (lambda: labelled_rows([[0, 2]]), "labels must be 0 or 1; got 2 at row 0, objective y1"),
        (lambda: labelled_rows([0, 1], [1, 2]), "label_mask must be true or false; got 2 at row 1"),
        (lambda: labelled_rows([0, 1], [True] * 3), "label_mask must have the labels' shape"),
        (lambda: labelled_rows([0, 1], [False] * 2), "label_mask must leave some label observed"),
        (lambda: labelled_rows([[0, 1]], objectives="a"), "objectives must be 2 different names"),
        (lambda: codes_of([1, None], 2, "users"), "users must be known; got nothing at row 1"),
        (lambda: codes_of([1.0, np.nan], 2, "users"), "users must be known; got nothing at row 1"),
        (lambda: codes_of([1], 2, "users"), "users must be one id per row"),
        (lambda: score_column([1.0, np.nan], 2), "scores must be a number; got nan at row 1"),
        (lambda: score_column([1.0], 2), "scores must be one number per row"),
    ],
)
def test_bad_input_names_the_row(call, message):
    with pytest.raises(InputError, match=message):
        call()
