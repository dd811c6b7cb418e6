"""Nets: what our training and prediction cost beside the bare arithmetic, a loader of rows,
CATENets and causalml.

    hum_over_bare        HUM on 1e6 rows (FULL=1; else 2e5), 12 features, 2 candidates, 2 metrics,
    batches of 4,096: an epoch of
                         our fit over as many bare steps (forward, loss, backward, Adam) on batches
                         that are ready
    hum_fit_over_bare    the whole of HUM.fit, ten epochs: features encoded, outcomes scaled, a
    fifth held out and judged every
                         epoch, levels calibrated; over as many bare steps.  Once
    hum_speedup_loader   the same epoch by a torch DataLoader of rows, timed on its first batches
    and scaled to all, over ours
    predict_over_bare    effects of 1e6 rows, 2 arms, 2 metrics, from features to the metrics'
    units, over the bare forward
    predict_added_mb     memory that prediction of all rows adds, but for the answer itself
    tarnet_speedup       CATENets' TARNet (torch) and causalml's DragonNet (TensorFlow), each with
    its own training recipe, over
    dragonnet_speedup    ours with the very layers: three of 200, heads of two of 100, on features
    as they are.  IHDP, five
                         replications, two thirds to learn from; CPU time of fit alone, in a process
                         that has fitted before
    tarnet_pehe_ratio    our root PEHE over theirs on the other third, means of the replications;
    dragonnet_pehe_ratio likewise

One thread everywhere.  DEVICE=cuda takes all but the peers there, both sides, and records them as
nets_cuda. Run as a script with a case and a file, this is that peer; it then needs numpy and the
peer alone.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

FEATURES, BATCH, CANDIDATES, METRICS, WIDTH = 12, 4_096, 2, 2, 16
REPLICATIONS = range(1, 6)
DEVICE = os.environ.get("DEVICE", "cpu")
ROUNDS, LOADED = 5, 20  # batches that the loader is timed on
Data = dict[str, np.ndarray]


def catenets(train: Data, new: Data) -> tuple[float, Any]:
    """CATENets' TARNet with its defaults but three layers."""
    import torch
    from catenets.models.torch import TARNet

    torch.set_num_threads(1)
    settings = {
        "n_layers_r": 3,
        "n_units_r": 200,
        "n_layers_out": 2,
        "n_units_out": 100,
        "batch_norm": False,
    }
    model = TARNet(train["X"].shape[1], **settings)
    start = time.process_time()
    model.fit(train["X"], train["y"], train["w"])
    return time.process_time() - start, model.predict(new["X"]).detach().numpy().ravel()


def causalml(train: Data, new: Data) -> tuple[float, Any]:
    """causalml's DragonNet with its defaults."""
    import tensorflow as tf
    from causalml.inference.tf import DragonNet

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    model = DragonNet(verbose=False)
    start = time.process_time()
    model.fit(train["X"], train["w"], train["y"])
    return time.process_time() - start, model.predict_tau(new["X"]).ravel()


