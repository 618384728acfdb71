"""Finding free ports, and naming who holds one."""

import os
import socket
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from wakeline_embedded import ports
from wakeline_embedded.keeper import PortTakenError, require_free_ports
from wakeline_embedded.layout import BLOCK, KINDS, SERVICES, Layout, Ports
from wakeline_embedded.program import Program
from wakeline_embedded.seaweed import PORTS


async def never() -> None:
    raise AssertionError


def test_a_taken_port_is_refused_with_its_holder() -> None:
    with socket.create_server((ports.HOST, 0)) as server:
        port = server.getsockname()[1]
        program = Program("review", ("true",), Path("log"), never, port)
        with pytest.raises(PortTakenError, match=rf"port {port}.*review.*pid {os.getpid()} "):
            require_free_ports(program)


def test_a_block_with_a_taken_port_is_not_chosen() -> None:
    first = ports.free_block(3)
    with socket.create_server((ports.HOST, first + 2)):
        assert ports.free_block(3, prefer=first) != first


def test_a_port_is_given_to_one_and_to_another_only_when_it_is_still_free_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports, "CLAIMS", tmp_path / "claims")
    first = ports.free_block(2)
    assert ports.free_block(1, prefer=first + 1) != first + 1
    long_ago = time.time() - ports.CLAIMED
    os.utime(ports.CLAIMS / str(first + 1), (long_ago, long_ago))
    assert ports.free_block(1, prefer=first + 1) == first + 1


def test_processes_that_look_at_the_same_time_are_given_different_ports() -> None:
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as processes:
        given = list(processes.map(ports.free_block, [1] * 40, chunksize=1))
        preferred = list(processes.map(_wanting_the_same, range(8), chunksize=1))
    assert len(set(given)) == len(given)
    assert len(set(preferred)) == len(preferred)


def _wanting_the_same(_: int) -> int:
    return ports.free_block(1, prefer=ports.LOWEST)


def test_chosen_ports_lie_below_the_ephemeral_range() -> None:
    assert ports.LOWEST <= ports.free_port() < ports.HIGHEST < 32768


def test_every_process_of_a_stack_has_a_port_of_its_own() -> None:
    stack = Ports(20_000)
    numbers = [stack.broker, stack.mongod, *range(stack.seaweed, stack.seaweed + PORTS)]
    numbers += [stack.process(service, kind) for service in SERVICES for kind in KINDS]
    assert len(numbers) == len(set(numbers))
    assert set(numbers) <= set(range(20_000, 20_000 + BLOCK))


def test_a_stack_keeps_its_ports_until_told_otherwise(tmp_path: Path) -> None:
    layout = Layout.prepared(tmp_path)
    chosen = Ports.kept(layout)
    assert Ports.kept(layout) == chosen
    assert Ports.kept(layout, 23_456) == Ports(23_456)
    assert Ports.kept(layout) == Ports(23_456)
