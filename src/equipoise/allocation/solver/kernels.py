"""Kernels: every loop over units, compiled.  All in one file, since a compiled kernel is cached by
the file it stands in.

Throughout: u unit, a candidate, c group code, q quantity, r row; value (n, k); cost (n, k), or (1,
k) for all; cube (n, k, M) of effects, of which ``columns`` (q,) count; table (2 + q, G, k) of
prices; codes (n,); coefficient (m, G, k); quantity (m,); choice (n,) with -1 for control.  The
rows that count units of code c are row[start[c] : start[c + 1]]: the others cost no time.
Additions go in a fixed order, without reassociation: the same row always gives the same bits.
"""

from __future__ import annotations

import numpy as np

from equipoise.core.kernels import njit

EVEN = 1e-12  # of what a score is made of: a smaller loss is none


@njit(cache=True)
def weigh(values, errors, columns, weights, which, z, out):  # type: ignore[no-untyped-def]
    """out (n, k): the weighted sum of the effects (n, k, m) in ``columns``, less z standard errors
    of each.
    """
    for u in range(out.shape[0]):
        for a in range(out.shape[1]):
            total = 0.0
            for j in range(len(columns)):
                w = weights[which[u], j]
                total += w * values[u, a, columns[j]]
                if z > 0.0:
                    total -= z * abs(w) * errors[u, a, columns[j]]
            out[u, a] = total


@njit(cache=True)
def fold_prices(prices, coefficient, quantity, start, row, table):  # type: ignore[no-untyped-def]
    """Add to the table what each row's price makes one unit of its quantity cost, rows in order."""
    for c in range(table.shape[1]):
        for r in row[start[c] : start[c + 1]]:
            for a in range(table.shape[2]):
                table[quantity[r], c, a] += prices[r] * coefficient[r, c, a]


@njit(cache=True)
def unfold_usage(sums, coefficient, quantity, start, row, usage):  # type: ignore[no-untyped-def]
    """Add to usage (m, G) what each row counts of the units of each code."""
    for c in range(sums.shape[1]):
        for r in row[start[c] : start[c + 1]]:
            for a in range(sums.shape[2]):
                usage[r, c] += coefficient[r, c, a] * sums[quantity[r], c, a]


@njit(cache=True, inline="always")
def priced(value, cost, cube, columns, table, u, a, c):  # type: ignore[no-untyped-def]
    """The score of one candidate for one unit.  cost has n rows, or one that serves all."""
    score = value[u, a] - table[0, c, a]
    score -= table[1, c, a] * cost[u if cost.shape[0] > 1 else 0, a]
    for q in range(len(columns)):
        score -= table[2 + q, c, a] * cube[u, a, columns[q]]
    return score


@njit(cache=True)
def lighter(cost, cube, columns, tie, u, a, b, c):  # type: ignore[no-untyped-def]
    """Whether a unit uses less under candidate a than under b: by the weights of ``tie`` (2 + q, G,
    k), and where these are equal by cost.
    """
    i = u if cost.shape[0] > 1 else 0
    one, other = tie[0, c, a] + tie[1, c, a] * cost[i, a], tie[0, c, b] + tie[1, c, b] * cost[i, b]
    for q in range(len(columns)):
        one += tie[2 + q, c, a] * cube[u, a, columns[q]]
        other += tie[2 + q, c, b] * cube[u, b, columns[q]]
    return one < other or (one == other and cost[i, a] < cost[i, b])


@njit(cache=True)
def lightest(value, cost, cube, columns, table, tie, u, arm, c):  # type: ignore[no-untyped-def]
    """Of the candidates whose score is that of ``arm``, a unit's best, the one that uses least."""
    best = priced(value, cost, cube, columns, table, u, arm, c)
    for a in range(value.shape[1]):
        if priced(value, cost, cube, columns, table, u, a, c) == best and lighter(
            cost, cube, columns, tie, u, a, arm, c
        ):
            arm = a
    return arm