def ours(kind: str) -> Callable[[Data, Data], tuple[float, Any]]:
    """Our training on the peers' layers."""
    from torch import nn

    from equipoise.estimators.deep.base import NetTraining, split
    from equipoise.estimators.deep.dragonnet import _DragonNet
    from equipoise.estimators.deep.tarnet import TwoHeads
    from equipoise.neural.layers import Towers, mlp
    from equipoise.neural.nets import Net, Rows, Shape, ask, build, fit

    def layers(net: Any, shape: Shape) -> None:
        net.embed = nn.Identity()
        net.phi, net.heads = mlp(shape.features, (200, 200, 200)), Towers(2, 200, (100, 100), 1)

    class Plain:
        """Features as they are in place of their embeddings."""

        def flat(self, u: Any) -> Any:
            return u

    class Two(Plain, TwoHeads):
        def __init__(self, shape: Shape) -> None:
            Net.__init__(self, shape)
            layers(self, shape)

    class Dragon(Plain, _DragonNet):
        def __init__(self, shape: Shape) -> None:
            super().__init__(shape, 1.0, 1.0)
            layers(self, shape)
            self.assign = nn.Linear(200, 2)

    def run(train: Data, new: Data) -> tuple[float, Any]:
        start = time.process_time()
        X, w = train["X"].astype(np.float32), train["w"].astype(np.int64)
        middle, spread = train["y"].mean(), train["y"].std()
        rows = Rows(X, w, ((train["y"] - middle) / spread)[:, None], np.ones(len(w)))
        keep, held = split(w, 0.2, 0, None)
        net = build({"tarnet": Two, "dragonnet": Dragon}[kind], Shape(X.shape[1], 1, 1, 1, 1), 0)
        # chosen on replications 11 to 18
        how = NetTraining(epochs=150, batch=512, rate=2e-3, decay=1e-2, patience=20)
        fit(net, rows.take(keep), rows.take(held), how.plan(len(keep), 0))
        seconds = time.process_time() - start
        level = ask(net, new["X"].astype(np.float32))[:, :, 0] * spread
        return seconds, level[:, 1] - level[:, 0]

    return run


def ihdp(replication: int) -> tuple[Data, Data]:
    """Two thirds of a replication to learn from, and the rest."""
    import pyarrow.parquet as pq

    home = (
        Path(os.environ.get("EQUIPOISE_DATA", Path(__file__).parents[2] / "shared" / "data"))
        / "ihdp_npci"
    )
    covariates = pq.read_table(home / "covariates.parquet")
    X = np.column_stack([covariates[f"x{j}"].to_numpy().astype(float) for j in range(1, 26)])
    every = pq.read_table(home / "replications.parquet", filters=[("rep", "=", replication)])
    column = {name: every[name].to_numpy().astype(float) for name in ("t", "y", "mu0", "mu1")}
    order = np.random.default_rng(replication).permutation(len(X))
    cut = 2 * len(X) // 3
    made = {"X": X, "w": column["t"], "y": column["y"], "tau": column["mu1"] - column["mu0"]}
    return {k: v[order[:cut]] for k, v in made.items()}, {
        k: v[order[cut:]] for k, v in made.items()
    }


CASES: dict[str, Callable[[Data, Data], tuple[float, Any]]] = {
    "catenets": catenets,
    "causalml-tf": causalml,
}


def peer(case: str, folder: Path) -> None:
    """Fit once to warm up, then every replication; print seconds and PEHE of each."""
    run = ours(case.split("-")[1]) if case.startswith("ours") else CASES[case]
    found = []
    for place, replication in enumerate([REPLICATIONS[0], *REPLICATIONS]):
        parts = [dict(np.load(folder / f"{replication}-{part}.npz")) for part in ("train", "new")]
        seconds, tau = run(*parts)
        if place:
            found.append([seconds, float(np.sqrt(((tau - parts[1]["tau"]) ** 2).mean()))])
    print(json.dumps(found))


def versus_peers() -> list[dict[str, Any]]:
    """Training time and PEHE of the peers over ours."""
    from benchmarks.peers import run
    from benchmarks.record import figure

    rows = []
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for replication in REPLICATIONS:
            for name, part in zip(("train", "new"), ihdp(replication), strict=True):
                np.savez(folder / f"{replication}-{name}.npz", **part)
        for net, other in (("tarnet", "catenets"), ("dragonnet", "causalml-tf")):
            mine, theirs = (
                run(e, Path(__file__), c, made)
                for e, c in (("equipoise", f"ours-{net}"), (other, other))
            )
            speed = [b[0] / a[0] for a, b in zip(mine, theirs, strict=True)]
            errors = [[pair[1] for pair in one] for one in (mine, theirs)]
            ratios = [a / b for a, b in zip(*errors, strict=True)]
            unit, n = "ratio of CPU time, fit", len(speed)
            rows.append(
                figure(
                    f"{net}_speedup",
                    statistics.median(speed),
                    low=min(speed),
                    high=max(speed),
                    unit=unit,
                    against=other,
                    n=n,
                )
            )
            mean = statistics.mean(errors[0]) / statistics.mean(errors[1])
            rows.append(
                figure(
                    f"{net}_pehe_ratio",
                    mean,
                    low=min(ratios),
                    high=max(ratios),
                    unit="ratio of root PEHE",
                    against=other,
                    n=n,
                )
            )
    return rows


