import numpy as np
import pytest

pytest.importorskip("torch")

from equipoise.core.errors import DataError  # noqa: E402
from equipoise.reproduce.fits import MODELS, Fits  # noqa: E402


def test_every_model_is_fitted_kept_and_read(data, tmp_path):
    fits = Fits(data, 1, tmp_path, epochs=2)
    steps = []
    fits.report = lambda name, epochs: steps.append((name, epochs))
    for name in MODELS:
        assert fits(name).epochs <= 2
    assert steps[:2] == [("y0-or", 1), ("y0-or", 2)]
    steps.clear()
    again = Fits(data, 1, tmp_path, epochs=2, report=fits.report)
    for name in MODELS:
        np.testing.assert_array_equal(
            again(name).scores(data.test_pairs), fits(name).scores(data.test_pairs)
        )
    assert steps == []


def test_the_doubly_robust_target_is_fitted_to_rows_of_both_arms(data, tmp_path):
    fits = Fits(data, 1, tmp_path)
    y1 = fits.probability("y1-dr", data.pairs)
    level = fits.probability("y1-or", data.pairs)
    g = fits.clipped()
    signal = level + (data.t == 1) * (data.y - level) / g
    assert ((y1 - signal) ** 2).mean() < ((signal.mean() - signal) ** 2).mean()
    assert g.min() >= 0.1
    assert g.max() <= 0.9


def test_a_seed_of_its_own_for_every_model(data, tmp_path):
    seeds = {Fits(data, seed, tmp_path).how(name, None).seed for seed in (1, 2) for name in MODELS}
    assert len(seeds) == 2 * len(MODELS)


def test_a_broken_file_is_told(data, tmp_path):
    (tmp_path / "c1.npz").write_text("no")
    with pytest.raises(
        DataError, match=r"a fitted model must be readable; .* at .*c1.npz; delete it and run again"
    ):
        Fits(data, 1, tmp_path)("c1")
