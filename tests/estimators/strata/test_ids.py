from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.base import clone

pytest.importorskip("torch")

from equipoise.core.errors import InputError  # noqa: E402
from equipoise.core.strata import Claims, cells_of, dr_signals  # noqa: E402
from equipoise.estimators import load_estimator, save_estimator  # noqa: E402
from equipoise.estimators.strata import CFMTL, CFMTLV1, CFMLENet  # noqa: E402
from equipoise.estimators.strata.ids import checked_ids, codes  # noqa: E402

SIZES = (25, 20)
NETS = {
    "cf-mtl": lambda: CFMTL(batch=2048, epochs=40),
    "cf-mtl-v1": lambda: CFMTLV1(batch=2048, epochs=40),
    "cf-mle-net": lambda: CFMLENet(batch=2048, epochs=40),
}
every_net = pytest.mark.parametrize("name", NETS)


@cache
def world(n=30_000, seed=0):
    """Users 100, 101, ... and items 0, 10, ...; strata additive on the logit scale; the offer
    depends on the user.
    """
    rng = np.random.default_rng(seed)
    place = np.column_stack([rng.integers(0, size, n) for size in SIZES])
    score = sum(rng.normal(size=(size, 5))[place[:, j]] for j, size in enumerate(SIZES))
    f = np.exp(score) / np.exp(score).sum(axis=1, keepdims=True)
    g = 0.2 + 0.6 * rng.random(SIZES[0])[place[:, 0]]
    z = (f.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)
    t = (rng.random(n) < g).astype(np.int64)
    claims, without, offered = np.array([[0, 0, 1, 1, 1], [0, 1, 0, 0, 1], [0, 1, 0, 1, 1]])
    X = np.column_stack([100 + place[:, 0], 10 * place[:, 1]])
    return SimpleNamespace(
        X=X,
        strata=f,
        propensity=g,
        treatment=t,
        claimed=t * claims[z],
        y=np.where(t == 1, offered[z], without[z]),
    )


@cache
def once(name):
    return fitted(NETS[name](), world())


def fitted(net, w):
    return net.fit(w.X, w.y, treatment=w.treatment, claimed=w.claimed, propensity=w.propensity)


def test_ids_become_codes_and_strangers_the_last():
    known = [np.array([100, 105]), np.array([0, 10, 20])]
    assert codes(np.array([[105, 20], [7, 0], [100, 30]]), known).tolist() == [
        [1, 2],
        [2, 0],
        [0, 3],
    ]


@pytest.mark.parametrize("bad", [0.5, np.nan, np.inf])
def test_what_is_no_id_names_row_and_column(bad):
    with pytest.raises(
        InputError,
        match="X column 'item' must hold ids, which are whole numbers; got .* at row 1; .*cf-dr",
    ):
        checked_ids(np.array([[1.0, 2.0], [3.0, bad]]), ("user", "item"))


@every_net
def test_recovers_the_strata(name):
    w = world()
    # a constant is off by 0.17; worst of 3 seeds: 0.027
    assert np.abs(once(name).strata(w.X) - w.strata).mean() < 0.035


@every_net
def test_signals_have_the_mean_of_the_strata(name):
    w, psi = world(), once(name).signals()
    z = (psi - w.strata).mean(axis=0) / (psi.std(axis=0, ddof=1) / len(psi) ** 0.5)
    assert np.abs(z).max() < 4


@every_net
def test_signals_are_doubly_robust_around_strata_of_nets_that_did_not_see_the_row(name):
    w, net = world(), once(name)
    held = np.stack([signals_of(net, model, w) for model in net.models_])
    assert (np.abs(held - net.signals()).max(axis=2).min(axis=0) < 1e-6).all()
    mean = np.abs(held.mean(axis=0) - net.signals()).max()
    assert mean > 1e-3


def signals_of(net, model, w):
    from equipoise.estimators.strata.ids import strata_of

    claims = Claims(w.treatment, w.claimed, w.y, w.propensity)
    return dr_signals(claims, *cells_of(strata_of(model, w.X)))


@every_net
def test_an_unseen_id_is_answered_by_the_mean_of_the_known(name):
    strata = once(name).strata(np.array([[999, 999], [100, 999]]))
    assert strata.shape == (2, 5)
    np.testing.assert_allclose(strata.sum(axis=1), 1)
    assert (np.abs(strata[0] - world().strata.mean(axis=0)) < 0.25).all()


@every_net
def test_saved_and_loaded_it_answers_bit_for_bit(name, tmp_path):
    save_estimator(once(name), tmp_path / "net")
    loaded = load_estimator(tmp_path / "net")
    np.testing.assert_array_equal(loaded.strata(world().X), once(name).strata(world().X))
    np.testing.assert_array_equal(loaded.signals(), once(name).signals())


@every_net
def test_same_seed_same_numbers_another_seed_others(name):
    w = world(3_000)
    nets = [
        fitted(clone(NETS[name]().set_params(random_state=seed, epochs=3)), w).strata(w.X)
        for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(nets[0], nets[1])
    assert not np.array_equal(nets[0], nets[2])


def test_weights_are_refused():
    w = world(3_000)
    with pytest.raises(InputError, match="sample_weight must be None for id networks"):
        NETS["cf-mtl"]().fit(
            w.X, w.y, treatment=w.treatment, claimed=w.claimed, sample_weight=1 + np.arange(3_000)
        )
