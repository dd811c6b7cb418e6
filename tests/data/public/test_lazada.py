from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pytest

from equipoise.core.errors import DataError, InputError
from equipoise.data.public import lazada


@pytest.fixture
def file(tmp_path):
    """Rows in the published format: data_id, label, is_treat, f0 ... f82."""
    rng = np.random.default_rng(0)
    labels = {
        "data_id": np.arange(600),
        "label": rng.integers(0, 2, 600),
        "is_treat": np.repeat([0, 1], 300),
    }
    pcsv.write_csv(
        pa.table(labels | {f"f{j}": rng.standard_normal(600) for j in range(83)}),
        tmp_path / "full_testset.csv",
    )
    return tmp_path / "full_testset.csv"


@pytest.mark.parametrize(("part", "design"), [("test", "shares"), ("train", None)])
def test_the_format_becomes_a_log(file, monkeypatch, part, design):
    facts = replace(
        lazada.FACTS[part], rows=600, counts={"is_treat": {"0": 300, "1": 300}}, sums={}
    )
    monkeypatch.setitem(lazada.FACTS, part, facts)
    log = lazada.fetch_lazada(part=part, path=file)
    assert len(log.roles.features) == 83
    assert "data_id" not in log.table.column_names
    assert log.roles.design == design


def test_a_small_copy_is_refused(file):
    with pytest.raises(DataError, match="have 181,669 rows; got 600"):
        lazada.fetch_lazada(path=file)


def test_an_unknown_part(file):
    with pytest.raises(InputError, match="be one of test, train"):
        lazada.fetch_lazada(part="valid", path=file)


def test_published_figures_agree_with_each_other():
    for facts in lazada.FACTS.values():
        assert sum(facts.counts["is_treat"].values()) == facts.rows
