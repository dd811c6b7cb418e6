"""Records on disk by the day of their decision, so that a log of any size is joined day by day.

The day is that of the decision's id, which rewards, exposures and spends name too: what belongs
together meets without an index.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from equipoise.serving.log.segments import FRAME

MILLISECONDS = 86_400_000  # of a day
FLUSH = 1 << 17  # bytes held in memory for each part
ROWS = 100_000  # decisions of a part, about
RECORD = 150  # bytes of a small decision


class Spill:
    """A folder of parts.

    Parameters
    ----------
    folder : Path
        Empty.
    parts : int
        Of a day.
    """

    def __init__(self, folder: Path, parts: int) -> None:
        self.folder, self.parts = folder, parts
        self._buffers: dict[tuple[int, int], bytearray] = defaultdict(bytearray)

    def add(self, decision: bytes, context: int, payload: bytes) -> None:
        """Put a record with its decision's; ``context`` is a number of the caller's."""
        day = int.from_bytes(decision[:6], "big") // MILLISECONDS
        part = int.from_bytes(decision[12:], "big") % self.parts
        buffer = self._buffers[day, part]
        buffer += FRAME.pack(len(payload), context)
        buffer += payload
        if len(buffer) > FLUSH:
            self._flush(day, part)

    def days(self) -> list[int]:
        """The days that have records, since 1970."""
        return sorted({day for day, _ in self._buffers})

    def read(self, day: int, part: int) -> Iterator[tuple[int, bytes]]:
        """The records of a part: the caller's number of the context, and the payload."""
        if (day, part) not in self._buffers:
            return
        self._flush(day, part)
        raw = self._file(day, part).read_bytes()
        place = 0
        while place < len(raw):
            length, context = FRAME.unpack_from(raw, place)
            place += FRAME.size
            yield context, raw[place : place + length]
            place += length

    def _file(self, day: int, part: int) -> Path:
        return self.folder / f"{day}-{part}"

    def _flush(self, day: int, part: int) -> None:
        buffer = self._buffers[day, part]
        with self._file(day, part).open("ab") as out:
            out.write(buffer)
        buffer.clear()


def parts_of(size: int, days: int) -> int:
    """In how many parts the days of a log of so many bytes are joined."""
    return max(1, -(-size // RECORD // max(days, 1) // ROWS))
