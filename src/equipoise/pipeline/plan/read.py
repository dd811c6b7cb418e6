"""Reading a plan: from TOML to a checked `Plan`, with each complaint in our grammar and the nearest
key.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from equipoise.core.errors import PlanError
from equipoise.core.space import Space
from equipoise.core.suggest import nearest
from equipoise.pipeline.plan.base import PlanTable
from equipoise.pipeline.plan.estimators import check_estimators
from equipoise.pipeline.plan.schema import TABLES, Plan, PolicyPlan
from equipoise.treatments import space_from_json

DEEPEST = 16  # tables in tables
LARGEST = 2**63
PLAIN = f"of at most {DEEPEST} levels and numbers of 64 bits"


def read_plan(path: Path | str) -> Plan:
    """Read and check a plan file.

    Parameters
    ----------
    path : Path or str
        A TOML file; relative paths in it start from its folder.

    Returns
    -------
    Plan
        The plan, checked but for what only the log can tell.

    Raises
    ------
    PlanError
        Where the file cannot be read, or a key of it is wrong; the error names the nearest key.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "plan.toml"
    ...     _ = file.write_text('[log]\\ndataset = "thornton"')
    ...     read_plan(file).log.dataset
    'thornton'
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PlanError(
            "a plan", "be valid TOML", str(error), str(file), "mend that line"
        ) from error
    except UnicodeDecodeError as error:
        raise PlanError(
            "a plan", "be a UTF-8 text file", str(error), str(file), "give the .toml file"
        ) from error
    except (ValueError, RecursionError) as error:  # thousands of digits or of brackets
        raise PlanError("a plan", f"be TOML {PLAIN}", str(error), str(file)) from error
    except OSError as error:
        raise PlanError(
            "a plan", "be a file that can be read", error.strerror or repr(error), str(file)
        ) from error
    return make_plan(tables, base=file.parent, text=text, where=str(file))


def make_plan(
    tables: dict[str, Any], *, base: Path | str = ".", text: str = "", where: str = ""
) -> Plan:
    """A checked plan from its tables, as `tomllib` reads them.

    Parameters
    ----------
    tables : dict
        The tables of a plan file, by name.
    base : Path or str, default "."
        The folder that relative paths start from.
    text : str, optional
        The file as it was read; a run keeps it in the snapshot.
    where : str, optional
        The file, for errors.

    Returns
    -------
    Plan
        The plan, checked but for what only the log can tell.

    Raises
    ------
    PlanError
        Where a key is wrong; the error names the nearest key.

    Examples
    --------
    >>> make_plan({"log": {"dataset": "thornton"}}).run.folds
    3
    >>> make_plan({"log": {"dataset": "thornton", "protect": ["age"]}})
    Traceback (most recent call last):
    equipoise.core.errors.PlanError: key 'protect' must be known; got ['age'] at [log]; did you mean
    'protected'?
    """
    if not isinstance(tables, dict):
        raise PlanError("a plan", "be tables of keys", type(tables).__name__, where)
    _check_plain(tables, (), where)
    for name in set(tables) - set(TABLES):
        _unknown_key((name,), tables[name], list(TABLES), where)
    try:
        plan = Plan.model_validate({**tables, "base": Path(base), "text": text})
        if plan.space is not None:
            space_of(plan)
        check_estimators(plan, where)
        return plan
    except ValidationError as error:
        _explain(error, where)
        raise


def policy_keys(policy: dict[str, Any]) -> PolicyPlan:
    """The keys of [policy], as Python gives them: a plain number is a budget per head, or a share
    of offers.
    """
    keys = {name: value for name, value in policy.items() if value is not None}
    for name, form in (("budget", "per_head"), ("offers", "share")):
        if isinstance(keys.get(name), int | float):
            keys[name] = {form: keys[name]}
    return make_plan({"log": {"dataset": "-"}, "policy": keys}, where="the arguments").policy


