"""``/metrics``: sums of all workers by a collector of our own, and what is true right now.

Names and units follow Prometheus's conventions: seconds, bytes, ``_total`` for counters.  No unit,
request or free text is a label.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from equipoise.serving.app.meters import LOST, Meters, Series

MEDIA = "text/plain; version=1.0.0; charset=utf-8"
HELP = {
    "equipoise_decisions_total": "Decisions by policy, candidate and reason.",
    "equipoise_decision_duration_seconds": "From a request's body to its answer, one unit.",
    "equipoise_batch_duration_seconds": "From a batch's body to its answer.",
    "equipoise_http_requests_total": "Requests by route and status.",
    "equipoise_http_in_flight": "Requests in hand, all workers.",
    "equipoise_workers": "Workers that are ready.",
    "equipoise_log_bytes_total": "Bytes appended to the decision log.",
    "equipoise_log_sync_seconds": "How long a sync of the log to disk took.",
    "equipoise_log_alarms": "Workers whose disk refused to sync the log; a reload clears it.",
    "equipoise_clock_back_seconds": "By how much the clock went back, over all workers.",
    "equipoise_log_unsynced_bytes": "Bytes written and not yet on disk.",
    "equipoise_store_reads_total": "Reads of known units, by whether they were there.",
    "equipoise_store_duration_seconds": "How long a read of a known unit took.",
    "equipoise_budget_left": "Money that no worker has leased.",
    "equipoise_budget_leased": "Money leased to workers and not reserved.",
    "equipoise_budget_reserved": "Money reserved for decisions that are open.",
    "equipoise_budget_spent": "Money spent.",
    "equipoise_rewards_total": "Rewards by metric and what became of them.",
    "equipoise_reward_delay_seconds": "From a decision to its reward.",
    "equipoise_exposures_total": "Decisions said to be shown.",
    "equipoise_snapshot_info": "The snapshot that decides, by channel.",
    "equipoise_snapshot_age_seconds": "Since the live snapshot was published.",
    "equipoise_sample_ratio_p_value": "Whether who got what agrees with the logged chances.",
    "equipoise_drift_psi": "Population stability index of a column or score.",
    "equipoise_alarm": "1 while a monitor is alarmed.",
    "equipoise_features_total": "Features missing, extra, or of a level never seen.",
    "equipoise_killed": "1 while the kill switch is on.",
    LOST: "Counts whose series found no column.",
}
Gauges = Iterable[tuple[str, dict[str, str], float]]


class Sums:
    """A collector over the file of counters, and over gauges asked for when it is read.

    Parameters
    ----------
    meters : Meters
        Of any worker.
    gauges : callable
        Gives (name, labels, value) of what is true now.
    """

    def __init__(self, meters: Meters, gauges: Callable[[], Gauges] = lambda: ()) -> None:
        self.meters, self.gauges = meters, gauges

    def describe(self) -> Iterator[Metric]:
        """Nothing: what there is stands in the file."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Every family."""
        families: dict[str, list[tuple[Series, float]]] = defaultdict(list)
        for series, total in self.meters.sums():
            families[_family(series.name)].append((series, total))
        for name, members in sorted(families.items()):
            yield _histogram(name, members) if _is_histogram(members) else _plain(name, members)
        now: dict[str, list[tuple[dict[str, str], float]]] = defaultdict(list)
        for name, labels, value in self.gauges():
            now[name].append((labels, value))
        for name, points in sorted(now.items()):
            names = sorted(points[0][0])
            gauge = GaugeMetricFamily(name, HELP.get(name, name), labels=names)
            for labels, value in points:
                gauge.add_metric([labels[label] for label in names], value)
            yield gauge

    def page(self) -> bytes:
        """The page that Prometheus reads."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return generate_latest(registry)


def _family(name: str) -> str:
    for end in ("_bucket", "_sum"):
        name = name.removesuffix(end)
    return name


def _is_histogram(members: list[tuple[Series, float]]) -> bool:
    return any(series.name.endswith("_bucket") for series, _ in members)


def _plain(name: str, members: list[tuple[Series, float]]) -> Metric:
    """A counter by its name's end, else a gauge."""
    names = [label for label, _ in members[0][0].labels]
    counted = name.endswith("_total")
    kind = CounterMetricFamily if counted else GaugeMetricFamily
    family = kind(name.removesuffix("_total"), HELP.get(name, name), labels=names)
    for series, total in members:
        family.add_metric([value for _, value in series.labels], total)
    return family


def _histogram(name: str, members: list[tuple[Series, float]]) -> Metric:
    family = HistogramMetricFamily(name, HELP.get(name, name), labels=[])
    total = sum(value for series, value in members if series.name.endswith("_sum"))
    counts = sorted(
        (float(dict(series.labels)["le"]), value)
        for series, value in members
        if series.name.endswith("_bucket")
    )
    below, buckets = 0.0, []
    for bound, count in counts:
        below += count
        buckets.append(("+Inf" if bound == float("inf") else f"{bound:g}", below))
    family.add_metric([], buckets, sum_value=total)
    return family
