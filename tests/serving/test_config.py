"""Settings: what is wrong is said with its key, and nothing is taken for something else."""

from __future__ import annotations

import pytest

from equipoise.core.errors import InputError
from equipoise.serving.app.settings import Launch
from equipoise.serving.config import config_of, read_config


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the settings must have a table [serve]; got nothing"),
        ("workers = 2", "the settings must have a table [serve]; got only workers"),
        ("[server]\nworkers = 2", "got only server"),
        ("serve = 2", "serve must be a valid dictionary"),
        ("[serve]\nworkers = '2'", "serve.workers must be a valid integer; got 2"),
        ("[serve]\nworkers = 2.0", "serve.workers must be a valid integer"),
        ("[serve]\nholdout = true", "serve.holdout must be a valid number; got True"),
        ("[serve]\nshadows = 'ab'", "serve.shadows must be a valid tuple"),
        ("[serve]\npolicy = ''", "serve.policy must have at least 1 character"),
        ("[serve]\npolicy = 'a/b'", "serve.policy must be printable, without /"),
        ('[serve]\npolicy = "a\\nb"', r"got 'a\nb'"),
        ("[serve.budget]", "serve.budget.total must be there; got no such key"),
        ("[serve.budget]\ntotal = '20_000'", "serve.budget.total must be a valid number"),
        (
            "[serve.budget]\ntotal = 1e-7",
            "serve.budget.total must be greater than or equal to",
        ),
        ("[serve.budget]\ntotal = 1\nseconds = 1e300", "serve.budget.seconds must be less than"),
        ("[serve.limits]\ndrain_seconds = 1e300", "serve.limits.drain_seconds must be less than"),
        ("[serve.log]\nkeep = '0d'", "serve.log.keep must be more than 0"),
        ("[serve.rewards.y]\nwindow = '0s'", "serve.rewards.y.window must be more than 0"),
        (
            "[serve.log]\nkeep = '7d'\n[serve.rewards.y]",
            "serve.log.keep must be no less than any window; got 7d, serve.rewards.y.window 28d",
        ),
        (
            "[serve.log]\nkeep = '7d'\n[serve.budget]\ntotal = 1.0\nclaimed = 'y'",
            "serve.log.keep must be no less than any window; got 7d, serve.rewards.y.window 28d",
        ),
    ],
)
def test_what_is_wrong_is_said(tmp_path, text, words):
    (tmp_path / "serve.toml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_config(tmp_path / "serve.toml")
    assert words in str(caught.value)


def test_whole_numbers_are_numbers_and_lists_are_taken():
    config = config_of({"holdout": 1, "shadows": ["ab"], "budget": {"total": 20_000}})
    assert (config.holdout, config.shadows) == (1.0, ("ab",))
    assert config.budget is not None
    assert config.budget.total == 20_000.0


def test_redis_is_not_replaced_by_files_where_nobody_says_where_it_is(tmp_path, monkeypatch):
    (tmp_path / "serve.toml").write_text("[serve.store]\nkind = 'redis'\n", encoding="utf-8")
    launch = Launch(str(tmp_path / "state"), str(tmp_path / "serve.toml"))
    monkeypatch.delenv("EQUIPOISE_REDIS_URL", raising=False)
    with pytest.raises(InputError, match="EQUIPOISE_REDIS_URL must name the Redis"):
        launch.settings()
    monkeypatch.setenv("EQUIPOISE_REDIS_URL", "redis://127.0.0.1:1/0")
    assert launch.settings().config.store.kind == "redis"
