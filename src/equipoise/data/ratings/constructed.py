"""The published benchmark of incentive strata, constructed on ratings: every pair has a known
stratum, and T is confounded.

A rated pair is claimed when offered (C(1) = 1), an unrated one is not.  With s the score of an
additive net ("NCF") of liked:

    rated, not liked    coupon taker 0100          unrated, a random 0.8 n of them, half with the
    higher s   never buyer  0000
    rated, liked        half with the higher s     coupon buyer 0101                          other
    half     never taker  0011
                        other half                 always buyer 0111

`AS_CODED` is that; the text of the paper says the opposite halves, `AS_WRITTEN`, which does not
give its tables.  A random 70 % of the pairs are to learn from: T ~ Bernoulli(g), g a matrix
factorisation of liked, and C = T C(1), Y = T Y(1) + (1-T) Y(0). Of the others the stratum is known,
to judge by.

    Li et al. (2023), KDD, doi 10.1145/3580305.3599550, section 4 and its code.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.errors import DataError
from equipoise.core.snapshot import replacing
from equipoise.core.strata import ALWAYS_BUYER, COUPON_BUYER, COUPON_TAKER, NEVER_BUYER, NEVER_TAKER
from equipoise.data.ratings.ratings import Ratings
from equipoise.neural.id_probability import (
    Loss,
    PairModel,
    additive,
    cross_entropy,
    fit_pairs,
    product,
    saturating_cross_entropy,
    squared,
)
from equipoise.neural.train import SlowGains, Training

UNRATED, TRAIN = 0.8, 0.7  # unrated pairs a rating; share to learn from
LABEL_BATCH, ASSIGN_BATCH, TOLERANCE = 8192, 2048, 1e-5
Step = Callable[[str], None]


@dataclass(frozen=True)
class Labelling:
    """Which half of the liked and of the unrated pairs is which.   top, bottom: the strata of
    (liked, unrated) pairs.
    """

    name: str
    top: tuple[int, int]
    bottom: tuple[int, int]


AS_CODED = Labelling("as coded", (COUPON_BUYER, NEVER_BUYER), (ALWAYS_BUYER, NEVER_TAKER))
AS_WRITTEN = Labelling("as written", (ALWAYS_BUYER, NEVER_TAKER), (COUPON_BUYER, NEVER_BUYER))


@dataclass(frozen=True)
class Recipe:
    """How to construct.   label, assign: the losses of the two nets, the second on the first's
    ratings.
    """

    name: str
    labelling: Labelling = AS_CODED
    label: Loss = squared
    assign: Loss = saturating_cross_entropy


PUBLISHED = Recipe("published")
TEXT_LABELS = Recipe("text-labels", labelling=AS_WRITTEN)
# as the variant CF-MTL-v1 changes them
SWAPPED_LOSSES = Recipe("swapped-losses", label=cross_entropy, assign=squared)
RECIPES = {recipe.name: recipe for recipe in (PUBLISHED, TEXT_LABELS, SWAPPED_LOSSES)}


@dataclass(frozen=True)
class Constructed:
    """The benchmark.

    sizes : numbers of users and items.   pairs, t, c, y : (n, 2) and (n,), to learn from; stratum,
        g : (n,), the truth of these.
    test_pairs, test_stratum : (n', 2) and (n',), to judge by.   Strata are places in
        `core.strata.STRATA`.
    """

    sizes: tuple[int, int]
    pairs: Ints
    t: Ints
    c: Ints
    y: Ints
    stratum: Ints
    g: Floats
    test_pairs: Ints
    test_stratum: Ints

    def write(self, path: Path | str) -> None:
        """Write the arrays beside their place and rename."""
        arrays: dict[str, Any] = {
            name: _small(np.asarray(value)) for name, value in vars(self).items()
        }
        with replacing(path) as beside, beside.open("wb") as file:
            np.savez(file, **arrays)

    @classmethod
    def read(cls, path: Path | str) -> Constructed:
        """The inverse of `write`."""
        try:
            with np.load(path, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
            users, items = arrays.pop("sizes").tolist()
            g = arrays.pop("g").astype(np.float64)
            return cls(
                sizes=(users, items),
                g=g,
                **{name: value.astype(np.int64) for name, value in arrays.items()},
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                "constructed data",
                "be readable",
                repr(error)[:100],
                str(path),
                "delete it and run again",
            ) from error


def construct(
    ratings: Ratings, *, recipe: Recipe = PUBLISHED, seed: int = 2020, step: Step | None = None
) -> Constructed:
    """Construct the benchmark; `step` is told what is done, in words."""
    say = step or (lambda text: None)
    rng = np.random.default_rng(seed)
    start = time.perf_counter()
    order = rng.permutation(len(ratings))
    pairs, liked = ratings.pairs[order], ratings.liked[order]
    label, assign = _fit_nets(pairs, liked, ratings.sizes, recipe, seed, say)
    unrated = ratings.unrated(int(UNRATED * len(ratings)), rng)
    everything = np.concatenate([pairs, unrated])
    score = label.scores(everything)[:, 0]
    stratum = strata_of(
        score,
        np.arange(len(everything)) < len(pairs),
        np.r_[liked, np.zeros(len(unrated), np.int64)],
        recipe,
    )
    shuffled = rng.permutation(len(everything))
    cut = int(TRAIN * len(everything))
    train, test = shuffled[:cut], shuffled[cut:]
    g = assign.predict(everything[train])
    t = (rng.random(cut) < g).astype(np.int64)
    c, y = claims_and_outcomes(stratum[train], t)
    say(f"constructed: {len(everything):,} pairs, {time.perf_counter() - start:.0f} s")
    return Constructed(
        sizes=ratings.sizes,
        pairs=everything[train],
        t=t,
        c=c,
        y=y,
        stratum=stratum[train],
        g=g,
        test_pairs=everything[test],
        test_stratum=stratum[test],
    )


def _fit_nets(
    pairs: Ints, liked: Ints, sizes: tuple[int, int], recipe: Recipe, seed: int, say: Step
) -> tuple[PairModel, PairModel]:
    """The net that labels the strata and the net that assigns the offers."""
    y = liked.astype(np.float64)
    rule = SlowGains(TOLERANCE)
    training = Training(batch=LABEL_BATCH, stop=rule, seed=seed)
    label = fit_pairs(additive, recipe.label, pairs, y, sizes, training)
    say(f"labels: {label.history.epochs} epochs, {label.history.seconds:.0f} s")
    training = Training(batch=ASSIGN_BATCH, stop=rule, seed=seed + 1)
    assign = fit_pairs(product, recipe.assign, pairs, y, sizes, training)
    say(f"assignment: {assign.history.epochs} epochs, {assign.history.seconds:.0f} s")
    return label, assign


def strata_of(score: Floats, rated: Bools, liked: Ints, recipe: Recipe = PUBLISHED) -> Ints:
    """The stratum of each pair, (n,), of its score, whether it was rated, and whether it was
    liked.
    """
    stratum = np.full(len(score), COUPON_TAKER)
    for place, rows in enumerate((rated & (liked == 1), ~rated)):
        which = np.flatnonzero(rows)
        ordered = which[np.argsort(-score[which], kind="stable")]
        half = len(ordered) // 2
        stratum[ordered[:half]] = recipe.labelling.top[place]
        stratum[ordered[half:]] = recipe.labelling.bottom[place]
    return stratum


def claims_and_outcomes(stratum: Ints, t: Ints) -> tuple[Ints, Ints]:
    """Claim and outcome, each (n,), of units of a stratum that were offered (t = 1) or not."""
    claims, without, offered = np.array([[0, 0, 1, 1, 1], [0, 1, 0, 0, 1], [0, 1, 0, 1, 1]])
    return t * claims[stratum], np.where(t == 1, offered[stratum], without[stratum])


def _small(values: Any) -> Any:
    """Whole numbers in as few bytes as hold them."""
    if values.dtype.kind != "i" or values.size == 0:
        return values
    return values.astype(np.min_scalar_type(int(values.max())))
