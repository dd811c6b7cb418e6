"""Two processes on one training, started by torch's own launcher, and one: the same net."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.distributed.launcher.api import LaunchConfig, elastic_launch  # noqa: E402

from equipoise.core.errors import InputError  # noqa: E402
from equipoise.estimators.deep.base import NetTraining  # noqa: E402
from equipoise.estimators.deep.hum import HUM  # noqa: E402
from equipoise.neural import distributed as ranks  # noqa: E402
from equipoise.treatments import Arms  # noqa: E402


def learnt() -> tuple[np.ndarray, tuple[int, int]]:
    """The effects of a small net, and who learnt it."""
    rng = np.random.default_rng(0)
    X, t = rng.normal(size=(640, 4)), rng.integers(0, 3, 640)
    y = X[:, :2] + 0.5 * (t[:, None] > 0) * X[:, 2:] + rng.normal(size=(640, 2))
    model = HUM(8, training=NetTraining(epochs=2, batch=128), space=Arms([0, 1, 2]))
    return model.fit(X, y, treatment=t).effects(X).values, ranks.rank_and_size()


@pytest.mark.skipif(torch.cuda.is_available(), reason="a fork cannot use its parent's GPU")
def test_two_processes_learn_what_one_learns():
    launch = LaunchConfig(
        1,
        1,
        nproc_per_node=2,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        run_id="test",
        start_method="fork",  # what the parent imported need not be imported again
        monitor_interval=0.05,
    )
    each = elastic_launch(launch, learnt)()
    alone, _ = learnt()
    # A worker's rank is given by the store that it asked first or second, not by its place here.
    assert sorted(who for _, who in each.values()) == [(0, 2), (1, 2)]
    for values, _ in each.values():
        np.testing.assert_allclose(values, alone, rtol=0, atol=1e-5)


def test_a_batch_must_be_shared_evenly(monkeypatch):
    monkeypatch.setattr(ranks, "rank_and_size", lambda: (0, 3))
    with pytest.raises(InputError, match="batch must be a multiple of the 3 processes; got 128"):
        ranks.part(torch.arange(256), 2, 128)
    order, mine = ranks.part(torch.arange(12), 2, 6)
    assert (order.tolist(), mine) == ([0, 3, 6, 9], 2)
