from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from equipoise.core.errors import InputError, UnsupportedSpace
from equipoise.estimators import ESTIMATORS, DRLearner, SLearner, TLearner
from equipoise.estimators.base import EffectEstimator, by_cell, finite_cells, propensities, shares
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
    asked = fitted.effects(world.X, candidates=["b", "none", "b"])
    assert asked.candidates == ("b", "none", "b")
    np.testing.assert_array_equal(asked.values[:, 0], every.values[:, 1])
    np.testing.assert_array_equal(asked.values[:, 2], every.values[:, 1])
    assert not asked.values[:, 1].any()
    np.testing.assert_array_equal(asked.baseline, every.baseline)


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
