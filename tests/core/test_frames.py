"""Tables of every library come in as they are: names, order, types, and nothing else."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.pandas import column, data_frames, range_indexes

from equipoise.core import frames
from equipoise.core.errors import InputError
from equipoise.core.features import FeatureMap, matrix
from equipoise.core.frames import to_arrow


@given(
    data_frames(
        [column("a", dtype=float), column("b", dtype=int)],
        index=range_indexes(min_size=1, max_size=8),
    ),
    st.randoms(use_true_random=False),
)
def test_the_index_of_pandas_is_no_column(frame, random):
    order = list(range(len(frame)))
    random.shuffle(order)
    shuffled = frame.iloc[order]
    assert to_arrow(shuffled).column_names == ["a", "b"]
    np.testing.assert_array_equal(to_arrow(shuffled)["a"].to_numpy(), shuffled["a"])


def test_a_batch_and_a_lazy_frame_are_tables():
    table = pa.table({"a": [1.0, None], "b": ["x", "y"]})
    assert to_arrow(table.to_batches()[0]).equals(table)
    lazy = to_arrow(pl.from_arrow(table).lazy())
    assert lazy.to_pydict() == table.to_pydict()


@pytest.mark.parametrize("index", [[0, 0], ["u", "v"], pd.Index([7, 3], name="user")], ids=str)
def test_no_index_is_a_column(index):
    assert to_arrow(pd.DataFrame({"a": [1.0, 2.0]}, index=index)).column_names == ["a"]


def test_what_pandas_has_of_its_own():
    frame = pd.DataFrame(
        {
            "cut": pd.cut([0.0, 1.0, 2.0], 3, labels=None),
            "month": pd.period_range("2026-01", periods=3, freq="M"),
            "count": pd.arrays.SparseArray([0.0, 0.0, 2.0]),
            "text": pd.array(["x", None, "y"], dtype="string"),
        }
    )
    names = FeatureMap().fit(frame).get_feature_names_out().tolist()
    assert names[3:6] == ["month=2026-01", "month=2026-02", "month=2026-03"]
    assert names[6:] == ["count", "text=missing", "text=x", "text=y"]
    assert names[0].startswith("cut=(-0.002, ")
    assert to_arrow(frame)["count"].to_pylist() == [0.0, 0.0, 2.0]


@pytest.mark.parametrize("kind", [scipy.sparse.csr_array, scipy.sparse.coo_matrix])
def test_sparse_is_dense(kind):
    values, names = matrix(kind(np.diag([1.0, 2.0])))
    assert names == ("x0", "x1")
    assert values.tolist() == [[1.0, 0.0], [0.0, 2.0]]
    assert to_arrow(kind(np.diag([1.0, 2.0]))).column_names == ["x0", "x1"]


def test_sparse_that_would_not_fit_is_refused(monkeypatch):
    monkeypatch.setattr(frames, "DENSE_LIMIT", 2**30)
    huge = scipy.sparse.csr_array((2**20, 2**10))
    with pytest.raises(InputError, match=r"at most 1 GiB as a dense matrix; got 8 GiB"):
        matrix(huge)


def test_a_masked_value_is_missing():
    values, _ = matrix(np.ma.masked_array([[1, 2], [3, 4]], mask=[[False, True], [False, False]]))
    np.testing.assert_array_equal(values, [[1, np.nan], [3, 4]])


def test_complex_numbers_are_refused():
    with pytest.raises(InputError, match="be numbers; got complex"):
        matrix(np.eye(2) * 1j)


def test_two_columns_of_one_name_are_refused():
    table = pa.table([[1], [2], [3]], names=["a", "b", "a"])
    with pytest.raises(InputError, match="column 'a' must occur once; got 2 of them"):
        to_arrow(table)
