"""The log of a plan: a file with its roles, or a dataset with some of its roles replaced."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from equipoise.core.errors import EquipoiseError, PlanError, SpaceError
from equipoise.pipeline.plan.log import open_log
from equipoise.pipeline.plan.read import make_plan
from equipoise.treatments import Arms, Dose


def thornton(**log):
    return open_log(make_plan({"log": {"dataset": "thornton", **log}}))


def test_a_dataset_brings_its_roles():
    log = thornton()
    assert log.roles.protected == ("hiv2004",)
    assert isinstance(log.space, Dose)


def test_roles_of_the_plan_replace_those_of_the_dataset():
    log = thornton(protected=["age"], outcomes={"got": {"unit": "came"}})
    assert log.roles.protected == ("age",)
    assert log.roles.features == ("distvct",)
    assert log.roles.outcomes[0].unit == "came"
    assert log.roles.outcomes[0].kind == "binary"


def test_a_space_of_the_plan_replaces_that_of_the_dataset():
    tables = {
        "log": {"dataset": "thornton"},
        "space": {"kind": "dose", "low": 0, "high": 3, "levels": [1.0, 2.0]},
    }
    assert open_log(make_plan(tables)).cell_names == ("0", "1", "2")


def test_a_sample_is_drawn_by_the_seed():
    one, two = thornton(sample=500), thornton(sample=500)
    assert len(one) == 500
    assert one.table.equals(two.table)
    other = open_log(make_plan({"log": {"dataset": "thornton", "sample": 500}, "run": {"seed": 5}}))
    assert not one.table.equals(other.table)
    assert len(thornton(sample=10_000)) == 2834


def test_a_file_with_its_roles(tmp_path):
    pq.write_table(
        pa.table({"arm": ["no", "yes"] * 3, "y": [0, 1, 1, 0, 1, 1], "x": range(6), "z": range(6)}),
        tmp_path / "a.parquet",
    )
    tables = {
        "log": {
            "path": "a.parquet",
            "treatment": "arm",
            "outcomes": ["y"],
            "features": ["x"],
            "design": [0.5, 0.5],
        },
        "space": {"kind": "arms", "labels": ["no", "yes"]},
    }
    log = open_log(make_plan(tables, base=tmp_path))
    assert (log.metrics, log.roles.features, log.space) == (("y",), ("x",), Arms(["no", "yes"]))
    assert log.roles.outcomes[0].kind == "binary"
    assert log.propensity.tolist() == [[0.5, 0.5]] * 6


@pytest.mark.parametrize(
    ("log", "error", "text"),
    [
        ({"dataset": "thorntn"}, EquipoiseError, "did you mean 'thornton'"),
        ({"dataset": "thornton", "outcomes": ["gott"]}, PlanError, "be one of got"),
        ({"dataset": "thornton", "protected": ["hiv"]}, EquipoiseError, "did you mean 'hiv2004'"),
    ],
)
def test_names_that_nobody_knows(log, error, text):
    with pytest.raises(error, match=text):
        open_log(make_plan({"log": log}))


def test_arms_in_one_text_are_read_as_the_column_has_them(tmp_path):
    rows = {"t": [-1.0, 1.0] * 6, "y": [1, 2, 3] * 4, "x": range(12)}
    pq.write_table(pa.table(rows), tmp_path / "log.parquet")
    log = {"path": "log.parquet", "treatment": "t", "outcomes": ["y"], "features": ["x"]}

    def space(**spec):
        tables = {"log": log, "space": {"kind": "arms", **spec}}
        return open_log(make_plan(tables, base=tmp_path)).space

    assert space(labels="-1, 1") == space(labels=[-1.0, 1.0]) == Arms([-1, 1])
    with pytest.raises(PlanError, match=r"must have no other key; got \['control'\]"):
        space(labels="-1,1", control=1)
    with pytest.raises(SpaceError, match="the log's labels are numbers"):
        space(labels=["-1.0", "1.0"])
