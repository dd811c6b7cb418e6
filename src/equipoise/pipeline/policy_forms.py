"""The forms in which predicted effects and policies are brought to be judged on a log.

effects     Effects; an estimator, cross-fitted on the log; a frame whose columns are candidates
            or metric|candidate; numbers (n, k) or (n, k, m)
policies    an arm's name (everybody); labels (n,), choices (n,) with -1 for control, probabilities
            (n, K); a frame that has a column for control, or treatment and probability;
            HonestPolicy; Scorer; the folder of a run or a policy, or a file of such a frame

A frame that has the log's id column is put in the order of the log by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from equipoise.artifacts.fingerprint import rows_digest
from equipoise.artifacts.policy import Scorer, read_scorer
from equipoise.artifacts.rules import RuleScorer, read_rule_scorer
from equipoise.core import columns
from equipoise.core.arrays import Floats
from equipoise.core.effects import Effects
from equipoise.core.errors import InputError
from equipoise.core.frames import to_arrow
from equipoise.core.log import Log
from equipoise.core.suggest import nearest
from equipoise.data import read_table
from equipoise.evaluation import constant_policy
from equipoise.evaluation.off_policy import decisions
from equipoise.pipeline.run_folder import RULES
from equipoise.pipeline.shipped_policies import policy_folder, scorer_shares
from equipoise.pipeline.study.cross_fit import cross_fit_effects
from equipoise.pipeline.study.evaluator import one_hot
from equipoise.pipeline.study.honest import HonestPolicy
from equipoise.pipeline.study.swaps import Swaps
from equipoise.pipeline.target_policies import PROBABILITY, target_probabilities

Shares = tuple[Floats, Swaps | None]  # probabilities (n, K), and how much folds differ, if known
FORMS = "labels of arms, probabilities (n, K), a HonestPolicy, a Scorer, or a path"


def effects_or_shares(thing: Any, log: Log, where: str, cv: int, seed: int) -> Effects | Shares:
    """What was brought, as effects of the log's rows or as a policy on them."""
    if isinstance(thing, Effects):
        return thing
    if isinstance(thing, HonestPolicy):
        return _honest(thing, log, where)
    if isinstance(thing, Scorer | RuleScorer):
        return scorer_shares(thing, log), None
    if hasattr(thing, "fit") and hasattr(thing, "effects"):
        return cross_fit_effects(log, thing, cv=cv, random_state=seed)
    if isinstance(thing, str | Path):
        return _named(thing, log, where)
    if _is_frame(thing):
        return _of_table(to_arrow(thing), log, where)
    return _of_array(thing, log, where)


def _honest(policy: HonestPolicy, log: Log, where: str) -> Shares:
    """Its choices where these are the rows that it was made of, else those of what it ships."""
    if policy.rows_digest == rows_digest(log):
        return one_hot(policy.choice, len(log.cell_names) - 1), policy.swaps
    if policy.scorer is None:
        fix = "make it with an estimator, or compare it on its own log"
        must = "have a scorer on a log of other rows"
        raise InputError("a HonestPolicy", must, "none", where, fix)
    return scorer_shares(policy.scorer, log), None


def _named(name: str | Path, log: Log, where: str) -> Effects | Shares:
    """Everybody under an arm; or the policy or the effects that stand at a path."""
    if name in log.cell_names:
        eligible, K = log.eligible, len(log.cell_names)
        return constant_policy(log.cell_names.index(str(name)), len(log), K, eligible), None
    path = Path(name)
    folder = policy_folder(path)
    if folder is not None:
        return scorer_shares(read_scorer(folder), log), None
    if path.name == RULES and path.is_file():
        return scorer_shares(read_rule_scorer(path), log), None
    if not path.is_file():
        what, must = "a policy", "be an arm, or the path of a run, a policy or a table"
        raise InputError(what, must, repr(str(name)), where, nearest(str(name), log.cell_names))
    return _of_table(read_table(path), log, f"{where}, {path}")


