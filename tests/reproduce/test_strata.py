import json

import pytest

pytest.importorskip("torch")

from equipoise.core.errors import InputError  # noqa: E402
from equipoise.reproduce import methods  # noqa: E402
from equipoise.reproduce.strata import Settings, reproduce_strata  # noqa: E402

FEW = Settings(seeds=(1, 2), methods=("Naive", "CF-OR", "CF-MTL", "CF-MLE, known g"), epochs=2)


def test_tables_are_written_and_say_what_was_done(ratings, tmp_path):
    steps = []
    results = reproduce_strata(
        FEW, tmp_path, ratings=ratings, progress=lambda *step: steps.append(step)
    )
    assert json.loads((tmp_path / "results.json").read_text())["rows"] == results["rows"]
    row = next(
        row for row in results["rows"] if (row["method"], row["scheme"]) == ("CF-OR", "cash")
    )
    assert row["seeds"] == [1, 2]
    assert row["published"] == 40_353
    assert row["reward"] == pytest.approx(row["positive"] - 0.4 * row["negative"])
    assert not row["converged"]
    assert len(results["gains"]) == 2
    text = (tmp_path / "results.md").read_text()
    assert "| CF-OR |" in text
    assert "40,353 (76,748 / 90,987 / 48,310)" in text
    assert "2, not converged" in text
    assert ("seeds", 2, 2) in steps
    assert ("seed 2: methods", 4, 4) in steps


def test_a_run_that_was_stopped_goes_on_and_ends_the_same(ratings, tmp_path, monkeypatch):
    whole = reproduce_strata(FEW, tmp_path / "whole", ratings=ratings)
    steps = []

    def stops(method, fits):
        steps.append((fits.seed, method.name))
        if steps[-1] == (2, "CF-OR"):
            raise KeyboardInterrupt
        return judged(method, fits)

    judged = methods.judged
    monkeypatch.setattr(methods, "judged", stops)
    with pytest.raises(KeyboardInterrupt):
        reproduce_strata(FEW, tmp_path / "cut", ratings=ratings)
    assert not (tmp_path / "cut" / "results.json").exists()
    steps.clear()
    monkeypatch.setattr(
        methods,
        "judged",
        lambda method, fits: steps.append((fits.seed, method.name)) or judged(method, fits),
    )
    again = reproduce_strata(FEW, tmp_path / "cut", ratings=ratings)
    assert steps == [(2, "CF-OR"), (2, "CF-MTL"), (2, "CF-MLE, known g")]
    drop = ("seconds",)
    assert [{k: v for k, v in row.items() if k not in drop} for row in again["rows"]] == [
        {k: v for k, v in row.items() if k not in drop} for row in whole["rows"]
    ]


def test_bad_input(ratings, tmp_path):
    with pytest.raises(InputError, match="a method must be one of Naive, .*; got 'naif'"):
        reproduce_strata(Settings(methods=("naif",)), tmp_path, ratings=ratings)
    with pytest.raises(
        InputError, match="a recipe must be one of published, text-labels, swapped-losses"
    ):
        reproduce_strata(Settings(recipe="none"), tmp_path, ratings=ratings)
    reproduce_strata(Settings(methods=("Naive",), epochs=1, seeds=(1,)), tmp_path, ratings=ratings)
    with pytest.raises(
        InputError,
        match="the folder must hold a run of .*'recipe': 'text-labels'.*choose another --out",
    ):
        reproduce_strata(Settings(recipe="text-labels", epochs=1), tmp_path, ratings=ratings)
