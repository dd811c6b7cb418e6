"""How a service was started, and what it runs by."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from equipoise.core.errors import DataError, InputError
from equipoise.serving.app.tokens import Tokens, must_be_safe, read_tokens, token_of
from equipoise.serving.config import ServeConfig, config_of, read_config
from equipoise.serving.errors import ConflictError
from equipoise.serving.ledger.redis_book import REDIS


class Settings(NamedTuple):
    """What a service runs by; read again when it is told to.

    Attributes
    ----------
    config : ServeConfig
        Of the file.
    tokens : Tokens
        Of the environment.
    """

    config: ServeConfig
    tokens: Tokens


class Launch(NamedTuple):
    """How a service was started.

    Attributes
    ----------
    state : str
        Its folder.
    config : str, default ""
        The file of settings, "" for none.
    given : dict, default {}
        Settings of the command line; they come before those of the file.
    empty : bool, default False
        Whether ``POST /empty`` is there, for benchmarks.
    """

    state: str
    config: str = ""
    given: dict[str, Any] = {}
    empty: bool = False

    def settings(self) -> Settings:
        """The settings of now.

        Raises
        ------
        InputError
            Where one is wrong, the host is not safe, or nothing says where Redis is.
        """
        file = read_config(self.config) if self.config else ServeConfig()
        plain = file.model_dump(exclude_unset=True)
        config = config_of(plain | self.given, self.config)
        if config.store.kind == "redis" and not os.environ.get(REDIS):
            fix = "set it, as in redis://host:6379/0; or leave out [serve.store] kind"
            raise InputError(REDIS, "name the Redis of the service", "nothing", fix=fix)
        tokens = read_tokens()
        must_be_safe(config.host, tokens)
        return Settings(config, tokens)


class Handover:
    """The settings that were taken, for workers that start later: the file may be another by then.

    Parameters
    ----------
    file : int
        An open file without a name.  Each time has a line of JSON; the last whole one counts.
    """

    def __init__(self, file: int) -> None:
        self.file = file

    def put(self, settings: Settings) -> None:
        """Hand settings over.

        Parameters
        ----------
        settings : Settings
            Those in force.

        Raises
        ------
        DataError
            Where they cannot be written; those before are then in force.
        """
        config, tokens = settings
        plain = {"serve": config.model_dump(mode="json", exclude_unset=True)}
        line = json.dumps(plain | {"tokens": tokens.entries()}).encode() + b"\n"
        size = os.fstat(self.file).st_size
        try:
            written = os.pwrite(self.file, line, size)
        except OSError as error:
            got = error.strerror or str(error)
            raise DataError("the settings", "be handed to the workers", got) from error
        if written < len(line):
            os.ftruncate(self.file, size)
            raise DataError("the settings", "be handed to the workers", "a full disk")

    def settings(self) -> Settings:
        """The last that were handed over.

        Returns
        -------
        Settings
            Valid, since they were read before.
        """
        text = os.pread(self.file, os.fstat(self.file).st_size, 0)
        plain = json.loads(text[: text.rfind(b"\n")].rpartition(b"\n")[2])
        return Settings(config_of(plain["serve"]), Tokens(map(token_of, plain["tokens"])))


def must_go_on(state: Path, old: ServeConfig, new: ServeConfig) -> None:
    """Refuse settings that a service cannot take while it runs.

    Parameters
    ----------
    state : Path
        Its folder.
    old, new : ServeConfig
        What it runs by, and what it is to run by.

    Raises
    ------
    ConflictError
        Where something differs that stays while it runs.
    InputError
        Where there is no such shadow.
    """
    fixed = [
        (one.policy, one.host, one.port, one.workers, one.log, one.budget, one.store.kind)
        for one in (old, new)
    ]
    if fixed[0] != fixed[1]:
        what = "policy, host, port, workers, log, budget and the kind of store"
        fix = "start it again, or set them back"
        raise ConflictError(what, "stay while the service runs", "others", "[serve]", fix)
    if new.shadows:
        from equipoise.serving.snapshots.state import State

        for id in new.shadows:
            State(state).one(id)
