"""The contract of every registered estimator.  A new one is one file and one registry line, and is
then held to all of this.
"""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import sklearn
from fixtures.without_torch import net_training
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks, get_tags
from threadpoolctl import threadpool_limits

from equipoise.core.errors import InputError, UnsupportedSpace
from equipoise.core.space import Space
from equipoise.estimators import (
    ESTIMATORS,
    Bootstrapped,
    TLearner,
    load_estimator,
    save_estimator,
)
from equipoise.estimators.serialisation import estimator_parts
from equipoise.learners.base_learners import BoostedTrees
from equipoise.pipeline.study.cross_fit import with_space
from equipoise.treatments import Arms, Bits, Dose, Shares

NAMES = list(ESTIMATORS)
METRICS = ("spend", "visit")
FEATURES = ["age", "visits", "tenure"]
SPACES: dict[str, Space] = {
    "arms": Arms(["none", "mens", "womens"]),
    "dose": Dose(0, 2, levels=[1, 2], unit="USD"),
    "bits": Bits(["mail", "push"], "singles"),
    "shares": Shares(["film", "game", "food"], candidates=[[0.6, 0.2, 0.2], [0.2, 0.6, 0.2]]),
}
TREES = BoostedTrees(n_estimators=15, learning_rate=0.2, num_leaves=7, n_jobs=1)
NO_TREES = {"dml", "dml-pooled"}  # its default base model is quick as it is
LONG, SHORT = (
    30,
    6,
)  # epochs of a net: to find the truth, and to show that a law holds of its numbers
SKLEARN_CHECKS = [
    estimator_checks.check_no_attributes_set_in_init,
    estimator_checks.check_parameters_default_constructible,
    estimator_checks.check_get_params_invariance,
    estimator_checks.check_set_params,
    estimator_checks.check_valid_tag_types,
    estimator_checks.check_estimator_repr,
    estimator_checks.check_estimator_cloneable,
    estimator_checks.check_mixin_order,
    estimator_checks.check_estimators_unfitted,
]
every_estimator = pytest.mark.parametrize("name", NAMES)


def world(n=700, effect=(1.0, 2.0), seed=0, noise=0.5):
    """X (n, 3), y (n, 2), cells (n,): candidates have a constant effect on the first metric and a
    fifth of it on the second.
    """
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3)).astype(np.float32).astype(np.float64)
    cell = rng.permutation(np.arange(n) % 3)
    shift = np.asarray([0.0, *effect])[cell]
    y = np.column_stack([X[:, 0] + shift, 0.2 * X[:, 1] + 0.2 * shift]) + noise * rng.normal(
        size=(n, 2)
    )
    return X, y.astype(np.float32).astype(np.float64), cell


def labels(space, cell):
    return np.concatenate([[SPACES[space].control], SPACES[space].candidates()])[cell]


@cache
def home(name):
    """The first space that the estimator serves."""
    X, y, cell = world(90)
    for space in SPACES:
        _, refused = attempt(
            lambda space=space: made(name, space).fit(X, y, treatment=labels(space, cell)),
            UnsupportedSpace,
        )
        if not refused:
            return space
    return pytest.fail(f"{name} serves no space")


def attempt(action, refusal):
    """What the action gives and None, or None and the refusal."""
    try:
        return action(), None
    except refusal as error:
        return None, error


def made(name, space, trees=TREES, epochs=SHORT):
    """The estimator with small trees wherever its default base model is large ones."""
    estimator = ESTIMATORS.load(name)(space=SPACES[space])
    quick = {
        "outcome_model": trees,
        "effect_model": trees,
        "width": 8,
        "training": net_training(epochs=epochs, batch=128, rate=0.01),
    }
    slots = {key: model for key, model in quick.items() if key in estimator.get_params(deep=False)}
    return estimator if name in NO_TREES else estimator.set_params(**slots)


def fresh(name, **how):
    return made(name, home(name), **how)


@cache
def fitted(name):
    X, y, cell = world()
    return fresh(name, epochs=LONG).fit(
        pd.DataFrame(X, columns=FEATURES),
        pd.DataFrame(y, columns=METRICS),
        treatment=labels(home(name), cell),
    )


def arguments(name, **changed):
    X, y, cell = world()
    return {"X": X, "y": y, "treatment": labels(home(name), cell)} | changed


@cache
def learnt(name):
    """A fresh one fitted to `arguments` on one thread."""
    with threadpool_limits(1):
        return fresh(name).fit(**arguments(name))


@cache
def effects_of(name):
    """The effects that it learns: what others must equal."""
    with threadpool_limits(1):
        return learnt(name).effects(world()[0])


