"""The OpenAPI of routes whose bodies are structs: made of the same structs that decode them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeAlias

import msgspec

from equipoise.serving.app.problems import title_of
from equipoise.serving.messages import (
    BatchAnswer,
    BatchRequest,
    DecideAnswer,
    DecideRequest,
    ExposureAnswer,
    ExposureRequest,
    Problem,
    RewardAnswer,
    RewardRequest,
)

Json: TypeAlias = dict[str, Any]
TEMPLATE = "#/components/schemas/{name}"
PROBLEM = {"application/problem+json": {"schema": {"$ref": TEMPLATE.format(name="Problem")}}}
GUARDED = (401, 403, 429, 503)  # of any route that needs a token
WITH_BODY = (400, 408, 413, 415, 422)


class Route(NamedTuple):
    """A route for the OpenAPI.

    Attributes
    ----------
    path, method : str
        Where.
    scope : str
        That its token needs; "" for none.
    summary : str
        One line.
    body, answer : object
        Types that msgspec knows; None for none.
    example : dict or None, default None
        A body.
    statuses : tuple of int, default ()
        Besides 200 and those of every body.
    text : str, default ""
        More lines.
    media : str, default "application/json"
        Of the answer.
    """

    path: str
    method: str
    scope: str
    summary: str
    body: Any
    answer: Any
    example: Any = None
    statuses: tuple[int, ...] = ()
    text: str = ""
    media: str = "application/json"


RewardBody: TypeAlias = RewardRequest | list[RewardRequest]
RewardReply: TypeAlias = RewardAnswer | list[RewardAnswer]
ID = "0192f0c1a2b30000000000000000002a"
HOT = (
    Route(
        "/decide",
        "post",
        "decide",
        "What one unit gets, and why",
        DecideRequest,
        DecideAnswer,
        {"unit": "user-1", "features": {"age": 34}, "key": "cart-93"},
        (409,),
        "Whatever fails inside answers control, with a reason.  The decision is in the log before"
        " the answer is sent.",
    ),
    Route(
        "/decide/batch",
        "post",
        "decide",
        "Many units at once: one answer or problem a unit, in order",
        BatchRequest,
        BatchAnswer,
        {"units": [{"unit": "user-1"}, {"unit": "user-2", "dry_run": True}]},
    ),
    Route(
        "/reward",
        "post",
        "reward",
        "What came of a decision, or of several",
        RewardBody,
        RewardReply,
        {"decision": ID, "name": "sales", "value": 12.5, "key": "order-7"},
        (202,),
        "A repeated one (same decision, name and key) changes nothing.",
    ),
    Route(
        "/exposure",
        "post",
        "reward",
        "That a decision was shown",
        ExposureRequest,
        ExposureAnswer,
        {"decision": ID},
        (202,),
    ),
)


def described(kind: type, schema: Json) -> Json:
    """A struct's schema with the words of its docstring at each property.

    Parameters
    ----------
    kind : type
        The struct.
    schema : dict
        What msgspec makes of it.

    Returns
    -------
    dict
        The same, in words.

    Examples
    --------
    >>> described(RewardAnswer, {"properties": {}})["description"][:28]
    'What became of a reward: "jo'
    """
    text = inspect.getdoc(kind) or ""
    about, _, attributes = text.partition("Attributes\n----------\n")
    words: dict[str, str] = {}
    for names, body in re.findall(r"^(\w[\w, ]*) : .*\n((?:    .*\n?)+)", attributes, re.M):
        said = " ".join(body.split()).replace("`", "")
        words.update(dict.fromkeys((name.strip() for name in names.split(",")), said))
    properties = {
        name: ({"description": words[name]} if name in words else {}) | value
        for name, value in schema.get("properties", {}).items()
    }
    said = " ".join(about.split()).replace("`", "")
    return schema | {"description": said, "properties": properties}


def components(kinds: Iterable[Any]) -> tuple[list[Json], dict[str, Json]]:
    """References to types, and the schemas of all structs in them.

    `BatchAnswer` is drawn by hand: msgspec encodes a list of two kinds of structs, and has no
    schema of one.
    """
    plain = [kind for kind in kinds if kind is not BatchAnswer]
    kept, schemas = msgspec.json.schema_components(
        [*plain, DecideAnswer, Problem], ref_template=TEMPLATE
    )
    references = iter(kept)
    found = [
        {"$ref": TEMPLATE.format(name="BatchAnswer")} if kind is BatchAnswer else next(references)
        for kind in kinds
    ]
    structs = {kind.__name__: kind for kind in msgspec.Struct.__subclasses__()}
    one = {"anyOf": [{"$ref": TEMPLATE.format(name=name)} for name in ("DecideAnswer", "Problem")]}
    schemas["BatchAnswer"] = {
        "title": "BatchAnswer",
        "type": "object",
        "properties": {"answers": {"type": "array", "items": one}},
        "required": ["answers"],
    }
    return found, {
        name: described(structs[name], schema) if name in structs else schema
        for name, schema in schemas.items()
    }


def document(routes: Iterable[Route]) -> Json:
    """Paths and schemas of routes, as parts of an OpenAPI document.

    Parameters
    ----------
    routes : iterable of Route
        Those whose bodies are structs.

    Returns
    -------
    dict
        "paths", and "components" with "schemas" and "securitySchemes".

    Examples
    --------
    >>> sorted(document(HOT)["paths"])
    ['/decide', '/decide/batch', '/exposure', '/reward']
    """
    listed = list(routes)
    kinds = [kind for route in listed for kind in (route.body, route.answer) if kind is not None]
    references, schemas = components(kinds)
    schema_of = iter(references)
    paths: dict[str, Json] = {}
    for route in listed:
        body = None if route.body is None else next(schema_of)
        reply = {} if route.answer is None else next(schema_of)
        paths.setdefault(route.path, {})[route.method] = _operation(route, body, reply)
    bearer = {"type": "http", "scheme": "bearer"}
    return {
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"token": bearer}},
    }


def _operation(route: Route, body: Json | None, reply: Json) -> Json:
    good = [200, *(status for status in route.statuses if status < 300)]
    usual = GUARDED * bool(route.scope) + WITH_BODY * (body is not None)
    bad = sorted({status for status in route.statuses if status >= 300} | set(usual))
    content = {route.media: {"schema": reply}}
    operation: Json = {
        "summary": route.summary,
        "operationId": re.sub(r"[{}]", "", route.method + route.path.replace("/", "_")),
        "responses": {
            **{str(code): {"description": title_of(code), "content": content} for code in good},
            **{str(code): {"description": title_of(code), "content": PROBLEM} for code in bad},
        },
    }
    needs = f"Scope: {route.scope}." if route.scope else "No token."
    operation["description"] = f"{route.text}  {needs}".strip()
    if route.scope:
        operation["security"] = [{"token": []}]
    named = re.findall(r"{(\w+)}", route.path)
    if named:
        text = {"type": "string", "minLength": 1}
        operation["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": text} for name in named
        ]
    if body is not None:
        kept = {"schema": body} | ({"example": route.example} if route.example else {})
        operation["requestBody"] = {"required": True, "content": {"application/json": kept}}
    return operation
