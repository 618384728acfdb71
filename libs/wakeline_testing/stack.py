"""Where a test run's Kafka, MongoDB and object store are: given, in containers, or embedded.

Each of the three is looked for on its own: ``WAKELINE_TEST_KAFKA`` (HOST:PORT,...),
``WAKELINE_TEST_MONGO`` (a DSN of a replica set) and ``WAKELINE_TEST_S3``
(http://KEY:SECRET@HOST:PORT) name servers that are there; with ``WAKELINE_TEST_CONTAINERS=1``
and a Docker engine they are started as containers; else the embedded ones are started.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from wakeline_blobs.access import MATRIX
from wakeline_embedded import external, identities, servers
from wakeline_embedded.credentials import Keys
from wakeline_embedded.seaweed import Identity
from wakeline_testing import containers
from wakeline_testing.databases import Databases

SCOPE_NAME_LENGTH: Final = 8
ANY_SCOPE: Final = "?" * SCOPE_NAME_LENGTH + "-"
"""Matches the bucket prefix of every scope, and nothing longer or shorter."""


@dataclass(frozen=True)
class KafkaAddress:
    """A Kafka to test with."""

    bootstrap: str


@dataclass(frozen=True)
class MongoAddress:
    """A MongoDB replica set to test with."""

    dsn: str


@dataclass(frozen=True)
class S3Address:
    """An object store to test with, and its credentials."""

    endpoint: str
    """HOST:PORT."""
    secure: bool
    admin: Identity
    """May do everything, making buckets included."""
    services: dict[str, Identity]
    """What each service is; empty where the store was given with one credential only."""


@dataclass(frozen=True)
class Stack:
    """Everything a service needs from outside."""

    kafka: KafkaAddress
    mongo: MongoAddress
    s3: S3Address
    databases: Databases = field(default_factory=Databases)
    """Of tests that are over, for those that come."""


@asynccontextmanager
async def kafka(folder: Path) -> AsyncIterator[KafkaAddress]:
    """The Kafka of this test run; stopped at the end, if we started it."""
    if given := os.environ.get("WAKELINE_TEST_KAFKA"):
        yield KafkaAddress(given)
    elif containers.wanted():
        async with containers.kafka() as bootstrap:
            yield KafkaAddress(bootstrap)
    else:
        server = await servers.start_kafka(folder)
        try:
            yield KafkaAddress(server.bootstrap)
        finally:
            await servers.stop(server)


@asynccontextmanager
async def mongo(folder: Path) -> AsyncIterator[MongoAddress]:
    """The MongoDB of this test run; stopped at the end, if we started it."""
    if given := os.environ.get("WAKELINE_TEST_MONGO"):
        yield MongoAddress(given)
    elif containers.wanted():
        async with containers.mongo() as dsn:
            yield MongoAddress(dsn)
    else:
        server = await servers.start_mongod(folder)
        try:
            yield MongoAddress(server.dsn)
        finally:
            await servers.stop(server)


@asynccontextmanager
async def s3(folder: Path) -> AsyncIterator[S3Address]:
    """The object store of this test run; stopped at the end, if we started it."""
    if given := os.environ.get("WAKELINE_TEST_S3"):
        yield parse_s3(given)
    elif containers.wanted():
        async with containers.s3() as url:
            yield parse_s3(url)
    else:
        admin = identities.administrator(Keys())
        services = {name: identities.of_service(name, Keys(), ANY_SCOPE) for name in MATRIX}
        server = await servers.start_seaweed(folder, [admin, *services.values()])
        try:
            yield S3Address(server.endpoint, False, admin, services)
        finally:
            await servers.stop(server)


def parse_s3(url: str) -> S3Address:
    """Read ``http://KEY:SECRET@HOST:PORT``: one credential, which every service then has.

    Raises
    ------
    ValueError
        If a part is missing.
    """
    given = external.parse_store(url)
    admin = identities.administrator(Keys(given.access_key, given.secret_key))
    return S3Address(given.endpoint, given.secure, admin, {})
