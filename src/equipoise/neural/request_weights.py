"""Weights of metrics for a request: a small mixture of experts, learnt with torch, answered with
numpy.

    e = features' bases, linearly embedded      p_e = elu(W_e e + b_e)      g_r = softmax(G_r e)
    o_r = h_r . sum_e g_re p_e
    w_ir = softmax_r o_ir                       > 0, sum 1

What was learnt is a dozen arrays; `Weigher` answers from them alone, and they are kept in a
safetensors file beside their JSON.

    Ma et al. (2018), KDD, "MMoE".     n requests, d features, S slots, w width, E experts, m
    metrics.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from equipoise.core.arrays import Floats
from equipoise.core.errors import MissingExtra, SnapshotError
from equipoise.core.snapshot import replacing
from equipoise.neural.piecewise_linear import Inputs

NAMES = (
    "embed.weight",
    "embed.bias",
    "bodies.weight",
    "bodies.bias",
    "gates.weight",
    "gates.bias",
    "heads.weight",
    "heads.bias",
)


@dataclass(frozen=True)
class Weigher:
    """Learnt weights.   inputs: of the features; arrays: by `NAMES`; metrics: their names, in
    order.
    """

    inputs: Inputs
    arrays: dict[str, Any]
    metrics: tuple[str, ...]

    def __call__(self, X: Floats) -> Floats:
        """The weights of requests (n, d), (n, m): > 0, with a sum of 1."""
        a = self.arrays
        u = self.inputs.positions(np.atleast_2d(np.asarray(X, np.float64)))
        slots = np.arange(a["embed.weight"].shape[1], dtype=np.float32)
        basis = np.clip(u[:, :, None] - slots, 0.0, 1.0)  # (n, d, S)
        e = (np.einsum("nds,dsw->ndw", basis, a["embed.weight"]) + a["embed.bias"]).reshape(
            len(u), -1
        )
        raw = np.einsum("ni,eio->eno", e, a["bodies.weight"]) + a["bodies.bias"]
        bodies = np.where(raw > 0, raw, np.expm1(np.minimum(raw, 0)))  # (E, n, w)
        # (m, n, E)
        gates = _softmax(np.einsum("ni,rie->rne", e, a["gates.weight"]) + a["gates.bias"])
        mixed = np.einsum("rne,eno->rno", gates, bodies)
        scores = (np.einsum("rno,roq->rnq", mixed, a["heads.weight"]) + a["heads.bias"])[:, :, 0].T
        weights: Floats = _softmax(scores.astype(np.float64))
        return weights

    def save(self, path: Path | str) -> None:
        """One safetensors file; the features' knots are tensors too, names and places of missing
        values its metadata.
        """
        parts = self.inputs.parts()
        tensors = {
            **self.arrays,
            **{f"knots.{j}": np.asarray(k) for j, k in enumerate(parts["knots"])},
        }
        kept = {"absent": parts["absent"], "metrics": list(self.metrics)}
        data = _library().save(
            {k: np.ascontiguousarray(v) for k, v in tensors.items()},
            {"equipoise.weigher": json.dumps(kept)},
        )
        with replacing(Path(path)) as beside:
            beside.write_bytes(data)

    @classmethod
    def load(cls, path: Path | str) -> Weigher:
        """What `save` wrote."""
        raw = Path(path).read_bytes()
        try:
            tensors = _library().load(raw)
            size = int.from_bytes(raw[:8], "little")
            kept = json.loads(json.loads(raw[8 : 8 + size])["__metadata__"]["equipoise.weigher"])
            knots = [tensors[f"knots.{j}"] for j in range(len(kept["absent"]))]
            arrays = {name: tensors[name] for name in NAMES}
        except (KeyError, ValueError, OSError) as error:
            raise SnapshotError(
                "a file of weights", "be one that `save` wrote", repr(error)[:80], str(path)
            ) from error
        return cls(Inputs(knots, kept["absent"]), arrays, tuple(kept["metrics"]))


def _softmax(score: Any) -> Any:
    raised = np.exp(score - score.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


def _library() -> Any:
    try:
        from safetensors import numpy as tensors
    except ImportError as error:
        fix = "pip install 'equipoise[deep]'"
        raise MissingExtra(
            "safetensors", "be installed to keep weights", "no such package", fix=fix
        ) from error
    return tensors
