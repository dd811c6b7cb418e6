"""A publish that is killed, interrupted or out of space at any line of its own loses nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "fixtures" / "publish_faults.py"


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
@pytest.mark.parametrize(
    ("fault", "swap"),
    [("kill", "two renames"), ("Ctrl-C", "one step"), ("full disk", "two renames")],
)
def test_a_fault_at_any_line_loses_nothing(tmp_path, fault, swap):
    """The earlier or the new one stands there, whole; the next writer sweeps what is left over."""
    process = subprocess.run(
        [sys.executable, str(SCRIPT), fault, swap, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr[-2000:]
    answer = json.loads(process.stdout)
    assert answer["faults"] > 100
    assert not answer["problems"]