def same(a, b, **tolerance):
    np.testing.assert_allclose(a.values, b.values, **tolerance)
    np.testing.assert_allclose(a.baseline, b.baseline, **tolerance)
    assert (a.std_error is None) == (b.std_error is None)
    if a.std_error is not None:
        np.testing.assert_allclose(a.std_error, b.std_error, **tolerance)


def identical(a, b):
    same(a, b, rtol=0, atol=0)


# construction


@every_estimator
def test_init_only_stores(name):
    estimator = ESTIMATORS.load(name)()
    assert "space" in estimator.get_params(deep=False)
    assert "random_state" in estimator.get_params(deep=False)
    assert set(vars(estimator)) == set(estimator.get_params(deep=False))
    for key, value in estimator.get_params(deep=False).items():
        assert getattr(estimator.set_params(**{key: value}), key) is value


@every_estimator
def test_old_names_of_arguments_warn_and_give_the_same_estimator(name):
    """Whose numbers are the same, as a clone's are.  More of old names in `test_old_names`."""
    today = fresh(name)
    old_of = {new: old for old, new in type(today).renamed_arguments_.items()}
    params = today.get_params(deep=False)
    with pytest.warns(FutureWarning, match="since version"):
        before = type(today)(**{old_of.get(key, key): value for key, value in params.items()})
    own = before.get_params(deep=False)
    assert {key: own[key] is value for key, value in params.items()} == dict.fromkeys(params, True)


@every_estimator
def test_clone_is_unfitted_and_equal(name):
    copy = clone(learnt(name))
    with pytest.raises((NotFittedError, InputError)):
        copy.effects(world()[0])
    identical(copy.fit(**arguments(name)).effects(world()[0]), effects_of(name))


@every_estimator
@pytest.mark.parametrize("space", SPACES)
def test_a_space_works_or_is_refused_by_name(name, space):
    X, y, cell = world()
    effects, error = attempt(
        lambda: made(name, space).fit(X, y, treatment=labels(space, cell)).effects(X),
        UnsupportedSpace,
    )
    if error:
        assert "space" in str(error)
        assert error.fix
        return
    assert effects.values.shape == (len(X), 2, 2)
    assert effects.candidates == SPACES[space].names(SPACES[space].candidates())


# the same numbers


@every_estimator
def test_inputs_are_not_changed(name):
    X, y, cell = world()
    weight, propensity = np.full(len(X), 2.0), np.full((len(X), 3), 1 / 3)
    parts = {
        "X": X,
        "y": y,
        "treatment": labels(home(name), cell),
        "sample_weight": weight,
        "propensity": propensity,
    }
    before = {key: value.copy() for key, value in parts.items()}
    for value in parts.values():
        value.flags.writeable = False
    fresh(name).fit(**parts).effects(X)
    for key, value in parts.items():
        np.testing.assert_array_equal(value, before[key])


@every_estimator
def test_same_seed_same_numbers_whatever_the_threads(name):
    several = BoostedTrees(**TREES.get_params() | {"n_jobs": 2})
    with threadpool_limits(2):
        two = fresh(name, trees=several).fit(**arguments(name)).effects(world()[0])
    identical(effects_of(name), two)


