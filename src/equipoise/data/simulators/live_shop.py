"""A live-streaming shop: viewers, live rooms, and what ten places of a page bring, with the truth.

    viewer     kind shopper (0.3), fan (0.25) or browser (0.45), which nobody sees; interests z ~
               N(0, I_6); wealth ~ N(0.5 shopper, 1), sociability ~ N(fan, 1); 30 % are newcomers
    room       topics w ~ N(0, I_6); charm, sell (how hard it sells), price ~ N(0, 1); popularity
    request    a viewer (the active ones more often) and 20 to 60 rooms, retrieved at random
    terms      a = z'w / sqrt 6, charm, sell, b = 1 - |wealth - price|

A room in place p = 0, 1, ... is looked at with probability (1 + p)^-0.5, and one that is not looked
at brings nothing.  One that is brings watch (staying half a minute) with probability
logistic(score_watch), and, if watched, each of comment, follow, gift and purchase with
logistic(score_m), independently:

    score_m = bias_m + level_m(kind) + keen_m(kind) (slope_m' (a, charm, sell, b))

                 a    charm  sell   b       level and keenness, all others 0 and 1
    watch       0.8   0.3   -0.3 c  0
    comment     0.0   0.6    0.3    0       fan 1.0, 1.2; shopper -0.3, 0.8
    follow      0.5  -0.2    0      0.4
    gift        0.0   1.0   -0.8 c  0       fan 1.6, 1.4; shopper -0.8, 0.5; browser -0.8, 0.5
    purchase    0.2  -0.3    1.2 c  1.0     shopper 1.6, 1.4; fan -0.8, 0.5; browser -0.8, 0.5

So the metrics share a, which decides who watches, and rooms that sell hard win purchases and lose
watching and gifts: the strength of that conflict is c.  Kinds differ in level and keenness, so that
fixed weights of log-chances (a product formula) serve no kind best: a fan's page should follow the
gifts, a shopper's the purchases.  A fixed worth of every metric times its true chance is the best
page for that worth; nobody has the true chances.  Biases are set so that a random pair that is
looked at has rates of 0.25, 0.03, 0.012, 0.008 and 0.005.

What the platform knows is noisy: interests as z + noise of sd 0.5 (newcomers: 1.5), topics as w +
noise of sd 0.3, the other traits likewise.  Its old formula, 0.6 affinity + 0.4 charm + 0.2
popularity - 0.3 |spend - price|, shows the first ten with Gumbel noise of scale 0.3; a tenth of the
requests are shown ten at random.

The prior of worlds: c ~ U(0.7, 1.3); every slope times exp(N(0, 0.15)).  Every seed is a world of
this prior; none is left out.  All of this was fixed before a ranker was tried on it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy.special import expit

from equipoise.core.arrays import Bools, Floats, Ints
from equipoise.core.display import shown
from equipoise.core.errors import InputError
from equipoise.core.kernels import njit

METRICS = ("watch", "comment", "follow", "gift", "purchase")
KINDS = ("shopper", "fan", "browser")
RATES = (0.25, 0.03, 0.012, 0.008, 0.005)  # of a random pair that is looked at
SHARES = (0.3, 0.25, 0.45)  # of the kinds
SLOPES = np.array(
    [  # a, charm, sell, b
        [0.8, 0.3, -0.3, 0.0],
        [0.0, 0.6, 0.3, 0.0],
        [0.5, -0.2, 0.0, 0.4],
        [0.0, 1.0, -0.8, 0.0],
        [0.2, -0.3, 1.2, 1.0],
    ]
)
CONFLICT = np.array([1, 0, 0, 1, 1], bool)  # whose slope of sell is times c
LEVEL = np.array([[0, -0.3, 0, -0.8, 1.6], [0, 1, 0, 1.6, -0.8], [0, 0, 0, -0.8, -0.8]])
KEEN = np.array([[1, 0.8, 1, 0.5, 1.4], [1, 1.2, 1, 1.4, 0.5], [1, 1, 1, 0.5, 0.5]])
DIMENSIONS, PLACES, LEAST, MOST = 6, 10, 20, 60  # of interests; of the page; of candidates
NEW, NOISE, NEW_NOISE, ROOM_NOISE = 0.3, 0.5, 1.5, 0.3
GUMBEL, SHUFFLED, DAYS = 0.3, 0.1, 14  # the log's noise and random share; its days
CATEGORIES = ("beauty", "food", "fashion", "home", "sports", "toys")  # by a room's first topic


@shown
@dataclass(frozen=True)
class ShopRequests:
    """Requests with their candidates, one run of rows each.

    Attributes
    ----------
    viewer : array of int, (n,)
        Who asked.
    day : array of int, (n,)
        When, in 0..13.
    start : array of int, (n + 1,)
        Candidates of request i are rows start[i] to start[i + 1].
    room : array of int, (N,)
        The candidates.

    Examples
    --------
    >>> requests = make_live_shop_world(viewers=50, seed=1).requests(3, seed=0)
    >>> len(requests), bool((np.diff(requests.start) >= 20).all())
    (3, True)
    """

    viewer: Ints
    day: Ints
    start: Ints
    room: Ints

    def __len__(self) -> int:
        return len(self.viewer)

    @property
    def request(self) -> Ints:
        """The request of each candidate, (N,)."""
        return np.repeat(np.arange(len(self)), np.diff(self.start))

    @property
    def asker(self) -> Ints:
        """The viewer of each candidate, (N,)."""
        return self.viewer[self.request]

    def top(self, scores: Floats, k: int = PLACES) -> Ints:
        """The candidates of largest scores, best first.

        Parameters
        ----------
        scores : array, (N,)
            One of each candidate; of equal ones that drawn first wins, which is a random one.
        k : int, default PLACES
            Places of the page, in 1..20.

        Returns
        -------
        array of int, (n, k)
            Rows of candidates: what a page shows.

        Raises
        ------
        InputError
            Where there is not one number per candidate, or k is out of range.
        """
        values = np.ascontiguousarray(scores, np.float64)
        if values.shape != self.room.shape:
            raise InputError("scores", f"have shape {self.room.shape}", values.shape)
        if np.isnan(values).any():
            raise InputError("scores", "be numbers", "nan", f"row {int(np.isnan(values).argmax())}")
        if not 1 <= k <= LEAST:
            raise InputError("k", f"lie in 1..{LEAST}, as a request has so many rooms at least", k)
        lists = np.empty((len(self), k), np.int64)
        _top(values, self.start, lists)
        return lists


@shown
@dataclass(frozen=True)
class LiveShopWorld:
    """One world of the prior; `make_live_shop_world` draws it.

    Attributes
    ----------
    kind : array of int, (V,)
        Of the viewers, a place in `KINDS`; nobody sees it.
    profile : pyarrow.Table, V rows
        What is known of viewers.
    rooms : pyarrow.Table, R rows
        What is known of rooms.
    chance : array, (V, R, 5)
        Probability of each metric for every viewer and room that is looked at.
    affinity : array, (V, R)
        How well they fit, as far as the platform knows.
    activity : array, (V,)
        How often viewers ask, together 1.

    Examples
    --------
    >>> world = make_live_shop_world(viewers=50, seed=1)
    >>> world.chance.shape, world.profile.num_rows
    ((50, 401, 5), 50)
    """

    kind: Ints
    profile: pa.Table
    rooms: pa.Table
    chance: Floats
    affinity: Floats
    activity: Floats

    def requests(self, n: int, *, seed: int = 0) -> ShopRequests:
        """Draw requests with their candidates.

        Parameters
        ----------
        n : int
            How many, >= 1.
        seed : int, default 0
            Of the draw.

        Returns
        -------
        ShopRequests
            Ordered by day.
        """
        if n < 1:
            raise InputError("n", "be at least 1", n)
        rng, total = np.random.default_rng([seed, 1]), self.rooms.num_rows
        viewer = rng.choice(len(self.kind), n, p=self.activity)
        start = np.zeros(n + 1, np.int64)
        np.cumsum(rng.integers(LEAST, MOST + 1, n), out=start[1:])
        request = np.repeat(np.arange(n), np.diff(start))
        step = np.arange(start[-1]) - start[request]
        # distinct rooms: a random walk round a prime number of them
        first, stride = rng.integers(0, total, n), rng.integers(1, total, n)
        room = (first[request] + step * stride[request]) % total
        return ShopRequests(viewer, np.arange(n) * DAYS // n, start, room)

    def features(self, viewer: Ints, room: Ints) -> pa.Table:
        """What a base model may know of pairs: profile, room, affinity and price gap.

        Parameters
        ----------
        viewer : array of int, (N,)
            The viewers.
        room : array of int, (N,)
            The rooms.

        Returns
        -------
        pyarrow.Table
            N rows; categories are dictionaries.
        """
        table = self.profile.take(pa.array(viewer))
        other = self.rooms.take(pa.array(room))
        for name in other.column_names:
            table = table.append_column(name, other[name])
        gap = np.abs(table["spend"].to_numpy() - other["price"].to_numpy())
        table = table.append_column("affinity", pa.array(self.affinity[viewer, room]))
        return table.append_column("price_gap", pa.array(gap))

    def old_scores(self, requests: ShopRequests) -> Floats:
        """The old formula's score of each candidate, (N,).

        Parameters
        ----------
        requests : ShopRequests
            Of this world.

        Returns
        -------
        array, (N,)
            Larger is shown earlier.
        """
        room, asker = requests.room, requests.asker
        charm, popularity, price = (
            self.rooms[name].to_numpy()[room] for name in ("charm", "popularity", "price")
        )
        gap = np.abs(self.profile["spend"].to_numpy()[asker] - price)
        known = 0.6 * self.affinity[asker, room] + 0.4 * charm + 0.2 * popularity - 0.3 * gap
        return np.asarray(known)

    def log(self, requests: ShopRequests, *, seed: int = 0) -> pa.Table:
        """What the platform recorded under its old formula.

        Parameters
        ----------
        requests : ShopRequests
            Of this world.
        seed : int, default 0
            Of the exploration and of the outcomes.

        Returns
        -------
        pyarrow.Table
            Ten rows a request: request, viewer, room, day, position (0..9), shuffled (whether the
            ten were drawn at random), score, and 0 or 1 of each metric.
        """
        rng = np.random.default_rng([seed, 2])
        score = self.old_scores(requests)
        shuffled = rng.random(len(requests)) < SHUFFLED
        noise = rng.gumbel(size=len(score))
        lists = requests.top(np.where(shuffled[requests.request], noise, score + GUMBEL * noise))
        happened = self.outcomes(requests, lists, seed=seed)
        row = lists.ravel()
        columns = {
            "request": requests.request[row],
            "viewer": requests.asker[row],
            "room": requests.room[row],
            "day": np.repeat(requests.day, PLACES),
            "position": np.tile(np.arange(PLACES), len(requests)),
            "shuffled": np.repeat(shuffled, PLACES),
            "score": score[row],
        }
        labels = happened.reshape(-1, len(METRICS)).astype(np.int8)
        return pa.table(columns | dict(zip(METRICS, labels.T, strict=True)))

    def expected(self, requests: ShopRequests, lists: Ints) -> Floats:
        """Expected number of each metric in every request under ranked lists, exact.

        Two rankers on the same requests are compared in pairs: nothing is left of the chance of
        outcomes.

        Parameters
        ----------
        requests : ShopRequests
            Of this world.
        lists : array of int, (n, k)
            Rows of candidates, best first, as `ShopRequests.top` gives them.

        Returns
        -------
        array, (n, 5)
            In the order of `METRICS`.
        """
        return np.asarray(
            np.einsum("p,npm->nm", examined(lists.shape[1]), self._shown(requests, lists))
        )

    def outcomes(self, requests: ShopRequests, lists: Ints, *, seed: int = 0) -> Bools:
        """What happens under ranked lists, drawn.

        Parameters
        ----------
        requests : ShopRequests
            Of this world.
        lists : array of int, (n, k)
            Rows of candidates, best first.
        seed : int, default 0
            Of the draw.

        Returns
        -------
        array of bool, (n, k, 5)
            Each metric in each place; nothing happens in a room that was not watched.
        """
        rng = np.random.default_rng([seed, 3])
        chance = self._shown(requests, lists)
        watched = rng.random(lists.shape) < examined(lists.shape[1]) * chance[..., 0]
        given = chance / chance[..., :1]  # of each metric once the room is watched; 1 of watching
        happened = rng.random(chance.shape) < given
        return np.asarray(happened & watched[..., None])

    def oracle(self, requests: ShopRequests, value: Floats) -> Floats:
        """The scores of the best ranking there is for a value of each metric.

        Parameters
        ----------
        requests : ShopRequests
            Of this world.
        value : array, (5,)
            What one more of each metric is worth.

        Returns
        -------
        array, (N,)
            The expected worth of each candidate that is looked at, by the truth.
        """
        return np.asarray(
            self.chance[requests.asker, requests.room] @ np.asarray(value, np.float64)
        )

    def _shown(self, requests: ShopRequests, lists: Ints) -> Floats:
        """Chances of what ranked lists show, (n, k, 5)."""
        low, high = requests.start[:-1, None], requests.start[1:, None]
        fits = lists.ndim == 2 and len(lists) == len(requests)
        if not fits or not ((lists >= low) & (lists < high)).all():
            must = "hold rows of candidates of the same request, one line a request"
            raise InputError("the lists", must, f"shape {lists.shape}")
        return self.chance[requests.viewer[:, None], requests.room[lists]]


def examined(k: int) -> Floats:
    """The probability that each of k places is looked at, (k,).

    >>> examined(4).round(2).tolist()
    [1.0, 0.71, 0.58, 0.5]
    """
    return np.asarray((1.0 + np.arange(k)) ** -0.5)


def make_live_shop_world(*, seed: int = 0, viewers: int = 5_000, rooms: int = 401) -> LiveShopWorld:
    """Draw a live-streaming shop whose truth is known: what a page of ten rooms brings.

    Parameters
    ----------
    seed : int, default 0
        Of the world.
    viewers : int, default 5000
        How many, >= 1; the world holds 40 bytes for every viewer and room.
    rooms : int, default 401
        How many, a prime number >= 61.

    Returns
    -------
    LiveShopWorld
        It draws requests and their log, and knows what any ranking brings.

    Examples
    --------
    >>> world = make_live_shop_world(seed=1, viewers=200)
    >>> requests = world.requests(1000, seed=0)
    >>> log = world.log(requests)
    >>> log.num_rows, log.column_names[-5:]
    (10000, ['watch', 'comment', 'follow', 'gift', 'purchase'])
    >>> best = requests.top(world.oracle(requests, [0, 0, 0, 0, 1]))
    >>> old = requests.top(world.old_scores(requests))
    >>> gain = world.expected(requests, best) - world.expected(requests, old)
    >>> bool(gain[:, 4].min() >= 0)
    True
    """
    if viewers < 1:
        raise InputError("viewers", "be at least 1", viewers)
    if rooms <= MOST or (rooms % np.arange(2, int(rooms**0.5) + 1) == 0).any():
        raise InputError("rooms", f"be a prime number > {MOST}", rooms, fix="401 is one")
    rng = np.random.default_rng([seed, 20_260_106])
    slope = SLOPES.copy()
    slope[CONFLICT, 2] *= rng.uniform(0.7, 1.3)
    slope *= np.exp(0.15 * rng.standard_normal(slope.shape))
    kind = rng.choice(len(KINDS), viewers, p=SHARES)
    z, w = (rng.standard_normal((size, DIMENSIONS)) for size in (viewers, rooms))
    wealth = 0.5 * (kind == 0) + rng.standard_normal(viewers)
    social = 1.0 * (kind == 1) + rng.standard_normal(viewers)
    charm, sell, price = rng.standard_normal((3, rooms))
    terms = np.empty((viewers, rooms, 4))
    terms[..., 0] = z @ w.T / DIMENSIONS**0.5
    terms[..., 1], terms[..., 2] = charm, sell
    terms[..., 3] = 1 - np.abs(wealth[:, None] - price)
    score = terms @ slope.T * KEEN[kind][:, None] + LEVEL[kind][:, None]
    new = rng.random(viewers) < NEW
    noise = np.where(new, NEW_NOISE, NOISE)[:, None]
    z_known = (z + noise * rng.standard_normal(z.shape)) / (1 + noise**2) ** 0.5
    w_known = w + ROOM_NOISE * rng.standard_normal(w.shape)
    frequency = rng.lognormal(0.0, 0.7, viewers) * np.where(new, 0.5, 1.0)
    return LiveShopWorld(
        kind,
        _profile(rng, kind, wealth, social, new, frequency, z_known),
        _rooms(rng, w_known, charm, sell, price),
        _chances(score),
        z_known @ w_known.T / DIMENSIONS**0.5,
        frequency / frequency.sum(),
    )


def _chances(score: Floats) -> Floats:
    """Probabilities (V, R, 5) of scores without bias; biases give the rates over all pairs."""
    out = np.empty_like(score)
    part = score.reshape(-1, len(METRICS))
    few = part[:: max(1, len(part) // 50_000)]  # to set the biases by
    watched: Floats = np.ones(len(few))
    for m, rate in enumerate(RATES):
        low, high = -15.0, 15.0
        for _ in range(40):
            bias = (low + high) / 2
            above = (watched * expit(few[:, m] + bias)).mean() > rate
            low, high = (low, bias) if above else (bias, high)
        out[..., m] = expit(score[..., m] + bias)
        if m == 0:
            watched = expit(few[:, 0] + bias)
        else:
            out[..., m] *= out[..., 0]
    return out


def _profile(
    rng: np.random.Generator,
    kind: Ints,
    wealth: Floats,
    social: Floats,
    new: Bools,
    frequency: Floats,
    interests: Floats,
) -> pa.Table:
    """What the platform knows of viewers: kinds show in what they spent, wrote and come from."""
    n = len(kind)
    spend, chat = (trait + NOISE * rng.standard_normal(n) for trait in (wealth, social))
    columns = {
        "age": np.clip(rng.normal(34, 9, n) - 4 * (kind == 1), 16, 75).round(),
        "spend": spend,
        "chat": chat,
        "orders": rng.poisson(np.where(kind == 0, 4.0, 0.6)).astype(np.float64),
        "gifts": rng.poisson(np.where(kind == 1, 3.0, 0.3)).astype(np.float64),
        "visits": np.log1p(frequency) + 0.2 * rng.standard_normal(n),
    }
    columns |= {f"taste{j}": interests[:, j] for j in range(DIMENSIONS)}
    texts = {
        "tenure": np.where(new, "new", "old"),
        "city": np.array(["large", "middle", "small"])[rng.integers(0, 3, n)],
        "favourite": np.array(CATEGORIES)[interests.argmax(axis=1)],
    }
    return _table(columns, texts)


def _rooms(
    rng: np.random.Generator, topics: Floats, charm: Floats, sell: Floats, price: Floats
) -> pa.Table:
    """What the platform knows of rooms."""
    n = len(charm)
    columns = {
        name: trait + ROOM_NOISE * rng.standard_normal(n)
        for name, trait in (("charm", charm), ("sell", sell), ("price", price))
    }
    columns["popularity"] = 0.7 * charm + 0.7 * rng.standard_normal(n)
    columns |= {f"topic{j}": topics[:, j] for j in range(DIMENSIONS)}
    return _table(columns, {"category": np.array(CATEGORIES)[topics.argmax(axis=1)]})


def _table(numbers: dict[str, Floats], texts: dict[str, np.ndarray]) -> pa.Table:
    encoded = {name: pa.array(values).dictionary_encode() for name, values in texts.items()}
    return pa.table({**numbers, **encoded})


@njit(cache=True)
def _top(score, start, lists):  # type: ignore[no-untyped-def]
    """lists (n, k) := rows of the k largest scores of each run, best first, ties by row."""
    k = lists.shape[1]
    for i in range(len(start) - 1):
        size = 0
        for row in range(start[i], start[i + 1]):
            if size == k and score[row] <= score[lists[i, k - 1]]:
                continue
            p = size if size < k else k - 1
            while p > 0 and score[lists[i, p - 1]] < score[row]:
                lists[i, p] = lists[i, p - 1]
                p -= 1
            lists[i, p] = row
            size = min(size + 1, k)
