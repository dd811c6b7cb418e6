from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import sklearn
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from equipoise.core.errors import InputError, UnsupportedSpace
from equipoise.core.features import FeatureMap
from equipoise.estimators import (
    ESTIMATORS,
    BoostedTrees,
    Clusters,
    DRLearner,
    LearntPropensity,
    LinearDML,
    SLearner,
    TLearner,
    XLearner,
    load_estimator,
    save_estimator,
)
from equipoise.estimators.base import EffectEstimator, by_cell, finite_cells, propensities, shares
from equipoise.estimators.strata import CFOR
from equipoise.estimators.training_data import sample
from equipoise.treatments import Arms, Dose

LINE = LinearRegression()


class Constant(EffectEstimator):
    """The smallest estimator: every effect is 1."""

    takes = "finite"

    def __init__(self, space=None, seed=0):
        self.space, self.seed = space, seed

    def _learn(self, data):
        self.space_.cells(data.treatment)

    def _answer(self, X, treatment):
        shape = (len(X), len(treatment), len(self.metrics_))
        return np.ones(shape), np.zeros((shape[0], shape[2])), None


def test_a_subclass_gets_names_and_axes(experiment):
    world = experiment(50)
    y = pd.DataFrame(world.y, columns=["spend", "visit"])
    fitted = Constant().fit(pd.DataFrame(world.X, columns=list("abcd")), y, treatment=world.cell)
    assert fitted.feature_names_in_.tolist() == ["a", "b", "c", "d"]
    assert fitted.n_features_in_ == 4
    got = fitted.effects(world.X[:3])
    assert (got.candidates, got.metrics, got.values.shape) == (
        ("1",),
        ("spend", "visit"),
        (3, 1, 2),
    )
    assert (
        fitted.outcomes(world.X[:3]).tolist()
        == fitted.predict(world.X[:3]).tolist()
        == np.ones((3, 1, 2)).tolist()
    )


def test_columns_are_found_by_name(experiment):
    world = experiment(200)
    X = pd.DataFrame(world.X, columns=list("abcd"))
    fitted = TLearner(LINE).fit(X, world.y, treatment=world.cell)
    wanted = fitted.effects(X).values
    np.testing.assert_array_equal(fitted.effects(X[["d", "b", "a", "c"]]).values, wanted)
    np.testing.assert_array_equal(fitted.effects(world.X).values, wanted)
    with pytest.raises(
        InputError, match=r"have the features of fit; got unknown \['z'\]; fit saw a, b, c, d"
    ):
        fitted.effects(X.rename(columns={"d": "z"}))
    with pytest.raises(InputError, match="have the 4 features of fit; got 3"):
        fitted.effects(X[["a", "b", "c"]])


def test_a_space_that_cannot_answer_is_refused_with_what_is_taken():
    with pytest.raises(
        UnsupportedSpace,
        match="space of DoseSLearner must be an interval of amounts: Dose; got 2 arms",
    ):
        ESTIMATORS.load("dose-s-learner")().fit(np.eye(4), [1, 2, 3, 4], treatment=[0, 1, 0, 1])


def test_any_treatment_of_the_space_may_be_asked(experiment):
    world = experiment(300, arms=3)
    names = np.array(["none", "a", "b"])
    fitted = TLearner(LINE, space=Arms(["none", "a", "b"])).fit(
        world.X, world.y, treatment=names[world.cell]
    )
    every = fitted.effects(world.X)
    asked = fitted.effects(world.X, candidates=["b", "none"])
    assert asked.candidates == ("b", "none")
    np.testing.assert_array_equal(asked.values[:, 0], every.values[:, 1])
    assert not asked.values[:, 1].any()
    np.testing.assert_array_equal(asked.baseline, every.baseline)
    with pytest.raises(InputError, match="candidates must have different names; got"):
        fitted.effects(world.X, candidates=["b", "none", "b"])


def test_by_cell_asks_each_candidate_once():
    asked = []

    def effect(a):
        asked.append(a)
        return np.full((2, 1), a + 1.0)

    assert by_cell(np.array([3, 0, 3, 1]), effect, (2, 1))[:, :, 0].tolist() == [[3, 0, 3, 1]] * 2
    assert asked == [0, 2]


