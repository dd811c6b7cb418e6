"""A picture of a run's report, as the README shows it: its first screen, or one section or figure
by its id.

python docs/make_picture.py RUN_FOLDER docs/report.png
python docs/make_picture.py RUN_FOLDER docs/budget.png figure-5-1
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))
from fixtures.chromium import Chromium  # noqa: E402

WIDTH, HEIGHT, STEP, MARGIN = 1280, 900, 60, 16
LARGEST = 150 * 1024  # bytes; the picture is kept under version control


def make_picture(run: Path, out: Path, part: str = "") -> Path:
    """Write a PNG of report.html, cut from below until it is small enough to keep."""
    with Chromium() as browser:
        browser.open(run / "report.html" if run.is_dir() else run, WIDTH, HEIGHT)
        x, y, width, height = 0, 0, WIDTH, HEIGHT
        if part:
            box = browser.ask(
                f"document.getElementById({part!r}).closest('section,"
                " figure').getBoundingClientRect().toJSON()"
            )
            x, y, width, height = (round(box[side]) for side in ("x", "y", "width", "height"))
            x, y, width, height = x - MARGIN, y - MARGIN, width + 2 * MARGIN, height + 2 * MARGIN
        browser.picture(out, (x, y, width, height))
        while out.stat().st_size > LARGEST:
            height -= STEP
            browser.picture(out, (x, y, width, height))
    return out


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        raise SystemExit(__doc__)
    make_picture(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
