"""causalml's curves under ties: their sums over rows, as on average over the orders of the ties.

causalml sorts by an unstable sort, so the order of tied rows is a lot.  Its mean is known.  Before
a tie stand n_t, n_c rows with outcomes' sums Y_t, Y_c; the tie has T treated rows of mean y_T and C
of control of mean y_C.  Of its first j rows a ~ hypergeometric(T + C, T, j) are treated, b = j - a
are control, and given a they bring a y_T and b y_C on average:

    E[(Y_t + a y_T) / (n_t + a)]           = y_T + (Y_t - n_t y_T) E[1 / (n_t + a)]
    E[(Y_c + b y_C) (n_t + a) / (n_c + b)] = y_C (n_t + E a) + (Y_c - n_c y_C)
                                             ((n_t + n_c + j) E[1 / (n_c + b)] - 1)

Rows before both arms (qini: before control) are met lie on a line from 0 to the first row K where
they are; with no control before the tie, P(b = 0) = prod_{r < j} (T - r) / (T + C - r).  Weights
count in the least of them, as that many equal rows; where one is then no whole number, each tie is
spread evenly.
"""

from __future__ import annotations

import numpy as np

from equipoise.core.kernels import njit

TAIL = 1e-18  # probabilities below this part of the largest are left out
SMALL = 1e-13  # the relative error of an expansion in central moments


@njit(cache=True)
def mean_inverse(base, hits, misses, drawn):  # type: ignore[no-untyped-def]
    """E[1 / (base + a)], a the hits among ``drawn`` of hits + misses; base > 0."""
    size = hits + misses
    mean = base + drawn * hits / size
    spread = drawn * hits / size * misses / size * (size - drawn) / max(size - 1, 1)
    if 15 * spread**3 < SMALL * mean**6 and spread < SMALL * mean**4:
        skew = spread * (size - 2 * hits) * (size - 2 * drawn) / (size * max(size - 2, 1))
        return (1 + spread / mean**2 - skew / mean**3 + 3 * spread**2 / mean**4) / mean
    low, high = max(0.0, drawn - misses), min(hits, drawn)
    middle = min(max(np.floor((drawn + 1) * (hits + 1) / (size + 2)), low), high)
    total, value, p, a = 1.0, 1 / (base + middle), 1.0, middle
    while a < high and p > TAIL:
        p *= (hits - a) * (drawn - a) / ((a + 1) * (misses - drawn + a + 1))
        a += 1
        total += p
        value += p / (base + a)
    p, a = 1.0, middle
    while a > low and p > TAIL:
        p *= a * (misses - drawn + a) / ((hits - a + 1) * (drawn - a + 1))
        a -= 1
        total += p
        value += p / (base + a)
    return value / total


@njit(cache=True)
def _level(n, y, mean, hits, misses, drawn):  # type: ignore[no-untyped-def]
    """E[(y + a mean) / (n + a)] over a > 0 - n."""
    rest = y - n * mean
    return mean if n == 0 or rest == 0 else mean + rest * mean_inverse(n, hits, misses, drawn)


@njit(cache=True)
def _gain_sum(n_t, n_c, y_t, y_c, T, C, m_t, m_c):  # type: ignore[no-untyped-def]
    """Sum over the rows of a tie of gain(k), with the rows before it if both arms are first met in
    it.
    """
    N, before, total = T + C, n_t + n_c, 0.0
    no_c, no_t = 1.0, 1.0  # P(the first j rows hold no control, no treated)
    for step in range(1, int(N) + 1):
        j, k = float(step), before + step
        last_c, last_t = no_c, no_t
        no_c *= max(T - j + 1, 0.0) / (N - j + 1)
        no_t *= max(C - j + 1, 0.0) / (N - j + 1)
        if n_t > 0 and n_c > 0:
            lift = _level(n_t, y_t, m_t, T, C, j) - _level(n_c, y_c, m_c, C, T, j)
            total += k * lift
            continue
        at_j = 0.0  # E[lift at the first row where both are met, if it is this one]
        if n_t > 0:
            lift = _level(n_t, y_t, m_t, T, C, j) - m_c
            lift -= no_c * ((y_t + j * m_t) / (n_t + j) - m_c)
            at_j = (last_c - no_c) * ((y_t + (j - 1) * m_t) / (n_t + j - 1) - m_c)
        elif n_c > 0:
            lift = m_t - _level(n_c, y_c, m_c, C, T, j)
            lift -= no_t * (m_t - (y_c + j * m_c) / (n_c + j))
            at_j = (last_t - no_t) * (m_t - (y_c + (j - 1) * m_c) / (n_c + j - 1))
        else:
            lift = (m_t - m_c) * (1 - no_c - no_t)
            at_j = (m_t - m_c) * (last_c + last_t - no_c - no_t) if step > 1 else 0.0
        total += k * lift + at_j * (k - 1) * (2 * k - 1) / 6
    return total


