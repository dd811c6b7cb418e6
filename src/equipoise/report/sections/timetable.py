"""What could be sent: the schedules of the menu over the day, where treatments are schedules."""

from __future__ import annotations

from equipoise.report.findings import Timetable
from equipoise.report.formatting import number, plural, real, share
from equipoise.report.parts import Figure, Plot, Section, Table
from equipoise.report.plots import CONTROL, Spec, plain, timelines
from equipoise.report.view import View

TICK = 4  # hours
LARGEST = 22  # of a mark, pixels


def over_the_day(view: View, timetable: Timetable) -> Section:
    """The schedules, what they send when, and how many people get each."""
    rows, unit = timetable["rows"], timetable["unit"]
    shares = view.findings["policy"]["shares"]
    totals = [sum(map(real, row["amounts"])) for row in rows]
    counts = [len(row["hours"]) for row in rows]
    answer = (
        f"{plural(len(rows), 'schedule')} of {min(counts)} to {max(counts)} packets a day, together"
        f" {number(min(totals))} to {number(max(totals))} {unit} a person; all are compared with"
        f" {view.control}."
    )
    columns = ["schedule", f"{unit} a day", "packets", "first", "last", "smallest", "largest"]
    twin = Table(
        "The schedules",
        [*columns, "people"],
        [
            [
                row["name"],
                number(total),
                f"{count:,}",
                clock(row["hours"][0]),
                clock(row["hours"][-1]),
                number(min(row["amounts"])),
                number(max(row["amounts"])),
                share(shares.get(row["name"], 0.0)),
            ]
            for row, total, count in zip(rows, totals, counts, strict=True)
        ],
    )
    reading = (
        "Each mark is a packet at its hour; its area is the amount, and the same in all rows. Who"
        " gets which schedule is in the section on the chosen policy."
    )
    # one symbol for all, since areas are compared
    colours = [CONTROL if r["name"] == view.control else view.mark(r["name"])[0] for r in rows]
    figure = Figure("Amounts over the day", reading, [_drawing(timetable, colours)], twin)
    return Section("timetable", "Schedules", "What can be sent, and when?", answer, [figure])


def clock(hour: float) -> str:
    """An hour of the day as on a clock: 8.5 is 08:30."""
    minutes = round(60 * real(hour))
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _drawing(timetable: Timetable, colours: list[str]) -> Plot:
    rows, unit = timetable["rows"], timetable["unit"]
    most = max(max(map(real, row["amounts"])) for row in rows)
    names, series = [row["name"] for row in rows], []
    for row in rows:
        sizes = [LARGEST * (real(amount) / most) ** 0.5 for amount in row["amounts"]]
        hover = [
            f"<b>{plain(row['name'], 60)}</b><br>{clock(hour)}: {number(amount)} {plain(unit)}"
            for hour, amount in zip(row["hours"], row["amounts"], strict=True)
        ]
        series.append((row["hours"], sizes, hover))
    start, end = timetable["window"]
    ticks = [hour for hour in range(0, 25, TICK) if start <= hour <= end]
    axis: Spec = {
        "range": [start - 0.7, end + 0.7],
        "tickvals": ticks,
        "ticktext": [clock(hour) for hour in ticks],
    }
    label = "; ".join(
        f"{row['name']}: "
        + ", ".join(
            f"{clock(h)} {number(a)} {unit}"
            for h, a in zip(row["hours"], row["amounts"], strict=True)
        )
        for row in rows
    )
    return timelines(names, series, [(colour, "circle") for colour in colours], axis, label)
