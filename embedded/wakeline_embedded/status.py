"""What a stack is like at this moment: asked of the kernel and of the processes themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, Final

from wakeline_embedded import (
    credentials,
    documents,
    external,
    health,
    kafka,
    mongod,
    processes,
    seaweed,
)
from wakeline_embedded.layout import Layout, Options
from wakeline_embedded.ports import HOST
from wakeline_embedded.state import Condition, Phase, ProcessRecord, StackState

_CHECK_LIMIT: Final = 4.0


@dataclass(frozen=True)
class ProcessStatus:
    """One process, or one server that is not ours."""

    name: str
    state: str
    """A ``Condition``; or "ended" for one that is gone and that nobody starts again, "orphan" for
    one whose supervisor is gone, "external"."""
    pid: int | None
    restarts: int
    memory_mb: float | None
    """Resident, in MiB."""
    port: int | None
    health: str
    """"ok", or what is wrong; measured now, "-" where nothing runs."""
    uptime_s: float | None
    detail: str = ""
    """What the supervisor knows about why it is not up."""

    @property
    def works(self) -> bool:
        """Whether it does what it is there for."""
        return self.health == "ok"


@dataclass(frozen=True)
class StackStatus:
    """A whole stack."""

    folder: str
    phase: str
    """A ``Phase``; or "abandoned" if the supervisor is gone without having taken it down."""
    supervisor_pid: int | None
    up_after_s: float | None
    url: str | None
    message: str
    processes: tuple[ProcessStatus, ...]

    @property
    def works(self) -> bool:
        """Whether the stack is up and every part of it works."""
        return self.phase == Phase.UP and all(one.works for one in self.processes)


async def measure(layout: Layout) -> StackStatus | None:
    """Look at everything now; None if the folder never held a stack."""
    state = StackState.load(layout)
    if state is None:
        return None
    supervised, pid = state.supervised, state.supervisor.pid
    active = state.phase in (Phase.STARTING, Phase.UP, Phase.STOPPING)
    rows = [_look_at(layout, record, supervised) for record in state.records]
    if supervised:
        rows += [*_externals(Options.load(layout)), _look_at_supervisor(pid)]
    return StackStatus(
        folder=str(layout.root),
        phase="abandoned" if active and not supervised else state.phase,
        supervisor_pid=pid if supervised else None,
        up_after_s=state.up_after,
        url=(documents.read(layout.client) or {}).get("url"),
        message=state.message,
        processes=tuple(await asyncio.gather(*rows)),
    )


async def _look_at(layout: Layout, record: ProcessRecord, supervised: bool) -> ProcessStatus:
    alive = record.process is not None and processes.is_alive(record.process)
    stat = processes.stat(record.process.pid) if record.process and alive else None
    if not alive:
        waits = supervised and record.condition in (Condition.WAITING, Condition.BACKING_OFF)
        stopped = record.condition is Condition.STOPPED
        state = str(record.condition) if waits or stopped else "ended"
    else:
        state = str(record.condition) if supervised else "orphan"
    verdict = await _verdict(_check(layout, record)) if alive else "-"
    return ProcessStatus(
        name=record.name,
        state=state,
        pid=record.process.pid if record.process and alive else None,
        restarts=record.restarts,
        memory_mb=round(stat.resident_bytes / 2**20, 1) if stat else None,
        port=record.port,
        health=verdict,
        uptime_s=round(processes.age_seconds(stat.started), 1) if stat else None,
        detail=record.detail,
    )


async def _look_at_supervisor(pid: int) -> ProcessStatus:
    stat = processes.stat(pid)
    return ProcessStatus(
        name="supervisor",
        state=str(Condition.UP if stat else "ended"),
        pid=pid,
        restarts=0,
        memory_mb=round(stat.resident_bytes / 2**20, 1) if stat else None,
        port=None,
        health="ok" if stat else "-",
        uptime_s=round(processes.age_seconds(stat.started), 1) if stat else None,
    )


def _check(layout: Layout, record: ProcessRecord) -> Awaitable[None]:
    if record.is_service:
        return health.check(record.port)
    match record.name:
        case "broker":
            return kafka.check(f"{HOST}:{record.port}")
        case "mongod":
            return mongod.check(record.port)
        case "seaweedfs":
            admin = credentials.kept(layout, ["admin"])["admin"]
            return seaweed.check(record.port, admin.access, admin.secret)
        case unknown:
            raise ValueError(f"nobody knows how to check {unknown}")


def _externals(options: Options) -> Iterable[Coroutine[Any, Any, ProcessStatus]]:
    if options.kafka is not None:
        yield _look_outside("kafka", options.kafka, kafka.check(options.kafka))
    if options.mongo is not None:
        address = external.without_credentials(options.mongo)
        yield _look_outside("mongodb", address, external.check_mongo(options.mongo))
    if options.s3 is not None:
        store = external.parse_store(options.s3)
        yield _look_outside("s3", store.endpoint, external.check_store(store))


async def _look_outside(name: str, address: str, check: Awaitable[None]) -> ProcessStatus:
    verdict = await _verdict(check)
    return ProcessStatus(name, "external", None, 0, None, None, verdict, None, detail=address)


async def _verdict(check: Awaitable[None]) -> str:
    try:
        await asyncio.wait_for(check, _CHECK_LIMIT)
    except TimeoutError:
        return f"no answer within {_CHECK_LIMIT:.0f} s"
    except Exception as error:  # whatever it is, it is what is wrong
        return f"{type(error).__name__}: {error}"
    return "ok"
