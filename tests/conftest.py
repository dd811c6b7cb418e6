"""Fixtures that many tests share."""

from __future__ import annotations

import importlib

import pyarrow as pa
import pytest

pytest_plugins = ["fixtures.targeting", "fixtures.supply"]

MAKERS = {
    "pandas": lambda columns: importlib.import_module("pandas").DataFrame(columns),
    "polars": lambda columns: importlib.import_module("polars").DataFrame(columns),
    "pyarrow": pa.table,
}


@pytest.fixture(params=sorted(MAKERS))
def frame(request):
    """A function that makes a frame of a dict of columns, once in every library we read."""
    return MAKERS[request.param]
