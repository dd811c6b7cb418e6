"""What an operator may set: the ``[serve]`` table of a TOML file; secrets are in the environment.

All of it is valid or none of it is taken.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from equipoise.core.durations import nanoseconds
from equipoise.core.errors import InputError
from equipoise.core.suggest import among

LONGEST = 1e9  # seconds: thirty years
Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(gt=0, le=LONGEST)]
SecondsOrNone = Annotated[float, Field(ge=0, le=LONGEST)]


class Strict(BaseModel):
    """A table without unknown keys, whose values are of the types they must be: "2" is no number,
    and true is not 1.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)


class RewardWindow(Strict):
    """How rewards of one metric are joined.

    Attributes
    ----------
    window : str
        As "28d": what comes later is kept, and not joined.
    default : float
        What stands for no reward by the end of the window.
    exposure : {"any", "required"}
        Whether only decisions that were shown have this metric.
    """

    window: str = "28d"
    default: float = 0.0
    exposure: Literal["any", "required"] = "any"


class BudgetConfig(Strict):
    """Money for a period.

    Attributes
    ----------
    total : float
        In money.
    claimed : str or None
        The reward that says that an offer was taken, and so what its cost was; None: every offer
        costs its expected cost at once.
    pacing : {"off", "resolve", "pi", "price"}
        How the price follows the spend.
    seconds : float
        The period's length.
    requests : float
        How many requests the period is expected to bring; needed for pacing.
    """

    total: float = Field(ge=1e-6)
    claimed: str | None = None
    pacing: Literal["off", "resolve", "pi", "price"] = "off"
    seconds: Seconds = 86_400.0
    requests: float = Field(default=0.0, ge=0)


class LogConfig(Strict):
    """The decision log.

    Attributes
    ----------
    durability : {"process", "disk"}
        "process": written before the answer, on disk every 50 ms; "disk": on disk before the
        answer.
    roll_bytes : int
        When a new segment begins.
    roll_seconds : float
        Likewise.
    keep : str
        As "90d": older segments are removed.
    erase_within : str
        By when an erased unit is gone from old segments.
    """

    durability: Literal["process", "disk"] = "process"
    roll_bytes: int = Field(default=64 << 20, ge=4096)
    roll_seconds: Seconds = 600.0
    keep: str = "90d"
    erase_within: str = "30d"


class LimitsConfig(Strict):
    """What one request, and one worker, may ask.

    Attributes
    ----------
    body_bytes, batch : int
        Of one request.
    in_flight : int
        Requests that one worker has in hand; beyond it 503.
    rate : float
        Requests a second of one token; 0: no limit.
    read_seconds : float
        By when a body must have come.
    drain_seconds : float
        From the signal to stop, while the worker is not ready and answers still, to the end of
        new connections: as long as a load balancer takes to see it.
    """

    body_bytes: int = Field(default=8 << 20, gt=0)
    batch: int = Field(default=10_000, gt=0)
    in_flight: int = Field(default=256, gt=0)
    rate: float = Field(default=0.0, ge=0)
    read_seconds: Seconds = 5.0
    drain_seconds: SecondsOrNone = 0.0


class StoreConfig(Strict):
    """Where known units are.

    Attributes
    ----------
    kind : {"local", "redis"}
        The snapshot's own files, or Redis, whose address is in `EQUIPOISE_REDIS_URL`.
    deadline : float
        In seconds; past it the answer is control.
    """

    kind: Literal["local", "redis"] = "local"
    deadline: Seconds = 0.02


class MonitorConfig(Strict):
    """What is watched in the decision log, and how rarely by chance.

    Attributes
    ----------
    reference : int
        The first decisions under a snapshot, which later ones are compared with.
    block : int
        Decisions that are compared at a time.
    false_alarms : float
        The chance of any false alarm in ``days``, over all that is watched.
    days : float
        Likewise.
    least_psi : float
        Smaller changes are shown, and are no alarm.
    delay : str
        As "1h": delays of rewards are compared up to this long.
    every : float
        Seconds between looks of a service at its own log; 0: it does not look.
    """

    reference: int = Field(default=2_000, ge=200)
    block: int = Field(default=1_000, ge=100)
    false_alarms: float = Field(default=0.05, gt=0, lt=1)
    days: float = Field(default=90.0, ge=1, le=1e6)
    least_psi: float = Field(default=0.02, ge=0)
    delay: str = "1h"
    every: SecondsOrNone = 60.0


