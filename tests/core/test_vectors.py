"""Logs whose treatment is a vector: columns of parts, or a column of lists; it need not be one of
the candidates.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from equipoise.core.errors import LogError, SpaceError
from equipoise.data import read_log
from equipoise.treatments import Shares

RNG = np.random.default_rng(0)
MIX = RNG.dirichlet([2.0, 1.0, 1.0], 50)


def frame(mix=MIX):
    parts = dict(zip(("film", "food", "game"), mix.T, strict=True))
    return pa.table(
        {**parts, "minutes": RNG.normal(size=len(mix)), "age": RNG.normal(size=len(mix))}
    )


def test_columns_of_parts_are_shares_of_a_whole():
    log = read_log(frame(), treatment=["film", "food", "game"], outcomes="minutes")
    assert log.treatment.shape == (50, 3)
    assert log.roles.features == ("age",)
    np.testing.assert_allclose(log.space.control, MIX.mean(axis=0))
    np.testing.assert_array_equal(log.take([3, 1]).treatment, MIX[[3, 1]])


def test_a_column_of_lists_is_a_vector_too():
    table = (
        frame().append_column("mix", pa.array(MIX.tolist())).drop_columns(["film", "food", "game"])
    )
    log = read_log(
        table, treatment="mix", outcomes="minutes", space=Shares(["film", "food", "game"])
    )
    np.testing.assert_allclose(log.treatment, MIX)
    torn = table.set_column(2, "mix", pa.array([[1.0], *MIX.tolist()[1:]]))
    with pytest.raises(SpaceError):
        read_log(torn, treatment="mix", outcomes="minutes", space=Shares(["film", "food", "game"]))


def test_bad_vectors_name_the_row_and_the_way_out():
    bad = MIX.copy()
    bad[7] *= 0.5
    with pytest.raises(SpaceError, match=r"row 7; .*normalise=True"):
        read_log(frame(bad), treatment=["film", "food", "game"], outcomes="minutes")
    log = read_log(
        frame(bad),
        treatment=["film", "food", "game"],
        outcomes="minutes",
        space=Shares(["film", "food", "game"], normalise=True),
    )
    np.testing.assert_allclose(log.treatment.sum(axis=1), 1)
    with pytest.raises(LogError, match="named once"):
        read_log(frame(), treatment=["film", "film", "game"], outcomes="minutes", space=Shares(3))
    with pytest.raises(LogError, match="no other role"):
        read_log(
            frame(), treatment=["film", "food", "minutes"], outcomes="minutes", space=Shares(3)
        )
    with pytest.raises(LogError, match="did you mean 'film'"):
        read_log(frame(), treatment=["filn", "food", "game"], outcomes="minutes")
