"""The three servers everything else needs, started together on a folder."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wakeline_embedded import kafka, mongod, ports, program, seaweed
from wakeline_embedded.child import Child
from wakeline_embedded.ports import HOST
from wakeline_embedded.seaweed import Identity


@dataclass(frozen=True)
class KafkaServer:
    """A running broker."""

    bootstrap: str
    child: Child


@dataclass(frozen=True)
class MongoServer:
    """A running mongod."""

    dsn: str
    child: Child


@dataclass(frozen=True)
class ObjectStore:
    """A running object store and who may use it."""

    endpoint: str
    """HOST:PORT, plain HTTP."""
    identities: tuple[Identity, ...]
    child: Child


async def start_kafka(folder: Path, port: int | None = None) -> KafkaServer:
    """Start the broker with its data and its log under ``folder``, on any port unless given.

    Its records outlive its process, and not the machine.
    """
    port = port or ports.free_port()
    started = kafka.program(folder / "broker", port, folder / "broker.log", fsync="never")
    child = await program.start(started)
    return KafkaServer(f"{HOST}:{port}", child)


async def start_mongod(folder: Path, port: int | None = None) -> MongoServer:
    """Start mongod with its data and its log under ``folder``, on any port unless given."""
    port = port or ports.free_port()
    child = await program.start(mongod.program(folder / "mongod", port, folder / "mongod.log"))
    return MongoServer(mongod.dsn(port), child)


async def start_seaweed(
    folder: Path, identities: Sequence[Identity], port: int | None = None
) -> ObjectStore:
    """Start the object store with its data and its log under ``folder``.

    ``port`` is the first of ``seaweed.PORTS`` in a row; any free ones unless given.
    """
    port = port or ports.free_block(seaweed.PORTS)
    child = await program.start(
        seaweed.program(folder / "seaweedfs", port, folder / "seaweedfs.log", identities)
    )
    return ObjectStore(f"{HOST}:{port}", tuple(identities), child)


async def stop(*servers: KafkaServer | MongoServer | ObjectStore) -> None:
    """Stop servers, all at once."""
    await asyncio.gather(*(server.child.stop(grace=4.0) for server in servers))