def test_propensities_known_learnt_or_shares():
    class Learnt:
        def cross_fit(self, X, cell, cells, *, fold, weight=None):
            return np.full((len(X), cells), 0.5)

    X, y, t = np.eye(4), [1.0, 2, 3, 4], np.array([0, 1, 1, 1])
    known = np.full((4, 2), [0.3, 0.7])
    for given, wanted in ((None, [0.25, 0.75]), (known, [0.3, 0.7]), (Learnt(), [0.5, 0.5])):
        data = sample(X, y, Arms(), t, given)
        assert propensities(data, t, 2, fold=t)[0].tolist() == wanted
    assert shares(t, 2, np.array([3.0, 1, 1, 1]))[0].tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    ("cell", "got"),
    [
        ([0, 0, 2, 2], "'b' must be at least 2; got 0"),
        ([0, 1, 2, 0], "'b' must be at least 2; got 1"),
    ],
)
def test_a_thin_cell_is_named(cell, got):
    names = np.array(["none", "b", "c"])
    space = Arms(["none", "b", "c"])
    with pytest.raises(InputError, match="the rows of treatment " + got):
        finite_cells(space, sample(np.eye(4), [1, 2, 3, 4], space, names[cell]), least=2)


def test_a_cell_of_a_dose_is_its_bin():
    space = Dose(0, 2, levels=[1, 2])
    data = sample(np.eye(6), np.arange(6.0), space, [0, 0, 0.8, 1.2, 1.9, 2.0])
    assert finite_cells(space, data, least=2).tolist() == [0, 0, 1, 1, 2, 2]


def test_score_prefers_the_truth(experiment):
    world = experiment(4000, noise=0.3)
    given = {"treatment": world.cell, "propensity": world.e}
    good = TLearner(LINE).fit(world.X, world.y, **given)
    bad = TLearner(LINE).fit(world.X, -world.y, **given)
    scores = [model.score(world.X, world.y, **given) for model in (good, bad)]
    assert scores[0] > scores[1] + 0.4  # at least 0.75 over 10 seeds


def test_pipeline_by_step_name(experiment):
    world = experiment(600)
    pipe = make_pipeline(StandardScaler(), TLearner(LINE)).fit(
        world.X, world.y, tlearner__treatment=world.cell
    )
    plain = TLearner(LINE).fit(world.X, world.y, treatment=world.cell)
    np.testing.assert_allclose(pipe.predict(world.X), plain.predict(world.X))


def test_metadata_is_routed_without_being_asked(experiment):
    world = experiment(600)
    with sklearn.config_context(enable_metadata_routing=True):
        pipe = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), SLearner(LINE))
        pipe.fit(world.X, world.y, treatment=world.cell, sample_weight=np.ones(600))
        search = GridSearchCV(DRLearner(LINE, LINE), {"cv": [2, 3]}, cv=2).fit(
            world.X, world.y, treatment=world.cell
        )
    assert pipe.predict(world.X).shape == (600, 1, 2)
    assert np.isfinite(search.best_score_)


@pytest.mark.parametrize(
    ("cells", "fix"), [([0, 1, 1, 1], "it is control"), ([0, 0, 0, 1], "drop it from the space")]
)
def test_control_cannot_be_dropped(cells, fix):
    given = sample(np.arange(4.0)[:, None], np.arange(4.0), Arms([0, 1]), np.asarray(cells))
    with pytest.raises(InputError, match=fix):
        finite_cells(Arms([0, 1]), given, least=2)


def customers(n=600, seed=0):
    """Mixed columns in an order of rows that is not that of their index; y and t are aligned."""
    rng = np.random.default_rng(seed)
    area = rng.choice(["rural", "urban"], n)
    X = pd.DataFrame(
        {
            "area": pd.Categorical(area),
            "city": rng.choice([f"c{i}" for i in range(20)], n),
            "newcomer": rng.random(n) < 0.5,
            "age": np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n)),
        },
        index=rng.permutation(n),
    )
    t = rng.integers(0, 2, n)
    return X, (area == "urban") * t + rng.normal(size=n), t


TREES = BoostedTrees(n_estimators=10, num_leaves=4)


def test_a_frame_of_text_and_missing_values_is_fitted_as_it_is():
    X, y, t = customers()
    learner = TLearner(TREES).fit(X, y, treatment=t)
    encoding = FeatureMap().fit(X)
    by_hand = TLearner(TREES).fit(encoding.transform(X), y, treatment=t)
    np.testing.assert_array_equal(learner.predict(X), by_hand.predict(encoding.transform(X)))
    assert learner.feature_names_in_.tolist() == ["area", "city", "newcomer", "age"]
    assert learner.n_features_in_ == 4
    one, turned = X.iloc[[5]], X.iloc[::-1, ::-1]
    assert learner.predict(one) == learner.predict(X)[5]
    np.testing.assert_array_equal(learner.predict(turned), learner.predict(X)[::-1])
    unseen = one.assign(area="abroad", city="c99")
    assert np.isfinite(learner.predict(unseen)).all()
    assert np.isfinite(learner.score(X, y, treatment=t))


def test_the_encoding_is_saved_with_the_estimator(tmp_path):
    X, y, t = customers()
    learner = TLearner(TREES).fit(X, y, treatment=t)
    save_estimator(learner, tmp_path / "saved")
    np.testing.assert_array_equal(load_estimator(tmp_path / "saved").predict(X), learner.predict(X))


