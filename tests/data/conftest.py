"""Real files are tested where they are; a machine without them skips those tests."""

from __future__ import annotations

import pytest

from equipoise.data.public.fetch import data_homes


@pytest.fixture
def published():
    """A function that finds a published file in the data folders."""

    def locate(file):
        for home in data_homes():
            if (home / file).exists():
                return home / file
        pytest.skip(f"no {file} in the data folders")

    return locate
