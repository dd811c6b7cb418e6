"""The OpenAPI of struct bodies: it is made of the structs that decode, and says every field."""

from __future__ import annotations

import json

import msgspec
import pytest

from equipoise.core.errors import InputError
from equipoise.serving.app.openapi import HOT, document
from equipoise.serving.app.strict_json import Body

PAPER = document(HOT)
SCHEMAS = PAPER["components"]["schemas"]


def bodies():
    """Each hot route with the schema of its body."""
    for route in HOT:
        operation = PAPER["paths"][route.path][route.method]
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        one = next(kind for kind in schema.get("anyOf", [schema]) if "$ref" in kind)
        yield route, SCHEMAS[one["$ref"].rpartition("/")[2]]


def test_it_is_json_whose_references_all_lead_somewhere():
    text = json.dumps(PAPER)
    named = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert named <= set(SCHEMAS)
    assert {"DecideRequest", "DecideAnswer", "BatchAnswer", "Problem"} <= named


@pytest.mark.parametrize(("route", "schema"), list(bodies()), ids=lambda x: getattr(x, "path", ""))
def test_a_route_takes_its_example_what_is_required_and_nothing_unknown(route, schema):
    body = Body(route.body)
    body(json.dumps(route.example).encode())
    least = {name: route.example[name] for name in schema["required"]}
    body(json.dumps(least).encode())
    for name in schema["required"]:
        with pytest.raises(InputError):
            body(json.dumps({k: v for k, v in least.items() if k != name}).encode())
    with pytest.raises(InputError):
        body(json.dumps(least | {"unheard_of": 1}).encode())
    assert schema["additionalProperties"] is False


def test_every_field_has_words():
    for name in ("DecideRequest", "DecideAnswer", "RewardRequest"):
        fields = SCHEMAS[name]["properties"]
        assert all(field.get("description") for field in fields.values()), name
    assert "Attributes" not in SCHEMAS["DecideRequest"]["description"]


def test_schemas_are_what_msgspec_says():
    for kind in (HOT[0].body, HOT[0].answer):
        own = msgspec.json.schema(kind)["$defs"][kind.__name__]
        assert set(own["properties"]) == set(SCHEMAS[kind.__name__]["properties"])
        assert own["required"] == SCHEMAS[kind.__name__]["required"]
