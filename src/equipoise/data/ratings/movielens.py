"""MovieLens 1M: 1,000,209 ratings, 1 to 5 stars, of 3,706 films by 6,040 people.  Liked: more than
3 stars.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from equipoise.core import columns
from equipoise.data.public.fetch import Place, Progress, Source, Wish, find
from equipoise.data.public.published import Card, Facts
from equipoise.data.ratings.ratings import Ratings, table_of, whole_numbers

CARD = Card(
    name="movielens_1m",
    title="MovieLens 1M",
    rows=1_000_209,
    treatment="none: strata are constructed on it",
    outcomes=("rating > 3",),
    terms=(
        "research use; no redistribution or commercial use without GroupLens' permission; cite the"
        " paper"
    ),
    citation="Harper & Konstan, The MovieLens Datasets, ACM TiiS 5(4), 2015",
    address="https://grouplens.org/datasets/movielens/1m/",
)
SOURCE = Source(
    "https://files.grouplens.org/datasets/movielens/ml-1m.zip",
    "movielens_1m/ratings.dat",
    checksum="md5:c4d9eecfca2ab87c1945afe126590906",
    member="ml-1m/ratings.dat",
)
KNOWN = ("movielens_1m/ratings.parquet", SOURCE.file, "ml-1m/ratings.dat")
NAMES = ("user_id", "movie_id", "rating", "timestamp")
STARS = {"1": 56_174, "2": 107_557, "3": 261_197, "4": 348_971, "5": 226_310}
FACTS = Facts(rows=1_000_209, needs=NAMES[:2], counts={"rating": STARS})
LIKED = 3  # stars that are not enough


def fetch_movielens_1m(
    *,
    data_home: Place = None,
    path: Place = None,
    download_if_missing: bool = True,
    progress: Progress | None = None,
) -> Ratings:
    """MovieLens 1M: 1,000,209 ratings of 3,706 films by 6,040 people.

    Parameters
    ----------
    data_home : path-like, default None
        The folder of data sets; None: EQUIPOISE_DATA, or the user's cache.
    path : path-like, default None
        The file itself: Parquet, or ratings.dat.
    download_if_missing : bool, default True
        Whether to download what is not there; else that is a `DataError`.
    progress : callable, default None
        Called with what is being done, steps done and steps in all.

    Returns
    -------
    Ratings
        Codes are the file's ids less 1; liked where more than 3 stars were given.

    Raises
    ------
    DataError
        Where a file is not there, or is not the published one.

    Examples
    --------
    >>> ratings = fetch_movielens_1m()  # doctest: +SKIP
    >>> len(ratings), ratings.sizes  # doctest: +SKIP
    (1000209, (6040, 3952))
    """
    table = movielens_table(Wish(data_home, path, download_if_missing, progress))
    pairs = np.column_stack([whole_numbers(table, name, CARD.name) - 1 for name in NAMES[:2]])
    liked = (columns.numbers(table["rating"]) > LIKED).astype(np.int64)
    return Ratings(
        CARD.name, pairs, liked, (int(pairs[:, 0].max()) + 1, int(pairs[:, 1].max()) + 1)
    )


def movielens_table(wish: Wish) -> pa.Table:
    """The rows as published: user_id, movie_id, rating (stars) and timestamp.

    Parameters
    ----------
    wish : Wish
        Where the file is, and whether it may be downloaded.

    Returns
    -------
    pyarrow.Table
        1,000,209 rows.

    Raises
    ------
    DataError
        Where the file is not there, or is not the published one.

    Examples
    --------
    >>> movielens_table(Wish()).column_names  # doctest: +SKIP
    ['user_id', 'movie_id', 'rating', 'timestamp']
    """
    file = find(CARD.name, KNOWN, SOURCE, wish)
    table = table_of(file, NAMES, "::")
    FACTS.check(table, CARD, str(file))
    return table
