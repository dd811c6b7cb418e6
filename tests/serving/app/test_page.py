"""The examples of docs/serving.md that need a service, or its log."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

from fixtures.served import ServedSnapshot, World, with_

PAGE = Path(__file__).parents[3] / "docs" / "serving.md"


def run(folder, place: int, **names) -> None:
    """Run a block of the page with the names that it takes as known."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    file = folder / "example.py"
    file.write_text(blocks[place], encoding="utf-8")
    runpy.run_path(str(file), names)


def test_what_was_shown(service, tmp_path, capsys):
    run(tmp_path, 0, address=service.url, token=service.token, unit="0000024", metric="y")
    assert capsys.readouterr().out == "True\n"


def test_what_a_shadow_would_have_given(tmp_path, capsys):
    generous = ServedSnapshot("b" * 64, with_(prices=(0.0,)))
    world = World(tmp_path, shadows=(generous,))
    for unit in ("ann", "ann", "bob"):
        world.decide(unit)
    world.close()
    run(tmp_path, 1, state=tmp_path)
    assert capsys.readouterr().out == "[(('small', 'large'), 2), (('none', 'none'), 1)]\n"
