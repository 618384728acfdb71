"""A supervisor with small real programs: order, restarts, readiness, what a failed start says."""

import asyncio
import errno
import os
import signal
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from wakeline_embedded import health, keeper, ports, processes, supervisor
from wakeline_embedded.keeper import pause_after
from wakeline_embedded.layout import Layout
from wakeline_embedded.plan import Plan
from wakeline_embedded.program import Program
from wakeline_embedded.state import (
    Condition,
    Phase,
    ProcessRecord,
    StackState,
)
from wakeline_embedded.supervisor import Supervisor
from wakeline_storage import DatabaseIsNewerError

PROGRAM = textwrap.dedent(
    """
    import http.server, json, pathlib, signal, sys, time
    name, port, folder = sys.argv[1], int(sys.argv[2]), pathlib.Path(sys.argv[3])
    def note(word):
        with (folder / "journal").open("a") as journal:
            journal.write(f"{name} {word}\\n")
    def leave(*_):
        time.sleep(0.2)  # finishes what is in hand
        note("ends")
        sys.exit(0)
    signal.signal(signal.SIGTERM, leave)
    class Health(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            why = folder / f"{name}.trouble"
            checks = {"mongo": why.read_text() if why.exists() else None}
            self.send_response(503 if why.exists() else 200)
            self.end_headers()
            self.wfile.write(json.dumps({"checks": checks}).encode())
    if (folder / f"{name}.dies").exists():
        sys.exit(7)
    server = http.server.HTTPServer(("127.0.0.1", port), Health)
    note("starts")
    server.serve_forever()
    """
)


class Stack:
    """A folder with a plan of two programs, and the supervisor's view of them."""

    def __init__(self, folder: Path) -> None:
        self.layout = Layout.prepared(folder / "stack")
        self.folder = folder
        self.server, self.service = self.program("store"), self.program("review")

    def program(self, name: str) -> Program:
        port = ports.free_port()
        return Program(
            name=name,
            argv=(sys.executable, "-c", PROGRAM, name, str(port), str(self.folder)),
            log=self.layout.log(name),
            port=port,
            check=lambda: health.check(port),
        )

    def plan(self) -> Plan:
        async def provision() -> None:
            self.note("provisioned")

        async def migrate() -> None:
            self.note("migrated")

        return Plan((self.server,), provision, (self.service,), {"review": migrate})

    def note(self, word: str) -> None:
        with (self.folder / "journal").open("a") as journal:
            journal.write(f"{word}\n")

    @property
    def journal(self) -> list[str]:
        return (self.folder / "journal").read_text().splitlines()

    @property
    def state(self) -> StackState:
        state = StackState.load(self.layout)
        assert state is not None
        return state

    def record(self, name: str) -> ProcessRecord:
        return next(one for one in self.state.records if one.name == name)

    def is_up_since(self, started: float) -> bool:
        state = StackState.load(self.layout)
        return state is not None and state.phase is Phase.UP and state.began >= started

    @asynccontextmanager
    async def up(self) -> AsyncIterator[None]:
        stop, started = asyncio.Event(), time.time()
        supervisor = Supervisor(self.layout, self.plan())
        running = asyncio.create_task(supervisor.run(stop))
        try:
            await until(lambda: self.is_up_since(started))
            yield
        finally:
            stop.set()
            assert await running


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return Stack(tmp_path)


async def until(holds: Callable[[], bool], limit: float = 10) -> None:
    deadline = time.monotonic() + limit
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        await asyncio.sleep(0.02)


async def test_services_start_after_what_they_need_and_end_before_it(stack: Stack) -> None:
    async with stack.up():
        pass
    assert stack.journal == [
        "store starts",
        "provisioned",
        "migrated",
        "review starts",
        "review ends",
        "store ends",
    ]
    assert stack.state.phase is Phase.STOPPED
    assert stack.state.survivors == ()


async def test_a_killed_process_is_started_again_and_counted(stack: Stack) -> None:
    async with stack.up():
        first = stack.record("review").process
        assert first is not None
        os.kill(first.pid, signal.SIGKILL)
        await until(lambda: stack.record("review").condition is Condition.BACKING_OFF)
        assert "SIGKILL" in stack.record("review").detail
        await until(lambda: stack.record("review").condition is Condition.UP)
        again = stack.record("review")
        assert again.restarts == 1
        assert again.process not in (None, first)
        assert stack.record("store").restarts == 0


