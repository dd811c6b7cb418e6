"""Dose-response on VCNet's simulation: squared error of the average curve, and training beside a loop over rows.

    vcnet_amse, drnet_amse, *_tr_amse   500 rows to learn from, the curve of 200 new ones at their doses; *_tr: targeted
                                        regularisation; published code measured .0150 (VCNet), .0335 (DRNet + TR), 800 epochs
    trees_amse, gps_amse, dml_amse      boosted trees on [x, t], the generalised propensity score, DML on a cubic of the dose
    *_tr_gain                           error without targeted regularisation less that with it, paired by data set
    vcnet_speedup                       an epoch by a per-row DataLoader over the same net, batch and optimiser, over ours

Data sets of the seeds 0 to 19; defaults were chosen on seeds 100 to 105.
"""

from __future__ import annotations

import statistics
import time

from benchmarks.record import figure, interval, one_thread, record, versions

one_thread()

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch.utils.data import DataLoader, Dataset  # noqa: E402

from equipoise.estimators.deep.dose import EPOCHS  # noqa: E402
from equipoise.neural.train import NoGain, Training, train  # noqa: E402
from equipoise.neural.varying import VaryingNet  # noqa: E402
from equipoise.pipeline.reproduce.doses import METHODS  # noqa: E402

SEEDS, ROUNDS = range(20), 5
CASES = {
    "vcnet_amse": "VC-Net",
    "vcnet_tr_amse": "VC-Net + TR",
    "drnet_amse": "DR-Net",
    "drnet_tr_amse": "DR-Net + TR",
    "trees_amse": "GBDT S-learner",
    "gps_amse": "GPS",
    "dml_amse": "DML, cubic",
}


class Rows(Dataset):  # type: ignore[type-arg]
    """Rows handed out one by one, as lists of tensors."""

    def __init__(self, parts: list[torch.Tensor]) -> None:
        self.parts = parts

    def __len__(self) -> int:
        return len(self.parts[0])

    def __getitem__(self, row: int) -> list[torch.Tensor]:
        return [part[row] for part in self.parts]


def speedup() -> list[float]:
    """Seconds of a loop over rows over ours, both 20 epochs of 500 rows."""
    torch.set_num_threads(1)
    parts = [torch.rand(500, 6) * 4, torch.rand(500), torch.randn(500, 1), torch.ones(500)]
    ratios = []
    for _ in range(ROUNDS):
        net = VaryingNet(6, 4, 48, 1, False, 0.05, 2)
        adam = torch.optim.Adam(net.parameters(), lr=0.01, weight_decay=0.02)
        start = time.perf_counter()
        for _ in range(20):
            for batch in DataLoader(Rows(parts), batch_size=500, shuffle=True):
                adam.zero_grad()
                net.loss(*batch).backward()
                adam.step()
        theirs = time.perf_counter() - start
        start = time.perf_counter()
        ours = VaryingNet(6, 4, 48, 1, False, 0.05, 2)
        train(ours, ours.loss, parts, Training(0.01, 0.02, 500, 20, NoGain(30)))
        ratios.append(theirs / (time.perf_counter() - start))
    return ratios


def main() -> None:
    """Measure and record."""
    found = {case: np.array([METHODS[name]("vcnet", seed, EPOCHS)["AMSE"] for seed in SEEDS]) for case, name in CASES.items()}
    rows = [interval(case, values, "squared error of the average curve") for case, values in found.items()]
    for net in ("vcnet", "drnet"):
        gain = found[f"{net}_amse"] - found[f"{net}_tr_amse"]
        rows.append(interval(f"{net}_tr_gain", gain, "squared error, paired", "without targeted regularisation"))
    ratios = speedup()
    against = "a DataLoader of rows"
    rows.append(
        figure("vcnet_speedup", statistics.median(ratios), low=min(ratios), high=max(ratios), unit="ratio", against=against)
    )
    protocol = "500 rows, 200 new ones, 20 data sets; mean with 95 % Student interval."
    print(record("doses", protocol, versions("equipoise", "numpy", "torch"), list(SEEDS), rows))
    for row in rows:
        print(f"{row['name']:18} {row['value']:.5g}  [{row['low']}, {row['high']}]  {row['unit']}")


if __name__ == "__main__":
    main()
