"""What the meta of a snapshot must be.  The sums of a snapshot are its own, so anybody can sign
nonsense: it is held against a schema, what is made of it is tried on one unit, and whatever fails
is a `SnapshotError`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Self

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, Strict, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from equipoise.artifacts.unit_columns import UnitReader
from equipoise.core.column_types import ColumnKind
from equipoise.core.errors import EquipoiseError, SnapshotError
from equipoise.core.snapshot import FIX, SHOWN, as_written

Number = Annotated[float, Field(allow_inf_nan=False)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Key = Annotated[str, Field(max_length=17)]  # of digests
Share = Annotated[float, Field(ge=0, le=1)]


class MetaTable(BaseModel):
    """A part of a meta: frozen and strict, open to what later versions add."""

    model_config = ConfigDict(frozen=True, strict=True)


class FeaturesMeta(MetaTable):
    """A `FeatureMap`."""

    columns: list[str]
    levels: dict[str, list[str]]
    key: Key = ""


class ColumnTypeMeta(MetaTable):
    """A `ColumnType`."""

    kind: ColumnKind
    arrow: str
    zone: str


class ColumnsMeta(MetaTable):
    """The `UnitColumns` of a log."""

    types: dict[str, ColumnTypeMeta]
    missing: dict[str, Share]
    labels: dict[str, list[str]]
    key: Key = ""


class CostsMeta(MetaTable):
    """The `Costs` of offers."""

    amount: list[Amount]
    column: str | None
    metric: str | None
    probability: bool
    sending: list[Amount] = []  # absent from what version 0.2.0 wrote


class DemandMeta(MetaTable):
    """A `Demand` of a policy."""

    name: str
    quantity: str
    bound: Number
    sign: Number
    metric: str | None
    candidate: str | None
    column: str | None
    factors: list[Annotated[tuple[str | int, Number], Strict(strict=False)]]
    other: Number
    per_head: bool
    unit: str


class RuleMeta(MetaTable):
    """A `Policy`."""

    candidates: list[str]
    control: str
    metrics: list[str]
    weights: list[Number]
    demands: list[DemandMeta]
    prices: list[Amount]
    mode: str
    threshold: Number
    lower: Number
    keep: Number
    segment: str | None
    shares: list[Number]
    low_prices: list[Amount]
    low_share: Share
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    tie_penalty: Amount = 0.0  # absent from what version 0.1.0 wrote
    cost_weight: Amount = 0.0  # absent from what version 0.2.0 wrote


class EstimatorMeta(MetaTable):
    """What `estimator_parts` gives; its tree is checked where it is walked."""

    estimator: dict[str, Any]
    format: Literal[1]


class OwnMeta(MetaTable):
    """A group's own model."""

    column: str
    group: str
    estimator: EstimatorMeta
    features: FeaturesMeta


class ModelMeta(MetaTable):
    """A fitted model and its features."""

    estimator: EstimatorMeta
    features: FeaturesMeta
    seen: dict[str, str] = {}
    columns: ColumnsMeta | None = None  # absent from what version 0.1.0 wrote
    own: list[OwnMeta] = []  # likewise


class EligibleMeta(MetaTable):
    """An `Eligibility`."""

    cells: list[Annotated[tuple[str, str], Strict(strict=False)]]
    listed: str | None
    propensity: bool


class LimitMeta(MetaTable):
    """A `Limit`."""

    column: str
    group: str
    closed: list[str]


class StayingMeta(MetaTable):
    """A `Staying`."""

    column: str | None = None
    days: dict[str, Annotated[int, Field(ge=1)]] = {}
    average_days: Annotated[int, Field(ge=1)] = 1
    gaps: Annotated[float, Field(ge=0, lt=1)] | None = None

    @model_validator(mode="after")
    def _classed(self) -> Self:
        """Days are of classes."""
        if self.days and self.column is None:
            raise PydanticCustomError("missing", "have a column of classes for its days")
        return self


class StartMeta(MetaTable):
    """A `Start`."""

    column: str
    until: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    factor: Annotated[float, Field(ge=1, allow_inf_nan=False)]
    half_life_days: Annotated[float, Field(gt=0, allow_inf_nan=False)]