def world(n: int) -> tuple[Any, Any]:
    """HUM's net and n rows of positions, arms, outcomes and weights as tensors."""
    import torch

    from equipoise.estimators.deep.hum import HUM
    from equipoise.neural.nets import Rows, Shape, build

    rng = np.random.default_rng(0)
    u = (16 * rng.random((n, FEATURES))).astype(np.float32)
    rows = Rows(
        u, rng.integers(0, 1 + CANDIDATES, n), rng.standard_normal((n, METRICS)), np.ones(n)
    )
    torch.set_num_threads(1)
    return (
        build(HUM(WIDTH)._net, Shape(FEATURES, 16, CANDIDATES, METRICS, WIDTH), 0).to(DEVICE),
        rows,
    )


def bare_step(net: Any) -> Callable[[Any], None]:
    """Forward, loss, backward and Adam on a batch that is ready; on a GPU with the same products in
    bfloat16 as ours.
    """
    import torch

    adam = torch.optim.Adam(net.parameters(), lr=1e-3, weight_decay=1e-3, fused=True)

    def step(batch: Any) -> None:
        adam.zero_grad(set_to_none=True)
        with torch.autocast("cuda", torch.bfloat16, enabled=DEVICE != "cpu"):
            value = net.loss(*batch)
        value.backward()
        adam.step()

    return step


def training_costs(n: int) -> list[dict[str, Any]]:
    """Our epoch beside bare steps and a loader of rows."""
    from torch.utils.data import DataLoader, TensorDataset

    from benchmarks.record import figure
    from equipoise.neural.nets import fit
    from equipoise.neural.train import Training

    net, rows = world(n)
    steps, parts = n // BATCH, rows.tensors()
    ready = [[part[s * BATCH : (s + 1) * BATCH].to(DEVICE) for part in parts] for s in range(steps)]
    how = Training(1e-3, 1e-3, BATCH, epochs=1, device=DEVICE)
    step = bare_step(net)
    step(ready[0])

    def loader() -> float:
        feed = iter(DataLoader(TensorDataset(*parts), batch_size=BATCH, shuffle=True))

        def some() -> None:
            for _ in range(LOADED):
                step([part.to(DEVICE) for part in next(feed)])

        return seconds(some) * steps / LOADED

    over, speed = [], []
    for _ in range(ROUNDS):
        mine = seconds(lambda: fit(net, rows, rows.take(np.arange(0)), how))
        bare = seconds(lambda: [step(batch) for batch in ready])
        over.append(mine / bare)
        speed.append(loader() / mine)
    made = {
        "hum_over_bare": (over, "bare steps"),
        "hum_speedup_loader": (speed, "a DataLoader of rows"),
    }
    return [
        figure(
            name,
            statistics.median(r),
            low=min(r),
            high=max(r),
            unit="ratio of wall time",
            against=against,
            n=n,
        )
        for name, (r, against) in made.items()
    ]


def whole_fit(n: int, epochs: int = 10) -> dict[str, Any]:
    """HUM.fit from a matrix of features, beside bare steps."""
    from benchmarks.record import figure
    from equipoise.estimators.deep.base import NetTraining
    from equipoise.estimators.deep.hum import HUM
    from equipoise.treatments import Arms

    net, rows = world(n)
    X, how = (
        rows.u.astype(np.float64),
        NetTraining(epochs=epochs, batch=BATCH, patience=epochs, device=DEVICE),
    )
    made = HUM(WIDTH, training=how, space=Arms(range(1 + CANDIDATES)))
    mine = seconds(lambda: made.fit(X, rows.y, treatment=rows.arm))
    step, batch = bare_step(net), [part[:BATCH].to(DEVICE) for part in rows.tensors()]
    steps = int(0.8 * n) // BATCH
    bare = seconds(lambda: [step(batch) for _ in range(steps)]) * epochs
    return figure(
        "hum_fit_over_bare", mine / bare, unit="ratio of wall time", against="bare steps", n=n
    )


