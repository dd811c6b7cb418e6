"""Policy values: by hand, against each other, in simulated truth, on bad input."""

import numpy as np
import pytest

from equipoise.core.errors import InputError
from equipoise.core.scores import dr_scores
from equipoise.evaluation import (
    average_effects,
    dr,
    evaluation_data,
    ips,
    mean_estimates,
    policy_value,
    snips,
)

METHODS = [dr, ips, snips]
HALF = [0.5, 0.5]


def bandit(seed, n=4000):
    """(rows without levels, rows with levels, true levels (n, 3, 2)): three cells, two metrics,
    unequal known propensities.
    """
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 2))
    raw = np.exp(0.5 * x @ rng.standard_normal((2, 3)) * 0.5)
    e = raw / raw.sum(axis=1, keepdims=True)
    cell = np.argmax(rng.random(n)[:, None] < np.cumsum(e, axis=1), axis=1)
    effect = np.stack([np.zeros(n), x[:, 0], 0.3 + 0.5 * x[:, 1]], axis=1)
    levels = np.stack([2 + x[:, :1] + effect, 1 - 0.5 * effect], axis=2)
    y = levels[np.arange(n), cell] + rng.standard_normal((n, 2))
    return (
        evaluation_data(y, cell=cell, propensity=e),
        evaluation_data(y, cell=cell, propensity=e, levels=levels),
        levels,
    )


def test_four_rows_by_hand():
    rows = evaluation_data([3, 0, 0, 1], cell=[1, 0, 1, 0], propensity=HALF)
    policy = [0, 0, -1, -1]  # rows 0 and 3 got what the policy gives
    assert policy_value(policy, rows, method=ips).rows[:, 0].tolist() == [6, 0, 0, 2]
    assert policy_value(policy, rows, method=ips).estimates.value.tolist() == [2]
    assert policy_value(policy, rows, method=snips).estimates.value.tolist() == [2]
    # dr with the cells' means 1.5 (treated) and .5 (control): 1.5 + 2 (3 - 1.5), 1.5, .5, .5 + 2 (1
    # - .5)
    assert policy_value(policy, rows, method=dr).rows[:, 0].tolist() == [4.5, 1.5, 0.5, 1.5]


def test_dr_values_are_the_scores_of_the_cells_chosen():
    _, rows, _ = bandit(0, n=200)
    choice = np.arange(200) % 3 - 1
    scores = dr_scores(rows.y, rows.cell, rows.propensity, rows.levels)
    assert policy_value(choice, rows).rows == pytest.approx(scores[np.arange(200), choice + 1])


@pytest.mark.parametrize("method", METHODS, ids=lambda f: f.__name__)
def test_certain_probabilities_are_a_choice(method):
    rows, _, _ = bandit(1, n=300)
    choice = np.arange(300) % 3 - 1
    by_lot = policy_value(np.eye(3)[choice + 1], rows, method=method)
    assert by_lot.rows == pytest.approx(policy_value(choice, rows, method=method).rows)


@pytest.mark.parametrize("method", METHODS, ids=lambda f: f.__name__)
def test_the_policy_of_the_experiment_has_the_mean_outcome(method):
    rows, _, _ = bandit(2, n=500)
    value = policy_value(rows.propensity, rows, method=method).estimates.value
    want = rows.y.mean(axis=0)
    # dr moves rows towards its means
    assert value == pytest.approx(want, abs=0.2 if method is dr else 1e-9)


