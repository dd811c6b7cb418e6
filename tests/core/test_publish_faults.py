"""A publish that is killed, interrupted or failed by the system at any moment loses nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from fixtures.system_faults import LIGHT, all_problems, can_trace

SCRIPT = Path(__file__).parent.parent / "fixtures" / "publish_faults.py"


@pytest.mark.skipif(not can_trace(), reason="no strace that may trace: apt-get install strace")
def test_a_fault_at_any_system_call_loses_nothing():
    """Errors and signals put into the calls of a writer by strace."""
    problems, cases = all_problems(LIGHT, full=False, seed=0)
    assert not problems
    assert cases > 100


# what strace tells call by call need not be told line by line; a Ctrl-C may come between two calls
LINES = [("Ctrl-C", "one step")]
if not can_trace():
    LINES += [("kill", "two renames"), ("full disk", "two renames")]


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
@pytest.mark.parametrize(("fault", "swap"), LINES)
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
