"""A dose-response on real covariates: 747 children of the Infant Health and Development Program, a
simulated dose and outcome.

Twenty-five covariates, each less its minimum, over its maximum; x0, x1, ... in the file's order,
birth weight first.

    t = sigmoid(2 (l(x) + N / 2))     l(x) = x0 / (1 + x1) + max(x2, x4, x5) / (0.2 + min(x2, x4,
    x5)) + tanh(5 (s2(x) - c)) - 2
    mu(t, x) = sin(3 pi t) / (1.2 - t) (1.5 tanh(5 (s1(x) - c)) + 0.5 exp(0.2 (x0 - x5)) / (0.1 +
    min(x1, x2, x4))) y = mu + N / 2

s1, s2 the means of x3, x6..x14 and of x15..x24, and c the average of s1 over all rows, in both
places: the published code centres s2 by the average of s1, an oversight that is kept so that
figures compare.

    Nie, Ye, Liu & Nicolae (2021), ICLR, section 5 and its code.   Covariates: Hill (2011), JCGS.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from equipoise.core import columns
from equipoise.core.arrays import Floats
from equipoise.data.files import read_table
from equipoise.data.public.fetch import Place, Progress, Source, Wish, find
from equipoise.data.public.published import Card, Facts
from equipoise.data.simulators.dose_response import NOISE, DoseWorld

CARD = Card(
    name="ihdp",
    title="Covariates of the Infant Health and Development Program",
    rows=747,
    treatment="simulated: a dose in (0, 1)",
    outcomes=("simulated",),
    terms="no licence stated by the publisher",
    citation="Hill, Bayesian Nonparametric Modeling for Causal Inference, JCGS 2011; Dorie, NPCI",
    address="https://github.com/lushleaf/varying-coefficient-net-with-functional-tr",
)
COVARIATES = (
    *(
        "bw",
        "b_head",
        "preterm",
        "birth_o",
        "nnhealth",
        "momage",
        "sex",
        "twin",
        "b_marr",
        "mom_lths",
        "mom_hs",
        "mom_scoll",
    ),
    *(
        "cig",
        "first",
        "booze",
        "drugs",
        "work_dur",
        "prenatal",
        "ark",
        "ein",
        "har",
        "mia",
        "pen",
        "tex",
        "was",
    ),
)
SOURCE = Source(
    "https://raw.githubusercontent.com/lushleaf/varying-coefficient-net-with-functional-tr/"
    "a2e95381577dc3ee73a55e0f569c2335e042455e/dataset/ihdp/ihdp.csv",
    "ihdp_npci/ihdp.csv",
    "sha256:517810595b8f801c78673ec20dd55da8051c9187f875741f5c95a87977d290f9",
)
KNOWN = ("ihdp_npci/raw_covariates_vcnet.parquet", SOURCE.file)
FACTS = Facts(
    rows=747, needs=COVARIATES, counts={"treat": {"0": 608, "1": 139}}, sums={"bw": (1_347_245, 0)}
)
TRAIN = 471
OWN, OTHER = np.r_[3, 6:15], np.arange(15, 25)  # the covariates of s1 and of s2


def make_ihdp_dose(
    *,
    seed: int = 0,
    data_home: Place = None,
    path: Place = None,
    download_if_missing: bool = True,
    progress: Progress | None = None,
) -> tuple[DoseWorld, DoseWorld]:
    """A simulated dose and outcome on the covariates of 747 children.

    Parameters
    ----------
    seed : int, default 0
        Of doses, outcomes and the split.
    data_home : path-like, default None
        The folder of data sets; None: EQUIPOISE_DATA, or the user's cache.
    path : path-like, default None
        The file itself, wherever it is.
    download_if_missing : bool, default True
        Whether to download what is not there; else that is a `DataError`.
    progress : callable, default None
        Called with what is being done, steps done and steps in all.

    Returns
    -------
    tuple of DoseWorld
        471 rows to learn from, and the 276 others.

    Raises
    ------
    DataError
        Where a file is not there, or is not the published one.

    Examples
    --------
    >>> train, test = make_ihdp_dose(seed=1)  # doctest: +SKIP
    >>> train.X.shape, test.X.shape  # doctest: +SKIP
    ((471, 25), (276, 25))
    """
    file = find(CARD.name, KNOWN, SOURCE, Wish(data_home, path, download_if_missing, progress))
    table = read_table(file)
    FACTS.check(table, CARD, str(file))
    X = scaled(np.column_stack([columns.numbers(table[name]) for name in COVARIATES]))
    centre = float(X[:, OWN].mean())
    rng = np.random.default_rng(seed)
    t = expit(2 * (leaning(X, centre) + NOISE * rng.standard_normal(len(X))))

    def level(rows: Floats, doses: Floats) -> Floats:
        return _wave(doses) * _height(rows, centre)[:, None]

    y = _wave(t) * _height(X, centre) + NOISE * rng.standard_normal(len(X))
    order = rng.permutation(len(X))
    train, test = (
        DoseWorld(X[part], t[part], y[part], level) for part in (order[:TRAIN], order[TRAIN:])
    )
    return train, test


def scaled(X: Floats) -> Floats:
    """Covariates less their minimum, over their maximum."""
    values: Floats = (X - X.min(axis=0)) / X.max(axis=0)
    return values


def leaning(X: Floats, centre: float) -> Floats:
    """l(x), (n,)."""
    three = X[:, [2, 4, 5]]
    ratio = three.max(axis=1) / (0.2 + three.min(axis=1))
    lean: Floats = (
        X[:, 0] / (1 + X[:, 1]) + ratio + np.tanh(5 * (X[:, OTHER].mean(axis=1) - centre)) - 2
    )
    return lean


def _wave(t: Floats) -> Floats:
    wave: Floats = np.sin(3 * np.pi * t) / (1.2 - t)
    return wave


def _height(X: Floats, centre: float) -> Floats:
    rest = np.exp(0.2 * (X[:, 0] - X[:, 5])) / (0.1 + X[:, [1, 2, 4]].min(axis=1))
    height: Floats = 1.5 * np.tanh(5 * (X[:, OWN].mean(axis=1) - centre)) + 0.5 * rest
    return height
