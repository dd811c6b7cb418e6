"""Yelp, as of the eALS paper: 731,671 ratings, 1 to 5 stars, of 25,815 places by 25,677 people.
Liked: more than 3 stars.
"""

from __future__ import annotations

import numpy as np

from equipoise.core import columns
from equipoise.data.public.fetch import Place, Progress, Source, Wish, find
from equipoise.data.public.published import Card, Facts
from equipoise.data.ratings.ratings import Ratings, table_of, whole_numbers

CARD = Card(
    name="yelp",
    title="Yelp challenge, the part of the eALS paper",
    rows=731_671,
    treatment="none: strata are constructed on it",
    outcomes=("rating > 3",),
    terms="Yelp Dataset Challenge: academic use",
    citation=(
        "He, Zhang, Kan & Chua, Fast Matrix Factorization for Online Recommendation with Implicit"
        " Feedback, SIGIR 2016"
    ),
    address="https://github.com/hexiangnan/sigir16-eals",
)
SOURCE = Source(
    "https://raw.githubusercontent.com/hexiangnan/sigir16-eals/master/data/yelp.rating",
    "yelp/yelp.rating",
)
KNOWN = (SOURCE.file, "yelp.rating")
NAMES = ("user_id", "item_id", "rating", "timestamp")
FACTS = Facts(rows=731_671, needs=NAMES[:3])
LIKED = 3  # stars that are not enough


def fetch_yelp(
    *,
    data_home: Place = None,
    path: Place = None,
    download_if_missing: bool = True,
    progress: Progress | None = None,
) -> Ratings:
    """Yelp as of the eALS paper: 731,671 ratings of 25,815 places by 25,677 people.

    Parameters
    ----------
    data_home : path-like, default None
        The folder of data sets; None: EQUIPOISE_DATA, or the user's cache.
    path : path-like, default None
        The file itself: tabs, no header.
    download_if_missing : bool, default True
        Whether to download what is not there; else that is a `DataError`.
    progress : callable, default None
        Called with what is being done, steps done and steps in all.

    Returns
    -------
    Ratings
        Liked where more than 3 stars were given.

    Raises
    ------
    DataError
        Where a file is not there, or is not the published one.

    Examples
    --------
    >>> ratings = fetch_yelp()  # doctest: +SKIP
    >>> len(ratings)  # doctest: +SKIP
    731671
    """
    file = find(CARD.name, KNOWN, SOURCE, Wish(data_home, path, download_if_missing, progress))
    table = table_of(file, NAMES, "\t")
    FACTS.check(table, CARD, str(file))
    pairs = np.column_stack([whole_numbers(table, name, str(file)) for name in NAMES[:2]])
    liked = (columns.numbers(table["rating"]) > LIKED).astype(np.int64)
    return Ratings(
        CARD.name, pairs, liked, (int(pairs[:, 0].max()) + 1, int(pairs[:, 1].max()) + 1)
    )
