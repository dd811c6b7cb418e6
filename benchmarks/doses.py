"""Dose-response on VCNet's two worlds: squared error of the average curve, and training beside the
published kind of loop.

    vcnet_amse, drnet_amse, *_tr_amse   500 rows to learn from, the curve of 200 new ones at their
    doses; *_tr: targeted
                                        regularisation; published code measured .0150 (VCNet), .0335
                                        (DRNet + TR), 800 epochs
    *_one_amse                          a single net in place of the mean of three
    trees_amse, gps_amse, dml_amse      boosted trees on [x, t], the generalised propensity score,
    DML on a cubic of the dose
    ihdp_*                              the same on the covariates of IHDP, 471 rows and the 276
    others
    *_tr_gain                           error without targeted regularisation less that with it,
    paired by data set
    vcnet_speedup                       CPU time of the published kind of loop over ours, one net,
    first weights, epochs and rows
                                        alike: rows from a Dataset one by one, collated by a
                                        DataLoader; the density read off its grid by Python lists of
                                        places; every varying layer its own splines of the dose
                                        prepended
    vcnet_loop_amse, vcnet_ours_amse    the errors after these two trainings, which must be the same

Data sets of the seeds 0 to 19; defaults were chosen on seeds 100 to 119.
"""

from __future__ import annotations

import statistics
import time

from benchmarks.record import figure, interval, one_thread, record, versions

one_thread()

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch.nn import functional  # noqa: E402
from torch.utils.data import DataLoader, Dataset  # noqa: E402

from equipoise.data.simulators.dose_response import make_dose_world  # noqa: E402
from equipoise.estimators.deep.dose import BINS, EPOCHS, WIDTH, usual_training  # noqa: E402
from equipoise.neural.piecewise_linear import Inputs  # noqa: E402
from equipoise.neural.train import NoGain, Training, train  # noqa: E402
from equipoise.neural.varying_coefficients import CELLS, KNOTS, VaryingNet, levels_at, spline  # noqa: E402
from equipoise.reproduce.doses import METHODS, NEW, ROWS  # noqa: E402

SEEDS, ROUNDS, PASSES = range(20), 5, 100
CASES = {  # figure: method
    "vcnet_amse": "VC-Net",
    "vcnet_tr_amse": "VC-Net + TR",
    "vcnet_one_amse": "VC-Net, one net",
    "drnet_amse": "DR-Net",
    "drnet_tr_amse": "DR-Net + TR",
    "drnet_one_amse": "DR-Net, one net",
    "trees_amse": "GBDT S-learner",
    "gps_amse": "GPS",
    "dml_amse": "DML, cubic",
}
WORLDS = {"": "vcnet", "ihdp_": "ihdp"}  # before the figure's name: data


class Rows(Dataset):  # type: ignore[type-arg]
    """Rows of a matrix (n, 1 + d + 1), handed out one by one: dose, features, outcome."""

    def __init__(self, matrix: torch.Tensor) -> None:
        self.matrix = matrix

    def __len__(self) -> int:
        return len(self.matrix)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        one = self.matrix[row]
        return one[0], one[1:-1], one[-1]


