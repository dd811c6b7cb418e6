"""The files of a decision log: plain, append-only, each with one writer; little-endian.

    LOG/<slot>-<epoch>-<number>.eqlog
    header  32 bytes: "EQLG", u16 version, u16 header size, u64 ns created, 16 bytes = the first
            half of the digest of the slot's segment before, so that a missing file is noticed
    frame   u32 length, u32 crc32 of the payload, payload; a length of 0 ends a scan
    payload a msgpack array of `equipoise.serving.records`

The digest of a segment is the sha256 of all bytes before its end record; the end record holds it.
Segments of a slot are in the order of their headers' times, which a writer keeps increasing even
where the clock goes back.
"""

from __future__ import annotations

import hashlib
import os
import re
import struct
import zlib
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from equipoise.core.errors import DataError
from equipoise.serving.records import EndRecord, Record

MAGIC, VERSION = b"EQLG", 1
HEADER, FRAME = struct.Struct("<4sHHQ16s"), struct.Struct("<II")
SUFFIX = ".eqlog"
NAME = re.compile(r"(\d{5})-([0-9a-f]{8})-(\d{6,})\.eqlog")
BLOCK, LONGEST = 1 << 20, 1 << 26  # bytes read at once; bytes of a record
TAKEN_BACK = 8  # records that a writer takes back at once, at most
CHAIN = 16  # bytes of a digest that the next header names
NONE_BEFORE = bytes(CHAIN)
FIX = "restore the file from a copy: nothing after this place can be trusted"

encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Record).decode
pack = FRAME.pack


class Segment(NamedTuple):
    """A file of a log.

    Attributes
    ----------
    path : Path
        Where.
    slot, epoch, number : int
        Of the writer, of its start, and within that.
    created : int
        In nanoseconds since 1970.
    previous : bytes
        The first half of the digest of the segment before, zeros for the first.
    """

    path: Path
    slot: int
    epoch: int
    number: int
    created: int
    previous: bytes

    @property
    def writer(self) -> bytes:
        """The name of who wrote it: slot and start, 6 bytes."""
        return self.slot.to_bytes(2, "big") + self.epoch.to_bytes(4, "big")


def file_name(slot: int, epoch: int, number: int) -> str:
    """The name of a segment's file."""
    return f"{slot:05d}-{epoch:08x}-{number:06d}{SUFFIX}"


def header_of(created: int, previous: bytes) -> bytes:
    """The first bytes of a segment."""
    return HEADER.pack(MAGIC, VERSION, HEADER.size, created, previous)


def frame_of(record: Record) -> bytes:
    """A record as it stands in a segment."""
    return framed(encode(record))


def framed(payload: bytes) -> bytes:
    """A payload as it stands in a segment."""
    return pack(len(payload), zlib.crc32(payload)) + payload


def frames(stream: BinaryIO, at: int = HEADER.size) -> Iterator[tuple[int, bytes]]:
    """The offset and the payload of each whole frame, up to the first that is not."""
    stream.seek(at)
    block, place = stream.read(BLOCK), 0
    while True:
        if len(block) - place < FRAME.size:
            block, at, place = block[place:] + stream.read(BLOCK), at + place, 0
            if len(block) < FRAME.size:
                return
        length, crc = FRAME.unpack_from(block, place)
        end = place + FRAME.size + length
        if not 0 < length <= LONGEST:
            return
        if end > len(block):
            more = stream.read(max(BLOCK, end - len(block)))
            block, at, place, end = block[place:] + more, at + place, 0, end - place
            if end > len(block):
                return
        payload = block[place + FRAME.size : end]
        if zlib.crc32(payload) != crc:
            return
        yield at + place, payload
        place = end


class Followed:
    """How far a segment that grows was read.

    A writer may cut off its last records after they were read, and write others in their place (see
    `DecisionLog.take_back`): what comes then is read from the last one on that is still there.  A
    segment that was written anew, without erased units, is not read again.
    """

    def __init__(self) -> None:
        self._file = 0  # its inode
        # of the last ones: where they begin, and their heads
        self._last: deque[tuple[int, bytes]] = deque(maxlen=TAKEN_BACK + 1)

    def more(self, stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
        """The offset and the payload of each whole frame since the last call."""
        file = os.fstat(stream.fileno()).st_ino
        self._file = self._file or file
        if file != self._file:
            return
        for offset, payload in frames(stream, self._end(stream)):
            self._last.append((offset, pack(len(payload), zlib.crc32(payload))))
            yield offset, payload

    def _end(self, stream: BinaryIO) -> int:
        while self._last:
            offset, head = self._last[-1]
            stream.seek(offset)
            if stream.read(FRAME.size) == head:
                return offset + FRAME.size + int(FRAME.unpack(head)[0])
            self._last.pop()
        return HEADER.size


def record_of(payload: bytes, path: Path, offset: int) -> Record:
    """The record of a payload that its sum vouches for."""
    try:
        return decode(payload)
    except msgspec.DecodeError as error:
        must, fix = "be one that this version knows", "read it by the version that wrote it"
        where = f"{path}, byte {offset:,}"
        raise DataError("a record", must, str(error), where, fix) from error


def end_of(path: Path) -> tuple[int, EndRecord] | None:
    """The offset and the content of a segment's end record; None where its last bytes are none."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        stream.seek(max(HEADER.size, size - 128))
        tail = stream.read()
    for start in range(max(0, len(tail) - FRAME.size)):
        length, crc = FRAME.unpack_from(tail, start)
        payload = tail[start + FRAME.size :]
        if length == len(payload) and zlib.crc32(payload) == crc:
            record = record_of(payload, path, size - len(tail) + start)
            if isinstance(record, EndRecord):
                return size - len(tail) + start, record
    return None


def unended(folder: Path) -> list[int]:
    """The slots whose last segment has no end: their writers live, or died."""
    last = {one.slot: one.path for one in segments_of(folder)}
    return [slot for slot, path in last.items() if end_of(path) is None]


def digest_of(path: Path, size: int) -> bytes:
    """The sha256 of the first bytes of a file."""
    sha, left = hashlib.sha256(), size
    with path.open("rb") as stream:
        while left > 0 and (block := stream.read(min(BLOCK, left))):
            sha.update(block)
            left -= len(block)
    return sha.digest()


def whole_until(path: Path) -> int:
    """Up to which byte a segment holds whole frames."""
    good = HEADER.size
    with path.open("rb") as stream:
        for offset, payload in frames(stream):
            good = offset + FRAME.size + len(payload)
    return good


def segments_of(folder: Path, slot: int | None = None) -> list[Segment]:
    """The segments of a log by slot, each slot's in the order they were written.

    A file whose header was not written whole holds nothing, and is left out.
    """
    chosen = []
    for path in folder.iterdir():
        parts = NAME.fullmatch(path.name)
        if parts is None or slot not in (None, int(parts[1])):
            continue
        with path.open("rb") as stream:
            raw = stream.read(HEADER.size)
        if len(raw) < HEADER.size or not any(raw):
            continue
        magic, version, size, created, previous = HEADER.unpack(raw)
        if (magic, version, size) != (MAGIC, VERSION, HEADER.size):
            got, must = f"{magic!r}, version {version}", f"begin as {MAGIC!r}, version {VERSION}"
            raise DataError("a segment of the log", must, got, f"{path}, byte 0", FIX)
        names = int(parts[1]), int(parts[2], 16), int(parts[3])
        chosen.append(Segment(path, *names, created, previous))
    return sorted(chosen, key=lambda one: (one.slot, one.created, one.number))
