"""A first plan for a log that nobody has described: what its columns look like, as a TOML file with
comments to go through.

    treatment   the column that is said, else the one whose name says so (`TREATMENT_WORDS`) and
                that has 2 to 40 labels
    control     the label that says so ("control", "none", "no ...", 0), else the first
    outcomes    those that are said, else the numeric columns that bear an outcome's name
    id, time    by their names and values
    features    as `read_log` takes them where none are named; the others stand in comments, with
                the reason

Nothing is certain here, so each line says what it rests on, and the plan runs as it stands.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from equipoise.core import columns
from equipoise.core.errors import InputError
from equipoise.core.log import Log
from equipoise.core.quiet import errors_alone
from equipoise.data import read_log, read_table
from equipoise.data.default_features import OUTCOME_WORD, PAST_WORD
from equipoise.treatments import Arms

TREATMENT_WORDS = [  # the likeliest first
    "treatment",
    "treated",
    "treat",
    "arm",
    "arms",
    "variant",
    "variants",
    "variation",
    "campaign",
    "offer",
    "coupon",
    "promotion",
    "promo",
    "assignment",
    "assigned",
    "exposed",
    "action",
    "policy",
    "bucket",
    "group",
    "test",
    "segment",
    "w",
    "t",
]
OTHER_OUTCOMES = ("y", "target", "converted", "churn", "churned")
CONTROL = re.compile(r"(?i)control|none|no\b.*|nothing|baseline|base|placebo|0|off|false|untreated")
TIME_WORD = re.compile(r"time|timestamp|date|day|datetime|ts|at")
MOST_ARMS, MOST_LISTED = 40, 12
HEAD = """\
# A first plan for {path}, guessed from its columns: go through the comments, then run
#   equipoise check {plan}
#   equipoise run {plan}
"""


def first_plan(
    path: Path | str, treatment: str = "", outcomes: Sequence[str] = (), *, plan: str = "plan.toml"
) -> str:
    """The text of a plan for a log file.

    Parameters
    ----------
    path : Path or str
        A .parquet or .csv file.
    treatment : str, optional
        The treatment's column; by default the one that looks like it.
    outcomes : sequence of str, optional
        The outcomes' columns; by default those whose names say so.
    plan : str, default "plan.toml"
        What the plan will be called, for the comments.

    Returns
    -------
    str
        TOML.

    Raises
    ------
    InputError
        Where no column looks like a treatment, or like an outcome: the error lists them.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     log = Path(folder) / "log.csv"
    ...     _ = log.write_text("arm,age,sales\\nnone,30,0\\nmail,40,1\\nnone,50,2\\nmail,60,3\\n")
    ...     text = first_plan(log)
    >>> print(text.partition("[space]")[2].partition("[policy]")[0].strip())
    kind = "arms"
    labels = ["none", "mail"]   # control first
    """
    path = Path(path)
    table = read_table(path)
    names = table.column_names
    for name in [*([treatment] if treatment else []), *outcomes]:
        if name not in names:
            raise InputError("a column", f"be one of {', '.join(names)}", repr(name), str(path))
    arm = treatment or _treatment(table, path)
    metrics = list(outcomes) or _outcomes(table, arm, path)
    labels = _labels(table[arm], arm)
    unit = next((name for name in names if _is_id(table, name) and name not in (arm, *metrics)), "")
    when = next((n for n in names if n not in (arm, unit, *metrics) and _is_time(table, n)), "")
    with errors_alone("equipoise.data.default_features"):  # what is left out stands in the plan
        log = read_log(
            table,
            treatment=arm,
            outcomes=metrics,
            space=Arms(labels),
            design="shares",
            id=unit or None,
            time=when or None,
        )
    return _text(path, plan, log, labels, {"id": unit, "time": when}, _said(treatment, outcomes))


def _said(treatment: str, outcomes: Sequence[str]) -> dict[str, str]:
    """Why a role is what it is."""
    return {
        "treatment": "" if treatment else "guessed by its name; ",
        "outcomes": "" if outcomes else "guessed by their names: what is the policy for?",
    }


def _words(name: str) -> list[str]:
    return re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower())


def _treatment(table: pa.Table, path: Path) -> str:
    """The column that looks most like a treatment: by its name, and with few labels."""
    named: list[tuple[int, str]] = [
        (TREATMENT_WORDS.index(word), name)
        for name in table.column_names
        for word in _words(name)
        if word in TREATMENT_WORDS and _could_be_arms(table[name])
    ]
    if not named:
        got, fix = "no column that looks like one", _ask(table, "-t")
        raise InputError("the treatment", "be named", got, str(path), fix)
    return min(named)[1]


def _could_be_arms(column: pa.ChunkedArray) -> bool:
    if columns.is_vector(column) or columns.is_time(column):
        return False
    if not (columns.is_text(column) or columns.is_whole(column) or _is_bool(column)):
        return False
    return 2 <= len(columns.decoded(column).drop_null().unique()) <= MOST_ARMS


def _is_bool(column: pa.ChunkedArray) -> bool:
    return bool(pa.types.is_boolean(columns.value_type(column)))


def _outcomes(table: pa.Table, treatment: str, path: Path) -> list[str]:
    found = [
        name
        for name in table.column_names
        if name != treatment
        and columns.is_numeric(table[name])
        and not columns.is_time(table[name])
        and any(OUTCOME_WORD.fullmatch(w) or w in OTHER_OUTCOMES for w in _words(name))
        and not any(map(PAST_WORD.fullmatch, _words(name)))
        and "cost" not in _words(name)
    ]
    if not found:
        raise InputError(
            "the outcome", "be named", "no column that looks like one", str(path), _ask(table, "-y")
        )
    return found


def _ask(table: pa.Table, option: str) -> str:
    listed = ", ".join(table.column_names[:MOST_LISTED])
    more = ", ..." if len(table.column_names) > MOST_LISTED else ""
    return f"say it with {option} COLUMN; the columns are {listed}{more}"


def _labels(column: pa.ChunkedArray, name: str) -> list[Any]:
    """The labels of the arms, control first."""
    if not _could_be_arms(column):
        must = f"have 2 to {MOST_ARMS} labels, of text or whole numbers"
        got = f"{len(columns.decoded(column).unique())} values of type {column.type}"
        fix = 'an amount has [space] kind = "dose" in a plan: see docs/plan.md'
        raise InputError(f"the treatment {name!r}", must, got, fix=fix)
    labels = sorted(columns.decoded(column).drop_null().unique().to_pylist())
    if columns.is_whole(column):
        labels = [int(label) for label in labels]
    control = next((x for x in labels if CONTROL.fullmatch(str(x).strip())), labels[0])
    return [control, *(label for label in labels if label != control)]


def _is_id(table: pa.Table, name: str) -> bool:
    """A value of its own in every row, under a name of ids."""
    column = table[name]
    named = any(word.endswith("id") or word in ("user", "customer") for word in _words(name))
    plain = columns.is_text(column) or columns.is_whole(column)
    return named and plain and column.null_count == 0 and len(column.unique()) == len(column)


def _is_time(table: pa.Table, name: str) -> bool:
    named = any(map(TIME_WORD.fullmatch, _words(name)))
    return columns.is_time(table[name]) and (named or "date" in name.lower())


def _text(
    path: Path,
    plan: str,
    log: Log,
    labels: Sequence[Any],
    roles: Mapping[str, str],
    said: Mapping[str, str],
) -> str:
    counts = {item["values"]: item["counts"] for item in _counts(log.table[log.roles.treatment])}
    rows = ", ".join(f"{label} {counts.get(str(label), 0):,}" for label in labels[:MOST_LISTED])
    metrics = {o.name: o.kind for o in log.roles.outcomes}
    why = f"   # {said['outcomes']}" if said["outcomes"] else ""
    lines = [
        HEAD.format(path=path.name, plan=plan),
        "[log]",
        f"path = {_quoted(str(path))}",
        f"treatment = {_quoted(log.roles.treatment)}   # {said['treatment']}rows: {rows}",
        f"outcomes = {_inline(metrics)}{why}",
        *(f"{role} = {_quoted(name)}" for role, name in roles.items() if name),
        "# only what was measured before the treatment; go through the list",
        f"features = [{', '.join(map(_quoted, log.roles.features))}]",
        *(f"#   left out: {name}, {reason}" for name, reason in (log.left_out or {}).items()),
        "# if arms were drawn by lot, say the chances, control first; else they are learnt",
        f"# design = {_even(len(labels))}",
        "",
        "[space]",
        'kind = "arms"',
        f"labels = [{', '.join(map(_quoted, labels))}]   # control first",
        "",
        "[policy]",
        f"weights = {_inline({log.metrics[0]: 1.0})}   # what is to be as large as it can",
        f"# cost = {_inline(dict.fromkeys(map(str, labels[1:]), 0.1))}   # what an offer costs",
        "# budget = { per_head = 0.05 }   # the most to be spent per head, if there is a limit",
        "# and say what one of a metric is worth in money, worth = 10 in outcomes, to weigh costs",
        "",
        "[run]",
        f"out = {_quoted(f'runs/{path.stem}')}",
        "",
    ]
    return "\n".join(lines)


def _counts(column: pa.ChunkedArray) -> list[dict[str, Any]]:
    counts: list[dict[str, Any]] = pc.value_counts(columns.labels(column)).to_pylist()
    return counts


def _quoted(value: Any) -> str:
    """A value as TOML; text in quotes."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _inline(pairs: Mapping[str, Any]) -> str:
    bare = re.compile(r"[A-Za-z0-9_-]+")
    keys = [key if bare.fullmatch(key) else _quoted(key) for key in pairs]
    parts = (f"{key} = {_quoted(value)}" for key, value in zip(keys, pairs.values(), strict=True))
    return "{ " + ", ".join(parts) + " }"


def _even(arms: int) -> str:
    return "[" + ", ".join([f"{1 / arms:.4g}"] * arms) + "]"