class ByLists(VaryingNet):
    """The same function of the same weights, in the published order of work."""

    def step(self, t: torch.Tensor, u: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """The loss of a batch, (B,), (B, d), (B,)."""
        z = self.represent(u)
        height = functional.softmax(self.grid(z), dim=1)
        low = (t * CELLS).floor().clamp(max=CELLS - 1)
        below, above, row = low.int().tolist(), (low + 1).int().tolist(), list(torch.arange(len(t)))
        down, up = height[row, below], height[row, above]
        pi = (down + (up - down) * (t * CELLS - low)) / (height @ self.area)
        x = torch.relu(
            varying(self.heads.first, self.heads.below, torch.cat([t[:, None], z], dim=1))
        )
        q = varying(self.heads.last, self.heads.above, torch.cat([t[:, None], x], dim=1))
        return ((q.squeeze() - y) ** 2).mean() - self.density_weight * torch.log(pi + 1e-6).mean()


def varying(weight: torch.Tensor, bias: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """One varying layer, whose input has the dose before it."""
    basis = spline(x[:, 0].contiguous(), KNOTS)
    return ((x[:, 1:] @ weight).view(len(x), *bias.shape) * basis[:, :, None]).sum(
        dim=1
    ) + basis @ bias


def speedup() -> tuple[list[float], list[list[float]]]:
    """By round: seconds of the loop over ours; the errors of both."""
    torch.set_num_threads(1)
    usual, ratios, errors = usual_training(), [], []
    for seed in range(ROUNDS):
        world, new = make_dose_world(ROWS, seed=seed), make_dose_world(NEW, seed=5_000 + seed)
        inputs, middle, spread = Inputs.learn(world.X, BINS), world.y.mean(), world.y.std()
        u, t, y = (
            torch.tensor(part, dtype=torch.float32)
            for part in (inputs.positions(world.X), world.t, (world.y - middle) / spread)
        )
        nets = []
        for cls in (ByLists, VaryingNet):
            torch.manual_seed(seed)
            nets.append(cls(6, inputs.slots, WIDTH, 1, False, 0.05))
        adam = torch.optim.Adam(nets[0].parameters(), lr=usual.rate, weight_decay=usual.decay)
        loader = DataLoader(
            Rows(torch.cat([t[:, None], u, y[:, None]], dim=1)), batch_size=ROWS, shuffle=True
        )
        start = time.process_time()
        for _ in range(PASSES):
            for batch in loader:
                adam.zero_grad()
                nets[0].step(*batch).backward()
                adam.step()
        middle_of = time.process_time()
        columns = [u, nets[1].encode(t), y[:, None], torch.ones(ROWS)]
        train(
            nets[1],
            nets[1].loss,
            columns,
            Training(usual.rate, usual.decay, ROWS, PASSES, NoGain(PASSES), seed),
        )
        ratios.append((middle_of - start) / (time.process_time() - middle_of))
        grid, asked = np.sort(new.t), torch.from_numpy(inputs.positions(new.X)).double()
        curves = (
            levels_at(net.double(), asked, grid.tolist()).numpy()[..., 0].mean(axis=0) * spread
            + middle
            for net in nets
        )
        errors.append([float(((curve - new.response(grid)) ** 2).mean()) for curve in curves])
    apart = np.ptp(errors, axis=1)
    assert apart.mean() < 0.1 * np.mean(errors), f"two trainings of one net differ: {errors}"
    return ratios, errors


def main() -> None:
    """Measure and record."""
    ratios, errors = speedup()
    rows = []
    for before, data in WORLDS.items():
        found = {
            case: np.array([METHODS[name](data, seed, EPOCHS)["AMSE"] for seed in SEEDS])
            for case, name in CASES.items()
        }
        rows += [
            interval(before + case, values, "squared error of the average curve")
            for case, values in found.items()
        ]
        for net in ("vcnet", "drnet"):
            gain = found[f"{net}_amse"] - found[f"{net}_tr_amse"]
            rows.append(
                interval(
                    f"{before}{net}_tr_gain",
                    gain,
                    "squared error, paired",
                    "without targeted regularisation",
                )
            )
    middle, unit = statistics.median(ratios), "ratio of CPU time"
    rows.append(
        figure(
            "vcnet_speedup",
            middle,
            low=min(ratios),
            high=max(ratios),
            unit=unit,
            against="the published kind of loop",
        )
    )
    for name, values in zip(
        ("vcnet_loop_amse", "vcnet_ours_amse"), np.transpose(errors), strict=True
    ):
        rows.append(
            interval(name, values, f"squared error of the average curve, one net, {PASSES} epochs")
        )
    protocol = (
        "500 rows, 200 new ones (ihdp: 471, 276), 20 data sets; mean with 95 % Student interval; "
    )
    protocol += "speed: 5 data sets, median and range."
    print(record("doses", protocol, versions("equipoise", "numpy", "torch"), list(SEEDS), rows))
    for row in rows:
        print(f"{row['name']:18} {row['value']:.5g}  [{row['low']}, {row['high']}]  {row['unit']}")


if __name__ == "__main__":
    main()
