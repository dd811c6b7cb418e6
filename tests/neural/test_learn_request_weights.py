from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from equipoise.core.errors import InputError, SnapshotError  # noqa: E402
from equipoise.neural.learn_request_weights import _Weights, learn_policy_value, learn_shares  # noqa: E402
from equipoise.neural.request_weights import NAMES, Weigher  # noqa: E402

METRICS = ("time", "views")


def requests(n=4000, seed=0):
    """Context that says which metric a request is about, and outcomes that follow it."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    level = np.exp(np.column_stack([X[:, 0], -X[:, 0]]))
    return X, level * rng.lognormal(0, 0.3, (n, 2)), level


@pytest.fixture(scope="module")
def learnt():
    X, y, _ = requests()
    return learn_shares(X, y, METRICS, epochs=15)


def test_numpy_answers_what_torch_answers(learnt):
    X, *_ = requests(500, seed=1)
    net = _Weights(3, learnt.arrays["embed.weight"].shape[1], 2)
    state = net.state_dict()
    net.load_state_dict({**state, **{k: torch.from_numpy(v) for k, v in learnt.arrays.items()}})
    with torch.no_grad():
        want = net(torch.from_numpy(learnt.inputs.positions(X))).exp().numpy()
    np.testing.assert_allclose(learnt(X), want, rtol=0, atol=1e-6)


def test_weights_are_positive_sum_to_one_and_follow_the_request(learnt):
    """Correlation with the true share over seeds 0..3: 0.99 and more."""
    X, _, level = requests(2000, seed=2)
    w = learnt(X)
    assert (w > 0).all()
    np.testing.assert_allclose(w.sum(axis=1), 1, atol=1e-12)
    share = (level / level.mean(axis=0))[:, 0] / (level / level.mean(axis=0)).sum(axis=1)
    assert np.corrcoef(w[:, 0], share)[0, 1] > 0.95


def test_saved_and_loaded_without_code(learnt, tmp_path):
    X, *_ = requests(50, seed=3)
    learnt.save(tmp_path / "weights.safetensors")
    loaded = Weigher.load(tmp_path / "weights.safetensors")
    assert loaded.metrics == METRICS
    np.testing.assert_array_equal(loaded(X), learnt(X))


@pytest.mark.parametrize("raw", [b"\x08" + bytes(7) + b"{}      ", b"\x08\x00", b""])
def test_a_file_of_something_else_is_refused(tmp_path, raw):
    (tmp_path / "broken").write_bytes(raw)
    with pytest.raises(SnapshotError, match="a file of weights must be one that `save` wrote"):
        Weigher.load(tmp_path / "broken")


def test_a_file_is_what_version_0_1_0_wrote(learnt, tmp_path):
    """A header of JSON behind its length, as it was read and written by hand then."""
    learnt.save(tmp_path / "now")
    raw = (tmp_path / "now").read_bytes()
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + size])
    names = json.loads(header.pop("__metadata__")["equipoise.weigher"])
    assert names == {"absent": learnt.inputs.parts()["absent"], "metrics": list(METRICS)}
    assert {f"knots.{j}" for j in range(3)} | set(NAMES) == set(header)
    again = {"__metadata__": {"equipoise.weigher": json.dumps(names)}, **header}
    text = json.dumps(again).encode()
    (tmp_path / "then").write_bytes(len(text).to_bytes(8, "little") + text + raw[8 + size :])
    X, *_ = requests(50, seed=3)
    np.testing.assert_array_equal(Weigher.load(tmp_path / "then")(X), learnt(X))


def test_weights_by_policy_value_lift_both_metrics():
    """Of the strategies each serves one metric; rewarded by the worst metric, the weights serve
    each where it counts.
    """
    X, _, level = requests()
    delta = np.tile(np.array([[0.1, -0.1], [-0.1, 0.1]]), (len(X), 1, 1))
    gain = delta * (level / level.mean(axis=0))[:, None]
    weigher = learn_policy_value(X, delta, gain, METRICS, epochs=15)
    phi = np.einsum("nkm,nm->nk", delta, weigher(X))
    worth = ((phi > 0)[:, :, None] * gain).sum(axis=1).mean(axis=0)
    assert worth.min() > 0.02  # seeds 0..3: 0.045 to 0.05; equal weights: 0


def test_a_share_needs_outcomes_that_are_not_negative():
    X, y, _ = requests(20)
    y[4, 1] = -1
    with pytest.raises(
        InputError, match="outcome 'views' must be >= 0 to have a share; got -1.0 at row 4"
    ):
        learn_shares(X, y, METRICS)


def test_the_same_seed_gives_the_same_weights():
    X, y, _ = requests(500)
    first, second = (learn_shares(X, y, METRICS, epochs=3)(X) for _ in range(2))
    np.testing.assert_array_equal(first, second)
