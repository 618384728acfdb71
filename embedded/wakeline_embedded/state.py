"""What a supervisor tells the world about its stack, and whether it is still there to tell."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from enum import StrEnum

from wakeline_embedded import documents, processes
from wakeline_embedded.layout import Layout
from wakeline_embedded.processes import ProcessId


class Phase(StrEnum):
    """Where a stack is in its life."""

    STARTING = "starting"
    UP = "up"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


class Condition(StrEnum):
    """What the supervisor knows about one process."""

    WAITING = "waiting"
    """Not started yet."""
    STARTING = "starting"
    UP = "up"
    NOT_READY = "not ready"
    """It runs, and says or shows that it cannot work now."""
    BACKING_OFF = "backing off"
    """It ended by itself and is started again after a while."""
    STOPPED = "stopped"


@dataclass(frozen=True)
class ProcessRecord:
    """One process of a stack."""

    name: str
    is_service: bool
    port: int
    condition: Condition = Condition.WAITING
    process: ProcessId | None = None
    restarts: int = 0
    detail: str = ""
    """Why it is not up."""


@dataclass(frozen=True)
class StackState:
    """The stack as its supervisor last wrote it down."""

    supervisor: ProcessId
    phase: Phase
    began: float
    """Unix time of the start."""
    up_after: float | None = None
    """Seconds from the start until everything was up for the first time."""
    message: str = ""
    """Why it failed."""
    records: tuple[ProcessRecord, ...] = field(default=())

    def save(self, layout: Layout) -> None:
        """Write it down."""
        documents.write(layout.state, asdict(self))

    @classmethod
    def load(cls, layout: Layout) -> StackState | None:
        """What was written down last; None if the folder never held a stack."""
        found = documents.read(layout.state)
        if found is None:
            return None
        records = tuple(
            ProcessRecord(
                **{
                    **record,
                    "condition": Condition(record["condition"]),
                    "process": ProcessId(**record["process"]) if record["process"] else None,
                }
            )
            for record in found["records"]
        )
        return cls(
            **{
                **found,
                "supervisor": ProcessId(**found["supervisor"]),
                "phase": Phase(found["phase"]),
                "records": records,
            }
        )

    @property
    def supervised(self) -> bool:
        """Whether the supervisor that wrote this still runs."""
        return processes.is_alive(self.supervisor)

    @property
    def survivors(self) -> tuple[ProcessRecord, ...]:
        """The records whose very process still runs."""
        return tuple(
            record
            for record in self.records
            if record.process and processes.is_alive(record.process)
        )


class AlreadyRunningError(Exception):
    """Another supervisor holds the folder."""

    code = "already-running"


@contextmanager
def sole_supervisor(layout: Layout) -> Iterator[None]:
    """Hold the folder, so that two supervisors never share one; a dead one holds nothing.

    Raises
    ------
    AlreadyRunningError
        If another process holds it.
    """
    descriptor = os.open(layout.lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunningError(f"a stack runs in {layout.root} already") from None
        yield
    finally:
        os.close(descriptor)
