"""Labelled rows that scores are judged on: checked once, coded once.

A row has one label per objective, 0 or 1; a mask says where an objective was observed at all (a
purchase, say, only after a click).  What was not observed is not there for that objective: neither
positive nor negative, and no rank is counted over it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from equipoise.core import columns
from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.errors import InputError
from equipoise.core.weights import check_weights

States = NDArray[np.int8]
POSITIVE, NEGATIVE, HIDDEN = 1, 0, -1


class OneClassWarning(UserWarning):
    """An objective has labels of one class only, so that nothing can be ranked above another.

    Examples
    --------
    >>> import warnings
    >>> from equipoise.evaluation import auc
    >>> with warnings.catch_warnings(action="ignore", category=OneClassWarning):
    ...     auc([0, 0], [2, 1]).tolist()
    [nan]
    """


@dataclass(frozen=True)
class LabelledRows:
    """Rows with their labels.

    Attributes
    ----------
    state : array of int8, (n, M)
        1 a positive, 0 a negative, -1 not observed.
    weight : array, (n,)
        Of the rows, > 0.
    objectives : tuple of str
        Their names.

    Examples
    --------
    >>> rows = labelled_rows([[1, 0], [0, 0]])
    >>> rows.state.tolist(), rows.objectives
    ([[1, 0], [0, 0]], ('y0', 'y1'))
    """

    state: States
    weight: Floats
    objectives: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.state)

    @property
    def observed(self) -> Ints:
        """Rows where each objective was observed, (M,)."""
        return np.asarray(np.count_nonzero(self.state != HIDDEN, axis=0), np.int64)

    @property
    def positives(self) -> Ints:
        """Positives of each objective, (M,)."""
        return np.asarray(np.count_nonzero(self.state == POSITIVE, axis=0), np.int64)

    @property
    def one_class(self) -> list[str]:
        """A sentence on each objective that has labels of one class only."""
        sentences = []
        for name, seen, hits in zip(self.objectives, self.observed, self.positives, strict=True):
            if seen == 0:
                sentences.append(f"{name} was not observed in any row")
            elif hits in (0, seen):
                sentences.append(f"all {seen:,} labels of {name} are {int(hits > 0)}")
        return sentences


def labelled_rows(
    labels: Any, label_mask: Any = None, sample_weight: Any = None, objectives: Any = None
) -> LabelledRows:
    """Check labels, mask and weights.

    Parameters
    ----------
    labels : array-like or frame, (n, M) or (n,)
        0 or 1; what the mask hides may be anything.
    label_mask : array-like of bool, (n, M) or (n,), default None
        Where a label was observed; (n,) for all objectives.  None: everywhere.
    sample_weight : array-like, (n,), default None
        Weights > 0; None: ones.
    objectives : sequence of str, default None
        Names; None: those of the frame's columns, or y0, y1, ....

    Returns
    -------
    LabelledRows
        One row each.

    Raises
    ------
    InputError
        With the row and objective, where something is not what it must be, or where the mask hides
        everything.

    Examples
    --------
    >>> labelled_rows([1, 3])
    Traceback (most recent call last):
    equipoise.core.errors.InputError: labels must be 0 or 1; got 3 at row 1, objective y0; a ...
    """
    values = _numbers(labels, "labels")
    if values.ndim not in (1, 2) or values.size == 0:
        must = "have shape (n, M) or (n,), with at least one row and one objective"
        raise InputError("labels", must, f"shape {values.shape}")
    values = values.reshape(len(values), -1)
    names = _names(labels, objectives, values.shape[1])
    observed = _observed(label_mask, values.shape)
    good = ~observed | (values == 0) | (values == 1)
    if not good.all():
        row, m = (int(i) for i in np.argwhere(~good)[0])
        fix = "a label_mask leaves out what was not observed"
        if values[row, m] == values[row, m]:
            fix = "a count or amount becomes a label by a threshold, e.g. labels > 0"
        raise InputError(
            "labels", "be 0 or 1", f"{values[row, m]:g}", f"row {row}, objective {names[m]}", fix
        )
    if not observed.any():
        raise InputError("label_mask", "leave some label observed", "a mask that hides everything")
    weight = check_weights(sample_weight, len(values))
    state = np.where(observed, values == 1, HIDDEN).astype(np.int8)
    return LabelledRows(state, np.ones(len(values)) if weight is None else weight, names)


def _numbers(values: Any, name: str) -> Floats:
    """Numbers of any shape as float64; what is masked is NaN."""
    try:
        if isinstance(values, np.ma.MaskedArray):
            values = np.ma.filled(values.astype(np.float64), np.nan)
        return np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(name, "be numbers", str(error)) from error


def _names(labels: Any, objectives: Any, count: int) -> tuple[str, ...]:
    """The objectives' names: as said, of a frame's columns, or y0, y1, ...."""
    if objectives is None:
        columns = getattr(labels, "column_names", getattr(labels, "columns", None))
        objectives = [f"y{m}" for m in range(count)] if columns is None else columns
    names = tuple(map(str, objectives))
    if len(names) != count or len(set(names)) != count:
        raise InputError(
            "objectives", f"be {count} different names, one per column of labels", list(names)
        )
    return names


def _observed(mask: Any, shape: tuple[int, ...]) -> Bools:
    if mask is None:
        return np.ones(shape, np.bool_)
    values = np.asarray(mask)
    if values.shape not in (shape, shape[:1]):
        must = f"have the labels' shape {shape}, or be one per row"
        raise InputError("label_mask", must, f"shape {values.shape}")
    whole = values.reshape(len(values), -1)
    if values.dtype != np.bool_ and not np.isin(whole, (0, 1)).all():
        row, m = (int(i) for i in np.argwhere(~np.isin(whole, (0, 1)))[0])
        raise InputError("label_mask", "be true or false", whole[row, m], f"row {row}")
    return np.broadcast_to(whole.astype(np.bool_), shape)


def score_column(scores: Any, n: int, name: str = "scores") -> Floats:
    """Scores as float64, (n,); infinities are ranked.

    Raises
    ------
    InputError
        Where there are not n numbers, or one is NaN, with its row.

    Examples
    --------
    >>> score_column([0.5, float("nan")], 2)
    Traceback (most recent call last):
    equipoise.core.errors.InputError: scores must be a number; got nan at row 1; drop the row or ...
    """
    values = _numbers(scores, name)
    if values.shape != (n,):
        raise InputError(name, f"be one number per row of labels, ({n},)", f"shape {values.shape}")
    if np.isnan(values).any():
        row = int(np.argmax(np.isnan(values)))
        raise InputError(name, "be a number", "nan", f"row {row}", "drop the row or score it")
    return values


def codes_of(ids: Any, n: int, name: str) -> tuple[Ints, int]:
    """The code of each row's id, (n,), and how many ids there are.

    Ids are numbers, texts, or dates.

    Examples
    --------
    >>> codes_of(["b", "a", "b"], 3, "groups")
    (array([1, 0, 1]), 2)
    """
    values = np.asarray(ids)
    if values.shape != (n,):
        must, fix = f"be one id per row of labels, ({n},)", ""
        if values.ndim == 2 and len(values) == n:
            fix = "join the parts of an id into one text"
        raise InputError(name, must, f"shape {values.shape}", fix=fix)
    if values.dtype.kind in "OUST":
        return _text_codes(values, name)
    _refuse_missing(np.isnat(values) if values.dtype.kind in "mM" else values != values, name)
    labels, code = np.unique(values, return_inverse=True)
    return code.astype(np.int64), len(labels)


def _text_codes(values: NDArray[Any], name: str) -> tuple[Ints, int]:
    """The same for ids that are texts or objects."""
    try:
        column = pa.chunked_array([pa.array(values.tolist())])
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        fix = "give all of them as texts"
        raise InputError(name, "be of one type", str(error), fix=fix) from error
    _refuse_missing(columns.missing(column), name)
    code, labels = columns.codes(column)
    return code, len(labels)


def _refuse_missing(absent: Bools, name: str) -> None:
    if absent.any():
        fix = "drop the row, or give it an id of its own"
        raise InputError(name, "be known", "nothing", f"row {int(np.argmax(absent))}", fix)