class ServeConfig(Strict):
    """All settings of a service.

    Attributes
    ----------
    policy : str
        The name that clients ask for.
    host : str
        Where to listen; anything but this machine needs tokens.
    port, workers : int
        Likewise.
    holdout : float
        The share of units that always gets control.
    share : float
        The share of units that a candidate snapshot decides on.
    explore : float
        The share of decisions drawn at random, evenly over the cells that are open.
    shadows : tuple of str
        The ids, or their first digits, of snapshots that decide beside and are never served.
    store, log, limits, budget, rewards, monitors
        Tables of their own.

    Examples
    --------
    >>> ServeConfig().host
    '127.0.0.1'
    """

    policy: str = Field(default="policy", min_length=1)
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65_535)
    workers: int = Field(default=1, ge=1, le=256)
    holdout: Share = 0.0
    share: Share = 0.0
    explore: Share = 0.0
    shadows: Annotated[tuple[str, ...], Field(strict=False)] = ()
    store: StoreConfig = StoreConfig()
    log: LogConfig = LogConfig()
    limits: LimitsConfig = LimitsConfig()
    budget: BudgetConfig | None = None
    rewards: dict[str, RewardWindow] = {}
    monitors: MonitorConfig = MonitorConfig()


TABLES: dict[str, type[Strict]] = {
    "store": StoreConfig,
    "log": LogConfig,
    "limits": LimitsConfig,
    "budget": BudgetConfig,
    "rewards": RewardWindow,
    "monitors": MonitorConfig,
}


def read_config(path: Path | str) -> ServeConfig:
    """Read the ``[serve]`` table of a TOML file.

    Parameters
    ----------
    path : path
        The file; its other tables are left alone.

    Returns
    -------
    ServeConfig
        All of it valid.

    Raises
    ------
    InputError
        Naming the first key that is wrong.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        plain = tomllib.loads(text)
    except (OSError, ValueError) as error:
        fix = "write a TOML file with a table [serve]"
        raise InputError("the settings", "be readable TOML", str(error), str(path), fix) from error
    if "serve" not in plain:
        got, fix = _instead(plain), "write the settings under [serve]"
        raise InputError("the settings", "have a table [serve]", got, str(path), fix)
    return config_of(plain["serve"], str(path))


def _instead(plain: dict[str, Any]) -> str:
    """What a file has in place of a table."""
    return f"only {', '.join(plain)}" if plain else "nothing"


def _wrong(first: Any, where: str) -> InputError:
    """What pydantic says of a key, in our grammar."""
    path = [str(part) for part in first["loc"]]
    table = TABLES.get(path[0], ServeConfig) if len(path) > 1 else ServeConfig
    key = ".".join(["serve", *path])
    if first["type"] == "extra_forbidden":
        fix = among(path[-1], tuple(table.model_fields), "keys")
        return InputError(key, "be a known key", "an unknown one", where, fix)
    if first["type"] == "missing":
        return InputError(key, "be there", "no such key", where)
    must = re.sub("^(Input|String) should ", "", first["msg"])
    return InputError(key, must, first["input"], where)


def config_of(plain: dict[str, Any], where: str = "") -> ServeConfig:
    """The settings that a ``[serve]`` table gives."""
    try:
        config = ServeConfig.model_validate(plain)
    except ValidationError as error:
        raise _wrong(error.errors()[0], where) from error
    name = config.policy
    if not name.isprintable() or "/" in name:
        must = "be printable, without /: it is the key of a flag, in a path"
        raise InputError("serve.policy", must, repr(name), where)
    nanoseconds(config.log.erase_within, "serve.log.erase_within")
    _length("serve.monitors.delay", config.monitors.delay, where)
    keep = _length("serve.log.keep", config.log.keep, where)
    claimed = None if config.budget is None else config.budget.claimed
    claim = {} if claimed is None else {claimed: RewardWindow()}  # its money waits in the log
    for name, own in {**claim, **config.rewards}.items():
        key = f"serve.rewards.{name}.window"
        if _length(key, own.window, where) > keep:
            got, fix = f"{config.log.keep}, {key} {own.window}", "keep the log for longer"
            raise InputError("serve.log.keep", "be no less than any window", got, where, fix)
    return config


def _length(key: str, text: str, where: str) -> int:
    """A length of time above 0, in nanoseconds."""
    length = nanoseconds(text, key)
    if not length:
        raise InputError(key, "be more than 0", text, where)
    return length
