"""Real workers, killed: nothing overspent, and the books are the logs'."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

CODE = """
import json, sys, tempfile
from pathlib import Path
from benchmarks.serving_ledger import SIZES, campaign
with tempfile.TemporaryDirectory() as folder:
    print(json.dumps(campaign(Path(folder), *SIZES["test"], seed=1)))
"""


def test_killed_workers_overspend_nothing_and_the_books_are_the_logs():
    """In a process of its own, which forks while nothing else runs in it."""
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", CODE],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert found["ledger_overspend"] == 0
    assert found["ledger_books_equal"] == 1
    assert found["ledger_kills"] == 4
    assert found["ledger_events"] > 3_000
    assert found["ledger_unspent_share"] < 0.001
