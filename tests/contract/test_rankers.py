"""What every registered ranker does.  A new one is a line in the registry, and is then held to all
of this.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from equipoise.core.errors import InputError, SnapshotError
from equipoise.ranking import RANKERS, load_ranker, save_ranker

NAMES = list(RANKERS)
SMALL = {"trials": 16, "epochs": 4, "width": 4, "batch": 128, "rate": 0.03}
OBJECTIVES = ["click", "like", "buy"]
SCORES = [f"p_{name}" for name in OBJECTIVES]
every_ranker = pytest.mark.parametrize("name", NAMES)


@cache
def log(n=600, seed=0):
    """Requests of 6 candidates, three objectives that share a cause, and a viewer's profile."""
    rng = np.random.default_rng(seed)
    taste = rng.normal(size=(n, 1)) * [0.9, 0.6, 0.8] + 0.5 * rng.normal(size=(n, 3))
    p = 1 / (1 + np.exp(-(1.5 * taste + [-0.3, -1.0, -1.6])))
    y = (rng.uniform(size=(n, 3)) < p).astype(float)
    noise = 0.7 * rng.normal(size=(n, 3))
    scores = 1 / (1 + np.exp(-(1.5 * taste + noise) * [0.5, 1.0, 2.0]))
    request = np.arange(n) // 6
    viewer = rng.integers(0, 3, request[-1] + 1)
    age = rng.uniform(18, 70, request[-1] + 1)
    profile = pd.DataFrame({"city": np.array(["Oslo", "Rome", "Lima"])[viewer], "age": age})
    return {
        "X": pd.DataFrame(scores, columns=SCORES),
        "y": pd.DataFrame(y, columns=OBJECTIVES),
        "profile": profile.iloc[request].reset_index(drop=True),
        "groups": request,
    }


def small(name):
    ranker = RANKERS.load(name)()
    params = ranker.get_params(deep=False)
    return ranker.set_params(**{key: value for key, value in SMALL.items() if key in params})


def fitted(name, **changed):
    given = log() | changed
    return small(name).fit(given.pop("X"), given.pop("y"), **given)


@cache
def once(name):
    return fitted(name)


def asked(ranker, rows=slice(None)):
    return ranker.predict(log()["X"].iloc[rows], profile=log()["profile"].iloc[rows])


@every_ranker
def test_init_only_stores(name):
    ranker = RANKERS.load(name)()
    params = ranker.get_params(deep=False)
    assert {"objective_weight", "scores", "random_state"} <= set(params)
    assert vars(ranker).keys() == params.keys()


@every_ranker
def test_a_copy_is_unfitted_and_learns_the_same(name):
    copy = clone(once(name))
    with pytest.raises(NotFittedError):
        asked(copy)
    given = dict(log())
    copy.fit(given.pop("X"), given.pop("y"), **given)
    np.testing.assert_array_equal(asked(copy), asked(once(name)))


@every_ranker
def test_it_ranks_better_than_chance(name):
    given = dict(log(seed=1))
    assert once(name).score(given.pop("X"), given.pop("y"), **given) > 0.6


@every_ranker
def test_answers_are_pure_and_rows_independent(name):
    before = log()["X"].copy()
    whole = asked(once(name))
    pd.testing.assert_frame_equal(log()["X"], before)
    np.testing.assert_array_equal(asked(once(name)), whole)
    np.testing.assert_allclose(asked(once(name), slice(None, None, -1))[::-1], whole, atol=1e-12)
    np.testing.assert_allclose(asked(once(name), slice(0, 1)), whole[:1], atol=1e-12)
    assert asked(once(name), slice(0, 0)).shape == (0,)


@every_ranker
def test_one_profile_stands_for_a_request(name):
    rows = slice(0, 6)
    X, profile = log()["X"].iloc[rows], log()["profile"].iloc[:1]
    by_row = asked(once(name), rows)
    np.testing.assert_allclose(once(name).predict(X, profile=profile), by_row, atol=1e-12)


@every_ranker
def test_rows_and_columns_in_another_order_change_nothing(name):
    order = np.random.default_rng(0).permutation(len(log()["X"]))
    given = {
        key: value.iloc[order] if hasattr(value, "iloc") else value[order]
        for key, value in log().items()
    }
    given["X"] = given["X"][SCORES]
    other = small(name).fit(given.pop("X"), given.pop("y"), **given)
    np.testing.assert_allclose(asked(other), asked(once(name)), rtol=1e-9, atol=1e-9)
    X = log()["X"][SCORES[::-1]]
    again = once(name).predict(X, profile=log()["profile"][["age", "city"]])
    np.testing.assert_array_equal(again, asked(once(name)))


@every_ranker
def test_an_unseen_city_and_a_missing_age_are_answered(name):
    strange = pd.DataFrame({"city": ["Atlantis", None], "age": [np.nan, 200.0]})
    assert np.isfinite(once(name).predict(log()["X"].iloc[:2], profile=strange)).all()


@every_ranker
def test_what_is_saved_answers_bit_for_bit(name, tmp_path):
    save_ranker(once(name), tmp_path / "ranker")
    loaded = load_ranker(tmp_path / "ranker")
    np.testing.assert_array_equal(asked(loaded), asked(once(name)))
    assert loaded.get_params() == once(name).get_params()
    part = next((tmp_path / "ranker").rglob("*.npy"))
    data = part.read_bytes()
    part.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(SnapshotError, match="sha256|changed"):
        load_ranker(tmp_path / "ranker")


