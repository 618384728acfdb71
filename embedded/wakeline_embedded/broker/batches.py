"""Record batches of format 2: reading headers, checking what a producer sent, finding a time.

Source: https://kafka.apache.org/documentation/#recordbatch. The records inside a batch are stored
and served as they came; only base offset and leader epoch, which the CRC leaves out, are written.
"""

import logging
import os
import struct
from collections.abc import Iterator
from typing import NamedTuple

from aiokafka.record import MemoryRecords
from aiokafka.record.util import calc_crc32c

from wakeline_embedded.broker.errors import NO_TRANSACTIONS, Code, RefusedError

log = logging.getLogger(__name__)

_HEADER = struct.Struct(">qiibIhiqqqhii")
_PREFIX = struct.Struct(">qii")  # base offset, length, leader epoch
_LENGTH_END = 12  # the length counts what comes after it
_CRC_START = 21  # the CRC covers from the attributes on
_SCAN_WINDOW = 1 << 14
_CODEC, _TRANSACTIONAL, _CONTROL = 0x07, 0x10, 0x20
_MAX_SEQUENCE = 2**31 - 1


class BatchHeader(NamedTuple):
    """The fixed 61 bytes at the start of a batch; timestamps in ms since 1970, -1 = none."""

    base_offset: int
    length: int
    leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    first_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    record_count: int

    @property
    def size(self) -> int:
        """Bytes of the whole batch."""
        return _LENGTH_END + self.length

    @property
    def next_offset(self) -> int:
        """The offset after the batch's last record."""
        return self.base_offset + self.last_offset_delta + 1

    @property
    def last_sequence(self) -> int:
        """Sequence of the last record; sequences wrap from 2^31 - 1 to 0."""
        return (self.base_sequence + self.last_offset_delta) & _MAX_SEQUENCE

    @property
    def plausible(self) -> bool:
        """Whether these bytes can be a header at all."""
        return self.magic == 2 and self.length >= _HEADER.size - _LENGTH_END


def crc_holds(batch: bytes) -> bool:
    """Whether the batch's CRC-32C matches its bytes."""
    return bool(calc_crc32c(memoryview(batch)[_CRC_START:]) == _HEADER.unpack_from(batch)[4])


def check_produced(data: bytes | None) -> BatchHeader:
    """Check the records that a producer sent for a partition: exactly one sound batch.

    Raises
    ------
    RefusedError
        With the code Kafka answers in the same case. What is inside the records is not checked.
    """
    if data is None or len(data) < _HEADER.size:
        raise RefusedError(Code.CORRUPT_MESSAGE, "shorter than a record batch")
    header = BatchHeader(*_HEADER.unpack_from(data))
    if header.magic != 2:
        raise RefusedError(Code.UNSUPPORTED_FOR_MESSAGE_FORMAT, f"message format {header.magic}")
    if header.size != len(data):
        known = Code.INVALID_RECORD if 0 < header.size < len(data) else Code.CORRUPT_MESSAGE
        raise RefusedError(known, f"batch of {header.size} bytes in {len(data)} bytes")
    if not crc_holds(data):
        raise RefusedError(Code.CORRUPT_MESSAGE, "wrong CRC")
    if header.record_count < 1 or header.last_offset_delta != header.record_count - 1:
        raise RefusedError(Code.INVALID_RECORD, f"{header.record_count} records, offsets differ")
    if header.attributes & _TRANSACTIONAL:
        raise RefusedError(Code.INVALID_TXN_STATE, NO_TRANSACTIONS)
    if header.attributes & _CONTROL:
        raise RefusedError(Code.INVALID_RECORD, "a client may not write control batches")
    if header.attributes & _CODEC > 4:
        raise RefusedError(Code.UNSUPPORTED_COMPRESSION_TYPE, "unknown compression")
    return header


def placed(data: bytes, base_offset: int) -> tuple[bytes, memoryview]:
    """Return the batch's bytes with its offset in the log and leader epoch 0, in two parts."""
    length = _PREFIX.unpack_from(data)[1]
    return _PREFIX.pack(base_offset, length, 0), memoryview(data)[_PREFIX.size :]


def scan(fd: int, start: int, end: int) -> Iterator[tuple[int, BatchHeader]]:
    """Position and header of each batch in a file, up to the first that is torn or no batch."""
    position, window, origin = start, b"", start
    while position + _HEADER.size <= end:
        if position + _HEADER.size > origin + len(window):
            window, origin = os.pread(fd, _SCAN_WINDOW, position), position
            if len(window) < _HEADER.size:
                return
        header = BatchHeader(*_HEADER.unpack_from(window, position - origin))
        if not header.plausible or position + header.size > end:
            return
        yield position, header
        position += header.size


def first_record_from(batch: bytes, offset: int, timestamp: int) -> tuple[int, int] | None:
    """Offset and timestamp of a batch's first record at or after ``offset`` and ``timestamp``.

    Falls back to the batch's first record, earlier but never later, where its codec is not
    installed or a producer wrote nonsense under a right CRC.
    """
    try:
        for record in MemoryRecords(batch).next_batch():
            if record.offset >= offset and record.timestamp >= timestamp:
                return record.offset, record.timestamp
    except Exception as error:  # every codec library raises errors of its own
        header = BatchHeader(*_HEADER.unpack_from(batch))
        log.warning("cannot look into the batch at offset %d: %s", header.base_offset, error)
        return max(header.base_offset, offset), header.first_timestamp
    return None