@every_estimator
def test_the_order_of_rows_and_columns_does_not_matter(name):
    """Folds, and whatever hangs on the order of rows, follow what the rows hold."""
    X, y, cell = world(120)
    rows, columns = np.random.default_rng(1).permutation(120), [2, 0, 1]
    treatment, quick = labels(home(name), cell), BoostedTrees(5, num_leaves=4, n_jobs=1)
    one, other = (fresh(name, trees=quick, epochs=1) for _ in range(2))
    straight = one.fit(X, y, treatment=treatment).effects(X)
    mixed = other.fit(X[rows][:, columns], y[rows], treatment=treatment[rows])
    same(straight, mixed.effects(X[:, columns]), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", ["dr-learner", "r-learner", "dml", "dml-pooled", "mdp2"])
def test_the_order_of_rows_of_groups_does_not_matter(name):
    X, y, cell = world(150)
    rows, group, treatment = (
        np.random.default_rng(1).permutation(150),
        np.arange(150) // 2,
        labels(home(name), cell),
    )
    one, other = (fresh(name) for _ in range(2))
    straight = one.fit(X, y, treatment=treatment, groups=group).effects(X)
    mixed = other.fit(X[rows], y[rows], treatment=treatment[rows], groups=group[rows])
    same(straight, mixed.effects(X), rtol=1e-9, atol=1e-11)


@every_estimator
def test_the_order_of_rows_asked_does_not_matter(name):
    X = world()[0]
    order = np.random.default_rng(1).permutation(len(X))
    same(
        fitted(name).effects(X).take(order), fitted(name).effects(X[order]), rtol=1e-12, atol=1e-14
    )


@every_estimator
def test_the_order_of_columns_does_not_matter(name):
    X, y, cell = world()
    frame, treatment = pd.DataFrame(X, columns=FEATURES), labels(home(name), cell)
    mixed = fresh(name).fit(frame[FEATURES[::-1]], y, treatment=treatment)
    same(effects_of(name), mixed.effects(frame), rtol=1e-6, atol=1e-8)
    identical(fitted(name).effects(frame), fitted(name).effects(frame[FEATURES[::-1]]))


@every_estimator
def test_effects_is_pure(name):
    X = world()[0]
    before = estimator_parts(fitted(name))
    first, second = fitted(name).effects(X), fitted(name).effects(X)
    identical(first, second)
    assert estimator_parts(fitted(name)) == before


@every_estimator
def test_float32_and_float64_agree(name):
    X, y, cell = world()
    narrow = fresh(name).fit(
        X.astype(np.float32), y.astype(np.float32), treatment=labels(home(name), cell)
    )
    identical(effects_of(name), narrow.effects(X.astype(np.float32)))


@every_estimator
def test_one_row_is_answered_like_many(name):
    X = world()[0]
    same(fitted(name).effects(X[:1]), fitted(name).effects(X).take([0]), rtol=1e-9, atol=1e-12)


@every_estimator
@pytest.mark.parametrize("container", [np.asarray, lambda X: pd.DataFrame(X, columns=FEATURES)])
def test_no_rows_are_answered_by_none(name, container):
    none = container(world()[0][:0])
    effects = fitted(name).effects(none)
    assert effects.values.shape == (0, 2, 2)
    assert effects.baseline.shape == (0, 2)
    assert effects.std_error is None or effects.std_error.shape == (0, 2, 2)
    assert fitted(name).outcomes(none).shape == fitted(name).predict(none).shape == (0, 2, 2)


@every_estimator
def test_a_parameter_of_a_default_model_can_be_set(name):
    estimator = ESTIMATORS.load(name)()
    slots = {"outcome_model": "n_estimators", "effect_model": "n_estimators", "training": "epochs"}
    for slot in slots.keys() & estimator.get_params(deep=False).keys():
        estimator.set_params(**{f"{slot}__{slots[slot]}": 7})
        assert clone(estimator).get_params()[f"{slot}__{slots[slot]}"] == 7
    with pytest.raises(InputError, match=f"a parameter of {type(estimator).__name__} must be one"):
        estimator.set_params(random_state__depth=1)


@every_estimator
def test_a_treatment_that_was_not_passed_on_is_asked_for(name):
    X, y, _ = world()
    for call in (fresh(name).fit, fitted(name).score):
        with pytest.raises(InputError, match="treatment must be given.*enable_metadata_routing"):
            call(X, y)


@every_estimator
def test_weights_of_one_are_no_weights(name):
    weighted = (
        fresh(name)
        .fit(**arguments(name), sample_weight=np.ones(len(world()[0])))
        .effects(world()[0])
    )
    same(effects_of(name), weighted, rtol=1e-6, atol=1e-8)


@every_estimator
def test_metrics_do_not_disturb_each_other(name):
    X, y, cell = world()
    if getattr(fresh(name), "joint", False):
        pytest.skip("learns metrics together, by design")
    alone = fresh(name).fit(X, y[:, 1], treatment=labels(home(name), cell)).effects(X)
    both = effects_of(name).values[:, :, 1]
    np.testing.assert_allclose(both, alone.values[:, :, 0], rtol=1e-9, atol=1e-11)


@every_estimator
def test_candidates_asked_are_those_answered(name):
    X, asked = world()[0], SPACES[home(name)].candidates()[::-1]
    every, turned = fitted(name).effects(X), fitted(name).effects(X, asked)
    np.testing.assert_allclose(turned.values, every.values[:, ::-1], rtol=1e-12, atol=1e-14)
    assert turned.candidates == every.candidates[::-1]


@every_estimator
def test_saved_and_loaded_answers_bit_for_bit(name, tmp_path):
    X = world()[0]
    save_estimator(fitted(name), tmp_path / "model")
    loaded = load_estimator(tmp_path / "model")
    identical(fitted(name).effects(X), loaded.effects(X))
    assert loaded.effects(X).metrics == METRICS
    assert list(loaded.feature_names_in_) == FEATURES


# the truth


@every_estimator
def test_finds_a_constant_effect_on_every_metric_and_arm(name):
    # largest errors of 20 seeds: effects 0.14 (0.33 by the S-learner, whose trees shrink towards no
    # effect), baseline 0.21
    effects = fitted(name).effects(world()[0])
    np.testing.assert_allclose(effects.values.mean(axis=0), [[1.0, 0.2], [2.0, 0.4]], atol=0.4)
    np.testing.assert_allclose(
        effects.baseline.mean(axis=0), world()[1][world()[2] == 0].mean(axis=0), atol=0.3
    )


@every_estimator
def test_finds_nothing_on_a_placebo(name):
    X, y, cell = world(effect=(0.0, 0.0))
    effects = fresh(name, epochs=LONG).fit(X, y, treatment=labels(home(name), cell)).effects(X)
    # largest of 20 seeds: 0.14
    np.testing.assert_allclose(effects.values.mean(axis=0), np.zeros((2, 2)), atol=0.2)


# scikit-learn


@every_estimator
def test_works_in_a_pipeline_and_a_grid_search(name):
    X, y, cell = world(300)
    with sklearn.config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(StandardScaler(), fresh(name))
        pipeline.fit(X, y, treatment=labels(home(name), cell))
        assert pipeline.predict(X).shape == (300, 2, 2)
        search = GridSearchCV(fresh(name), {"random_state": [1]}, cv=2, refit=False)
        search.fit(X, y, treatment=labels(home(name), cell))
    assert np.isfinite(search.best_score_)


# names


@every_estimator
def test_frames_keep_their_names(name, frame):
    X, y, cell = world()
    features = frame({key: X[:, j] for j, key in enumerate(FEATURES)})
    outcomes = frame({key: y[:, j] for j, key in enumerate(METRICS)})
    effects = (
        fresh(name).fit(features, outcomes, treatment=labels(home(name), cell)).effects(features)
    )
    assert effects.metrics == METRICS
    identical(effects, effects_of(name))


@every_estimator
def test_features_of_another_name_are_refused(name):
    with pytest.raises(InputError, match="height"):
        fitted(name).effects(pd.DataFrame(world()[0], columns=["age", "visits", "height"]))
    with pytest.raises(InputError, match="3 features"):
        fitted(name).effects(world()[0][:, :2])


# bad input


@every_estimator
def test_missing_features_are_handled_or_refused_with_column_and_row(name):
    X = world()[0].copy()
    X[5, 1] = np.nan
    answer, error = attempt(lambda: fresh(name).fit(**arguments(name, X=X)).effects(X), InputError)
    assert get_tags(fresh(name)).input_tags.allow_nan == (error is None)
    if error:
        assert "'x1'" in str(error)
        assert "row 5" in str(error)
        # who learns from whole rows alone refuses later gaps too, or fills them with means
        answer, error = attempt(lambda: fitted(name).effects(X), InputError)
        if error:
            assert re.search(r"'visits'.*row 5", str(error))
            return
    assert np.isfinite(answer.values).all()


@every_estimator
def test_infinite_features_are_refused_with_column_and_row(name):
    X = world()[0].copy()
    X[7, 2] = np.inf
    with pytest.raises(InputError, match=r"'x2'.*row 7"):
        fresh(name).fit(**arguments(name, X=X))
    with pytest.raises(InputError, match=r"row 7"):
        fitted(name).effects(X)


def changed_y(value, row, column):
    y = world()[1].copy()
    y[row, column] = value
    return y


def propensities(control):
    """Row 4 has this chance of control, and none of the other arm that it got."""
    e, got = np.full((700, 3), 1 / 3), world()[2][4]
    e[4] = [control, 0.5, 0.5] if control == 0 else np.eye(3)[0 if got else 1]
    return e


BAD = {
    "an outcome is NaN": ({"y": changed_y(np.nan, 3, 1)}, r"'y1'.*row 3"),
    "an outcome is infinite": ({"y": changed_y(np.inf, 3, 0)}, r"'y0'.*row 3"),
    "all outcomes equal": ({"y": np.ones(700)}, r"'y' must vary"),
    "rows of y missing": ({"y": world()[1][:-1]}, r"y must have one entry per row"),
    "no rows": ({"X": np.empty((0, 3)), "y": np.empty((0, 2))}, r"must have"),
    "propensity 0": ({"propensity": propensities(0)}, r"propensity.*row 4"),
    "propensity 0 of what it got": ({"propensity": propensities(1)}, r"propensity.*row 4"),
    "propensities of two cells": ({"propensity": np.full((700, 2), 0.5)}, r"shape \(n, 3\)"),
    "propensities that sum to 0.9": ({"propensity": np.full((700, 3), 0.3)}, r"sum to 1.*row 0"),
    "a weight of 0": ({"sample_weight": np.r_[np.ones(699), 0]}, r"sample_weight.*row 699"),
}


@every_estimator
@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_and_named(name, case):
    changed, message = BAD[case]
    with pytest.raises(InputError, match=message):
        fresh(name).fit(**arguments(name, **changed))


@every_estimator
def test_a_treatment_outside_the_space_is_refused_with_its_row(name):
    treatment = labels(home(name), world()[2])
    treatment = treatment.astype("U9") if treatment.dtype.kind == "U" else treatment
    treatment[11] = "lamp" if treatment.dtype.kind == "U" else 9.0
    with pytest.raises(InputError, match=r"treatment.*row 11"):
        fresh(name).fit(**arguments(name, treatment=treatment))


@every_estimator
def test_one_treatment_only_is_refused(name):
    with pytest.raises(InputError, match="treatment|dose|rows"):
        fresh(name).fit(**arguments(name, treatment=labels(home(name), np.ones(700, int))))


@every_estimator
@pytest.mark.parametrize("rows", [0, 1])
def test_an_arm_of_no_or_one_row_is_refused_by_name(name, rows):
    # A continuum needs no row at each amount: estimators of a dose may take this log.
    if home(name) != "arms":
        pytest.skip("serves no arms")
    X, y, cell = world()
    keep = (cell != 2) | (np.cumsum(cell == 2) <= rows)
    with pytest.raises(InputError, match="womens"):
        fresh(name).fit(X[keep], y[keep], treatment=labels("arms", cell)[keep])


@every_estimator
def test_fewer_rows_than_folds_is_an_error_that_says_so(name):
    estimator = fresh(name)
    if "cv" not in estimator.get_params():
        pytest.skip("has no folds")
    X, y, cell = world(9)
    with pytest.raises(InputError, match="folds"):
        estimator.set_params(cv=10).fit(X, y, treatment=labels(home(name), cell))


@every_estimator
def test_the_space_must_be_said_unless_labels_are_0_and_1(name):
    X, y, cell = world()
    estimator = fresh(name).set_params(space=None)
    with pytest.raises(InputError, match=r"space=Arms"):
        estimator.fit(X, y, treatment=np.asarray(["none", "mens", "womens"])[cell])
    effects, refused = attempt(
        lambda: estimator.fit(X, y, treatment=(cell > 0).astype(int)).effects(X), UnsupportedSpace
    )
    assert refused or effects.candidates == ("1",)


@every_estimator
@pytest.mark.parametrize("check", SKLEARN_CHECKS, ids=lambda check: check.__name__)
def test_scikit_learn_s_own_checks_hold(name, check):
    """Those that fit nothing: `fit` needs a treatment, which its checks do not pass on."""
    estimator = ESTIMATORS.load(name)
    check(name, estimator())


@every_estimator
def test_its_tags_say_what_it_takes(name):
    """Whether gaps are taken is asked where they are tried."""
    tags = get_tags(fresh(name))
    assert tags.input_tags.sparse
    assert tags.target_tags.required
    scaled = fresh(name).set_params(transform=StandardScaler())
    assert get_tags(scaled).input_tags.allow_nan == tags.input_tags.allow_nan


@every_estimator
def test_a_sparse_matrix_is_taken_as_a_dense_one(name):
    identical(learnt(name).effects(scipy.sparse.csr_matrix(world()[0])), effects_of(name))


@every_estimator
def test_the_space_of_a_log_reaches_what_a_wrapper_fits(name):
    space, estimator = SPACES["arms"], ESTIMATORS.load(name)()
    for wrapped in (Bootstrapped(estimator), Bootstrapped(Bootstrapped(estimator))):
        ready = with_space(wrapped, space)
        assert ready.space.control == space.control
        assert with_space(ready, SPACES["bits"]).space.control == space.control
        assert wrapped.space is None, "the one that was given stays as it is"


@pytest.mark.parametrize(
    "wrong", [LinearRegression(), Bootstrapped(LinearRegression()), TLearner, "t-learner", None]
)
def test_what_is_no_estimator_of_effects_is_named(wrong):
    with pytest.raises(InputError, match="the estimator must be an estimator of effects; got"):
        with_space(wrong, SPACES["arms"])
