"""Two processes on one training, started by torch's own launcher, and one: the same net."""

from __future__ import annotations

import runpy
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from equipoise.core.errors import InputError  # noqa: E402
from equipoise.neural import distributed as ranks  # noqa: E402

SCRIPT = """
import sys
import numpy as np
from equipoise.estimators.deep.base import NetTraining
from equipoise.estimators.deep.hum import HUM
from equipoise.treatments import Arms

rng = np.random.default_rng(0)
X, t = rng.normal(size=(640, 4)), rng.integers(0, 3, 640)
y = X[:, :2] + 0.5 * (t[:, None] > 0) * X[:, 2:] + rng.normal(size=(640, 2))
made = HUM(8, training=NetTraining(epochs=2, batch=128), space=Arms([0, 1, 2]))
made.fit(X, y, treatment=t)
np.save(sys.argv[1], made.effects(X).values)
"""


def test_two_processes_learn_what_one_learns(tmp_path, monkeypatch):
    script, two = tmp_path / "train.py", tmp_path / "2.npy"
    script.write_text(SCRIPT)
    monkeypatch.setattr(sys, "argv", [str(script), str(tmp_path / "1.npy")])
    runpy.run_path(str(script))
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    process = subprocess.run(
        [*launcher, str(script), str(two)], capture_output=True, text=True, timeout=300
    )
    assert process.returncode == 0, process.stderr[-2000:]
    np.testing.assert_allclose(np.load(two), np.load(tmp_path / "1.npy"), rtol=0, atol=1e-5)


def test_a_batch_must_be_shared_evenly(monkeypatch):
    monkeypatch.setattr(ranks, "rank_and_size", lambda: (0, 3))
    with pytest.raises(InputError, match="batch must be a multiple of the 3 processes; got 128"):
        ranks.part(torch.arange(256), 2, 128)
    order, mine = ranks.part(torch.arange(12), 2, 6)
    assert (order.tolist(), mine) == ([0, 3, 6, 9], 2)
