"""KuaiRand-Pure, part of its standard log: 228,329 times a short video was shown to one of 25,156
people, 25 April to 8 May 2022, with eight kinds of feedback; what a ranking of several objectives
is learnt from.

The part is a cut by date of the published log, made by a third party: 94,784 rows to 30 April,
133,545 after.  It holds no rows of random exposure (is_rand is 0 throughout), no request ids, and
5,460 rows that repeat another, which were kept.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from equipoise.core import columns
from equipoise.core.arrays import Floats, Ints
from equipoise.core.display import shown
from equipoise.core.errors import DataError, InputError
from equipoise.data.files import read_table
from equipoise.data.public.fetch import Place, Wish, find
from equipoise.data.public.published import Card, Facts

CARD = Card(
    name="kuairand",
    title="KuaiRand-Pure, part of the standard log",
    rows=228_329,
    treatment="none: exposures of a recommender",
    outcomes=(
        "click",
        "long_view",
        "like",
        "follow",
        "comment",
        "forward",
        "profile_enter",
        "hate",
    ),
    terms="CC BY-SA 4.0",
    citation=(
        "Gao et al., KuaiRand: An Unbiased Sequential Recommendation Dataset with Randomly Exposed"
        " Videos, CIKM 2022"
    ),
    address="https://zenodo.org/records/10439422",
    note="A cut by date, 25 April to 8 May 2022; the log of random exposure is not in it.",
)
FOLDER = "kuairand_pure_part"
FILES = ("log_standard_part.parquet", "user_features.parquet", "video_features_basic.parquet")
LABELS = {
    "click": ("is_click", 100_900),
    "long_view": ("long_view", 70_963),
    "like": ("is_like", 3_915),
    "follow": ("is_follow", 304),
    "comment": ("is_comment", 579),
    "forward": ("is_forward", 195),
    "profile_enter": ("is_profile_enter", 4_231),
    "hate": ("is_hate", 190),
}
LOG_FACTS = Facts(
    rows=228_329,
    needs=("user_id", "video_id", "date", "hourmin", "time_ms", "duration_ms", "tab"),
    sums={column: (total, 0.0) for column, total in LABELS.values()},
)
USER_FACTS = Facts(rows=27_285, needs=("user_id", "user_active_degree", "register_days"))
VIDEO_FACTS = Facts(rows=7_583, needs=("video_id", "author_id", "upload_dt", "video_type"))
AMOUNTS = ("follow_user_num", "fans_user_num", "friend_user_num", "register_days")
SHAPES = ("server_width", "server_height")
KINDS = ("video_type", "upload_type", "music_type", "tag")


@shown
@dataclass(frozen=True)
class KuaiRand:
    """Exposures in the order of their time, with what was known before each and what came of it.

    Attributes
    ----------
    table : pyarrow.Table, n rows
        user_id, video_id, author_id, date (days), time (UTC), the profile, the features, and 0 or 1
        of every label.  Categories are dictionaries of text; missing stays missing.
    labels : tuple of str
        click, long_view, like, follow, comment, forward, profile_enter, hate.
    profile : tuple of str
        Columns of the user.
    features : tuple of str
        Columns of the moment and of the video.

    Examples
    --------
    >>> log = fetch_kuairand()  # doctest: +SKIP
    >>> len(log), len(log.between("2022-05-01", "2022-05-08"))  # doctest: +SKIP
    (228329, 133545)
    """

    table: pa.Table
    labels: tuple[str, ...]
    profile: tuple[str, ...]
    features: tuple[str, ...]

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def users(self) -> Ints:
        """The user of each row, (n,): no request is known, so users are the groups."""
        return np.asarray(self.table["user_id"].to_numpy(), np.int64)

    @property
    def y(self) -> Floats:
        """Every label, (n, 8)."""
        return np.column_stack([columns.numbers(self.table[name]) for name in self.labels])

    def between(self, first: str, last: str) -> KuaiRand:
        """The rows of some days.

        Parameters
        ----------
        first, last : str
            Dates, as 2022-04-25; both days are in.

        Returns
        -------
        KuaiRand
            The same columns.

        Raises
        ------
        InputError
            Where a date is none, or no row lies between them.
        """
        try:
            low, high = (np.datetime64(day, "D") for day in (first, last))
        except ValueError as error:
            raise InputError("a date", "be written as 2022-04-25", str(error)) from error
        date = self.table["date"].to_numpy()
        inside = (date >= low) & (date <= high)
        if not inside.any():
            held = f"{date.min()} to {date.max()}"
            raise InputError("days", f"hold some of {held}", f"{first} to {last}")
        return replace(self, table=self.table.filter(pa.array(inside)))


def fetch_kuairand(*, data_home: Place = None, path: Place = None) -> KuaiRand:
    """Exposures of short videos with eight kinds of feedback, users' profiles and videos' features.

    Parameters
    ----------
    data_home : path-like, default None
        The folder of data sets; None: EQUIPOISE_DATA, or the user's cache.
    path : path-like, default None
        The folder of the three files; None: kuairand_pure_part in the data folder.  Nothing is
        downloaded.

    Returns
    -------
    KuaiRand
        The rows in the order of their time.

    Raises
    ------
    DataError
        Where a file is not there, or is not the published one.

    Notes
    -----
    Playing time and the time spent on profiles and comments are left out: they come of an exposure,
    as the labels do.  The nicknamed codes (onehot_feat0 to 17) are categories; ranges that repeat a
    number (fans_user_num_range) are left out.

    Examples
    --------
    >>> log = fetch_kuairand()  # doctest: +SKIP
    >>> int(log.y[:, log.labels.index("click")].sum())  # doctest: +SKIP
    100900
    """
    folder = find(CARD.name, (FOLDER,), None, Wish(data_home, path))
    log, users, videos = (
        _read(folder / file, facts)
        for file, facts in zip(FILES, (LOG_FACTS, USER_FACTS, VIDEO_FACTS), strict=True)
    )
    log = log.take(pc.sort_indices(log, [("time_ms", "ascending"), ("user_id", "ascending")]))
    user = users.take(pa.array(_places(log, users, "user_id", folder)))
    video = videos.take(pa.array(_places(log, videos, "video_id", folder)))
    profile = _profile(user)
    features = _features(log, video)
    base = {name: log[name] for name in ("user_id", "video_id")} | {"author_id": video["author_id"]}
    base |= {"date": _dates(log), "time": pc.cast(log["time_ms"], pa.timestamp("ms", "UTC"))}
    labels = {name: log[column] for name, (column, _) in LABELS.items()}
    table = pa.table(base | profile | features | labels)
    return KuaiRand(table, tuple(labels), tuple(profile), tuple(features))


def _read(file: Path, facts: Facts) -> pa.Table:
    table = read_table(file)
    facts.check(table, CARD, str(file))
    return table


def _places(log: pa.Table, other: pa.Table, name: str, folder: Path) -> Ints:
    """The row in another table of each row's id."""
    ids, wanted = (np.asarray(table[name].to_numpy(), np.int64) for table in (other, log))
    order = np.argsort(ids)
    place: Ints = order[np.searchsorted(ids, wanted, sorter=order).clip(max=len(ids) - 1)]
    strange = ids[place] != wanted
    if strange.any():
        must = f"have features of every {name} in the log"
        raise DataError("the files of kuairand", must, int(wanted[strange][0]), str(folder))
    return place


