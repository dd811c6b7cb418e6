"""Save and load any estimator, without code of its own and without pickle.

The constructor's arguments and the learnt attributes (names ending in ``_``) are walked and written
as one JSON tree beside
binary parts:

    numbers, text, lists, dicts     JSON, long text .txt      spaces                  their own JSON
    arrays                          .npy, no pickles in it    LightGBM boosters       LightGBM's
    text model
    estimators, and objects whose   the same walk again       scikit-learn models     .skops (extra
    "sklearn-models")
      attributes are their
      constructor's arguments

Loading makes objects of these kinds only: classes by registered name (`serialised_names`), spaces
by registry, and in .skops parts the types of `TRUSTED` and those the caller adds.  What is loaded
answers bit for bit like what was saved.
"""

from __future__ import annotations

import inspect
import io
import math
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from equipoise.core.deprecation import today
from equipoise.core.errors import InputError, MissingExtra, SnapshotError
from equipoise.core.snapshot import as_written, read_snapshot, write_snapshot
from equipoise.estimators.serialised_names import registered_class, registered_name
from equipoise.treatments.base import SPACES, space_from_json

FORMAT = 1
LONG = 1000  # letters; longer text, such as a LightGBM model, becomes a part
TRUSTED = (
    "collections.OrderedDict",
    "lightgbm.basic.Booster",
    "lightgbm.sklearn.LGBMClassifier",
    "lightgbm.sklearn.LGBMRegressor",
    "numpy.dtype",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.tree._tree.Tree",
)


def save_estimator(estimator: Any, folder: Path | str) -> str:
    """Write a fitted estimator as a snapshot folder.

    Parameters
    ----------
    estimator : estimator
        Fitted; its models are ours, LightGBM's or scikit-learn's.
    folder : Path or str
        The folder to write; one that is there is replaced whole.

    Returns
    -------
    str
        The snapshot's id, the sha256 of its manifest.

    Raises
    ------
    InputError
        Where it is not fitted, or holds what cannot be written without code.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> from equipoise.estimators import TLearner
    >>> from sklearn.linear_model import LinearRegression
    >>> learner = TLearner(LinearRegression())
    >>> learner = learner.fit([[0.0], [1.0]] * 2, [1.0, 2.0, 3.0, 6.0], treatment=[0, 0, 1, 1])
    >>> place = mkdtemp()
    >>> len(save_estimator(learner, place + "/learner"))
    64
    >>> load_estimator(place + "/learner").predict([[2.0]]).round(6)
    array([6.])
    """
    parts, meta = estimator_parts(estimator)
    return write_snapshot(folder, parts, meta)


def load_estimator(folder: Path | str, trusted: Sequence[str] = ()) -> Any:
    """The estimator that `save_estimator` wrote; a changed byte is refused.

    Parameters
    ----------
    folder : Path or str
        The snapshot folder.
    trusted : sequence of str, default ()
        Further types that scikit-learn models may be made of, e.g.
        ``"xgboost.sklearn.XGBRegressor"``.

    Returns
    -------
    estimator
        Fitted, with the same answers.

    Raises
    ------
    SnapshotError
        Where a byte was changed, or a type is neither known nor trusted.

    Examples
    --------
    >>> load_estimator("runs/learner").predict(X)  # doctest: +SKIP
    """
    snapshot = read_snapshot(folder)
    return estimator_from_parts(snapshot.parts, snapshot.meta, trusted)


def estimator_parts(estimator: Any) -> tuple[dict[str, bytes], dict[str, Any]]:
    """A fitted estimator as named bytes and JSON, for a snapshot that holds more than it.

    Parameters
    ----------
    estimator : estimator
        Fitted.

    Returns
    -------
    parts : dict of str to bytes
        What JSON cannot hold: arrays and models.
    meta : dict
        Plain JSON; it names the parts.

    Examples
    --------
    >>> from equipoise.estimators import BoostedTrees, TLearner
    >>> learner = TLearner(BoostedTrees(1, num_leaves=2))
    >>> learner = learner.fit([[0.0], [1.0]] * 2, [1.0, 2.0, 3.0, 6.0], treatment=[0, 0, 1, 1])
    >>> parts, meta = estimator_parts(learner)
    >>> estimator_from_parts(parts, meta).predict([[2.0]]).shape
    (1,)
    """
    if not any(_is_learnt(name) for name in vars(estimator)):
        raise InputError(
            type(estimator).__name__,
            "be fitted before it is saved",
            "no learnt attribute",
            fix="call fit first",
        )
    writer = _Writer()
    tree = writer.plain(estimator, type(estimator).__name__)
    return writer.parts, {"estimator": tree, "format": FORMAT}


