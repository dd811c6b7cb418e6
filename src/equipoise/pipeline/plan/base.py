"""What the tables of a plan are made of: closed, strict, frozen, with numbers of the right kind."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, Strict
from pydantic_core import PydanticCustomError

Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Names = Annotated[tuple[str, ...], Strict(strict=False)]


def wrong(must: str) -> PydanticCustomError:
    """What a key must be, as a complaint of pydantic that `plan` tells in our grammar."""
    return PydanticCustomError("plan", "{must}", {"must": must})


def places(value: Any) -> Any:
    """A file, a folder, a pattern or an address, or a list of them."""
    parts = value if isinstance(value, list | tuple) else [value]
    if value is not None and (not parts or not all(isinstance(part, str) for part in parts)):
        raise wrong("be a file, a folder, a pattern such as days/*.csv, or a list of them")
    return tuple(value) if isinstance(value, list) else value


class PlanTable(BaseModel):
    """A table of the plan: frozen, strict, and closed to unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
