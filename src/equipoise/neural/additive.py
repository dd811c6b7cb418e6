"""Training of additive id networks on the CPU: each step is three passes over the ids, compiled, in
place of a graph of tensors.

A score is z_o = b_o + sum_j h_jo . v_j[code_j].  With P_j = V_j H_j^T, (size_j, o), and G_j the
scores' gradients summed by code,

    z = b + sum_j P_j[code_j]      dV_j = G_j H_j      dH_j = G_j^T V_j      db = sum G_1

so a step gathers and scatters o numbers per row, where the tables' width would be 64; and one pass
over V takes Adam's step and makes the next P while a row is at hand.  It is the function, the
gradient and the Adam (Kingma & Ba, 2015; decay as an L2 penalty) of `equipoise.neural.train` on
`equipoise.neural.id_nets.Additive`; sums are taken in another order.

S ids of all columns, stacked; k width; o outputs; B rows of a batch.  Kernels release the lock:
fits run side by side on threads.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from equipoise.core.arrays import Floats, Ints
from equipoise.core.kernels import njit
from equipoise.neural.fast_math import FAST, exponentials, logarithms
from equipoise.neural.id_nets import Additive
from equipoise.neural.train import Epochs, History, Progress, Training

SQUARED, CROSS_ENTROPY, LIKELIHOOD = range(3)
BETA1, BETA2, EPSILON = np.float32(0.9), np.float32(0.999), np.float32(1e-8)
NUDGE = np.float32(1e-6)  # of the composite's probabilities, as in `equipoise.neural.losses`
LEAST = np.float32(1e-37)  # whose logarithm is taken
BLOCK = 512  # rows at once, so that what is worked on stays near


class _State:
    """An additive net and its moments as arrays; ``back`` writes what was learnt into the net."""

    def __init__(self, net: Additive) -> None:
        self.net = net
        self.V = np.concatenate([_plain(table) for table in net.tables])  # (S, k)
        self.H = np.stack([_plain(head) for head in net.heads])  # (p, o, k)
        self.b = _plain(net.bias).copy()
        sizes = [len(table) for table in net.tables]
        self.start = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        moments = [np.zeros_like(part) for part in (self.V, self.V, self.H, self.H, self.b, self.b)]
        P = np.concatenate(
            [_plain(t) @ _plain(h).T for t, h in zip(net.tables, net.heads, strict=True)]
        )  # (S, o)
        self.arrays = (self.V, self.H, self.b, *moments, P, np.zeros_like(P), self.start)

    def back(self) -> None:
        """Into the net."""
        with torch.no_grad():
            for j, (table, head) in enumerate(zip(self.net.tables, self.net.heads, strict=True)):
                table.copy_(torch.from_numpy(self.V[self.start[j] : self.start[j + 1]]))
                head.copy_(torch.from_numpy(self.H[j]))
            self.net.bias.copy_(torch.from_numpy(self.b))


@dataclass(frozen=True)
class Composite:
    """The weighted cross-entropies of six cells.   weight: (6,); eta: of the propensity's squared
    error; thr: its least value.
    """

    weight: Sequence[float]
    eta: float
    thr: float


def train_one(
    net: Additive,
    kind: int,
    codes: Ints,
    target: Floats | Ints,
    how: Training,
    *,
    weight: Floats | None = None,
    judge: Callable[[], torch.Tensor] | None = None,
    progress: Progress | None = None,
) -> History:
    """Train a net on ``SQUARED`` or ``CROSS_ENTROPY`` of target (n,), or on the ``LIKELIHOOD`` of
    cells 0..5, weighted (n,).
    """
    state = _State(net)
    place, y = _places(codes, state), np.ascontiguousarray(target, np.float32)
    each = (
        np.ones(len(y), np.float32) if weight is None else np.ascontiguousarray(weight, np.float32)
    )
    batch = min(how.batch, len(y))

    def epoch(order: Ints, count: int) -> float:
        columns = place[order], y[order], each[order]
        return float(epoch_one(state.arrays, *columns, kind, batch, count, how.rate, how.decay))

    return _epochs([state], epoch, len(y), how, judge, progress)


def train_joint(
    strata: Additive,
    propensity: Additive,
    codes: Ints,
    cell: Ints,
    loss: Composite,
    how: Training,
    progress: Progress | None = None,
) -> History:
    """Train strata (five outputs) and propensity (one) together on the composite of the cells,
    0..5, offered in 0..3.
    """
    states = [_State(strata), _State(propensity)]
    place, batch = _places(codes, states[0]), min(how.batch, len(cell))
    cells = np.ascontiguousarray(cell, np.int32)
    weight = np.asarray(loss.weight, np.float32)
    constants = (np.float32(loss.eta), np.float32(loss.thr))

    def epoch(order: Ints, count: int) -> float:
        columns = states[0].arrays, states[1].arrays, place[order], cells[order]
        return float(epoch_joint(*columns, weight, *constants, batch, count, how.rate, how.decay))

    return _epochs(states, epoch, len(cell), how, None, progress)


def _epochs(
    states: list[_State],
    epoch: Callable[[Ints, int], float],
    rows: int,
    how: Training,
    judge: Callable[[], torch.Tensor] | None,
    progress: Progress | None,
) -> History:
    """Epochs until the rule says stop, with the permutations of `train`."""
    batch = min(how.batch, rows)
    steps, run = rows // batch, Epochs(states[0].net, how, judge, progress)
    rng, start, count = torch.Generator().manual_seed(how.seed), time.perf_counter(), 0
    while run.goes_on():
        order = torch.randperm(rows, generator=rng).numpy()[: steps * batch]
        total = epoch(order, count)
        count += steps
        if judge is not None:
            for state in states:
                state.back()
        run.take(total)
    for state in states if judge is None else ():
        state.back()
    return run.finish(time.perf_counter() - start)


def _plain(tensor: torch.Tensor) -> Any:
    return tensor.detach().cpu().numpy().astype(np.float32, copy=True)


def _places(codes: Ints, state: _State) -> Ints:
    """The row of V of each code, (n, p)."""
    return np.ascontiguousarray(codes + state.start[:-1], dtype=np.int32)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def epoch_one(state, place, y, weight, kind, batch, count, rate, decay):  # type: ignore[no-untyped-def]
    """One pass over the rows as they come; the sum of the batches' losses."""
    o = len(state[2])
    z, total = np.empty((batch, o), np.float32), 0.0
    for s in range(len(y) // batch):
        low, high = s * batch, (s + 1) * batch
        gather(state, place[low:high], z)
        if kind == 2:
            total += likelihood_gradient(z, y[low:high], weight[low:high])
        else:
            total += binary_gradient(z, y[low:high], kind)
        scatter(state, place[low:high], z)
        adam(state, z, count + s + 1, rate, decay)
    return total


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def epoch_joint(five, one, place, cell, weight, eta, thr, batch, count, rate, decay):  # type: ignore[no-untyped-def]
    """One pass over the rows as they come, both nets together; the sum of the batches' losses."""
    z, s, total = np.empty((batch, 5), np.float32), np.empty((batch, 1), np.float32), 0.0
    for step in range(len(cell) // batch):
        low, high = step * batch, (step + 1) * batch
        gather(five, place[low:high], z)
        gather(one, place[low:high], s)
        total += composite_gradient(z, s, cell[low:high], weight, eta, thr)
        scatter(five, place[low:high], z)
        scatter(one, place[low:high], s)
        adam(five, z, count + step + 1, rate, decay)
        adam(one, s, count + step + 1, rate, decay)
    return total


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def gather(state, place, z):  # type: ignore[no-untyped-def]
    """z (B, o): the scores of the rows."""
    b, P = state[2], state[9]
    for i in range(len(z)):
        for q in range(len(b)):
            z[i, q] = b[q]
        for j in range(place.shape[1]):
            v = place[i, j]
            for q in range(len(b)):
                z[i, q] += P[v, q]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def scatter(state, place, z):  # type: ignore[no-untyped-def]
    """G (S, o): the gradients z (B, o) summed by id."""
    G = state[10]
    G[:] = 0
    for i in range(len(z)):
        for j in range(place.shape[1]):
            v = place[i, j]
            for q in range(z.shape[1]):
                G[v, q] += z[i, q]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def adam(state, z, t, rate, decay):  # type: ignore[no-untyped-def]
    """One step of Adam on every part, and P anew.   z: (B, o), the scores' gradients; t: steps,
    this one counted.
    """
    V, H, b, mV, vV, mH, vH, mb, vb, P, G, start = state
    o, k = H.shape[1], H.shape[2]
    size = np.float32(rate / (1 - 0.9**t))
    root = np.float32(1 / np.sqrt(1 - 0.999**t))
    shrink = np.float32(decay)
    for q in range(o):
        g = shrink * b[q]
        for i in range(len(z)):
            g += z[i, q]
        mb[q] += (np.float32(1) - BETA1) * (g - mb[q])
        vb[q] = BETA2 * vb[q] + (np.float32(1) - BETA2) * g * g
        b[q] -= size * mb[q] / (np.sqrt(vb[q]) * root + EPSILON)
    old, dH = np.empty((o, k), np.float32), np.empty((o, k), np.float32)
    for j in range(len(start) - 1):
        for q in range(o):
            for c in range(k):
                old[q, c], dH[q, c] = H[j, q, c], shrink * H[j, q, c]
        for v in range(start[j], start[j + 1]):
            for q in range(o):
                if G[v, q] != 0:
                    for c in range(k):
                        dH[q, c] += G[v, q] * V[v, c]
        for q in range(o):
            for c in range(k):
                mH[j, q, c] += (np.float32(1) - BETA1) * (dH[q, c] - mH[j, q, c])
                vH[j, q, c] = BETA2 * vH[j, q, c] + (np.float32(1) - BETA2) * dH[q, c] * dH[q, c]
                H[j, q, c] -= size * mH[j, q, c] / (np.sqrt(vH[j, q, c]) * root + EPSILON)
        table_step(V, mV, vV, P, G, old, H[j], start[j], start[j + 1], size, root, shrink)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def table_step(V, mV, vV, P, G, old, new, low, high, size, root, shrink):  # type: ignore[no-untyped-def]
    """Adam on the rows low..high of V, with heads ``old`` (o, k) in the gradient and ``new`` (o, k)
    in P.
    """
    o, k = old.shape
    grad = np.empty(k, np.float32)
    for v in range(low, high):
        for c in range(k):
            grad[c] = shrink * V[v, c]
        for q in range(o):
            for c in range(k):
                grad[c] += G[v, q] * old[q, c]
        for c in range(k):
            g = grad[c]
            m = mV[v, c] + (np.float32(1) - BETA1) * (g - mV[v, c])
            s = BETA2 * vV[v, c] + (np.float32(1) - BETA2) * g * g
            mV[v, c], vV[v, c] = m, s
            V[v, c] -= size * m / (np.sqrt(s) * root + EPSILON)
        for q in range(o):
            total = np.float32(0)
            for c in range(k):
                total += new[q, c] * V[v, c]
            P[v, q] = total


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def binary_gradient(z, y, kind):  # type: ignore[no-untyped-def]
    """z (B, 1): scores in, the mean loss's gradient out; the loss.   kind: squared error of the
    sigmoid, or cross-entropy.
    """
    total, each = 0.0, np.float32(1 / len(y))
    for i in range(len(y)):
        s, target = z[i, 0], y[i]
        p = np.float32(1) / (np.float32(1) + np.exp(-s))
        if kind == 0:
            total += (p - target) ** 2
            z[i, 0] = np.float32(2) * (p - target) * p * (np.float32(1) - p) * each
        else:
            total += max(s, np.float32(0)) - s * target + np.log1p(np.exp(-abs(s)))
            z[i, 0] = (p - target) * each
    return total / len(y)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def likelihood_gradient(z, y, weight):  # type: ignore[no-untyped-def]
    """z (B, 5): scores in, gradient out; minus the weighted mean log-likelihood of the cells y (B,)
    in 0..5.
    """
    total = 0.0
    f = np.empty(5, np.float32)
    for i in range(len(y)):
        cell, w = int(y[i]), weight[i] / np.float32(len(y))
        softmax_row(z, i, f)
        p = np.float32(0)
        for q in range(5):
            if shows(q, cell):
                p += f[q]
        p = max(p, np.float32(1e-30))
        total -= w * np.log(p)
        for q in range(5):
            z[i, q] = w * (f[q] - (f[q] / p if shows(q, cell) else np.float32(0)))
    return total


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST, inline="always")
def shows(stratum, cell):  # type: ignore[no-untyped-def]
    """Whether a stratum shows a cell: 0-3 are 2 c + y when offered, 4 bought without an offer, 5
    did not.
    """
    if cell < 3:
        return stratum == cell
    if cell == 3:
        return stratum >= 3
    buys = stratum == 1 or stratum == 4
    return buys if cell == 4 else not buys


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST, inline="always")
def softmax_row(z, i, f):  # type: ignore[no-untyped-def]
    """f (5,): the probabilities of scores z[i]."""
    top, total = z[i, 0], np.float32(0)
    for q in range(1, 5):
        top = max(top, z[i, q])
    for q in range(5):
        f[q] = np.exp(z[i, q] - top)
        total += f[q]
    for q in range(5):
        f[q] /= total


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST, inline="always")
def raise_scores(z, s, low, n, E, bits):  # type: ignore[no-untyped-def]
    """E (6, BLOCK): exponentials of n rows' strata scores, less the row's greatest, and of -s."""
    for i in range(n):
        top = max(
            max(max(z[low + i, 0], z[low + i, 1]), max(z[low + i, 2], z[low + i, 3])),
            z[low + i, 4],
        )
        for q in range(5):
            E[q, i] = z[low + i, q] - top
        E[5, i] = -s[low + i, 0]
    for q in range(6):
        exponentials(E[q, :n], bits)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def composite_gradient(z, s, cell, weight, eta, thr):  # type: ignore[no-untyped-def]
    """z (B, 5), s (B, 1): scores in, gradients out; the sum of the six weighted cross-entropies and
    of eta (g - t)^2.

    Rows go in blocks: exponentials of a block, its gradients, then the logarithms of its loss.
    """
    total, one = 0.0, np.float32(1)
    E, L, bits = (
        np.empty((6, BLOCK), np.float32),
        np.empty((6, BLOCK), np.float32),
        np.empty(BLOCK, np.int32),
    )
    for low in range(0, len(cell), BLOCK):
        n = min(BLOCK, len(cell) - low)
        raise_scores(z, s, low, n, E, bits)
        for i in range(n):
            own = cell[low + i]
            part = one / (E[0, i] + E[1, i] + E[2, i] + E[3, i] + E[4, i])
            a, b, c, d, e = (
                E[0, i] * part,
                E[1, i] * part,
                E[2, i] * part,
                E[3, i] * part,
                E[4, i] * part,
            )
            raw = one / (one + E[5, i])
            g = max(raw, thr)
            h = one - g
            s0, L[0, i] = cross(a * g, own == 0, weight[0])
            s1, L[1, i] = cross(b * g, own == 1, weight[1])
            s2, L[2, i] = cross(c * g, own == 2, weight[2])
            s3, L[3, i] = cross((d + e) * g, own == 3, weight[3])
            s4, L[4, i] = cross((b + e) * h, own == 4, weight[4])
            s5, L[5, i] = cross((a + c + d) * h, own == 5, weight[5])
            da, db, dc, dd, de = (
                s0 * g + s5 * h,
                s1 * g + s4 * h,
                s2 * g + s5 * h,
                s3 * g + s5 * h,
                s3 * g + s4 * h,
            )
            dg = s0 * a + s1 * b + s2 * c + s3 * (d + e) - s4 * (b + e) - s5 * (a + c + d)
            miss = g - (one if own < 4 else np.float32(0))
            total += eta * miss * miss
            dg += np.float32(2) * eta * miss
            s[low + i, 0] = dg * raw * (one - raw) if raw >= thr else np.float32(0)
            inner = da * a + db * b + dc * c + dd * d + de * e
            z[low + i, 0], z[low + i, 1], z[low + i, 2] = (
                a * (da - inner),
                b * (db - inner),
                c * (dc - inner),
            )
            z[low + i, 3], z[low + i, 4] = d * (dd - inner), e * (de - inner)
        for q in range(6):
            total -= weight[q] * logarithms(L[q, :n], bits)
    return total


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST, inline="always")
def cross(p, hit, weight):  # type: ignore[no-untyped-def]
    """Of one cell's probability: the slope of its weighted cross-entropy, and the number whose -log
    it is.
    """
    one = np.float32(1)
    q = min(p + NUDGE, one)
    slope = -weight / q if hit else weight * q / max((one - q) * q, np.float32(1e-12))
    return (slope if p + NUDGE <= one else np.float32(0)), (q if hit else max(one - q, LEAST))