def _profile(user: pa.Table) -> dict[str, pa.ChunkedArray]:
    """Columns of users: numbers as they are, all codes as categories."""
    codes = [name for name in user.column_names if name.startswith(("onehot_", "is_"))]
    return {
        "user_active_degree": _category(user["user_active_degree"]),
        **{name: pc.cast(user[name], pa.float64()) for name in AMOUNTS},
        **{name: _category(user[name]) for name in codes},
    }


def _features(log: pa.Table, video: pa.Table) -> dict[str, pa.ChunkedArray]:
    """Columns of the moment and of the video; its age is the days since its upload."""
    uploaded = pc.cast(pc.cast(video["upload_dt"], pa.string()), pa.date32())
    day = pc.cast(pc.cast(_dates(log), pa.int32()), pa.float64())
    numbers = {
        "hour": pc.divide(pc.cast(log["hourmin"], pa.float64()), 100.0),
        "duration_s": pc.divide(pc.cast(log["duration_ms"], pa.float64()), 1000.0),
        "age_days": pc.subtract(day, pc.cast(pc.cast(uploaded, pa.int32()), pa.float64())),
        **{name: pc.cast(video[name], pa.float64()) for name in SHAPES},
    }
    return numbers | {"tab": _category(log["tab"])} | {n: _category(video[n]) for n in KINDS}


def _category(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return columns.text(column).dictionary_encode()


def _dates(log: pa.Table) -> pa.ChunkedArray:
    """The day of each row, from a number such as 20220425."""
    return pc.cast(pc.strptime(pc.cast(log["date"], pa.string()), "%Y%m%d", "s"), pa.date32())
