"""Rebuild what is generated in README.md and docs/: benchmark tables, real outputs of the examples,
the report's picture.

A generated part stands between ``<!-- begin KIND ARGUMENT -->`` and ``<!-- end -->``; a figure
within a sentence between ``<!-- NAME:FIGURE FORMAT -->`` and ``<!-- / -->``, where FORMAT is
Python's and FIGURE may end in ``.low`` or ``.high``.  Kinds of part:

    bench NAME       the table of benchmarks/results/NAME.json
    beside NAME      of that table only the figures that stand beside somebody's
    grid NAME:DATA   figures named KIND_DATA_WHO as a table with a row for WHO and a column for KIND
    rewards NAME:DATA  a table of `equipoise reproduce strata`
    code FILE        a file, as a code block
    output FILE      what `python FILE` prints, or what `equipoise run FILE` says of a plan

The picture docs/report.png is taken from the run of examples/voucher.toml.  `--check` only compares
the parts that need no run and fails where one is stale; the tests call it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from make_picture import make_picture

ROOT = Path(__file__).parent.parent
PART = re.compile(r"(<!-- begin (\w+) (\S+) -->\n)(.*?)(<!-- end -->)", re.S)
INLINE = re.compile(r"(<!-- ([\w-]+):(\S+) (\S+) -->)([^<]*)(<!-- / -->)")
LANGUAGE = {".py": "python", ".toml": "toml"}


def pages() -> list[Path]:
    """The pages that may hold generated parts."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def number(value: float | None) -> str:
    """A figure for people: four significant digits."""
    return "" if value is None else f"{value:.4g}"


def ranges(seeds: list[int]) -> str:
    """Seeds for people: "0 to 199" for a run of them."""
    if len(seeds) > 2 and seeds == list(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]} to {seeds[-1]}"
    return ", ".join(map(str, seeds)) or "none"


def table(figures: list[dict[str, Any]]) -> str:
    """Figures as a table."""
    rows = ["| figure | value | range | unit | against | n |", "|---|---|---|---|---|---|"]
    for f in figures:
        spread = "" if f["low"] is None else f"{number(f['low'])} to {number(f['high'])}"
        size = "" if f["n"] is None else f"{f['n']:,}"
        rows.append(
            f"| `{f['name']}` | {number(f['value'])} | {spread} | {f['unit']} | {f['against']} |"
            f" {size} |"
        )
    return "\n".join(rows) + "\n"


def result(name: str) -> dict[str, Any]:
    """What one benchmark recorded."""
    found: dict[str, Any] = json.loads(
        (ROOT / "benchmarks" / "results" / f"{name}.json").read_text(encoding="utf-8")
    )
    return found


def beside(name: str) -> str:
    """The figures of one benchmark that stand beside somebody's."""
    return table([f for f in result(name)["figures"] if f["against"]])


def bench(name: str) -> str:
    """The table of one benchmark's results, with how it was made."""
    made = result(name)
    versions = ", ".join(f"{package} {version}" for package, version in made["versions"].items())
    return (
        f"{table(made['figures'])}\n{made['protocol']}\nSeeds: {ranges(made['seeds'])}.  Versions:"
        f" {versions}.\n"
    )


def by_who(name: str) -> dict[str, dict[str, dict[str, Any]]]:
    """The figures named KIND_DATA_WHO of one data set: who -> kind -> figure."""
    bench_name, data = name.split(":")
    rows: dict[str, dict[str, dict[str, Any]]] = {}
    for f in result(bench_name)["figures"]:
        kind, separator, who = f["name"].partition(f"_{data}_")
        if separator:
            rows.setdefault(who, {})[kind] = f
    return rows


def with_range(f: dict[str, Any] | None, show: Callable[[float | None], str] = number) -> str:
    """A figure with its range in brackets; nothing where there is none."""
    if f is None:
        return ""
    spread = "" if f["low"] is None else f" [{show(f['low'])}, {show(f['high'])}]"
    return f"{show(f['value'])}{spread}"


