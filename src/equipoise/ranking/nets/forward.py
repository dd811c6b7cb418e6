"""What a net of HarmonRank has learnt, as plain arrays: it ranks without torch and is saved without
code (`equipoise.neural.harmonrank` has the formulas).

Tokens are linear in the scores, so that attention is too, but for two softmaxes: the logits of
objectives j and l are

    z_j z_l alpha_jl + z_j beta_jl + z_l gamma_jl + delta_jl

with constants that are known once the net is learnt, and those of a viewer's question once the
viewer is known.  A row costs no product of matrices but one at the end.

n rows, R viewers, M scores, w width, H heads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from equipoise.core.arrays import Floats
from equipoise.core.kernels import njit
from equipoise.neural.id_scores import elu, softmax

CHUNK = 16_384  # rows at once: memory does not grow with n but for the answer
BLOCK = 32  # rows of a kernel's loop
ROUND = 6755399441055744.0  # 1.5 * 2^52: the sum with a small number is whole


class RankForward:
    """The net's function.   weights : its arrays by name.   heads, and which parts there are, are
    told by their shapes and names.
    """

    def __init__(self, weights: Mapping[str, Any]) -> None:
        part = {name: np.asarray(value, np.float64) for name, value in weights.items()}
        self.weights = weights
        self.part, slope, offset = part, part["slope"], part["offset"]
        width = slope.shape[1]
        self.root, self.values = width**-0.5, part["question.value"]
        self.heads = len(self.values)
        self.tokens = np.stack([slope, offset])  # (2, M, w)
        self.logits, seen = np.empty((0, 4, *2 * (len(slope),))), np.empty((0, *self.tokens.shape))
        if "align.query" in part:
            towards = part["align.query"].transpose(0, 2, 1) @ part["align.key"] * self.root
            pairs = np.einsum("pjw,hwv,qlv->hpqjl", self.tokens, towards, self.tokens)
            self.logits = np.ascontiguousarray(pairs.reshape(-1, 4, *pairs.shape[3:]))
            align = part["align.value"]
            seen = np.einsum("plw,hvw->hplv", self.tokens, align) / len(align)
        # what each coefficient of a row stands for: own tokens, then those seen by each head
        self.basis = np.concatenate([self.tokens[None], seen])  # (1 + H', 2, M, w)
        self.ends = np.einsum("gvw,kpjw->gkpjv", self.values, self.basis).reshape(-1, width)
        self.slots, self.through, self.constant = self._viewer_layer(width)

    def _viewer_layer(self, width: int) -> tuple[int, Floats, Floats]:
        """The slots of a position, and the one layer (d S, w) that reads them."""
        if "profile.weight" not in self.part:
            return 0, np.empty((0, width)), np.zeros(width)
        weight, bias = self.part["profile.weight"], self.part["profile.bias"]
        d, slots, _ = weight.shape
        state = self.part["state.weight"].reshape(-1, d, width)  # (w, d, w)
        through = np.einsum("dsw,odw->dso", weight, state).reshape(d * slots, -1)
        constant = np.einsum("dw,odw->o", bias, state) + self.part["state.bias"]
        return slots, through, constant

    def viewers(self, u: Floats) -> Floats:
        """The states of viewers, (R, w).   u: (R, d) positions."""
        if not self.slots:
            return np.zeros((len(u), len(self.constant)))
        basis = np.clip(u[:, :, None] - np.arange(self.slots), 0.0, 1.0).reshape(len(u), -1)
        return elu(basis @ self.through + self.constant)

    def gates(self, viewer: Floats) -> Floats:
        """What the agnostic part weighs each score by, (R, M); 0 where there is no gate.   viewer:
        (R, w).
        """
        if "gate.weight" not in self.part:
            return np.zeros((len(viewer), self.tokens.shape[1]))
        return softmax(viewer @ self.part["gate.weight"].T + self.part["gate.bias"])

    def __call__(self, z: Floats, u: Floats) -> Floats:
        """The scores to rank by, (n,).   z: (n, M); u: (n, d), or (1, d) where one viewer asks for
        all rows.
        """
        score = np.empty(len(z))
        for low in range(0, len(z), CHUNK):
            rows = slice(low, low + CHUNK)
            score[rows] = self._chunk(z[rows], u if len(u) == 1 else u[rows])
        return score

    def _chunk(self, z: Floats, u: Floats) -> Floats:
        viewer = self.viewers(u)
        who = np.zeros(len(z), np.int64) if len(u) == 1 else np.arange(len(z))
        coefficients = np.empty((len(self.ends), len(z)))
        _coefficients(np.ascontiguousarray(z), who, self.logits, self._asked(viewer), coefficients)
        context = viewer @ self.part["context.weight"].T + self.part["context.bias"]
        answer = elu(coefficients.T @ self.ends + context[who])
        score: Floats = answer @ self.part["end.weight"][0] + self.part["bias"]
        if "gate.weight" in self.part:
            score += np.exp(self.part["log_scale"]) * (self.gates(viewer)[who] * z).sum(axis=1)
        return score

    def _asked(self, viewer: Floats) -> Floats:
        """The logits that each basis token gets from a viewer's question, (R, G, 1 + H', 2, M)."""
        shape = (len(viewer), self.heads, self.tokens.shape[2])
        if "question.query.weight" not in self.part:
            return np.zeros((*shape[:2], *self.basis.shape[:3]))
        query = self.part["question.query.weight"], self.part["question.query.bias"]
        asked = (viewer @ query[0].T + query[1]).reshape(shape) * self.root
        flat = self.basis.reshape(-1, shape[2])
        logits: Floats = (asked.reshape(-1, shape[2]) @ flat.T).reshape(
            *shape[:2], *self.basis.shape[:3]
        )
        return logits


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _coefficients(z, who, logits, asked, out):  # type: ignore[no-untyped-def]
    """out (G (1 + H) 2 M, n): how much of each basis token a row's answer holds.   z: (n, M); who:
    (n,) the row's viewer; logits: (H, 4, M, M); asked: (R, G, 1 + H, 2, M).

    A block of rows at once, rows innermost, so that a compiler makes vector code of every loop.
    """
    heads, m, questions = len(logits), z.shape[1], asked.shape[1]
    x, top, total = np.empty((m, BLOCK)), np.empty(BLOCK), np.empty(BLOCK)
    share, weigh = np.empty((heads, m, m, BLOCK)), np.empty((m, BLOCK))
    of, work = np.empty((*asked.shape[1:], BLOCK)), np.empty((m, BLOCK))
    for low in range(0, len(z), BLOCK):
        size = min(BLOCK, len(z) - low)
        for b in range(BLOCK):  # the last block's empty places repeat its last row
            i = low + min(b, size - 1)
            x[:, b] = z[i]
            of[..., b] = asked[who[i]]
        for h in range(heads):
            for j in range(m):
                for k in range(m):
                    both, one, two, none = logits[h, :, j, k]
                    for b in range(BLOCK):
                        value = x[j, b] * (x[k, b] * both + one)
                        share[h, j, k, b] = value + x[k, b] * two + none
                _softmax(share[h, j], work, top, total)
        at = 0
        for g in range(questions):
            for j in range(m):
                for b in range(BLOCK):
                    weigh[j, b] = x[j, b] * of[g, 0, 0, j, b] + of[g, 0, 1, j, b]
            for h in range(heads):
                for k in range(m):
                    for b in range(BLOCK):
                        top[b] = x[k, b] * of[g, 1 + h, 0, k, b] + of[g, 1 + h, 1, k, b]
                    for j in range(m):
                        for b in range(BLOCK):
                            weigh[j, b] += share[h, j, k, b] * top[b]
            _softmax(weigh, work, top, total)
            for j in range(m):
                for b in range(size):
                    out[at + j, low + b] = weigh[j, b] * x[j, b]
                    out[at + m + j, low + b] = weigh[j, b]
            at += 2 * m
            for h in range(heads):
                for k in range(m):
                    total[:] = 0.0
                    for j in range(m):
                        for b in range(BLOCK):
                            total[b] += weigh[j, b] * share[h, j, k, b]
                    for b in range(size):
                        out[at + k, low + b] = total[b] * x[k, b]
                        out[at + m + k, low + b] = total[b]
                at += 2 * m


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _softmax(x, work, top, total):  # type: ignore[no-untyped-def]
    """x (M, B) becomes its softmax over M, right to a few ulps.   work: (M, B); top, total: (B,).

    exp v = 2^k exp(r), k the whole number nearest to v log2 e: adding `ROUND` leaves it in the last
    bits, and exp(r) is its series (Muller 2016, Elementary Functions, chapters 3 and 5).
    """
    m, size = x.shape
    top[:], total[:] = x[0], 0.0
    for k in range(1, m):
        for b in range(size):
            top[b] = max(top[b], x[k, b])
    whole, power = work.view(np.int64), x.view(np.int64)
    for k in range(m):
        for b in range(size):
            v = max(x[k, b] - top[b], -700.0)
            work[k, b] = v * 1.4426950408889634 + ROUND
            n = work[k, b] - ROUND
            r = v - n * 0.6931471803691238 - n * 1.9082149292705877e-10
            p = r * 2.08767569878681e-9 + 2.505210838544172e-8
            p = p * r + 2.755731922398589e-7
            p = p * r + 2.7557319223985893e-6
            p = p * r + 2.48015873015873e-5
            p = p * r + 1.984126984126984e-4
            p = p * r + 1.388888888888889e-3
            p = p * r + 8.333333333333333e-3
            p = p * r + 4.1666666666666664e-2
            p = p * r + 0.16666666666666666
            p = p * r + 0.5
            x[k, b] = p * r * r + r + 1.0
        for b in range(size):
            power[k, b] += whole[k, b] << 52
        for b in range(size):
            total[b] += x[k, b]
    for k in range(m):
        for b in range(size):
            x[k, b] /= total[b]
