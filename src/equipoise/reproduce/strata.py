"""`equipoise reproduce strata`: build the published tables of incentive strata again.

    data (official file) -> construction, one per seed -> models, each in a file -> policies ->
    results.json and results.md

Every model and every (seed, method) result is written beside its place and renamed as soon as it is
there, so a run that was stopped goes on where it was.  A run of other settings does not mix with
it: they are part of the folder's settings.json.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from equipoise.core.errors import InputError
from equipoise.core.progress import Progress, silent
from equipoise.core.registry import Registry
from equipoise.neural import require_torch
from equipoise.reproduce.checkpoint import same_settings, write_text

RATINGS = Registry(
    "rating data",
    {
        "movielens_1m": "equipoise.data.ratings.movielens:fetch_movielens_1m",
        "yelp": "equipoise.data.ratings.yelp:fetch_yelp",
        "kuairec": "equipoise.data.ratings.kuairec:fetch_kuairec",
    },
)
SAMPLED = {"kuairec": 0.2}  # the share of pairs that count as seen, where the data hold nearly all
FIRST_SEED = 2020  # of the published code


@dataclass(frozen=True)
class Settings:
    """What is reproduced.   recipe: of `equipoise.data.ratings.constructed`; methods: () is all;
    workers: fits at once.
    """

    data: str = "movielens_1m"
    recipe: str = "published"
    seeds: tuple[int, ...] = (FIRST_SEED,)
    methods: tuple[str, ...] = ()
    epochs: int = 1000
    workers: int = os.cpu_count() or 1


def reproduce_strata(
    settings: Settings,
    out: Path | str,
    *,
    path: Path | str | None = None,
    ratings: Any = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Build the tables and write them to ``out``: results.json, results.md.   path: of the ratings;
    ratings: already read.
    """
    require_torch()
    from equipoise.data.ratings.constructed import RECIPES
    from equipoise.reproduce.methods import METHODS
    from equipoise.reproduce.tables import as_markdown, summary

    folder = Path(out)
    names = settings.methods or tuple(METHODS)
    for what, asked_names, allowed in (
        ("method", names, METHODS),
        ("recipe", (settings.recipe,), RECIPES),
    ):
        unknown = [name for name in asked_names if name not in allowed]
        if unknown:
            raise InputError(f"a {what}", f"be one of {', '.join(allowed)}", repr(unknown[0]))
    same_settings(
        folder, {"data": settings.data, "recipe": settings.recipe, "epochs": settings.epochs}
    )

    def read() -> Any:
        return RATINGS.load(settings.data)(path=path) if ratings is None else ratings

    results = []
    for place, seed in enumerate(settings.seeds):
        progress("seeds", place, len(settings.seeds))
        results += _one_seed(settings, seed, names, folder / f"seed-{seed}", read, progress)
    progress("seeds", len(settings.seeds), len(settings.seeds))
    table = summary(settings.data, asdict(settings), results)
    write_text(folder / "results.json", json.dumps(table, indent=1) + "\n")
    write_text(folder / "results.md", as_markdown(table))
    return table


def _one_seed(
    settings: Settings,
    seed: int,
    names: Sequence[str],
    folder: Path,
    read: Callable[[], Any],
    progress: Progress,
) -> list[dict[str, Any]]:
    """The results of every method, read where they are there."""
    from equipoise.data.ratings.constructed import RECIPES, Constructed, construct
    from equipoise.reproduce.fits import Fits
    from equipoise.reproduce.methods import METHODS

    built = folder / "constructed.npz"
    if not built.exists():
        progress(f"seed {seed}: construction", 0, 1)
        ratings = read()
        share = SAMPLED.get(settings.data)
        rows = ratings if share is None else ratings.sampled(share, seed)
        construct(rows, recipe=RECIPES[settings.recipe], seed=seed).write(built)
        progress(f"seed {seed}: construction", 1, 1)
    fits: Fits | None = None
    results = []
    for place, name in enumerate(names):
        progress(f"seed {seed}: methods", place, len(names))
        file = folder / "results" / f"{re.sub('[^a-z0-9]+', '-', name.lower())}.json"
        if not file.exists():
            if fits is None:
                fits = Fits(
                    Constructed.read(built),
                    seed,
                    folder / "models",
                    settings.epochs,
                    _epochs_reporter(seed, progress),
                )
                fits.prepare(
                    (model for other in names for model in METHODS[other].models), settings.workers
                )
            write_text(file, json.dumps(_result(METHODS[name], seed, fits)) + "\n")
        results.append(json.loads(file.read_text(encoding="utf-8")))
    progress(f"seed {seed}: methods", len(names), len(names))
    return results


def _result(method: Any, seed: int, fits: Any) -> dict[str, Any]:
    """One row of the table, with how its models were trained, and the gain of our best method over
    the text's.
    """
    from equipoise.reproduce.methods import BEST, METHODS, RIVAL, gain_over, judged

    figures = judged(method, fits)
    models = {name: fits(name) for name in method.models}
    training = {
        name: {"epochs": one.epochs, "seconds": round(one.seconds, 1), "converged": one.converged}
        for name, one in models.items()
    }
    gain = {"gain": gain_over(method, METHODS[RIVAL], fits)} if method.name == BEST else {}
    return {"method": method.name, "seed": seed, "schemes": figures, "models": training, **gain}


def _epochs_reporter(seed: int, progress: Progress) -> Callable[[str, int], None]:
    """Epochs of a model have no known end: the bar shows how many were run."""
    return lambda name, epochs: progress(f"seed {seed}: {name}, epochs", epochs, epochs)


class StrataTables:
    """The tables of the strata, as the verb asks for them."""

    data, first_seed = tuple(RATINGS), FIRST_SEED
    __call__ = staticmethod(reproduce_strata)

    def folder(self, data: str, recipe: str) -> str:
        """Its own folder's name."""
        return f"reproduce-{data}-{recipe}"


STRATA = StrataTables()
