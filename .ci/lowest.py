"""Print constraints that hold what the library uses at its lower bounds in pyproject.toml.

Tools of the tests keep the versions of constraints.txt, and so does torch, of which the package
index has no small build of every version: `--torch` holds it at its lower bound, too, where pip
looks at an index that has them.
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
FRAMES = {"pandas", "polars", "highspy"}  # what tests hand to the library, or hold it to
OURS = ("deep", "report", "search", "gradients", "sklearn-models", "serve", "client", "mlflow")


def name_of(requirement: str) -> str:
    """The package of a requirement, as indexes spell it."""
    return re.split(r"[\[<>=!~ ]", requirement)[0].lower().replace("_", "-")


def main(arguments: list[str]) -> None:
    """Print the constraints."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(text for extra in OURS for text in extras[extra])]
    wanted += [text for text in extras["tests"] if name_of(text) in FRAMES]
    lowest = {
        name_of(text): bound[1] for text in wanted if (bound := re.search(r">=([\w.]+)", text))
    }
    if "--torch" not in arguments:
        del lowest["torch"]
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    tools = {name_of(text) for text in extras["tests"]} | {"torch"}
    kept = [line for line in pins if name_of(line) in tools - set(lowest)]
    sys.stdout.write(
        "\n".join([f"{name}=={bound}" for name, bound in lowest.items()] + kept) + "\n"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
