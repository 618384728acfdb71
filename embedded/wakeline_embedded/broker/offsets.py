"""Committed offsets and group generations, in one append-only file that is compacted."""

import json
import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from wakeline_embedded.broker.files import replace_file, write_all

log = logging.getLogger(__name__)

_COMPACT_AFTER = 20_000  # lines; the file stays within a few MB


class Committed(NamedTuple):
    """What a group committed for a partition."""

    offset: int
    metadata: str


class OffsetStore:
    """What must outlive the broker about consumer groups.

    Each line of the file is a JSON array whose first item says what happened; the last one of a
    kind counts. A line that is torn by a crash was never acknowledged.
    """

    def __init__(self, path: Path, *, durable: bool) -> None:
        self.offsets: dict[str, dict[tuple[str, int], Committed]] = {}
        self.generations: dict[str, tuple[int, str]] = {}
        """Per group: its last generation and its protocol type."""
        self._path = path
        self._durable = durable
        self._fd = -1
        self._size = self._lines = self._live = 0  # bytes, lines, lines after compaction
        if path.exists():
            self._load()
        self._compact()

    def fileno(self) -> int:
        """Descriptor of the open file."""
        return self._fd

    def commit(self, group: str, offsets: Iterable[tuple[str, int, Committed]]) -> None:
        """Store a group's offsets, given as (topic, partition, committed)."""
        self._note(["offset", group, topic, index, *value] for topic, index, value in offsets)

    def set_generation(self, group: str, generation: int, protocol_type: str) -> None:
        """Store that a group has come to a generation."""
        self._note([["generation", group, generation, protocol_type]])

    def forget_group(self, group: str) -> None:
        """Drop everything about a group."""
        self._note([["no-group", group]])

    def forget_topic(self, topic: str) -> None:
        """Drop all offsets of a deleted topic."""
        self._note([["no-topic", topic]])

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def _note(self, entries: Iterable[list[Any]]) -> None:
        noted = list(entries)
        lines = b"".join(json.dumps(entry).encode() + b"\n" for entry in noted)
        self._size = write_all(self._fd, [lines], self._size)
        for entry in noted:
            self._apply(entry)
        self._lines += len(noted)
        if self._lines > _COMPACT_AFTER + 4 * self._live:
            self._compact()

    def _apply(self, entry: list[Any]) -> None:
        match entry:
            case ["offset", str(group), str(topic), int(index), int(offset), str(metadata)]:
                self.offsets.setdefault(group, {})[topic, index] = Committed(offset, metadata)
            case ["generation", str(group), int(generation), str(protocol_type)]:
                self.generations[group] = generation, protocol_type
            case ["no-group", str(group)]:
                self.offsets.pop(group, None)
                self.generations.pop(group, None)
            case ["no-topic", str(topic)]:
                for offsets in self.offsets.values():
                    for key in [key for key in offsets if key[0] == topic]:
                        del offsets[key]
            case _:
                raise ValueError(f"unknown entry {entry!r}")

    def _load(self) -> None:
        for number, line in enumerate(self._path.read_bytes().splitlines(), 1):
            try:
                self._apply(json.loads(line))
            except ValueError as error:
                log.warning("%s, line %d left out: %s", self._path, number, error)

    def _entries(self) -> Iterator[list[Any]]:
        for group, generation in self.generations.items():
            yield ["generation", group, *generation]
        for group, offsets in self.offsets.items():
            for (topic, index), value in offsets.items():
                yield ["offset", group, topic, index, *value]

    def _compact(self) -> None:
        data = b"".join(json.dumps(entry).encode() + b"\n" for entry in self._entries())
        replace_file(self._path, data, durable=self._durable)
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        self._size = len(data)
        self._live = self._lines = data.count(b"\n")