@njit(cache=True)
def best_of_scores(score, cost, cube, columns, tie, codes, arm, best):  # type: ignore[no-untyped-def]
    """The best candidate of each unit, arm (n,), and its score, best (n,): of equals the one that
    uses least, of these the first.
    """
    for u in range(score.shape[0]):
        to = 0
        for a in range(1, score.shape[1]):
            if score[u, a] > score[u, to] or (
                score[u, a] == score[u, to]
                and lighter(cost, cube, columns, tie, u, a, to, codes[u])
            ):
                to = a
        arm[u], best[u] = to, score[u, to]


@njit(cache=True)
def price_all(value, cost, cube, columns, table, codes, out):  # type: ignore[no-untyped-def]
    """out (n, k): `priced` for all."""
    for u in range(out.shape[0]):
        for a in range(out.shape[1]):
            out[u, a] = priced(value, cost, cube, columns, table, u, a, codes[u])


@njit(cache=True, inline="always")
def count(cost, cube, columns, u, a, c, sums):  # type: ignore[no-untyped-def]
    """Add to ``sums`` the quantities of one unit under candidate a."""
    sums[0, c, a] += 1.0
    sums[1, c, a] += cost[u if cost.shape[0] > 1 else 0, a]
    for q in range(len(columns)):
        sums[2 + q, c, a] += cube[u, a, columns[q]]


@njit(cache=True, nogil=True)
def best_of_all(value, cost, cube, columns, table, codes, sums):  # type: ignore[no-untyped-def]
    """The sum of the best scores; the quantities of the choices, of equals the first, are added to
    ``sums``.
    """
    total = 0.0
    for u in range(value.shape[0]):
        best, arm = 0.0, -1
        for a in range(value.shape[1]):
            score = priced(value, cost, cube, columns, table, u, a, codes[u])
            if score > best:
                best, arm = score, a
        if arm >= 0:
            total += best
            count(cost, cube, columns, u, arm, codes[u], sums)
    return total


@njit(cache=True)
def best_of_codes(value, cost, cube, columns, table, codes, sums, totals, choice):  # type: ignore[no-untyped-def]
    """`best_of_all`, with the sum of each code added to ``totals`` (G,), and the choice (n,)."""
    for u in range(value.shape[0]):
        best, arm = 0.0, -1
        for a in range(value.shape[1]):
            score = priced(value, cost, cube, columns, table, u, a, codes[u])
            if score > best:
                best, arm = score, a
        choice[u] = arm
        if arm >= 0:
            totals[codes[u]] += best
            count(cost, cube, columns, u, arm, codes[u], sums)


@njit(cache=True)
def keep_choices(choice, block, side, at_left, at_right):  # type: ignore[no-untyped-def]
    """Write each unit's choice to the left (0) or right (1) end of its block, or to none (2)."""
    for u in range(len(choice)):
        if side[block[u]] == 0:
            at_left[u] = choice[u]
        elif side[block[u]] == 1:
            at_right[u] = choice[u]


@njit(cache=True, nogil=True)
def choose_all(value, cost, cube, columns, table, tie, codes, choice, margin, sums):  # type: ignore[no-untyped-def]
    """`best_of_all`, with the choice (n,), of equals the lightest, and its margin (n,)."""
    total = 0.0
    for u in range(value.shape[0]):
        best, second, arm = 0.0, -np.inf, -1
        for a in range(value.shape[1]):
            score = priced(value, cost, cube, columns, table, u, a, codes[u])
            if score > best:
                best, second, arm = score, best, a
            elif score > second:
                second = score
        if arm >= 0 and best == second:
            arm = lightest(value, cost, cube, columns, table, tie, u, arm, codes[u])
        choice[u], margin[u] = arm, best - second
        if arm >= 0:
            total += best
            count(cost, cube, columns, u, arm, codes[u], sums)
    return total


@njit(cache=True)
def add_two(high, low, x):  # type: ignore[no-untyped-def]
    """high + low + x as a rounded sum and its rest (Neumaier 1974)."""
    total = high + x
    if abs(high) >= abs(x):
        low += (high - total) + x
    else:
        low += (x - total) + high
    return total, low


