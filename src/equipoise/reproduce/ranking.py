"""`equipoise reproduce ranking`: ensembles of base scores on the same frozen scores.

    synthetic   40,000 rows of 2,000 users, four objectives of one taste, of which one is against
                the others and two are rare; base scores are noisy and miscalibrated, each in its
                own way; needs no file
    kuairand    KuaiRand by time: base scores of boosted trees fitted on 25 to 27 April, ensembles
                on 28 and 29, 30 April decides, 1 to 8 May tests; seven objectives, the loss of
                AUC among all rows and among those of a user
    movielens   a smoke test: 3, 4 and 5 stars or more, which are nested and so hardly disagree

Rows that teach and rows that decide are those of every method: nets stop by the latter, formulas
are searched on both.  Each method has one setting, its default; formulas have 200 trials and nets
60 epochs at most.  Beside the registered rankers: HarmonRank by batch size and by the strength k of
its soft ranks.

AUC loss    1 - the mean over objectives of the AUC among all test rows; GAUC loss: of those of a
            user, weighed by rows
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
import pyarrow as pa

from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.columns import numbers
from equipoise.core.labelled_rows import OneClassWarning
from equipoise.data.public.fetch import Wish
from equipoise.data.ratings.movielens import movielens_table
from equipoise.evaluation import auc, gauc
from equipoise.ranking import RANKERS, BoostedScores
from equipoise.reproduce.simulated import Scores, Study

EPOCHS = 60  # of a net, at most
HARMONRANK = "harmonrank"
LOADINGS = (0.8, 0.6, 0.4, -0.5)  # of the objectives on the common taste
LEVELS = (-0.5, -1.5, -3.0, -4.5)  # of their log-odds
TEMPERATURES = (0.6, 1.5, 1.0, 2.0)  # of the base scores
USERS, SHOWN = 2_000, 20  # of the synthetic rows
RATINGS = 120_000  # of MovieLens
BATCHES = (256, 1_024, 4_096, 16_384)
STRENGTHS = (0.1, 1.0, 10.0, 100.0)


@dataclass(frozen=True)
class Part:
    """Rows with frozen base scores.

    Attributes
    ----------
    X : (n, S).   y : (n, M).   users : (n,).   profile : table of n rows, or None.
    """

    X: Floats
    y: Floats
    users: Ints
    profile: Any

    def take(self, rows: Bools) -> Part:
        """Some of the rows."""
        viewers = None if self.profile is None else self.profile.filter(pa.array(rows))
        return Part(self.X[rows], self.y[rows], self.users[rows], viewers)

    def with_rows(self, other: Part) -> Part:
        """These and other rows."""
        viewers = None
        if self.profile is not None:
            viewers = pa.concat_tables([self.profile, other.profile]).unify_dictionaries()
        return Part(
            np.concatenate([self.X, other.X]),
            np.concatenate([self.y, other.y]),
            np.concatenate([self.users, other.users]),
            viewers,
        )


def parts(data: str, seed: int) -> tuple[Part, Part, Part]:
    """The rows that teach, those that decide and those that test; only the synthetic ones are new
    in every seed.
    """
    if data == "synthetic":
        return synthetic(seed)
    return kuairand() if data == "kuairand" else movielens()


def synthetic(seed: int, users: int = USERS) -> tuple[Part, Part, Part]:
    """Rows of users of three kinds, whose objectives share a taste."""
    rng = np.random.default_rng([seed, 2_601])
    n = users * SHOWN
    user = np.repeat(np.arange(users), SHOWN)
    kind = rng.integers(0, 3, users)[user]
    taste, own = rng.normal(size=n), rng.normal(size=(n, len(LOADINGS)))
    latent = 1.3 * (taste[:, None] * LOADINGS + 0.7 * own)
    latent[:, 3] += kind == 2
    y = rng.random(latent.shape) < 1 / (1 + np.exp(-(latent + LEVELS)))
    noisy = latent + 0.6 * rng.normal(size=latent.shape)
    X = 1 / (1 + np.exp(-(noisy * TEMPERATURES + LEVELS + 0.5)))
    profile = pa.table({"kind": np.array(["a", "b", "c"])[kind], "noise": rng.normal(size=n)})
    whole = Part(X, y.astype(np.float64), user, profile)
    fifth = user % 5
    return whole.take(fifth < 2), whole.take(fifth == 2), whole.take(fifth > 2)


@cache
def kuairand() -> tuple[Part, Part, Part]:
    """KuaiRand by time."""
    from equipoise.data import fetch_kuairand

    log = fetch_kuairand()
    labels = [name for name in log.labels if name != "hate"]
    base = log.between("2022-04-25", "2022-04-27")
    columns = [*log.profile, *log.features]
    model = BoostedScores().fit(
        base.table.select(columns), base.table.select(labels), groups=base.users
    )

    def part(first: str, last: str) -> Part:
        rows = log.between(first, last)
        y = np.column_stack([rows.y[:, rows.labels.index(name)] for name in labels])
        scores = model.predict(rows.table.select(columns))
        return Part(scores, y, rows.users, rows.table.select(rows.profile))

    return (
        part("2022-04-28", "2022-04-29"),
        part("2022-04-30", "2022-04-30"),
        part("2022-05-01", "2022-05-08"),
    )


@cache
def movielens() -> tuple[Part, Part, Part]:
    """A part of MovieLens' ratings at random: base scores by means of users and films over rows
    that nothing else sees.
    """
    table = movielens_table(Wish())
    rows = np.random.default_rng(0).permutation(len(table))[:RATINGS]
    user, film, stars = (
        numbers(table[name])[rows].astype(np.int64) for name in ("user_id", "movie_id", "rating")
    )
    y = np.column_stack([stars >= least for least in (3, 4, 5)]).astype(np.float64)
    place = np.arange(RATINGS) * 10 // RATINGS
    known = place < 2
    features = {
        f"{name}{j}": means_of(ids, y[:, j], known)
        for name, ids in (("user", user), ("film", film))
        for j in range(3)
    }
    X, base = pa.table(features), place == 2
    model = BoostedScores(100).fit(X.filter(pa.array(base)), y[base], groups=user[base])
    whole = Part(model.predict(X), y, user, None)
    return whole.take((place > 2) & (place < 6)), whole.take(place == 6), whole.take(place > 6)


def means_of(ids: Ints, values: Floats, known: Bools, weight: float = 5.0) -> Floats:
    """The mean of the known values of each id, (n,), drawn to that of all.

    >>> means_of(np.array([0, 0, 1]), np.array([1.0, 0.0, 1.0]), np.array([True, True, False]), 2.0)
    array([0.5, 0.5, 0.5])
    """
    size = int(ids.max()) + 1
    sums = np.bincount(ids[known], values[known], size)
    counts = np.bincount(ids[known], minlength=size)
    mean = (sums + weight * values[known].mean()) / (counts + weight)
    return np.asarray(mean[ids])


def judged(data: str, seed: int, epochs: int, *, name: str, **settings: Any) -> Scores:
    """One ensemble's losses on the test rows."""
    learn, decide, test = parts(data, seed)
    ranker = RANKERS.load(name)(random_state=seed, **settings)
    if ranker.kind == "net":
        ranker.set_params(epochs=min(epochs, EPOCHS))
        held = {"X": decide.X, "y": decide.y, "profile": decide.profile}
        ranker.fit(learn.X, learn.y, profile=learn.profile, eval_set=held)
    else:
        both = learn.with_rows(decide)
        ranker.fit(both.X, both.y, profile=both.profile)
    return losses(ranker.predict(test.X, profile=test.profile), test)


def losses(score: Floats, test: Part) -> Scores:
    """What a score loses on the test rows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OneClassWarning)
        whole = auc(test.y, score)
        grouped = gauc(test.y, score, test.users).value
    return {"AUC loss": 1 - float(np.nanmean(whole)), "GAUC loss": 1 - float(np.nanmean(grouped))}


METHODS = (
    {name: partial(judged, name=name) for name in RANKERS}
    | {f"{HARMONRANK}, batch {b}": partial(judged, name=HARMONRANK, batch=b) for b in BATCHES}
    | {f"{HARMONRANK}, k = {k:g}": partial(judged, name=HARMONRANK, k=k) for k in STRENGTHS}
)
RANKING = Study(
    "ranking",
    ("synthetic", "kuairand", "movielens"),
    METHODS,
    HARMONRANK,
    {},
    (
        "No published figure can be compared: the paper's data are not public, and its tables were"
        " not to be had.",
        "Seeds of kuairand and movielens change nets and searches, not rows: for intervals over"
        " users see benchmarks/ranking.py.",
        "Base scores are frozen: their models saw none of these rows.",
    ),
)
