"""On a GPU nets learn what they learn on the CPU: products in bfloat16 change digits, not answers.
Skipped without one.
"""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
if not torch.cuda.is_available():
    pytest.skip("needs a GPU", allow_module_level=True)

from equipoise.data.simulators.dose_response import make_dose_world  # noqa: E402
from equipoise.estimators import ESTIMATORS  # noqa: E402
from equipoise.estimators.deep.base import DeepEstimator, NetTraining  # noqa: E402
from equipoise.estimators.deep.dose import DoseNetEstimator  # noqa: E402
from equipoise.neural.strata import ClaimRows, fit_cf_mle, fit_cf_mtl, fit_cf_mtl_v1  # noqa: E402
from equipoise.neural.train import SlowGains, Training  # noqa: E402
from equipoise.treatments import Arms, Dose  # noqa: E402

LOADED = {name: ESTIMATORS.load(name) for name in ESTIMATORS}
NETS = [name for name, made in LOADED.items() if issubclass(made, DeepEstimator)]
DOSES = [name for name, made in LOADED.items() if issubclass(made, DoseNetEstimator)]
BOTH = ("cpu", "cuda")


def world(n: int = 6000) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X, t = rng.normal(size=(n, 4)), rng.integers(0, 2, n)
    tau = 2 + 2 * X[:, 2:]
    return X, t, X[:, :2] + t[:, None] * tau + rng.normal(size=(n, 2)), tau


@pytest.mark.parametrize("name", NETS)
def test_a_net_learns_the_same(name):
    X, t, y, tau = world()
    far = {}
    for device in BOTH:
        made = LOADED[name](training=NetTraining(epochs=30, device=device), space=Arms([0, 1])).fit(
            X, y, treatment=t
        )
        far[device] = np.sqrt(((made.effects(X).values[:, 0] - tau) ** 2).mean())
    assert far["cuda"] < 1.15 * far["cpu"] + 0.1, far


@pytest.mark.parametrize("name", NETS)
def test_an_answer_does_not_depend_on_the_company(name):
    X, t, y, _ = world(1500)
    made = LOADED[name](training=NetTraining(epochs=2, device="cuda"), space=Arms([0, 1])).fit(
        X, y, treatment=t
    )
    assert np.array_equal(made.effects(X).values[7:9], made.effects(X[7:9]).values)


@pytest.mark.parametrize("name", DOSES)
@pytest.mark.parametrize("targeted", [False, True])
def test_a_net_of_a_dose_learns_the_same(name, targeted):
    world, far = make_dose_world(500, seed=0), {}
    for device in BOTH:
        how = NetTraining(epochs=60, batch=512, rate=0.01, decay=0.02, patience=30, device=device)
        made = LOADED[name](
            targeted=targeted, training=how, space=Dose(0, 1, levels=np.linspace(0, 1, 11).tolist())
        )
        made.fit(world.X, world.y, treatment=world.t)
        far[device] = made.effects(world.X, [0.3, 0.5, 0.7]).values
    gap = np.abs(far["cuda"] - far["cpu"]).mean() / far["cpu"].std()
    assert gap < 0.5


@pytest.mark.parametrize(
    "fit", [fit_cf_mtl, fit_cf_mtl_v1, fit_cf_mle, lambda rows, how: fit_cf_mle(rows, how, rank=4)]
)
def test_a_net_of_ids_learns_the_same(fit):
    rng = np.random.default_rng(0)
    n, sizes = 20_000, (40, 30)
    codes = np.column_stack([rng.integers(0, s, n) for s in sizes])
    t = rng.integers(0, 2, n)
    claimed = t * (rng.random(n) < 0.2 + 0.6 * (codes[:, 0] / 40))
    y = (rng.random(n) < 0.1 + 0.5 * codes[:, 1] / 30 + 0.3 * claimed).astype(int)
    rows = ClaimRows(codes, sizes, t, claimed, y)
    found = [
        fit(rows, Training(epochs=40, stop=SlowGains(1e-4), batch=2048, device=device)).scores(
            codes
        )
        for device in BOTH
    ]
    assert np.abs(found[0] - found[1]).mean() < 0.01
