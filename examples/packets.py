"""A month of an incentive team on a simulated world: seeds come to traffic in batches, weak ones
leave, the best replaces the base, a policy spends a budget, and a monitor watches what ran.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from equipoise.data.simulators.red_packet import days_of, draw_users, live
from equipoise.pipeline import read_plan, run
from equipoise.pipeline.monitor.run import monitor
from equipoise.pipeline.rollout.run import start, take_step
from equipoise.treatments import Schedule, read_menu

PLAN, RUNS = Path(__file__).with_suffix(".toml"), Path(__file__).parents[1] / "runs"
CLASSES = np.array(["new", "light", "regular", "heavy"])


def month(place: Path = RUNS, n: int = 12_000, days: int = 40) -> str:
    """Live until the rollout is over, then learn a policy; what runs at the end."""
    rng = np.random.default_rng(0)
    users, folder = draw_users(n, rng), place / "packets"
    folder.mkdir(parents=True, exist_ok=True)
    menu = read_menu(PLAN.with_name("packets_menu.csv"))
    names = pa.array([f"u{i:05d}" for i in range(n)])
    pq.write_table(pa.table({"user": names}), folder / "users.parquet")
    text = PLAN.read_text().replace("../runs", str(place.resolve()))
    text = text.replace("packets_menu.csv", str(PLAN.with_name("packets_menu.csv")))
    (folder / "plan.toml").write_text(text)
    plan = read_plan(folder / "plan.toml")
    numbers = Schedule(menu).check(list(menu))
    shift, presence = days_of(days, rng)
    rollout, logs = start(plan, folder / "users.parquet", "0", place / "packets-rollout"), []
    minor = rng.random(n) < 0.1
    while rollout.traffic is not None and rollout.traffic.days[-1] < days:
        traffic = rollout.traffic
        at = [list(menu).index(name) for name in traffic.strategies]
        order = np.argsort(traffic.units)
        for j, day in enumerate(traffic.days):
            given = np.array(at)[traffic.place[order, j]]
            y = live(users, users.mind, numbers[given], rng, (shift[day], presence[day]))
            columns = {"user": names, "day": np.full(n, day), "back": y[:, 0], "cost": y[:, 2]}
            columns |= {"strategy": np.array(list(menu))[given], "thrift": users.thrift}
            columns |= {"evening": users.evening, "activity": CLASSES[users.activity]}
            logs.append(pa.table({**columns, "minor": np.where(minor, "yes", "no")}))
        pq.write_table(pa.concat_tables(logs), folder / "log.parquet")
        rollout, _ = take_step(place / "packets-rollout", folder / "log.parquet")
        print(f"day {traffic.days[-1]}: {rollout.state.why}")
    findings = run(plan, place / "packets-policy")
    print(findings["headline"][0])
    alarms = monitor(plan.base / "plan.toml", folder / "log.parquet", place / "packets-watched")
    print([alarm["sentence"] for alarm in alarms["alarms"]] or "the monitor is quiet")
    return rollout.state.policy


if __name__ == "__main__":
    print("for all users:", month())
