"""Runs a trainer as a process of its own, which dies with its runner."""

import asyncio
import os
import signal
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping
from pathlib import Path

import structlog

from wakeline_training.launching import guard
from wakeline_training.ports import Order, Outcome, Watch
from wakeline_training.settings import TrainerSettings

log = structlog.get_logger()

THIS_INTERPRETER = (sys.executable, "-m", "wakeline_trainer")
PASSED_ON = (
    "PATH", "HOME", "LANG", "LC_ALL", "TZ", "PYTHONPATH", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES"
)  # fmt: skip
"""What a trainer gets of this process's environment: nothing that is secret."""
THREAD_VARIABLES = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"
)  # fmt: skip
LOG_BYTES = 1 << 20
"""How much of the end of a log is kept."""
_CHUNK = 1 << 16


class ProcessLauncher:
    """Trainers as niced children in sessions of their own, tied to this process's life."""

    outlives_runner = False

    def __init__(self, settings: TrainerSettings, scratch: Path) -> None:
        self._settings = settings
        self._scratch = scratch
        self._command = settings.command or THIS_INTERPRETER

    async def train(self, order: Order, watch: Watch) -> Outcome:
        """Run a trainer to its end, looking after it every few seconds.

        However this call ends (an exception of ``watch``, cancellation, the limit), the trainer
        gets SIGTERM, time for a checkpoint, and SIGKILL before it returns.
        """
        with tempfile.TemporaryDirectory(dir=self._scratch, ignore_cleanup_errors=True) as name:
            scratch = Path(name)
            work = scratch / "work"
            work.mkdir()
            with (scratch / "trainer.log").open("ab", buffering=0) as journal:
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-I", guard.__file__,
                    str(os.getpid()), str(self._settings.nice), *self._command,
                    stdin=DEVNULL, stdout=journal, stderr=PIPE,
                    start_new_session=True, cwd=work, env=self._environment(order, work),
                )  # fmt: skip
                log.info(
                    "trainer started", run=order.run_id, attempt=order.attempt, pid=process.pid
                )
                listening = asyncio.create_task(_listen(process, journal.fileno()))
                try:
                    code = await self._until_ended(process, order, watch, scratch)
                finally:
                    await self._end(process)
                    last_words = await listening
            cause = (
                f"it did not end within {order.limit.total_seconds():.0f} s" if code is None else ""
            )
            return Outcome(code, _tail(scratch / "trainer.log"), last_words, cause)

    async def end(self, run_id: str, attempt: int | None = None) -> None:
        """Nothing is left to end: a trainer lives no longer than the call that began it."""

    async def _until_ended(
        self, process: Process, order: Order, watch: Watch, scratch: Path
    ) -> int | None:
        clock = asyncio.get_running_loop().time
        deadline = clock() + order.limit.total_seconds()
        ended = asyncio.create_task(process.wait())
        try:
            while clock() < deadline:
                done, _ = await asyncio.wait({ended}, timeout=self._settings.beat.total_seconds())
                if done:
                    return ended.result()
                await watch(_tail(scratch / "trainer.log"), None)
        finally:
            ended.cancel()
        log.warning("trainer took too long", run=order.run_id, attempt=order.attempt)
        return None

    async def _end(self, process: Process) -> None:
        """Leave nothing of the trainer's session behind."""
        if process.returncode is None:
            _signal_session(process.pid, signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), self._settings.grace.total_seconds())
            except TimeoutError:
                log.warning("trainer ignored SIGTERM", pid=process.pid)
        _signal_session(process.pid, signal.SIGKILL)
        await process.wait()

    def _environment(self, order: Order, work: Path) -> Mapping[str, str]:
        passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        threads = dict.fromkeys(THREAD_VARIABLES, str(self._settings.threads))
        return {**passed, **threads, "TMPDIR": str(work), **order.environment}


async def _listen(process: Process, journal: int) -> str:
    """Copy stderr to the log, and return its last line.

    The end of the stream is not waited for longer than the process lives: a child of the trainer
    that escaped to another session could hold the stream open for ever.
    """
    assert process.stderr is not None
    reading = asyncio.create_task(_copy(process.stderr, journal))
    await process.wait()
    done, _ = await asyncio.wait({reading}, timeout=1.0)
    reading.cancel()
    said = reading.result() if done else b""
    lines = [line for line in said.decode(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip()[:2_000] if lines else ""


async def _copy(stream: asyncio.StreamReader, journal: int) -> bytes:
    """Whole lines at a time, so that they don't cut into those of stdout."""
    tail = line = b""
    while chunk := await stream.read(_CHUNK):
        whole, newline, line = (line + chunk).rpartition(b"\n")
        if newline:
            os.write(journal, whole + newline)
        tail = (tail + chunk)[-_CHUNK:]
    os.write(journal, line)
    return tail


def _signal_session(leader: int, number: signal.Signals) -> None:
    try:
        os.killpg(leader, number)
    except ProcessLookupError:
        return


def _tail(path: Path) -> bytes:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - LOG_BYTES))
        return file.read()