def estimator_from_parts(
    parts: Mapping[str, bytes], meta: Mapping[str, Any], trusted: Sequence[str] = ()
) -> Any:
    """The inverse of `estimator_parts`.

    Parameters
    ----------
    parts : mapping of str to bytes
        At least those that ``meta`` names.
    meta : mapping
        What `estimator_parts` gave.
    trusted : sequence of str, default ()
        As of `load_estimator`.

    Returns
    -------
    estimator
        Fitted.

    Examples
    --------
    >>> estimator_from_parts(snapshot.parts, snapshot.meta)  # doctest: +SKIP
    """
    if not isinstance(meta, Mapping) or meta.get("format") != FORMAT or "estimator" not in meta:
        raise SnapshotError(
            "an estimator's format",
            f"be {FORMAT}",
            meta.get("format") if isinstance(meta, Mapping) else type(meta).__name__,
            fix="use the version that wrote it",
        )
    with as_written():
        return _Reader(parts, trusted).thing(meta["estimator"])


def _is_learnt(name: str) -> bool:
    return name.endswith("_") and not name.startswith("_")


def _arguments(cls: type) -> list[str]:
    return list(inspect.signature(cls).parameters)


class _Writer:
    """Turns a tree of objects into JSON, and what JSON cannot hold into parts."""

    def __init__(self) -> None:
        self.parts: dict[str, bytes] = {}
        # an object met twice is written once
        self._known: dict[int, tuple[Any, dict[str, Any]]] = {}

    def plain(self, thing: Any, where: str) -> Any:
        """The JSON of one thing; ``where`` is its path, for errors."""
        if isinstance(thing, str) and len(thing) > LONG:
            return {"$text": self._part("texts", "txt", thing.encode())}
        if thing is None or isinstance(thing, bool | int | str):
            return thing
        if isinstance(thing, float) and type(thing) is float:
            return thing if math.isfinite(thing) else {"$float": repr(thing)}
        if isinstance(thing, list):
            return [self.plain(item, f"{where}[{i}]") for i, item in enumerate(thing)]
        if isinstance(thing, tuple):
            return {"$tuple": [self.plain(item, f"{where}[{i}]") for i, item in enumerate(thing)]}
        if isinstance(thing, dict):
            return {
                "$dict": [
                    [self.plain(key, where), self.plain(item, f"{where}[{key!r}]")]
                    for key, item in thing.items()
                ]
            }
        if id(thing) not in self._known:
            self._known[id(thing)] = (thing, self._object(thing, where))
        return self._known[id(thing)][1]

    def _object(self, thing: Any, where: str) -> dict[str, Any]:
        if isinstance(thing, np.generic):
            return {"$scalar": self._array(np.asarray(thing))}
        if isinstance(thing, np.ndarray) and thing.dtype.kind == "O":
            return {
                "$objects": [self.plain(item, where) for item in thing.ravel().tolist()],
                "shape": list(thing.shape),
            }
        if isinstance(thing, np.ndarray):
            return {"$array": self._array(thing)}
        kind = getattr(thing, "kind", None)
        if isinstance(kind, str) and kind in SPACES and type(thing) is SPACES.load(kind):
            return {"$space": thing.to_json()}
        name = registered_name(thing)
        if name is not None and isinstance(thing, BaseEstimator):
            state = {key: value for key, value in vars(thing).items() if _is_learnt(key)}
            return {
                "$estimator": name,
                "params": self._each(thing.get_params(deep=False), where),
                "state": self._each(state, where),
            }
        if name is not None and all(hasattr(thing, key) for key in _arguments(type(thing))):
            return {
                "$object": name,
                "arguments": self._each(
                    {key: getattr(thing, key) for key in _arguments(type(thing))}, where
                ),
            }
        if type(thing).__module__.startswith("lightgbm.") and hasattr(thing, "model_to_string"):
            return {"$booster": self._part("boosters", "txt", thing.model_to_string().encode())}
        if isinstance(thing, BaseEstimator):
            return {"$sklearn": self._part("models", "skops", _skops().dumps(thing))}
        fix = "keep arrays, numbers, text, spaces, boosters or scikit-learn models"
        raise InputError(
            where, "be something that can be saved without code", type(thing).__name__, fix=fix
        )

    def _each(self, items: Mapping[str, Any], where: str) -> dict[str, Any]:
        return {name: self.plain(value, f"{where}.{name}") for name, value in sorted(items.items())}

    def _array(self, array: np.ndarray[Any, Any]) -> str:
        file = io.BytesIO()
        np.save(file, array, allow_pickle=False)
        return self._part("arrays", "npy", file.getvalue())

    def _part(self, folder: str, ending: str, data: bytes) -> str:
        name = f"{folder}/{len(self.parts):04d}.{ending}"
        self.parts[name] = data
        return name


