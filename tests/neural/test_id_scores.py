import numpy as np
import pytest

from equipoise.neural.id_scores import IdScores, codes_of, sigmoid, softmax, with_unseen


def test_scores_of_one_row_by_hand():
    scores = IdScores(
        bias=np.array([1.0, 0.0]),
        tables=(np.array([[10.0, 1.0], [20.0, 2.0]]), np.array([[100.0, 3.0]])),
        factors=(np.array([[2.0], [3.0]]), np.array([[5.0]])),
        mix=np.array([[1.0], [-1.0]]),
    )
    assert scores(np.array([[1, 0]])).tolist() == [[1 + 20 + 100 + 15, 2 + 3 - 15]]


def test_an_unseen_id_is_met_by_the_mean_of_the_known():
    table = with_unseen(np.array([[1.0], [5.0]]))
    assert table.tolist() == [[1.0], [5.0], [3.0]]
    known = np.array([3, 7])
    assert IdScores(np.zeros(1), (table,))(codes_of(np.array([7, 8]), known)[:, None]).tolist() == [
        [5.0],
        [3.0],
    ]


def test_arrays_come_back():
    scores = IdScores(np.ones(2), (np.ones((3, 2)),), (np.ones((3, 4)),), np.ones((2, 4)))
    rows = np.array([[0], [2]])
    np.testing.assert_array_equal(IdScores.from_arrays(scores.arrays())(rows), scores(rows))


@pytest.mark.parametrize("score", [-1000.0, 0.0, 1000.0])
def test_probabilities_do_not_overflow(score):
    assert sigmoid(np.array([score]))[0] == pytest.approx([0.0, 0.5, 1.0][int(np.sign(score)) + 1])
    np.testing.assert_allclose(softmax(np.array([[score, score]])), 0.5)
