"""Sizes of experiments: their power and their false claims by simulation, and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.operations import dunnett_quantile, experiment_size


def differences(size, rows, effect, draws, seed):
    """Standardised differences from control of `draws` experiments of so many rows, (draws, K)."""
    rng = np.random.default_rng(seed)
    error = size.std_dev / np.sqrt(size.share * rows)
    means = rng.standard_normal((draws, len(error))) * error + np.append(0.0, effect)
    return (means[:, 1:] - means[:, :1]) / np.sqrt(error[0] ** 2 + error[1:] ** 2)


@pytest.mark.parametrize("base_share", ["root", "equal", 0.7])
@pytest.mark.parametrize("arms", [1, 2, 5, 36])
def test_each_arm_is_told_with_the_power_and_none_is_made_up(arms, base_share):
    effect = np.linspace(0.02, 0.05, arms) * np.where(np.arange(arms) % 2, -1, 1)
    size = experiment_size(effect, 0.4, base_share=base_share)
    for a in range(arms):
        z = differences(size, size.rows[a], effect, 20_000, a)[:, a]
        assert abs((np.abs(z) > size.critical).mean() - 0.8) < 0.012  # 4 standard errors
    null = differences(size, size.total, np.zeros(arms), 40_000, 99)
    claimed = (np.abs(null) > size.critical).any(axis=1).mean()
    assert abs(claimed - 0.05) < 0.0045
    if arms > 1:  # 1.96 for every arm would claim more
        assert (np.abs(null) > 1.96).any(axis=1).mean() > 0.08
    assert np.allclose(size.detectable(4 * size.total), 0.5 * size.detectable(size.total))


def test_noise_of_its_own_in_each_arm():
    size = experiment_size([0.1, 0.1], [1.0, 1.0, 3.0], base_share="equal")
    reach = size.critical[0] + 0.841621
    assert size.rows.tolist() == np.ceil(reach**2 * np.array([6, 30]) / 0.01).tolist()
    z = differences(size, size.rows[1], [0.1, 0.1], 40_000, 0)[:, 1]
    assert abs((np.abs(z) > size.critical).mean() - 0.8) < 0.008


@pytest.mark.parametrize("looks", [2, 5, 20])
def test_looking_as_rows_come_in(looks):
    """The level holds over all looks together, the power is reached, and good news come earlier."""
    fixed, looking = (
        experiment_size([0.1, 0.1], 1.0, base_share="equal", looks=k) for k in (1, looks)
    )
    assert fixed.total < looking.total < 1.12 * fixed.total
    assert looking.stops.max() < (0.95 if looks == 2 else 0.87) * fixed.total
    rng, draws = np.random.default_rng(looks), 40_000
    n = looking.total * np.arange(1, looks + 1) / looks
    walk = np.cumsum(rng.standard_normal((draws, looks)), axis=1) * np.sqrt(6 * n[0])
    for effect, chance in ((0.1, 0.8), (0.0, 0.025)):
        z = (walk + effect * n) / np.sqrt(6 * n)  # of a difference of thirds
        over = np.abs(z) > looking.critical
        assert abs(over.any(axis=1).mean() - chance) < 4 * np.sqrt(chance * (1 - chance) / draws)
        ends = np.where(over.any(axis=1), n[over.argmax(axis=1)], n[-1])
        if effect:
            assert abs(ends.mean() / looking.stops[0] - 1) < 0.01


def test_bounds_by_the_tables():
    """O'Brien and Fleming, two-sided 5 %, 5 looks: 4.56, 3.23, 2.63, 2.28, 2.04; with a power of
    90 % the size grows by 1.026.
    """
    size = experiment_size([0.1], 1.0, power=0.9, looks=5)
    assert size.critical.round(2).tolist() == [4.56, 3.23, 2.63, 2.28, 2.04]
    assert abs(size.total / experiment_size([0.1], 1.0, power=0.9).total - 1.026) < 0.001


def test_dunnett_by_the_tables():
    """Two-sided, 5 %, equal shares, many degrees of freedom: 1.96, 2.21, 2.35, 2.44, 2.51."""
    told = [round(dunnett_quantile([1 / (k + 1)] * (k + 1)), 2) for k in range(1, 6)]
    assert told == [1.96, 2.21, 2.35, 2.44, 2.51]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"effect": [0.0]}, "effects to tell"),
        ({"effect": [float("nan")]}, "effects to tell"),
        ({"effect": []}, "effects to tell"),
        ({"std_dev": 0.0}, "standard deviations"),
        ({"std_dev": [1.0, 1.0, 1.0]}, "standard deviations"),
        ({"looks": 0}, "looks"),
        ({"power": 1.0}, "the power"),
        ({"level": 0.0}, "the level"),
        ({"base_share": "half"}, "base_share"),
    ],
)
def test_bad_input_is_told(given, said):
    with pytest.raises(InputError, match=said):
        experiment_size(**{"effect": [0.1], "std_dev": 1.0} | given)