class _Reader:
    """The inverse of `_Writer`."""

    def __init__(self, parts: Mapping[str, bytes], trusted: Sequence[str]) -> None:
        self._parts = parts
        self._trusted = [*TRUSTED, *trusted]
        self._made: dict[str, Any] = {}
        self._makers: dict[str, Callable[[dict[str, Any]], Any]] = {
            "$float": lambda node: float(node["$float"]),
            "$text": lambda node: self._bytes(node["$text"]).decode(),
            "$tuple": lambda node: tuple(self.thing(item) for item in node["$tuple"]),
            "$dict": lambda node: {
                self.thing(key): self.thing(item) for key, item in node["$dict"]
            },
            "$scalar": lambda node: self._array(node["$scalar"])[()],
            "$array": lambda node: self._array(node["$array"]),
            "$objects": self._objects,
            "$space": lambda node: space_from_json(node["$space"]),
            "$estimator": self._estimator,
            "$object": lambda node: self._made_of(node["$object"], node["arguments"]),
            "$booster": lambda node: self._booster(node["$booster"]),
            "$sklearn": lambda node: self._sklearn(node["$sklearn"]),
        }

    def thing(self, node: Any) -> Any:
        """The object of one JSON node."""
        if isinstance(node, list):
            return [self.thing(item) for item in node]
        if not isinstance(node, dict):
            return node
        for key, make in self._makers.items():
            if key in node:
                return make(node)
        raise SnapshotError(
            "a node of an estimator", f"be one of {', '.join(self._makers)}", sorted(node)
        )

    def _each(self, nodes: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self.thing(node) for name, node in nodes.items()}

    def _estimator(self, node: dict[str, Any]) -> Any:
        estimator = self._made_of(node["$estimator"], node["params"])
        for name, value in self._each(node["state"]).items():
            setattr(estimator, name, value)
        return estimator

    def _made_of(self, name: str, arguments: Mapping[str, Any]) -> Any:
        """An object of a registered class; arguments may have the names of an earlier version, and
        what it did not have yet is what it did then.
        """
        cls = _class_of(name)
        known = today(self._each(arguments), getattr(cls, "renamed_arguments_", {}))
        return cls(**(getattr(cls, "earlier_arguments_", {}) | known))

    def _objects(self, node: dict[str, Any]) -> Any:
        array = np.empty(len(node["$objects"]), dtype=object)
        array[:] = [self.thing(item) for item in node["$objects"]]
        return array.reshape(node["shape"])

    def _bytes(self, name: str) -> bytes:
        if name not in self._parts:
            raise SnapshotError(
                f"part {name!r}",
                "be in the snapshot",
                sorted(self._parts)[:5],
                fix="write it again",
            )
        return self._parts[name]

    def _array(self, name: str) -> Any:
        try:
            return np.load(io.BytesIO(self._bytes(name)), allow_pickle=False)
        except ValueError as error:
            raise SnapshotError(
                f"part {name!r}", "be an array of numbers or text", str(error), fix="write it again"
            ) from error

    def _booster(self, name: str) -> Any:
        from lightgbm import Booster

        if name not in self._made:
            self._made[name] = Booster(model_str=self._bytes(name).decode())
        return self._made[name]

    def _sklearn(self, name: str) -> Any:
        skops, data = _skops(), self._bytes(name)
        strange = sorted(set(skops.get_untrusted_types(data=data)) - set(self._trusted))
        if strange:
            fix = f"if you trust them: load_estimator(folder, trusted={strange})"
            raise SnapshotError(
                "a scikit-learn model", "be made of trusted types", ", ".join(strange), name, fix
            )
        if name not in self._made:
            self._made[name] = skops.loads(data, trusted=self._trusted)
        return self._made[name]


def _class_of(name: str) -> Any:
    """A class by its registered name; nothing else is ever imported."""
    cls = registered_class(name)
    if cls is None:
        raise SnapshotError(
            "a saved class", "be a registered name", repr(name), fix="do not load this file"
        )
    return cls


def _skops() -> Any:
    try:
        return import_module("skops.io")
    except ImportError as error:
        fix = 'pip install "equipoise[sklearn-models]"'
        raise MissingExtra(
            "skops", "be installed to save or load scikit-learn models", "no such module", fix=fix
        ) from error
