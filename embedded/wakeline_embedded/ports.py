"""Loopback ports: finding free ones, and saying who holds one that is taken."""

from __future__ import annotations

import os
import secrets
import socket
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from wakeline_embedded import processes

HOST: Final = "127.0.0.1"
LOWEST, HIGHEST = 20_000, 32_000
"""Below Linux's ephemeral range (32,768 on), whose ports any client socket may take meanwhile."""

CLAIMS: Final = Path(tempfile.gettempdir()) / f"wakeline-ports-{os.getuid()}"
CLAIMED: Final = 120
"""Seconds in which a server that was given a port begins to listen there. Nobody else is given it
meanwhile: of many servers that start at the same time, two would now and then have the same."""


def is_free(port: int) -> bool:
    """Whether a server could listen on the port of 127.0.0.1 now."""
    with socket.socket() as probe:
        # as servers do: connections of an earlier run in TIME_WAIT don't hold the port
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def free_block(size: int, *, prefer: int | None = None, avoid: Iterable[int] = ()) -> int:
    """The first port of ``size`` free ones in a row, which nobody else is given for `CLAIMED` s.

    ``prefer`` is taken if its block is free; else the search starts anywhere in
    [LOWEST, HIGHEST).
    """
    avoided = set(avoid)
    firsts = HIGHEST - size - LOWEST
    start = secrets.randbelow(firsts)
    candidates = (LOWEST + (start + step) % firsts for step in range(0, firsts, size))
    for first in candidates if prefer is None else (prefer, *candidates):
        block = range(first, first + size)
        if avoided.isdisjoint(block) and all(is_free(port) and _claim(port) for port in block):
            return first
    raise OSError(f"no {size} free ports in a row between {LOWEST} and {HIGHEST}")


def _claim(port: int) -> bool:
    """Whether no process of this user was given the port lately; from now on this one was."""
    CLAIMS.mkdir(mode=0o700, exist_ok=True)
    claim = CLAIMS / str(port)
    try:
        claim.touch(exist_ok=False)
    except FileExistsError:
        if time.time() - claim.stat().st_mtime < CLAIMED:
            return False
        claim.touch()
    return True


def free_port() -> int:
    """One free port in [LOWEST, HIGHEST)."""
    return free_block(1)


def holder(port: int) -> str:
    """Who listens on a port of this machine, for people: "pid 4711 (redis-server ...)".

    Another user's process can't be named without privileges; then only that is said.
    """
    inodes = _listening_inodes(port)
    if not inodes:
        return "a process that does not listen (any more)"
    for folder in processes.PROC.glob("[0-9]*"):
        if inodes & _socket_inodes(folder / "fd"):
            command = processes.command_line(int(folder.name))
            return f"pid {folder.name} ({command[:120]})"
    return "a process of another user"


def _listening_inodes(port: int) -> set[str]:
    found = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = (processes.PROC / "net" / table).read_text().splitlines()[1:]
        except OSError:
            continue  # a kernel without IPv6 has no tcp6
        for line in lines:
            fields = line.split()
            listening = fields[3] == "0A"
            if listening and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(fields[9])
    return found


def _socket_inodes(descriptors: Path) -> set[str]:
    inodes: set[str] = set()
    try:
        entries = list(descriptors.iterdir())
    except OSError:
        return inodes  # ended meanwhile, or another user's
    for entry in entries:
        try:
            target = os.readlink(entry)
        except OSError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    return inodes
