"""Hillstrom's e-mail challenge (2008): 64,000 customers, three arms (men's e-mail, women's e-mail,
none), two weeks of outcomes.

The 6,562 rows that repeat another are genuine (there is no id) and stay.
"""

from __future__ import annotations

from equipoise.core.log import Log, Outcome
from equipoise.data.files import read_table
from equipoise.data.public.fetch import Place, Progress, Source, Wish, find
from equipoise.data.public.published import Card, Facts
from equipoise.data.read import read_log
from equipoise.treatments import Arms

OFFICIAL = "Kevin_Hillstrom_MineThatData_E-MailAnalytics_DataMiningChallenge_2008.03.20.csv"
CARD = Card(
    name="hillstrom",
    title="MineThatData e-mail challenge",
    rows=64_000,
    treatment="segment: Mens E-Mail, Womens E-Mail, No E-Mail (control), one third each",
    outcomes=("visit", "conversion", "spend"),
    terms="no licence stated by the publisher; an open challenge",
    citation="Kevin Hillstrom, The MineThatData E-Mail Analytics And Data Mining Challenge, 2008",
    address="https://blog.minethatdata.com/2008/03/minethatdata-e-mail-analytics-and-data.html",
    note="Rows that repeat another are genuine and kept.",
)
# its content is held against FACTS
SOURCE = Source(f"http://www.minethatdata.com/{OFFICIAL}", f"hillstrom/{OFFICIAL}")
KNOWN = ("hillstrom/hillstrom.parquet", SOURCE.file, "hillstrom/hillstorm_no_indices.csv.gz")
FACTS = Facts(
    rows=64_000,
    needs=(
        "recency",
        "history_segment",
        "history",
        "mens",
        "womens",
        "zip_code",
        "newbie",
        "channel",
    ),
    counts={"segment": {"Mens E-Mail": 21_307, "Womens E-Mail": 21_387, "No E-Mail": 21_306}},
    sums={"visit": (9_394, 0), "conversion": (578, 0), "spend": (67_258.13, 0.005)},
)


def fetch_hillstrom(
    *,
    data_home: Place = None,
    path: Place = None,
    download_if_missing: bool = True,
    progress: Progress | None = None,
) -> Log:
    """Hillstrom's e-mail challenge: 64,000 customers, men's, women's or no e-mail.

    Parameters
    ----------
    data_home : path-like, default None
        The folder of data sets; None: EQUIPOISE_DATA, or the user's cache.
    path : path-like, default None
        The file itself: Parquet, or the publisher's CSV.
    download_if_missing : bool, default True
        Whether to download what is not there; else that is a `DataError`.
    progress : callable, default None
        Called with what is being done, steps done and steps in all.

    Returns
    -------
    Log
        Three arms, control "No E-Mail"; visit, conversion and spend (USD).

    Raises
    ------
    DataError
        Where a file is not there, or is not the published one.

    Examples
    --------
    >>> log = fetch_hillstrom()  # doctest: +SKIP
    >>> len(log), log.metrics  # doctest: +SKIP
    (64000, ('visit', 'conversion', 'spend'))
    """
    file = find(CARD.name, KNOWN, SOURCE, Wish(data_home, path, download_if_missing, progress))
    table = read_table(file)
    FACTS.check(table, CARD, str(file))
    return read_log(
        table,
        treatment="segment",
        space=Arms(["No E-Mail", "Mens E-Mail", "Womens E-Mail"]),
        outcomes=[
            Outcome("visit", "binary"),
            Outcome("conversion", "binary"),
            Outcome("spend", "amount", unit="USD"),
        ],
        features=FACTS.needs,
        design=(1 / 3, 1 / 3, 1 / 3),
    )
