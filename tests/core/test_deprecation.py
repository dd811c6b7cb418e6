"""Old argument names warn and work; both at once are refused; scikit-learn sees the new ones."""

from __future__ import annotations

import pytest
from sklearn.base import BaseEstimator, clone

from equipoise.core.deprecation import renamed_arguments, today
from equipoise.core.errors import InputError


@renamed_arguments(trees="n_estimators", seed="random_state")
class Model(BaseEstimator):
    def __init__(self, n_estimators=10, random_state=0):
        self.n_estimators, self.random_state = n_estimators, random_state


def test_an_old_name_works_and_warns():
    with pytest.warns(FutureWarning, match="trees= is called n_estimators= since version 0.2"):
        model = Model(trees=3)  # type: ignore[call-arg]
    assert model.n_estimators == 3


def test_an_old_name_of_a_part_works_and_warns():
    @renamed_arguments(outcome="outcome_model")
    class Whole(BaseEstimator):
        def __init__(self, outcome_model=None):
            self.outcome_model = outcome_model

    whole = Whole(Model())
    with pytest.warns(FutureWarning) as said:
        whole.set_params(outcome__trees=4)  # type: ignore[call-arg]
    assert whole.outcome_model.n_estimators == 4
    assert [str(one.message).split(" since")[0] for one in said] == [
        "outcome__trees= is called outcome_model__trees=",
        "trees= is called n_estimators=",
    ]


def test_both_names_are_refused():
    with pytest.raises(InputError, match="be given once: trees= is its old name"):
        Model(trees=3, n_estimators=4)  # type: ignore[call-arg]


def test_scikit_learn_sees_the_new_names_and_no_warning():
    assert clone(Model(n_estimators=3)).get_params() == {"n_estimators": 3, "random_state": 0}


def test_what_an_earlier_version_wrote_is_read_silently():
    saved = {"trees": 3, "random_state": 1}
    assert today(saved, Model.renamed_arguments_) == {"n_estimators": 3, "random_state": 1}


def test_a_class_without_set_params_needs_none():
    @renamed_arguments(trees="n_estimators")
    class Plain:
        def __init__(self, n_estimators=10):
            self.n_estimators = n_estimators

    with pytest.warns(FutureWarning, match="trees= is called n_estimators="):
        assert Plain(trees=3).n_estimators == 3  # type: ignore[call-arg]
    assert not hasattr(Plain, "set_params")
