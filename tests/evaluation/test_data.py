"""The door: what it lets in, what it makes of it, and what it refuses, with the row."""

import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.core.scores import dr_scores
from equipoise.evaluation import evaluation_data

Y, CELL, HALF = [1.0, 2.0, 5.0, 6.0], [0, 0, 1, 1], [0.5, 0.5]


def test_gains_of_four_rows_by_hand():
    rows = evaluation_data(Y, cell=CELL, propensity=HALF)  # cell means 1.5 and 5.5
    assert rows.gain(0, 0).tolist() == [4 + 0.5 / 0.5, 4 - 0.5 / 0.5, 4 - 0.5 / 0.5, 4 + 0.5 / 0.5]


def test_without_levels_the_mean_gain_is_the_difference_of_weighted_means():
    rng = np.random.default_rng(0)
    e = rng.uniform(0.2, 0.8, 50)
    cell, y, w = (rng.random(50) < e).astype(int), rng.standard_normal(50), rng.uniform(1, 2, 50)
    rows = evaluation_data(y, cell=cell, propensity=np.column_stack([1 - e, e]), weight=w)
    mass = w / np.where(cell == 1, e, 1 - e)
    want = np.average(y[cell == 1], weights=mass[cell == 1]) - np.average(
        y[cell == 0], weights=mass[cell == 0]
    )
    # AIPW with a constant model is Hajek's difference once the weighted residuals of every cell sum
    # to 0, as they do
    assert np.average(rows.gain(0, 0), weights=w) == pytest.approx(want)


def test_gains_agree_with_the_scores_of_every_cell():
    rng = np.random.default_rng(1)
    levels, y, cell = (
        rng.standard_normal((30, 3, 2)),
        rng.standard_normal((30, 2)),
        np.arange(30) % 3,
    )
    e = rng.dirichlet([5, 5, 5], 30)
    scores = dr_scores(y, cell, e, levels)
    rows = evaluation_data(y, cell=cell, propensity=e, levels=levels)
    for a in range(2):
        for j in range(2):
            assert rows.gain(a, j) == pytest.approx(scores[:, 1 + a, j] - scores[:, 0, j])


def test_a_fixed_design_is_one_row_however_it_is_given():
    whole = evaluation_data(Y, cell=CELL, propensity=np.broadcast_to(HALF, (4, 2)))
    assert whole.propensity.shape == (1, 2)
    assert (
        whole.gain(0, 0).tolist()
        == evaluation_data(Y, cell=CELL, propensity=np.full((4, 2), 0.5)).gain(0, 0).tolist()
    )


def test_inputs_are_left_as_they_were():
    inputs = [np.array(Y), np.array(CELL), np.full((4, 2), 0.5)]
    for part in inputs:
        part.flags.writeable = False
    evaluation_data(inputs[0], cell=inputs[1], propensity=inputs[2], weight=np.ones(4)).gain(0, 0)
    assert [part.tolist() for part in inputs] == [Y, CELL, [HALF] * 4]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": []}, "y must have shape"),
        ({"y": [1.0, np.nan, 2.0, 3.0]}, "y must be finite; got nan at row 1, metric 0"),
        ({"cell": [0, 0, 1]}, "cell must be one whole number per row"),
        ({"cell": [0.0, 0.0, 1.0, 1.0]}, "cell must be one whole number per row"),
        ({"cell": [0, 0, 1, 2]}, r"cell must lie in 0\.\.1; got 2 at row 3"),
        ({"cell": [0, -1, 1, 1]}, r"cell must lie in 0\.\.1; got -1 at row 1"),
        ({"cell": [1, 1, 1, 1]}, "every cell must have rows; got none in cell 0"),
        ({"cell": [0, 0, 0, 0]}, "every cell must have rows; got none in cell 1"),
        ({"propensity": [0.0, 1.0]}, "strictly between 0 and 1; got 0.0 at row 0, cell 0"),
        (
            {"propensity": [[0.5, 0.5]] * 3 + [[0.0, 1.0]]},
            "strictly between 0 and 1; got 0.0 at row 3, cell 0",
        ),
        (
            {"propensity": [[0.5, 0.5]] * 3 + [[np.nan, 0.5]]},
            "strictly between 0 and 1; got nan at row 3",
        ),
        ({"propensity": [[0.5, 0.5]] * 3 + [[0.5, 0.4]]}, "sum to 1; got 0.9 at row 3"),
        ({"propensity": [[0.5, 0.5]] * 3}, "propensity must have shape"),
        ({"weight": [1.0, 1.0, 0.0, 1.0]}, "weight must be a finite number > 0; got 0.0 at row 2"),
        (
            {"weight": [1.0, 1.0, 1.0, np.inf]},
            "weight must be a finite number > 0; got inf at row 3",
        ),
        ({"weight": [1.0]}, "weight must be one number per row"),
        ({"groups": [1, 2]}, "groups must be one label per row"),
        ({"levels": [[1.0, 2.0]] * 3}, "levels must have shape"),
        (
            {"levels": [[1.0, 2.0]] * 3 + [[1.0, np.nan]]},
            "levels must be finite; got nan at row 3, cell 1",
        ),
    ],
)
def test_what_is_refused(change, message):
    inputs = {"y": Y, "cell": CELL, "propensity": HALF} | change
    with pytest.raises(InputError, match=message):
        evaluation_data(inputs.pop("y"), **inputs)


@pytest.mark.parametrize("candidate", [-1, 1])
def test_a_gain_is_that_of_a_candidate(candidate):
    rows = evaluation_data(Y, cell=CELL, propensity=HALF)
    with pytest.raises(InputError, match=r"candidate must lie in 0\.\.0; .*control is not a candi"):
        rows.gain(candidate, 0)


def test_gains_of_a_fixed_design_of_unequal_shares():
    """What one row for all gives is what the same probabilities in every row give."""
    rng = np.random.default_rng(3)
    y, cell, e = rng.standard_normal(40), np.arange(40) % 3, np.array([0.2, 0.3, 0.5])
    fixed = evaluation_data(y, cell=cell, propensity=e)
    nearly = np.tile(e, (40, 1))
    nearly[0] = [0.2 + 1e-13, 0.3, 0.5 - 1e-13]
    by_row = evaluation_data(y, cell=cell, propensity=nearly)
    assert (len(fixed.propensity), len(by_row.propensity)) == (1, 40)
    for a in range(2):
        assert fixed.gain(a, 0) == pytest.approx(by_row.gain(a, 0))
