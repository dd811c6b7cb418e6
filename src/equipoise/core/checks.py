"""Is the experiment sound?  Checks that run on every log and stand in its report.

    sample ratio   chi2 = d' V^-1 d,  d_a = N_a - sum_i e_ia,  V = sum_i (diag(e_i) - e_i e_i'), df
    = K - 1; with one design
                   for all rows this is Pearson's chi-square.  p < 0.001 fails (Fabijan et al., KDD
                   2019).
    balance        see `core.balance`.
    over time      see `core.time_check`; where the log has a time.
    missing        chi-square of missing or not against the cells; p < 0.01 / columns warns.

A check is {"name", "status": "ok" | "note" | "warn" | "fail", "summary", "rows"}.  K = 1 + k cells,
control first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.special import chdtrc

from equipoise.core import columns
from equipoise.core.arrays import Floats, Ints
from equipoise.core.balance import Check as Check
from equipoise.core.balance import balance, check, numeric_features, proxies
from equipoise.core.balance import balance_table as balance_table
from equipoise.core.effective_checks import cases, effective_rows, few_cases, units_of
from equipoise.core.effective_size import FEW
from equipoise.core.eligible_checks import RATIO_WARNS, eligibility, sizes_test_of, verdict
from equipoise.core.leaks import leaks
from equipoise.core.log import Log
from equipoise.core.row_order import row_hashes
from equipoise.core.time_check import shares_over_time
from equipoise.core.weights import SUM_TOLERANCE

OVERLAP_LIMIT = 0.01  # a smaller propensity makes weights above 100
NO_VALUES = ("NA", "N/A", "#N/A", "n/a", "NULL", "null", "NaN", "nan", "None")
ONE_ROW_LIMIT = 0.01  # share of a metric's total in one row
MOSTLY = 0.9  # the share of values that makes a text column look like numbers, or like an id


def check_log(log: Log) -> list[Check]:
    """Run every check of a log.

    Parameters
    ----------
    log : Log
        The experiment log.

    Returns
    -------
    list of dict
        One per check, in the order of the report: name, status ("ok", "note", "warn" or "fail"),
        summary, and rows of a table.

    Examples
    --------
    >>> from equipoise.core.log import Outcome, Roles
    >>> from equipoise.treatments import Arms
    >>> import pyarrow as pa
    >>> table = pa.table({"arm": [0, 1, 0, 1], "age": [3, 4, 5, 6], "spend": [1.0, 2.0, 0.0, 4.0]})
    >>> log = Log(table, Roles("arm", (Outcome("spend"),), ("age",), design=(0.5, 0.5)), Arms())
    >>> sound = check_log(log)[0]
    >>> sound["name"], sound["status"], sound["summary"]
    ('sample ratio', 'ok', 'The arms have the sizes the design promised (chi-square 0.00, p = 1).')
    """
    numbers = numeric_features(log)
    return [
        sample_ratio(log),
        *shares_over_time(log, _assigned_units(log)),
        missing_values(log),
        *default_features(log),
        constant_features(log),
        leaks(log),
        kinds(log),
        balance(log, numbers),
        *eligibility(log, _assigned_units(log)),
        overlap(log),
        duplicates(log),
        effective_rows(log),
        outcomes(log),
        proxies(log, numbers),
        groups(log),
    ]


def sample_ratio(log: Log) -> Check:
    """Do the cells have the rows that the design promised?"""
    name = "sample ratio"
    units = _assigned_units(log)
    counts = np.bincount(log.cells[units], minlength=len(log.cell_names))
    propensity = (
        None if log.roles.design == "shares" or log.propensity is None else log.propensity[units]
    )
    if propensity is None:
        why = "taken from the log itself" if log.roles.design == "shares" else "not known"
        rows = [
            {"cell": cell, "rows": int(count)}
            for cell, count in zip(log.cell_names, counts, strict=True)
        ]
        return check(
            name,
            "note",
            f"The design is {why}, so the sizes of the arms cannot be held against it.",
            rows,
        )
    squares = propensity.T @ propensity
    return ratio_check(log.cell_names, counts, propensity.sum(axis=0), squares)


def ratio_check(names: Sequence[str], counts: Ints, expected: Floats, squares: Floats) -> Check:
    """The sizes of cells (K,) against sums of the propensities of their rows, (K,) and (K, K)."""
    chi2, p = sizes_test_of(counts, expected, squares)
    rows = [
        {
            "cell": cell,
            "rows": int(got),
            "expected": round(float(want), 1),
            "difference": round(float(got / want - 1), 5),
        }
        for cell, got, want in zip(names, counts, expected, strict=True)
    ]
    status = verdict(p)
    said = {
        "fail": (
            "The arms do not have the sizes the design promised: rows were lost or added after"
            " assignment; find out why"
        ),
        "warn": "The arms' sizes are a little off the design",
        "ok": "The arms have the sizes the design promised",
    }[status]
    return check("sample ratio", status, f"{said} (chi-square {chi2:.2f}, p = {p:.3g}).", rows)


def _assigned_units(log: Log) -> Ints:
    """The rows that were assigned one by one: all, or the first of each group where whole groups
    were assigned.
    """
    if log.groups is None or not _assigned_whole(log):
        return np.arange(len(log))
    return np.unique(log.groups, return_index=True)[1].astype(np.int64)


def _assigned_whole(log: Log) -> bool:
    """Whether rows share groups and treatment never varies within one."""
    if log.groups is None or len(np.unique(log.groups)) == len(log):
        return False
    last = np.zeros(int(log.groups.max()) + 1, np.int64)
    last[log.groups] = log.cells
    return bool((last[log.groups] == log.cells).all())


def missing_values(log: Log) -> Check:
    """Which columns have holes, and do the holes depend on the arm?"""
    K = len(log.cell_names)
    absent = {name: columns.missing(log.table[name]) for name in log.table.column_names}
    holes = {
        name: np.bincount(log.cells, flags, K).astype(np.float64) for name, flags in absent.items()
    }
    return missing_check(log.cell_names, holes, np.bincount(log.cells, minlength=K))


def missing_check(names: Sequence[str], holes: Mapping[str, Floats], size: Ints) -> Check:
    """The missing values of every column by cell, (K,) each, of cells with so many rows, (K,)."""
    keys = columns.free_names(tuple(names), ("column", "missing", "p_value"))
    rows, uneven = [], []
    for name, absent in holes.items():
        if not absent.any():
            continue
        p, n = _independence(absent, size), float(size.sum())
        by_cell = {
            key: round(float(part / all_rows), 5) if all_rows else 0.0
            for key, part, all_rows in zip(keys, absent, size, strict=True)
        }
        share = round(float(absent.sum() / n), 5)
        rows.append({"column": name, "missing": share, **by_cell, "p_value": p})
        if p < RATIO_WARNS / len(holes):
            uneven.append(name)
    if uneven:
        summary = (
            f"Missing values of {', '.join(uneven)} depend on the arm: they may follow from the"
            " treatment."
        )
        return check("missing values", "warn", summary, rows)
    if rows:
        return check(
            "missing values",
            "note",
            f"{len(rows)} columns have missing values, alike in every arm.",
            rows,
        )
    return check("missing values", "ok", "No value is missing.")


def default_features(log: Log) -> list[Check]:
    """Which columns became features where none were named; empty where they were named."""
    if log.left_out is None:
        return []
    features = log.roles.features
    reasons = {name: "" for name in features} | dict(log.left_out)
    rows = [
        {"column": name, "feature": name in features, "reason": reason}
        for name, reason in reasons.items()
    ]
    summary = (
        f"No features were named, so {len(features)} columns became features"
        f"{': ' + ', '.join(features) if features else ''}."
    )
    if log.left_out:
        summary += f" Left out: {', '.join(log.left_out)}."
    summary += " Name those measured before the treatment; a test cannot find every other."
    return [check("features", "warn" if log.left_out else "note", summary, rows)]


def constant_features(log: Log) -> Check:
    """Features that say nothing."""
    flat = [
        name for name in log.roles.features if len(columns.decoded(log.table[name]).unique()) <= 1
    ]
    rows = [{"feature": name, "value": columns.text(log.table[name])[0].as_py()} for name in flat]
    if flat:
        return check(
            "constant features",
            "warn",
            f"{', '.join(flat)}: the same in every row; leave them out.",
            rows,
        )
    return check("constant features", "ok", "Every feature varies.")


def kinds(log: Log) -> Check:
    """Features that look like something else: whole numbers that name each row, text that is
    numbers but for a few values, or a name for each row, or levels such as NA, which some programs
    write for a missing value.
    """
    rows, worries, notes = [], [], []
    for name in log.roles.features:
        column = log.table[name]
        if not columns.is_text(column):
            if columns.is_whole(column) and len(column.unique()) == len(log) > FEW:
                worries.append(f"{name} has a number of its own in every row: is it the id?")
                rows.append({"feature": name, "looks_like": "id", "levels": len(log)})
            continue
        present = ~columns.missing(column)
        strange = ~columns.reads_as_number(column) & present
        levels, values = len(column.drop_null().unique()), int(present.sum())
        about: dict[str, Any] = {"feature": name, "looks_like": "numbers", "values": values}
        if 0 < strange.sum() <= (1 - MOSTLY) * values:
            row = int(np.argmax(strange))
            worries.append(
                f"{name} is numbers but for {strange.sum():,} of its values, as in row {row}"
            )
            rows.append({**about, "strange": int(strange.sum()), "row": row})
        elif levels >= MOSTLY * len(log) and levels > FEW:
            worries.append(f"{name} has a value of its own in nearly every row: is it the id?")
            rows.append({**about, "looks_like": "id", "levels": levels})
        empty = np.asarray(pc.is_in(columns.text(column), value_set=pa.array(NO_VALUES)))
        if empty.any():
            notes.append(f"{name} has {empty.sum():,} texts such as NA, which are a level")
            row = int(np.argmax(empty))
            rows.append({**about, "looks_like": "missing", "strange": int(empty.sum()), "row": row})
    fix = " Leave a field empty where its value is missing." if notes else ""
    if worries:
        fix = (
            " Mend the values, or give the column its own role (id, group), or leave it out of the"
            f" features.{fix}"
        )
    if rows:
        summary = f"{'; '.join(worries + notes)}.{fix}"
        return check("kinds of features", "warn" if worries else "note", summary, rows)
    return check("kinds of features", "ok", "No feature looks like an id, no text like numbers.")


def overlap(log: Log) -> Check:
    """Could every unit have got every treatment?"""
    if log.propensity is None:
        summary = (
            "Propensities are not known; they have to be learnt, and the answer rests on all"
            " confounders being logged."
        )
        return check("overlap", "note", summary)
    if not log.varies:
        rows = [
            {"cell": cell, "propensity": float(e)}
            for cell, e in zip(log.cell_names, log.propensity[0], strict=True)
        ]
        return check(
            "overlap",
            "ok",
            "Every unit could get every treatment: the design is the same for all.",
            rows,
        )
    return overlap_check(log, overlap_sums(log, log.propensity), _rounded(log))


def overlap_sums(log: Log, p: Floats) -> dict[str, Floats]:
    """What the check of overlap is made of: the least and the most probability of each open cell,
    sums of the weights and their squares of the rows that got it, and how many rows have a small
    probability.
    """
    own = 1 / p[np.arange(len(log)), log.cells]
    K, open_to = p.shape[1], p > 0
    return {
        "least": np.where(open_to, p, np.inf).min(axis=0),
        "most": p.max(axis=0),
        "total": np.bincount(log.cells, own, K),
        "squares": np.bincount(log.cells, own**2, K),
        "thin": np.array([(open_to & (p < OVERLAP_LIMIT)).any(axis=1).sum()], np.float64),
    }


def overlap_check(log: Log, sums: Mapping[str, Floats], rounded: str = "") -> Check:
    """The check of overlap by `overlap_sums`, where propensities vary by row."""
    sizes = np.divide(
        sums["total"] ** 2,
        sums["squares"],
        out=np.zeros(len(sums["total"])),
        where=sums["squares"] > 0,
    )
    parts = zip(log.cell_names, sums["least"], sums["most"], sizes, strict=True)
    rows = [
        {"cell": cell, "least": float(low), "most": float(high), "effective_rows": round(size)}
        for cell, low, high, size in parts
    ]
    least = float(sums["least"].min())
    if least < OVERLAP_LIMIT:
        summary = (
            f"{int(sums['thin'][0]):,} rows have a propensity below {OVERLAP_LIMIT} (least"
            f" {least:.2g}); their weights will rule the figures."
        )
        return check("overlap", "warn", summary + rounded, rows)
    whose = "logged propensity" if log.roles.propensity else "share of an arm"
    if log.roles.design == "shares" and log.eligible is None:
        whose += " in a period"
    status = "note" if rounded else "ok"
    return check("overlap", status, f"The smallest {whose} is {least:.3g}.{rounded}", rows)


def _rounded(log: Log) -> str:
    """A sentence on propensities whose sums are not 1; empty where all are."""
    logged = log.logged_propensity
    off = 0 if logged is None else np.count_nonzero(abs(logged.sum(axis=1) - 1) > SUM_TOLERANCE)
    if not off:
        return ""
    return f" Propensities of {off:,} rows do not sum to 1, as if rounded; they were divided by it."


def duplicates(log: Log) -> Check:
    """Rows that repeat another in every column but id and time."""
    if log.roles.id:
        return duplicates_check(log, 0, len(log))
    names = [name for name in log.table.column_names if name != log.roles.time]
    return duplicates_check(log, len(log) - len(np.unique(row_hashes(log.table, names))), len(log))


def duplicates_check(log: Log, again: int, n: int) -> Check:
    """The check of n rows like these, of which so many repeat another; of ids none does."""
    if log.roles.id:
        return check("duplicates", "ok", f"Every {log.roles.id} occurs once.")
    if not again:
        return check("duplicates", "ok", "No row repeats another.")
    summary = (
        f"{again:,} rows repeat another. Without an id nobody can say whether they are genuine;"
        " they were kept."
    )
    table = [{"repeated_rows": again, "share": round(again / n, 5)}]
    return check("duplicates", "note", summary, table)


def outcomes(log: Log) -> Check:
    """Kinds, zeros, tails and outliers of the metrics."""
    rows, worries, units = [], [], units_of(log)
    for j, outcome in enumerate(log.roles.outcomes):
        y = log.y[:, j]
        total = float(np.abs(y).sum())
        row: dict[str, Any] = {
            "outcome": outcome.name,
            "kind": outcome.kind,
            "mean": float(y.mean()),
            "sd": float(y.std()),
        }
        row |= {"zeros": float((y == 0).mean()), "least": float(y.min()), "most": float(y.max())}
        row["largest_row_share"] = float(np.abs(y).max() / total) if total else 0.0
        rows.append(row)
        events = cases(log, y, outcome.kind == "binary", units)
        if events is not None and events[1].min() < FEW:
            worries.append(few_cases(outcome, log.cell_names, *events))
        if (
            outcome.kind != "binary"
            and row["largest_row_share"] > ONE_ROW_LIMIT
            and len(log) > FEW / ONE_ROW_LIMIT
        ):
            worries.append(f"one row holds {row['largest_row_share']:.1%} of all {outcome.name}")
    if worries:
        return check("outcomes", "warn", f"Few cases or large ones: {'; '.join(worries)}.", rows)
    return check(
        "outcomes", "ok", "Every metric lies within its kind; no single row rules one.", rows
    )


def groups(log: Log) -> Check:
    """Rows that belong together."""
    if log.groups is None:
        return check("groups", "ok", "Each row stands for itself.")
    sizes = np.bincount(log.groups)
    whole = _assigned_whole(log)
    row = {
        "groups": len(sizes),
        "mean_rows": round(float(sizes.mean()), 2),
        "most_rows": int(sizes.max()),
        "treated_whole": whole,
    }
    summary = (
        f"{len(sizes):,} groups by {log.roles.group}, up to {sizes.max():,} rows each; intervals"
        " must count groups."
    )
    if whole:
        summary += " Whole groups were treated alike."
    return check("groups", "warn" if len(sizes) < 2 * FEW else "note", summary, [row])


def _independence(hits: Floats, size: Ints) -> float:
    """The p-value of Pearson's chi-square between a flag, so often true in each cell, and the
    cells.
    """
    n = size.astype(np.float64)
    rate = hits.sum() / n.sum()
    if rate in (0.0, 1.0):
        return 1.0
    chi2 = float((((hits - rate * n) ** 2) / (n * rate * (1 - rate))).sum())
    return float(chdtrc(len(n) - 1, chi2))
