from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from lightgbm import Booster, Dataset, LGBMRegressor, train
from sklearn.base import BaseEstimator
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from equipoise.core.errors import InputError, MissingExtra, SnapshotError
from equipoise.estimators import (
    LearntPropensity,
    LinearDML,
    SLearner,
    TLearner,
    estimator_from_parts,
    estimator_parts,
    load_estimator,
    save_estimator,
)
from equipoise.treatments import Arms, Dose


def experiment(n=200):
    rng = np.random.default_rng(0)
    X, t = rng.normal(size=(n, 3)), np.arange(n) % 2
    return X, X[:, 0] + t + rng.normal(size=n), t


def again(estimator, **how):
    return estimator_from_parts(*estimator_parts(estimator), **how)


def carried(value):
    """What a value becomes when it is saved as something learnt and loaded."""
    holder = LinearDML()
    holder.value_ = value
    parts, meta = estimator_parts(holder)
    return estimator_from_parts(parts, json.loads(json.dumps(meta, allow_nan=False))).value_


# by hand


VALUES = [
    None,
    True,
    3,
    0.1 + 0.2,
    float("inf"),
    "text",
    "long " * 900,
    [1, [2.5, "x"]],
    (1, (2, None)),
    {"a": 1, 2: (3,)},
    {"$array": "name"},
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: repr(value)[:12])
def test_plain_values_keep_value_and_type(value):
    found = carried(value)
    assert found == value
    assert type(found) is type(value)


ARRAYS = [
    np.arange(6.0).reshape(2, 3).T,
    np.array(["age", "tenure"], dtype=object),
    np.array([["a", "bcd"]]),
    np.array(7, np.int8),
    np.zeros((0, 4), np.float32),
    np.array([True, False]),
]


@pytest.mark.parametrize("value", ARRAYS, ids=lambda a: str(a.dtype))
def test_arrays_keep_bits_type_and_order(value):
    found = carried(value)
    np.testing.assert_array_equal(found, value)
    assert (found.dtype, found.shape, found.flags.f_contiguous) == (
        value.dtype,
        value.shape,
        value.flags.f_contiguous,
    )


def test_numpy_numbers_nan_and_spaces_survive():
    assert type(carried(np.float32(0.1))) is np.float32
    assert np.isnan(carried(float("nan")))
    assert carried(Dose(0, 3, levels=[1, 2], unit="USD")) == Dose(0, 3, levels=[1, 2], unit="USD")
    assert carried([Arms(["no", "yes"])]) == [Arms(["no", "yes"])]


def test_boosters_survive_as_text():
    X, y, _ = experiment()
    booster = train({"verbosity": -1, "num_threads": 1}, Dataset(X, y), 5)
    found = carried([booster, booster])
    assert isinstance(found[0], Booster)
    assert found[0] is found[1]
    np.testing.assert_array_equal(found[0].predict(X), booster.predict(X))


def test_the_parts_are_data():
    X, y, t = experiment()
    parts, meta = estimator_parts(TLearner().fit(X, y, treatment=t))
    arrays = [data for name, data in parts.items() if name.endswith(".npy")]
    texts = [data for name, data in parts.items() if name.endswith(".txt")]
    assert len(arrays) + len(texts) == len(parts)
    assert all(data.startswith(b"\x93NUMPY") for data in arrays)
    assert all(data.startswith(b"tree\n") for data in texts)
    assert texts
    json.dumps(meta, allow_nan=False)


# identity: what is loaded answers as what was saved


MODELS = {
    "ridge": Ridge(),
    "pipeline": make_pipeline(StandardScaler(), Ridge()),
    "forest": RandomForestRegressor(3, random_state=0),
    "histogram trees": HistGradientBoostingRegressor(max_iter=3),
    "neighbours": KNeighborsRegressor(),
    "lightgbm": LGBMRegressor(n_estimators=3, verbosity=-1, n_jobs=1),
}


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")  # of lightgbm 4.6
@pytest.mark.parametrize("model", MODELS)
def test_scikit_learn_models_answer_bit_for_bit(model, tmp_path):
    X, y, t = experiment()
    est = TLearner(MODELS[model]).fit(X, y, treatment=t)
    save_estimator(est, tmp_path / "model")
    loaded = load_estimator(tmp_path / "model")
    np.testing.assert_array_equal(loaded.effects(X).values, est.effects(X).values)
    assert repr(loaded) == repr(est)