@pytest.mark.parametrize("method", METHODS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("with_levels", [False, True])
def test_finds_the_true_value_of_a_policy_that_targets(method, with_levels):
    for seed in range(5):
        plain, modelled, levels = bandit(seed)
        choice = (levels[:, :, 0]).argmax(axis=1) - 1
        policy_worth = policy_value(choice, modelled if with_levels else plain, method=method)
        true = levels[np.arange(len(levels)), choice + 1].mean(axis=0)
        # worst of 20 seeds: 2.4
        assert (
            np.abs(policy_worth.estimates.value - true) < 4 * policy_worth.estimates.std_error
        ).all()


def test_a_model_of_the_levels_narrows_the_interval():
    plain, modelled, levels = bandit(3)
    choice = levels[:, :, 0].argmax(axis=1) - 1
    errors = [
        policy_value(choice, plain, method=ips),
        policy_value(choice, plain),
        policy_value(choice, modelled),
    ]
    widths = [one.estimates.std_error[0] for one in errors]
    assert widths[0] > widths[1] > widths[2]


def test_a_gain_is_paired():
    _, rows, _ = bandit(4)
    everybody, nobody = (
        policy_value(np.zeros(4000, int), rows),
        policy_value(np.full(4000, -1), rows),
    )
    gain = everybody.minus(nobody)
    assert gain.value == pytest.approx(everybody.estimates.value - nobody.estimates.value)
    assert gain.value == pytest.approx(average_effects(rows).effect.value[0])
    assert everybody.minus(everybody).std_error.tolist() == [0, 0]


def test_clusters_count_once_in_a_gain():
    rows, _, _ = bandit(8, n=200)
    choice, copies = np.arange(200) % 3 - 1, np.repeat(np.arange(200), 3)
    many = evaluation_data(
        rows.y[copies], cell=rows.cell[copies], propensity=rows.propensity[copies], groups=copies
    )
    once = policy_value(choice, rows).minus(policy_value(np.zeros(200, int), rows))
    thrice = policy_value(choice[copies], many).minus(policy_value(np.zeros(600, int), many))
    assert thrice.std_error == pytest.approx(once.std_error)


def test_snips_of_one_arm_for_all_is_its_mean_with_the_mean_s_error():
    rng = np.random.default_rng(9)
    # far from the design's half
    cell, y = (rng.random(900) < 0.2).astype(int), rng.standard_normal(900)
    estimates = policy_value(
        np.zeros(900, int), evaluation_data(y, cell=cell, propensity=HALF), method=snips
    ).estimates[0]
    treated = y[cell == 1]
    assert estimates.value == pytest.approx(treated.mean())
    error = treated.std(ddof=1) / np.sqrt(len(treated))
    assert estimates.std_error == pytest.approx(error, rel=1e-9)


def test_folds_are_pooled_by_their_rows():
    _, rows, levels = bandit(5, n=400)
    choice = levels[:, :, 0].argmax(axis=1) - 1
    whole = policy_value(choice, rows)
    parts = []
    for part in (slice(0, 150), slice(150, 400)):
        fold = evaluation_data(
            rows.y[part],
            cell=rows.cell[part],
            propensity=rows.propensity[part],
            levels=rows.levels[part],
        )
        parts.append(policy_value(choice[part], fold).rows)
    assert mean_estimates(np.concatenate(parts)).value == pytest.approx(whole.estimates.value)


@pytest.mark.parametrize("method", METHODS, ids=lambda f: f.__name__)
def test_whole_weights_are_rows_repeated(method):
    plain, _, _ = bandit(6, n=100)
    times = np.arange(100) % 3 + 1
    again = np.repeat(np.arange(100), times)
    choice = np.arange(100) % 3 - 1
    weighted = evaluation_data(plain.y, cell=plain.cell, propensity=plain.propensity, weight=times)
    repeated = evaluation_data(
        plain.y[again], cell=plain.cell[again], propensity=plain.propensity[again], groups=again
    )
    first, second = (
        policy_value(choice, weighted, method=method),
        policy_value(choice[again], repeated, method=method),
    )
    assert first.estimates.value == pytest.approx(second.estimates.value)
    assert first.estimates.std_error == pytest.approx(second.estimates.std_error)


def test_bad_input():
    rows, _, _ = bandit(7, n=30)
    with pytest.raises(InputError, match=r"a choice must lie in -1\.\.1; got 2 at row 4"):
        policy_value(np.where(np.arange(30) == 4, 2, 0), rows)
    with pytest.raises(InputError, match="a policy must be"):
        policy_value(np.zeros(29, int), rows)
    with pytest.raises(InputError, match="a policy must be"):
        policy_value(np.zeros(30), rows)
    with pytest.raises(InputError, match="sum to 1; got .* at row 0"):
        policy_value(np.full((30, 3), 0.3), rows)
    with pytest.raises(InputError, match="sum to 1; got .* at row 29"):
        policy_value(np.where(np.arange(30)[:, None] == 29, [1.5, -0.5, 0], [1, 0, 0]), rows)
    with pytest.raises(InputError, match="the log must hold a row treated as"):
        policy_value(np.where(rows.cell == 0, 0, -1), rows, method=snips)
    with pytest.raises(InputError, match="valued on the same rows"):
        policy_value(np.zeros(30, int), rows).minus(policy_value(np.zeros(4000, int), bandit(7)[0]))
