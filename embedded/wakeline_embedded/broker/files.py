"""Writing to the disk: whole-file replacement, and fsync gathered into groups."""

import asyncio
import os
from collections.abc import Awaitable, Iterable
from pathlib import Path
from typing import TypeVar

_T = TypeVar("_T")


def replace_file(path: Path, data: bytes, *, durable: bool) -> None:
    """Replace a file so that a reader after a crash finds the old content or the new."""
    temporary = path.with_name(path.name + ".new")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        if durable:
            os.fsync(file.fileno())
    temporary.replace(path)
    if durable:
        sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_all(fd: int, parts: Iterable[bytes | memoryview], end: int) -> int:
    """Append parts to a file of ``end`` bytes and return its new size; all is written or nothing.

    Raises
    ------
    OSError
        If the disk refused; what had been written is cut off again.
    """
    pending = [memoryview(part) for part in parts]
    size = end + sum(part.nbytes for part in pending)
    try:
        while pending:
            written = os.writev(fd, pending)
            while pending and written >= pending[0].nbytes:
                written -= pending.pop(0).nbytes
            if pending:
                pending[0] = pending[0][written:]
    except OSError:
        os.ftruncate(fd, end)
        raise
    return size


class Flusher:
    """Group commit: one fsync makes everything durable that was written before it began.

    ``delay`` is how long, in seconds, a round waits for company; None never syncs, so that an
    acknowledged record survives the death of the process, but not that of the machine.
    """

    def __init__(self, delay: float | None) -> None:
        self._delay = delay
        self._pending: dict[tuple[int, int], int] = {}
        self._gathering: asyncio.Task[None] | None = None
        self._syncing = asyncio.Lock()

    @classmethod
    def from_policy(cls, policy: str) -> "Flusher":
        """Build from ``never``, ``always`` or ``group-N`` (N in milliseconds).

        Raises
        ------
        ValueError
            If the policy is none of these.
        """
        if policy == "never":
            return cls(None)
        if policy == "always":
            return cls(0)
        kind, _, delay = policy.partition("-")
        if kind != "group" or not delay.isdecimal():
            raise ValueError(f"fsync policy {policy!r} is not never, always or group-MILLISECONDS")
        return cls(int(delay) / 1000)

    @property
    def enabled(self) -> bool:
        """Whether acknowledgements wait for the disk."""
        return self._delay is not None

    def settled(self, answer: _T, fds: Iterable[int]) -> Awaitable[_T]:
        """Return the answer once everything written to the files so far is on the disk."""
        for fd in fds:
            status = os.fstat(fd)
            identity = status.st_dev, status.st_ino
            if identity not in self._pending:
                # A duplicate stays open when its owner rolls to a new file or deletes this one.
                self._pending[identity] = os.dup(fd)
        if self._gathering is None:
            self._gathering = asyncio.create_task(self._round())
        return self._after(self._gathering, answer)

    @staticmethod
    async def _after(syncing: "asyncio.Task[None]", answer: _T) -> _T:
        await asyncio.shield(syncing)
        return answer

    async def _round(self) -> None:
        await asyncio.sleep(self._delay or 0)
        async with self._syncing:
            fds, self._pending, self._gathering = list(self._pending.values()), {}, None
            await asyncio.to_thread(_sync_and_close, fds)


def _sync_and_close(fds: list[int]) -> None:
    try:
        for fd in fds:
            os.fdatasync(fd)
    finally:
        for fd in fds:
            os.close(fd)
