"""The page of the routes: made of the OpenAPI, without a script, a font or a picture of others."""

from __future__ import annotations

import json
from typing import Any

from jinja2 import Environment
from markupsafe import escape

HERE = "http://localhost:8080"  # in each call, where the service is
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ info.title }}</title>
<style>
:root { color-scheme: light dark; --ink: #1c2430; --dim: #5a6675; --line: #d9dfe6; --bed: #f6f8fa;
  --page: #fff; --accent: #0b6e5f }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e9ef; --dim: #9aa7b5; --line: #2c3642;
  --bed: #161d26; --page: #0f151c; --accent: #5cc8b5 } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 62rem; padding: 2rem 1.2rem 5rem; background: var(--page);
  color: var(--ink); font: 16px/1.55 system-ui, sans-serif }
h1 { font-size: 1.7rem; margin: 0 } h2 { font-size: 1rem; margin: 0; font-weight: 600 }
p { margin: .5rem 0 } .dim { color: var(--dim) } a { color: var(--accent) }
code, pre { font: .86em/1.5 ui-monospace, monospace }
pre { background: var(--bed); border: 1px solid var(--line); border-radius: 6px; padding: .8rem;
  overflow-x: auto }
details { border-top: 1px solid var(--line); padding: .7rem 0 }
summary { cursor: pointer; display: flex; gap: .8rem; align-items: baseline; flex-wrap: wrap }
summary:focus-visible { outline: 2px solid var(--accent); outline-offset: 3px }
.method { font: 600 .78rem/1 ui-monospace, monospace; color: var(--accent); width: 4rem }
table { border-collapse: collapse; width: 100%; margin: .6rem 0; font-size: .92rem }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0;
  border-bottom: 1px solid var(--line) }
th { color: var(--dim); font-weight: 500 }
.wide { overflow-x: auto }
</style></head><body>
<h1>{{ info.title }}</h1>
<p class="dim">{{ info.version }} · <a href="/openapi.json">openapi.json</a></p>
<p>{{ info.description }}</p>
{% for route in routes %}
<details{% if loop.first %} open{% endif %}>
<summary><span class="method">{{ route.method }}</span><code>{{ route.path }}</code>
<h2>{{ route.summary }}</h2></summary>
<p class="dim">{{ route.text }}</p>
{% if route.curl %}<pre>{{ route.curl }}</pre>{% endif %}
{% for title, fields in route.tables %}
<div class="wide"><table><thead><tr><th>{{ title }}</th><th>kind</th><th></th></tr></thead><tbody>
{% for field in fields %}<tr><td><code>{{ field.name }}</code>{{ " *" if field.needed }}</td>
<td class="dim">{{ field.kind }}</td><td>{{ field.text }}</td></tr>
{% endfor %}</tbody></table></div>
{% endfor %}
<p class="dim">{{ route.answers }}</p>
</details>
{% endfor %}
<p class="dim">* must be sent</p>
</body></html>
"""


def docs_page(paper: dict[str, Any]) -> str:
    """The page of an OpenAPI document.

    Parameters
    ----------
    paper : dict
        The document.

    Returns
    -------
    str
        HTML that needs nothing else; `at` says where the service is.

    Examples
    --------
    >>> from equipoise.serving.app.openapi import HOT, document
    >>> paper = {"info": {"title": "a <b>"}} | document(HOT)
    >>> "a &lt;b&gt;" in docs_page(paper)
    True
    """
    schemas = paper["components"]["schemas"]
    routes = [
        _route(path, method, operation, schemas)
        for path, methods in paper["paths"].items()
        for method, operation in methods.items()
    ]
    page = Environment(autoescape=True).from_string(PAGE)
    return page.render(info=paper["info"], routes=routes)


def at(page: str, url: str) -> str:
    """The page with calls to where it was asked for.

    Parameters
    ----------
    page : str
        Of `docs_page`.
    url : str
        As "http://shop.example:8080"; any text is safe.

    Returns
    -------
    str
        The page.

    Examples
    --------
    >>> at(f"curl -s {HERE}/policy", "http://[::1]:9/")
    'curl -s http://[::1]:9/policy'
    """
    return page.replace(HERE, str(escape(url.rstrip("/"))))


def _route(path: str, method: str, operation: dict[str, Any], schemas: dict[str, Any]) -> Any:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    good = next(iter(operation["responses"]["200"]["content"].values()))
    tables = [("body", _fields(body["schema"], schemas))] if body else []
    tables.append(("answer", _fields(good["schema"], schemas)))
    codes = [
        f"{code} {answer['description']}"
        for code, answer in operation["responses"].items()
        if code != "200"
    ]
    return {
        "path": path,
        "method": method.upper(),
        "summary": operation["summary"],
        "text": operation["description"],
        "curl": _curl(path, method, body, "security" in operation),
        "tables": [(title, fields) for title, fields in tables if fields],
        "answers": f"Else: {', '.join(codes)}" if codes else "",
    }


def _curl(path: str, method: str, body: Any, token: bool) -> str:
    """A call that can be pasted."""
    words = ["curl -s"]
    if method == "delete":
        words.append("-X DELETE")
    if token:
        words.append('-H "Authorization: Bearer $TOKEN"')
    if body is not None:
        example = json.dumps(body.get("example", {}))
        words.append(f"-H 'Content-Type: application/json' \\\n  -d '{example}'")
    return " ".join([*words, f"{HERE}{path}"])


def _fields(schema: dict[str, Any], schemas: dict[str, Any]) -> list[dict[str, Any]]:
    named = (
        schema
        if "$ref" in schema
        else next((one for one in schema.get("anyOf", []) if "$ref" in one), None)
    )
    if named is None:
        return []
    whole = schemas[named["$ref"].rpartition("/")[2]]
    needed = whole.get("required", [])
    return [
        {
            "name": name,
            "kind": _kind(field),
            "text": field.get("description", ""),
            "needed": name in needed,
        }
        for name, field in whole["properties"].items()
    ]


def _kind(field: dict[str, Any]) -> str:
    """A schema in a few words."""
    if "$ref" in field:
        return str(field["$ref"].rpartition("/")[2])
    if "enum" in field:
        return " | ".join(json.dumps(value) for value in field["enum"])
    if "anyOf" in field:
        return " | ".join(dict.fromkeys(_kind(one) for one in field["anyOf"]))
    if field.get("type") == "array":
        return f"[{_kind(field.get('items', {}))}]"
    inner = field.get("additionalProperties")
    if isinstance(inner, dict):
        return f"{{text: {_kind(inner)}}}"
    return str(field.get("type", "any"))
