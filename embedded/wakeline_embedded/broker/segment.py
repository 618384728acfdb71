"""One file of a partition's log, with a sparse index of its offsets and times in memory."""

import logging
import os
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from wakeline_embedded.broker.batches import BatchHeader, crc_holds, first_record_from, placed, scan
from wakeline_embedded.broker.files import write_all

log = logging.getLogger(__name__)

_INDEX_STEP = 8192  # bytes of log per index entry


class Segment:
    """Record batches from ``base_offset`` on, in the file ``<base offset>.log``.

    Only the newest segment of a partition is open for writing; a sealed one is opened per read.
    """

    def __init__(self, directory: Path, base_offset: int) -> None:
        self.base_offset = base_offset
        self.next_offset = base_offset
        self.max_timestamp = -1
        self.size = 0
        self.path = directory / f"{base_offset:020d}.log"
        self._offsets = array("q")
        self._positions = array("q")
        self._times = array("q")  # the newest timestamp up to and including the entry's batch
        self._fd: int | None = None

    def open(self) -> None:
        """Open for writing, creating the file if there is none."""
        self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)

    def fileno(self) -> int:
        """Descriptor of the file open for writing."""
        if self._fd is None:
            raise ValueError(f"{self.path} is not open for writing")
        return self._fd

    def seal(self) -> None:
        """Close for writing."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def append(self, data: bytes, header: BatchHeader) -> BatchHeader:
        """Write a batch at the end and return its header with the offset it got."""
        header = header._replace(base_offset=self.next_offset)
        position = self.size
        self.size = write_all(self.fileno(), placed(data, self.next_offset), position)
        self._take_in(position, header)
        return header

    def read(self, offset: int, max_bytes: int, *, at_least_one: bool) -> bytes:
        """Batches from the one that holds ``offset`` on; the last may be cut off, as in Kafka.

        With ``at_least_one`` the first batch comes whole, even beyond ``max_bytes``.
        """
        entry = bisect_right(self._offsets, offset) - 1
        start = self._positions[entry] if entry >= 0 else 0
        with self._reading() as fd:
            for position, header in scan(fd, start, self.size):
                if header.next_offset > offset:
                    if header.size > max_bytes and not at_least_one:
                        return b""
                    return os.pread(fd, max(header.size, max_bytes), position)
        return b""

    def find_time(self, offset: int, timestamp: int) -> tuple[int, int] | None:
        """Offset and timestamp of the first record at or after ``offset`` and ``timestamp``."""
        entry = max(bisect_left(self._times, timestamp) - 1, 0)
        start = self._positions[entry] if self._positions else 0
        with self._reading() as fd:
            for position, header in scan(fd, start, self.size):
                if header.max_timestamp >= timestamp and header.next_offset > offset:
                    batch = os.pread(fd, header.size, position)
                    if found := first_record_from(batch, offset, timestamp):
                        return found
        return None

    def recover(self, visit: Callable[[BatchHeader], None], *, check_crc: bool) -> None:
        """Open, read every header back, and cut off what is torn or, if asked, fails its CRC."""
        self.open()
        fd, end = self.fileno(), os.fstat(self.fileno()).st_size
        for position, header in scan(fd, 0, end):
            if header.base_offset < self.next_offset:
                break
            if check_crc and not crc_holds(os.pread(fd, header.size, position)):
                break
            self.size = position + header.size
            self._take_in(position, header)
            visit(header)
        if self.size < end:
            log.warning("%s: cut off %d torn bytes after %d", self.path, end - self.size, self.size)
            os.ftruncate(fd, self.size)

    def delete(self) -> None:
        """Close and delete the file."""
        self.seal()
        self.path.unlink(missing_ok=True)

    def _take_in(self, position: int, header: BatchHeader) -> None:
        self.next_offset = header.next_offset
        self.max_timestamp = max(self.max_timestamp, header.max_timestamp)
        if not self._positions or position >= self._positions[-1] + _INDEX_STEP:
            self._offsets.append(header.base_offset)
            self._positions.append(position)
            self._times.append(self.max_timestamp)

    @contextmanager
    def _reading(self) -> Iterator[int]:
        if self._fd is not None:
            yield self._fd
            return
        fd = os.open(self.path, os.O_RDONLY)
        try:
            yield fd
        finally:
            os.close(fd)
