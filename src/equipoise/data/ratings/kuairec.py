"""KuaiRec, the small matrix: 1,411 people saw nearly all of 3,327 videos.  Liked: watched more than
0.6 of it.

The published benchmark takes a random fifth of the pairs as the ones that were seen:
``fetch_kuairec().sampled(0.2, seed)``.
"""

from __future__ import annotations

import numpy as np

from equipoise.core import columns
from equipoise.data.public.fetch import Place, Progress, Source, Wish, find
from equipoise.data.public.published import Card, Facts
from equipoise.data.ratings.ratings import Ratings, dense, table_of, whole_numbers

CARD = Card(
    name="kuairec",
    title="KuaiRec 2.0, small matrix",
    rows=4_676_570,
    treatment="none: strata are constructed on it",
    outcomes=("watch_ratio > 0.6",),
    terms="CC BY-SA 4.0",
    citation=(
        "Gao et al., KuaiRec: A Fully-observed Dataset and Insights for Evaluating Recommender"
        " Systems, CIKM 2022"
    ),
    address="https://zenodo.org/records/18164998",
)
SOURCE = Source(
    "https://zenodo.org/records/18164998/files/KuaiRec.zip",
    "kuairec/small_matrix.csv",
    checksum="md5:261550d472c48eff4990fb13c0e5bcf7",
    member="KuaiRec 2.0/data/small_matrix.csv",
)
KNOWN = (SOURCE.file, "KuaiRec 2.0/data/small_matrix.csv")
NAMES = ("user_id", "video_id", "watch_ratio")
FACTS = Facts(rows=4_676_570, needs=NAMES)
LIKED = 0.6  # share of a video's length that is not enough


def fetch_kuairec(
    *,
    data_home: Place = None,
    path: Place = None,
    download_if_missing: bool = True,
    progress: Progress | None = None,
) -> Ratings:
    """KuaiRec's small matrix: 4,676,570 pairs of 1,411 people and 3,327 videos.

    Parameters
    ----------
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
    Ratings
        Every pair, ids made dense; liked where more than 0.6 of the video was watched.

    Raises
    ------
    DataError
        Where a file is not there, or is not the published one.

    Examples
    --------
    >>> ratings = fetch_kuairec()  # doctest: +SKIP
    >>> len(ratings), ratings.sizes  # doctest: +SKIP
    (4676570, (1411, 3327))
    """
    file = find(CARD.name, KNOWN, SOURCE, Wish(data_home, path, download_if_missing, progress))
    table = table_of(file, NAMES, ",")
    FACTS.check(table, CARD, str(file))
    pairs = np.column_stack([whole_numbers(table, name, str(file)) for name in NAMES[:2]])
    return dense(CARD.name, pairs, (columns.numbers(table["watch_ratio"]) > LIKED).astype(np.int64))
