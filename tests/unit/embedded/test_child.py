"""Children that end with their parent and never become zombies of ours."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from wakeline_embedded import mongod, processes, services
from wakeline_embedded.child import CannotRunError, Child, tail
from wakeline_embedded.keeper import ending, pause_after

SLEEP = (sys.executable, "-c", "import time; time.sleep(60)")


async def test_a_stopped_child_leaves_no_zombie(tmp_path: Path) -> None:
    child = Child(SLEEP, tmp_path / "log")
    assert await child.stop() == -signal.SIGTERM
    assert processes.stat(child.pid) is None


async def test_the_end_of_a_child_is_noticed_at_once(tmp_path: Path) -> None:
    child = Child(SLEEP, tmp_path / "log")
    os.kill(child.pid, signal.SIGKILL)
    assert await asyncio.wait_for(child.wait(), 2) == -signal.SIGKILL


async def test_output_of_every_run_is_appended_to_the_log(tmp_path: Path) -> None:
    for word in ("first", "second"):
        await Child((sys.executable, "-c", f"print('{word}')"), tmp_path / "log").wait()
    assert tail(tmp_path / "log").split() == ["first", "second"]


async def test_a_child_stands_back_with_its_whole_session(tmp_path: Path) -> None:
    code = "import os; print(os.nice(0), os.getsid(0) == os.getpid())"
    await Child((sys.executable, "-c", code), tmp_path / "log", niceness=3).wait()
    assert tail(tmp_path / "log").split() == [str(min(19, os.nice(0) + 3)), "True"]


@pytest.mark.skipif(
    not Path("/proc/self/autogroup").exists(), reason="this kernel does not group by session"
)
async def test_where_sessions_share_the_processor_a_childs_session_stands_back(
    tmp_path: Path,
) -> None:
    code = "print(open('/proc/self/autogroup').read())"
    await Child((sys.executable, "-c", code), tmp_path / "log", niceness=3).wait()
    assert tail(tmp_path / "log").split()[-2:] == ["nice", "3"]


@pytest.mark.parametrize(
    ("service", "kind", "niceness"),
    [
        *(
            ("labeling", "all", 0),
            ("ingest", "all", 0),
            ("review", "all", 2),
            ("lineage", "all", 5),
        ),
        *(("labeling", "serve", 0), ("training", "serve", 0), ("labeling", "consume", 5)),
    ],
)
def test_who_answers_people_goes_first(service: str, kind: str, niceness: int) -> None:
    assert services.niceness_of(service, kind) == niceness


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(CannotRunError, match="/no/such/program: No such file"):
        Child(("/no/such/program",), tmp_path / "log")


def test_a_mongod_that_is_no_program_is_named_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MONGOD", "/no/such/mongod")
    with pytest.raises(CannotRunError, match=r"/no/such/mongod, which is no program.*--mongo DSN"):
        mongod.locate()


def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    parent = textwrap.dedent(
        f"""
        import time
        from pathlib import Path
        from wakeline_embedded.child import Child
        child = Child({SLEEP!r}, Path({str(tmp_path / "log")!r}))
        print(child.pid, flush=True)
        time.sleep(60)
        """
    )
    started = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True)
    assert started.stdout is not None
    child = processes.identify(int(started.stdout.readline()))
    assert child is not None
    started.kill()
    started.wait()
    started.stdout.close()
    deadline = time.monotonic() + 5
    while processes.is_alive(child):
        assert time.monotonic() < deadline, "the child outlives its parent"
        time.sleep(0.01)


def test_pauses_between_restarts_double_up_to_half_a_minute() -> None:
    assert [pause_after(n) for n in (1, 2, 3, 6, 7, 8, 500)] == [0.5, 1, 2, 16, 30, 30, 30]


def test_an_ending_is_told_in_words() -> None:
    assert ending(3) == "ended with 3"
    assert ending(-4) == "was ended by SIGILL"