def test_a_column_that_fit_saw_must_be_there():
    X, y, t = customers()
    learner = TLearner(TREES).fit(X, y, treatment=t)
    with pytest.raises(InputError, match="feature 'city' must be in the frame"):
        learner.predict(X.drop(columns="city"))
    numbers = TLearner(TREES).fit(X[["age"]], y, treatment=t)
    assert numbers.fit(X, y, treatment=t).encoding_ is not None
    assert numbers.fit(X[["age"]], y, treatment=t).encoding_ is None  # a second fit forgets


def test_coefficients_and_missing_values_are_named_by_the_encoded_columns():
    X, y, t = customers()
    table = LinearDML().fit(X[["area", "newcomer"]], y, treatment=t).coefficients()
    assert {"1", "area=rural", "area=urban", "newcomer"} == set(table["modifier"].to_pylist())
    with pytest.raises(InputError, match="feature 'age' must have no missing value"):
        LinearDML().fit(X, y, treatment=t)


def test_sparse_features_and_a_column_of_treatments():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3)) * (rng.random((300, 3)) < 0.3)
    t, y = rng.integers(0, 2, 300), rng.normal(size=300)
    dense = TLearner(TREES).fit(X, y, treatment=t).predict(X)
    sparse = scipy.sparse.csr_array(X)
    np.testing.assert_array_equal(
        TLearner(TREES).fit(sparse, y, treatment=t[:, None]).predict(sparse), dense
    )


@pytest.mark.parametrize("n_jobs", [-1, 0, 2])
def test_threads_change_no_number(n_jobs):
    X, y, t = customers()
    one = TLearner(BoostedTrees(n_estimators=5, n_jobs=1)).fit(X, y, treatment=t).predict(X)
    many = TLearner(BoostedTrees(n_estimators=5, n_jobs=n_jobs)).fit(X, y, treatment=t).predict(X)
    np.testing.assert_array_equal(one, many)


def test_what_is_not_an_effect_takes_frames_too():
    X, _, t = customers()
    p = LearntPropensity(TREES, cv=2).fit(X, t, 2).predict(X.iloc[:, ::-1])
    np.testing.assert_array_equal(p, LearntPropensity(TREES, cv=2).fit(X, t, 2).predict(X))
    whole = X.drop(columns="age")
    clusters = Clusters(n_clusters=2).fit(whole)
    np.testing.assert_array_equal(clusters.predict(whole.iloc[:, ::-1]), clusters.labels_)
    claimed, y = t * (np.arange(len(t)) % 2), np.arange(len(t)) % 3 == 0
    strata = CFOR(cv=2).fit(X, y, treatment=t, claimed=claimed)
    np.testing.assert_array_equal(strata.strata(X.iloc[:, ::-1]), strata.strata(X))


def test_a_search_without_routing_says_what_to_do(experiment):
    world = experiment(200)
    search = GridSearchCV(TLearner(LINE), {"random_state": [0]}, error_score="raise")
    with pytest.raises(InputError, match="treatment must be given.*enable_metadata_routing=True"):
        search.fit(world.X, world.y, treatment=world.cell)


def test_what_else_answers_no_rows(experiment):
    world = experiment(200)
    none = world.X[:0]
    propensity = LearntPropensity(LogisticRegression()).fit(world.X, world.cell, 2)
    assert propensity.predict(none).shape == (0, 2)
    assert Clusters(n_clusters=2).fit(world.X).predict(none).shape == (0,)
    linear = LinearDML().fit(world.X, world.y, treatment=world.cell)
    assert linear.contrast(none, 0).values.shape == (0, 1, 2)


@pytest.mark.parametrize(
    "learner", [SLearner(TREES), TLearner(TREES), DRLearner(TREES, TREES), XLearner(TREES, TREES)]
)
def test_a_gap_that_fit_did_not_know_is_taken_for_the_mean(learner):
    rng = np.random.default_rng(0)
    X, t = rng.normal(5, 1, (600, 3)), np.arange(600) % 2
    X[::7, 2] = np.nan  # gaps of fit teach
    y = t * X[:, 0] + rng.normal(size=600)
    fitted = learner.fit(X, y, treatment=t)
    gaps, filled = X[:4].copy(), X[:4].copy()
    gaps[1, 0], filled[1, 0] = np.nan, fitted.usual_[0]
    gaps[2, 1], filled[2, 1] = np.nan, fitted.usual_[1]
    gaps[3, 2] = filled[3, 2] = np.nan
    np.testing.assert_array_equal(fitted.effects(gaps).values, fitted.effects(filled).values)
    assert abs(fitted.usual_[0] - X[:, 0].mean()) < 1e-6
    assert np.isnan(fitted.usual_[2])