@njit(cache=True)
def measure_all(value, cost, cube, columns, codes, choice, sums, rest):  # type: ignore[no-untyped-def]
    """The value of a choice; its quantities go to ``sums`` and what rounding lost to ``rest``."""
    step = 1 if cost.shape[0] > 1 else 0
    total = 0.0
    lost = 0.0
    for u in range(value.shape[0]):
        a = choice[u]
        if a < 0:
            continue
        c = codes[u]
        total, lost = add_two(total, lost, value[u, a])
        sums[0, c, a] += 1.0
        sums[1, c, a], rest[1, c, a] = add_two(sums[1, c, a], rest[1, c, a], cost[u * step, a])
        for q in range(len(columns)):
            x = cube[u, a, columns[q]]
            sums[2 + q, c, a], rest[2 + q, c, a] = add_two(sums[2 + q, c, a], rest[2 + q, c, a], x)
    return total + lost


@njit(cache=True, nogil=True)
def add_all(value, cost, cube, columns, codes, sums):  # type: ignore[no-untyped-def]
    """Add the size of every quantity of every unit and candidate to ``sums``."""
    step = 1 if cost.shape[0] > 1 else 0
    n, k = value.shape
    for u in range(n):
        c = codes[u]
        for a in range(k):
            sums[0, c, a] += 1.0
            sums[1, c, a] += cost[u * step, a]
            for q in range(len(columns)):
                sums[2 + q, c, a] += abs(cube[u, a, columns[q]])


@njit(cache=True)
def amount(cost, cube, columns, coefficient, quantity, r, u, c, a):  # type: ignore[no-untyped-def]
    """The usage of row r by unit u under candidate a (-1: control, none)."""
    if a < 0:
        return 0.0
    q = quantity[r]
    if q == 0:
        return coefficient[r, c, a]
    if q == 1:
        return coefficient[r, c, a] * cost[u if cost.shape[0] > 1 else 0, a]
    return coefficient[r, c, a] * cube[u, a, columns[q - 2]]


@njit(cache=True)
def list_switches(  # type: ignore[no-untyped-def]
    value,
    cost,
    cube,
    columns,
    table,
    codes,
    coefficient,
    quantity,
    start,
    row,
    choice,
    slack,
    scale,
    task,
    to,
    key,
):
    """The best switch of each unit: to (n,) and key (n,), the smaller the better, inf for none.
    Of mends that cost nothing, ties, the one that relieves most: a smaller one would leave the rest
    to others that cost something.
    """
    for u in range(len(choice)):
        c, now = codes[u], choice[u]
        key[u], to[u], most = np.inf, now, 0.0
        score_now = priced(value, cost, cube, columns, table, u, now, c) if now >= 0 else 0.0
        worth_now = value[u, now] if now >= 0 else 0.0
        for a in range(-1, value.shape[1]):
            loss = score_now - (
                priced(value, cost, cube, columns, table, u, a, c) if a >= 0 else 0.0
            )
            gain = (value[u, a] if a >= 0 else 0.0) - worth_now
            if a == now or (task == 1 and (gain <= 0.0 or loss >= key[u] * gain)):
                continue
            room = True
            relief = 0.0
            for r in row[start[c] : start[c + 1]]:
                if room and (task == 1 or slack[r] < 0.0):
                    more = amount(cost, cube, columns, coefficient, quantity, r, u, c, a)
                    more -= amount(cost, cube, columns, coefficient, quantity, r, u, c, now)
                    room = task == 0 or more <= slack[r]
                    relief -= max(more, slack[r]) / scale[r]
            if task == 1 and room:
                key[u], to[u] = loss / gain, a
            elif task == 0 and relief > 0.0:
                even = loss <= EVEN * (abs(score_now) + abs(worth_now) + abs(worth_now + gain))
                if (even and relief > most) or (not even and loss < key[u] * relief):
                    key[u], to[u] = 0.0 if even else loss / relief, a
                    most = relief if even else 0.0


