"""Arguments that were renamed in version 0.2: the old names warn, and mean the same."""

import inspect

import pytest
from sklearn.base import clone

from equipoise.core.errors import InputError
from equipoise.estimators import ESTIMATORS
from equipoise.estimators.serialised_names import PARTS
from equipoise.estimators.strata import STRATA_ESTIMATORS, BoostedClasses
from equipoise.learners.base_learners import BoostedTrees

SHARED = {"seed": "random_state", "folds": "cv", "outcome": "outcome_model"}
SHARED |= {"effect": "effect_model", "threads": "n_jobs", "bins": "max_bin"}
TREES = {"trees": "n_estimators", "leaves": "num_leaves", "least": "min_child_samples"}
OWN = {
    "MDP2Forest": {"trees": "n_estimators", "depth": "max_depth", "features": "max_features"}
    | {"least": "min_samples_leaf"},
    "Clusters": {"k": "n_clusters"},
    "BoostedTrees": TREES | {"shrink": "reg_lambda"},
    "BoostedClasses": TREES | {"shrink": "reg_lambda"},
}


def classes():
    for registry in (ESTIMATORS, STRATA_ESTIMATORS, PARTS):
        for name in registry:
            if hasattr(cls := registry.load(name), "get_params"):
                yield pytest.param(cls, id=name)


def create(cls, **settings):
    """One with these settings; an argument that must be given is None."""
    needed = [p.name for p in inspect.signature(cls).parameters.values() if p.default is p.empty]
    return cls(**dict.fromkeys(needed), **settings)


every_class = pytest.mark.parametrize("cls", list(classes()))


def test_the_classes_with_old_names_are_found():
    assert len([p for p in classes() if hasattr(p.values[0], "renamed_arguments_")]) >= 40


@every_class
def test_no_class_has_an_old_name(cls):
    renamed = SHARED | OWN.get(cls.__name__, {})
    have = set(inspect.signature(cls).parameters)
    assert not have & set(renamed)
    expected = {old: new for old, new in renamed.items() if new in have}
    assert getattr(cls, "renamed_arguments_", {}) == expected


@every_class
def test_an_old_name_warns_and_stores_the_same(cls):
    for old, new in getattr(cls, "renamed_arguments_", {}).items():
        value = 3
        with pytest.warns(FutureWarning, match=f"^{old}= is called {new}= since version"):
            estimator = create(cls, **{old: value})
        assert estimator.get_params(deep=False) == create(cls, **{new: value}).get_params(
            deep=False
        )
        with pytest.warns(FutureWarning, match=f"^{old}= is called {new}= since version"):
            other = create(cls).set_params(**{old: value})
        assert getattr(other, new) == value
        assert getattr(clone(other), new) == value
        with pytest.raises(InputError, match=f"^{new}= must be given once"):
            create(cls, **{old: value, new: value})


@pytest.mark.parametrize("model", [BoostedTrees, BoostedClasses])
def test_old_names_of_trees_give_the_same_numbers(model):
    with pytest.warns(FutureWarning, match="since version"):
        old = model(trees=5, leaves=4, bins=15, least=9, shrink=2.0, threads=1)
    new = model(
        n_estimators=5,
        num_leaves=4,
        max_bin=15,
        min_child_samples=9,
        reg_lambda=2.0,
        n_jobs=1,
    )
    assert old.get_params() == new.get_params()
    assert old.settings() == new.settings()