def _check_plain(value: Any, path: tuple[Any, ...], where: str) -> None:
    """Refuse what TOML or a file system cannot hold: too deep, too large, or no text."""
    place = _place(path[:-1], where)
    if len(path) > DEEPEST:
        raise PlanError("a plan", f"be tables {PLAIN}", f"more than {DEEPEST} levels", place)
    if isinstance(value, dict):
        strange = next((key for key in value if not isinstance(key, str)), None)
        if strange is not None:
            raise PlanError("a key", "be text", repr(strange), _place(path, where))
        for key, item in value.items():
            _check_plain(key, (*path, key), where)
            _check_plain(item, (*path, key), where)
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            _check_plain(item, (*path, i), where)
    elif isinstance(value, int) and abs(value) >= LARGEST:
        raise PlanError(f"key {path[-1]!r}", "be a whole number of 64 bits", "a larger one", place)
    elif isinstance(value, str) and ("\0" in value or not _encodable(value)):
        raise PlanError(f"key {str(path[-1])!a}", "be text without NUL", ascii(value)[:60], place)


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def space_of(plan: Plan) -> Space | str | None:
    """The space of a plan; arms as one text are read by the type of the treatment's column, and a
    menu's file is one of the plan's folder.
    """
    spec = plan.space
    if spec is not None and isinstance(spec.get("menu"), str):
        spec = {**spec, "menu": str(plan.path(spec["menu"]))}
    if spec is None or spec.get("kind") != "arms" or not isinstance(spec.get("labels"), str):
        return None if spec is None else space_from_json(spec)
    strange = sorted(set(spec) - {"kind", "labels"})
    if strange:
        fix = 'arms in one text begin with control; else list them: labels = ["none", "mail"]'
        raise PlanError("arms in one text", "have no other key", strange, "[space]", fix)
    return str(spec["labels"])


def _explain(error: ValidationError, where: str) -> None:
    """Raise the first of pydantic's complaints in our grammar; unknown keys first, since they
    explain missing ones.
    """
    complaints = sorted(
        error.errors(include_url=False), key=lambda item: item["type"] != "extra_forbidden"
    )
    first = complaints[0]
    path = tuple(part for part in first["loc"] if part != "tuple[str, ...]")
    if first["type"] == "extra_forbidden":
        _unknown_key(path, first["input"], _known_keys(path[:-1]), where)
    if first["type"] == "missing":
        raise PlanError(
            f"key {path[-1]!r}",
            "be given",
            "nothing",
            _place(path[:-1], where),
            _allowed(path[:-1]),
        )
    raise PlanError(
        _key(path),
        _must(first["type"], first["msg"]),
        _short(first["input"]),
        _place(path[:-1], where),
        _form(path, first["input"]) if first["type"] in ("model_type", "dict_type") else "",
    )


def _form(path: tuple[Any, ...], value: Any) -> str:
    """How a table is written where something else stands: ``budget = {per_head = 0.3}``."""
    keys, name = _known_keys(path), next(p for p in reversed(path) if isinstance(p, str))
    if not keys:
        return ""
    shown = repr(value) if isinstance(value, int | float) else "..."
    more = f" or {{{keys[1]} = ...}}" if len(keys) > 1 else ""
    return f"write {name} = {{{keys[0]} = {shown}}}{more}"


def _unknown_key(path: tuple[Any, ...], value: Any, keys: list[str], where: str) -> None:
    fix = nearest(str(path[-1]), keys, cutoff=0.5) or f"known keys: {', '.join(keys)}"
    raise PlanError(f"key {path[-1]!r}", "be known", _short(value), _place(path[:-1], where), fix)


def _must(kind: str, message: str) -> str:
    if kind == "plan":
        return message
    if kind in ("model_type", "dict_type"):
        return "be a table of keys"
    return message.partition(" should ")[2] or f"be {message}"


def _key(path: tuple[Any, ...]) -> str:
    if not path:
        return "the plan"
    if isinstance(path[-1], int):
        return f"entry {path[-1] + 1}"
    return f"table [{'.'.join(map(str, path))}]" if _known_keys(path) else f"key {path[-1]!r}"


def _place(path: tuple[Any, ...], where: str) -> str:
    """``[policy.caps] entry 2, in plan.toml``."""
    names = ".".join(part for part in path if isinstance(part, str))
    entry = next((f" entry {part + 1}" for part in path if isinstance(part, int)), "")
    table = f"[{names}]{entry}" if names else ""
    return ", in ".join(part for part in (table, where) if part)


def _allowed(path: tuple[Any, ...]) -> str:
    keys = _known_keys(path)
    return f"known keys: {', '.join(keys)}" if keys else ""


def _known_keys(path: tuple[Any, ...]) -> list[str]:
    """The keys of the table at a path of keys and list positions."""
    model: Any = Plan
    for part in path:
        fields = getattr(model, "model_fields", None)
        if fields is not None and part in fields:
            model = _inner_table(fields[part].annotation)
    return [name for name in getattr(model, "model_fields", {}) if name not in ("base", "text")]


def _inner_table(annotation: Any) -> Any:
    """The table inside ``X | None``, ``tuple[X, ...]`` or ``dict[str, X]``."""
    if isinstance(annotation, type) and issubclass(annotation, PlanTable):
        return annotation
    for part in get_args(annotation):
        table = _inner_table(part)
        if table is not None:
            return table
    return None


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