async def test_a_process_that_dies_at_once_is_started_ever_more_rarely_and_hurts_no_other(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    def shorter(failures: int) -> float:
        pauses.append(pause_after(failures))
        return pauses[-1] / 100

    monkeypatch.setattr(keeper, "pause_after", shorter)
    async with stack.up():
        store, first = stack.record("store"), stack.record("review").process
        assert first is not None
        (stack.folder / "review.dies").touch()
        os.kill(first.pid, signal.SIGKILL)
        await until(lambda: stack.record("review").restarts >= 9, limit=60)
        assert pauses[:9] == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
        await until(lambda: stack.record("review").condition is Condition.BACKING_OFF)
        assert "ended with 7" in stack.record("review").detail
        assert stack.record("store") == store
        assert stack.state.phase is Phase.UP

        (stack.folder / "review.dies").unlink()
        monkeypatch.setattr(keeper, "_STEADY", 0.0)  # as if it had run for long from now on
        await until(lambda: stack.record("review").condition is Condition.UP, limit=60)
        again = stack.record("review").process
        assert again is not None
        os.kill(again.pid, signal.SIGKILL)
        await until(lambda: stack.record("review").process not in (None, again), limit=60)
        assert pauses[-1] == 0.5, "one that had worked is wanted back at once"
        assert stack.record("store") == store


async def test_a_full_disk_ends_neither_the_care_of_programs_nor_the_stack(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "_ROTATE_EVERY", 0.1)
    save, full = StackState.save, True

    def saved(state: StackState, layout: Layout) -> None:
        if full and state.phase is Phase.UP:
            raise OSError(errno.ENOSPC, "no space left on device")
        save(state, layout)

    def rotated(folder: Path) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    async with stack.up():
        first = stack.record("review").process
        assert first is not None
        monkeypatch.setattr(StackState, "save", saved)
        monkeypatch.setattr("wakeline_embedded.logs.rotate", rotated)
        os.kill(first.pid, signal.SIGKILL)
        await until(lambda: stack.journal.count("review starts") == 2)
        assert stack.record("review").process == first, "nothing could be written down"
        full = False
        await until(lambda: stack.record("review").process not in (None, first))
    assert stack.state.phase is Phase.STOPPED


async def test_a_process_that_cannot_work_is_told_apart_from_one_that_is_gone(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wakeline_embedded.keeper.CHECK_EVERY", 0.1)
    async with stack.up():
        before = stack.record("review").process
        (stack.folder / "review.trouble").write_text("no primary")
        await until(lambda: stack.record("review").condition is Condition.NOT_READY)
        assert "mongo: no primary" in stack.record("review").detail
        (stack.folder / "review.trouble").unlink()
        await until(lambda: stack.record("review").condition is Condition.UP)
        assert stack.record("review").process == before


async def test_a_failed_migration_stops_the_start_and_says_why(stack: Stack) -> None:
    async def migrate() -> None:
        raise DatabaseIsNewerError("it stands at version 9")

    plan = replace(stack.plan(), migrate={"review": migrate})
    assert not await Supervisor(stack.layout, plan).run(asyncio.Event())
    assert stack.state.phase is Phase.FAILED
    assert "database of review" in stack.state.message
    assert "it stands at version 9" in stack.state.message
    assert stack.journal == ["store starts", "provisioned", "store ends"]


async def test_a_program_that_keeps_ending_stops_the_start_with_its_last_words(
    stack: Stack,
) -> None:
    words = (sys.executable, "-c", "print('no AVX on this machine'); raise SystemExit(3)")
    stack.server = replace(stack.server, argv=words, advice="Buy a newer one.")
    assert not await Supervisor(stack.layout, stack.plan()).run(asyncio.Event())
    for said in ("store does not start", "ended with 3", "no AVX on", "Buy a newer one."):
        assert said in stack.state.message


async def test_a_program_that_is_only_slow_is_not_said_to_lack_something(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "READY_WITHIN", 0.5)
    sleeps = (sys.executable, "-c", "import time; time.sleep(600)")
    stack.server = replace(stack.server, argv=sleeps, advice="Buy another one.")
    assert not await Supervisor(stack.layout, stack.plan()).run(asyncio.Event())
    assert "store runs, but is not ready" in stack.state.message
    assert "Buy another one." not in stack.state.message


async def test_what_a_killed_supervisor_left_is_ended_by_the_next(stack: Stack) -> None:
    left = stack.service.spawn()  # as if its supervisor had died before it could end it
    bystander = stack.program("bystander").spawn()
    reused = replace(bystander.identity, started=bystander.identity.started - 1)
    gone = replace(processes.this_process(), started=1)
    records = tuple(
        ProcessRecord(name, True, 1, Condition.UP, process)
        for name, process in (("review", left.identity), ("ingest", reused))
    )
    StackState(gone, Phase.UP, time.time(), records=records).save(stack.layout)
    try:
        async with stack.up():
            assert left.exit_code is not None
            assert bystander.exit_code is None, "a later process of the same pid was ended"
    finally:
        await left.stop()
        await bystander.stop()