@every_ranker
def test_no_groups_no_profile_no_names(name):
    X, y = log()["X"].to_numpy(), log()["y"].to_numpy()[:, 0]
    ranker = small(name).fit(X, y)
    assert ranker.objectives_ == ("y0",)
    assert ranker.predict(X[:3]).shape == (3,)
    with pytest.raises(InputError, match="profile must be left out as in fit"):
        ranker.predict(X, profile=log()["profile"])


@every_ranker
def test_what_a_mask_hides_is_not_read(name):
    y = log()["y"].to_numpy().copy()
    mask = np.random.default_rng(0).uniform(size=y.shape) < 0.8
    by_mask = asked(fitted(name, y=y, label_mask=mask))
    y[~mask] = np.nan
    np.testing.assert_array_equal(asked(fitted(name, y=y, label_mask=mask)), by_mask)
    with pytest.raises(InputError, match="labels must be 0 or 1; got nan"):
        fitted(name, y=y)


@every_ranker
def test_a_constant_weight_of_rows_changes_nothing(name):
    even = fitted(name, sample_weight=np.full(len(log()["X"]), 7.0))
    np.testing.assert_array_equal(asked(even), asked(once(name)))


@every_ranker
def test_one_objective_alone_counts_where_it_has_all_weight(name):
    ranker = small(name).set_params(objective_weight={"buy": 1.0})
    given = dict(log())
    X, y = given.pop("X"), given.pop("y")
    ranker.fit(X, y, **given)
    alone = small(name).fit(X, y[["buy"]], **given)
    groups = given["groups"]
    by_all = ranker.score(X, y, **given)
    assert by_all == pytest.approx(alone.score(X, y[["buy"]], **given), abs=0.05)
    assert groups is given["groups"]


@every_ranker
def test_an_eval_set_is_what_decides(name):
    given = dict(log())
    held = dict(log(seed=2))
    ranker = small(name).fit(given.pop("X"), given.pop("y"), **given, eval_set=held)
    assert np.isfinite(asked(ranker)).all()
    with pytest.raises(InputError, match="eval_set must have X and y"):
        fitted(name, eval_set={"X": held["X"]})


@every_ranker
def test_it_passes_through_scikit_learns_tools(name):
    given = dict(log())
    X, y = given.pop("X"), given.pop("y")
    ranker = small(name)
    with sklearn.config_context(enable_metadata_routing=True):
        pipe = make_pipeline(FunctionTransformer(), ranker)
        pipe.fit(X, y, **given)
        assert pipe.predict(X, profile=given["profile"]).shape == (len(X),)
        search = GridSearchCV(ranker, {"random_state": [0]}, cv=2)
        search.fit(X, y, **given)
        assert search.best_score_ > 0.5


def with_hole(p):
    p = p.copy()
    p.iloc[3, 0] = np.nan
    return p


BAD = {
    "nan": (with_hole, "X", "score 'p_click' must be probabilities.*row 3"),
    "beyond": (lambda p: p * 2, "X", 'must be probabilities in .0, 1.*scores="number"'),
    "even": (lambda p: p * 0 + 0.5, "X", "must have a score that varies"),
    "counts": (lambda y: y * 3, "y", "labels must be 0 or 1; got 3 at row"),
    "no positive": (lambda y: y * [1, 0, 1], "y", "objective 'like' must have labels 0 and"),
    "short": (lambda y: y.iloc[1:], "y", "y must have one row for each of X's 600"),
    "few profiles": (lambda p: p.iloc[1:], "profile", "profile must have one row for each"),
    "few groups": (lambda g: g[1:], "groups", "groups must be one id per row"),
}


@every_ranker
@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_named(name, kind):
    change, argument, message = BAD[kind]
    with pytest.raises(InputError, match=message):
        fitted(name, **{argument: change(log()[argument])})


@every_ranker
def test_a_mask_that_hides_all_is_named(name):
    with pytest.raises(InputError, match="label_mask must leave some label observed"):
        fitted(name, label_mask=np.zeros(len(log()["X"]), bool))


@every_ranker
def test_groups_of_one_row_and_one_class_in_validation(name):
    """Groups of one row rank nothing; an objective of one class in validation does not count."""
    held = log(60, 3) | {"y": log(60, 3)["y"] * [1, 1, 0]}
    assert np.isfinite(asked(fitted(name, eval_set=held))).all()
    groups = log()["groups"].copy()
    groups[:5] = 1000 + np.arange(5)
    assert np.isfinite(asked(fitted(name, groups=groups))).all()


@every_ranker
def test_scores_that_are_no_probabilities(name):
    X = np.log(log()["X"]) * 100
    ranker = small(name).set_params(scores="number")
    given = {key: value for key, value in log().items() if key not in ("X", "y")}
    if name == "weighted-product":
        with pytest.raises(InputError, match="a product's scores must be probabilities"):
            ranker.fit(X, log()["y"], **given)
        return
    ranker.fit(X, log()["y"], **given)
    assert ranker.score(X, log()["y"], **given) > 0.55
