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
from equipoise.neural.id_scores import elu, softmax
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
    """Weights of metrics as a function of a request's features.

    Parameters
    ----------
    inputs : Inputs
        The encoding of the d features.
    arrays : dict of str to numpy.ndarray
        What was learnt, by `NAMES`, float32.
    metrics : tuple of str
        The metrics' names, in the order of the weights.

    References
    ----------
    Ma et al. (2018), "Modeling task relationships in multi-task learning with multi-gate
    mixture-of-experts", KDD.

    Examples
    --------
    Two metrics, one feature, a net of zeros: both metrics weigh the same.

    >>> import numpy as np
    >>> from equipoise.neural.piecewise_linear import Inputs
    >>> inputs = Inputs.learn(np.array([[0.0], [1.0], [2.0]]))
    >>> shapes = [(1, inputs.slots, 2), (1, 2), (3, 2, 2), (3, 1, 2)]
    >>> shapes += [(2, 2, 3), (2, 1, 3), (2, 2, 1), (2, 1, 1)]
    >>> zeros = {name: np.zeros(shape) for name, shape in zip(NAMES, shapes)}
    >>> Weigher(inputs, zeros, ("time", "views"))(np.array([[0.5]]))
    array([[0.5, 0.5]])
    """

    inputs: Inputs
    arrays: dict[str, Any]
    metrics: tuple[str, ...]

    def __call__(self, X: Floats) -> Floats:
        """Weights of the metrics for each request.

        Parameters
        ----------
        X : numpy.ndarray, shape (n, d)
            The requests' features; nan where a value is missing.

        Returns
        -------
        numpy.ndarray, shape (n, m)
            Weights, > 0, with a sum of 1 per request.
        """
        a = self.arrays
        u = self.inputs.positions(np.atleast_2d(np.asarray(X, np.float64)))
        slots = np.arange(a["embed.weight"].shape[1], dtype=np.float32)
        basis = np.clip(u[:, :, None] - slots, 0.0, 1.0)  # (n, d, S)
        e = (np.einsum("nds,dsw->ndw", basis, a["embed.weight"]) + a["embed.bias"]).reshape(
            len(u), -1
        )
        raw = np.einsum("ni,eio->eno", e, a["bodies.weight"]) + a["bodies.bias"]
        bodies = elu(raw)  # (E, n, w)
        # (m, n, E)
        gates = softmax(np.einsum("ni,rie->rne", e, a["gates.weight"]) + a["gates.bias"])
        mixture = np.einsum("rne,eno->rno", gates, bodies)
        scores = (np.einsum("rno,roq->rnq", mixture, a["heads.weight"]) + a["heads.bias"])[
            :, :, 0
        ].T
        weights: Floats = softmax(scores.astype(np.float64))
        return weights

    def save(self, path: Path | str) -> None:
        """Write one safetensors file, whole or not at all.

        The features' knots are tensors too; names and places of missing values are its metadata.

        Parameters
        ----------
        path : pathlib.Path or str
            Where it goes; a file that is there is replaced.

        Raises
        ------
        MissingExtra
            The package safetensors is not installed.
        """
        parts = self.inputs.parts()
        tensors = {
            **self.arrays,
            **{f"knots.{j}": np.asarray(k) for j, k in enumerate(parts["knots"])},
        }
        names = {"absent": parts["absent"], "metrics": list(self.metrics)}
        data = _library().numpy.save(
            {k: np.ascontiguousarray(v) for k, v in tensors.items()},
            {"equipoise.weigher": json.dumps(names)},
        )
        with replacing(Path(path)) as beside:
            beside.write_bytes(data)

    @classmethod
    def load(cls, path: Path | str) -> Weigher:
        """Read weights that `save` wrote.

        Parameters
        ----------
        path : pathlib.Path or str
            The safetensors file.

        Returns
        -------
        Weigher
            It answers as the one that was saved.

        Raises
        ------
        SnapshotError
            The file is not one that `save` wrote.
        MissingExtra
            The package safetensors is not installed.
        """
        library = _library()
        try:
            with library.safe_open(path, framework="numpy") as file:
                names = json.loads((file.metadata() or {})["equipoise.weigher"])
                knots = [file.get_tensor(f"knots.{j}") for j in range(len(names["absent"]))]
                arrays = {name: file.get_tensor(name) for name in NAMES}
        except (KeyError, ValueError, library.SafetensorError) as error:
            raise SnapshotError(
                "a file of weights", "be one that `save` wrote", repr(error)[:80], str(path)
            ) from error
        return cls(Inputs(knots, names["absent"]), arrays, tuple(names["metrics"]))


def _library() -> Any:
    try:
        import safetensors
        import safetensors.numpy
    except ImportError as error:
        fix = "pip install 'equipoise[deep]'"
        raise MissingExtra(
            "safetensors", "be installed to keep weights", "no such package", fix=fix
        ) from error
    return safetensors
