"""Two minutes of a service: traffic, a drift, an alarm, a release with a typing error, a rollback;
then every decision is decided again, and the log becomes the next experiment.

    python examples/live/live.py                 # or --seconds 30 for a shorter day

People are offered a voucher for coming.  They are simulated (`make_voucher_world`), all else is
what you would run: `equipoise run`, `serve`, `publish`, `rollback`, `replay` and `decisions`.
While it runs, open the console that it names.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

import equipoise as eq
from equipoise.core.errors import EquipoiseError
from equipoise.serving.client import AsyncClient
from equipoise.serving.messages import DecideRequest, RewardRequest

HERE = Path(__file__).parent
EQUIPOISE = Path(sys.executable).with_name("equipoise")
A_SECOND, TICK, TOLD = 200, 0.25, 4.0  # people a second; seconds between calls; between lines
FEATURES = ("distance", "age", "noise")


def say(text: str) -> None:
    """One step of the story."""
    print(f"\n== {text}", flush=True)


def equipoise(*words: object) -> str:
    """Run a command, show it, and return what it says."""
    print(f"$ equipoise {' '.join(map(str, words))}", flush=True)
    done = subprocess.run([EQUIPOISE, *map(str, words)], capture_output=True, text=True)
    if done.returncode not in (0, 1, 3):  # 1 an alarm, 3 the log says too little
        raise SystemExit(done.stderr or done.stdout)
    return done.stdout


class Town:
    """Whoever comes by: their features, and whether they come to the shop with a voucher."""

    def __init__(self) -> None:
        log, truth = eq.datasets.make_voucher_world(50_000, seed=7)
        self.columns = [log.table[name].to_pylist() for name in FEATURES]
        self.comes, self.cells = truth.levels[:, :, 0], list(truth.cells)
        self.rng, self.next = np.random.default_rng(1), 0
        self.nearness = np.ones(len(self.comes)) / len(self.comes)
        far = np.asarray(self.columns[0]) ** 2
        self.distance = far / far.sum()

    def people(self, n: int, far: bool) -> list[int]:
        """Who is next; after the drift most live far away."""
        weights = self.distance if far else self.nearness
        return self.rng.choice(len(weights), n, p=weights).tolist()

    def request(self, who: int) -> DecideRequest:
        """What the shop asks for a person."""
        self.next += 1
        features = {name: of[who] for name, of in zip(FEATURES, self.columns, strict=True)}
        return DecideRequest(unit=f"person-{self.next}", features=features)

    def came(self, who: int, cell: str) -> bool:
        """What the person does."""
        return bool(self.rng.random() < self.comes[who, self.cells.index(cell)])


class Day:
    """The traffic, and what is told of it."""

    def __init__(self, client: AsyncClient, address: str) -> None:
        self.client, self.address, self.town = client, address, Town()
        self.far, self.start = False, time.monotonic()
        self.clear()

    def clear(self) -> None:
        """Begin a line."""
        self.cells: Counter[str] = Counter()
        self.came: Counter[str] = Counter()
        self.n: Counter[str] = Counter()
        self.spent = 0.0

    async def serve(self, seconds: float) -> None:
        """So many seconds of traffic, with a line now and then."""
        end, told = time.monotonic() + seconds, time.monotonic() + TOLD
        while time.monotonic() < end:
            began = time.monotonic()
            await self.once(int(A_SECOND * TICK))
            if time.monotonic() > told:
                await self.tell()
                told += TOLD
            await asyncio.sleep(max(0.0, TICK - (time.monotonic() - began)))

    async def once(self, n: int) -> None:
        """Some people: what they get, and what comes of it."""
        people = self.town.people(n, self.far)
        answers = await self.client.decide_many([self.town.request(who) for who in people])
        rewards = []
        for who, answer in zip(people, answers, strict=True):
            if isinstance(answer, EquipoiseError):
                raise answer
            came = self.town.came(who, answer.candidate)
            side = "holdout" if answer.reason == "holdout" else "policy"
            self.n[side] += 1
            self.came[side] += came
            self.cells[answer.candidate] += 1
            if came:
                self.spent += float(answer.candidate.split()[0])
                rewards.append(RewardRequest(decision=answer.decision, name="came", value=1.0))
        if rewards:
            await self.client.reward_many(rewards)

    async def tell(self) -> None:
        """One line of what happened since the last."""
        mix = ", ".join(
            f"{100 * count / self.cells.total():.0f}% {cell}"
            for cell, count in self.cells.most_common(4)
        )
        share = {side: self.came[side] / max(self.n[side], 1) for side in ("policy", "holdout")}
        print(
            f"{time.monotonic() - self.start:5.0f} s {self.cells.total():5} people"
            f" | came {share['policy']:4.0%}, holdout {share['holdout']:4.0%}"
            f" | {self.spent / self.cells.total():.2f} USD a head | {mix}",
            flush=True,
        )
        self.clear()


def started(run: Path, state: Path) -> tuple[subprocess.Popen[str], str]:
    """The service, and where it answers."""
    words = ["serve", run, "--state", state, "--config", HERE / "serve.toml", "--port", "0"]
    print(f"$ equipoise {' '.join(map(str, words))} &")
    service = subprocess.Popen(
        [EQUIPOISE, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    address = ""
    for line in service.stdout or ():
        print(f"  {line.rstrip()}", flush=True)
        if "stop " in line:
            break
        if found := re.search(r"served at (http://[\d.:]+)", line):
            address = found[1]
    return service, address


def alarms(state: Path) -> None:
    """What the monitors say."""
    lines = equipoise("watch", state).splitlines()
    loud = [line for line in lines if "ALARM" in line.upper()]
    print("\n".join(f"  {line}" for line in loud or lines[:3]), flush=True)


async def story(folder: Path, seconds: float) -> None:
    """The whole of it."""
    say("An experiment: 20,000 people were offered 0 to 3 USD at random.  Who should get how much?")
    equipoise("simulate", "voucher", "--rows", 20_000, "--out", folder / "world")
    plan = (folder / "world" / "plan.toml").read_text(encoding="utf-8")
    plan = re.sub(r"per_head = [\d.]+", "per_head = 0.5", plan)
    hasty = folder / "world" / "hasty.toml"
    (folder / "world" / "plan.toml").write_text(plan, encoding="utf-8")
    hasty.write_text(plan.replace("per_head = 0.5", "per_head = 5.0"), encoding="utf-8")
    print(equipoise("run", folder / "world" / "plan.toml", "--out", folder / "run").split("\n")[0])
    equipoise("run", hasty, "--out", folder / "hasty")  # somebody typed 5.0 where 0.5 was meant

    say("The policy is served: every decision is logged before it is answered.")
    state = folder / "state"
    service, address = started(folder / "run", state)
    try:
        async with AsyncClient(address) as client:
            day = Day(client, address)
            say(f"People come: {A_SECOND} a second.  Look on at {address}/console")
            await day.serve(0.35 * seconds)
            alarms(state)

            say("A new tram: from now on people come from far away.  Nobody told the shop.")
            day.far = True
            await day.serve(0.2 * seconds)
            alarms(state)

            say(
                "In a hurry a new policy is released.  Its budget has a typing error: 5.0, not 0.5."
            )
            equipoise("publish", folder / "hasty", "--state", state, "--by", "somebody in a hurry")
            await day.serve(0.2 * seconds)

            say("Somebody sees what a head costs, and takes it back.")
            equipoise("rollback", state, "--by", "somebody awake")
            await day.serve(0.15 * seconds)
            print(equipoise("versions", state))
    finally:
        service.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            service.wait(20)

    say(
        "Was it all as the log says?  Every decision is decided again, by the version that made it."
    )
    print(equipoise("replay", state))
    await asyncio.sleep(5.0)  # until the last window is closed
    settings = ("--config", HERE / "serve.toml")
    say("What would the hasty policy be worth, had it decided all of this?")
    print(equipoise("replay", state, "--against", folder / "hasty", *settings))
    say("And the log is the next experiment: its probabilities are known.")
    print(equipoise("decisions", state, "--out", folder / "decisions", *settings))
    print(equipoise("check", folder / "decisions" / "plan.toml"))


def main() -> None:
    """Read what was asked, and tell the story."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--seconds", type=float, default=80.0, help="of traffic")
    parser.add_argument("--out", type=Path, default=Path("runs/live"), help="is made anew")
    asked = parser.parse_args()
    if asked.out.exists():
        shutil.rmtree(asked.out)
    asyncio.run(story(asked.out, asked.seconds))


if __name__ == "__main__":
    main()
