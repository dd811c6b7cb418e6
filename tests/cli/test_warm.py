"""``equipoise warm`` runs small jobs; its whole list takes a minute and is for images."""

from __future__ import annotations

import logging

import pytest

from equipoise.cli import warm
from equipoise.cli.simulate import OWN_FILES
from equipoise.data import SIMULATORS
from equipoise.estimators import ESTIMATORS


def test_warm_makes_runs_and_fits_and_keeps_none(equipoise, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(warm, "WORLDS", {"placebo": (300, {"estimator": {"name": "dml"}})})
    monkeypatch.setattr(warm, "ESTIMATORS", ("dml-sparse",))
    said = equipoise("warm")
    assert said.code == 0
    assert logging.getLogger("equipoise").level == logging.NOTSET
    assert "kernels compiled in" in said.out
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("world", warm.WORLDS)
def test_worlds_are_those_that_are_simulated(world):
    assert world in {*SIMULATORS, *OWN_FILES, "packets"}


@pytest.mark.parametrize("name", warm.ESTIMATORS)
def test_estimators_are_registered(name):
    assert name in ESTIMATORS
