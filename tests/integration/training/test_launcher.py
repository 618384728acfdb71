"""A trainer never outlives its runner, and never runs longer than it may."""

import asyncio
import os
import signal
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest

from wakeline_training.launching import guard
from wakeline_training.launching.process import ProcessLauncher
from wakeline_training.ports import Order
from wakeline_training.settings import TrainerSettings

SHORT = timedelta(seconds=0.1)
FOREVER = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"


def launcher(code: str, grace: float = 1.0) -> ProcessLauncher:
    command = (sys.executable, "-c", code)
    settings = TrainerSettings(command=command, beat=SHORT, grace=timedelta(seconds=grace))
    return ProcessLauncher(settings, Path(tempfile.gettempdir()))


def order(limit: float = 60) -> Order:
    return Order("r1", 1, 1, "weeds/outline", {"WAKELINE_RUN_ID": "r1"}, timedelta(seconds=limit))


async def unwatched(_: bytes, __: str | None) -> None:
    """Lets the trainer go on."""


async def ended(pid: int, within: float = 5.0) -> bool:
    """Whether a process ends in time; an unreaped zombie has ended."""
    for _ in range(int(within / 0.05)):
        if not _runs(Path(f"/proc/{pid}/stat")):
            return True
        await asyncio.sleep(0.05)
    return False


def _runs(stat: Path) -> bool:
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_outcome_holds_status_log_and_the_last_words_on_stderr() -> None:
    code = "import sys; print('one'); print('two\\nwhy', file=sys.stderr); sys.exit(2)"
    outcome = await launcher(code).train(order(), unwatched)
    assert (outcome.exit_code, outcome.last_words) == (2, "why")
    assert sorted(outcome.log.decode().split()) == ["one", "two", "why"]


async def test_a_trainer_runs_niced_in_a_session_of_its_own() -> None:
    code = "import os; print(os.getpid() == os.getsid(0), os.nice(0))"
    outcome = await launcher(code).train(order(), unwatched)
    assert outcome.log.split() == [b"True", str(min(19, os.nice(0) + 10)).encode()]


async def test_a_trainer_that_takes_too_long_is_ended_with_all_its_children() -> None:
    code = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
        "print(child.pid, flush=True); time.sleep(600)"
    )
    outcome = await launcher(code, grace=0.3).train(order(limit=2.0), unwatched)
    assert outcome.exit_code is None
    assert await ended(int(outcome.log))


async def test_a_cancelled_call_ends_its_trainer_after_it_saved_a_checkpoint(
    tmp_path: Path,
) -> None:
    saved = tmp_path / "saved"
    code = (
        f"import pathlib, signal, sys, time; p = pathlib.Path({str(saved)!r});"
        "signal.signal(signal.SIGTERM, lambda *_: (p.write_text('saved'), sys.exit(143)));"
        "print('ready', flush=True); time.sleep(600)"
    )
    ready = asyncio.Event()

    async def watch(log: bytes, _: str | None) -> None:
        if b"ready" in log:
            ready.set()

    call = asyncio.create_task(launcher(code).train(order(), watch))
    await asyncio.wait_for(ready.wait(), 20)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert saved.read_text() == "saved"


async def test_a_trainer_dies_with_a_runner_that_was_killed(tmp_path: Path) -> None:
    script = tmp_path / "runner.py"
    script.write_text(
        "import asyncio, sys\n"
        "from datetime import timedelta\n"
        "from pathlib import Path\n"
        "from wakeline_training.launching.process import ProcessLauncher\n"
        "from wakeline_training.ports import Order\n"
        "from wakeline_training.settings import TrainerSettings\n"
        f"settings = TrainerSettings(command=(sys.executable, '-c', {FOREVER!r}),"
        " beat=timedelta(seconds=0.05))\n"
        "async def watch(log, _):\n"
        "    print(log.decode(), flush=True)\n"
        "order = Order('r1', 1, 1, 'weeds/outline', {}, timedelta(seconds=60))\n"
        "asyncio.run(ProcessLauncher(settings, Path('.')).train(order, watch))\n"
    )
    runner = await asyncio.create_subprocess_exec(
        sys.executable, str(script), stdout=asyncio.subprocess.PIPE, cwd=tmp_path
    )
    assert runner.stdout is not None
    said = b""
    while not said.strip().isdigit():  # the runner logs as well, and the trainer takes a moment
        said = await asyncio.wait_for(runner.stdout.readline(), 30)
    trainer = int(said)
    assert not await ended(trainer, within=0.3)
    runner.send_signal(signal.SIGKILL)
    await runner.wait()
    assert await ended(trainer)


async def test_a_trainer_whose_runner_died_before_it_began_does_not_begin() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", guard.__file__, "1", "0", sys.executable, "-c", "print('began')",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode == 1
    assert out == b""
    assert b"the runner died" in err
