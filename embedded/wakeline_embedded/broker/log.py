"""A partition: its segments in order, where they begin and end, and what may be deleted."""

import asyncio
import logging
import os
import time
from bisect import bisect_right
from pathlib import Path
from typing import NamedTuple

from wakeline_embedded.broker.batches import BatchHeader, check_produced
from wakeline_embedded.broker.errors import Code, RefusedError
from wakeline_embedded.broker.files import replace_file, sync_directory
from wakeline_embedded.broker.producers import ProducerStates
from wakeline_embedded.broker.segment import Segment

log = logging.getLogger(__name__)

_START = "start"  # the file with the offset that records were deleted up to


def now_ms() -> int:
    """Return the wall clock in milliseconds since 1970, as record timestamps count."""
    return int(time.time() * 1000)


class LogLimits(NamedTuple):
    """What a topic's configuration says about its partitions; -1 means no limit."""

    max_message_bytes: int
    segment_bytes: int
    retention_bytes: int
    retention_ms: int


class PartitionLog:
    """The append-only log of one partition, in a directory of its own.

    Offsets run from ``start_offset`` (deleted below) up to ``end_offset`` (the next record's).
    A partition without records has no segment and no open file.
    """

    def __init__(self, directory: Path, limits: LogLimits, *, durable: bool) -> None:
        self.limits = limits
        self._directory = directory
        self._durable = durable
        self._segments: list[Segment] = []
        self._producers = ProducerStates()
        self._watchers: set[asyncio.Future[None]] = set()
        self._start = 0
        self._recover()

    @property
    def start_offset(self) -> int:
        """The first offset that may be read."""
        return max(self._start, self._segments[0].base_offset) if self._segments else self._start

    @property
    def end_offset(self) -> int:
        """The offset that the next record gets (Kafka's high watermark: there are no replicas)."""
        return self._segments[-1].next_offset if self._segments else self._start

    @property
    def fds(self) -> list[int]:
        """The file that was written last, for the flusher; rolling syncs the one before."""
        return [self._segments[-1].fileno()] if self._segments else []

    def append(self, data: bytes | None) -> int:
        """Store one batch as it came and return its base offset, or the first one's of a retry.

        Raises
        ------
        RefusedError
            If the batch is broken, too large, or out of its producer's sequence.
        OSError
            If the disk refused; the log is as before.
        """
        if data is not None and len(data) > self.limits.max_message_bytes:
            limit = self.limits.max_message_bytes
            raise RefusedError(Code.MESSAGE_TOO_LARGE, f"{len(data)} bytes, max is {limit}")
        header = check_produced(data)
        duplicate = self._producers.duplicate_of(header)
        if duplicate is not None:
            return duplicate
        assert data is not None  # check_produced refuses None
        header = self._writable(header.size).append(data, header)
        self._producers.record(header, now_ms())
        self._wake()
        return header.base_offset

    def read(self, offset: int, max_bytes: int, *, at_least_one: bool) -> bytes:
        """Batches from the one that holds ``offset`` on, out of one segment.

        Raises
        ------
        RefusedError
            If the offset lies outside ``start_offset .. end_offset``.
        """
        if not self.start_offset <= offset <= self.end_offset:
            raise RefusedError(Code.OFFSET_OUT_OF_RANGE, f"no offset {offset}")
        index = bisect_right(self._segments, offset, key=lambda segment: segment.base_offset) - 1
        for segment in self._segments[max(index, 0) :]:
            if segment.size and segment.next_offset > offset:  # else lost: go on behind the gap
                return segment.read(offset, max_bytes, at_least_one=at_least_one)
        return b""

    def find_time(self, timestamp: int) -> tuple[int, int] | None:
        """Offset and timestamp of the first readable record not older than ``timestamp`` (ms)."""
        for segment in self._segments:
            if segment.max_timestamp >= timestamp:
                found = segment.find_time(self.start_offset, timestamp)
                if found is not None:
                    return found
        return None

    def delete_before(self, offset: int) -> int:
        """Make everything below ``offset`` (-1: the end) unreadable; return the new start offset.

        Raises
        ------
        RefusedError
            If the offset is beyond the end.
        """
        offset = self.end_offset if offset == -1 else offset
        if not 0 <= offset <= self.end_offset:
            raise RefusedError(Code.OFFSET_OUT_OF_RANGE, f"no offset {offset} to delete up to")
        if offset > self.start_offset:
            replace_file(self._directory / _START, b"%d" % offset, durable=self._durable)
            self._start = offset
            self._drop_unreadable()
        return self.start_offset

    def enforce_retention(self, now: int) -> None:
        """Delete whole segments that the limits no longer keep, and forget idle producers."""
        self._producers.expire(now)
        limits = self.limits
        if limits.retention_ms >= 0:
            horizon = now - limits.retention_ms
            while self._segments and 0 <= self._segments[0].max_timestamp < horizon:
                if len(self._segments) == 1:
                    self._roll()
                self._drop_first("older than retention.ms")
        if limits.retention_bytes >= 0:
            total = sum(segment.size for segment in self._segments)
            while len(self._segments) > 1:
                total -= self._segments[0].size
                if total < limits.retention_bytes:
                    break
                self._drop_first("beyond retention.bytes")

    def watch(self, change: "asyncio.Future[None]") -> None:
        """Have a future resolved at the next append, or when the log is closed."""
        self._watchers.add(change)

    def unwatch(self, change: "asyncio.Future[None]") -> None:
        """Take back ``watch``."""
        self._watchers.discard(change)

    def close(self) -> None:
        """Close the files and wake everybody who waits for records."""
        for segment in self._segments:
            segment.seal()
        self._wake()

    def _recover(self) -> None:
        start_file = self._directory / _START
        if start_file.exists():
            self._start = int(start_file.read_text())
        bases = sorted(int(path.stem) for path in self._directory.glob("*.log"))
        self._segments = [Segment(self._directory, base) for base in bases]
        now = now_ms()

        def visit(header: BatchHeader) -> None:
            self._producers.record(header, now)

        for segment in self._segments:
            newest = segment is self._segments[-1]
            segment.recover(visit, check_crc=newest)  # only the newest was open in a crash
            if not newest:
                segment.seal()
        if self._segments:
            self._start = min(self._start, self.end_offset)
        self._drop_unreadable()

    def _writable(self, size: int) -> Segment:
        if not self._segments:
            self._open_segment(self._start)
        newest = self._segments[-1]
        if newest.size and newest.size + size > self.limits.segment_bytes:
            self._roll()
        return self._segments[-1]

    def _roll(self) -> None:
        newest = self._segments[-1]
        if self._durable:
            os.fdatasync(newest.fileno())
        self._open_segment(newest.next_offset)  # first: if it fails, the log is as before
        newest.seal()

    def _open_segment(self, base_offset: int) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        segment = Segment(self._directory, base_offset)
        segment.open()
        self._segments.append(segment)
        if self._durable:
            for created in (self._directory, *self._directory.parents[:2]):
                sync_directory(created)

    def _drop_unreadable(self) -> None:
        while len(self._segments) > 1 and self._segments[1].base_offset <= self._start:
            self._drop_first("deleted records")

    def _drop_first(self, reason: str) -> None:
        segment = self._segments.pop(0)
        log.info("deleting %s (%d bytes): %s", segment.path, segment.size, reason)
        segment.delete()

    def _wake(self) -> None:
        for change in self._watchers:
            if not change.done():
                change.set_result(None)
        self._watchers.clear()
