"""Fixtures that many tests share."""

from __future__ import annotations

import importlib
import logging

import pyarrow as pa
import pytest
from hypothesis import settings

pytest_plugins = [
    "fixtures.redis_server",
    "fixtures.targeting",
    "fixtures.supply",
    "fixtures.object_store",
    "fixtures.units",
    "fixtures.without_torch",
]

# how long an example takes says more of the machine than of the code
settings.register_profile(
    "suite", deadline=None, derandomize=True
)  # CI is no search: see benchmarks
settings.load_profile("suite")

# said once a process, where kernels are not compiled yet: no test's own words
logging.getLogger("equipoise.core.kernels").disabled = True

MAKERS = {
    "pandas": lambda columns: importlib.import_module("pandas").DataFrame(columns),
    "polars": lambda columns: importlib.import_module("polars").DataFrame(columns),
    "pyarrow": pa.table,
}


@pytest.fixture(params=sorted(MAKERS))
def frame(request):
    """A function that makes a frame of a dict of columns, once in every library we read."""
    return MAKERS[request.param]
