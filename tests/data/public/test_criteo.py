import gzip
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv
import pytest

from equipoise.core.errors import DataError
from equipoise.data.public import criteo

PREVIEW = "criteo_preview/criteo_preview.parquet"


def small(n=4000, seed=0):
    """Rows in the published format."""
    rng = np.random.default_rng(seed)
    labels = {
        "treatment": rng.random(n) < 0.85,
        "conversion": rng.random(n) < 0.05,
        "visit": rng.random(n) < 0.3,
    }
    labels["exposure"] = labels["treatment"] & (rng.random(n) < 0.1)
    return pa.table(
        {f"f{j}": rng.standard_normal(n) for j in range(12)}
        | {name: values.astype(int) for name, values in labels.items()}
    )


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "criteo-research-uplift-v2.1.csv.gz"
    with gzip.open(path, "wb") as out:
        pcsv.write_csv(small(), out)
    return path


def test_real_rows_parse(published):
    table = criteo.read_criteo(published(PREVIEW))
    assert table.num_rows == 200
    assert table["treatment"].type == pa.int8()
    assert set(criteo.FEATURES) <= set(table.column_names)


def test_the_format_becomes_a_log(file, monkeypatch):
    table = small()
    counts = {
        "treatment": {str(t): int((table["treatment"].to_numpy() == t).sum()) for t in (0, 1)}
    }
    monkeypatch.setattr(criteo, "FACTS", replace(criteo.FACTS, rows=4000, counts=counts, sums={}))
    log = criteo.fetch_criteo(path=file)
    assert log.metrics == ("visit", "conversion")
    assert log.roles.features == criteo.FEATURES
    assert log.roles.claimed == "exposure"
    np.testing.assert_array_equal(log.y[:, 0], table["visit"].to_numpy())
    np.testing.assert_array_equal(log.cells, table["treatment"].to_numpy())


def test_a_small_copy_is_not_the_full_set(file):
    with pytest.raises(DataError, match="have 13,979,592 rows; got 4,000"):
        criteo.fetch_criteo(path=file)
    with pytest.raises(DataError, match="criteo-10 must have 1,397,900 to 1,398,000 rows"):
        criteo.fetch_criteo_10(path=file)


def test_the_preview_lacks_the_visits(published):
    with pytest.raises(DataError, match="no column 'exposure', 'visit'"):
        criteo.fetch_criteo(path=published(PREVIEW))


def test_published_figures_agree_with_each_other():
    """The profile of the full set prints a conversion rate for each of three splits; the treated
    share is 85 %.
    """
    treated = criteo.FACTS.counts["treatment"]["1"]
    assert sum(criteo.FACTS.counts["treatment"].values()) == criteo.FACTS.rows
    assert treated / criteo.FACTS.rows == pytest.approx(0.85, abs=1e-6)
    assert criteo.FACTS.sums["visit"][0] / criteo.FACTS.rows == pytest.approx(0.046992, abs=5e-7)