class PolicyMeta(ModelMeta):
    """A policy with its model and costs."""

    policy: RuleMeta
    costs: CostsMeta
    id: str | None
    eligible: EligibleMeta | None = None  # absent from what version 0.1.0 wrote
    limits: list[LimitMeta] = []  # likewise
    staying: StayingMeta = StayingMeta()  # likewise
    start: StartMeta | None = None  # likewise

    @model_validator(mode="after")
    def _whole(self) -> Self:
        """What wrote the types of columns wrote all keys: one that is gone is no default."""
        if self.columns is not None:
            names = ((self, "eligible"), (self, "limits"), (self.policy, "tie_penalty"))
            for part, name in names:
                if name not in part.model_fields_set:
                    raise PydanticCustomError("missing", "have the key {name}", {"name": name})
        return self


class MixesMeta(MetaTable):
    """What gives users their mixes."""

    features: FeaturesMeta
    models: dict[str, EstimatorMeta]
    id: str | None
    columns: ColumnsMeta | None = None


class SavedRankerMeta(MetaTable):
    """What `ranker_parts` gives; its tree is checked where it is walked."""

    ranker: dict[str, Any]
    format: Literal[1]


class RankingMeta(MetaTable):
    """What ranks the candidates of requests."""

    features: FeaturesMeta
    ranker: SavedRankerMeta
    models: dict[str, SavedRankerMeta]
    scores: list[str]
    profile: list[str]
    model_columns: list[str]
    request: str | None
    item: str | None
    columns: ColumnsMeta


def check_meta(schema: type[MetaTable], meta: Mapping[str, Any]) -> None:
    """Hold a meta against its schema.

    Parameters
    ----------
    schema : type of MetaTable
        What it must be.
    meta : mapping
        The meta of a verified snapshot.

    Raises
    ------
    SnapshotError
        With the first key that is wrong.

    Examples
    --------
    >>> check_meta(FeaturesMeta, {"columns": ["age"], "levels": 3})
    Traceback (most recent call last):
    equipoise.core.errors.SnapshotError: a snapshot's meta must be a valid dictionary; got 3 at key
    levels; restore it, or write it again
    """
    try:
        schema.model_validate(meta)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        must = first["msg"].removeprefix("Input should be ")
        must = f"be {must}" if must != first["msg"] else f"be whole: {must}"
        where = f"key {'.'.join(map(str, first['loc']))}"
        got = "nothing" if first["type"] == "missing" else repr(first["input"])[:SHOWN]
        raise SnapshotError("a snapshot's meta", must, got, where, FIX) from error


def try_on_one_unit(answer: Callable[[pa.Table], Any], reader: UnitReader) -> None:
    """Let what a snapshot holds answer for one unit, so that what cannot is known at once.

    Parameters
    ----------
    answer : callable
        Table of one row -> anything.
    reader : UnitReader
        How units are read.

    Raises
    ------
    SnapshotError
        Where it fails otherwise than by refusing the unit.

    Examples
    --------
    >>> from equipoise.artifacts.unit_columns import UnitColumns
    >>> from equipoise.core.features import FeatureMap
    >>> reader = UnitReader(FeatureMap().fit({"age": [31, 64]}), UnitColumns())
    >>> try_on_one_unit(lambda table: table["old"], reader)
    Traceback (most recent call last):
    equipoise.core.errors.SnapshotError: a snapshot must be as it was written; got KeyError: 'Field
    "old" does not exist in schema'; restore it, or write it again
    """
    with as_written(), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        unit = pa.table({name: _value(reader, name) for name in reader.needed})
        try:
            answer(unit)
        except SnapshotError:
            raise
        except EquipoiseError:
            return


def _value(reader: UnitReader, name: str) -> pa.Array:
    """A value that a column can have."""
    if name in reader.features.levels_:
        return pa.array((reader.features.levels_[name] or ["0"])[:1], pa.string())
    own = reader.columns.types.get(name)
    if own is None:
        return pa.array([0.0 if name in reader.features.columns_ else "0"])
    if own.kind == "text":
        return pa.array(["0"])
    if own.kind == "true/false":
        return pa.array([False])
    wide = pa.int32() if own.data_type.bit_width == 32 and own.kind != "number" else pa.int64()
    return pa.array([0], wide).cast(own.data_type)
