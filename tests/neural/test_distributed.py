"""Two processes on one training, started by torch's own launcher, and one: the same net."""

from __future__ import annotations

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
X, t = rng.normal(size=(1500, 4)), rng.integers(0, 3, 1500)
y = X[:, :2] + 0.5 * (t[:, None] > 0) * X[:, 2:] + rng.normal(size=(1500, 2))
made = HUM(8, training=NetTraining(epochs=4, batch=128), space=Arms([0, 1, 2]))
made.fit(X, y, treatment=t)
np.save(sys.argv[1], made.effects(X).values)
"""


def test_two_processes_learn_what_one_learns(tmp_path):
    script, found = tmp_path / "train.py", {}
    script.write_text(SCRIPT)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    for count, start in (("1", [sys.executable]), ("2", [*launcher, "2"])):
        done = subprocess.run(
            [*start, str(script), str(tmp_path / count)],
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        found[count] = np.load(tmp_path / f"{count}.npy")
    np.testing.assert_allclose(found["2"], found["1"], rtol=0, atol=1e-5)


def test_a_batch_must_be_shared_evenly(monkeypatch):
    monkeypatch.setattr(ranks, "rank_and_size", lambda: (0, 3))
    with pytest.raises(InputError, match="batch must be a multiple of the 3 processes; got 128"):
        ranks.part(torch.arange(256), 2, 128)
    order, mine = ranks.part(torch.arange(12), 2, 6)
    assert (order.tolist(), mine) == ([0, 3, 6, 9], 2)