def test_standard_errors_and_parameters_survive(tmp_path):
    X, y, t = experiment()
    est = LinearDML(space=Dose(0, 1, levels=[0.5, 1]), modifiers=[0, 2], cv=3, random_state=9).fit(
        X, y, treatment=t
    )
    save_estimator(est, tmp_path / "model")
    loaded = load_estimator(tmp_path / "model")
    np.testing.assert_array_equal(loaded.effects(X).std_error, est.effects(X).std_error)
    np.testing.assert_array_equal(loaded.effects(X).baseline, est.effects(X).baseline)
    assert loaded.get_params() == est.get_params()


def test_a_propensity_survives():
    X, _, t = experiment()
    for model in (None, LogisticRegression()):
        learnt = LearntPropensity(model).fit(X, t, 2)
        np.testing.assert_array_equal(again(learnt).predict(X), learnt.predict(X))
        np.testing.assert_array_equal(
            again(learnt).overlap_["effective_rows"], learnt.overlap_["effective_rows"]
        )


def test_equal_models_have_equal_ids(tmp_path):
    X, y, t = experiment()
    one, two = (
        save_estimator(SLearner(random_state=3).fit(X, y, treatment=t), tmp_path / name)
        for name in ("a", "b")
    )
    assert one == two


# what is refused


def test_a_changed_byte_is_refused(tmp_path):
    X, y, t = experiment()
    save_estimator(LinearDML().fit(X, y, treatment=t), tmp_path / "model")
    part = next((tmp_path / "model" / "arrays").iterdir())
    data = bytearray(part.read_bytes())
    data[-1] ^= 1
    part.write_bytes(bytes(data))
    with pytest.raises(SnapshotError, match="sha256"):
        load_estimator(tmp_path / "model")


def test_an_unfitted_estimator_is_refused():
    with pytest.raises(InputError, match="call fit first"):
        estimator_parts(LinearDML())


def test_what_cannot_be_saved_is_named_by_its_path():
    est = LinearDML()
    est.learnt_ = {"deep": [1, lambda x: x]}
    with pytest.raises(InputError, match=r"LinearDML.learnt_\['deep'\]\[1\].*function"):
        estimator_parts(est)


@pytest.mark.parametrize(
    "path",
    [
        "os:system",
        "equipoise.core.snapshot:write_snapshot",
        "equipoise.estimators.serialisation:import_module",
    ],
)
def test_no_other_class_is_ever_made(path):
    meta = {"format": 1, "estimator": {"$object": path, "arguments": {}}}
    with pytest.raises(SnapshotError, match="saved class"):
        estimator_from_parts({}, meta)


def test_an_array_with_a_pickle_in_it_is_refused(tmp_path):
    np.save(tmp_path / "bad.npy", np.array([{}], dtype=object), allow_pickle=True)
    meta = {"format": 1, "estimator": {"$array": "arrays/0.npy"}}
    with pytest.raises(SnapshotError, match="arrays/0.npy"):
        estimator_from_parts({"arrays/0.npy": (tmp_path / "bad.npy").read_bytes()}, meta)


def test_another_format_a_missing_part_and_an_unknown_node_are_refused():
    with pytest.raises(SnapshotError, match="format must be 1; got 2"):
        estimator_from_parts({}, {"format": 2, "estimator": None})
    with pytest.raises(SnapshotError, match="'x'"):
        estimator_from_parts({}, {"format": 1, "estimator": {"$array": "x"}})
    with pytest.raises(SnapshotError, match="node"):
        estimator_from_parts({}, {"format": 1, "estimator": {"$code": "x"}})


class Homemade(BaseEstimator):
    """A regressor of the user's own."""

    _estimator_type = "regressor"

    def fit(self, X, y):
        self.mean_ = float(np.mean(y))
        return self

    def predict(self, X):
        return np.full(len(X), self.mean_)


def test_types_of_the_users_own_must_be_trusted_by_name():
    sys.modules.setdefault(Homemade.__module__, sys.modules[__name__])
    parts, meta = estimator_parts(_holding(Homemade().fit(None, [1.0, 3.0])))
    name = f"{Homemade.__module__}.Homemade"
    with pytest.raises(SnapshotError, match="Homemade.*load_estimator"):
        estimator_from_parts(parts, meta)
    assert estimator_from_parts(parts, meta, trusted=[name]).model_.mean_ == 2.0


def _holding(model):
    est = LinearDML()
    est.model_ = model
    return est


def test_without_skops_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "skops.io", None)
    with pytest.raises(MissingExtra, match=r'pip install "equipoise\[sklearn-models\]"'):
        estimator_parts(_holding(Ridge().fit([[0.0]], [1.0])))
    X, y, t = experiment()
    again(TLearner().fit(X, y, treatment=t))  # the default models need no skops
