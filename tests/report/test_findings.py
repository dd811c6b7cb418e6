"""The schema of findings holds for every example and for real runs: a stale fixture fails here."""

from __future__ import annotations

import json
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import pytest
import typing_extensions
from fixtures.example_findings import EXAMPLES
from pydantic import ConfigDict, TypeAdapter, ValidationError

from equipoise.report.findings import Findings, plain
from equipoise.report.findings_supply import SupplyFindings


def schema(kind: Any) -> TypeAdapter[Any]:
    """A typed dict as JSON must hold it: every key, no other one anywhere, no value cast."""
    return TypeAdapter(closed(kind))


def closed(kind: Any) -> Any:
    """The same type, in which no typed dict takes keys that it does not name.  (Made anew with
    typing_extensions, whose typed dicts alone pydantic reads on Python 3.11.)
    """
    if typing_extensions.is_typeddict(kind):
        needed = kind.__required_keys__
        keys = {
            key: closed(part) if key in needed else typing_extensions.NotRequired[closed(part)]
            for key, part in get_type_hints(kind).items()
        }
        closed_kind: Any = typing_extensions.TypedDict(kind.__name__, keys)
        setattr(closed_kind, "__pydantic_config__", ConfigDict(extra="forbid", strict=True))  # noqa: B010
        return closed_kind
    parts = tuple(closed(part) for part in get_args(kind))
    if isinstance(kind, UnionType):
        return Union[parts]  # noqa: UP007
    return get_origin(kind)[parts] if parts else kind


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_what_a_run_would_write(name):
    schema(Findings).validate_json(json.dumps(plain(EXAMPLES[name]())))


def test_a_stale_example_is_told():
    findings: Any = plain(EXAMPLES["arms"]())
    del findings["policy"]["demands"][0]["kind"]
    findings["rivals"][0]["colour"] = "red"
    findings["averages"][0]["p_value"] = "0.5"
    with pytest.raises(ValidationError) as error:
        schema(Findings).validate_json(json.dumps(findings))
    wrong = {part["loc"][-1]: part["type"] for part in error.value.errors()}
    assert wrong == {"kind": "missing", "colour": "extra_forbidden", "p_value": "float_type"}


@pytest.mark.parametrize(("fixture", "kind"), [("ran", Findings), ("mix_run", SupplyFindings)])
def test_a_run_writes_what_the_schema_says(request, fixture, kind):
    outcome = request.getfixturevalue(fixture)
    folder = outcome.out if fixture == "ran" else outcome[1]
    schema(kind).validate_json((folder / "metrics.json").read_text(encoding="utf-8"))