@njit(cache=True)
def apply_switches(  # type: ignore[no-untyped-def]
    value,
    cost,
    cube,
    columns,
    table,
    codes,
    coefficient,
    quantity,
    start,
    row,
    choice,
    order,
    to,
    slack,
    scale,
    task,
):
    """Take the switches in order where they help; how many were taken."""
    switches = 0
    more = np.zeros(len(slack))
    for u in order:
        c = codes[u]
        change = 0.0
        room = True
        for r in row[start[c] : start[c + 1]]:
            more[r] = amount(cost, cube, columns, coefficient, quantity, r, u, c, to[u])
            more[r] -= amount(cost, cube, columns, coefficient, quantity, r, u, c, choice[u])
            room = room and more[r] <= slack[r]
            change += (max(more[r] - slack[r], 0.0) - max(-slack[r], 0.0)) / scale[r]
        if (task == 0 and change < 0.0) or (task == 1 and room):
            choice[u] = to[u]
            for r in row[start[c] : start[c + 1]]:
                slack[r] -= more[r]
            switches += 1
    return switches


@njit(cache=True)
def losses(value, cost, cube, columns, table, codes, choice, loss):  # type: ignore[no-untyped-def]
    """loss (n, 1 + k): what switching to control (first) or each candidate loses in score; inf for
    the choice itself.
    """
    for u in range(len(choice)):
        now = choice[u]
        score_now = priced(value, cost, cube, columns, table, u, now, codes[u]) if now >= 0 else 0.0
        loss[u, 0] = score_now
        for a in range(value.shape[1]):
            loss[u, 1 + a] = score_now - priced(value, cost, cube, columns, table, u, a, codes[u])
        loss[u, 1 + now] = np.inf


@njit(cache=True, inline="always")
def gain_of(value, u, a, now):  # type: ignore[no-untyped-def]
    """The value that switching a unit from ``now`` to a gains."""
    return (value[u, a] if a >= 0 else 0.0) - (value[u, now] if now >= 0 else 0.0)


@njit(cache=True)
def weigh_switches(  # type: ignore[no-untyped-def]
    value,
    cost,
    cube,
    columns,
    table,
    codes,
    coefficient,
    quantity,
    start,
    row,
    choice,
    unit,
    to,
    gain,
    more,
):
    """The value each switch gains, (s,), and the usage it adds to each row, (s, m)."""
    for i in range(len(unit)):
        u, a, now = unit[i], to[i], choice[unit[i]]
        c = codes[u]
        gain[i] = gain_of(value, u, a, now)
        more[i] = 0.0
        for r in row[start[c] : start[c + 1]]:
            more[i, r] = amount(cost, cube, columns, coefficient, quantity, r, u, c, a)
            more[i, r] -= amount(cost, cube, columns, coefficient, quantity, r, u, c, now)


@njit(cache=True)
def walk_switches(  # type: ignore[no-untyped-def]
    value,
    cost,
    cube,
    columns,
    codes,
    coefficient,
    quantity,
    start,
    row,
    choice,
    order,
    to,
    usage,
    limit,
    worth,
    kept,
):
    """Take the switches in order: worth (1 + s,) and whether no row is above its limit, kept
    (1 + s,), after each.  usage (m,) is that of the choice, and in the end that of all switches.
    """
    over = 0
    for r in range(len(usage)):
        over += usage[r] > limit[r]
    kept[0] = over == 0
    for i in range(len(order)):
        u, a, now = order[i], to[i], choice[order[i]]
        c = codes[u]
        worth[i + 1] = worth[i] + gain_of(value, u, a, now)
        for r in row[start[c] : start[c + 1]]:
            over -= usage[r] > limit[r]
            usage[r] += amount(cost, cube, columns, coefficient, quantity, r, u, c, a)
            usage[r] -= amount(cost, cube, columns, coefficient, quantity, r, u, c, now)
            over += usage[r] > limit[r]
        kept[i + 1] = over == 0
