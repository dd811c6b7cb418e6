"""Arms that are closed to some rows: each is learnt from the rows that it is open to."""

import numpy as np
import pytest
from fixtures.closed_arms import ARMS, closed_columns, closed_log
from sklearn.linear_model import LinearRegression

from equipoise.core.errors import InputError
from equipoise.estimators import (
    DRLearner,
    LearntPropensity,
    LinearDML,
    RLearner,
    TLearner,
    XLearner,
    load_estimator,
    save_estimator,
)
from equipoise.pipeline.study.cross_fit import fit_model

COLUMNS = closed_columns(0, n=4000)
LOG = closed_log(COLUMNS)
OPENED = COLUMNS["b_open"]


def linear(learner):
    return (
        learner(LinearRegression()) if learner is TLearner else learner(*[LinearRegression()] * 2)
    )


@pytest.mark.parametrize("learner", [TLearner, XLearner, DRLearner, RLearner])
def test_the_truth_among_the_rows_an_arm_is_open_to(learner):
    effects = fit_model(LOG, linear(learner)).effects(LOG.features).values[:, :, 0]
    assert abs(effects[:, 0].mean() - 0.5) < 0.25  # against the wrong control: off by 1.5
    assert abs(effects[OPENED, 1].mean() - 2 - COLUMNS["x"][OPENED].mean()) < 0.25
    assert np.isfinite(effects).all()  # closed units have the model's extrapolation


def test_the_same_as_a_fit_of_the_open_rows_alone():
    X = np.column_stack([COLUMNS["x"], COLUMNS["z"]])
    e, pair = LOG.propensity, [0, 2]
    got = linear(DRLearner).set_params(space=ARMS)
    got.fit(X, LOG.y, treatment=COLUMNS["arm"], propensity=e)
    rows = OPENED & (COLUMNS["arm"] != "a")
    alone = linear(DRLearner).set_params(space=ARMS.among(np.array([2])))
    p = e[rows][:, pair] / e[rows][:, pair].sum(axis=1, keepdims=True)
    alone.fit(X[rows], LOG.y[rows], treatment=COLUMNS["arm"][rows], propensity=p)
    np.testing.assert_array_equal(got.effects(X).values[:, 1], alone.effects(X).values[:, 0])
    arms = got.effects(X, ["b", "none"])
    assert arms.candidates == ("b", "none")
    assert not arms.values[:, 1].any()
    assert got.score(X, LOG.y, treatment=COLUMNS["arm"], propensity=e) < 0


def test_saved_and_loaded(tmp_path):
    model = fit_model(LOG, linear(DRLearner))
    save_estimator(model.estimator, tmp_path / "learner")
    X = np.column_stack([COLUMNS["x"], COLUMNS["z"]])[:9]
    again = load_estimator(tmp_path / "learner").effects(X).values
    np.testing.assert_array_equal(again, model.estimator.effects(X).values)


def test_what_needs_one_fit_of_all_rows_says_so():
    learner = fit_model(LOG, LinearDML(LinearRegression(), LinearRegression())).estimator
    for ask in (learner.coefficients, lambda: learner.contrast(np.zeros((1, 2)), "a")):
        with pytest.raises(InputError, match="arms that are open to all"):
            ask()


def test_learnt_among_the_open_arms():
    model = LearntPropensity(LinearRegression())
    p = model.fit_predict(LOG.features, LOG.cells, 3, eligible=LOG.eligible)
    assert not p[~OPENED, 2].any()
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert np.abs(p - LOG.propensity).mean() < 0.06
    assert not model.predict(LOG.features, LOG.eligible)[~OPENED, 2].any()
    with pytest.raises(InputError, match="eligible must be given as to fit"):
        model.predict(LOG.features)
