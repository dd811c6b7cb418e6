"""Weights of metrics for a request's context: a net that a snapshot carries, answered by numpy.

weights.safetensors   the net, as `Weigher.save` writes it
weights.json          {"features": the names of its d features, in order}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import nan
from pathlib import Path

import numpy as np

from equipoise.core.errors import InputError, SnapshotError
from equipoise.core.suggest import among
from equipoise.neural.request_weights import Weigher

NET, NAMES = "weights.safetensors", "weights.json"


class WeightNet:
    """A net with the names of its features.

    Parameters
    ----------
    weigher : Weigher
        The net.
    features : sequence of str, (d,)
        Their names; a context that lacks one has no value there.
    """

    def __init__(self, weigher: Weigher, features: tuple[str, ...]) -> None:
        self.weigher, self.features = weigher, features
        d = len(weigher.inputs.absent)
        if len(features) != d:
            raise SnapshotError(NAMES, f"name the net's {d} features", len(features))

    def weights(self, context: Mapping[str, float]) -> dict[str, float]:
        """The weight of each metric.

        Parameters
        ----------
        context : mapping of str to float
            Of a request.

        Returns
        -------
        dict of str to float
            Above 0, with a sum of 1.

        Raises
        ------
        InputError
            Where the context names a feature that the net has not.
        """
        for name in context:
            if name not in self.features:
                fix = among(name, self.features, "features")
                raise InputError("request", "name features of the net", repr(name), fix=fix)
        row = np.array([[context.get(name, nan) for name in self.features]])
        return dict(zip(self.weigher.metrics, self.weigher(row)[0].tolist(), strict=True))


def read_weight_net(folder: Path) -> WeightNet | None:
    """The net of a snapshot's folder; None where it has none.

    Parameters
    ----------
    folder : Path
        Of the snapshot.

    Returns
    -------
    WeightNet or None
        Ready to answer.

    Raises
    ------
    SnapshotError
        Where it is damaged.
    """
    if not (folder / NET).exists():
        return None
    try:
        names = json.loads((folder / NAMES).read_text(encoding="utf-8"))["features"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        fix = 'write {"features": [...]} beside the net'
        raise SnapshotError(NAMES, "name the net's features", str(error), fix=fix) from error
    return WeightNet(Weigher.load(folder / NET), tuple(map(str, names)))
