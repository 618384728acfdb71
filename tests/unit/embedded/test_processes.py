"""Judging processes by what the kernel says, not by a signal that zombies accept too."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from wakeline_embedded import ports, processes

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    started = subprocess.Popen(SLEEP)
    yield started
    started.kill()
    started.wait()


def test_a_command_may_hold_spaces_and_parentheses() -> None:
    line = "4711 (a) b (c) S 17 4711 4711 0 -1 0 0 0 0 0 1 2 3 4 20 0 1 0 987654 1000 25 18446"
    found = processes.parse_stat(line)
    assert (found.pid, found.command, found.state, found.parent) == (4711, "a) b (c", "S", 17)
    assert found.started == 987654
    assert found.resident_bytes == 25 * os.sysconf("SC_PAGE_SIZE")


def test_a_killed_child_that_nobody_reaps_is_not_alive(child: subprocess.Popen[bytes]) -> None:
    identity = processes.identify(child.pid)
    assert identity is not None
    assert processes.is_alive(identity)
    os.kill(child.pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while processes.is_alive(identity) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(child.pid, 0)  # the kernel still knows the pid: a signal is no proof of life
    zombie = processes.stat(child.pid)
    assert zombie is not None
    assert zombie.state == "Z"
    assert not processes.is_alive(identity)
    assert processes.identify(child.pid) is None


def test_a_process_lives_until_its_last_thread_has_given_back_its_ports() -> None:
    lingering = """
import ctypes, socket, threading
server = socket.create_server(("127.0.0.1", 0))
def hold(): print(server.getsockname()[1], flush=True); input()
threading.Thread(target=hold).start()
ctypes.CDLL(None).pthread_exit(None)
"""
    command = [sys.executable, "-c", lingering]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        while (found := processes.stat(process.pid)) is not None and found.state != "Z":
            time.sleep(0.01)
        assert not ports.is_free(port)
        identity = processes.identify(process.pid)
        assert identity is not None
        assert processes.is_alive(identity)
        process.kill()
        while processes.is_alive(identity):
            time.sleep(0.01)
        assert ports.is_free(port)


@pytest.mark.parametrize("change", [{"started": 1}, {"boot": "another boot"}], ids=str)
def test_a_later_process_of_the_same_pid_is_another(
    child: subprocess.Popen[bytes], change: dict[str, object]
) -> None:
    identity = processes.identify(child.pid)
    assert identity is not None
    other = replace(identity, **change)  # type: ignore[arg-type]
    assert not processes.is_alive(other)
    assert not processes.end(other, grace=1)
    assert processes.is_alive(identity)


def test_a_process_that_ignores_sigterm_is_killed_after_its_grace() -> None:
    deaf = (
        "import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    )
    stubborn = subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE)
    assert stubborn.stdout is not None
    stubborn.stdout.readline()
    identity = processes.identify(stubborn.pid)
    assert identity is not None
    assert processes.end(identity, grace=0.2)
    assert stubborn.wait() == -signal.SIGKILL
    stubborn.stdout.close()


def test_there_is_nothing_to_say_about_a_pid_nobody_has() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert processes.stat(gone.pid) is None
