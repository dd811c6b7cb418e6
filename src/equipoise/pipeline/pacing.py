"""`equipoise pace`: a day's requests, served in the order of their times within the day's budget.

pacer_of        the pure object of a policy and [pacing], which a service can hold as well
paced.parquet   a row a request: time, price, choice, expected cost, spend so far
pacing.html     budget used against plan, and the price
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from equipoise.artifacts.policy import Scorer, read_scorer
from equipoise.core import columns
from equipoise.core.arrays import Floats
from equipoise.core.durations import seconds
from equipoise.core.errors import InputError, PlanError
from equipoise.core.policy import Policy
from equipoise.core.snapshot import Earlier, replacing
from equipoise.core.suggest import among
from equipoise.data.files import column_names, read_table
from equipoise.operations.pacing import Pacer, PacingPlan
from equipoise.pipeline.monitor.rows import source_of
from equipoise.pipeline.plan.operations import DAY
from equipoise.pipeline.plan.schema import Plan
from equipoise.pipeline.run_folder import POLICY, write_table
from equipoise.report.sections.pacing import pacing_page

WHERE = "[pacing]"
PACED, PAGE = "paced.parquet", "pacing.html"
GRID = np.geomspace(1e-4, 1e4, 401)  # of the shipped price, between whose points prices are sought


def _is_paced(place: Path) -> bool:
    return place.is_dir() and {entry.name for entry in place.iterdir()} <= {PACED, PAGE}


EARLIER_PACED = Earlier("an earlier paced day", _is_paced)


def pacer_of(plan: Plan, policy: Policy, profile: Path | str | None = None) -> Pacer:
    """The pacer of a policy, from the prices that ship and the plan's [pacing].

    Parameters
    ----------
    plan : Plan
        With [pacing].
    policy : Policy
        Whose price of the budget the day begins with.
    profile : path, optional
        In the place of the plan's.

    Returns
    -------
    Pacer
        Before the first request.

    Raises
    ------
    PlanError
        Where there is no [pacing], or no budget.
    InputError
        Where the profile has no shares, or these do not sum to 1.
    """
    asked = plan.pacing
    if asked is None:
        fix = 'say profile = "yesterday.parquet" and requests = 20000 there'
        raise PlanError("a plan that is paced", "have [pacing]", "none", WHERE, fix)
    file = plan.path(asked.profile) if profile is None else Path(profile)
    names = column_names(file)
    if "share" not in names:
        fix = among("share", names, "columns")
        raise InputError("the profile", "have a column 'share'", "none", str(file), fix)
    table = read_table(file, [name for name in ("share", "spend") if name in names])
    shares = {name: tuple(columns.numbers(table[name]).tolist()) for name in table.column_names}
    named = zip(policy.demands, policy.prices, strict=True)
    own = next((pair for pair in named if pair[0].kind == "budget"), None)
    budget = asked.budget
    if budget is None and own is not None and own[0].per_head:
        budget = own[0].bound * asked.requests
    if budget is None:
        fix = "say budget = ... there, the money of a day"
        raise PlanError("[pacing]", "have a budget", "none, nor [policy] one per head", WHERE, fix)
    price = 0.0 if own is None else own[1]
    day = PacingPlan(shares["share"], asked.requests, price, shares.get("spend", ()), DAY)
    return Pacer(budget, day, GRID * (price or 1.0), asked.way, asked.every)


def pace(
    run: Path | str, requests: Path | str, out: Path | str, profile: Path | str | None = None
) -> dict[str, Any]:
    """Serve a day's requests in the order of their times.

    Parameters
    ----------
    run : path
        A run folder, whose plan has [pacing].
    requests : path
        Parquet or CSV: a row a request, with its time of day and the features.
    out : path
        The folder to write ``paced.parquet`` and ``pacing.html`` into; only an earlier one is
        replaced.
    profile : path, optional
        In the place of the plan's, which lies relative to the run folder's own folder.

    Returns
    -------
    dict
        ``requests``, ``offers``, ``spent`` in expected cost, ``budget``, ``worth``.

    Raises
    ------
    PlanError, InputError
        Where [pacing] cannot be followed, or requests have no times of day.
    """
    EARLIER_PACED.check(Path(out))
    plan = source_of(run).plan
    folder = Path(run) / POLICY
    scorer = read_scorer(folder if folder.is_dir() else run)
    pacer = pacer_of(plan, scorer.policy, profile)
    name = plan.pacing.time if plan.pacing and plan.pacing.time else plan.log.time
    if name is None:
        fix = 'say time = "..." there, a column of times'
        raise PlanError("[pacing]", "have a column of times", "none, nor [log] time", WHERE, fix)
    names = column_names(requests)
    scorer.units.check_names(names, str(requests))
    if name not in names:
        fix = among(name, names, "columns")
        raise InputError(f"time {name!r}", "be a column", "no such one", str(requests), fix)
    table = read_table(requests, list(dict.fromkeys([*scorer.units.needed, name])))
    times = seconds_of_day(table[name], name)
    order = np.argsort(times, kind="stable")
    table, times = table.take(pa.array(order)), times[order]
    paced = _served(pacer, scorer, table, times)
    spend = paced["spend"].to_numpy()
    at = np.linspace(0, DAY, 97)
    planned = [pacer.budget * pacer.plan.by(t, of_spend=True) for t in at]
    row = np.searchsorted(times, at, "right")
    real = np.concatenate([[0.0], spend])[row].tolist()
    price = paced["price"].to_numpy()[np.maximum(row - 1, 0)].tolist()
    summary = {
        "requests": len(times),
        "offers": int((np.asarray(paced["chosen"].to_pylist()) != scorer.policy.control).sum()),
        "spent": float(spend[-1]),
        "budget": pacer.budget,
        "worth": float(pc.sum(paced["worth"]).as_py()),
    }
    with replacing(out, EARLIER_PACED) as place:
        place.mkdir()
        write_table(place / PACED, paced)
        title = plan.report.title or "A day, paced"
        drawn = {"hour": (at / 3600).tolist(), "planned": planned, "real": real, "price": price}
        currency = plan.report.currency
        page = pacing_page(title, summary, drawn, currency, pacer.way, pacer.every)
        (place / PAGE).write_text(page, encoding="utf-8")
    return summary


def seconds_of_day(column: pa.ChunkedArray, name: str) -> Floats:
    """The seconds since midnight of times of one day, (n,).

    Parameters
    ----------
    column : pyarrow.ChunkedArray, (n,)
        Times, with a date or without.
    name : str
        The column, for errors.

    Returns
    -------
    array, (n,)
        In [0, 86400).

    Raises
    ------
    InputError
        Where one is missing, they are no times of day, or of several days.

    Examples
    --------
    >>> from datetime import datetime
    >>> times = pa.chunked_array([[datetime(2026, 11, 2, 0, 1), datetime(2026, 11, 2, 12)]])
    >>> seconds_of_day(times, "at").tolist()
    [60.0, 43200.0]
    """
    what, kind = f"time {name!r}", column.type
    if len(column) == 0:
        raise InputError("the requests", "have rows", 0)
    absent = columns.missing(column)
    if absent.any():
        raise InputError(what, "be there in every row", "none", f"row {int(absent.argmax())}")
    if not (pa.types.is_timestamp(kind) or pa.types.is_time(kind)):
        fix = "give a column of times such as 2026-11-02 14:05:00"
        raise InputError(what, "have times of day", str(kind), fix=fix)
    if pa.types.is_timestamp(kind):
        column = pc.local_timestamp(column) if kind.tz else column
        days = pc.unique(column.cast(pa.date32(), safe=False))
        if len(days) > 1:
            fix = "give the requests of one day"
            raise InputError(what, "be of one day", f"{len(days)} days", fix=fix)
        column = column.cast(pa.time64("us"), safe=False)
    else:
        column = column.cast(pa.time64("us"), safe=False)
    seconds = np.asarray(column.cast(pa.int64())) / 1e6
    if not seconds.any():
        fix = "give a column of times such as 2026-11-02 14:05:00"
        raise InputError(what, "have times of day", "midnight in every row", fix=fix)
    return seconds


def _served(pacer: Pacer, scorer: Scorer, table: pa.Table, times: Floats) -> pa.Table:
    """Every request, in order, with its price and choice.   times: (n,) rising."""
    unit, value, cost = scorer.worth(table)
    step, n = seconds(pacer.every), len(times)
    choice, price = np.full(n, -1, np.int64), np.zeros(n)
    starts = np.flatnonzero(np.diff(times // step, prepend=-1.0))
    for start, end in zip(starts, [*starts[1:], n], strict=True):  # the price is one a step
        part, now = slice(start, end), float(times[start])
        price[part] = pacer.price(now)
        choice[part] = pacer.serve(value[part], cost[part], now)
        paid = _of_choice(cost[part], choice[part]).sum()
        pacer.spent(float(paid), now)
    paid = _of_choice(cost, choice)
    cells = np.asarray([scorer.policy.control, *scorer.policy.candidates])
    facts = {
        "seconds": times,
        "price": price,
        "chosen": cells[choice + 1],
        "worth": _of_choice(value, choice),
        "expected_cost": paid,
        "spend": np.cumsum(paid),
    }
    return pa.table({columns.free_name(scorer.id or "row", tuple(facts)): unit, **facts})


def _of_choice(each: Floats, choice: Any) -> Floats:
    """Of each unit what its choice has, (n,); 0 for none.   each: (n, k)."""
    picked = each[np.arange(len(choice)), np.maximum(choice, 0)]
    return np.where(choice >= 0, picked, 0.0)
