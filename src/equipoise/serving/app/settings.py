"""How a service was started, and what it runs by."""

from __future__ import annotations

from typing import Any, NamedTuple

from equipoise.serving.app.tokens import Tokens, must_be_safe, read_tokens
from equipoise.serving.config import ServeConfig, config_of, read_config


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
            Where one is wrong, or the host is not safe.
        """
        file = read_config(self.config) if self.config else ServeConfig()
        plain = file.model_dump(exclude_unset=True)
        config = config_of(plain | self.given, self.config)
        tokens = read_tokens()
        must_be_safe(config.host, tokens)
        return Settings(config, tokens)