@njit(cache=True)
def _qini_sum(n_t, n_c, y_t, y_c, T, C, m_t, m_c):  # type: ignore[no-untyped-def]
    """Sum over the rows of a tie of qini(k), with the rows before it if control is first met in
    it.
    """
    N, before, total, no_c = T + C, n_t + n_c, 0.0, 1.0
    rest = y_c - n_c * m_c
    for step in range(1, int(N) + 1):
        j, k, last_c = float(step), before + step, no_c
        no_c *= max(T - j + 1, 0.0) / (N - j + 1)
        treated = j * T / N
        value = y_t + treated * m_t - m_c * (n_t + treated)
        if n_c > 0:
            inverse = mean_inverse(n_c, C, T, j) if rest != 0 else 0.0
            total += value - rest * (k * inverse - 1)
        else:
            first = y_t + (j - 1) * m_t - m_c * (n_t + j - 1)  # where row j is the first control
            total += value - no_c * (y_t + j * m_t - m_c * (n_t + j))
            total += (last_c - no_c) * first * (k - 1) / 2
    return total


@njit(cache=True)
def _even_sums(n_t, n_c, y_t, y_c, T, C, m_t, m_c):  # type: ignore[no-untyped-def]
    """(sum of gain, sum of qini) over a tie whose rows are spread evenly: T and C any weights."""
    N, before = T + C, n_t + n_c
    steps = int(np.ceil(N))
    size, gains, qinis = N / steps, 0.0, 0.0
    both, control = n_t > 0 and n_c > 0, n_c > 0
    gain = before * (y_t / n_t - y_c / n_c) if both else 0.0
    qini = y_t - y_c * n_t / n_c if control else 0.0
    for step in range(1, steps + 1):
        s, k = step / steps, before + step * size
        t, c = n_t + s * T, n_c + s * C
        if t > 0 and c > 0:
            lift = (y_t + s * T * m_t) / t - (y_c + s * C * m_c) / c
            gains += (
                size * gain + (size + 1) / 2 * (k * lift - gain)
                if both
                else lift * (k + 1) * (2 * k + 1) / 6
            )
            both, gain = True, k * lift
        if c > 0:
            value = y_t + s * T * m_t - (y_c + s * C * m_c) * t / c
            qinis += (
                size * qini + (size + 1) / 2 * (value - qini) if control else value * (k + 1) / 2
            )
            control, qini = True, value
    return gains, qinis


@njit(cache=True)
def curve_sums(outcome, arm, weight, last, whole, gains):  # type: ignore[no-untyped-def]
    """(sum over rows of gain(k), or of qini(k) unless ``gains``; n_t, n_c, Y_t, Y_c at the end).

    outcome, arm (1, 0, -1), weight, last: (n,) in ranked order; whole: weights are whole numbers.
    """
    n_t, n_c, y_t, y_c, total = 0.0, 0.0, 0.0, 0.0, 0.0
    T, C, s_t, s_c = 0.0, 0.0, 0.0, 0.0
    for p in range(len(last)):
        if arm[p] == 1:
            T += weight[p]
            s_t += weight[p] * outcome[p]
        elif arm[p] == 0:
            C += weight[p]
            s_c += weight[p] * outcome[p]
        if not last[p] or T + C == 0:
            continue
        m_t, m_c = (s_t / T if T > 0 else 0.0), (s_c / C if C > 0 else 0.0)
        met = n_c + C > 0 and (n_t + T > 0 or not gains)
        if met and not whole:
            pair = _even_sums(n_t, n_c, y_t, y_c, T, C, m_t, m_c)
            total += pair[0] if gains else pair[1]
        elif met and gains:
            total += _gain_sum(n_t, n_c, y_t, y_c, T, C, m_t, m_c)
        elif met:
            total += _qini_sum(n_t, n_c, y_t, y_c, T, C, m_t, m_c)
        n_t, n_c, y_t, y_c = n_t + T, n_c + C, y_t + s_t, y_c + s_c
        T, C, s_t, s_c = 0.0, 0.0, 0.0, 0.0
    return total, n_t, n_c, y_t, y_c
