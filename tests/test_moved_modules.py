"""Modules of version 0.1 are found under their old names, with a warning that says the new one."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

import equipoise
from equipoise.moved_modules import MODULES, OldModules

PACKAGE = Path(equipoise.__file__).parent


@pytest.fixture(autouse=True)
def forgotten():
    """No old module is left behind, neither among the modules nor on its folder."""
    yield
    for old in MODULES:
        folder, _, name = old.rpartition(".")
        if sys.modules.pop(old, None) is not None and folder in sys.modules:
            vars(sys.modules[folder]).pop(name, None)


@pytest.mark.parametrize("old", sorted(MODULES))
def test_an_old_module_warns_and_leads_to_what_is_there(old):
    assert all(find_spec(new) is not None for new in MODULES[old])
    place = PACKAGE.joinpath(*old.split(".")[1:])
    assert not place.with_suffix(".py").exists()
    assert not (place / "__init__.py").exists()
    assert isinstance(find_spec(old).loader, OldModules)
    with pytest.warns(FutureWarning, match=f"{old} is called {MODULES[old][0]} since version 0.2"):
        import_module(old)


def test_names_are_those_of_today():
    from equipoise.artifacts.batch import score_file
    from equipoise.artifacts.policy import read_scorer
    from equipoise.pipeline.jobs import run

    with pytest.warns(FutureWarning, match="is called"):
        from equipoise.pipeline import runner, score
    assert (score.score_file, score.read_scorer, runner.run) == (score_file, read_scorer, run)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        score.nothing  # noqa: B018


def test_a_name_that_moved_out_is_asked_of_the_folder():
    with pytest.warns(FutureWarning, match="is called"):
        from equipoise.evaluation import evidence
    with pytest.warns(FutureWarning, match="observe"):
        assert callable(evidence.observe)


def test_what_never_was_is_not_found():
    with pytest.raises(ModuleNotFoundError):
        import_module("equipoise.pipeline.nothing")
