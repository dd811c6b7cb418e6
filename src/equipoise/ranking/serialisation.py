"""Save and load any ranker, and any model of base scores, without code of its own and without
pickle.

A ranker is its constructor's arguments and what it has learnt (names ending in ``_``): numbers,
text, lists and dicts stand in the manifest, arrays and long texts are parts.  Loading makes what
is registered only; what is loaded answers bit for bit like what was saved.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from equipoise.core.errors import InputError, SnapshotError
from equipoise.core.snapshot import as_written, read_snapshot, write_snapshot
from equipoise.ranking import RANKERS, SCORE_MODELS

FORMAT = 1
LONG = 1_000  # characters, from which a text is a part


def save_ranker(ranker: Any, folder: Path | str) -> str:
    """Write a fitted ranker as a snapshot folder.

    Parameters
    ----------
    ranker : Ranker
        Fitted.
    folder : Path or str
        The folder to write; an earlier snapshot there is replaced whole.

    Returns
    -------
    str
        The snapshot's id, the sha256 of its manifest.

    Raises
    ------
    InputError
        Where it is not fitted, or not registered.

    Examples
    --------
    >>> from tempfile import mkdtemp
    >>> from equipoise.ranking import BestSingleScore
    >>> ranker = BestSingleScore().fit([[0.1], [0.9]], [0, 1])
    >>> place = mkdtemp()
    >>> len(save_ranker(ranker, place + "/ranker"))
    64
    >>> load_ranker(place + "/ranker").predict([[0.4]])
    array([0.4])
    """
    parts, meta = ranker_parts(ranker)
    return write_snapshot(folder, parts, meta)


def load_ranker(folder: Path | str) -> Any:
    """The ranker that `save_ranker` wrote; a changed byte is refused.

    Parameters
    ----------
    folder : Path or str
        The snapshot folder.

    Returns
    -------
    Ranker
        Fitted, with the same answers.

    Raises
    ------
    SnapshotError
        Where a byte was changed, or it holds no ranker.

    Examples
    --------
    >>> load_ranker("runs/ranker").predict(scores)  # doctest: +SKIP
    """
    snapshot = read_snapshot(folder)
    return ranker_from_parts(snapshot.parts, snapshot.meta)


def ranker_parts(ranker: Any) -> tuple[dict[str, bytes], dict[str, Any]]:
    """A fitted ranker as named bytes and JSON, for a snapshot that holds more than it.

    Parameters
    ----------
    ranker : Ranker or ScoreModel
        Fitted.

    Returns
    -------
    parts : dict of str to bytes
        Its arrays.
    meta : dict
        Plain JSON; it names the parts.

    Examples
    --------
    >>> from equipoise.ranking import BestSingleScore
    >>> parts, meta = ranker_parts(BestSingleScore().fit([[0.1], [0.9]], [0, 1]))
    >>> ranker_from_parts(parts, meta).index_
    0
    """
    kind, label = type(ranker), type(ranker).__name__
    name = RANKERS.find(kind) or SCORE_MODELS.find(kind)
    if name is None:
        fix = f"they are {[*RANKERS, *SCORE_MODELS]}"
        raise InputError(label, "be a registered ranker", label, fix=fix)
    state = {key: value for key, value in vars(ranker).items() if key.endswith("_")}
    if not state:
        fix = "call fit first"
        raise InputError(label, "be fitted before it is saved", "no learnt attribute", fix=fix)
    parts: dict[str, bytes] = {}
    arguments = _plain(ranker.get_params(deep=False), label, parts)
    tree = {"ranker": name, "arguments": arguments, "state": _plain(state, label, parts)}
    return parts, {"ranker": tree, "format": FORMAT}


def ranker_from_parts(parts: Mapping[str, bytes], meta: Mapping[str, Any]) -> Any:
    """The inverse of `ranker_parts`.

    Parameters
    ----------
    parts : mapping of str to bytes
        At least those that ``meta`` names.
    meta : mapping
        What `ranker_parts` gave.

    Returns
    -------
    Ranker or ScoreModel
        Fitted.

    Examples
    --------
    >>> ranker_from_parts(snapshot.parts, snapshot.meta)  # doctest: +SKIP
    """
    tree = meta.get("ranker") if isinstance(meta, Mapping) else None
    if not isinstance(tree, dict) or meta.get("format") != FORMAT:
        fix = "use the version that wrote it"
        raise SnapshotError("a ranker's format", f"be {FORMAT}", sorted(meta), fix=fix)
    with as_written():
        registry = RANKERS if tree["ranker"] in RANKERS else SCORE_MODELS
        ranker = registry.load(tree["ranker"])(**_thing(tree["arguments"], parts))
        vars(ranker).update(_thing(tree["state"], parts))
        return ranker


def _plain(thing: Any, where: str, parts: dict[str, bytes]) -> Any:
    """The JSON of one thing; arrays become parts."""
    if isinstance(thing, np.ndarray) and thing.dtype.kind in "biufU":
        file = io.BytesIO()
        np.save(file, thing, allow_pickle=False)
        name = f"arrays/{len(parts):04d}.npy"
        parts[name] = file.getvalue()
        return {"$array": name}
    if isinstance(thing, np.ndarray):
        return {"$labels": [str(item) for item in thing.tolist()]}
    if isinstance(thing, str) and len(thing) >= LONG:
        name = f"texts/{len(parts):04d}.txt"
        parts[name] = thing.encode()
        return {"$text": name}
    if isinstance(thing, np.generic):
        thing = thing.item()
    if isinstance(thing, float) and not math.isfinite(thing):
        return {"$float": repr(thing)}
    if thing is None or isinstance(thing, bool | int | float | str):
        return thing
    if isinstance(thing, tuple | list):
        items = [_plain(item, f"{where}[{i}]", parts) for i, item in enumerate(thing)]
        return {"$tuple": items} if isinstance(thing, tuple) else items
    if isinstance(thing, Mapping):
        return {str(key): _plain(item, f"{where}.{key}", parts) for key, item in thing.items()}
    raise InputError(where, "be numbers, text or arrays to be saved", type(thing).__name__)


def _thing(node: Any, parts: Mapping[str, bytes]) -> Any:
    """The inverse of `_plain`."""
    if isinstance(node, list):
        return [_thing(item, parts) for item in node]
    if not isinstance(node, dict):
        return node
    if "$array" in node:
        return np.load(io.BytesIO(parts[node["$array"]]), allow_pickle=False)
    if "$text" in node:
        return parts[node["$text"]].decode()
    if "$labels" in node:
        return np.asarray(node["$labels"], dtype=object)
    if "$float" in node:
        return float(node["$float"])
    if "$tuple" in node:
        return tuple(_thing(item, parts) for item in node["$tuple"])
    return {key: _thing(item, parts) for key, item in node.items()}
