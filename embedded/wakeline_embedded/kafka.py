"""Kafka: the embedded broker as a program."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient

from wakeline_embedded.ports import HOST
from wakeline_embedded.program import Program

DURABLE = "group-5"
"""What was sent leaves the outbox, which is all that has it: it must be on the disk by then."""


def program(
    data: Path,
    port: int,
    log: Path,
    *,
    bind: str = HOST,
    known_as: str = HOST,
    fsync: str = DURABLE,
) -> Program:
    """The embedded broker on a data folder; clients are told to find it at ``known_as``.

    Parameters
    ----------
    fsync : when a record counts as written, as ``python -m wakeline_embedded.broker`` takes it
    """
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    return Program(
        name="broker",
        argv=(
            *(sys.executable, "-m", "wakeline_embedded.broker"),
            *("--port", str(port), "--data", str(data)),
            *("--host", bind, "--advertised-host", known_as),
            *("--fsync", fsync),
        ),
        log=log,
        port=port,
        check=lambda: check(f"{HOST}:{port}"),
        advice="The broker is a part of Wakeline itself; or use one that is there: --kafka HOST.",
    )


async def check(bootstrap: str) -> None:
    """Raise unless the broker lists its topics."""
    # aiokafka logs an error for each refused connection, and that is normal while it starts
    host, _, port = bootstrap.partition(",")[0].rpartition(":")
    _, connection = await asyncio.open_connection(host, int(port))
    connection.close()
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=4000)
    try:
        await admin.start()
        await admin.list_topics()
    finally:
        await admin.close()