def grid(name: str) -> str:
    """Figures of one data set by who made them."""
    cells = by_who(name)
    kinds = list(dict.fromkeys(kind for row in cells.values() for kind in row))
    rows = [f"| | {' | '.join(kinds)} |", "|---" * (1 + len(kinds)) + "|"]
    rows += [
        f"| `{who}` | {' | '.join(with_range(row.get(kind)) for kind in kinds)} |"
        for who, row in cells.items()
    ]
    return "\n".join(rows) + "\n"


def whole(value: float | None) -> str:
    """A count for people."""
    return f"{value:,.0f}"


def rewards(name: str) -> str:
    """Rewards of strata methods beside the published ones, with counts of offers where known."""
    cells = {who: row for who, row in by_who(name).items() if "coupon_reward" in row}
    counts = [f"_{kind}" for kind in ("positive", "negative", "neutral")]
    counted = any("coupon_positive" in row for row in cells.values())
    columns = [
        part
        for scheme in ("coupon", "cash")
        for part in [f"{scheme}: counts"] * counted + [f"{scheme}: reward", "published", ""]
    ]
    lines = [f"| method | {' | '.join(columns)} |", "|---" * (1 + len(columns)) + "|"]
    for who, row in cells.items():
        line = [who]
        for scheme in ("coupon", "cash"):
            if counted:
                line.append(" / ".join(whole(row[scheme + kind]["value"]) for kind in counts))
            reward, published = row[f"{scheme}_reward"], row.get(f"{scheme}_published")
            ratio = f"{reward['value'] / published['value'] - 1:+.1%}" if published else ""
            beside_it = whole(published["value"]) if published else ""
            line += [with_range(reward, whole), beside_it, ratio]
        lines.append(f"| {' | '.join(line)} |")
    return "\n".join(lines) + "\n"


def inline(name: str, figure: str, form: str) -> str:
    """One figure for a sentence."""
    end = next((end for end in ("low", "high") if figure.endswith(f".{end}")), "value")
    wanted = figure.removesuffix(f".{end}")
    (f,) = [f for f in result(name)["figures"] if f["name"] == wanted]
    return f"{f[end]:{form}}"


def code(name: str) -> str:
    """A file as a code block."""
    file = ROOT / name
    return f"```{LANGUAGE[file.suffix]}\n{file.read_text(encoding='utf-8').rstrip()}\n```\n"


def output(name: str) -> str:
    """What running an example prints."""
    plan = name.endswith(".toml")
    command = (
        [str(Path(sys.executable).with_name("equipoise")), "run", name]
        if plan
        else [sys.executable, name]
    )
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return f"```text\n{done.stdout.rstrip()}\n```\n"


KINDS = {
    "bench": bench,
    "beside": beside,
    "grid": grid,
    "rewards": rewards,
    "code": code,
    "output": output,
}


def rebuilt(text: str, kinds: set[str]) -> str:
    """A page with its generated parts of some kinds made anew."""
    text = INLINE.sub(lambda m: m[1] + inline(m[2], m[3], m[4]) + m[6], text)
    return PART.sub(lambda m: m[1] + (KINDS[m[2]](m[3]) if m[2] in kinds else m[4]) + m[5], text)


def main() -> int:
    """Rebuild every page, or with --check say which are stale."""
    check = "--check" in sys.argv[1:]
    kinds = set(KINDS) - {"output"} if check else set(KINDS)
    stale = []
    for page in pages():
        text = page.read_text(encoding="utf-8")
        new = rebuilt(text, kinds)
        if new != text and check:
            stale.append(str(page.relative_to(ROOT)))
        elif new != text:
            page.write_text(new, encoding="utf-8")
    if not check:
        make_picture(ROOT / "runs" / "voucher", ROOT / "docs" / "report.png")
    if stale:
        print(f"stale: {', '.join(stale)}; run make docs", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