def _is_frame(thing: Any) -> bool:
    kind = type(thing)
    names = ("columns", "column_names", "__arrow_c_stream__")
    is_column = isinstance(thing, pa.ChunkedArray) or hasattr(kind, "to_list")
    return isinstance(thing, Mapping) or (
        any(hasattr(kind, name) for name in names) and not is_column
    )


def _of_table(table: pa.Table, log: Log, where: str) -> Effects | Shares:
    """A policy where the table speaks of control, else effects."""
    names, treatment = table.column_names, log.roles.treatments[0]
    if log.cell_names[0] in names or {treatment, PROBABILITY} <= set(names):
        return target_probabilities(table, log, where), None
    table = _in_order(table, log, where)
    if "row" in table.column_names and "row" not in log.cell_names:
        table = table.drop_columns(["row"])  # that of effects.parquet where a log has no ids
    return Effects.from_frame(table, metric=log.metrics[0])


def _in_order(table: pa.Table, log: Log, where: str) -> pa.Table:
    """The rows in the order of the log by its ids, without them; as they are where it has none."""
    key = log.roles.id
    if key is None or key not in table.column_names:
        return table
    own, theirs = columns.text(log.table[key]), columns.text(table[key])
    if pc.count_distinct(theirs).as_py() < len(theirs):
        fix = "leave one row of each"
        raise InputError("a frame", f"have each {key} once", "some of them twice", where, fix)
    place = pc.index_in(own, theirs.combine_chunks())
    if place.null_count:
        row = int(np.argmax(place.is_null().to_numpy()))
        got = f"none for {own[row].as_py()!r}"
        raise InputError("a frame", "have a row for every id of the log", got, where)
    return table.take(place).drop_columns([key])


def _of_array(thing: Any, log: Log, where: str) -> Effects | Shares:
    """Labels, choices, probabilities, or predicted effects."""
    array = np.asarray(thing)
    n, k, m = len(log), len(log.cell_names) - 1, len(log.metrics)
    is_number = array.dtype.kind in "fiu"
    if array.shape == (n,) and array.dtype.kind in "OUST":
        return _labelled(array, log, where), None
    if array.shape == (n,) and array.dtype.kind in "iu" and not _numbered(log):
        return one_hot(decisions(array, n, k).cell - 1, k), None
    if array.shape == (n,) and array.dtype.kind in "iu":
        return _labelled(array, log, where), None
    if array.shape == (n, k + 1) and is_number:
        decided = decisions(array, n, k).probability
        return np.asarray(decided), None
    shapes = {(n, k): (n, k, 1), (n, k, m): (n, k, m)} | ({(n,): (n, 1, 1)} if k == 1 else {})
    if array.shape in shapes and is_number:
        values = np.asarray(array, np.float64).reshape(shapes[array.shape])
        metrics = log.metrics[: values.shape[2]]
        return Effects(values, np.zeros((n, len(metrics))), log.cell_names[1:], metrics)
    must = f"be effects ({n}, {k}, {m}) or a frame of them, or a policy: {FORMS}"
    got = f"{type(thing).__name__}, {array.dtype} {array.shape}"
    raise InputError("what is compared", must, got, where)


def _numbered(log: Log) -> bool:
    """Whether the names of the arms are numbers, so that whole numbers are names."""
    return all(name.lstrip("-").isdigit() for name in log.cell_names)


def _labelled(labels: Any, log: Log, where: str) -> Floats:
    """The arms by their names, as probabilities (n, K)."""
    texts, place = np.unique(labels.astype(str), return_inverse=True)
    known = {name: a for a, name in enumerate(log.cell_names)}
    choice = np.array([known.get(text, -1) for text in texts.tolist()])[place]
    if (choice < 0).any():
        row = int(np.argmax(choice < 0))
        got, names = str(texts[place[row]]), log.cell_names
        must, fix = f"be one of {', '.join(names)}", nearest(got, names)
        raise InputError("a policy's label", must, repr(got), f"{where}, row {row}", fix)
    return one_hot(choice - 1, len(log.cell_names) - 1)
