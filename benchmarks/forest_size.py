"""Forest size: the regret of the MDP2 forest by its number of trees, one to 250, on the two
confounded worlds of shares.

    size_<kind>_mr_<trees>              the penalised criterion, leaf="mdpp", max_depth=7
    size_<kind>_curves_mr_<trees>       the criterion of how far the curves vary
    size_<kind>_gain_<trees>            regret at so many trees less that at 250, paired over seeds

10,000 rows, 2,000 new ones to judge, seeds 0 to 9.  A forest of 250 trees is grown once; a smaller
one is its first trees.
"""

from __future__ import annotations

import copy
from typing import Any

from benchmarks.record import interval, one_thread, record, versions

one_thread()

import numpy as np  # noqa: E402

from equipoise.data.simulators.shares import make_shares_standin  # noqa: E402
from equipoise.estimators.forests.mdp2 import MDP2Forest  # noqa: E402
from equipoise.treatments import Shares  # noqa: E402

SEEDS, ROWS, NEW = range(10), 10_000, 2_000
SIZES = (1, 2, 5, 10, 20, 50, 100, 150, 200, 250)


def regrets(kind: str, seed: int, **settings: Any) -> list[float]:
    """The regret on new rows at every size."""
    world, new = (
        make_shares_standin(n, seed=s, kind=kind) for n, s in ((ROWS, seed), (NEW, 1_000 + seed))
    )
    cuts: dict[str, Any] = {"leaf": "mdpp", "max_depth": 7}
    whole = MDP2Forest(SIZES[-1], space=Shares(10), random_state=seed, **cuts, **settings).fit(
        world.X, world.y, treatment=world.T
    )
    found = []
    for size in SIZES:
        part = copy.copy(whole)
        part.forests_ = [
            {**forest, "starts": forest["starts"][: size + 1]} for forest in whole.forests_
        ]
        found.append(new.regret(part.recommend(new.X)))
    return found


def main() -> None:
    """Measure and record."""
    rows = []
    for kind in ("quad", "gauss"):
        plain = np.array([regrets(kind, seed) for seed in SEEDS])
        other = np.array([regrets(kind, seed, criterion="curve_het") for seed in SEEDS])
        rows += [
            interval(f"size_{kind}_mr_{size}", plain[:, i], "regret")
            for i, size in enumerate(SIZES)
        ]
        rows += [
            interval(f"size_{kind}_curves_mr_{size}", other[:, i], "regret")
            for i, size in enumerate(SIZES)
        ]
        gaps = plain - plain[:, -1:]
        rows += [
            interval(f"size_{kind}_gain_{size}", gaps[:, i], "regret less that of 250")
            for i, size in enumerate(SIZES[:-1])
        ]
    protocol = (
        f"{ROWS:,} rows, {NEW:,} new ones; mean over seeds with 95 % Student interval; nothing is"
        " chosen."
    )
    print(
        record("forest_size", protocol, versions("equipoise", "numpy", "numba"), list(SEEDS), rows)
    )
    for row in rows:
        print(f"{row['name']:32} {row['value']:.5g}  [{row['low']}, {row['high']}]  {row['unit']}")


if __name__ == "__main__":
    main()
