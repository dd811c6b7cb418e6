"""What an install takes: bounds in pyproject.toml, the versions that were tested together in
constraints.txt.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PINS = {
    canonicalize_name(requirement.name): requirement
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
    for requirement in [Requirement(line)]
}
EXTRAS = PROJECT["optional-dependencies"]
WANTED = {
    text: Requirement(text)
    for text in [*PROJECT["dependencies"], *(text for extra in EXTRAS.values() for text in extra)]
    if not text.startswith("equipoise")
}


@pytest.mark.parametrize("wanted", WANTED.values(), ids=WANTED)
def test_a_dependency_has_a_lower_bound_and_a_tested_version_within_it(wanted):
    assert ">=" in {part.operator for part in wanted.specifier}
    (pin,) = PINS[canonicalize_name(wanted.name)].specifier
    assert pin.operator == "=="
    assert pin.version in wanted.specifier


def test_users_choose_their_torch_and_we_pin_ours():
    """A pin in the library would force users' versions; without one a plain install on Linux takes
    a build of several GB.
    """
    (ours,) = [text for text in EXTRAS["deep"] if text.startswith("torch")]
    assert "3.0" in Requirement(ours).specifier
    assert str(PINS["torch"]) == "torch==2.13.0"


def test_the_lowest_leg_holds_the_library_at_its_lower_bounds():
    printed = subprocess.run(
        [sys.executable, ROOT / ".ci" / "lowest.py"], capture_output=True, text=True, check=True
    ).stdout.split()
    held = {canonicalize_name(text.split("==")[0]): text.split("==")[1] for text in printed}
    for text in PROJECT["dependencies"]:
        wanted = Requirement(text)
        assert f">={held[canonicalize_name(wanted.name)]}" in text
    assert held["torch"] == "2.13.0", "only a CPU's build where the index has no others"
    assert held["pytest"] == str(PINS["pytest"].specifier).lstrip("=")
