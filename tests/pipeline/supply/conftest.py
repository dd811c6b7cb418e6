"""A small world of mixes whose truth is known: four categories, two kinds of users, hills around each kind's best mix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from equipoise.pipeline import read_plan, run_supply

PARTS = ("film", "food", "game", "news")
BEST = np.array([[0.45, 0.25, 0.2, 0.1], [0.1, 0.2, 0.25, 0.45]])
PLAN = """
[log]
path = "log.parquet"
treatment = ["film", "food", "game", "news"]
features = ["u1", "u2"]
id = "user"

[log.outcomes]
minutes = {{ kind = "continuous", unit = "min" }}
skips = {{ kind = "continuous", better = "lower" }}

[policy]
weights = {{ minutes = 1.0, skips = 0.1 }}
{policy}
[space]
kind = "shares"
parts = ["film", "food", "game", "news"]
{space}
[supply]
count = 2
{supply}
[run]
folds = 2
"""


@dataclass(frozen=True)
class World:
    """Rows with their truth."""

    kind: np.ndarray
    X: np.ndarray
    T: np.ndarray
    y: np.ndarray

    def level(self, mix):
        """Expected minutes and skips, (n, 2): the best mix of a kind is the top of its hills."""
        move = mix - BEST[self.kind]
        return np.column_stack([20 - 60 * (move**2).sum(axis=1), 0.3 + 0.5 * (move**2).sum(axis=1)])

    @property
    def parts(self):
        return PARTS

    @property
    def best(self):
        """The best mix of each row, (n, 4)."""
        return BEST[self.kind]

    def table(self):
        """What the platform knows."""
        parts = dict(zip(PARTS, self.T.T, strict=True))
        features = {"u1": self.X[:, 0], "u2": self.X[:, 1]}
        return pa.table({"user": np.arange(len(self.X)), **features, **parts, "minutes": self.y[:, 0], "skips": self.y[:, 1]})


def make_world(n=1600, seed=0):
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 2, n)
    X = np.column_stack([6.0 * kind + rng.normal(size=n), rng.normal(size=n)])
    T = rng.dirichlet(np.ones(4), n) * 0.6 + 0.1 * np.array([[1.5, 1, 1, 0.5], [0.5, 1, 1, 1.5]])[kind]
    empty = World(kind, X, T, np.zeros((n, 2)))
    return World(kind, X, T, empty.level(T) + rng.normal(size=(n, 2)) * (1.0, 0.02))


@pytest.fixture(scope="session")
def world():
    return make_world()


@pytest.fixture(scope="session")
def shares(world, tmp_path_factory):
    """The findings and the folder of a run of the way "shares" with two rivals."""
    place = tmp_path_factory.mktemp("shares")
    pq.write_table(world.table(), place / "log.parquet")
    (place / "plan.toml").write_text(PLAN.format(policy="", space="", supply='rivals = ["vector", "binary"]'))
    return run_supply(read_plan(place / "plan.toml"), place / "run"), place / "run"


@pytest.fixture
def written(world, tmp_path):
    """A function that writes the log and a plan, and returns the plan's place.   policy, space, supply: lines of its tables."""

    def write(policy="", space="", supply="", table=None):
        pq.write_table(world.table() if table is None else table, tmp_path / "log.parquet")
        (tmp_path / "plan.toml").write_text(PLAN.format(policy=policy, space=space, supply=supply))
        return tmp_path / "plan.toml"

    return write
