"""RankedShop: a live shop whose two strategies are ensembles learnt on its own log, one for
watching and one for buying, so that HMUM decides request by request which of them ranks the page.

    none   the platform's old formula          s1   HarmonRank, four fifths of its weight on watch
    s2     the same on purchase                both the sum of the two, each of spread 1

It answers as `ShortVideoWorld` does, and the closed loop plays it: a randomised log of requests,
effects by the viewers' profiles, weights by what the request's candidates promise (the mean of the
ten largest base scores of either metric, in logarithms).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from equipoise.core.arrays import Floats, Ints
from equipoise.core.errors import InputError
from equipoise.data.simulators.live_shop import METRICS, ShopRequests, make_live_shop_world
from equipoise.data.simulators.short_video import Requests
from equipoise.reproduce.live_shop import EMPHASES, HARMONRANK, Shop, fitted, objective_weights
from equipoise.reproduce.shop_log import ShopLog, shop_log

PLAYED = (METRICS.index("watch"), METRICS.index("purchase"))
BLOCK = 65_536  # candidates that are scored at once


@dataclass(frozen=True)
class Pages(Requests):
    """Requests with the pages that each set of strategies shows.

    shop : the requests with their candidates.   lists (n, 4, 10): rows of candidates, a page for
    each of `SETS`.
    """

    shop: ShopRequests
    lists: Ints


@dataclass(frozen=True)
class RankedShop:
    """A shop and the two ensembles of its log.   rankers: for watch, for purchase."""

    metrics: ClassVar[tuple[str, ...]] = tuple(METRICS[j] for j in PLAYED)
    log: ShopLog
    rankers: tuple[Any, Any]

    @classmethod
    def draw(cls, seed: int) -> Self:
        """The shop of a seed, with ensembles at the sizes of the A/B test."""
        return cls.learn(Shop(), seed)

    @classmethod
    def learn(cls, shop: Shop, seed: int) -> Self:
        """The same with other sizes."""
        world = make_live_shop_world(seed=seed, viewers=shop.viewers)
        log = shop_log(world, shop.requests, seed=seed)
        weights = (objective_weights()[1 + EMPHASES.index((j, 0.8))] for j in PLAYED)
        watch, purchase = (fitted(HARMONRANK, log, shop, seed, weight) for weight in weights)
        return cls(log, (watch, purchase))

    def requests(
        self, n: int, rng: np.random.Generator, *, stage: str = "edge", drift: float = 0.0
    ) -> Pages:
        """Draw n requests, and rank each in the four ways."""
        if stage != "edge" or drift:
            fix = "leave both out"
            must = "be edge and 0 where rankers are the strategies"
            raise InputError("stage and drift", must, (stage, drift), fix=fix)
        world = self.log.world
        shop = world.requests(n, seed=int(rng.integers(2**31)))
        promised, ranked = self._scores(shop)
        z = ranked / ranked.std(axis=0)
        scores = (world.old_scores(shop), *z.T, z.sum(axis=1))
        lists = np.stack([shop.top(score) for score in scores], axis=1)
        levels = np.stack(
            [world.expected(shop, page)[:, PLAYED] for page in lists.swapaxes(0, 1)], axis=1
        )
        context = [np.log(p[shop.top(p)].mean(axis=1)) for p in promised.T]
        table = world.profile.take(shop.viewer)
        numbers = [c.to_numpy() for c in table.columns if c.type in ("double", "int64")]
        return Pages(np.column_stack(numbers), np.column_stack(context), levels, shop, lists)

    def outcomes(self, requests: Pages, which: Ints, rng: np.random.Generator) -> Floats:
        """How often either metric happened on each request's page, (n, 2).   which: (n,), the place
        in `SETS` of what is on.
        """
        page = requests.lists[np.arange(len(requests)), which]
        happened = self.log.world.outcomes(requests.shop, page, seed=int(rng.integers(2**31)))
        return np.asarray(happened[..., PLAYED].sum(axis=1), np.float64)

    def _scores(self, shop: ShopRequests) -> tuple[Floats, Floats]:
        """Base scores of the two metrics, and the scores of the two ensembles, (N, 2) each."""
        viewer, promised, ranked = shop.asker, [], []
        for low in range(0, len(viewer), BLOCK):
            who, what = viewer[low : low + BLOCK], shop.room[low : low + BLOCK]
            X, profile = self.log.scores(who, what), self.log.world.profile.take(who)
            promised.append(np.column_stack([X.column(j).to_numpy() for j in PLAYED]))
            ranked.append(np.column_stack([r.predict(X, profile=profile) for r in self.rankers]))
        return np.vstack(promised), np.vstack(ranked)