def prediction_costs(n: int) -> list[dict[str, Any]]:
    """Effects of n rows, from features to units of the metrics, beside the bare forward; and the
    memory that asking adds.
    """
    import torch

    from benchmarks.record import figure
    from equipoise.estimators.deep.base import NetTraining
    from equipoise.estimators.deep.hum import HUM
    from equipoise.neural.nets import Shape, build
    from equipoise.treatments import Arms

    rng, few = np.random.default_rng(0), 20_000
    X, arm = rng.standard_normal((n, FEATURES)), rng.integers(0, 1 + CANDIDATES, few)
    y = X[:few, :METRICS] + rng.standard_normal((few, METRICS))
    how, space = NetTraining(epochs=1, device=DEVICE), Arms(range(1 + CANDIDATES))
    made = HUM(WIDTH, training=how, space=space).fit(X[:few], y, treatment=arm)
    made.effects(X[: n // 10])
    before = peak()
    answer = made.effects(X)
    added = peak() - before - (answer.values.nbytes + answer.baseline.nbytes) / 2**20
    net = build(made._net, Shape(**made.shape_), 0).train(mode=False).to(DEVICE)
    ready = torch.rand(n, FEATURES).mul(16).to(DEVICE).split(BATCH)

    def bare() -> None:
        with torch.inference_mode():
            for part in ready:
                net.levels(part)

    ratios = [seconds(lambda: made.effects(X)) / seconds(bare) for _ in range(ROUNDS)]
    low, high = min(ratios), max(ratios)
    unit, against = "ratio of wall time", "bare forward"
    return [
        figure(
            "predict_over_bare",
            statistics.median(ratios),
            low=low,
            high=high,
            unit=unit,
            against=against,
            n=n,
        ),
        figure(
            "predict_added_mb",
            max(added, 0.0),
            unit="MB beyond the answer",
            against="a tenth of the rows",
            n=n,
        ),
    ]


def seconds(job: Callable[[], Any]) -> float:
    """The wall time of a job, and of what it left a GPU to do."""
    import torch

    wait = torch.cuda.synchronize if DEVICE != "cpu" else int
    wait()
    start = time.perf_counter()
    job()
    wait()
    return time.perf_counter() - start


def peak() -> float:
    """The most memory this process has held, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def torch_device() -> str:
    """The name of the GPU."""
    import torch

    return f"One {torch.cuda.get_device_name()} and one thread"


def main() -> None:
    """Measure and record."""
    from benchmarks.record import full, one_thread, record, versions

    one_thread()
    n = 1_000_000 if full() else 200_000
    rows = [
        *training_costs(n),
        whole_fit(n),
        *prediction_costs(1_000_000),
        *([] if DEVICE != "cpu" else versus_peers()),
    ]
    place = "One thread" if DEVICE == "cpu" else torch_device()
    form = f"{place}, {ROUNDS} rounds in turn, other work on the machine; median and range."
    apart = (
        "IHDP replications 1 to 5, every side's own recipe; ours was chosen on replications 11"
        " to 18."
    )
    protocol = f"{form}  {apart}" if DEVICE == "cpu" else f"{form}  Both sides in bfloat16."
    name = "nets" if DEVICE == "cpu" else f"nets_{DEVICE}"
    print(
        record(
            name,
            protocol,
            versions("equipoise", "numpy", "torch"),
            list(REPLICATIONS) if DEVICE == "cpu" else [0],
            rows,
        )
    )
    for row in rows:
        print(
            f"{row['name']:22} {row['value']:.5g}  [{row['low']}, {row['high']}]  {row['unit']},"
            f" {row['against']}"
        )


if __name__ == "__main__":
    peer(sys.argv[1], Path(sys.argv[2])) if len(sys.argv) == 3 else main()
